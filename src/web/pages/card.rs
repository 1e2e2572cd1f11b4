//! The card for a link preview robot: a small page that names the kind of the link and a shortened id, and no more.
//!
//! A robot fetches every link that is posted. It is answered from the link alone: no call is made for it, the cache is
//! not asked, and the item's content stays with those who may see it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::page_response::{PagePolicy, page_response};
use super::visible_text::is_invisible;
use crate::domain::{IdCandidates, Item, Kind};
use crate::web::problem::Problem;

/// The first characters of a UUID that are shown: enough to tell it from others.
const SHORT_UUID: usize = 8;

/// The first characters of a conversation's id that are shown: it is any text, and a card is no place for a long one.
const SHORT_TEXT: usize = 24;

#[derive(Template)]
#[template(path = "card.html")]
struct Card<'a> {
    title: &'a str,
    description: &'a str,
}

/// The card of a link.
pub(in crate::web) fn card(candidates: &IdCandidates<'_>) -> Result<Response, Problem> {
    titled(&format!("{} {}", candidates.label(), short_id(candidates.first())))
}

/// The card of a look-up by tag. It does not show the value, which is somebody's own text.
pub(in crate::web) fn card_of_tag(name: &str) -> Result<Response, Problem> {
    titled(&format!("Tag {}", name.chars().map(visible).collect::<String>()))
}

fn titled(title: &str) -> Result<Response, Problem> {
    let description = "Opens in Nebuly, for those who may see it there.";
    let page = Card { title, description }.render().map_err(|_| Problem::Internal)?;
    Ok(page_response(StatusCode::OK, page, PagePolicy::Plain))
}

/// The beginning of an id, with an ellipsis for the rest.
fn short_id(item: &Item<'_>) -> String {
    let len = match item.kind() {
        Kind::Interaction => SHORT_UUID,
        Kind::Conversation => SHORT_TEXT,
    };
    let id = item.id();
    let mut rest = id.chars();
    let mut short: String = rest.by_ref().take(len).map(visible).collect();
    if rest.next().is_some() {
        short.push('…');
    }
    short
}

/// Replaces a character that is invisible or changes the direction of the text after it: the card is shown in chats.
fn visible(char: char) -> char {
    if is_invisible(char) { '\u{FFFD}' } else { char }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_is_shortened_and_a_short_one_is_not() {
        let short = |item: Item<'_>| short_id(&item);
        assert_eq!(short(Item::interaction("0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e").unwrap()), "0191b7c4…");
        for (id, expected) in [
            ("abc", "abc"),
            ("ü23456789012345678901234", "ü23456789012345678901234"),
            ("ü234567890123456789012345", "ü23456789012345678901234…"),
            ("a\u{202E}b", "a\u{FFFD}b"),
        ] {
            assert_eq!(short(Item::conversation(id).unwrap()), expected);
        }
    }
}
