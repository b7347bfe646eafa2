//! A request as a service reads it, and what several services answer in the same way.

use super::{Seen, State, lock};
use crate::Result;
use crate::event::decode;
use crate::server::{Body, json};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, Response};
use serde_json::Value;

/// A request to one service.
pub struct Asked<'a> {
    pub state: &'a State,
    pub seen: &'a Seen,
    /// Without a slash at its beginning.
    pub path: &'a str,
    pub query: &'a str,
    /// The sample's own address, with which its links begin.
    pub base: String,
}

impl<'a> Asked<'a> {
    pub fn new(state: &'a State, seen: &'a Seen) -> Self {
        let whole = seen.path_and_query.as_str();
        let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
        let host = seen.headers.get("host");
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        Self {
            state,
            seen,
            path: path.trim_start_matches('/'),
            query,
            base: format!("http://{host}"),
        }
    }

    /// The method and the path's segments.
    pub fn route(&self) -> (&str, Vec<&str>) {
        (&self.seen.method, self.path.split('/').collect())
    }

    /// A header's text, or an empty one if the header is missing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.seen.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// What stands in `authorization` after one of these schemes.
    pub fn authorized(&self, schemes: &[&str]) -> Option<&str> {
        let (scheme, key) = self.header("authorization").split_once(' ')?;
        let known = schemes.iter().any(|own| own.eq_ignore_ascii_case(scheme));
        known.then_some(key)
    }

    /// User name and password of HTTP Basic.
    pub fn basic(&self) -> Option<(String, String)> {
        let decoded = STANDARD.decode(self.authorized(&["basic"])?).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// Whether this is the only key that the sample accepts.
    pub fn knows(&self, key: &str) -> bool {
        !key.is_empty() && self.state.accepts(key)
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        of_form(self.query, name)
    }

    /// A field of a form body.
    pub fn field(&self, name: &str) -> Option<String> {
        let form = "application/x-www-form-urlencoded";
        let body = std::str::from_utf8(&self.seen.body).ok()?;
        let is_form = self.header("content-type").starts_with(form);
        is_form.then(|| of_form(body, name))?
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.seen.body).unwrap_or_default()
    }

    /// The first file of a multipart body.
    pub async fn file(&self) -> Option<Bytes> {
        let boundary = multer::parse_boundary(self.header("content-type")).ok()?;
        let body = self.seen.body.clone();
        let once = futures_util::stream::once(async move { crate::Result::Ok(body) });
        let mut parts = multer::Multipart::new(once, boundary);
        while let Some(part) = parts.next_field().await.ok()? {
            if part.file_name().is_some() {
                return part.bytes().await.ok();
            }
        }
        None
    }

    /// Keeps a file.
    pub fn keep(&self, name: &str, bytes: Bytes) {
        lock(&self.state.kept).insert(name.to_owned(), bytes);
    }

    pub fn kept(&self, name: &str) -> Option<Bytes> {
        lock(&self.state.kept).get(name).cloned()
    }

    /// The numbers of the page's items, of `total`, and the header that leads to the next page.
    pub fn page(&self, total: u64) -> (Vec<u64>, String) {
        let number = |name, default: u64| {
            let asked = self.parameter(name).and_then(|text| text.parse().ok());
            asked.unwrap_or(default).max(1)
        };
        let (page, per_page) = (number("page", 1), number("per_page", 30));
        let last = total.div_ceil(per_page).max(1);
        let link = |page: u64, rel: &str| {
            let address = format!("{}/{}", self.base, self.path);
            format!("<{address}?page={page}&per_page={per_page}>; rel=\"{rel}\"")
        };
        let mut links = Vec::new();
        if page > 1 {
            links.extend([link(page - 1, "prev"), link(1, "first")]);
        }
        if page < last {
            links.extend([link(page + 1, "next"), link(last, "last")]);
        }
        let items = (1..=total).filter(|item| (item - 1) / per_page + 1 == page);
        (items.collect(), links.join(", "))
    }

    /// At most two of these names, from this cursor on, and the cursor of the rest.
    pub fn from_cursor<'n>(cursor: &str, names: &[&'n str]) -> (Vec<&'n str>, Option<&'n str>) {
        let at = names.iter().position(|name| *name == cursor).unwrap_or(0);
        let page = names.iter().skip(at).take(2).copied().collect();
        (page, names.get(at + 2).copied())
    }
}

fn of_form(text: &str, name: &str) -> Option<String> {
    text.split('&').find_map(|pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(own) == name).then(|| decode(&value.replace('+', " ")))
    })
}

/// A JSON answer with these headers; one without a value is left out.
pub fn answer(status: u16, body: &Value, headers: &[(&str, &str)]) -> Result<Response<Body>> {
    let mut response = json(status, body)?;
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        let name: HeaderName = name.parse()?;
        response.headers_mut().append(name, value.parse()?);
    }
    Ok(response)
}
