//! Builds the caches of links (memory, snapshot, shared cache) and the resolver on top of them, with its policy.
//!
//! It also loads the snapshot, saves it, and starts the tasks of the caches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::background::Background;
use super::error::StartError;
use super::nebuly_clients::{NebulyClients, ids, nebuly_clients_of, read_authorities};
use crate::background_runtime::BackgroundRuntime;
use crate::cache::snapshot::{self, LinkFilter, SnapshotError, SnapshotFile};
use crate::cache::{
    MemoryCache, MemoryDetailsCache, MemoryTagCache, SharedCache, SharedCacheOptions, SharedCacheWriter,
};
use crate::domain::{
    Clock, Construction, ItemDetails, Lifetimes, ProjectName, SharedLinks, SystemClock, TaggedItems,
};
use crate::nebuly::{Nebuly, ProjectKeys};
use crate::resolver::{
    Construct, Policy, Resolver, ResolverDependencies, ResolverDetails, ResolverProject, ResolverTags,
};
use crate::settings::{self, OnOutage, Resolve, Settings};

/// The pause between two rounds of housekeeping of the caches in memory.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// The longest that the shutdown waits for the snapshot to be written.
const LAST_SAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory for the links of a command, in bytes: duplicates that are near each other cost one call.
const SIZE_FOR_COMMANDS: u64 = 1 << 20;

/// The caches in memory, with the tasks that load and save it beside the resolver.
pub(super) struct Caches {
    memory: MemoryCache,
    details: Arc<MemoryDetailsCache>,
    tags: Arc<MemoryTagCache>,
    snapshot: Option<SnapshotFile>,
    snapshot_interval: Duration,
    shared_writer: Option<SharedCacheWriter>,
    clock: Arc<dyn Clock>,
}

/// Builds the resolver, and the caches that it reads.
pub(super) fn build(
    settings: &Settings,
    nebuly: NebulyClients,
    clock: Arc<dyn Clock>,
    background: BackgroundRuntime,
) -> Result<(Resolver, Caches), StartError> {
    let NebulyClients { clients, keys } = nebuly;
    if clients.is_empty() {
        return Err(StartError::NoProject);
    }
    let lifetimes = lifetimes(&settings.cache);
    let memory = MemoryCache::new(settings.cache.max_size);
    let (shared, shared_writer) = shared_cache(settings, lifetimes, &keys, &clock)?.unzip();
    let details = Arc::<MemoryDetailsCache>::default();
    let tags = Arc::new(MemoryTagCache::new(settings.cache.negative_ttl));
    let parts = ResolverParts {
        details: resolver_details(settings, &clients, &details),
        tags: resolver_tags(settings, &clients, &tags),
        memory: memory.clone(),
        shared: shared.map(|shared| Arc::new(shared) as Arc<dyn SharedLinks>),
        clock: Arc::clone(&clock),
        background,
    };
    let resolver = resolver(settings, clients, parts);
    let caches = Caches {
        memory,
        details,
        tags,
        snapshot: snapshot(settings, lifetimes, keys)?,
        snapshot_interval: settings.cache.snapshot_interval,
        shared_writer,
        clock,
    };
    Ok((resolver, caches))
}

/// Builds a resolver that asks Nebuly, and its keys, for a command that ends soon: it remembers only the latest links, and has
/// neither snapshot nor shared cache. No connection is made yet.
pub fn resolver_of(settings: &Settings) -> Result<(Resolver, Arc<ProjectKeys>), StartError> {
    let NebulyClients { clients, keys } = nebuly_clients_of(settings, None)?;
    let memory = MemoryCache::new(SIZE_FOR_COMMANDS);
    let parts = ResolverParts {
        details: None,
        tags: None,
        memory,
        shared: None,
        clock: Arc::new(SystemClock),
        background: BackgroundRuntime::default(),
    };
    Ok((resolver(settings, clients, parts), keys))
}

/// The parts of a resolver that depend on what it is for.
struct ResolverParts {
    details: Option<ResolverDetails>,
    tags: Option<ResolverTags>,
    memory: MemoryCache,
    shared: Option<Arc<dyn SharedLinks>>,
    clock: Arc<dyn Clock>,
    background: BackgroundRuntime,
}

fn resolver(settings: &Settings, clients: Vec<Nebuly>, parts: ResolverParts) -> Resolver {
    let dependencies = ResolverDependencies {
        details: parts.details,
        tags: parts.tags,
        memory: Arc::new(parts.memory),
        shared: parts.shared,
        projects: clients.into_iter().zip(&settings.projects).map(resolver_project).collect(),
        construction: Construction::new(&settings.nebuly.platform_url, settings.nebuly.allowed_hosts.clone()),
        clock: parts.clock,
        background: parts.background,
    };
    let policy = Policy {
        lifetimes: lifetimes(&settings.cache),
        deadline: settings.nebuly.deadline,
        construct: match (settings.nebuly.resolve, settings.redirect.on_outage) {
            (Resolve::Construct, _) => Construct::Always,
            (Resolve::Api, OnOutage::Construct) => Construct::InOutages,
            (Resolve::Api, OnOutage::Error) => Construct::Never,
        },
    };
    Resolver::new(dependencies, policy)
}

impl Caches {
    /// Loads the snapshot, if there is one. Cancelled, it leaves a part of it in memory.
    pub(super) async fn load(&mut self) {
        if let Some(file) = &self.snapshot
            && let Err(error) = file.load_into(&self.memory, self.clock.now()).await
        {
            let cause = cause_of(&error);
            tracing::error!(%error, cause, "failed to read the snapshot");
            // The unread file may be worth more than what is in memory, so it is not overwritten.
            self.snapshot = None;
        }
    }

    /// Starts the tasks that keep the caches. The saver is for the last snapshot at shutdown.
    pub(super) fn start(self, background: &mut Background) -> SnapshotSaver {
        let Self { memory, details, tags, snapshot, snapshot_interval, shared_writer, clock } = self;
        if let Some(writer) = shared_writer {
            let writer = Arc::new(Mutex::new(writer));
            background.supervise("shared_cache_writer", move || {
                let writer = Arc::clone(&writer);
                async move {
                    writer.lock().await.run().await;
                    // The cache is dropped, and everything is written.
                    std::future::pending::<()>().await;
                }
            });
        }
        background.supervise("housekeeping", {
            let memory = memory.clone();
            move || housekeep(memory.clone(), Arc::clone(&details), Arc::clone(&tags), Arc::clone(&clock))
        });
        let saver = SnapshotSaver { memory, snapshot };
        if saver.snapshot.is_some() {
            let saver = saver.clone();
            background.supervise("snapshot", move || saver.clone().save_every(snapshot_interval));
        }
        saver
    }
}

async fn housekeep(
    memory: MemoryCache,
    details: Arc<MemoryDetailsCache>,
    tags: Arc<MemoryTagCache>,
    clock: Arc<dyn Clock>,
) {
    let mut interval = tokio::time::interval(HOUSEKEEPING);
    loop {
        interval.tick().await;
        memory.housekeep();
        details.housekeep(clock.monotonic());
        tags.housekeep(clock.monotonic());
    }
}

/// Writes memory to the snapshot file.
#[derive(Clone)]
pub(super) struct SnapshotSaver {
    memory: MemoryCache,
    snapshot: Option<SnapshotFile>,
}

impl SnapshotSaver {
    async fn save_every(self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.save().await;
        }
    }

    /// Writes the snapshot, if there is one.
    async fn save(&self) {
        if let Some(snapshot) = &self.snapshot {
            // The file logs a success.
            if let Err(error) = snapshot.save_from(&self.memory).await {
                let cause = cause_of(&error);
                tracing::error!(%error, cause, "failed to write the snapshot");
            }
        }
    }

    /// Writes the snapshot at shutdown. Gives up after a while, in case the disk hangs.
    pub(super) async fn save_last(&self) {
        if timeout(LAST_SAVE_TIMEOUT, self.save()).await.is_err() {
            tracing::error!(timeout = ?LAST_SAVE_TIMEOUT, "failed to write the snapshot: timeout");
        }
    }
}

fn shared_cache(
    settings: &Settings,
    lifetimes: Lifetimes,
    keys: &Arc<ProjectKeys>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<(SharedCache, SharedCacheWriter)>, StartError> {
    let Some(options) = shared_cache_options(settings, lifetimes)? else { return Ok(None) };
    let keys = Arc::clone(keys);
    let contains_key = Arc::new(move |text: &str| keys.are_in(text));
    Ok(Some(SharedCache::new(options, contains_key, Arc::clone(clock))?))
}

fn shared_cache_options(
    settings: &Settings,
    lifetimes: Lifetimes,
) -> Result<Option<SharedCacheOptions>, StartError> {
    let Some(url) = settings.shared_cache.url.clone() else { return Ok(None) };
    let certificate_authorities = settings.shared_cache.ca_file.as_ref();
    Ok(Some(SharedCacheOptions {
        url,
        certificate_authorities: certificate_authorities
            .map(|path| read_authorities("shared_cache.ca_file", path))
            .transpose()?,
        timeout: settings.shared_cache.timeout,
        key_prefix: settings.shared_cache.key_prefix.clone(),
        api_base_url: settings.nebuly.api_base_url.to_string(),
        projects: project_names(settings),
        allowed_hosts: settings.nebuly.allowed_hosts.clone(),
        lifetimes,
    }))
}

/// Fails if the shared cache cannot be used as it is set. Nothing is connected to.
pub fn check_shared_cache(settings: &Settings) -> Result<(), StartError> {
    let options = shared_cache_options(settings, lifetimes(&settings.cache))?;
    Ok(options.map_or(Ok(()), |options| options.check())?)
}

/// Fails if `cache.snapshot_file` is set and cannot be written: better now than at shutdown, when the links would be lost.
pub fn check_snapshot(cache: &settings::CacheSettings) -> Result<(), StartError> {
    Ok(cache.snapshot_file.as_ref().map_or(Ok(()), snapshot::check)?)
}

fn snapshot(
    settings: &Settings,
    lifetimes: Lifetimes,
    keys: Arc<ProjectKeys>,
) -> Result<Option<SnapshotFile>, StartError> {
    check_snapshot(&settings.cache)?;
    let Some(path) = settings.cache.snapshot_file.clone() else { return Ok(None) };
    let filter = LinkFilter::new(
        project_names(settings),
        settings.nebuly.allowed_hosts.clone(),
        Arc::new(move |text: &str| keys.are_in(text)),
        lifetimes.max_age(),
    );
    Ok(Some(SnapshotFile::new(path, filter)))
}

/// The names of the projects, in the order of [`crate::domain::ProjectIndex`].
pub(super) fn project_names(settings: &Settings) -> Vec<ProjectName> {
    settings.projects.iter().map(|project| project.name.clone()).collect()
}

const fn lifetimes(cache: &settings::CacheSettings) -> Lifetimes {
    Lifetimes { ttl: cache.ttl, stale: cache.stale, negative_ttl: cache.negative_ttl }
}

fn resolver_project((client, project): (Nebuly, &settings::ProjectSettings)) -> ResolverProject {
    ResolverProject { name: project.name.clone(), source: Box::new(client), ids: ids(project) }
}

/// The clients for details, if people may see some and Nebuly is called at all.
fn resolver_details(
    settings: &Settings,
    clients: &[Nebuly],
    cache: &Arc<MemoryDetailsCache>,
) -> Option<ResolverDetails> {
    if !settings.preview.details || settings.nebuly.resolve == Resolve::Construct {
        return None;
    }
    let fields: Arc<[Arc<str>]> =
        settings.preview.fields.iter().map(|field| Arc::from(field.as_str())).collect();
    let client = |client: &Nebuly| Box::new(client.details(Arc::clone(&fields))) as Box<dyn ItemDetails>;
    Some(ResolverDetails { projects: clients.iter().map(client).collect(), cache: Arc::clone(cache) as _ })
}

/// The clients that search for tags, if any may be looked up and Nebuly is called at all.
fn resolver_tags(
    settings: &Settings,
    clients: &[Nebuly],
    cache: &Arc<MemoryTagCache>,
) -> Option<ResolverTags> {
    if settings.lookup.tags.is_empty() || settings.nebuly.resolve == Resolve::Construct {
        return None;
    }
    let client = |client: &Nebuly| Box::new(client.tag_search()) as Box<dyn TaggedItems>;
    Some(ResolverTags {
        projects: clients.iter().map(client).collect(),
        cache: Arc::clone(cache) as _,
        window: settings.lookup.window,
    })
}

fn cause_of(error: &SnapshotError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}
