//! What a link preview robot gets: a small page that says what kind of link it is, and no more.
//!
//! A robot fetches every link that is posted. It is answered from the link alone: no call is made for it, the cache is
//! not asked, and what the item is about stays with those who may see it.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use super::problem_page::Pages;
use crate::domain::{IdCandidates, Item, Kind};
use crate::web::problem::Problem;
use crate::web::redirect::{NO_ROBOTS, X_ROBOTS_TAG};

/// As much of a UUID as tells one from its neighbours.
const SHORT_UUID: usize = 8;

/// As much of a conversation's id, in characters: it is any text, and a card is no place for a long one.
const SHORT_TEXT: usize = 24;

#[derive(Template)]
#[template(path = "card.html")]
struct Card<'a> {
    title: &'a str,
    description: &'a str,
}

/// The card of a link.
pub(in crate::web) fn card(pages: &Pages, candidates: &IdCandidates<'_>) -> Result<Response, Problem> {
    let what = match (candidates.first(), candidates.kind_was_named()) {
        (Item::Interaction(_), false) => "Interaction or conversation",
        (Item::Interaction(_), true) => "Interaction",
        (Item::Conversation(_), _) => "Conversation",
    };
    let title = format!("{what} {}", short_id(candidates.first()));
    let description = "Opens in Nebuly, for those who may see it there.";
    let page = Card { title: &title, description }.render().map_err(|_| Problem::Internal)?;
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ROBOTS_TAG, NO_ROBOTS);
    pages.secure(headers);
    Ok(response)
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

/// A character as it may stand in somebody's chat: those that turn the direction of what follows, or hide, do not.
const fn visible(char: char) -> char {
    match char {
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' => {
            '\u{FFFD}'
        }
        char => char,
    }
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
