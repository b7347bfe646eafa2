//! The samples refuse what the real providers refuse, so that the suites can fail.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use postern_stack::Upstream;

const KEY: &str = "the-real-key";

/// The status and the body of the answer to a POST.
async fn post(sample: &Upstream, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::post(format!("{}{path}", sample.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = r#"{"model": "sample", "messages": [], "contents": [{}]}"#;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client
        .request(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn each_sample_takes_its_key_in_its_own_place_alone() {
    let bearer = ("authorization", "Bearer the-real-key");
    let x_api_key = ("x-api-key", KEY);
    let api_key = ("api-key", KEY);
    let goog = ("x-goog-api-key", KEY);
    let version = ("anthropic-version", "2023-06-01");
    let azure = "/openai/deployments/sample/chat/completions?api-version=2024-10-21";
    let content = "/v1beta/models/sample:generateContent";
    for (slug, path, right, wrong, said) in [
        (
            "openai",
            "/v1/chat/completions",
            bearer,
            api_key,
            "You didn't provide an API key",
        ),
        (
            "azure-openai",
            azure,
            api_key,
            x_api_key,
            "Access denied due to invalid subscription key",
        ),
        (
            "anthropic",
            "/v1/messages",
            x_api_key,
            api_key,
            "x-api-key header is required",
        ),
        ("gemini", content, goog, bearer, "unregistered callers"),
        (
            "groq",
            "/openai/v1/chat/completions",
            bearer,
            x_api_key,
            "Invalid API Key",
        ),
        (
            "together",
            "/v1/chat/completions",
            bearer,
            x_api_key,
            "Invalid API key provided",
        ),
        (
            "mistral",
            "/v1/chat/completions",
            bearer,
            x_api_key,
            "Unauthorized",
        ),
        (
            "cohere",
            "/v2/chat",
            bearer,
            x_api_key,
            "no api key supplied",
        ),
    ] {
        let sample = Upstream::playing(slug).await.unwrap();
        sample.set_expected_key(Some(KEY.into()));
        let (status, body) = post(&sample, path, &[right, version]).await;
        assert_eq!(status, 200, "{slug}: {body}");
        let (status, body) = post(&sample, path, &[wrong, version]).await;
        assert!(
            status >= 400 && body.contains(said),
            "{slug}: {status} {body}"
        );
        let other = right.1.replace("real", "other");
        let (status, _) = post(&sample, path, &[(right.0, &other), version]).await;
        assert!(status >= 400, "{slug} takes another key");
    }
}

#[tokio::test]
async fn a_sample_wants_what_else_its_provider_wants() {
    for (slug, path, headers, expected, said) in [
        (
            "anthropic",
            "/v1/messages",
            vec![("x-api-key", KEY)],
            400,
            "anthropic-version: header is required",
        ),
        (
            "anthropic",
            "/v1/messages",
            vec![
                ("x-api-key", KEY),
                ("anthropic-version", "1"),
                ("authorization", "Bearer foreign"),
            ],
            401,
            "Invalid bearer token",
        ),
        (
            "azure-openai",
            "/openai/deployments/sample/chat/completions",
            vec![("api-key", KEY)],
            404,
            "Resource not found",
        ),
        (
            "gemini",
            "/upload/v1beta/files",
            vec![("x-goog-api-key", KEY)],
            400,
            "Invalid upload command",
        ),
    ] {
        let sample = Upstream::playing(slug).await.unwrap();
        sample.set_expected_key(Some(KEY.into()));
        let (status, body) = post(&sample, path, &headers).await;
        assert!(
            status == expected && body.contains(said),
            "{slug}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn bedrock_takes_no_signature_but_its_keys() {
    let sample = Upstream::playing("bedrock-eu-central-1").await.unwrap();
    let key = r#"{"access_key_id": "AKID", "secret_access_key": "secret"}"#;
    sample.set_expected_key(Some(key.into()));
    let signed = |id: &str, service: &str, date: &str| {
        let scope = format!("Credential={id}/{date}/eu-central-1/{service}/aws4_request");
        format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;x-amz-date, Signature=0")
    };
    for (authorization, kind) in [
        (String::new(), "Missing Authentication Token"),
        (
            "AWS4-HMAC-SHA256 odd".into(),
            "Authorization header requires",
        ),
        (
            signed("OTHER", "bedrock", "20260101"),
            "security token included in the request is invalid",
        ),
        (
            signed("AKID", "s3", "20260101"),
            "scoped to correct service",
        ),
        (signed("AKID", "bedrock", "20260101"), "Signature expired"),
        ("Bearer other".into(), "Invalid API Key"),
    ] {
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-date", "20260101T000000Z"),
        ];
        let (status, body) = post(&sample, "/model/sample/converse", &headers).await;
        assert!(
            status == 403 && body.contains(kind),
            "{authorization}: {status} {body}"
        );
    }
}
