//! One error for every function: a stable code, a sentence for the reader, a cause for the log.

use crate::id::InteractionId;
use http::StatusCode;
use std::borrow::Cow;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $message:literal;)*) => {
        /// What went wrong, as a caller's program sees it. `docs/errors.md` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $message] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name, the HTTP status, and the sentence for a caller where the place of the
            /// failure has none of its own.
            const fn row(self) -> (&'static str, u16, &'static str) {
                match self {
                    $(Self::$name => ($code, $status, $message),)*
                }
            }
        }
    };
}

// One row a line, by status.
#[rustfmt::skip]
codes! {
    InvalidJson = "invalid_json", 400, "the body is not valid JSON";
    InvalidRequest = "invalid_request", 400, "the request is not valid";
    InvalidPath = "invalid_path", 400, "the path is not /api/proxy/{slug}[/a/{agent_id}[/u/{user_id}]]/{rest} in valid percent-encoding";
    UnexpectedCredential = "unexpected_credential", 400, "the request presents two credentials of which only one can be meant; send one";
    PlaceholderMisplaced = "placeholder_misplaced", 400, "a placeholder stands where no credential is read; send it where the provider takes its key";
    SecretRefOutsideOrganization = "secret_ref_outside_organization", 400, "the field `secret_ref` must begin with the organization's own prefix";
    AllowedHostsRequired = "allowed_hosts_required", 400, "a placeholder with a secret_ref needs allowed_hosts: the hosts its secret may be sent to";
    SealingKeysRequired = "sealing_keys_required", 400, "secrets can be sealed only with a keyring; set SEALING_KEYS_SECRET_ID, or keep the secret in Secrets Manager";
    InvalidWorkerToken = "invalid_worker_token", 401, "the worker token is not valid; mint a new one";
    MissingCredentials = "missing_credentials", 401, "no placeholder and no worker token was presented; send the placeholder as the API key";
    Unauthorized = "unauthorized", 401, "the placeholder is not valid here; mint a new one";
    NoCredentials = "no_credentials", 401, "no credential is configured for this provider; add a profile for it";
    InvalidSignature = "invalid_signature", 401, "the request's signature is missing, wrong or too old";
    AgentMismatch = "agent_mismatch", 403, "the credential belongs to another agent than the one it is used for";
    UserMismatch = "user_mismatch", 403, "the credential does not speak for the user in the URL";
    HostNotAllowed = "host_not_allowed", 403, "the placeholder's secret may not be sent to this provider's host";
    UpstreamForbidden = "upstream_forbidden", 403, "the provider's address is not a public https address";
    TokenWithoutConversation = "token_without_conversation", 403, "the worker token names no connection, user, channel and conversation; mint one for a conversation";
    EgressDenied = "egress_denied", 403, "the egress policy does not allow this request";
    ApprovalRequired = "approval_required", 403, "a person is asked whether this host may be called; wait for the interaction's answer, then retry";
    JudgeDenied = "judge_denied", 403, "the judge of the egress policy does not allow this request";
    JudgeTimeout = "judge_timeout", 403, "the judge of the egress policy did not answer in time, so the request is denied; retry shortly";
    JudgeUnavailable = "judge_unavailable", 403, "the judge of the egress policy could not be asked, so the request is denied; retry shortly";
    NotFound = "not_found", 404, "there is nothing at this address; check the path";
    UnknownProvider = "unknown_provider", 404, "no provider has this slug; use /api/proxy/{slug}/... with a configured provider";
    UnknownConnection = "unknown_connection", 404, "the organization has no connection of this id";
    UnknownInteraction = "unknown_interaction", 404, "this agent has no interaction of this id";
    UnknownOrganization = "unknown_organization", 404, "there is no organization of this id; put_organization first";
    UnknownAgent = "unknown_agent", 404, "the organization has no agent of this id; put_agent first";
    MethodNotAllowed = "method_not_allowed", 405, "this address does not take that method";
    ScopeConflict = "scope_conflict", 409, "this id is taken under another scope; use another id";
    InteractionExpired = "interaction_expired", 409, "an interaction of this id has expired; use a new id";
    InteractionAnswered = "interaction_answered", 409, "the interaction was answered and can no longer be withdrawn; read its answer";
    BodyTooLarge = "body_too_large", 413, "the body is over the limit of 1 MiB";
    UpgradeUnsupported = "upgrade_unsupported", 426, "Lambda cannot carry a WebSocket; use the provider's HTTP API";
    TooManyFailures = "too_many_failures", 429, "too many placeholders from this source failed to resolve; wait, then use a live one";
    TooManyOpen = "too_many_open", 429, "the agent has 1,000 open interactions; withdraw some, or wait until they are answered";
    Internal = "internal", 500, "something went wrong inside Postern; report the request_id";
    UpstreamUnreachable = "upstream_unreachable", 502, "the provider could not be reached; retry shortly";
    PostFailed = "post_failed", 502, "the chat platform refused the card; nothing was kept; retry, or check the channel";
    AgentOrgUnresolved = "agent_org_unresolved", 503, "failed to resolve agent organization; retry shortly";
    DatabaseUnavailable = "database_unavailable", 503, "the database is unavailable; retry shortly";
    SecretUnavailable = "secret_unavailable", 503, "the credential could not be read from the secret store; retry shortly";
    UpstreamTimeout = "upstream_timeout", 504, "the provider did not answer in time; retry shortly";
}

impl Code {
    /// The stable name that programs match on.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Seconds after which a retry may succeed, for failures that time can cure.
    pub const fn retry_after(self) -> Option<u64> {
        match self.row().1 {
            429 => Some(60),
            502..=504 => Some(1),
            _ => None,
        }
    }

    /// An error of this code with its cause, which only the log gets.
    pub fn because(self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::from(self).because(cause)
    }
}

/// An error of Postern's own: a sentence for the caller, and a cause for the log.
#[derive(Debug)]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    message: Option<Cow<'static, str>>,
    /// Whether the message may quote the request, which no log is to hold.
    private: bool,
    retry_after: Option<u64>,
    interaction: Option<InteractionId>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The code with its own sentence. The sentence is public, so it holds no secret and no SQL.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: Some(message.into()),
            ..code.into()
        }
    }

    /// The code with a sentence that may quote the request: the caller gets it, and the log does not.
    pub fn private(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            private: true,
            ..Self::new(code, message)
        }
    }

    /// 400 `invalid_request` that names the field.
    pub fn field(field: &str, rule: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidRequest, format!("the field `{field}` {rule}"))
    }

    /// Adds the interaction that the caller should wait for.
    pub fn about(mut self, interaction: InteractionId) -> Self {
        self.interaction = Some(interaction);
        self
    }

    /// The interaction that the caller should wait for.
    pub fn interaction(&self) -> Option<&InteractionId> {
        self.interaction.as_ref()
    }

    /// Adds the cause, which only the log gets.
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Sets the seconds after which a retry may succeed.
    pub fn retry_after_secs(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or(self.code.row().2)
    }

    /// The sentence for the log: the code's own where the caller's may quote the request.
    pub fn logged(&self) -> &str {
        if self.private {
            self.code.row().2
        } else {
            self.message()
        }
    }

    /// Seconds after which a retry may succeed.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after.or(self.code.retry_after())
    }

    /// The cause and its own causes in one line, for the log.
    pub fn cause(&self) -> Option<String> {
        let mut next: Option<&dyn std::error::Error> = Some(self.cause.as_deref()?);
        let mut line = String::new();
        while let Some(error) = next {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&error.to_string());
            next = error.source();
        }
        Some(line)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self {
            code,
            message: None,
            private: false,
            retry_after: None,
            interaction: None,
            cause: None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.cause.as_deref() {
            Some(cause) => Some(cause),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_that_time_can_cure_ask_for_a_retry() {
        assert_eq!(
            Error::from(Code::DatabaseUnavailable).retry_after(),
            Some(1)
        );
        assert_eq!(Error::from(Code::UpstreamTimeout).retry_after(), Some(1));
        assert_eq!(Error::from(Code::Internal).retry_after(), None);
        assert_eq!(Error::from(Code::UpgradeUnsupported).retry_after(), None);
        assert_eq!(Error::from(Code::Unauthorized).retry_after(), None);
    }

    #[test]
    fn the_cause_is_for_the_log_and_not_in_the_message() {
        let error = Error::from(Code::DatabaseUnavailable).because("relation does not exist");
        assert_eq!(error.cause().as_deref(), Some("relation does not exist"));
        assert!(!error.to_string().contains("relation"));
    }
}
