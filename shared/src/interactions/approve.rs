//! Approvals that a policy requires: for one host and one agent, from the person that the policy names.

use super::Interactions;
use super::post::{POST, Post, PostedAs};
use crate::authority::scope::AgentScope;
use crate::chat::Card;
use crate::digest;
use crate::error::{Code, Error};
use crate::id::{ConversationId, InteractionId, Revision};
use crate::policy::{Approver, Target};
use crate::question::approval::{self, Approval, Subject};
use crate::question::{Content, Payload, Place};
use crate::store::{Attempts, NewApproval, Opened};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Maximum length of the path on a card, in characters; the rest is left out.
const MAX_SHOWN: usize = 500;

impl Interactions {
    /// Opens an approval of the target's host for the agent and posts its card, unless one is open already.
    /// Returns its id.
    ///
    /// # Errors
    /// `unknown_connection`, `too_many_open`, `secret_unavailable`, `post_failed` or `database_unavailable`.
    pub async fn approve(
        &self,
        agent: &AgentScope,
        approver: &Approver,
        target: &Target,
    ) -> Result<InteractionId, Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the policy of the agent's own organization names the person"
        )]
        let scope = agent.approver(approver.connection_id.clone(), approver.user_id.clone());
        let id = id(agent, approver, target)?;
        let approval = Approval {
            subject: Subject::Host(target.host.clone()),
            args: shown(target),
        };
        let digest = approval.digest();
        let channel = approver.channel_id.clone();
        let conversation = approver.conversation_id.clone();
        let place = Place {
            conversation: conversation.unwrap_or_else(|| channel.clone().into()),
            channel,
            team: None,
        };
        let rest = [("id".to_owned(), json!(id))].into_iter().collect();
        let content = Content::Approval(approval);
        let payload = Payload::new(content, place.clone(), None, rest);
        let revision = Revision::new();
        let new = NewApproval {
            scope: &scope,
            agent,
            id: &id,
            payload: &payload,
            digest: &digest,
            revision: &revision,
        };
        // Counted from before the row exists, because its lease is.
        let until = Instant::now() + POST;
        match self.store.approval_open(&new, self.ttl).await? {
            Opened::Standing => {}
            Opened::UnknownConnection => return Err(Code::UnknownConnection.into()),
            Opened::TooManyOpen => return Err(Code::TooManyOpen.into()),
            Opened::New(connection, expires_at) => {
                let card = Card::new(&id, &scope, agent.agent(), &payload, Some(expires_at));
                let post = Post {
                    scope: &scope,
                    card: &card,
                    place: &place,
                    revision: &revision,
                    attempts: Attempts::default(),
                    until,
                    patient: false,
                };
                match self.post(&post, &connection).await? {
                    PostedAs::Card | PostedAs::Later | PostedAs::Unknown => {}
                    // Plain text has no buttons, so nobody could decide.
                    PostedAs::Text => {
                        self.undo(&scope, &id, &revision).await;
                        return Err(Code::PostFailed.into());
                    }
                }
            }
        }
        Ok(id)
    }
}

/// The approval's id: a hash of agent, host and approver, so that all requests that need the same decision from
/// the same person share it.
fn id(agent: &AgentScope, approver: &Approver, target: &Target) -> Result<InteractionId, Error> {
    let hash = digest::sha256_of_parts(&[
        agent.organization().as_str(),
        agent.agent().as_str(),
        target.host.as_str(),
        approver.connection_id.as_str(),
        approver.user_id.as_str(),
        approver.channel_id.as_str(),
        approver
            .conversation_id
            .as_ref()
            .map_or("", ConversationId::as_str),
    ]);
    let hash = crate::digest::to_hex(&hash);
    let id = format!("{}{}", approval::OWN_IDS, &hash[..40]);
    InteractionId::parse(id).map_err(|error| Code::Internal.because(error))
}

/// The request that needs the approval, as far as the proxy can see it.
fn shown(target: &Target) -> Value {
    let mut args = json!({"scheme": target.scheme.as_str(), "port": target.port});
    if target.method().is_some() {
        args["method"] = target.methods().join(" or ").into();
    }
    if let Some(path) = target.path() {
        args["path"] = path.chars().take(MAX_SHOWN).collect::<String>().into();
    }
    args
}
