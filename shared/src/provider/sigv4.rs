//! AWS Signature Version 4, by AWS's own crate.
//! Protocol: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

use super::auth::AwsScope;
use super::injection::sensitive;
use crate::error::{Code, Error};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, Request};
use std::time::SystemTime;

/// The header with the body's hash, or with the way in which the body is signed.
const CONTENT_HASH: &str = "x-amz-content-sha256";
/// Headers that signing replaces. The client's own values would contradict the new signature.
const WRITTEN_ANEW: [&str; 4] = [
    CONTENT_HASH,
    "x-amz-date",
    "x-amz-region-set",
    "x-amz-security-token",
];
/// Whether a header is signed. What proxies may change is not.
fn is_signed(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "content-type" | "content-md5" | "content-encoding") || name.starts_with("x-amz")
}

/// Signs requests of one client with one key.
pub struct Signer {
    credentials: Credentials,
    service: String,
    region: String,
}

impl Signer {
    /// A signer with the provider's own service and region, or else the client's.
    pub(super) fn new(
        id: &str,
        key: &str,
        session: Option<&str>,
        own: &AwsScope,
        client: Option<&AwsScope>,
    ) -> Result<Self, Error> {
        let part = |pick: fn(&AwsScope) -> &Option<String>| {
            let part = pick(own).as_ref().or(pick(client?).as_ref());
            part.cloned()
        };
        let unsaid = || {
            let said = "the provider takes AWS signatures; sign with an AWS client and the placeholder as access key id, \
                so that region and service are known";
            Error::new(Code::InvalidRequest, said)
        };
        let session = session.map(ToOwned::to_owned);
        Ok(Self {
            credentials: Credentials::new(id, key, session, None, "postern"),
            service: part(|scope| &scope.service).ok_or_else(unsaid)?,
            region: part(|scope| &scope.region).ok_or_else(unsaid)?,
        })
    }

    /// Removes the headers of a client's own signature, such as the token of its session.
    pub fn forget(headers: &mut HeaderMap) {
        for name in WRITTEN_ANEW {
            headers.remove(name);
        }
    }

    /// Signs a request as it will be sent.
    ///
    /// # Errors
    /// `invalid_request` where the client signed each piece of the body; `secret_unavailable` where the key cannot
    /// stand in a header.
    pub fn sign<B>(&self, request: &mut Request<B>, body: &[u8]) -> Result<(), Error> {
        let in_pieces = |value: &http::HeaderValue| value.as_bytes().starts_with(b"STREAMING-");
        if request.headers().get(CONTENT_HASH).is_some_and(in_pieces) {
            return Err(Error::new(
                Code::InvalidRequest,
                "a body whose pieces are signed one by one cannot be signed again; make the client sign the whole body",
            ));
        }
        Self::forget(request.headers_mut());
        let signed = self.signed(request, body)?;
        for (name, value) in signed {
            request.headers_mut().insert(name, sensitive(&value)?);
        }
        Ok(())
    }

    /// The headers that a signature adds.
    fn signed<B>(
        &self,
        request: &Request<B>,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let failed = |error: &dyn std::fmt::Display| Code::Internal.because(error.to_string());
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        // S3 takes a path as it is; every other service reads its normal form, encoded once more.
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers = request.headers().iter().filter(|(name, _)| is_signed(name));
        let headers =
            headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(body),
        );
        let signable = signable.map_err(|error| failed(&error))?;
        let signed = sign(signable, &params).map_err(|error| failed(&error))?;
        let (headers, _) = signed.into_parts().0.into_parts();
        let texts = headers
            .iter()
            .map(|header| (header.name(), header.value().to_owned()));
        Ok(texts.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(
        own: (Option<&str>, Option<&str>),
        client: (Option<&str>, Option<&str>),
    ) -> Result<Signer, Error> {
        let scope = |(service, region): (Option<&str>, Option<&str>)| AwsScope {
            service: service.map(Into::into),
            region: region.map(Into::into),
        };
        Signer::new(
            "AKID",
            "secret",
            Some("session"),
            &scope(own),
            Some(&scope(client)),
        )
    }

    #[test]
    fn the_providers_own_scope_wins_over_the_clients() {
        let both = (Some("bedrock"), Some("eu-central-1"));
        let signer = signer(both, (Some("s3"), Some("us-east-1"))).unwrap();
        assert_eq!(
            (signer.service.as_str(), signer.region.as_str()),
            ("bedrock", "eu-central-1")
        );
        let client = super::tests::signer((None, None), both).unwrap();
        assert_eq!(
            (client.service.as_str(), client.region.as_str()),
            ("bedrock", "eu-central-1")
        );
        let unsaid = super::tests::signer((Some("bedrock"), None), (None, None));
        assert_eq!(
            unsaid.err().map(|error| error.code),
            Some(Code::InvalidRequest)
        );
    }

    #[test]
    fn a_client_s_own_signature_leaves_nothing_behind() {
        let both = (Some("bedrock"), Some("eu-central-1"));
        let signer = signer(both, (None, None)).unwrap();
        let mut request = Request::post(
            "https://bedrock-runtime.eu-central-1.amazonaws.com/model/a%3A0/converse?x=1",
        )
        .header("x-amz-date", "20260101T000000Z")
        .header("x-amz-security-token", "foreign")
        .header(CONTENT_HASH, "UNSIGNED-PAYLOAD")
        .header("content-type", "application/json")
        .header("x-other", "1")
        .body(())
        .unwrap();
        signer.sign(&mut request, b"{}").unwrap();
        let text = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(text("x-amz-security-token"), "session");
        assert_eq!(
            text(CONTENT_HASH),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_ne!(text("x-amz-date"), "20260101T000000Z");
        let authorization = text("authorization");
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"),
            "{authorization}"
        );
        assert!(
            authorization.contains("/eu-central-1/bedrock/aws4_request"),
            "{authorization}"
        );
        assert!(
            authorization.contains("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token"),
            "{authorization}"
        );
        assert!(request.headers()["authorization"].is_sensitive());
    }

    #[test]
    fn pieces_that_are_signed_one_by_one_are_refused() {
        let signer = signer((Some("s3"), Some("us-east-1")), (None, None)).unwrap();
        let mut request = Request::put("https://bucket.s3.amazonaws.com/x")
            .header(CONTENT_HASH, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .body(())
            .unwrap();
        let refused = signer.sign(&mut request, b"").unwrap_err();
        assert_eq!(refused.code, Code::InvalidRequest);
    }
}
