//! Takes the injected secret out of what comes back, also where it is split across pieces.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use secrecy::{ExposeSecret, SecretString};

const REDACTED: &[u8] = b"[redacted]";

/// Replaces one secret in a stream, holding back only what may be the beginning of it.
pub struct Redactor {
    finder: Finder<'static>,
    held: Bytes,
}

impl Redactor {
    /// None for an empty secret, of which there is nothing to see.
    pub fn new(secret: &SecretString) -> Option<Self> {
        let needle = secret.expose_secret().as_bytes();
        (!needle.is_empty()).then(|| Self {
            finder: Finder::new(needle).into_owned(),
            held: Bytes::new(),
        })
    }

    /// Whether these bytes hold the secret.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.finder.find(bytes).is_some()
    }

    pub fn secret_len(&self) -> usize {
        self.finder.needle().len()
    }

    /// The next piece without the secret; what may be its beginning stays for the piece after.
    pub fn piece(&mut self, piece: Bytes) -> Bytes {
        let mut data = if self.held.is_empty() {
            piece
        } else {
            [self.held.as_ref(), &piece].concat().into()
        };
        let mut out = BytesMut::new();
        while let Some(at) = self.finder.find(&data) {
            out.extend_from_slice(&data[..at]);
            out.extend_from_slice(REDACTED);
            data = data.slice(at + self.secret_len()..);
        }
        self.held = data.split_off(data.len() - self.beginning_at_end(&data));
        // The usual piece holds nothing and is passed on as it is, not copied.
        if out.is_empty() {
            return data;
        }
        out.extend_from_slice(&data);
        out.freeze()
    }

    /// What is left when the stream has ended: a beginning that was none.
    pub fn end(&mut self) -> Bytes {
        std::mem::take(&mut self.held)
    }

    /// The length of the longest end of `data` that the secret begins with.
    fn beginning_at_end(&self, data: &[u8]) -> usize {
        let needle = self.finder.needle();
        let longest = data.len().min(needle.len() - 1);
        (1..=longest)
            .rev()
            .find(|length| data.ends_with(&needle[..*length]))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(secret: &str, pieces: &[&str]) -> Vec<String> {
        let mut redactor = Redactor::new(&secret.into()).unwrap();
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let mut out: Vec<String> = pieces
            .iter()
            .map(|piece| text(redactor.piece(Bytes::copy_from_slice(piece.as_bytes()))))
            .collect();
        out.push(text(redactor.end()));
        out
    }

    #[test]
    fn the_secret_is_replaced_wherever_it_is_split() {
        let whole = "a sk-real b sk-real";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let out = run(
                    "sk-real",
                    &[&whole[..first], &whole[first..second], &whole[second..]],
                );
                assert_eq!(
                    out.concat(),
                    "a [redacted] b [redacted]",
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn a_stream_is_held_back_only_by_what_may_be_the_secret() {
        assert_eq!(
            run("sk-real", &["data: hello\n\n", "data: sk", "ip\n\n"]),
            ["data: hello\n\n", "data: ", "skip\n\n", ""]
        );
        assert_eq!(run("aab", &["aaa", "ab"]), ["a", "a[redacted]", ""]);
    }

    #[test]
    fn an_empty_secret_redacts_nothing() {
        assert!(Redactor::new(&"".into()).is_none());
    }
}
