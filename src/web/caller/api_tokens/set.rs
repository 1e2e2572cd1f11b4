//! A set of tokens, each with its name.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// The shortest token, in bytes: shorter ones could be guessed.
const MIN_TOKEN: usize = 16;

/// The longest name of a token, in bytes.
const MAX_NAME: usize = 64;

/// The tokens of one reading of the file, as digests: the tokens themselves are not kept.
#[derive(Default)]
pub(super) struct TokenSet(Vec<ApiToken>);

struct ApiToken {
    name: Arc<str>,
    digest: [u8; 32],
}

/// Why a file holds no set of tokens. It says which line is wrong, and nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiTokens {
    /// A line has no `=`.
    #[error("line {0} is not of the form name = token")]
    Form(usize),
    /// A name is empty, too long, or of other characters.
    #[error("the name in line {0} is not 1 to 64 letters, digits, dots, underscores or hyphens")]
    Name(usize),
    /// A name is not unique.
    #[error("the name in line {0} is that of an earlier line")]
    SameName(usize),
    /// A token is too short, or of other characters.
    #[error("the token in line {0} is not 16 or more visible ASCII characters")]
    Token(usize),
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
}

impl TokenSet {
    /// Parses lines of the form `name = token`; empty lines and those that begin with `#` are ignored.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidApiTokens> {
        let mut names = std::collections::HashSet::new();
        let mut tokens = Vec::new();
        // Editors on Windows begin a text with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, token) = line.split_once('=').ok_or(InvalidApiTokens::Form(number))?;
            let (name, token) = (name.trim(), token.trim());
            if !is_name(name) {
                return Err(InvalidApiTokens::Name(number));
            }
            if !names.insert(name) {
                return Err(InvalidApiTokens::SameName(number));
            }
            if token.len() < MIN_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidApiTokens::Token(number));
            }
            tokens.push(ApiToken { name: name.into(), digest: digest(token) });
        }
        Ok(Self(tokens))
    }

    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of a token, if it is one of these.
    ///
    /// The time that this takes tells nothing of any token: each one is compared, as a digest of which no byte can be
    /// chosen, in constant time, whichever it is and whether or not one was found before. It grows with the number of
    /// tokens and the length of what was sent, which the sender knows anyway.
    pub(super) fn name_of(&self, sent: &str) -> Option<Arc<str>> {
        let sent = digest(sent);
        let mut found = Choice::from(0);
        let mut at = 0_u64;
        for (token, index) in self.0.iter().zip(0_u64..) {
            let same = token.digest.ct_eq(&sent);
            at.conditional_assign(&index, same);
            found |= same;
        }
        let token = bool::from(found).then(|| self.0.get(usize::try_from(at).ok()?)).flatten();
        token.map(|token| Arc::clone(&token.name))
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenSet").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain)
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "canary-0123456789";
    const OTHER: &str = "canary=with=signs#";

    #[test]
    fn each_line_is_a_name_and_a_token() {
        let text = format!("\u{feff}# people\r\n\r\n  one={ONE}\r\n\tother.-_9 =\t{OTHER} \n#x = y");
        let tokens = TokenSet::parse(&text).unwrap();
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens.name_of(ONE).as_deref(), Some("one"));
        assert_eq!(tokens.name_of(OTHER).as_deref(), Some("other.-_9"));
        for unknown in ["", "canary", ONE.trim_start_matches('c'), "one", &format!("{ONE} "), "#x"] {
            assert_eq!(tokens.name_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_file_without_tokens_admits_nobody() {
        for text in ["", "\n\n", "# one = canary-0123456789"] {
            let tokens = TokenSet::parse(text).unwrap();
            assert_eq!((tokens.len(), tokens.name_of("")), (0, None));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_token() {
        let long = format!("{} = {ONE}", "n".repeat(65));
        for (line, why) in [
            (ONE, InvalidApiTokens::Form(3)),
            ("= canary-0123456789", InvalidApiTokens::Name(3)),
            ("two words = canary-0123456789", InvalidApiTokens::Name(3)),
            (&long, InvalidApiTokens::Name(3)),
            ("first = canary-0123456789", InvalidApiTokens::SameName(3)),
            ("one = canary-01234567", InvalidApiTokens::Token(3)),
            ("one = canary 0123456789", InvalidApiTokens::Token(3)),
            ("one = canary-ü0123456789", InvalidApiTokens::Token(3)),
            ("one =", InvalidApiTokens::Token(3)),
        ] {
            let error = TokenSet::parse(&format!("first = {OTHER}\n\n{line}\n")).unwrap_err();
            assert_eq!(error, why, "{line}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
            assert!(error.to_string().contains("line 3"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            let _read = TokenSet::parse(&text).map(|tokens| tokens.name_of(&text));
        }

        #[test]
        fn only_a_token_of_the_set_is_known(sent in "[!-~]{0,40}") {
            let tokens = TokenSet::parse(&format!("one = {ONE}\nother = {OTHER}")).unwrap();
            prop_assert_eq!(tokens.name_of(&sent).is_some(), sent == ONE || sent == OTHER);
        }
    }
}
