//! Platforms' signatures. Only a verified one leaves the proof that a connection's scope needs.

use crate::digest;
use crate::error::{Code, Error};
use crate::id::ConnectionId;
use aws_lc_rs::{constant_time, hmac, signature as keys};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How far a signed time may be off, in seconds, in either direction.
pub const FRESHNESS_SECONDS: i64 = 300;

/// Proof that a platform's signature was verified with the secret of one connection.
///
/// ```compile_fail
/// let forged = postern::authority::signature::Verified { connection: postern::ConnectionId::parse("c").unwrap() };
/// ```
#[derive(Debug)]
pub struct Verified {
    connection: ConnectionId,
}

impl Verified {
    pub(super) fn connection(&self) -> &ConnectionId {
        &self.connection
    }
}

/// What Slack signs: `X-Slack-Request-Timestamp`, `X-Slack-Signature`, and the raw body
/// (docs.slack.dev, "Verifying requests from Slack").
pub struct SlackRequest<'a> {
    /// The header `X-Slack-Request-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// The header `X-Slack-Signature`.
    pub signature: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
}

impl SlackRequest<'_> {
    /// Verifies with each of the connection's signing secrets, so that they can be rotated. `now` is in Unix
    /// seconds.
    ///
    /// # Errors
    /// `invalid_signature`: missing, malformed, more than five minutes off, or wrong.
    pub fn verify(
        &self,
        connection: &ConnectionId,
        secrets: &[SecretString],
        now: i64,
    ) -> Result<Verified, Error> {
        let timestamp = fresh(self.timestamp, now)?;
        let hex = self
            .signature
            .and_then(|signature| signature.strip_prefix("v0="))
            .ok_or_else(|| refuse("no v0 signature"))?;
        let tag = digest::from_hex::<32>(hex)
            .ok_or_else(|| refuse("the signature is not hexadecimal"))?;
        let signed = [b"v0:", timestamp.as_bytes(), b":", self.body].concat();
        let made_with = |secret: &SecretString| {
            let secret = secret.expose_secret();
            // An empty secret would let anybody sign.
            !secret.is_empty()
                && hmac::verify(
                    &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
                    &signed,
                    &tag,
                )
                .is_ok()
        };
        verified(connection, secrets.iter().any(made_with))
    }
}

/// What Telegram sends: the secret given to `setWebhook`, in `X-Telegram-Bot-Api-Secret-Token`
/// (core.telegram.org/bots/api#setwebhook). It signs neither the body nor a time.
pub struct TelegramRequest<'a> {
    /// The header `X-Telegram-Bot-Api-Secret-Token`.
    pub secret_token: Option<&'a str>,
}

impl TelegramRequest<'_> {
    /// Compares with each of the connection's secret tokens in constant time.
    ///
    /// # Errors
    /// `invalid_signature`: missing or wrong.
    pub fn verify(
        &self,
        connection: &ConnectionId,
        secrets: &[SecretString],
    ) -> Result<Verified, Error> {
        let token = self.secret_token.ok_or_else(|| refuse("no secret token"))?;
        let same = |secret: &SecretString| {
            let secret = secret.expose_secret();
            !secret.is_empty()
                && constant_time::verify_slices_are_equal(secret.as_bytes(), token.as_bytes())
                    .is_ok()
        };
        verified(connection, secrets.iter().any(same))
    }
}

/// What Discord signs with Ed25519: `X-Signature-Timestamp` and the raw body; the signature is in
/// `X-Signature-Ed25519` (docs.discord.com, "Security and Authorization"). Discord sets no bound on
/// the time; ours stops a recorded call from being replayed later.
pub struct DiscordRequest<'a> {
    /// The header `X-Signature-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// The header `X-Signature-Ed25519`.
    pub signature: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
}

impl DiscordRequest<'_> {
    /// Verifies with each of the application's public keys, in hexadecimal. `now` is in Unix seconds.
    ///
    /// # Errors
    /// `invalid_signature`: missing, malformed, more than five minutes off, or wrong.
    pub fn verify(
        &self,
        connection: &ConnectionId,
        public_keys: &[SecretString],
        now: i64,
    ) -> Result<Verified, Error> {
        let timestamp = fresh(self.timestamp, now)?;
        let hex = self.signature.ok_or_else(|| refuse("no signature"))?;
        let signature = digest::from_hex::<64>(hex)
            .ok_or_else(|| refuse("the signature is not hexadecimal"))?;
        let signed = [timestamp.as_bytes(), self.body].concat();
        let made_with = |key: &SecretString| {
            digest::from_hex::<32>(key.expose_secret()).is_some_and(|key| {
                keys::UnparsedPublicKey::new(&keys::ED25519, key)
                    .verify(&signed, &signature)
                    .is_ok()
            })
        };
        verified(connection, public_keys.iter().any(made_with))
    }
}

/// One secret, or a list while it is being rotated.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// The one value.
    One(SecretString),
    /// All values that are accepted.
    Many(Vec<SecretString>),
}

impl OneOrMany {
    /// All of them.
    pub fn as_slice(&self) -> &[SecretString] {
        match self {
            Self::One(secret) => std::slice::from_ref(secret),
            Self::Many(secrets) => secrets,
        }
    }
}

fn refuse(why: &'static str) -> Error {
    Code::InvalidSignature.because(why)
}

fn verified(connection: &ConnectionId, holds: bool) -> Result<Verified, Error> {
    if !holds {
        return Err(refuse("the signature is wrong"));
    }
    Ok(Verified {
        connection: connection.clone(),
    })
}

/// The signed time in Unix seconds, as it was sent, if it is near enough.
fn fresh(timestamp: Option<&str>, now: i64) -> Result<&str, Error> {
    let timestamp = timestamp.ok_or_else(|| refuse("no timestamp"))?;
    let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let signed_at: i64 = (digits && timestamp.len() <= 18)
        .then(|| timestamp.parse().ok())
        .flatten()
        .ok_or_else(|| refuse("the timestamp is not a number"))?;
    if now.abs_diff(signed_at) > FRESHNESS_SECONDS.unsigned_abs() {
        return Err(refuse("the timestamp is more than five minutes off"));
    }
    Ok(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Slack's own published example.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn verify(
        timestamp: Option<&str>,
        signature: Option<&str>,
        secrets: &[&str],
        now: i64,
    ) -> bool {
        let secrets: Vec<SecretString> = secrets
            .iter()
            .map(|secret| SecretString::from(*secret))
            .collect();
        let connection = ConnectionId::parse("c").unwrap();
        SlackRequest {
            timestamp,
            signature,
            body: BODY,
        }
        .verify(&connection, &secrets, now)
        .is_ok()
    }

    #[test]
    fn slacks_own_example_verifies_with_any_current_secret() {
        assert!(verify(Some("1531420618"), Some(SIGNATURE), &[SECRET], AT));
        assert!(verify(
            Some("1531420618"),
            Some(SIGNATURE),
            &["new", SECRET],
            AT
        ));
    }

    #[test]
    fn a_missing_wrong_or_stale_signature_is_refused() {
        assert!(!verify(None, Some(SIGNATURE), &[SECRET], AT));
        assert!(!verify(Some("1531420618"), None, &[SECRET], AT));
        assert!(!verify(Some("1531420618"), Some(SIGNATURE), &["other"], AT));
        assert!(!verify(Some("1531420618"), Some(SIGNATURE), &[], AT));
        assert!(!verify(
            Some("1531420618"),
            Some(&SIGNATURE[..66]),
            &[SECRET],
            AT
        ));
        assert!(!verify(Some("1531420619"), Some(SIGNATURE), &[SECRET], AT));
        assert!(!verify(Some("+1531420618"), Some(SIGNATURE), &[SECRET], AT));
        for off in [-301, 301] {
            assert!(
                !verify(Some("1531420618"), Some(SIGNATURE), &[SECRET], AT + off),
                "{off}"
            );
        }
        for off in [-300, 300] {
            assert!(
                verify(Some("1531420618"), Some(SIGNATURE), &[SECRET], AT + off),
                "{off}"
            );
        }
    }

    #[test]
    fn telegrams_secret_token_is_the_connections_own() {
        let secrets = ["new_Token-1", "old"].map(SecretString::from);
        let connection = ConnectionId::parse("c").unwrap();
        let verify = |secret_token, secrets: &[SecretString]| {
            TelegramRequest { secret_token }
                .verify(&connection, secrets)
                .is_ok()
        };
        assert!(verify(Some("new_Token-1"), &secrets) && verify(Some("old"), &secrets));
        for wrong in [None, Some(""), Some("ol"), Some("oldx"), Some("OLD")] {
            assert!(!verify(wrong, &secrets), "{wrong:?}");
        }
        assert!(!verify(Some(""), &[SecretString::from("")]));
        assert!(!verify(Some("old"), &[]));
    }

    // RFC 8032's first key, and a signature made with another implementation.
    const DISCORD_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const DISCORD_BODY: &[u8] = br#"{"id":"787053080478613555","token":"ThisIsATokenFromDiscordThatIsVeryLong","type":1,"version":1}"#;
    const DISCORD_SIGNATURE: &str = "429c23f9948c5b14bfb9db7baf85d968d80c34c19a25eaa44268a3d9598209122acf9a4b8c7258d769f7bf22ce463bfed440c43eacb1e760fd4c0139b06a7e06";

    #[test]
    fn discords_signature_covers_the_time_and_the_body() {
        let other = "00".repeat(32);
        let connection = ConnectionId::parse("c").unwrap();
        let verify = |timestamp, signature, body, keys: &[&str], now| {
            let keys: Vec<SecretString> = keys.iter().map(|key| SecretString::from(*key)).collect();
            DiscordRequest {
                timestamp,
                signature,
                body,
            }
            .verify(&connection, &keys, now)
            .is_ok()
        };
        let (at, signature) = (Some("1531420618"), Some(DISCORD_SIGNATURE));
        let keys = [other.as_str(), DISCORD_KEY];
        assert!(verify(at, signature, DISCORD_BODY, &keys, AT));
        assert!(!verify(at, signature, DISCORD_BODY, &[&other], AT));
        assert!(!verify(at, signature, DISCORD_BODY, &[], AT));
        assert!(!verify(at, signature, DISCORD_BODY, &["not a key"], AT));
        assert!(!verify(at, signature, &DISCORD_BODY[1..], &keys, AT));
        assert!(!verify(
            Some("1531420619"),
            signature,
            DISCORD_BODY,
            &keys,
            AT
        ));
        assert!(!verify(
            at,
            Some(&DISCORD_SIGNATURE[2..]),
            DISCORD_BODY,
            &keys,
            AT
        ));
        assert!(!verify(None, signature, DISCORD_BODY, &keys, AT));
        assert!(!verify(at, None, DISCORD_BODY, &keys, AT));
        for off in [-301, 301] {
            assert!(
                !verify(at, signature, DISCORD_BODY, &keys, AT + off),
                "{off}"
            );
        }
    }
}
