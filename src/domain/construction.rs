//! Builds the URL of an item from known ids, without a call to Nebuly.

use url::Url;

use super::{AllowedHosts, Item, Kind, TargetUrl};
use crate::text::percent_encoded;

/// The ids from which the URLs of a project are built, beside that of the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectIds {
    /// `projectId`.
    pub project_id: String,
    /// `organizationId`.
    pub organization_id: String,
}

/// Builds URLs of Nebuly's front end, and reads them back.
///
/// Nebuly documents their form (and that they may be built by hand by whoever has the three ids):
/// `{platform}/live-activity?projectId=…&organizationId=…&interactionId=…&liveActivityPageTab=interactions`, with
/// `conversationId` and `conversations` for a conversation.
#[derive(Debug, Clone)]
pub struct Construction {
    /// Without a trailing slash.
    platform: String,
    allowed_hosts: AllowedHosts,
}

impl Construction {
    /// For this front end.
    #[must_use]
    pub fn new(platform: &Url, allowed_hosts: AllowedHosts) -> Self {
        Self { platform: platform.as_str().trim_end_matches('/').to_owned(), allowed_hosts }
    }

    /// The URL of an item, or `None` if it may not be redirected to, for example because it is too long.
    #[must_use]
    pub fn build(&self, ids: &ProjectIds, item: &Item<'_>) -> Option<TargetUrl> {
        TargetUrl::accept(&self.url_text(ids, item), &self.allowed_hosts, |_| false).ok()
    }

    /// The ids in a URL that Nebuly gave for an item; `None` unless building it from them gives that URL again, byte for
    /// byte. A constructed URL is then the one that Nebuly would give.
    #[must_use]
    pub fn learn(&self, url: &TargetUrl, item: &Item<'_>) -> Option<ProjectIds> {
        let parsed = Url::parse(url.as_str()).ok()?;
        let value = |name: &str| {
            parsed.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let ids = ProjectIds { project_id: value("projectId")?, organization_id: value("organizationId")? };
        (self.url_text(&ids, item) == url.as_str()).then_some(ids)
    }

    fn url_text(&self, ids: &ProjectIds, item: &Item<'_>) -> String {
        let (id, tab) = match item.kind() {
            Kind::Interaction => ("interactionId", "interactions"),
            Kind::Conversation => ("conversationId", "conversations"),
        };
        format!(
            "{}/live-activity?projectId={}&organizationId={}&{id}={}&liveActivityPageTab={tab}",
            self.platform,
            percent_encoded(&ids.project_id),
            percent_encoded(&ids.organization_id),
            percent_encoded(&item.id()),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";

    fn construction() -> Construction {
        let platform = Url::parse("https://v2.platform.eu.nebuly.com").unwrap();
        let mut hosts = AllowedHosts::default();
        hosts.allow("*.nebuly.com").unwrap();
        Construction::new(&platform, hosts)
    }

    fn ids() -> ProjectIds {
        ProjectIds { project_id: "p-1".into(), organization_id: "o/1".into() }
    }

    fn accepted(url: &str) -> TargetUrl {
        TargetUrl::accept(url, &construction().allowed_hosts, |_| false).unwrap()
    }

    #[test]
    fn a_url_is_built_as_the_documentation_says() {
        const BASE: &str =
            "https://v2.platform.eu.nebuly.com/live-activity?projectId=p-1&organizationId=o%2F1";
        let build = |item: Item<'_>| construction().build(&ids(), &item).unwrap().as_str().to_owned();
        assert_eq!(
            build(Item::interaction(UUID).unwrap()),
            format!("{BASE}&interactionId={UUID}&liveActivityPageTab=interactions")
        );
        assert_eq!(
            build(Item::conversation("a/b c+&=ü").unwrap()),
            format!("{BASE}&conversationId=a%2Fb%20c%2B%26%3D%C3%BC&liveActivityPageTab=conversations")
        );
    }

    #[test]
    fn nothing_is_learned_from_a_url_that_cannot_be_built_again() {
        let item = Item::conversation("a b").unwrap();
        let good = construction().build(&ids(), &item).unwrap();
        assert_eq!(construction().learn(&good, &item), Some(ids()));
        let text = good.as_str();
        for other in [
            text.replace("a%20b", "a+b"),
            text.replace("a%20b", "other"),
            text.replace("live-activity", "live"),
            text.replace("v2.", "v3."),
            text.replace("projectId=p-1&", ""),
            format!("{text}&new=1"),
            format!("{text}#top"),
            text.replace("projectId=p-1&organizationId=o%2F1", "organizationId=o%2F1&projectId=p-1"),
        ] {
            assert_eq!(construction().learn(&accepted(&other), &item), None, "{other}");
        }
        assert_eq!(construction().learn(&good, &Item::conversation("b").unwrap()), None);
    }

    proptest! {
        #[test]
        fn what_is_built_is_learned_back(project_id in "[!-~]{1,20}", organization_id in "[!-~]{1,20}", id in "\\PC{1,40}") {
            let Ok(item) = Item::conversation(id.as_str()) else { return Ok(()) };
            let ids = ProjectIds { project_id, organization_id };
            let url = construction().build(&ids, &item).unwrap();
            prop_assert_eq!(construction().learn(&url, &item), Some(ids));
        }
    }
}
