//! Events of API Gateway and Function URLs as one request. An event that no gateway would send is a 400, not a
//! failed invocation. (lambda_http's own conversion panics on a path that is not a URI, and joins the path to
//! a URL; the proxy forwards the path byte for byte.)

use crate::error::{Code, Error};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap};

/// RFC 3986's unreserved characters stay as they are; everything else in a decoded pair is encoded.
const PAIR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

type Pairs<'a, T> = Option<BTreeMap<Cow<'a, str>, Option<T>>>;

/// An HTTP event, payload 1.0 (REST API) or 2.0 (HTTP API, Function URL), as it arrives.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpEvent {
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    path: Option<String>,
    http_method: Option<String>,
    headers: Pairs<'static, String>,
    multi_value_headers: Pairs<'static, Vec<String>>,
    query_string_parameters: Pairs<'static, String>,
    multi_value_query_string_parameters: Pairs<'static, Vec<String>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Option<RequestContext>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext {
    stage: Option<String>,
    /// The path as the client sent it, with the stage or the domain's base path. Payload 1.0 alone has it.
    path: Option<String>,
    domain_name: Option<String>,
    http: Option<Http>,
    identity: Option<Identity>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Http {
    method: Option<String>,
    source_ip: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    source_ip: Option<String>,
}

/// A request, whichever gateway it came through.
pub struct Incoming {
    /// The HTTP method.
    pub method: Method,
    /// The path as the client sent it, not decoded, without the gateway's stage.
    pub path: String,
    /// The query as the client sent it; empty if the URL has no query.
    pub query: String,
    /// The headers; each value is marked sensitive.
    pub headers: HeaderMap,
    /// The body, decoded from base64 where the gateway encoded it.
    pub body: Bytes,
    /// The client's IP address, as the gateway saw it.
    pub source: Option<String>,
    /// What stands before `path` in the address that the client used: scheme, host, and the gateway's stage.
    pub front: Option<String>,
}

impl Incoming {
    /// The header's first value, where it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether `content-type` declares this media type.
    pub fn is(&self, media_type: &str) -> bool {
        let declared = self.header("content-type").unwrap_or_default();
        declared
            .split(';')
            .next()
            .is_some_and(|own| own.trim().eq_ignore_ascii_case(media_type))
    }
}

impl TryFrom<HttpEvent> for Incoming {
    type Error = Error;

    fn try_from(event: HttpEvent) -> Result<Self, Error> {
        let mut context = event.request_context.unwrap_or_default();
        let (method, source) = match (context.http, context.identity) {
            (Some(http), _) => (http.method.or(event.http_method), http.source_ip),
            (None, Some(identity)) => (event.http_method, identity.source_ip),
            (None, None) => (event.http_method, None),
        };
        let method = method
            .as_deref()
            .unwrap_or("GET")
            .parse()
            .map_err(|_| Error::from(Code::MethodNotAllowed))?;
        // Only payload 2.0 puts the stage before the path. A REST API's stage may be named `v1`.
        let (path, mount) = match event.raw_path {
            Some(raw) => without_stage(raw, context.stage.as_deref()),
            None => {
                let path = event.path.unwrap_or_default();
                let mount = mount(&path, context.path.as_deref(), context.stage.as_deref());
                (path, mount)
            }
        };
        let query = match event.raw_query_string {
            Some(raw) => raw,
            None => encode(
                event.multi_value_query_string_parameters,
                event.query_string_parameters,
            ),
        };
        let mut headers = collect(event.multi_value_headers, event.headers)?;
        if let Some(cookies) = event.cookies.filter(|cookies| !cookies.is_empty()) {
            headers.insert(http::header::COOKIE, value(&cookies.join("; "))?);
        }
        let front = front(context.domain_name.take(), &headers, &mount);
        Ok(Self {
            method,
            path,
            query,
            headers,
            body: body(event.body, event.is_base64_encoded.unwrap_or(false))?,
            source,
            front,
        })
    }
}

/// The path after the stage, and the stage's segment where the path began with it.
fn without_stage(path: String, stage: Option<&str>) -> (String, String) {
    let mount = stage_segment(stage);
    match path.strip_prefix(&mount) {
        Some(rest) if rest.starts_with('/') => (rest.to_owned(), mount),
        Some(_) | None => (path, String::new()),
    }
}

fn stage_segment(stage: Option<&str>) -> String {
    let named = stage.filter(|stage| *stage != "$default" && !stage.is_empty());
    named.map(|stage| format!("/{stage}")).unwrap_or_default()
}

/// What a REST API's client sent before the path: the stage, unless a domain of the operator's stands for it. The path
/// itself holds that domain's base path.
fn mount(path: &str, whole: Option<&str>, stage: Option<&str>) -> String {
    let stage = stage_segment(stage);
    let Some(whole) = whole else { return stage };
    match whole.strip_suffix(path) {
        Some(before) => before.to_owned(),
        // One of them is decoded.
        None if whole.starts_with(&format!("{stage}/")) => stage,
        None => String::new(),
    }
}

/// The address that the client used, up to the path. A client can forge its `host` header, but not the gateway's
/// domain.
fn front(domain: Option<String>, headers: &HeaderMap, mount: &str) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let scheme = text("x-forwarded-proto").filter(|scheme| *scheme == "http");
    let host = domain.filter(|domain| !domain.is_empty());
    let host = host.or_else(|| text("host").map(ToOwned::to_owned))?;
    // What is not a plain authority could not be told from the rest of an address.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let whole = !host.is_empty() && host.bytes().all(plain);
    whole.then(|| format!("{}://{host}{mount}", scheme.unwrap_or("https")))
}

fn body(text: Option<String>, is_base64: bool) -> Result<Bytes, Error> {
    let text = text.unwrap_or_default();
    if !is_base64 {
        return Ok(Bytes::from(text));
    }
    let decoded = STANDARD.decode(text);
    decoded
        .map(Bytes::from)
        .map_err(|_| Error::new(Code::InvalidRequest, "the event's body is not valid base64"))
}

fn encode(multi: Pairs<'static, Vec<String>>, single: Pairs<'static, String>) -> String {
    let mut query = String::new();
    let mut push = |name: &str, value: &str| {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(utf8_percent_encode(name, PAIR));
        query.push('=');
        query.extend(utf8_percent_encode(value, PAIR));
    };
    let multi = multi.unwrap_or_default();
    for (name, value) in single
        .unwrap_or_default()
        .iter()
        .filter(|(name, _)| !multi.contains_key(*name))
    {
        push(name, value.as_deref().unwrap_or_default());
    }
    for (name, values) in &multi {
        for value in values.iter().flatten() {
            push(name, value);
        }
    }
    query
}

fn collect(
    multi: Pairs<'static, Vec<String>>,
    single: Pairs<'static, String>,
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, values) in multi.unwrap_or_default() {
        let name = header_name(&name)?;
        for text in values.unwrap_or_default() {
            headers.append(&name, value(&text)?);
        }
    }
    for (name, text) in single.unwrap_or_default() {
        let name = header_name(&name)?;
        if !headers.contains_key(&name) {
            headers.insert(name, value(&text.unwrap_or_default())?);
        }
    }
    Ok(headers)
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    name.parse()
        .map_err(|_| Error::new(Code::InvalidRequest, "a header's name is not valid in HTTP"))
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        Error::new(
            Code::InvalidRequest,
            "a header's value is not valid in HTTP",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(event: serde_json::Value) -> Result<Incoming, Error> {
        serde_json::from_value::<HttpEvent>(event)
            .unwrap()
            .try_into()
    }

    #[test]
    fn payload_2_is_read_byte_for_byte() {
        let incoming = read(json!({
            "version": "2.0", "rawPath": "/prod/api/a%2Fb/../c", "rawQueryString": "x=%20&x=2",
            "headers": {"X-A": "1,2"}, "cookies": ["a=1", "b=2"], "isBase64Encoded": true, "body": "AP8=",
            "requestContext": {"stage": "prod", "http": {"method": "POST", "sourceIp": "192.0.2.1"}},
        }))
        .unwrap();
        assert_eq!(
            (incoming.path.as_str(), incoming.query.as_str()),
            ("/api/a%2Fb/../c", "x=%20&x=2")
        );
        assert_eq!(incoming.body.as_ref(), [0, 255]);
        assert_eq!(incoming.source.as_deref(), Some("192.0.2.1"));
        assert_eq!(incoming.header("cookie"), Some("a=1; b=2"));
    }

    #[test]
    fn payload_1_keeps_every_pair_and_every_header_value() {
        let incoming = read(json!({
            "httpMethod": "GET", "path": "/v1/x",
            "queryStringParameters": {"a": "2", "only": "x&y"},
            "multiValueQueryStringParameters": {"a": ["1 ", "2"]},
            "headers": {"x-a": "2", "x-b": "3"}, "multiValueHeaders": {"X-A": ["1", "2"]},
            "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.2"}}, "body": null,
        }))
        .unwrap();
        assert_eq!(incoming.query, "only=x%26y&a=1%20&a=2");
        assert_eq!(incoming.headers.get_all("x-a").iter().count(), 2);
        assert_eq!(incoming.header("x-b"), Some("3"));
    }

    #[test]
    fn only_payload_2_carries_the_stage_in_its_path() {
        let stage = json!({"stage": "v1", "http": {"method": "GET"}});
        let http_api = read(json!({"rawPath": "/v1/v1/interactions", "requestContext": stage}));
        assert_eq!(http_api.unwrap().path, "/v1/interactions");
        let rest_api = read(json!({"path": "/v1/interactions", "requestContext": {"stage": "v1"}}));
        assert_eq!(rest_api.unwrap().path, "/v1/interactions");
    }

    #[test]
    fn the_front_is_the_gateways_domain_and_stage() {
        let front = |event| read(event).unwrap().front;
        let own = |text: &str| Some(text.to_owned());
        let v2 = |path: &str, stage: &str| {
            json!({"rawPath": path, "headers": {"host": "forged.example"},
                "requestContext": {"stage": stage, "domainName": "a.example"}})
        };
        assert_eq!(front(v2("/x", "$default")), own("https://a.example"));
        assert_eq!(front(v2("/prod/x", "prod")), own("https://a.example/prod"));
        assert_eq!(front(v2("/x", "prod")), own("https://a.example"));
        let v1 = |path: &str, context: Value| {
            front(
                json!({"path": path, "headers": {"Host": "forged.example"}, "requestContext": context}),
            )
        };
        let default = json!({"stage": "prod", "path": "/prod/x", "domainName": "id.execute-api.eu-central-1.amazonaws.com"});
        assert_eq!(
            v1("/x", default),
            own("https://id.execute-api.eu-central-1.amazonaws.com/prod")
        );
        // A domain of the operator's, with a base path that both hold.
        assert_eq!(
            v1(
                "/base/x",
                json!({"stage": "prod", "path": "/base/x", "domainName": "a.example"})
            ),
            own("https://a.example")
        );
        assert_eq!(
            v1(
                "/a b",
                json!({"stage": "prod", "path": "/prod/a%20b", "domainName": "a.example"})
            ),
            own("https://a.example/prod")
        );
        assert_eq!(
            v1("/x", json!({"stage": "prod", "domainName": "a.example"})),
            own("https://a.example/prod")
        );
        let headers = |headers: Value| front(json!({"rawPath": "/x", "headers": headers}));
        assert_eq!(
            headers(json!({"host": "h:81", "x-forwarded-proto": "http"})),
            own("http://h:81")
        );
        assert_eq!(
            headers(json!({"host": "h", "x-forwarded-proto": "ftp"})),
            own("https://h")
        );
        assert_eq!(headers(json!({"host": "evil.example/x"})), None);
        assert_eq!(headers(json!({})), None);
    }

    #[test]
    fn what_no_gateway_sends_is_a_400() {
        for event in [
            json!({"headers": {"a b": "x"}}),
            json!({"headers": {"x": "a\r\nb: c"}}),
            json!({"isBase64Encoded": true, "body": "%%%"}),
        ] {
            assert_eq!(
                read(event).err().map(|error| error.code),
                Some(Code::InvalidRequest)
            );
        }
        assert!(read(json!({})).is_ok());
    }
}
