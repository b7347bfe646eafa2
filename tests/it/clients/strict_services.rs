//! The samples of services refuse what the real services refuse.

use super::git::hub::base64;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use postern_stack::Upstream;

/// The status, the headers and the body of the answer, as one text.
async fn get(sample: &Upstream, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = Request::get(format!("{}{path}", sample.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = client.request(request.body(Empty::new()).unwrap()).await;
    let (parts, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    format!("{} {:?} {body}", parts.status.as_u16(), parts.headers)
}

#[tokio::test]
async fn each_service_takes_its_key_in_its_own_places_alone() {
    let basic = |login: &str| format!("Basic {}", base64(login));
    let (of_git, swapped) = (basic("x-access-token:real"), basic("real:x-access-token"));
    let (of_stripe, of_github) = (basic("real:"), basic("me:real"));
    let agent = ("user-agent", "test");
    let notion = ("notion-version", "2025-09-03");
    let bearer = ("authorization", "Bearer real");
    let other = ("authorization", "Bearer other");
    let private = ("private-token", "real");
    let refs = "/owner/repo.git/info/refs?service=git-upload-pack";
    for (slug, path, headers, said) in [
        ("github", "/user", vec![agent, bearer], "octocat"),
        (
            "github",
            "/user",
            vec![agent, ("authorization", "token real")],
            "octocat",
        ),
        (
            "github",
            "/user",
            vec![agent, ("authorization", &of_github)],
            "octocat",
        ),
        (
            "github",
            "/user",
            vec![agent, private],
            "Requires authentication",
        ),
        ("github", "/user", vec![agent, other], "Bad credentials"),
        (
            "github",
            "/user",
            vec![bearer],
            "make sure your request has a User-Agent",
        ),
        (
            "github",
            "/user",
            vec![agent, bearer, ("x-github-api-version", "1")],
            "Unsupported API version",
        ),
        ("gitlab", "/api/v4/user", vec![private], "sample"),
        (
            "gitlab",
            "/api/v4/user",
            vec![("job-token", "real")],
            "sample",
        ),
        ("gitlab", "/api/v4/user", vec![bearer], "sample"),
        (
            "gitlab",
            "/api/v4/user",
            vec![("x-api-key", "real")],
            "401 Unauthorized",
        ),
        ("gitlab", "/api/v4/user", vec![other], "401 Unauthorized"),
        ("notion", "/v1/users/me", vec![bearer, notion], "bot"),
        ("notion", "/v1/users/me", vec![bearer], "missing_version"),
        (
            "notion",
            "/v1/users/me",
            vec![private, notion],
            "API token is invalid",
        ),
        (
            "notion",
            "/v1/users/me",
            vec![other, notion],
            "API token is invalid",
        ),
        ("stripe", "/v1/balance", vec![bearer], "livemode"),
        (
            "stripe",
            "/v1/balance",
            vec![("authorization", &of_stripe)],
            "livemode",
        ),
        (
            "stripe",
            "/v1/balance",
            vec![("authorization", &of_github)],
            "You did not provide an API key",
        ),
        (
            "stripe",
            "/v1/balance",
            vec![other],
            "Invalid API Key provided",
        ),
        ("slack", "/api/auth.test", vec![bearer], r#""ok":true"#),
        ("slack", "/api/auth.test?token=real", vec![], "not_authed"),
        ("slack", "/api/auth.test", vec![other], "invalid_auth"),
        ("github-git", refs, vec![], r#""www-authenticate": "Basic"#),
        (
            "github-git",
            refs,
            vec![bearer],
            "Invalid username or token",
        ),
        (
            "github-git",
            refs,
            vec![("authorization", &swapped)],
            "Invalid username or token",
        ),
        (
            "github-git",
            refs,
            vec![("authorization", &of_git)],
            "no repository",
        ),
    ] {
        let sample = Upstream::playing(slug).await.unwrap();
        sample.set_expected_key(Some("real".into()));
        let answer = get(&sample, path, &headers).await;
        assert!(answer.contains(said), "{slug} {headers:?}: {answer}");
    }
}
