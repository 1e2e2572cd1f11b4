//! Text as it is written into a URL, a line of a log or a terminal.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest text that [`escaped`] shows whole, in characters.
const MAX_SHOWN: usize = 256;

/// Percent-encodes a text: it then is one segment of a path, or one value in a query.
pub(crate) fn percent_encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// Shows a text without anything that a terminal would act on, cut at a length that fits a line.
pub(crate) fn escaped(text: &str) -> String {
    escaped_up_to(MAX_SHOWN, text)
}

/// The same, cut at this number of characters. Quotes are shown as they are.
pub(crate) fn escaped_up_to(max: usize, text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars().take(max) {
        match char {
            '"' | '\'' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    if text.chars().nth(max).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unreserved_characters_stay_and_all_others_are_encoded() {
        assert_eq!(percent_encoded("aZ09-._~").to_string(), "aZ09-._~");
        assert_eq!(percent_encoded("a b/?#&=+%ü\0").to_string(), "a%20b%2F%3F%23%26%3D%2B%25%C3%BC%00");
    }

    #[test]
    fn an_escaped_text_moves_no_cursor_and_fits_a_line() {
        assert_eq!(escaped("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\\nb\\u{202e}");
        assert_eq!(escaped("it's \"a\" \\ b"), "it's \"a\" \\\\ b");
        assert_eq!(escaped(&"x".repeat(256)), "x".repeat(256));
        assert_eq!(escaped(&"x".repeat(257)), format!("{}...", "x".repeat(256)));
        assert_eq!(escaped_up_to(3, "\u{1b}\u{9b}\u{202e}\n"), "\\u{1b}\\u{9b}\\u{202e}...");
    }

    proptest! {
        #[test]
        fn an_encoded_text_decodes_to_itself(text in any::<String>()) {
            let encoded = percent_encoded(&text).to_string();
            prop_assert_eq!(percent_decode_str(&encoded).decode_utf8().unwrap(), text);
        }
    }
}
