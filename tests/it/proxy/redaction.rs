//! The injected secret does not come back in any readable form, whatever the upstream shows of the request.

use crate::world::{Answer, World};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

/// A key that a header may hold, with characters that each encoder escapes.
const HEADER_KEY: &str = "sk-real_key/+&<x";
/// A key for a query, which may hold any text.
const QUERY_KEY: &str = "sk-real key/+\u{fc}&<'x";

const OPENAI: &str = "/api/proxy/openai/a/agent-a/v1/";
const QUERY: &str = "/api/proxy/query/a/agent-a/v1/";

/// The upstream's paths that show parts of the request, each in another form.
const REFLECTIONS: [&str; 6] = [
    "echo",
    "reflect-html",
    "reflect-json",
    "reflect-percent",
    "reflect-split",
    "reflect-key",
];

/// A world whose agent spends this key, and its placeholder.
async fn spending(key: &str) -> (World, String) {
    let world = World::new().await;
    world.tenants().await;
    world.secrets.put("postern/org/a/keys/openai", key);
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "1", "provider_id": "query",
        "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"})).await;
    let placeholder = world.placeholder("a", "agent-a").await;
    (world, placeholder)
}

fn by_header(placeholder: &str, rest: &str) -> HttpRequest {
    HttpRequest::get(&format!("{OPENAI}{rest}"))
        .header("authorization", &format!("Bearer {placeholder}"))
}

fn by_query(placeholder: &str, rest: &str) -> HttpRequest {
    let mut request = HttpRequest::get(&format!("{QUERY}{rest}"));
    request.query = format!("a=1&key={placeholder}");
    request
}

/// A text and what decoding makes of it, up to twice, without knowing how it was encoded.
fn readings(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    for _ in 0..2 {
        let more: Vec<String> = all
            .iter()
            .flat_map(|text| {
                [
                    unescaped(text, "%", 2, ""),
                    unescaped(&text.replace('+', " "), "%", 2, ""),
                    unescaped(
                        &text.replace("\\/", "/").replace("\\\"", "\""),
                        "\\u",
                        4,
                        "",
                    ),
                    unescaped(&named(text), "&#x", 2, ";"),
                ]
            })
            .collect();
        all.extend(more);
    }
    all
}

fn named(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    let text = text.replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&amp;", "&")
}

/// Decodes escapes of this form: a mark, this many hexadecimal digits, an end.
fn unescaped(text: &str, mark: &str, digits: usize, end: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(mark) {
        let after = &rest[at + mark.len()..];
        let code = after.get(..digits).filter(|_| {
            after
                .get(digits..)
                .is_some_and(|after| after.starts_with(end))
        });
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        out.extend_from_slice(&rest.as_bytes()[..at]);
        match code {
            // Percent-encoding escapes bytes, the others escape characters.
            Some(byte) if mark == "%" => out.push(u8::try_from(byte).unwrap()),
            Some(code) => {
                let char = char::from_u32(code).unwrap_or('\u{fffd}');
                out.extend_from_slice(char.to_string().as_bytes());
            }
            None => out.extend_from_slice(mark.as_bytes()),
        }
        rest = if code.is_some() {
            &after[digits + end.len()..]
        } else {
            after
        };
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Neither headers nor body reveal the key, and the mark is in its place.
fn assert_redacted(answer: &Answer, key: &str, what: &str) {
    let all = format!("{}\n{}", headers(answer), answer.text());
    for reading in readings(&all) {
        assert!(!reading.contains(key), "{what}: {all}");
    }
    assert!(all.contains("[redacted]"), "{what}: {all}");
}

fn headers(answer: &Answer) -> String {
    let lines = answer.headers.iter();
    let lines: Vec<String> = lines
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.join("\n")
}

/// The key as the last request's query carried it.
fn sent_query(world: &World) -> String {
    let seen = world.upstream.seen();
    let last = seen.last().unwrap();
    last.path_and_query.split_once("key=").unwrap().1.to_owned()
}

#[test]
fn a_reader_who_knows_nothing_reads_every_form() {
    for form in [
        "sk%2Dreal%20key%2F%2B%C3%BC%26%3C%27x",
        "sk-real+key%2f%2b%c3%bc%26%3c'x",
        "sk-real key\\/+\\u00fc\\u0026\\u003C\\u0027x",
        "sk-real key/+\u{fc}&amp;&lt;&#x27;x",
        "sk%252Dreal%2520key%252F%252B%25C3%25BC%2526%253C%2527x",
    ] {
        assert!(readings(form).contains(&QUERY_KEY.to_owned()), "{form}");
    }
}

#[tokio::test]
async fn a_key_in_a_header_comes_back_in_no_form() {
    let (world, placeholder) = spending(HEADER_KEY).await;
    for rest in REFLECTIONS {
        let answer = world.call_proxy(by_header(&placeholder, rest)).await;
        assert_eq!(answer.status, 200, "{rest}");
        assert_redacted(&answer, HEADER_KEY, rest);
    }
}

#[tokio::test]
async fn a_key_in_the_query_comes_back_in_no_form() {
    let (world, placeholder) = spending(QUERY_KEY).await;
    for rest in REFLECTIONS {
        let answer = world.call_proxy(by_query(&placeholder, rest)).await;
        assert_eq!(answer.status, 200, "{rest}");
        assert_redacted(&answer, QUERY_KEY, rest);
        let sent = sent_query(&world);
        assert!(!answer.text().contains(&sent), "{rest}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_redirect_that_keeps_the_query_does_not_keep_the_key() {
    let (world, placeholder) = spending(QUERY_KEY).await;
    let answer = world
        .call_proxy(by_query(&placeholder, "reflect-moved"))
        .await;
    // It leads back to the proxy, with the client's own placeholder.
    let own = "https://postern.example/api/proxy/query/a/agent-a/v1/reflect-moved";
    assert_eq!(
        (answer.status, answer.headers["location"].as_str()),
        (308, format!("{own}?a=1&key={placeholder}").as_str())
    );
    for header in ["refresh", "x-login"] {
        assert!(answer.headers[header].contains("[redacted]"), "{header}");
    }
    assert_redacted(&answer, QUERY_KEY, "reflect-moved");
}

#[tokio::test]
async fn white_space_around_a_key_is_no_part_of_it() {
    for key in ["  sk-real_key/+&<x   ", "\tsk-real_key/+&<x\t"] {
        let (world, placeholder) = spending(key).await;
        for rest in ["echo", "reflect-key", "reflect-html"] {
            // The body of `reflect-key` is shorter than the stored text.
            let answer = world.call_proxy(by_header(&placeholder, rest)).await;
            assert_redacted(&answer, HEADER_KEY, rest);
        }
    }
}

#[tokio::test]
async fn a_key_that_was_tried_first_does_not_come_back_either() {
    let (world, placeholder) = spending("sk-former_key").await;
    world
        .upstream
        .set_expected_key(Some("sk-former_key".into()));
    let before = world.call_proxy(by_header(&placeholder, "models")).await;
    assert_eq!(before.status, 200);
    world
        .secrets
        .put("postern/org/a/keys/openai", "sk-present_key");
    world
        .upstream
        .set_expected_key(Some("sk-present_key".into()));
    // The upstream is asked twice. Its second answer shows the former key, which the client sent itself.
    let request = by_header(&placeholder, "reflect-html").header("x-guess", "sk-former_key");
    let answer = world.call_proxy(request).await;
    assert_eq!(world.upstream.seen().len(), 3);
    assert_redacted(&answer, "sk-former_key", "former");
    assert_redacted(&answer, "sk-present_key", "present");
}

#[tokio::test]
async fn a_content_length_is_sent_where_there_is_no_body() {
    let (world, placeholder) = spending(HEADER_KEY).await;
    let mut request = by_header(&placeholder, "reflect-key");
    let got = world.call_proxy(request.clone()).await;
    assert!(!got.headers.contains_key("content-length"), "{got:?}");
    request.method = "HEAD".into();
    let head = world.call_proxy(request).await;
    assert_eq!(
        (head.headers["content-length"].as_str(), head.body.len()),
        (HEADER_KEY.len().to_string().as_str(), 0)
    );
}

/// Fetches a page in parts of this many bytes and puts them together.
async fn in_parts(world: &World, request: &HttpRequest, length: usize) -> Vec<u8> {
    let mut page = Vec::new();
    loop {
        let last = page.len() + length - 1;
        let range = format!("bytes={}-{last}", page.len());
        let part = world
            .call_proxy(request.clone().header("range", &range))
            .await;
        assert_eq!(part.status, 206, "{part:?}");
        let told = part.headers["content-range"].clone();
        let total: usize = told.rsplit('/').next().unwrap().parse().unwrap();
        let last = last.min(total - 1);
        assert_eq!(told, format!("bytes {}-{last}/{total}", page.len()));
        assert_eq!(part.body.len(), last + 1 - page.len(), "{told}");
        page.extend(part.body);
        if page.len() == total {
            return page;
        }
    }
}

#[tokio::test]
async fn parts_of_a_body_put_together_do_not_make_the_key() {
    let (world, placeholder) = spending(HEADER_KEY).await;
    // The client writes the beginning of the key itself, which is not redacted.
    let request = by_header(&placeholder, "reflect-range").header("x-own", "sk-real_ke");
    let whole = world.call_proxy(request.clone()).await;
    assert_eq!(whole.status, 200);
    for length in [3, 7, 64, 4096] {
        let page = in_parts(&world, &request, length).await;
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains(HEADER_KEY), "{length}: {page}");
        for reading in readings(&page) {
            assert!(!reading.contains(HEADER_KEY), "{length}: {page}");
        }
        assert!(page.contains("x-own: sk-real_ke\n"), "{length}: {page}");
        assert!(page.contains("authorization: Bearer [redacted]"), "{page}");
    }
}

#[tokio::test]
async fn the_end_of_a_body_and_a_range_beyond_it_are_answered_as_without_redaction() {
    let (world, placeholder) = spending(HEADER_KEY).await;
    let request = by_header(&placeholder, "reflect-range");
    let part = async |range: &str| {
        let request = request.clone().header("range", range);
        world.call_proxy(request).await
    };
    let whole = world.call_proxy(request.clone()).await.text();
    let told = part("bytes=0-0").await.headers["content-range"].clone();
    let total: usize = told.strip_prefix("bytes 0-0/").unwrap().parse().unwrap();
    let last = format!("bytes {}-{}/{total}", total - 8, total - 1);
    for (range, told) in [
        ("bytes=-8", last.clone()),
        (&format!("bytes={}-", total - 8), last.clone()),
        (&format!("bytes={}-{}", total - 8, total + 8), last),
        ("bytes=0-", format!("bytes 0-{}/{total}", total - 1)),
    ] {
        let end = part(range).await;
        assert_eq!(
            (end.status, &end.headers["content-range"]),
            (206, &told),
            "{range}"
        );
        let text = end.text();
        assert!(text.ends_with(&whole[whole.len() - 8..]), "{range}: {text}");
    }
    let beyond = part(&format!("bytes={total}-")).await;
    assert_eq!(
        (
            beyond.status,
            beyond.headers["content-range"].as_str(),
            beyond.body.len()
        ),
        (416, format!("bytes */{total}").as_str(), 0)
    );
    // A server may always answer with the whole body, and then all of it is redacted.
    for several in ["bytes=0-1,5-9", "bytes=0-1, -4", "lines=1-2", "bytes=x"] {
        let whole = part(several).await;
        assert_eq!(whole.status, 200, "{several}");
        assert_redacted(&whole, HEADER_KEY, several);
    }
}

#[tokio::test]
async fn every_header_of_the_prelude_is_one_string_of_visible_ascii() {
    let (world, placeholder) = spending(HEADER_KEY).await;
    let event = by_header(&placeholder, "repeated-headers").v2();
    let invoked = world.proxy().await.invoke_streaming(event).await.unwrap();
    let postern_stack::StreamingInvocation::Response { prelude, .. } = invoked else {
        panic!("the function failed");
    };
    let headers = prelude["headers"].as_object().unwrap();
    assert!(headers.values().all(Value::is_string), "{prelude}");
    assert_eq!(headers["vary"], "Origin, X-Origin, Referer");
    assert_eq!(headers["x-mixed"], "coffee");
    assert!(!headers.contains_key("x-latin"), "{prelude}");
}
