//! Worker tokens: JWS EdDSA (RFC 8037), signed by `control`, verified with public keys alone.

use crate::authority::scope::{AgentScope, ConnectionScope, Conversation, VerifiedWorker};
use crate::error::{Code, Error};
use crate::id::{
    AgentId, ChannelId, ConnectionId, ConversationId, DeploymentName, OrganizationId, TeamId,
    TokenId, UserId,
};
use crate::secret::{Freshness, OperatorSecret, Secrets};
use crate::wire::event::Incoming;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::JwkSet};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// The header that carries a worker token.
pub const HEADER: &str = "x-postern-worker-token";

const ISSUER: &str = "postern";
const LEEWAY_SECONDS: u64 = 30;
/// The longest life of a token. Its revocation is remembered for as long.
pub const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// A key set that does not know a token's key is read again at most this often.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A worker token's claims, each of its own type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer, always `postern`.
    pub iss: String,
    /// The audience, always `postern`.
    pub aud: String,
    /// The agent.
    pub sub: AgentId,
    /// Its organization.
    pub org: OrganizationId,
    /// The deployment that the worker runs in.
    pub dep: DeploymentName,
    /// When it was issued, in Unix seconds. It has a fraction if its deployment was revoked in the same second.
    pub iat: Seconds,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// The token's id, by which it is revoked.
    pub jti: TokenId,
    /// The connection to the person that the agent talks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// The person, as the platform names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The channel of their conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    /// The conversation in that channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The platform's workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
}

/// A NumericDate (RFC 7519 section 2): seconds since the epoch, which may have a fraction.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
pub struct Seconds(pub f64);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole seconds are written as whole numbers, as other issuers do.
        if self.0.fract() == 0.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// The claims that `mint` signs. It adds those that never vary.
pub struct NewToken {
    /// The agent.
    pub agent: AgentId,
    /// Its organization.
    pub organization: OrganizationId,
    /// The deployment that the worker runs in.
    pub deployment: DeploymentName,
    /// The token's `jti`.
    pub token: TokenId,
    /// When it is issued, in Unix seconds, with a fraction where a revocation needs it.
    pub issued_at: f64,
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// The connection to the person that the agent talks to.
    pub connection_id: Option<ConnectionId>,
    /// The person, as the platform names them.
    pub user_id: Option<UserId>,
    /// The channel of their conversation.
    pub channel_id: Option<ChannelId>,
    /// The conversation in that channel.
    pub conversation_id: Option<ConversationId>,
    /// The platform's workspace.
    pub team_id: Option<TeamId>,
}

/// Whether a text says that it is a worker token: a compact JWS whose issuer is Postern. Nothing in it is verified.
pub fn claims_to_be_ours(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let mut parts = text.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    serde_json::from_slice(&claims).is_ok_and(|Issuer { iss }| iss == ISSUER)
}

/// The token in its own header, or else the bearer token. It is never read from the URL.
///
/// # Errors
/// `invalid_worker_token` if the request has none.
pub fn presented(incoming: &Incoming) -> Result<&str, Error> {
    let missing = || {
        Error::new(
            Code::InvalidWorkerToken,
            format!("no worker token was presented; send it in {HEADER}"),
        )
    };
    let mut all = incoming.headers.get_all(HEADER).iter();
    if let Some(first) = all.next() {
        // A token that nobody verifies might be another agent's.
        if all.any(|other| other != first) {
            return Err(Error::new(
                Code::InvalidWorkerToken,
                "two different worker tokens were presented; send one",
            ));
        }
        return incoming.header(HEADER).map(str::trim).ok_or_else(missing);
    }
    let (scheme, token) = incoming
        .header("authorization")
        .and_then(|value| value.trim().split_once(' '))
        .ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(missing())
    }
}

/// Verifies worker tokens with the operator's public keys.
pub struct Verifier {
    secrets: Arc<Secrets>,
    keys: OperatorSecret,
}

impl Verifier {
    /// A verifier whose JWK Set is this secret. It reads the secret later.
    pub fn new(secrets: Arc<Secrets>, keys: OperatorSecret) -> Self {
        Self { secrets, keys }
    }

    /// The worker that a token proves. Whether it was revoked, the database knows.
    ///
    /// # Errors
    /// `invalid_worker_token` where it does not verify; `secret_unavailable` where the key set cannot be read.
    pub async fn verify(&self, token: &str) -> Result<VerifiedWorker, Error> {
        let keys = self.secrets.read(&self.keys, Freshness::Cached).await?;
        match verify(&keys, token) {
            Err(Refusal::UnknownKey) => {
                // The key may be newer than the cached set.
                let again = Freshness::FreshOnceIn(KEYS_AGAIN_AFTER);
                let keys = self.secrets.read(&self.keys, again).await?;
                Ok(verify(&keys, token)?)
            }
            verified => Ok(verified?),
        }
    }
}

/// Why a token proves nobody.
#[derive(Debug)]
pub enum Refusal {
    /// The key set has no key of the token's `kid`.
    UnknownKey,
    /// Every other reason.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownKey => Code::InvalidWorkerToken.because("unknown kid"),
            Refusal::Other(error) => error,
        }
    }
}

/// The worker that a token proves under this JWK Set.
///
/// # Errors
/// Why it proves nobody.
pub fn verify(key_set: &SecretString, token: &str) -> Result<VerifiedWorker, Refusal> {
    let keys: JwkSet = serde_json::from_str(key_set.expose_secret()).map_err(|_| {
        Code::SecretUnavailable.because("the worker token key set is not a JWK Set")
    })?;
    let refuse = |why: &'static str| Code::InvalidWorkerToken.because(why);
    let header = jsonwebtoken::decode_header(token).map_err(|_| refuse("not a JWS"))?;
    if header.alg != Algorithm::EdDSA {
        return Err(refuse("alg is not EdDSA").into());
    }
    let kid = header.kid.as_deref().ok_or_else(|| refuse("no kid"))?;
    let jwk = keys.find(kid).ok_or(Refusal::UnknownKey)?;
    let key = DecodingKey::from_jwk(jwk).map_err(|_| refuse("the key of this kid is unusable"))?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = LEEWAY_SECONDS;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| Code::InvalidWorkerToken.because(error))?
        .claims;
    // A revocation is remembered for the longest life, counted from now and from `iat`. A comparison with NaN
    // is false, so NaN is refused too.
    let longest = MAX_LIFE.as_secs_f64();
    let (exp, now) = (
        claims.exp as f64,
        time::OffsetDateTime::now_utc().unix_timestamp() as f64,
    );
    let bounded = (0.0..=longest).contains(&(exp - claims.iat.0));
    if !bounded || exp - now > longest + LEEWAY_SECONDS as f64 {
        return Err(refuse("its life is longer than a day").into());
    }
    Ok(worker(claims))
}

fn worker(claims: Claims) -> VerifiedWorker {
    let agent = AgentScope::new(claims.org.clone(), claims.sub);
    let conversation = match (
        claims.connection_id,
        &claims.user_id,
        claims.channel_id,
        claims.conversation_id,
    ) {
        (Some(connection), Some(user), Some(channel), Some(conversation)) => Some(Conversation {
            agent: agent.clone(),
            scope: ConnectionScope::new(claims.org, connection).user(user.clone()),
            channel,
            conversation,
            team: claims.team_id,
        }),
        _ => None,
    };
    VerifiedWorker {
        agent,
        deployment: claims.dep,
        token: claims.jti,
        issued_at: claims.iat.0,
        user: claims.user_id,
        conversation,
    }
}

/// Signs a token with the operator's private JWK.
///
/// # Errors
/// `secret_unavailable` where the signing secret is not an Ed25519 private JWK.
pub fn mint(signing_key: &SecretString, new: NewToken) -> Result<SecretString, Error> {
    let unusable = || {
        Code::SecretUnavailable
            .because("the signing secret is not an Ed25519 private JWK with `kid` and `d`")
    };
    let key: PrivateJwk =
        serde_json::from_str(signing_key.expose_secret()).map_err(|_| unusable())?;
    if key.kty != "OKP" || key.crv != "Ed25519" {
        return Err(unusable());
    }
    let seed = URL_SAFE_NO_PAD
        .decode(key.d.expose_secret())
        .map_err(|_| unusable())?;
    if seed.len() != 32 {
        return Err(unusable());
    }
    let claims = Claims {
        iss: ISSUER.into(),
        aud: ISSUER.into(),
        sub: new.agent,
        org: new.organization,
        dep: new.deployment,
        iat: Seconds(new.issued_at),
        exp: new.expires_at,
        jti: new.token,
        connection_id: new.connection_id,
        user_id: new.user_id,
        channel_id: new.channel_id,
        conversation_id: new.conversation_id,
        team_id: new.team_id,
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid);
    let pkcs8 = [PKCS8_ED25519.as_slice(), seed.as_slice()].concat();
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&pkcs8))
        .map(SecretString::from)
        .map_err(|_| unusable())
}

/// The DER before an Ed25519 seed in a version 1 PKCS #8 key (RFC 8410 section 7).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// An Ed25519 private key as RFC 8037 writes it.
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    kid: String,
    d: SecretString,
}

#[cfg(test)]
mod tests;
