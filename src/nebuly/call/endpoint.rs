//! The addresses of Nebuly's calls.

use url::Url;

use crate::domain::{Item, Kind};
use crate::text::percent_encoded;

/// Builds the address of each call below one base URL.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Without a trailing slash.
    base: String,
}

/// The finished URL is not the one that was written: the call must not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id would leave its path segment")]
pub struct LeftItsSegment;

impl Endpoint {
    /// Addresses below this base URL, which has neither query nor fragment.
    #[must_use]
    pub fn new(base: &Url) -> Self {
        Self { base: base.as_str().trim_end_matches('/').to_owned() }
    }

    /// The address of an item's deep link: `{base}/deeplinks/{kind}/{id}`.
    ///
    /// The id is one path segment that decodes to it. That is checked again on the finished URL, however well the id was
    /// checked before: the key that goes with the call must never reach a path that a caller chose.
    pub fn deep_link(&self, item: &Item<'_>) -> Result<Url, LeftItsSegment> {
        let id = item.id();
        if id.is_empty() {
            return Err(LeftItsSegment);
        }
        self.as_written(&format!("/deeplinks/{}/{}", item.kind(), percent_encoded(&id)))
    }

    /// The address of an item's details: `GET {base}/export/interactions/detail-v2/{id}` or
    /// `POST {base}/get-conversation-detail`, whose id is in the body.
    pub(in crate::nebuly) fn details(&self, item: &Item<'_>) -> Result<Url, LeftItsSegment> {
        match item {
            Item::Interaction(id) => {
                self.as_written(&format!("/export/interactions/detail-v2/{}", id.hyphenated()))
            }
            Item::Conversation(_) => self.as_written("/get-conversation-detail"),
        }
    }

    /// The address of the listing of items: `POST {base}/get-interactions` or `POST {base}/get-interaction-aggregates`.
    pub(in crate::nebuly) fn listing(&self, kind: Kind) -> Result<Url, LeftItsSegment> {
        self.as_written(match kind {
            Kind::Interaction => "/get-interactions",
            Kind::Conversation => "/get-interaction-aggregates",
        })
    }

    fn as_written(&self, path: &str) -> Result<Url, LeftItsSegment> {
        let written = format!("{}{path}", self.base);
        let url = Url::parse(&written).map_err(|_| LeftItsSegment)?;
        // A parser that folds dot segments or drops a character prints something else than was written.
        if url.as_str() == written { Ok(url) } else { Err(LeftItsSegment) }
    }

    /// The server of all calls, as spans name it.
    pub(super) fn host_and_port(&self) -> Option<(String, u16)> {
        let base = Url::parse(&self.base).ok()?;
        Some((base.host_str()?.to_owned(), base.port_or_known_default()?))
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::new(&Url::parse("https://nebuly.example/api/external/").unwrap())
    }

    fn address(id: &str) -> String {
        endpoint().deep_link(&Item::conversation(id).unwrap()).unwrap().to_string()
    }

    #[test]
    fn an_id_becomes_one_segment_below_the_base() {
        const BASE: &str = "https://nebuly.example/api/external/deeplinks/conversation/";
        for (id, segment) in [
            ("abc", "abc"),
            ("a/b", "a%2Fb"),
            ("a b+c", "a%20b%2Bc"),
            ("100%", "100%25"),
            ("%2f", "%252f"),
            ("..hidden", "..hidden"),
            ("a?b#c", "a%3Fb%23c"),
            ("ü", "%C3%BC"),
            ("a;b", "a%3Bb"),
        ] {
            assert_eq!(address(id), format!("{BASE}{segment}"));
        }
    }

    #[test]
    fn an_interaction_is_asked_for_in_the_canonical_spelling() {
        let item = Item::interaction("{0191B7C4-5E52-7B60-9D6A-2F1C3A4B5D6E}").unwrap();
        let url = endpoint().deep_link(&item).unwrap();
        assert!(url.path().ends_with("/deeplinks/interaction/0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e"));
    }

    #[test]
    fn details_are_asked_for_by_uuid_in_the_path_or_by_text_in_the_body() {
        const BASE: &str = "https://nebuly.example/api/external";
        let interaction = Item::interaction("0191B7C45E527B609D6A2F1C3A4B5D6E").unwrap();
        let path = "/export/interactions/detail-v2/0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
        assert_eq!(endpoint().details(&interaction).unwrap().as_str(), format!("{BASE}{path}"));
        let conversation = Item::conversation("a/b").unwrap();
        let path = "/get-conversation-detail";
        assert_eq!(endpoint().details(&conversation).unwrap().as_str(), format!("{BASE}{path}"));
    }

    #[test]
    fn each_kind_has_its_listing() {
        for (kind, path) in
            [(Kind::Interaction, "get-interactions"), (Kind::Conversation, "get-interaction-aggregates")]
        {
            let listing = endpoint().listing(kind).unwrap();
            assert_eq!(listing.as_str(), format!("https://nebuly.example/api/external/{path}"));
        }
    }

    proptest! {
        #[test]
        fn an_accepted_id_makes_exactly_one_path_segment_that_decodes_to_it(
            id in prop_oneof![any::<String>(), "([./\\\\;%?#&+ a]|%2e|%2f|%25|\\PC){1,20}"]
        ) {
            let Ok(item) = Item::conversation(id.as_str()) else { return Ok(()) };
            let url = endpoint().deep_link(&item);
            prop_assert!(url.is_ok());
            let url = url.unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 5);
            prop_assert_eq!(&segments[..4], &["api", "external", "deeplinks", "conversation"]);
            prop_assert_eq!(percent_decode_str(segments[4]).decode_utf8().unwrap(), id);
            prop_assert!(url.query().is_none() && url.fragment().is_none());
            prop_assert_eq!(url.host_str(), Some("nebuly.example"));
        }
    }
}
