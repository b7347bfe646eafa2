//! Which provider a sample plays.

use super::asked::Asked;
use super::{
    Seen, State, anthropic, any, azure, bedrock, cohere, gemini, git, github, gitlab, groq,
    mistral, notion, openai, slack_api, stripe, together,
};
use crate::Result;
use crate::server::Body;
use http::Response;
use std::sync::Arc;

/// A provider. All but `Any` refuse what the real one refuses: another place for the key, a missing header.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    Any,
    Anthropic,
    Git,
    GitHub,
    GitLab,
    Notion,
    OpenAi,
    Slack,
    Stripe,
    Azure,
    Bedrock,
    Cohere,
    Gemini,
    Groq,
    Mistral,
    Together,
}

impl Role {
    /// The provider of this slug.
    pub fn of(slug: &str) -> Result<Self> {
        Ok(match slug {
            "anthropic" => Self::Anthropic,
            "github" => Self::GitHub,
            "github-git" | "gitlab-git" => Self::Git,
            "gitlab" => Self::GitLab,
            "notion" => Self::Notion,
            "slack" => Self::Slack,
            "stripe" => Self::Stripe,
            "azure-openai" => Self::Azure,
            slug if slug.starts_with("bedrock-") => Self::Bedrock,
            "cohere" => Self::Cohere,
            "gemini" => Self::Gemini,
            "groq" => Self::Groq,
            "mistral" => Self::Mistral,
            "openai" => Self::OpenAi,
            "together" => Self::Together,
            _ => return Err(format!("no sample plays {slug}").into()),
        })
    }

    pub async fn answer(self, state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
        match self {
            Self::Any => any::answer(state, seen).await,
            Self::Anthropic => anthropic::answer(state, seen).await,
            Self::Git => git::respond(&Asked::new(state, seen)).await,
            Self::GitHub => github::respond(&Asked::new(state, seen)),
            Self::GitLab => gitlab::respond(&Asked::new(state, seen)).await,
            Self::Notion => notion::respond(&Asked::new(state, seen)).await,
            Self::Slack => slack_api::respond(&Asked::new(state, seen)),
            Self::Stripe => stripe::respond(&Asked::new(state, seen)).await,
            Self::Azure => azure::answer(state, seen),
            Self::Bedrock => bedrock::answer(state, seen),
            Self::Cohere => cohere::answer(state, seen).await,
            Self::Gemini => gemini::answer(state, seen),
            Self::Groq => groq::answer(state, seen).await,
            Self::Mistral => mistral::answer(state, seen).await,
            Self::OpenAi => openai::answer(state, seen).await,
            Self::Together => together::answer(state, seen),
        }
    }
}
