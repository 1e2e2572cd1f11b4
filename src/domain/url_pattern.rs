//! The part that the URLs of a project share.

use std::borrow::Cow;

use bytes::Bytes;
use uuid::fmt::Hyphenated;

use super::{Item, TargetUrl};
use crate::text::percent_encoded;

/// A URL without the id of its item.
///
/// The URLs of a project differ only there, so many URLs can share one stored pattern. Pattern and item give the URL
/// again, byte for byte. No other item can turn a pattern into a URL of another host: the id stands behind the host, as a
/// whole value, and is written in letters, digits, `-._~` and `%` alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UrlPattern<'a> {
    before: Cow<'a, str>,
    after: Cow<'a, str>,
}

/// An id in the form that it has in a URL.
enum EncodedId<'a> {
    Uuid([u8; Hyphenated::LENGTH]),
    Text(Cow<'a, str>),
}

impl<'a> UrlPattern<'a> {
    /// The pattern of a URL that was accepted for this item, or `None` if the item's id does not stand in it as one whole
    /// value.
    #[must_use]
    pub fn of(url: &'a TargetUrl, item: &Item<'_>) -> Option<Self> {
        let text = url.as_str();
        let encoded = EncodedId::of(item);
        let id = encoded.as_str();
        // The host ends where the path, the query or the fragment begins: `accept` has checked that one of
        // them follows, or nothing.
        let scheme = text.find("://")? + "://".len();
        let host = scheme + text.get(scheme..)?.find(['/', '?', '#'])?;
        let (start, _) = text.match_indices(id).find(|(start, _)| {
            let before = text.get(host..*start).and_then(|before| before.chars().next_back());
            let after = text.get(start + id.len()..).and_then(|after| after.chars().next());
            matches!(before, Some('=' | '/')) && matches!(after, None | Some('&' | '/' | '?' | '#'))
        })?;
        let (before, after) = (text.get(..start)?, text.get(start + id.len()..)?);
        Some(Self { before: Cow::Borrowed(before), after: Cow::Borrowed(after) })
    }

    /// The same pattern, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> UrlPattern<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(String::from(text.into_owned().into_boxed_str()));
        UrlPattern { before: owned(self.before), after: owned(self.after) }
    }

    /// The URL of an item: the very one that the pattern was taken from, if it was taken for this item. Nothing if it
    /// would be too long.
    #[must_use]
    pub fn url(&self, item: &Item<'_>) -> Option<TargetUrl> {
        let encoded = EncodedId::of(item);
        let id = encoded.as_str();
        let len = self.before.len() + id.len() + self.after.len();
        if len > TargetUrl::MAX_LEN {
            return None;
        }
        // Exactly as long as it gets, so that it becomes `Bytes` without another allocation.
        let mut url = Vec::with_capacity(len);
        url.extend_from_slice(self.before.as_bytes());
        url.extend_from_slice(id.as_bytes());
        url.extend_from_slice(self.after.as_bytes());
        Some(TargetUrl::of_pattern(Bytes::from(url)))
    }
}

impl<'a> EncodedId<'a> {
    fn of(item: &'a Item<'_>) -> Self {
        match item {
            Item::Interaction(id) => {
                let mut text = [0; Hyphenated::LENGTH];
                id.hyphenated().encode_lower(&mut text);
                Self::Uuid(text)
            }
            Item::Conversation(id) => Self::Text(percent_encoded(id.as_str()).into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            // ASCII by construction.
            Self::Uuid(text) => std::str::from_utf8(text).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::AllowedHosts;

    const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
    const OTHER: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6f";

    fn accept(url: &str) -> TargetUrl {
        let mut hosts = AllowedHosts::default();
        hosts.allow("*.nebuly.com").unwrap();
        TargetUrl::accept(url, &hosts, |_| false).unwrap()
    }

    #[test]
    fn urls_that_differ_in_their_ids_alone_have_one_pattern() {
        let url = |id| accept(&format!("https://a.nebuly.com/x?projectId=p&interactionId={id}&tab=i"));
        let (one, other) = (url(UUID), url(OTHER));
        let pattern = UrlPattern::of(&one, &Item::interaction(UUID).unwrap()).unwrap();
        assert_eq!(Some(&pattern), UrlPattern::of(&other, &Item::interaction(OTHER).unwrap()).as_ref());
        assert_eq!(pattern.url(&Item::interaction(OTHER).unwrap()), Some(other));
        assert_eq!(pattern.url(&Item::interaction(UUID).unwrap()), Some(one));
    }

    #[test]
    fn an_id_that_is_no_whole_value_behind_the_host_makes_no_pattern() {
        for (url, id) in [
            ("https://a.nebuly.com/x?id=abc", "a"),
            ("https://a.nebuly.com/x?id=abc", "b"),
            ("https://a.nebuly.com/x?id=abc", "c"),
            ("https://a.nebuly.com/x?id=a+b", "a b"),
            ("https://a.nebuly.com", "a.nebuly.com"),
            ("https://a.nebuly.com/x", "a.nebuly.com"),
            ("https://a.nebuly.com/x?id=A", "a"),
        ] {
            let url = accept(url);
            assert_eq!(UrlPattern::of(&url, &Item::conversation(id).unwrap()), None, "{url:?} {id}");
        }
    }

    #[test]
    fn a_pattern_never_makes_a_url_that_is_too_long() {
        let url = accept(&format!("https://a.nebuly.com/x?id=a&y={}", "y".repeat(2900)));
        let pattern = UrlPattern::of(&url, &Item::conversation("a").unwrap()).unwrap();
        assert_eq!(pattern.url(&Item::conversation("ü".repeat(200)).unwrap()), None);
    }

    proptest! {
        #[test]
        fn from_pattern_and_item_comes_the_url_again(
            before in "[a-z=&/?]{0,12}", id in "(\\PC{1,20}|[a-c]{1,2})", after in "[a-z=&/?#]{0,12}"
        ) {
            let Ok(item) = Item::conversation(id.as_str()) else { return Ok(()) };
            let written = percent_encoded(&id);
            let url = accept(&format!("https://a.nebuly.com/{before}={written}&{after}"));
            let pattern = UrlPattern::of(&url, &item).unwrap();
            prop_assert_eq!(pattern.clone().into_owned().url(&item), Some(url.clone()));
        }

        #[test]
        fn no_item_leads_a_pattern_to_another_host(id in "\\PC{1,30}", other in "([@:./\\\\#?%\\[\\]a-z0-9]|evil\\.example){1,12}") {
            let Ok(item) = Item::conversation(id.as_str()) else { return Ok(()) };
            let Ok(other) = Item::conversation(other.as_str()) else { return Ok(()) };
            let url = accept(&format!("https://a.nebuly.com/{}", percent_encoded(&id)));
            let filled = UrlPattern::of(&url, &item).unwrap().url(&other).unwrap();
            accept(filled.as_str());
        }
    }
}
