//! An approval that a policy asks for: of one host, for one agent, from the person the policy names.

use super::{How, Interactions};
use crate::authority::scope::AgentScope;
use crate::chat::Card;
use crate::digest;
use crate::error::{Code, Error};
use crate::id::{InteractionId, Revision};
use crate::policy::{Asked, Target};
use crate::question::approval;
use crate::store::{NewApproval, Opened};
use serde_json::{Value, json};

/// Longest path that a card shows whole.
const LONGEST_SHOWN: usize = 500;

impl Interactions {
    /// The approval of this host that is open for the agent, or a new one, with its card posted.
    ///
    /// # Errors
    /// Where nobody can be asked: `unknown_connection`, `secret_unavailable`, `post_failed`,
    /// `database_unavailable`.
    pub async fn approve(
        &self,
        agent: &AgentScope,
        asked: &Asked,
        target: &Target,
    ) -> Result<InteractionId, Error> {
        let scope = agent.person(asked.connection_id.clone(), asked.user_id.clone());
        let id = id(agent, asked, target)?;
        let tool = target.host.pattern();
        let args = shown(target);
        let digest = approval::digest(&tool, &args);
        let payload = json!({
            "id": id, "kind": "approval", "tool": tool, "args": args,
            "channel_id": asked.channel_id,
            "conversation_id": asked.conversation_id.as_ref().unwrap_or(&asked.channel_id),
        });
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
                let card = Card::of(&id, scope.user(), agent.agent(), &payload);
                match self.post(&scope, &card, &revision, &connection).await? {
                    How::Card | How::Unknown => {}
                    // Text has nothing to click, so nobody could decide.
                    How::Text => {
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
fn id(agent: &AgentScope, asked: &Asked, target: &Target) -> Result<InteractionId, Error> {
    let hash = digest::sha256_of_parts(&[
        agent.organization().as_str(),
        agent.agent().as_str(),
        target.host.as_str(),
        asked.connection_id.as_str(),
        asked.user_id.as_str(),
        &asked.channel_id,
        asked.conversation_id.as_deref().unwrap_or_default(),
    ]);
    let hash = crate::digest::to_hex(&hash);
    let id = format!("{}{}", approval::OWN_IDS, &hash[..40]);
    InteractionId::parse(id).map_err(|error| Error::from(Code::Internal).because(error))
}

/// The request that needs it, as far as it can be seen.
fn shown(target: &Target) -> Value {
    let mut args = json!({"scheme": target.scheme.as_str(), "port": target.port});
    if target.method().is_some() {
        args["method"] = target.methods().join(" or ").into();
    }
    if let Some(path) = target.path() {
        args["path"] = path.chars().take(LONGEST_SHOWN).collect::<String>().into();
    }
    args
}
