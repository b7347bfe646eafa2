//! Who is asking. A scope is proof, so only this room makes one, and only from a verified credential.

use crate::id::{
    AgentId, ChannelId, ConnectionId, ConversationId, DeploymentName, OrganizationId, TeamId,
    TokenId, UserId,
};

/// What a verified worker token or a resolved placeholder proves: an agent of an organization.
///
/// It cannot be made up outside this crate:
/// ```compile_fail
/// use postern::{AgentId, AgentScope, OrganizationId};
/// let org = OrganizationId::parse("o").unwrap();
/// let forged = AgentScope { organization: org, agent: AgentId::parse("a").unwrap() };
/// ```
/// ```compile_fail
/// use postern::{AgentId, AgentScope, OrganizationId};
/// let forged = AgentScope::new(OrganizationId::parse("o").unwrap(), AgentId::parse("a").unwrap());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentScope {
    organization: OrganizationId,
    agent: AgentId,
}

impl AgentScope {
    pub(super) fn new(organization: OrganizationId, agent: AgentId) -> Self {
        Self {
            organization,
            agent,
        }
    }

    /// The scope of any agent, for unit tests.
    #[cfg(test)]
    pub(crate) fn for_test(organization: &str, agent: &str) -> Self {
        Self::new(
            OrganizationId::parse(organization).unwrap(),
            AgentId::parse(agent).unwrap(),
        )
    }

    /// The organization.
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// The agent, unique within the organization only.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The person whom a policy of the agent's own organization names. The store checks that the connection
    /// belongs to that organization.
    pub(crate) fn approver(&self, connection: ConnectionId, user: UserId) -> PersonScope {
        ConnectionScope::new(self.organization.clone(), connection).user(user)
    }
}

/// What a verified webhook proves: the platform speaks for this connection of this organization.
///
/// ```compile_fail
/// use postern::{ConnectionId, ConnectionScope, OrganizationId};
/// let forged = ConnectionScope::new(OrganizationId::parse("o").unwrap(), ConnectionId::parse("c").unwrap());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionScope {
    organization: OrganizationId,
    connection: ConnectionId,
}

impl ConnectionScope {
    pub(super) fn new(organization: OrganizationId, connection: ConnectionId) -> Self {
        Self {
            organization,
            connection,
        }
    }

    /// The organization that the connection belongs to.
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// The connection.
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// A person on this connection: narrower, never wider.
    pub fn user(self, user: UserId) -> PersonScope {
        PersonScope { within: self, user }
    }
}

/// A person on a connection of an organization. An agent stores a question under one and a click claims it under
/// one, so the four fields that every statement compares are one value and one id.
///
/// No store operation on a pending interaction takes less:
/// ```compile_fail
/// # async fn f(store: &postern::Store, within: &postern::ConnectionScope, id: &postern::InteractionId) {
/// store.interaction_delete(within, id, None).await;
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonScope {
    within: ConnectionScope,
    user: UserId,
}

impl PersonScope {
    /// The organization that the connection belongs to.
    pub fn organization(&self) -> &OrganizationId {
        &self.within.organization
    }

    /// The connection.
    pub fn connection(&self) -> &ConnectionId {
        &self.within.connection
    }

    /// The person, as the platform names them.
    pub fn user(&self) -> &UserId {
        &self.user
    }
}

/// An agent in a conversation with a person: who may be asked, and where. Only a token makes one.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub(super) agent: AgentScope,
    pub(super) scope: PersonScope,
    pub(super) channel: ChannelId,
    pub(super) conversation: ConversationId,
    pub(super) team: Option<TeamId>,
}

impl Conversation {
    /// The agent.
    pub fn agent(&self) -> &AgentScope {
        &self.agent
    }

    /// The person, on their connection.
    pub fn scope(&self) -> &PersonScope {
        &self.scope
    }

    /// The channel in which the agent talks to the person.
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The conversation in that channel.
    pub fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// The platform's workspace, if the token names it.
    pub fn team(&self) -> Option<&TeamId> {
        self.team.as_ref()
    }
}

/// The organization that a request's placeholders must belong to. Not an `Option`: "nobody is
/// expected" is a fact about the request (no token, no agent in the URL), never a failed lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedOrganization {
    /// Proven by a worker token, or by a placeholder whose organization has the URL's agent.
    Proven(OrganizationId),
    /// The request has neither a token nor an agent in the URL. The placeholder's own organization scopes it.
    NoneExpected,
}

impl ExpectedOrganization {
    /// Whether a placeholder row of this organization may resolve. A row without one equals no organization.
    pub fn admits(&self, row: Option<&OrganizationId>) -> Admission {
        match (self, row) {
            (Self::Proven(expected), Some(own)) if expected == own => Admission::Own,
            (Self::Proven(_), Some(_) | None) => Admission::Refused,
            (Self::NoneExpected, Some(_)) => Admission::Own,
            (Self::NoneExpected, None) => Admission::Legacy,
        }
    }
}

/// How a placeholder row compares with the expected organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The row is of the organization.
    Own,
    /// The row has no organization, and none is expected. The operator's setting decides.
    Legacy,
    /// The row is of another organization, or of none.
    Refused,
}

/// The claims of a verified worker token.
#[derive(Debug, Clone)]
pub struct VerifiedWorker {
    pub(super) agent: AgentScope,
    pub(super) deployment: DeploymentName,
    pub(super) token: TokenId,
    pub(super) issued_at: f64,
    pub(super) user: Option<UserId>,
    pub(super) conversation: Option<Conversation>,
}

impl VerifiedWorker {
    /// The agent.
    pub fn agent(&self) -> &AgentScope {
        &self.agent
    }

    /// The deployment that the worker runs in.
    pub fn deployment(&self) -> &DeploymentName {
        &self.deployment
    }

    /// The token's `jti`, by which it is revoked.
    pub fn token(&self) -> &TokenId {
        &self.token
    }

    /// When it was issued, in Unix seconds. A token that is older than its agent, or not newer than its
    /// deployment's revocation, is refused.
    pub fn issued_at(&self) -> f64 {
        self.issued_at
    }

    /// The person for whom the worker runs, if the token names one.
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// The agent's conversation, if the token names all of it.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversation.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(id: &str) -> OrganizationId {
        OrganizationId::parse(id).unwrap()
    }

    #[test]
    fn a_row_without_organization_never_equals_an_expected_one() {
        let expected = ExpectedOrganization::Proven(org("a"));
        assert_eq!(expected.admits(None), Admission::Refused);
        assert_eq!(expected.admits(Some(&org("b"))), Admission::Refused);
        assert_eq!(expected.admits(Some(&org("a"))), Admission::Own);
        assert_eq!(
            ExpectedOrganization::NoneExpected.admits(None),
            Admission::Legacy
        );
        assert_eq!(
            ExpectedOrganization::NoneExpected.admits(Some(&org("b"))),
            Admission::Own
        );
    }
}
