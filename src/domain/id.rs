//! The rules for ids, and the check of a text against them.
//!
//! An id becomes one path segment of a call that carries a key. Whatever stands before Nebuly may decode that segment
//! again before it routes, so a text that turns into a dot segment after any further decoding is refused here, before
//! any cache or call.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use uuid::Uuid;

/// The longest id, in bytes of UTF-8.
const MAX_LEN: usize = 512;

/// Why a text cannot be an id. Each is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing is left of it once it is trimmed.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`MAX_LEN`].
    #[error("it is longer than 512 bytes")]
    TooLong,
    /// It is not UTF-8 once decoded.
    #[error("it is not valid UTF-8")]
    NotUtf8,
    /// It has a control character.
    #[error("it has a control character")]
    ControlCharacter,
    /// One of its parts is `.` or `..`, now or after decoding it again.
    #[error("a part of it is `.` or `..`")]
    DotPart,
    /// An interaction's id that is no UUID.
    #[error("the id of an interaction is a UUID")]
    NotAUuid,
    /// A short code of more than 128 bits.
    #[error("the short code is over 128 bits")]
    CodeTooLarge,
    /// A pasted address whose host is none that links may lead to.
    #[error("the address is not one of Nebuly's pages")]
    ForeignUrl,
    /// A pasted link that looks a tag up.
    #[error("the link looks a tag up, and has no id")]
    TagLink,
}

/// The checked id of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConversationId<'a>(Cow<'a, str>);

impl<'a> ConversationId<'a> {
    pub(super) fn new(text: Cow<'a, str>) -> Result<Self, InvalidId> {
        check(&text)?;
        Ok(Self(text))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_owned(self) -> ConversationId<'static> {
        // A boxed string's worth of memory: links are kept by the million.
        ConversationId(Cow::Owned(String::from(self.0.into_owned().into_boxed_str())))
    }
}

/// Reads the UUID in a text, without the quotes, brackets and names that surround it in chats and logs.
pub(super) fn interaction(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() > MAX_LEN {
        return Err(InvalidId::TooLong);
    }
    let mut rest = trim_surroundings(text);
    if rest.is_empty() {
        return Err(InvalidId::Empty);
    }
    loop {
        if let Some(uuid) = parse_uuid(rest) {
            return Ok(uuid);
        }
        let named = split_name(rest).map(|(_, value)| trim_surroundings(value));
        rest = named.ok_or(InvalidId::NotAUuid)?;
    }
}

/// Splits `name:value`, as logs write it; `@` may lead the name.
pub(super) fn split_name(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(':')?;
    let name = trim_surroundings(name);
    let word = name.strip_prefix('@').unwrap_or(name);
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    (!word.is_empty() && word.chars().all(plain)).then_some((name, value))
}

fn parse_uuid(text: &str) -> Option<Uuid> {
    const URN: &str = "urn:uuid:";
    let bare = text
        .get(..URN.len())
        .filter(|start| start.eq_ignore_ascii_case(URN))
        .map_or(text, |_| text.get(URN.len()..).unwrap_or_default());
    Uuid::try_parse(bare).ok()
}

/// Returns true if a text looks like the placeholder of a tool that did not fill it in, such as `{{ticket.id}}`, `${id}`,
/// `{!Case.Id}`, `{id}`, `<id>` or `%s`. It may be an id all the same.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || "._- ".contains(char))
    };
    let names = |open: char, close: char| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_name)
    };
    let is_expression =
        || ["{{", "${", "{!"].iter().any(|opening| text.contains(opening)) && text.contains('}');
    text == "%s" || names('<', '>') || names('{', '}') || is_expression()
}

/// Returns true if a character is white space or a quotation mark.
pub(super) fn is_space_or_quote(char: char) -> bool {
    char.is_whitespace()
        || matches!(
            char,
            '"' | '\'' | '`' | '\u{2018}'..='\u{201F}' | '\u{AB}' | '\u{BB}' | '\u{2039}' | '\u{203A}'
        )
}

/// The text without the quotes, brackets, white space and zero-width characters around it, and the punctuation behind it.
pub(super) fn trim_surroundings(text: &str) -> &str {
    let around = |char: char| {
        is_space_or_quote(char)
            || matches!(char, '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>')
            // Zero-width characters, as chats and word processors leave them behind.
            || matches!(char, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
            || matches!(char, '\u{FEFF}' | '\u{AD}')
    };
    let behind = |char: char| around(char) || matches!(char, '.' | ',' | ';' | ':' | '!');
    text.trim_start_matches(around).trim_end_matches(behind)
}

/// Fails if a text can be no id.
pub(super) fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_LEN {
        return Err(InvalidId::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidId::ControlCharacter);
    }
    // URL parsers drop tabs and line ends, before and within an escape as well.
    let is_dropped = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r');
    let mut spelling = Cow::Borrowed(text.as_bytes());
    loop {
        if has_dot_part(&spelling) {
            return Err(InvalidId::DotPart);
        }
        // Decoding shortens, so this ends; a text without escapes leaves at once.
        match Cow::<[u8]>::from(percent_decode(&spelling)) {
            Cow::Owned(mut decoded) => {
                decoded.retain(|byte| !is_dropped(byte));
                spelling = Cow::Owned(decoded);
            }
            Cow::Borrowed(_) => return Ok(()),
        }
    }
}

/// Returns true if a part between slashes is `.` or `..`. The text that follows a `;`, `?` or `#` in a part is ignored,
/// because a server that decodes takes it for parameters, a query or a fragment.
fn has_dot_part(text: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| {
        let mut dots = 0_usize;
        for byte in part {
            match byte {
                b'.' => dots += 1,
                b';' | b'?' | b'#' => break,
                _ => return false,
            }
        }
        matches!(dots, 1 | 2)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::fuzzing_back_end;

    const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

    #[test]
    fn an_interaction_is_found_in_any_usual_spelling_and_surrounding() {
        for text in [
            UUID.to_owned(),
            UUID.to_uppercase(),
            UUID.replace('-', ""),
            format!("{{{UUID}}}"),
            format!("urn:uuid:{UUID}"),
            format!("URN:UUID:{UUID}"),
            format!("  \"{UUID}\", "),
            format!("\u{201C}{UUID}\u{201D}."),
            format!("<{UUID}>"),
            format!("[({UUID})]!"),
            format!("\u{FEFF}{UUID}\u{200B}"),
            format!("interaction_id: {UUID}"),
            format!("@interaction.id:\"{UUID}\""),
            format!("\"interaction_id\": \"{UUID}\","),
            format!("log:interaction_id:urn:uuid:{UUID};"),
            format!("\r\n\t{UUID}\n"),
            format!("\u{2066}{UUID}\u{2069}"),
        ] {
            assert_eq!(interaction(&text).map(|uuid| uuid.to_string()), Ok(UUID.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_placeholder_is_known_by_its_brackets() {
        for text in ["{{ticket.id}}", "x{{a}}", "${__value.raw}", "{!Case.Id}", "<id>", "{ack-id}", "%s"] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["a", "a{b}", "<b>x", "<b>x</b>", "100%s", "$5", "{", "{}", ""] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_uuid_is_no_interaction() {
        for (text, why) in [
            ("", InvalidId::Empty),
            (" \"\" ", InvalidId::Empty),
            ("hello", InvalidId::NotAUuid),
            ("a:b:c", InvalidId::NotAUuid),
            ("..", InvalidId::Empty),
            (&format!("{UUID}x"), InvalidId::NotAUuid),
            (&format!("../{UUID}"), InvalidId::NotAUuid),
            (&format!("{UUID}/.."), InvalidId::NotAUuid),
            (&format!("{UUID} {UUID}"), InvalidId::NotAUuid),
            ("a\0b", InvalidId::NotAUuid),
            (&format!("\0{UUID}"), InvalidId::NotAUuid),
            (&format!("{UUID}\u{1b}"), InvalidId::NotAUuid),
            (&"x".repeat(513), InvalidId::TooLong),
        ] {
            assert_eq!(interaction(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_conversation_is_taken_as_it_is_unless_it_could_leave_its_path_segment() {
        for text in [
            "a",
            "a b",
            "a/b",
            "..hidden",
            "a..b",
            "...",
            "100%",
            "%zz",
            "a;..",
            "a?..",
            "a#..",
            "...?",
            "?",
            "ünï¢ødé",
            "x/..y",
            "%2500",
            "..%",
            &"x".repeat(512),
            "https://chat.example/c/1",
            "a//b",
            "/",
            ";",
            "a\\b",
        ] {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
        for (text, why) in [
            ("", InvalidId::Empty),
            (&"x".repeat(513), InvalidId::TooLong),
            ("a\0", InvalidId::ControlCharacter),
            (".\t.", InvalidId::ControlCharacter),
            ("a\u{85}b", InvalidId::ControlCharacter),
            (".", InvalidId::DotPart),
            ("..", InvalidId::DotPart),
            ("a/../b", InvalidId::DotPart),
            ("a\\..", InvalidId::DotPart),
            ("a/..;/b", InvalidId::DotPart),
            ("..;x=1", InvalidId::DotPart),
            ("%2e", InvalidId::DotPart),
            ("%2e%2e", InvalidId::DotPart),
            ("%252e%252e", InvalidId::DotPart),
            ("%25252E.", InvalidId::DotPart),
            ("..%2f..%2fexport", InvalidId::DotPart),
            ("a%2f..%3bx", InvalidId::DotPart),
            ("a%5c%2e", InvalidId::DotPart),
            (".%2509.", InvalidId::DotPart),
            (".%%092E", InvalidId::DotPart),
            ("%%09252e%%0d2e", InvalidId::DotPart),
            ("./x", InvalidId::DotPart),
            ("..?x", InvalidId::DotPart),
            ("..#x", InvalidId::DotPart),
            ("?/..", InvalidId::DotPart),
            (".?", InvalidId::DotPart),
            ("a/.#/b", InvalidId::DotPart),
            ("a\\..?b", InvalidId::DotPart),
            ("..%3fx", InvalidId::DotPart),
            ("%2e.%2523x", InvalidId::DotPart),
            ("%%32%65.%3Fx", InvalidId::DotPart),
        ] {
            assert_eq!(check(text), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            let _parsed = interaction(&text);
            let _checked = check(&text);
        }

        #[test]
        fn no_back_end_takes_an_accepted_id_out_of_its_segment(
            text in "([./\\\\;?#a%2e]|%2e|%2E|%2f|%5c|%25|%252e|%3b|%3F|%23|%2523|%09|%20|%00|%32|%65){0,12}",
            choices in any::<u64>(),
        ) {
            if check(&text).is_ok() {
                prop_assert_eq!(fuzzing_back_end::leaves_its_segment(&text, choices), None);
            }
        }
    }

    /// So that the property above is about something.
    #[test]
    fn some_back_end_takes_a_dot_part_out_of_its_segment() {
        for text in ["..", "a/../b", "..;x", "..?x", ".#x", "%2e%2E", "%252e.%3fx", ".%2509.", "a%5c.."] {
            assert!(fuzzing_back_end::leaves_its_segment(text, 0).is_some(), "{text}");
        }
    }
}
