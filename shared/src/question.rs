//! Questions to a person and their answers: the types that the store, chat and the functions share.

mod answer;
pub mod approval;
pub mod ask;
mod callback;
mod card_address;
mod click;
mod grant_pattern;
mod payload;
mod status;
mod stored;

pub use answer::Answer;
pub use callback::{CallbackAddress, CallbackUrl};
pub use card_address::CardAddress;
pub use click::{Choice, ClickKey};
pub use grant_pattern::{GrantPattern, InvalidPattern};
pub use payload::{Content, Payload, Place};
pub use status::{Answered, Outcome, Owed, Status};
pub use stored::Malformed;
