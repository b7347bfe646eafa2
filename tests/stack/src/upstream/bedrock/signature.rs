//! AWS Signature Version 4, verified by hand, so that it does not agree with the proxy's signer by construction.
//! Protocol: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

use crate::Result;
use crate::upstream::Seen;
use aws_lc_rs::{digest, hmac};
use serde::Deserialize;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a request's clock may be off.
const SKEW: u64 = 300;

/// A key as its owner knows it.
#[derive(Deserialize)]
pub struct Key {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Key {
    pub fn read(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }
}

/// Why AWS refuses a request.
pub struct Refusal {
    pub kind: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }
}

/// What the `authorization` header says.
struct Claim<'a> {
    id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let parameters = header.strip_prefix(ALGORITHM)?.split(',').map(str::trim);
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in parameters {
            match parameter.split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let scope: Vec<&str> = credential?.split('/').collect();
        let [id, date, region, service, "aws4_request"] = scope.as_slice() else {
            return None;
        };
        Some(Self {
            id,
            date,
            region,
            service,
            signed_headers: signed_headers?,
            signature: signature?,
        })
    }
}

/// Refuses what is not signed with this key, for this service, and now.
pub fn verify(seen: &Seen, key: &Key, service: &str) -> std::result::Result<(), Refusal> {
    let claim = match seen.header("authorization") {
        "" => {
            return Err(Refusal::new(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ));
        }
        header => Claim::read(header).ok_or_else(|| {
            let message =
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.";
            Refusal::new("IncompleteSignatureException", message)
        })?,
    };
    let token = key.session_token.as_deref().unwrap_or_default();
    if claim.id != key.access_key_id || seen.header("x-amz-security-token") != token {
        let message = "The security token included in the request is invalid.";
        return Err(Refusal::new("UnrecognizedClientException", message));
    }
    if claim.service != service {
        let message = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(Refusal::new("InvalidSignatureException", message));
    }
    let time = seen.header("x-amz-date");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let off = |at: u64| at.abs_diff(now.as_secs()) > SKEW;
    if !time.starts_with(claim.date) || seconds(time).is_none_or(off) {
        return Err(Refusal::new(
            "InvalidSignatureException",
            "Signature expired",
        ));
    }
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    let must_be = |name: &str| name == "host" || name.starts_with("x-amz-");
    let unsigned = seen
        .headers
        .keys()
        .find(|name| must_be(name.as_str()) && !signed.contains(&name.as_str()));
    if let Some(name) = unsigned {
        let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
        return Err(Refusal::new("InvalidSignatureException", message));
    }
    let hash = hex(digest::digest(&digest::SHA256, &seen.body).as_ref());
    let declared = seen.header("x-amz-content-sha256");
    if !declared.is_empty() && declared != hash {
        let message =
            "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(Refusal::new("InvalidSignatureException", message));
    }
    if claim.signature != signature(seen, &claim, &key.secret_access_key, time, &hash) {
        let message =
            "The request signature we calculated does not match the signature you provided.";
        return Err(Refusal::new("InvalidSignatureException", message));
    }
    Ok(())
}

fn signature(seen: &Seen, claim: &Claim<'_>, secret: &str, time: &str, body_hash: &str) -> String {
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        seen.method,
        encoded(seen.path()),
        query(&seen.path_and_query)
    );
    for name in claim.signed_headers.split(';') {
        let values: Vec<String> = seen.headers.get_all(name).iter().map(folded).collect();
        canonical += &format!("{name}:{}\n", values.join(","));
    }
    canonical += &format!("\n{}\n{body_hash}", claim.signed_headers);
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let Claim {
        date,
        region,
        service,
        ..
    } = claim;
    let to_sign = format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/aws4_request\n{hash}");
    let first = format!("AWS4{secret}").into_bytes();
    let key = [*date, *region, *service, "aws4_request"]
        .iter()
        .fold(first, |key, part| mac(&key, part));
    hex(&mac(&key, &to_sign))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// A path as it came, encoded once more: every service but S3 signs it so.
fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The query's pairs in order, each with its equals sign.
fn query(path_and_query: &str) -> String {
    let query = path_and_query
        .split_once('?')
        .map_or("", |(_, query)| query);
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// A header's value without the spaces that do not count.
fn folded(value: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Seconds since 1970 of a time such as `20150830T123600Z`.
fn seconds(time: &str) -> Option<u64> {
    let number = |at: std::ops::Range<usize>| time.get(at)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    // Years that begin in March end with the day that some lack.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    // From 1 March of year 0 to 1 January 1970, and one because days begin at 1.
    let days = days.checked_sub(719_469)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// `get-vanilla` of AWS's test suite for this signature.
    #[test]
    fn a_known_request_has_its_known_signature() {
        let mut headers = http::HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        let seen = Seen {
            method: "GET".into(),
            path_and_query: "/".into(),
            headers,
            body: Bytes::new(),
        };
        let claim = Claim::read(authorization).unwrap();
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let hash = hex(digest::digest(&digest::SHA256, b"").as_ref());
        let own = signature(&seen, &claim, secret, "20150830T123600Z", &hash);
        assert_eq!(own, claim.signature);
    }

    #[test]
    fn a_time_is_read() {
        assert_eq!(seconds("19700101T000000Z"), Some(0));
        assert_eq!(seconds("20150830T123600Z"), Some(1_440_938_160));
        assert_eq!(seconds("20240229T235959Z"), Some(1_709_251_199));
        assert_eq!(seconds("2024"), None);
    }
}
