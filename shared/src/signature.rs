//! Platforms' signatures. Only a verified one leaves the proof that lends a connection's scope.

use crate::error::{Code, Error};
use crate::id::ConnectionId;
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

/// Most that a signed time may be off, in either direction, in seconds.
pub const FRESHNESS_SECONDS: i64 = 300;

/// Proof that a platform's signature was verified with the secret of one connection.
///
/// ```compile_fail
/// let forged = postern::signature::Verified { connection: postern::ConnectionId::parse("c").unwrap() };
/// ```
#[derive(Debug)]
pub struct Verified {
    connection: ConnectionId,
}

impl Verified {
    pub(crate) fn connection(&self) -> &ConnectionId {
        &self.connection
    }
}

/// What Slack signs: `X-Slack-Request-Timestamp`, `X-Slack-Signature`, and the raw body
/// (docs.slack.dev, "Verifying requests from Slack").
pub struct SlackRequest<'a> {
    pub timestamp: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub body: &'a [u8],
}

impl SlackRequest<'_> {
    /// Verifies with any of the connection's signing secrets, so that they can be rotated.
    ///
    /// # Errors
    /// `invalid_signature`: missing, malformed, more than five minutes off, or wrong.
    pub fn verify(
        &self,
        connection: &ConnectionId,
        secrets: &[SecretString],
        now: i64,
    ) -> Result<Verified, Error> {
        let refuse = |why: &'static str| Error::from(Code::InvalidSignature).because(why);
        let timestamp = self.timestamp.ok_or_else(|| refuse("no timestamp"))?;
        if timestamp.is_empty()
            || timestamp.len() > 18
            || !timestamp.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(refuse("the timestamp is not a number"));
        }
        let signed_at: i64 = timestamp
            .parse()
            .map_err(|_| refuse("the timestamp is not a number"))?;
        if now.abs_diff(signed_at) > FRESHNESS_SECONDS.unsigned_abs() {
            return Err(refuse("the timestamp is more than five minutes off"));
        }
        let hex = self
            .signature
            .and_then(|signature| signature.strip_prefix("v0="))
            .ok_or_else(|| refuse("no v0 signature"))?;
        let tag = unhex(hex).ok_or_else(|| refuse("the signature is not hexadecimal"))?;
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
        if secrets.iter().any(made_with) {
            return Ok(Verified {
                connection: connection.clone(),
            });
        }
        Err(refuse("the signature is wrong"))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
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
}
