//! The tokens of Rust, as slices that patterns match: what `proc-macro2` reads, without literals and lifetimes.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A token.
#[derive(Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Name(String),
    /// One sign.
    Punct(char),
    /// The bracket that opens it, and all up to the one that closes it. A doc comment is an attribute.
    Group(char, Vec<Token>),
}

/// The tokens of a text that compiles.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    of_stream(text.parse().unwrap())
}

fn of_stream(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut trees = stream.into_iter();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Ident(name) => tokens.push(Token::Name(name.to_string())),
            // Of a lifetime, whose name is the next token.
            TokenTree::Punct(sign) if sign.as_char() == '\'' => drop(trees.next()),
            TokenTree::Punct(sign) => tokens.push(Token::Punct(sign.as_char())),
            TokenTree::Group(group) => {
                let opening = match group.delimiter() {
                    Delimiter::Parenthesis => '(',
                    Delimiter::Bracket => '[',
                    Delimiter::Brace => '{',
                    Delimiter::None => unreachable!("macros make it, and no text has it"),
                };
                tokens.push(Token::Group(opening, of_stream(group.stream())));
            }
            TokenTree::Literal(_) => {}
        }
    }
    tokens
}

#[test]
fn literals_lifetimes_and_comments_are_no_tokens() {
    let name = |name: &str| Token::Name(name.to_owned());
    let text = r##"a /* b */ "c \" d" '…' '\'' '"' &'f g(r#"h"i"#, 1.5e3) // k"##;
    let arguments = vec![Token::Punct(',')];
    assert_eq!(tokens(text), [name("a"), Token::Punct('&'), name("g"), Token::Group('(', arguments)]);
}
