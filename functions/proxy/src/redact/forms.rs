//! The forms in which a response may reveal a secret: as it is, and as common encoders write it. The lists
//! follow what servers really do. A server that obfuscates its output is beyond them.

use std::collections::BTreeSet;

/// What percent-encoders leave unencoded, apart from letters and digits.
const KEPT: [&str; 7] = [
    "",                              // our own, in a query
    "-._~",                          // RFC 3986's unreserved characters
    "-._~!*'()",                     // JavaScript's encodeURIComponent
    "-._*",                          // application/x-www-form-urlencoded
    "-._~/",                         // Python's quote
    "-._~!$&'()*+,;=:@/",            // RFC 3986's path
    "-._~!$&'()*+,;=:@/%?[\\]|^`{}", // what the URL standard allows somewhere in an address
];

/// What JSON encoders escape as `\u00XX` for use in HTML: nothing; Go and Rails; PHP, with its options; Gson;
/// .NET.
const JSON_HEX: [&str; 5] = ["", "<>&", "<>&'\"", "<>&'=", "<>&'\"+`"];

/// How HTML encoders write a quotation mark, an apostrophe, and other characters that some escape.
type Html = (&'static str, &'static str, &'static [(char, &'static str)]);

const HTML: [Html; 11] = [
    ("\"", "'", &[]),
    ("&quot;", "'", &[]),
    ("&quot;", "&#39;", &[]),
    ("&quot;", "&#x27;", &[]),
    ("&quot;", "&#039;", &[]),
    ("&quot;", "&apos;", &[]),
    ("&#34;", "&#39;", &[]),
    ("&#34;", "&#39;", &[('+', "&#43;")]),
    ("&quot;", "&#x27;", &[('+', "&#x2B;")]),
    ("&quot;", "&#x27;", &[('`', "&#x60;"), ('=', "&#x3D;")]),
    (
        "&quot;",
        "&#39;",
        &[('/', "&#x2F;"), ('`', "&#x60;"), ('=', "&#x3D;")],
    ),
];

/// Every form of these texts, each once and none empty. Surrounding white space is not part of a text: HTTP
/// drops it on the way.
pub(super) fn all<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Vec<u8>> {
    let mut forms = BTreeSet::new();
    for text in texts.map(str::trim).filter(|text| !text.is_empty()) {
        forms.insert(text.to_owned());
        // Only the first of `KEPT` encodes anything in an ordinary key, so the other forms are equal to the key.
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if text.bytes().all(usual) {
            forms.extend([Case::Lower, Case::Upper].map(|case| percent(text, "", "", case)));
            continue;
        }
        for case in [Case::Lower, Case::Upper] {
            for kept in KEPT {
                forms.insert(percent(text, kept, "%20", case));
                forms.insert(percent(text, kept, "+", case));
            }
            for dialect in json_dialects(case) {
                forms.insert(json(text, &dialect));
            }
        }
        forms.extend(HTML.iter().map(|dialect| html(text, dialect)));
    }
    forms.into_iter().map(String::into_bytes).collect()
}

/// The case of hexadecimal digits.
#[derive(Clone, Copy)]
enum Case {
    Lower,
    Upper,
}

fn percent(text: &str, kept: &str, space: &str, case: Case) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out += space,
            _ if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                push_hex(&mut out, byte.into(), 2, case);
            }
        }
    }
    out
}

/// How an encoder writes JSON.
struct Json {
    /// The characters that are escaped as `\u00XX`.
    hex: &'static str,
    /// The case of those escapes.
    case: Case,
    /// Whether `/` is escaped.
    slash: bool,
    /// The case of escapes of other than ASCII; `None` where such characters are not escaped.
    beyond: Option<Case>,
}

fn json_dialects(case: Case) -> impl Iterator<Item = Json> {
    let hex = JSON_HEX.into_iter();
    let slashed = hex.flat_map(|hex| [(hex, false), (hex, true)]);
    slashed.flat_map(move |(hex, slash)| {
        // PHP escapes one in upper case and the other in lower.
        [None, Some(Case::Lower), Some(Case::Upper)].map(|beyond| Json {
            hex,
            case,
            slash,
            beyond,
        })
    })
}

fn json(text: &str, dialect: &Json) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match (char, dialect.beyond) {
            _ if dialect.hex.contains(char) => push_unit(&mut out, u32::from(char), dialect.case),
            ('"', _) => out += "\\\"",
            ('\\', _) => out += "\\\\",
            ('/', _) if dialect.slash => out += "\\/",
            ('\n', _) => out += "\\n",
            ('\r', _) => out += "\\r",
            ('\t', _) => out += "\\t",
            ('\u{8}', _) => out += "\\b",
            ('\u{c}', _) => out += "\\f",
            ('\0'..' ', _) => push_unit(&mut out, u32::from(char), dialect.case),
            (_, Some(case)) if !char.is_ascii() => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    push_unit(&mut out, u32::from(*unit), case);
                }
            }
            _ => out.push(char),
        }
    }
    out
}

fn push_unit(out: &mut String, unit: u32, case: Case) {
    *out += "\\u";
    push_hex(out, unit, 4, case);
}

fn push_hex(out: &mut String, value: u32, digits: u32, case: Case) {
    for digit in (0..digits).rev() {
        let digit = char::from_digit(value >> (4 * digit) & 15, 16).unwrap_or_default();
        out.push(match case {
            Case::Lower => digit,
            Case::Upper => digit.to_ascii_uppercase(),
        });
    }
}

fn html(text: &str, (quote, apostrophe, others): &Html) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += quote,
            '\'' => out += apostrophe,
            _ => match others.iter().find(|(other, _)| *other == char) {
                Some((_, written)) => out += written,
                None => out.push(char),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        let forms = all([text].into_iter()).into_iter();
        forms.map(|form| String::from_utf8(form).unwrap()).collect()
    }

    #[test]
    fn a_usual_key_has_few_forms() {
        assert_eq!(forms("skreal"), ["skreal"]);
        assert_eq!(forms(" sk-x_y\n"), ["sk%2Dx%5Fy", "sk%2dx%5fy", "sk-x_y"]);
    }

    #[test]
    fn the_usual_key_is_of_what_all_others_keep() {
        for char in ["-", ".", "_"] {
            assert!(KEPT[1..].iter().all(|kept| kept.contains(char)), "{char}");
            assert!(JSON_HEX.iter().all(|hex| !hex.contains(char)), "{char}");
            assert!(
                HTML.iter().all(|dialect| html(char, dialect) == char),
                "{char}"
            );
        }
    }

    #[test]
    fn an_unusual_key_is_known_as_each_encoder_writes_it() {
        let forms = forms("k /+\u{fc}\u{1f511}&<'\"");
        for form in [
            "k%20%2F%2B%C3%BC%F0%9F%94%91%26%3C%27%22",
            "k+%2f%2b%c3%bc%f0%9f%94%91%26%3c%27%22",
            "k%20%2F%2B%C3%BC%F0%9F%94%91%26%3C'%22",
            "k%20/+%C3%BC%F0%9F%94%91&%3C'%22",
            "k /+\u{fc}\u{1f511}&<'\\\"",
            "k \\/+\\u00fc\\ud83d\\udd11&<'\\\"",
            "k \\/+\\u00FC\\uD83D\\uDD11\\u0026\\u003C\\u0027\\u0022",
            "k \\/+\\u00fc\\ud83d\\udd11\\u0026\\u003C\\u0027\\u0022",
            "k /\\u002B\\u00FC\\uD83D\\uDD11\\u0026\\u003C\\u0027\\u0022",
            "k /+\u{fc}\u{1f511}&amp;&lt;'\"",
            "k /+\u{fc}\u{1f511}&amp;&lt;&#39;&quot;",
            "k /+\u{fc}\u{1f511}&amp;&lt;&#x27;&quot;",
        ] {
            assert!(forms.contains(&form.to_owned()), "{form}");
        }
        assert!(forms.len() < 100, "{}", forms.len());
    }

    #[test]
    fn what_serde_json_and_percent_encoding_write_is_among_the_forms() {
        let key = "a/b\\c\"d\u{1}e\nf\u{7f}g h";
        let forms = forms(key);
        let quoted = serde_json::to_string(key).unwrap();
        assert!(
            forms.contains(&quoted.trim_matches('"').to_owned()),
            "{forms:?}"
        );
        let set = percent_encoding::NON_ALPHANUMERIC;
        let written = percent_encoding::utf8_percent_encode(key, set).to_string();
        assert!(forms.contains(&written), "{forms:?}");
    }
}
