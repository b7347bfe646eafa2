//! API Gateway's events.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// A request as a client sends it.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub method: String,
    /// Percent-encoded, as sent.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub source_ip: String,
    /// The domain that the client reached the gateway by.
    pub domain: String,
}

impl HttpRequest {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            source_ip: "192.0.2.1".into(),
            domain: "postern.example".into(),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn post_json(path: &str, body: &Value) -> Self {
        Self::new("POST", path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// Payload 2.0, which HTTP APIs and Function URLs send.
    pub fn v2(&self) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            let joined = match headers.get(&name.to_lowercase()).and_then(Value::as_str) {
                Some(first) => format!("{first},{value}"),
                None => value.clone(),
            };
            headers.insert(name.to_lowercase(), joined.into());
        }
        let (body, is_base64) = self.encoded();
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": "000000000000", "apiId": "local", "domainName": self.domain, "requestId": "local",
                "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
                "http": {"method": self.method, "path": self.path, "protocol": "HTTP/1.1", "sourceIp": self.source_ip, "userAgent": "local"},
            },
            "body": body,
            "isBase64Encoded": is_base64,
        })
    }

    /// Payload 1.0, which REST APIs send; its query pairs are decoded.
    pub fn v1(&self) -> Value {
        let (mut single, mut multi) = (Map::new(), Map::new());
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            add(&mut single, &mut multi, &decode(name), &decode(value));
        }
        let (mut headers, mut multi_headers) = (Map::new(), Map::new());
        for (name, value) in &self.headers {
            add(&mut headers, &mut multi_headers, name, value);
        }
        let (body, is_base64) = self.encoded();
        json!({
            "resource": "/{proxy+}",
            "path": self.path,
            "httpMethod": self.method,
            "headers": headers,
            "multiValueHeaders": multi_headers,
            "queryStringParameters": single,
            "multiValueQueryStringParameters": multi,
            "requestContext": {"stage": "prod", "domainName": self.domain, "path": format!("/prod{}", self.path), "httpMethod": self.method, "identity": {"sourceIp": self.source_ip}},
            "body": body,
            "isBase64Encoded": is_base64,
        })
    }

    fn encoded(&self) -> (Value, bool) {
        match std::str::from_utf8(&self.body) {
            Ok("") => (Value::Null, false),
            Ok(text) => (text.into(), false),
            Err(_) => (STANDARD.encode(&self.body).into(), true),
        }
    }
}

fn add(single: &mut Map<String, Value>, multi: &mut Map<String, Value>, name: &str, value: &str) {
    single.insert(name.to_owned(), value.into());
    if let Some(all) = multi
        .entry(name)
        .or_insert_with(|| json!([]))
        .as_array_mut()
    {
        all.push(value.into());
    }
}

pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_1_decodes_pairs_and_payload_2_does_not() {
        let mut request = HttpRequest::get("/x")
            .header("A", "1")
            .header("A", "2")
            .body(vec![255]);
        request.query = "a=1%26&a=2".into();
        assert_eq!(
            request.v1()["multiValueQueryStringParameters"],
            json!({"a": ["1&", "2"]})
        );
        let v2 = request.v2();
        assert_eq!(
            (
                &v2["rawQueryString"],
                &v2["headers"]["a"],
                &v2["isBase64Encoded"]
            ),
            (&json!("a=1%26&a=2"), &json!("1,2"), &json!(true))
        );
    }
}
