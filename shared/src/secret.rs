//! Secrets, in Secrets Manager or sealed in the database. No secret is read without a permit. A tenant's permit names one secret of that tenant and
//! of one kind, so a forged row reaches neither another tenant's secret nor a secret of another kind.

mod cache;
mod config;
pub mod fuzz;
mod keyring;
mod name;
mod opening;
mod sealed;
mod sealing;

pub use cache::{AFTER_A_REFUSAL, Freshness, Secrets};
pub use config::SecretsConfig;
pub use keyring::{Keyring, KeyringError};
pub use name::{CallbackPermit, ChatPermit, KeyPermit, OperatorSecret, Permit, SecretNames};
pub use sealed::{InvalidSealedName, Sealed, SealedId, SealedName, SealedRows};
pub use sealing::Unopened;
