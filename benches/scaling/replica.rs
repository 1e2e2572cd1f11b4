//! A replica: the real resolver over the real memory, and nothing around them.

use std::sync::Arc;
use std::time::Duration;

use nebulink::background_runtime::BackgroundRuntime;
use nebulink::cache::MemoryCache;
use nebulink::cache::snapshot::{LinkFilter, SnapshotFile};
use nebulink::domain::{
    AllowedHosts, CachedLink, Caller, Clock as _, Construction, FairnessKey, Freshness, IdCandidates, IdText,
    Item, Kind, LazyCaller, Lifetimes, LinkCache as _, ProjectName, Scope, SharedLinks, Unlimited,
};
use nebulink::resolver::{
    AnswerSource, Construct, Mode, Outcome, Policy, ResolveRequest, Resolver, ResolverDependencies,
    ResolverProject,
};
use url::Url;
use uuid::Uuid;

use crate::nebuly::CountingNebuly;
use crate::shared::SharedMap;
use crate::time::Time;

/// As in `config/default.toml`.
const LIFETIMES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(24 * 60 * 60),
    stale: Duration::from_secs(30 * 24 * 60 * 60),
    negative_ttl: Duration::from_secs(15),
};

/// More memory than all links take, in bytes.
pub(crate) const PLENTY: u64 = 1 << 40;

/// More turns of the runtime than any refresh takes.
const TURNS: usize = 100;

/// State that all replicas share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) time: Time,
    pub(crate) nebuly: CountingNebuly,
    pub(crate) shared: Option<Arc<SharedMap>>,
    /// `cache.max_size`, in bytes.
    pub(crate) max_size: u64,
}

pub(crate) struct Replica {
    surroundings: Surroundings,
    memory: MemoryCache,
    resolver: Resolver,
    anybody: Anybody,
}

struct Anybody(Caller);

impl Replica {
    /// A replica that has just been started and knows nothing.
    pub(crate) fn new(surroundings: &Surroundings) -> Self {
        let surroundings = surroundings.clone();
        let memory = MemoryCache::new(surroundings.max_size);
        let platform = Url::parse("https://v2.platform.eu.nebuly.com").unwrap();
        let dependencies = ResolverDependencies {
            background: BackgroundRuntime::default(),
            memory: Arc::new(memory.clone()),
            shared: surroundings.shared.clone().map(|shared| shared as Arc<dyn SharedLinks>),
            projects: vec![ResolverProject {
                name: "default".try_into().unwrap(),
                source: Box::new(surroundings.nebuly.clone()),
                ids: None,
            }],
            construction: Construction::new(&platform, hosts()),
            clock: Arc::new(surroundings.time.clone()),
            details: None,
            tags: None,
        };
        let policy = Policy {
            lifetimes: LIFETIMES,
            deadline: Duration::from_secs(10),
            construct: Construct::InOutages,
        };
        let anybody = Caller { fairness_key: FairnessKey::Caller(0), rate_limit: Arc::new(Unlimited) };
        Self {
            surroundings,
            memory,
            resolver: Resolver::new(dependencies, policy),
            anybody: Anybody(anybody),
        }
    }

    /// Its successor after a rollout, which knows what the snapshot on a volume of its own holds.
    pub(crate) async fn restarted_with_snapshot(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let projects = vec![ProjectName::try_from("default").unwrap()];
        let filter = LinkFilter::new(projects, hosts(), Arc::new(|_: &str| false), LIFETIMES.max_age());
        let file = SnapshotFile::new(folder.path().join("links.jsonl"), filter);
        file.save_from(&self.memory).await.unwrap();
        let successor = Self::new(&self.surroundings);
        file.load_into(&successor.memory, self.surroundings.time.now()).await.unwrap();
        successor
    }

    /// Answers a click, and finishes what it begins behind the answer; whether somebody waited for Nebuly.
    pub(crate) async fn click(&self, id: Uuid) -> bool {
        let mut text = Uuid::encode_buffer();
        let text = &*id.hyphenated().encode_lower(&mut text);
        let candidates = IdCandidates::of_kind(Kind::Interaction, IdText::from(text)).unwrap();
        let request = ResolveRequest {
            candidates: &candidates,
            scope: Scope::All,
            mode: Mode::Cached,
            wait: Duration::ZERO,
            caller: &self.anybody,
        };
        let resolution = self.resolver.resolve(&request).await;
        assert!(matches!(resolution.outcome, Outcome::Resolved(_)), "{resolution:?}");
        if resolution.source == AnswerSource::Stale {
            self.refreshed(candidates.first()).await;
        }
        matches!(resolution.source, AnswerSource::Nebuly(_))
    }

    /// Does what the running program does once a second.
    pub(crate) fn housekeep(&self) {
        self.memory.housekeep();
    }

    pub(crate) fn links(&self) -> u64 {
        self.memory.entry_count()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.memory.weighted_size()
    }

    async fn refreshed(&self, item: &Item<'_>) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let Some(CachedLink::Resolved(link)) = self.memory.get(Scope::All, item) else { break };
            if LIFETIMES.freshness(link.resolved_at, self.surroundings.time.now()) == Freshness::Fresh {
                return;
            }
        }
        // A full memory may forget a link just as its refresh begins. What the shared cache has of it is then taken over,
        // and the next click begins another one.
        assert!(self.surroundings.max_size < PLENTY, "{item:?} was never refreshed");
    }
}

impl LazyCaller for Anybody {
    fn caller(&self) -> &Caller {
        &self.0
    }
}

fn hosts() -> AllowedHosts {
    let mut hosts = AllowedHosts::default();
    hosts.allow("*.nebuly.com").unwrap();
    hosts
}
