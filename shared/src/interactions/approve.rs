//! An approval that a policy asks for: of one host, for one agent, from the person the policy names.

use super::Interactions;
use super::post::PostedAs;
use crate::authority::scope::AgentScope;
use crate::chat::Card;
use crate::digest;
use crate::error::{Code, Error};
use crate::id::{ConversationId, InteractionId, Revision};
use crate::policy::{Approver, Target};
use crate::question::approval::{self, Approval, Subject};
use crate::question::{Content, Payload, Place};
use crate::store::{NewApproval, Opened};
use serde_json::{Value, json};

/// Longest path that a card shows whole.
const MAX_SHOWN: usize = 500;

impl Interactions {
    /// The approval of this host that is open for the agent, or a new one, with its card posted.
    ///
    /// # Errors
    /// Where nobody can be approver: `unknown_connection`, `secret_unavailable`, `post_failed`,
    /// `database_unavailable`.
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
        match self.store.approval_open(&new, self.ttl).await? {
            Opened::Standing => {}
            Opened::UnknownConnection => return Err(Code::UnknownConnection.into()),
            Opened::TooManyOpen => return Err(Code::TooManyOpen.into()),
            Opened::New(connection) => {
                let card = Card::new(&id, scope.user(), agent.agent(), &payload);
                match self
                    .post(&scope, &card, &place, &revision, &connection)
                    .await?
                {
                    PostedAs::Card | PostedAs::Unknown => {}
                    // Text has nothing to click, so nobody could decide.
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

/// The same for everybody who needs the same decision of the same person.
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

/// The request that needs it, as far as it can be seen.
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
