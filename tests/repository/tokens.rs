//! The tokens of Rust, as far as names, brackets and signs go.

/// A token. Literals, lifetimes and comments are left out.
#[derive(Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Name(String),
    /// One sign.
    Punct(char),
    /// The bracket that opens it, and all up to the one that closes it.
    Group(char, Vec<Token>),
}

/// The tokens of a text that compiles.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let (tokens, rest) = group(text);
    assert_eq!(rest, "", "a bracket is closed that was not opened, or a literal is not understood");
    tokens
}

/// Reads to the end of a group, or of the text.
fn group(mut text: &str) -> (Vec<Token>, &str) {
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start();
        let Some(first) = text.chars().next() else { return (tokens, text) };
        let rest = &text[first.len_utf8()..];
        text = match first {
            _ if text.starts_with("//") => behind(text, "\n"),
            _ if text.starts_with("/*") => behind(text, "*/"),
            '"' => behind_string(rest),
            '\'' => behind_quote(rest),
            '(' | '[' | '{' => {
                let (inner, rest) = group(rest);
                tokens.push(Token::Group(first, inner));
                rest
            }
            ')' | ']' | '}' => return (tokens, rest),
            _ if is_of_name(first) => {
                let (name, rest) = text.split_at(text.find(|char| !is_of_name(char)).unwrap_or(text.len()));
                let hashes: String = rest.chars().take_while(|char| *char == '#').collect();
                if name.ends_with('r') && name.len() <= 2 && rest[hashes.len()..].starts_with('"') {
                    behind(&rest[hashes.len() + 1..], &format!("\"{hashes}"))
                } else {
                    if !first.is_ascii_digit() {
                        tokens.push(Token::Name(name.to_owned()));
                    }
                    rest
                }
            }
            _ => {
                tokens.push(Token::Punct(first));
                rest
            }
        };
    }
}

fn is_of_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The text behind the first occurrence of an end.
fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// The text behind a string that has been opened.
fn behind_string(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.find(|char| {
        let is_end = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_end
    });
    end.map_or("", |end| &text[end + 1..])
}

/// The text behind a character, or behind the name of a lifetime.
fn behind_quote(text: &str) -> &str {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(escaped)) => behind(&text[1 + escaped.len_utf8()..], "'"),
        (Some(char), Some('\'')) => &text[char.len_utf8() + 1..],
        _ => text.trim_start_matches(is_of_name),
    }
}

#[test]
fn literals_lifetimes_and_comments_are_no_tokens() {
    let name = |name: &str| Token::Name(name.to_owned());
    let text = r##"a /* b */ "c \" d" '…' '\'' '"' &'f g(r#"h"i"#, 1.5e3) // k"##;
    let arguments = vec![Token::Punct(','), Token::Punct('.')];
    assert_eq!(tokens(text), [name("a"), Token::Punct('&'), name("g"), Token::Group('(', arguments)]);
}
