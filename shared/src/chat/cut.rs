//! Cuts text between grapheme clusters, which are what readers see as characters: a family of emoji, a flag, or a
//! letter with its accents.

use unicode_segmentation::UnicodeSegmentation;

/// What stands where text is left out.
const MARK: &str = "\u{2026}";

/// The text after which `split` looks for white space, in bytes from the end.
const NEAR: usize = 120;

/// The length of a text in UTF-16 code units. Telegram counts so. A platform that counts characters counts fewer, so
/// what fits by this measure fits everywhere.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Cuts the text to a length of at most `most`, including the ellipsis that marks the cut. `measure` is the length of
/// a grapheme cluster.
pub(super) fn cut(text: &str, most: usize, measure: impl Fn(&str) -> usize) -> String {
    if end(text, most, &measure) == text.len() {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(measure(MARK)) else {
        return String::new();
    };
    format!("{}{MARK}", &text[..end(text, room, &measure)])
}

/// The text cut so that its escaped form has at most `most` UTF-16 code units, and escaped. `escape` must treat each
/// character by itself.
pub(super) fn cut_escaped(text: &str, most: usize, escape: impl Fn(&str) -> String) -> String {
    escape(&cut(text, most, |cluster| units(&escape(cluster))))
}

/// Splits the text in two, of which the first is at most `most` long: after white space if there is some near, and
/// otherwise between two grapheme clusters.
pub(super) fn split(text: &str, most: usize, measure: impl Fn(&str) -> usize) -> (&str, &str) {
    let end = end(text, most, measure);
    if end == text.len() {
        return (text, "");
    }
    let space = text[..end]
        .grapheme_indices(true)
        .filter(|(_, cluster)| cluster.chars().all(char::is_whitespace))
        .map(|(at, cluster)| at + cluster.len())
        .next_back();
    text.split_at(space.filter(|at| at + NEAR >= end).unwrap_or(end))
}

/// The end of the last grapheme cluster up to which the text is at most `most` long.
fn end(text: &str, most: usize, measure: impl Fn(&str) -> usize) -> usize {
    let mut used = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        used += measure(cluster);
        if used > most {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}";

    /// Texts whose clusters have several characters.
    fn texts() -> Vec<String> {
        vec![
            FAMILY.repeat(3),
            // Three flags, which are pairs of letters.
            "\u{1f1e9}\u{1f1ea}\u{1f1eb}\u{1f1f7}\u{1f1ef}\u{1f1f5}".into(),
            // Accents as characters of their own, and a letter with many.
            "e\u{301}a\u{308}\u{304} z\u{335}\u{336}\u{337}\u{338}y".into(),
            // Skin tone, keycap, and Devanagari.
            "\u{1f44d}\u{1f3fd}1\u{fe0f}\u{20e3}\u{928}\u{93f}".into(),
            "a\r\nb\r\n\r\nc".into(),
            "plain text, long enough to be cut".into(),
        ]
    }

    /// All places between two clusters.
    fn boundaries(text: &str) -> Vec<usize> {
        let ends = text.grapheme_indices(true).map(|(at, _)| at);
        ends.chain([text.len()]).collect()
    }

    #[test]
    fn a_text_is_cut_by_its_measure_with_an_ellipsis() {
        assert_eq!(cut("abc", 3, |_| 1), "abc");
        assert_eq!(cut("abcd", 3, |_| 1), "ab\u{2026}");
        assert_eq!(cut("abcd", 0, |_| 1), "");
        assert_eq!(cut("\u{1f600}\u{1f600}", 3, units), "\u{1f600}\u{2026}");
        assert_eq!(cut("\u{1f600}\u{1f600}", 4, units), "\u{1f600}\u{1f600}");
        assert_eq!(
            cut(&FAMILY.repeat(2), 12, units),
            format!("{FAMILY}\u{2026}")
        );
    }

    #[test]
    fn no_length_cuts_within_a_cluster() {
        for text in texts() {
            let boundaries = boundaries(&text);
            for most in 0..=units(&text) + 1 {
                let cut = cut(&text, most, units);
                assert!(units(&cut) <= most, "{text:?} {most}");
                let kept = cut.strip_suffix(MARK).unwrap_or(&cut);
                assert!(
                    text.starts_with(kept) && boundaries.contains(&kept.len()),
                    "{text:?} {most} {cut:?}"
                );
                let (first, rest) = split(&text, most, units);
                assert_eq!(format!("{first}{rest}"), text);
                assert!(units(first) <= most && boundaries.contains(&first.len()));
            }
        }
    }

    #[test]
    fn what_is_escaped_is_cut_before_it_is_escaped() {
        let escape = |text: &str| text.replace('&', "&amp;");
        for most in 0..20 {
            let cut = cut_escaped("a&&&b", most, escape);
            assert!(units(&cut) <= most, "{most}");
            let whole = cut.replace("&amp;", "");
            assert!(!whole.contains('&'), "{most} {cut}");
        }
    }

    #[test]
    fn a_text_is_split_between_words_if_they_are_short() {
        assert_eq!(split("one two three", 9, units), ("one two ", "three"));
        assert_eq!(split("one two", 9, units), ("one two", ""));
        let (first, rest) = split("one\u{301} \u{301}two", 6, units);
        assert_eq!((first, rest), ("one\u{301} \u{301}", "two"));
        let word = "x".repeat(500);
        assert_eq!(split(&format!("a {word}"), 300, units).0.len(), 300);
    }
}
