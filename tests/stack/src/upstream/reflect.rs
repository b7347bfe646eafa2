//! Answers that show their own request, in the forms in which servers write it.

use super::pieces::pieces;
use super::{Seen, State};
use crate::Result;
use crate::event::decode;
use crate::server::{Body, whole};
use http::{HeaderValue, Response};
use std::sync::Arc;

/// The answer that the path's last segment names, if it names one; `key` is the bare credential as it came.
pub fn answer(
    state: &Arc<State>,
    seen: &Seen,
    key: &str,
    last: &str,
) -> Option<Result<Response<Body>>> {
    Some(match last {
        "reflect-moved" => moved(seen),
        "reflect-html" => page("text/html; charset=utf-8", &html(&shown(seen))),
        "reflect-json" => page("application/json", &json(&shown(seen))),
        "reflect-percent" => page("text/plain", &percent(&shown(seen))),
        "reflect-range" => range(seen),
        "reflect-split" => split(state, key),
        "reflect-key" => page("text/plain", &decode(key)),
        "repeated-headers" => repeated_headers(),
        _ => return None,
    })
}

fn page(content_type: &str, text: &str) -> Result<Response<Body>> {
    Ok(Response::builder()
        .header("content-type", content_type)
        .body(whole(text.to_owned()))?)
}

/// The request line, the headers, and the parameters as a server reads them.
fn shown(seen: &Seen) -> String {
    let mut text = format!("{} {} HTTP/1.1\n", seen.method, seen.path_and_query);
    for (name, value) in &seen.headers {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let query = seen.path_and_query.split_once('?').map(|(_, query)| query);
    for (name, value) in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.split_once('='))
    {
        text += &format!("{} = {}\n", decode(name), decode(value));
    }
    text
}

/// A redirect to the same address, as a server sends that wants another scheme or a slash.
fn moved(seen: &Seen) -> Result<Response<Body>> {
    let host = seen.headers.get("host").ok_or("no host")?.to_str()?;
    let address = format!("http://{host}{}", seen.path_and_query);
    Ok(Response::builder()
        .status(308)
        .header("location", &address)
        .header("refresh", format!("0; url={}", html(&address)))
        .header("x-login", format!("/login?next={}", percent(&address)))
        .body(whole(format!("<a href=\"{}\">moved</a>", html(&address))))?)
}

/// As Python's `html.escape` writes it.
fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
}

/// As PHP's `json_encode` writes it with the flags that escape HTML; it also escapes slashes.
fn json(text: &str) -> String {
    let mut out = String::from("{\"request\":\"");
    for char in text.chars() {
        match char {
            '/' => out += "\\/",
            '\n' => out += "\\n",
            '\\' => out += "\\\\",
            '"' | '\'' | '<' | '>' | '&' => out += &format!("\\u{:04X}", u32::from(char)),
            char if char.is_ascii() => out.push(char),
            char => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    out += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    out + "\"}"
}

/// As .NET's `UrlEncode` writes it: lower-case hexadecimal, `+` for a space.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.!*()".contains(&byte) => {
                out.push(char::from(byte));
            }
            byte => out += &format!("%{byte:02x}"),
        }
    }
    out
}

/// The key as it came, percent-encoded once more, in two pieces; the first ends within an escape.
fn split(state: &Arc<State>, key: &str) -> Result<Response<Body>> {
    let key = percent(&decode(key));
    let (first, second) = key.split_at(key.find('%').map_or(key.len() / 2, |at| at + 2));
    let whole = vec![format!("before {first}"), format!("{second} after")];
    pieces(state, 200, whole, None)
}

/// The same page as bytes, of which a range can be requested (RFC 9110 section 14).
fn range(seen: &Seen) -> Result<Response<Body>> {
    // The page does not show the range, so that all parts belong to one page.
    let mut still = seen.clone();
    still.headers.remove("range");
    let page = shown(&still).into_bytes();
    let Some(asked) = seen.headers.get("range") else {
        return Ok(Response::builder()
            .header("accept-ranges", "bytes")
            .body(whole(page))?);
    };
    let Some((first, end)) = bounds(asked.to_str()?, page.len()) else {
        return Ok(Response::builder()
            .status(416)
            .header("content-range", format!("bytes */{}", page.len()))
            .body(whole(""))?);
    };
    let part = format!("bytes {first}-{}/{}", end - 1, page.len());
    Ok(Response::builder()
        .status(206)
        .header("content-range", part)
        .body(whole(page[first..end].to_vec()))?)
}

/// The start of the only range, and the end behind its last byte, in a body of this length.
fn bounds(asked: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first.parse().ok(), last.parse::<usize>().ok()) {
        (Some(first), last) => (first, last.map_or(length, |last| length.min(last + 1))),
        (None, Some(last)) => (length.saturating_sub(last), length),
        (None, None) => return None,
    };
    (first < end).then_some((first, end))
}

fn repeated_headers() -> Result<Response<Body>> {
    Ok(Response::builder()
        .header("vary", "Origin")
        .header("vary", "X-Origin")
        .header("vary", "Referer")
        .header("x-latin", HeaderValue::from_bytes(b"caf\xe9")?)
        .header("x-mixed", HeaderValue::from_bytes(b"caf\xe9")?)
        .header("x-mixed", "coffee")
        .body(whole("ok"))?)
}
