//! Secrets Manager. No secret is read without a permit. A tenant's permit names one secret of that tenant and
//! of one kind, so a forged row reaches neither another tenant's secret nor a secret of another kind.

mod cache;
mod config;
mod name;

pub use cache::{AFTER_A_REFUSAL, Freshness, Secrets};
pub use config::SecretsConfig;
pub use name::{CallbackPermit, ChatPermit, KeyPermit, OperatorSecret, Permit, SecretNames};
