//! Removes the injected secret from a response, in every form that reveals it, even where it is split across
//! pieces.

mod forms;
mod part;

pub(crate) use part::{Cut, RangeRequest};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use bytes::{Bytes, BytesMut};
use secrecy::{ExposeSecret, SecretString};

const REDACTED: &[u8] = b"[redacted]";

/// The secret that a request carried, and every text that it was written as. Only the code that wrote the
/// request knows them.
#[derive(Debug)]
pub(crate) struct Injected(Vec<SecretString>);

impl Injected {
    /// The secret, and the texts that stand in the request for it.
    pub(crate) fn new(texts: Vec<SecretString>) -> Self {
        Self(texts)
    }

    /// Adds the texts of another attempt.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Replaces a secret in a stream. It holds back only bytes that may begin one of the secret's forms.
pub(crate) struct Redactor {
    search: AhoCorasick,
    forms: Vec<Vec<u8>>,
    longest: usize,
    keeps_length: bool,
    held: Bytes,
}

impl Redactor {
    /// `None` for an empty secret, which nothing can reveal.
    pub(crate) fn new(injected: &Injected) -> Option<Self> {
        let texts = injected.0.iter().map(ExposeSecret::expose_secret);
        Self::from_forms(forms::all(texts))
    }

    /// A redactor of these forms, none of which is empty.
    fn from_forms(forms: Vec<Vec<u8>>) -> Option<Self> {
        let longest = forms.iter().map(Vec::len).max()?;
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // Each request builds its own, and this kind is the fastest to build.
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .build(&forms)
            .expect("a secret of 64 KiB in all its forms is far below 2^31 states");
        Some(Self {
            search,
            forms,
            longest,
            keeps_length: false,
            held: Bytes::new(),
        })
    }

    /// Replaces each form with a text of the same length.
    pub(crate) fn keeping_length(mut self) -> Self {
        self.keeps_length = true;
        self
    }

    /// How many bytes on either side decide whether a byte is part of a form.
    pub(crate) fn reach(&self) -> u64 {
        self.longest as u64 - 1
    }

    /// The bytes without the secret; `None` where they do not hold it.
    pub(crate) fn whole(&self, bytes: &[u8]) -> Option<Bytes> {
        let Replaced { out, done, .. } = self.replaced(bytes, true);
        (done > 0).then(|| [&out, &bytes[done..]].concat().into())
    }

    /// The next piece without the secret. A possible beginning of the secret is held for the piece after.
    pub(crate) fn piece(&mut self, piece: Bytes) -> Bytes {
        let mut data = if self.held.is_empty() {
            piece
        } else {
            [self.held.as_ref(), &piece].concat().into()
        };
        let found = self.replaced(&data, false);
        self.held = data.split_off(found.undecided);
        // Most pieces hold nothing of it and are passed on without a copy.
        if found.done == 0 {
            return data;
        }
        let mut out = found.out;
        out.extend_from_slice(&data[found.done..]);
        out.freeze()
    }

    /// The bytes that are still held when the stream has ended.
    pub(crate) fn end(&mut self) -> Bytes {
        let held = std::mem::take(&mut self.held);
        self.whole(&held).unwrap_or(held)
    }

    /// Replaces the forms in the data. `last` says that no data follows.
    fn replaced(&self, data: &[u8], last: bool) -> Replaced {
        let undecided = |from| {
            if last {
                data.len()
            } else {
                self.undecided(data, from)
            }
        };
        let mut all = Replaced {
            out: BytesMut::new(),
            done: 0,
            undecided: undecided(0),
        };
        for found in self.search.find_iter(data) {
            // With the next piece, a form may begin earlier or be longer.
            if all.undecided <= found.start() {
                break;
            }
            all.out.extend_from_slice(&data[all.done..found.start()]);
            self.replace(found.len(), &mut all.out);
            all.done = found.end();
            if all.undecided < all.done {
                all.undecided = undecided(all.done);
            }
        }
        all
    }

    fn replace(&self, length: usize, out: &mut BytesMut) {
        if self.keeps_length {
            let filled = REDACTED.iter().chain(std::iter::repeat(&b'*'));
            out.extend(filled.take(length));
        } else {
            out.extend_from_slice(REDACTED);
        }
    }

    /// Where the longest suffix of `data` begins that may be the beginning of a form, at `from` or later.
    fn undecided(&self, data: &[u8], from: usize) -> usize {
        let first = from.max((data.len() + 1).saturating_sub(self.longest));
        let begins = |at: &usize| {
            let end = &data[*at..];
            let mut longer = self.forms.iter().filter(|form| form.len() > end.len());
            longer.any(|form| form.starts_with(end))
        };
        (first..data.len()).find(begins).unwrap_or(data.len())
    }
}

/// Data in which the forms are replaced.
struct Replaced {
    /// Up to the end of the last form that was found.
    out: BytesMut,
    /// That end, in the data.
    done: usize,
    /// Where in the data what may become a form begins.
    undecided: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn redactor(secret: &str) -> Redactor {
        Redactor::new(&Injected::new(vec![secret.into()])).unwrap()
    }

    fn run(mut redactor: Redactor, pieces: &[&[u8]]) -> Vec<String> {
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        let mut out: Vec<String> = pieces
            .iter()
            .map(|piece| text(redactor.piece(Bytes::copy_from_slice(piece))))
            .collect();
        out.push(text(redactor.end()));
        out
    }

    #[test]
    fn the_secret_is_replaced_wherever_it_is_split() {
        let whole = b"a sk-real b sk%2dreal";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(
                    run(redactor("sk-real"), &pieces).concat(),
                    "a [redacted] b [redacted]",
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn a_stream_is_held_back_only_by_what_may_be_the_secret() {
        let pieces: [&[u8]; 3] = [b"data: hello\n\n", b"data: sk", b"ip\n\n"];
        assert_eq!(
            run(redactor("sk-real"), &pieces),
            ["data: hello\n\n", "data: ", "skip\n\n", ""]
        );
        assert_eq!(
            run(redactor("aab"), &[b"aaa", b"ab"]),
            ["a", "a[redacted]", ""]
        );
    }

    #[test]
    fn a_piece_that_holds_nothing_is_not_copied() {
        let piece = Bytes::from_static(b"nothing of it, sk-rea");
        let passed = redactor("sk-real").piece(piece.clone());
        assert_eq!(passed.as_ptr(), piece.as_ptr());
        assert_eq!(passed.as_ref(), b"nothing of it, ");
    }

    #[test]
    fn what_is_written_and_what_another_attempt_wrote_count_too() {
        let mut injected = Injected::new(vec!["first".into(), "Zmlyc3Q=".into()]);
        injected.extend(Injected::new(vec!["second".into()]));
        let redactor = Redactor::new(&injected).unwrap();
        let clean = redactor.whole(b"first Zmlyc3Q= Zmlyc3Q%3D second third");
        assert_eq!(
            clean.unwrap().as_ref(),
            b"[redacted] [redacted] [redacted] [redacted] third"
        );
        assert!(!format!("{injected:?}").contains("first"));
    }

    #[test]
    fn a_replacement_may_be_as_long_as_what_it_replaces() {
        for (secret, filled) in [("abc", "x[rex"), ("sk-real-key!", "x[redacted]**x")] {
            let clean = redactor(secret)
                .keeping_length()
                .whole(format!("x{secret}x").as_bytes());
            assert_eq!(clean.unwrap().as_ref(), filled.as_bytes());
        }
    }

    #[test]
    fn an_empty_secret_redacts_nothing() {
        assert!(Redactor::new(&Injected::new(vec![" \n".into()])).is_none());
    }

    /// The reference: replaces the longest form at the first place, in the whole.
    fn in_the_whole(forms: &[Vec<u8>], mut data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(first) = data.first() {
            let here = forms.iter().filter(|form| data.starts_with(form));
            match here.map(Vec::len).max() {
                Some(length) => {
                    out.extend_from_slice(REDACTED);
                    data = &data[length..];
                }
                None => {
                    out.push(*first);
                    data = &data[1..];
                }
            }
        }
        out
    }

    /// Streams the data, cut at these places.
    fn streamed(forms: &[Vec<u8>], data: &[u8], cuts: &[usize]) -> Vec<u8> {
        let mut redactor = Redactor::from_forms(forms.to_vec()).unwrap();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (data.len() + 1)).collect();
        cuts.extend([0, data.len()]);
        cuts.sort_unstable();
        let mut out = Vec::new();
        for cut in cuts.windows(2) {
            out.extend(redactor.piece(Bytes::copy_from_slice(&data[cut[0]..cut[1]])));
            let held = &redactor.held;
            let beginning = |form: &Vec<u8>| form.len() > held.len() && form.starts_with(held);
            assert!(held.is_empty() || forms.iter().any(beginning), "{held:?}");
        }
        out.extend(redactor.end());
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        // Of three letters, so that forms overlap, begin alike and lie in each other.
        #[test]
        fn a_stream_comes_out_as_its_whole_would(
            forms in vec("[abc]{1,6}".prop_map(String::into_bytes), 1..5),
            data in "[abc]{0,60}".prop_map(String::into_bytes),
            cuts in vec(any::<usize>(), 0..8),
        ) {
            prop_assert_eq!(streamed(&forms, &data, &cuts), in_the_whole(&forms, &data));
        }

        #[test]
        fn every_form_of_any_secret_is_replaced_wherever_it_is_cut(
            secret in "\\PC{1,12}",
            around in vec(any::<u8>(), 0..20),
            which in any::<prop::sample::Index>(),
            cuts in vec(any::<usize>(), 0..8),
        ) {
            let forms = forms::all([secret.as_str()].into_iter());
            prop_assume!(!forms.is_empty());
            let form = which.get(&forms);
            let data = [around.as_slice(), form, &around].concat();
            let out = streamed(&forms, &data, &cuts);
            prop_assert_eq!(&out, &in_the_whole(&forms, &data));
            prop_assert!(out.windows(REDACTED.len()).any(|own| own == REDACTED));
        }
    }
}
