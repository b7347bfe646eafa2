//! Parts of a body (RFC 9110 section 14). An agent could fetch a page that shows the secret in parts, none of
//! which holds it whole. A part cannot be redacted by itself either: replacing what may begin or end the secret
//! tells the agent that it does, and with a file of its own the agent could guess letter by letter. So Postern
//! asks for more than the client wants, enough on either side to decide whether a byte belongs to the secret,
//! and cuts the response back.

use super::{Injected, Redactor};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode, response};
use postern::{Code, Error};
use std::ops::Range;

/// The part that a client wants, and how many bytes more are needed on either side.
#[derive(Debug)]
pub(crate) struct RangeRequest {
    wanted: Wanted,
    reach: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// From this byte, up to and including the other, or to the end.
    From(u64, Option<u64>),
    /// This many bytes at the end.
    Last(u64),
}

impl RangeRequest {
    /// `None` where there is no range, or several, or a unit other than bytes. The range is then dropped: a
    /// server may always answer with the whole.
    pub(crate) fn new(headers: &HeaderMap, injected: &Injected) -> Option<Self> {
        let mut ranges = headers.get_all(RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return None;
        };
        Some(Self {
            wanted: Wanted::parse(range.to_str().ok()?)?,
            reach: Redactor::new(injected).map_or(0, |redactor| redactor.reach()),
        })
    }

    /// The `range` that is sent upstream.
    pub(crate) fn widened(&self) -> HeaderValue {
        let more = |bytes: u64| bytes.saturating_add(self.reach);
        let range = match self.wanted {
            Wanted::From(first, last) => {
                let first = first.saturating_sub(self.reach);
                let last = last.map(|last| more(last).to_string());
                format!("bytes={first}-{}", last.unwrap_or_default())
            }
            Wanted::Last(length) => format!("bytes=-{}", more(length)),
        };
        HeaderValue::try_from(range).expect("letters, digits and signs can stand in a header")
    }

    /// Rewrites the head of the upstream's response for the client's part, and returns how to cut the body.
    ///
    /// # Errors
    /// `upstream_unreachable` where the upstream does not say which part it sends.
    pub(crate) fn cut(&self, head: &mut response::Parts) -> Result<Cut, Error> {
        let content_range = head.headers.get(CONTENT_RANGE);
        let content_range = content_range
            .and_then(|content_range| ContentRange::parse(content_range.to_str().ok()?));
        let content_range = content_range.ok_or_else(|| {
            Code::UpstreamUnreachable.because("a partial response without a valid content-range")
        })?;
        let part = self.part_of(&content_range);
        let total = content_range
            .total
            .map_or("*".into(), |total| total.to_string());
        let range = if part.is_empty() {
            // The client's part lies beyond the end, though the widened one does not.
            head.status = StatusCode::RANGE_NOT_SATISFIABLE;
            format!("bytes */{total}")
        } else {
            format!("bytes {}-{}/{total}", part.start, part.end - 1)
        };
        let length = part.end.saturating_sub(part.start);
        head.headers.insert(CONTENT_LENGTH, length.into());
        if let Ok(range) = range.try_into() {
            head.headers.insert(CONTENT_RANGE, range);
        }
        Ok(Cut {
            skip: part.start.saturating_sub(content_range.sent.start),
            left: length,
        })
    }

    /// The client's part, limited to bytes that are known to belong, or not to belong, to the secret.
    fn part_of(&self, content_range: &ContentRange) -> Range<u64> {
        let Range { start, end } = content_range.sent;
        let known_from = if start == 0 {
            0
        } else {
            start.saturating_add(self.reach)
        };
        let known_to = if content_range.total == Some(end) {
            end
        } else {
            end.saturating_sub(self.reach)
        };
        let (from, to) = match self.wanted {
            Wanted::From(first, last) => (first, last.map_or(end, |last| last.saturating_add(1))),
            Wanted::Last(length) => (
                content_range.total.unwrap_or(end).saturating_sub(length),
                end,
            ),
        };
        from.max(known_from)..to.min(known_to)
    }
}

impl Wanted {
    fn parse(range: &str) -> Option<Self> {
        let (unit, range) = range.split_once('=')?;
        let (first, last) = range.split_once('-')?;
        let wanted = match (first.trim(), last.trim()) {
            ("", last) => Self::Last(last.parse().ok()?),
            (first, "") => Self::From(first.parse().ok()?, None),
            (first, last) => Self::From(first.parse().ok()?, Some(last.parse().ok()?)),
        };
        let in_order = !matches!(wanted, Self::From(first, Some(last)) if last < first);
        (unit.trim().eq_ignore_ascii_case("bytes") && in_order).then_some(wanted)
    }
}

/// The `content-range` of a response.
struct ContentRange {
    sent: Range<u64>,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(content_range: &str) -> Option<Self> {
        let (unit, range) = content_range.trim().split_once(' ')?;
        let (sent, total) = range.split_once('/')?;
        let (first, last) = sent.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let sent = first..last.checked_add(1)?;
        let total = total.trim().parse().ok();
        (unit.eq_ignore_ascii_case("bytes") && !sent.is_empty()).then_some(Self { sent, total })
    }
}

/// Cuts a body to the client's part.
pub(crate) struct Cut {
    skip: u64,
    left: u64,
}

impl Cut {
    /// The client's share of the next piece.
    pub(crate) fn piece(&mut self, mut piece: Bytes) -> Bytes {
        let length = |bytes: u64| {
            usize::try_from(bytes)
                .unwrap_or(usize::MAX)
                .min(piece.len())
        };
        let skipped = length(self.skip);
        let _ = piece.split_to(skipped);
        self.skip -= skipped as u64;
        let length = usize::try_from(self.left).unwrap_or(usize::MAX);
        piece.truncate(length);
        self.left -= piece.len() as u64;
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a reach of 9, as of `sk-real-it` where no encoder writes it otherwise.
    fn asked(range: &str) -> Option<RangeRequest> {
        Some(RangeRequest {
            wanted: Wanted::parse(range)?,
            reach: 9,
        })
    }

    /// The head and the cut body when the upstream sends bytes that count up from the range's first.
    fn cut(range: &str, told: &str, sent: std::ops::Range<u8>) -> Option<(u16, String, Vec<u8>)> {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::PARTIAL_CONTENT;
        head.headers.insert(CONTENT_RANGE, told.parse().unwrap());
        let mut cut = asked(range).unwrap().cut(&mut head).ok()?;
        let pieces: Vec<u8> = sent.collect();
        let pieces = pieces.chunks(4).map(Bytes::copy_from_slice);
        let body: Vec<u8> = pieces.flat_map(|piece| cut.piece(piece)).collect();
        assert_eq!(head.headers[CONTENT_LENGTH], body.len().to_string());
        let range = head.headers[CONTENT_RANGE].to_str().unwrap().to_owned();
        Some((head.status.as_u16(), range, body))
    }

    #[test]
    fn one_range_of_bytes_is_widened_and_no_other_is_passed_on() {
        for (range, widened) in [
            ("bytes=0-0", "bytes=0-9"),
            ("bytes=5-6", "bytes=0-15"),
            ("Bytes = 100 - 199 ", "bytes=91-208"),
            ("bytes=100-", "bytes=91-"),
            ("bytes=-1", "bytes=-10"),
            (
                "bytes=1-18446744073709551615",
                "bytes=0-18446744073709551615",
            ),
        ] {
            assert_eq!(asked(range).unwrap().widened(), widened, "{range}");
        }
        for other in [
            "bytes=0-1,4-5",
            "lines=0-1",
            "bytes=2-1",
            "bytes=-",
            "bytes",
            "bytes=a-b",
            "",
        ] {
            assert!(asked(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_part_is_cut_to_what_the_client_wants() {
        for (range, told, sent, own, part) in [
            (
                "bytes=20-29",
                "bytes 11-38/100",
                11..39,
                "bytes 20-29/100",
                20..30,
            ),
            ("bytes=5-6", "bytes 0-15/100", 0..16, "bytes 5-6/100", 5..7),
            (
                "bytes=90-99",
                "bytes 81-99/100",
                81..100,
                "bytes 90-99/100",
                90..100,
            ),
            (
                "bytes=95-200",
                "bytes 86-99/100",
                86..100,
                "bytes 95-99/100",
                95..100,
            ),
            (
                "bytes=90-",
                "bytes 81-99/100",
                81..100,
                "bytes 90-99/100",
                90..100,
            ),
            (
                "bytes=-10",
                "bytes 81-99/100",
                81..100,
                "bytes 90-99/100",
                90..100,
            ),
            (
                "bytes=20-29",
                "bytes 11-38/*",
                11..39,
                "bytes 20-29/*",
                20..30,
            ),
        ] {
            let expected = (206, own.to_owned(), part.collect());
            assert_eq!(cut(range, told, sent).unwrap(), expected, "{range}");
        }
    }

    #[test]
    fn a_server_that_sends_less_gives_the_client_less() {
        // Whether the last nine bytes begin the secret is not known.
        let part = cut("bytes=20-", "bytes 11-60/100", 11..61).unwrap();
        assert_eq!(part, (206, "bytes 20-51/100".into(), (20..52).collect()));
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        for range in ["bytes=100-", "bytes=105-110", "bytes=-0"] {
            let nothing = (416, "bytes */100".to_owned(), vec![]);
            assert_eq!(
                cut(range, "bytes 91-99/100", 91..100).unwrap(),
                nothing,
                "{range}"
            );
        }
    }

    #[test]
    fn an_upstream_that_does_not_say_what_it_sends_is_an_error() {
        for told in [
            "",
            "bytes",
            "bytes 5-4/9",
            "bytes a-b/c",
            "lines 0-1/2",
            "bytes */9",
        ] {
            assert!(cut("bytes=0-1", told, 0..2).is_none(), "{told}");
        }
    }
}
