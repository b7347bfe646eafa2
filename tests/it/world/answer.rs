//! A function's HTTP answer.

use serde_json::Value;
use std::collections::BTreeMap;

/// The whole answer, after its body has ended.
#[derive(Debug)]
pub struct Answer {
    pub status: u64,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Whether the stream ended as an error.
    pub broken: bool,
}

impl Answer {
    /// From the object that holds `statusCode` and `headers`.
    pub(super) fn new(head: &Value, body: Vec<u8>) -> Self {
        let headers = head["headers"].as_object().cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            status: head["statusCode"].as_u64().unwrap(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, text(value)))
                .collect(),
            body,
            broken: false,
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of an error, after a check that the header repeats it and that the body names the request.
    pub fn code(&self) -> String {
        let code = self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(self.headers.get("x-postern-error"), Some(&code), "{self:?}");
        assert!(
            self.json()["error"]["request_id"]
                .as_str()
                .is_some_and(|id| !id.is_empty()),
            "{self:?}"
        );
        code
    }
}
