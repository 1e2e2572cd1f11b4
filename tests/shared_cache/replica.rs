//! The shared cache of one replica.

use std::sync::Arc;
use std::time::Duration;

use nebulink::cache::{SharedCache, SharedCacheOptions};
use nebulink::domain::{
    AllowedHosts, Clock, Item, Lifetimes, ProjectIndex, Scope, SharedLink, SharedLinks, SystemClock,
    TargetUrl,
};
use nebulink::telemetry::MetricsRegistry;

use crate::support::eventually;

/// One of our keys.
pub(crate) const NEBULY_KEY: &str = "nk-canary-4f1d2c3b";

/// The prefix of the keys in the server.
pub(crate) const PREFIX: &str = "nebulink:";

/// Lifetimes that no test outlasts.
pub(crate) const LIFETIMES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(1000),
    stale: Duration::from_secs(9000),
    negative_ttl: Duration::from_secs(5),
};

/// A shared cache whose writer runs, and what it counts.
#[derive(Clone)]
pub(crate) struct Replica {
    cache: Arc<SharedCache>,
    counts: MetricsRegistry,
}

/// The options of every replica: three projects, and a time limit that even a loaded machine keeps.
pub(crate) fn options(url: &str) -> SharedCacheOptions {
    let mut allowed_hosts = AllowedHosts::default();
    allowed_hosts.allow("*.nebuly.com").unwrap();
    SharedCacheOptions {
        url: url.into(),
        certificate_authorities: None,
        timeout: Duration::from_secs(10),
        key_prefix: PREFIX.to_owned(),
        api_base_url: "https://api.example".to_owned(),
        projects: ["a", "b", "c"].map(|name| name.try_into().unwrap()).to_vec(),
        allowed_hosts,
        lifetimes: LIFETIMES,
    }
}

impl Replica {
    /// A replica on a server.
    pub(crate) fn on(url: &str) -> Self {
        Self::with(options(url))
    }

    pub(crate) fn with(options: SharedCacheOptions) -> Self {
        let metrics = MetricsRegistry::new();
        let contains_key = Arc::new(|text: &str| text.contains(NEBULY_KEY));
        let (cache, mut writer) =
            metrics.scope(|| SharedCache::new(options, contains_key, Arc::new(SystemClock))).unwrap();
        drop(tokio::spawn(async move { writer.run().await }));
        Self { cache: Arc::new(cache), counts: metrics }
    }

    /// The links that it has for an item.
    pub(crate) async fn get(&self, scope: Scope, item: &Item<'static>) -> Vec<SharedLink> {
        self.cache.get(scope, item).await
    }

    /// Hands a link over to be shared.
    pub(crate) fn put(&self, scope: Scope, item: &Item<'static>, link: SharedLink) {
        self.cache.put(scope, item, link);
    }

    /// Shares links until one is found.
    pub(crate) async fn share(&self, scope: Scope, item: &Item<'static>, link: &SharedLink) {
        eventually(async || {
            self.put(scope, item, link.clone());
            !self.get(scope, item).await.is_empty()
        })
        .await;
    }

    /// How often something came of an operation.
    pub(crate) fn count(&self, operation: &str, result: &str) -> u64 {
        let row =
            format!("nebulink_shared_cache_requests_total{{operation=\"{operation}\",result=\"{result}\"}} ");
        let rendered = self.counts.render();
        let value = rendered.lines().find_map(|line| line.strip_prefix(&row));
        value.unwrap_or_else(|| panic!("no {row}in {rendered}")).parse().unwrap()
    }

    /// How often the server was asked in vain.
    pub(crate) fn unanswered(&self) -> u64 {
        self.count("get", "failed") + self.count("get", "timeout")
    }
}

/// The place of a project.
pub(crate) fn project(position: usize) -> ProjectIndex {
    ProjectIndex::new(position).unwrap()
}

/// A conversation.
pub(crate) fn conversation(id: &str) -> Item<'static> {
    Item::conversation(id.to_owned()).unwrap()
}

/// A link of a project, resolved now.
pub(crate) fn link(position: usize, path: &str) -> SharedLink {
    let mut hosts = AllowedHosts::default();
    hosts.allow("*.nebuly.com").unwrap();
    let url = TargetUrl::accept(&format!("https://go.nebuly.com/{path}"), &hosts, |_| false).unwrap();
    SharedLink { url, project: project(position), resolved_at: SystemClock.now() }
}
