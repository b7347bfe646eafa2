//! What is asked of a person, and what becomes of it: the words that the store, chat and the functions share.

pub mod approval;
pub mod ask;
mod callback;
mod card_address;
mod click;
mod status;

pub use callback::{CallbackAddress, CallbackUrl};
pub use card_address::CardAddress;
pub use click::{Choice, ClickKey};
pub use status::{Answered, Outcome, Owed, Status};
