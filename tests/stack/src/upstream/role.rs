//! Which provider a sample plays.

use super::{Seen, State, anthropic, any, openai};
use crate::Result;
use crate::server::Body;
use http::Response;
use std::sync::Arc;

/// A provider. All but `Any` refuse what the real one refuses: another place for the key, a missing header.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    Any,
    Anthropic,
    OpenAi,
}

impl Role {
    /// The provider of this slug.
    pub fn of(slug: &str) -> Result<Self> {
        Ok(match slug {
            "anthropic" => Self::Anthropic,
            "openai" => Self::OpenAi,
            _ => return Err(format!("no sample plays {slug}").into()),
        })
    }

    pub async fn answer(self, state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
        match self {
            Self::Any => any(state, seen).await,
            Self::Anthropic => anthropic::answer(state, seen).await,
            Self::OpenAi => openai::answer(state, seen).await,
        }
    }
}
