//! Makes visible what tenants' text could hide.

/// Replaces characters in tenants' text that would be invisible, break lines unseen in JSON, or change the order in
/// which text is shown.
pub(super) fn shown(text: &str) -> String {
    let mut before = ' ';
    let shown = text.chars().map(|c| {
        let hides = match c {
            // Directional marks and overrides.
            '\u{061c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => true,
            // Invisible characters, which could be hidden inside a word.
            '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => true,
            // Joiners are needed in emoji and in some scripts, but not after ASCII.
            '\u{200c}' | '\u{200d}' => before.is_ascii(),
            // Tag characters, which are an invisible copy of ASCII.
            '\u{e0000}'..='\u{e007f}' => true,
            // Characters that look like a blank and are none.
            '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => true,
            // Line breaks other than the usual one, which JSON does not escape, and controls.
            '\u{2028}' | '\u{2029}' => true,
            c if c.is_control() => !matches!(c, '\n' | '\r' | '\t'),
            _ => false,
        };
        before = c;
        if hides { '\u{fffd}' } else { c }
    });
    shown.collect()
}

/// The same on one line. What people choose from or have chosen is shown so, because a line break could make it look
/// like two.
pub(super) fn shown_line(text: &str) -> String {
    shown(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_invisible_is_shown_and_emoji_are_left_whole() {
        for hidden in [
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{2060}b",
            "a\u{e0041}b",
            "a\u{ad}b",
            "a\u{2028}b",
            "a\u{85}b",
            "a\u{1b}b",
            "a\u{3164}b",
            "a\u{2800}b",
        ] {
            assert_eq!(shown(hidden), "a\u{fffd}b", "{hidden:?}");
        }
        for whole in [
            "\u{1f469}\u{200d}\u{1f4bb}",
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            "\u{e9}",
        ] {
            assert_eq!(shown(whole), whole);
        }
        assert_eq!(shown("a\r\n\tb"), "a\r\n\tb");
    }

    #[test]
    fn an_option_stays_on_one_line() {
        assert_eq!(
            shown_line(" Yes\n222 answered: \t No\u{2028}x "),
            "Yes 222 answered: No\u{fffd}x"
        );
    }
}
