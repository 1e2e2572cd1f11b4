//! Where links are remembered, and the resolver over it all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::projects::{Projects, ids, read_authorities};
use super::{Background, StartError};
use crate::cache::snapshot::{self, Admission, SnapshotError, SnapshotFile};
use crate::cache::{MemoryCache, SharedCache, SharedCacheOptions, SharedCacheWriter};
use crate::domain::{Clock, Construction, Lifetimes, ProjectName, SharedLinks};
use crate::nebuly::{Nebuly, ProjectKeys};
use crate::resolver::{Construct, Policy, Project, Resolver, Sources};
use crate::settings::{self, OnOutage, Resolve, Settings};

/// How often memory is tidied up and counted.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// The longest that the end of the program waits for the snapshot to be written.
const LAST_SAVE: Duration = Duration::from_secs(10);

/// Memory, with what fills and keeps it beside the resolver.
pub(super) struct Links {
    memory: MemoryCache,
    snapshot: Option<SnapshotFile>,
    snapshot_interval: Duration,
    shared_writer: Option<SharedCacheWriter>,
    clock: Arc<dyn Clock>,
}

/// The resolver, and the memory beneath it.
pub(super) fn links(
    settings: &Settings,
    projects: Projects,
    clock: Arc<dyn Clock>,
) -> Result<(Resolver, Links), StartError> {
    let Projects { clients, keys } = projects;
    if clients.is_empty() {
        return Err(StartError::NoProject);
    }
    let lifetimes = lifetimes(&settings.cache);
    let memory = MemoryCache::new(settings.cache.max_size);
    let (shared, shared_writer) = shared(settings, lifetimes, &keys, &clock)?.unzip();
    let sources = Sources {
        memory: Arc::new(memory.clone()),
        shared: shared.map(|shared| Arc::new(shared) as Arc<dyn SharedLinks>),
        projects: clients.into_iter().zip(&settings.projects).map(project).collect(),
        construction: Construction::new(&settings.nebuly.platform_url, settings.nebuly.allowed_hosts.clone()),
        clock: Arc::clone(&clock),
    };
    let policy = Policy {
        lifetimes,
        deadline: settings.nebuly.deadline,
        construct: match (settings.nebuly.resolve, settings.redirect.on_outage) {
            (Resolve::Construct, _) => Construct::Always,
            (Resolve::Api, OnOutage::Construct) => Construct::InOutages,
            (Resolve::Api, OnOutage::Error) => Construct::Never,
        },
    };
    let links = Links {
        memory,
        snapshot: snapshot(settings, lifetimes, keys)?,
        snapshot_interval: settings.cache.snapshot_interval,
        shared_writer,
        clock,
    };
    Ok((Resolver::new(sources, policy), links))
}

impl Links {
    /// Reads the snapshot, if there is one. Given up on its way, it leaves a part of it in memory.
    pub(super) async fn load(&mut self) {
        if let Some(file) = &self.snapshot
            && let Err(error) = file.load_into(&self.memory, self.clock.now()).await
        {
            let cause = cause_of(&error);
            tracing::error!(%error, cause, "failed to read the snapshot");
            // What could not be read may be worth more than what is known now: it is left alone.
            self.snapshot = None;
        }
    }

    /// Starts what keeps memory from now on. What is left is to be kept at the end.
    pub(super) fn start(self, background: &mut Background) -> Kept {
        let Self { memory, snapshot, snapshot_interval, shared_writer, .. } = self;
        if let Some(writer) = shared_writer {
            let writer = Arc::new(Mutex::new(writer));
            background.supervise("shared_cache_writer", move || {
                let writer = Arc::clone(&writer);
                async move {
                    writer.lock().await.run().await;
                    // The cache is gone, and everything was written.
                    std::future::pending::<()>().await;
                }
            });
        }
        background.supervise("housekeeping", {
            let memory = memory.clone();
            move || {
                let memory = memory.clone();
                async move {
                    let mut interval = tokio::time::interval(HOUSEKEEPING);
                    loop {
                        interval.tick().await;
                        memory.housekeep();
                    }
                }
            }
        });
        let kept = Kept { memory, snapshot };
        if kept.snapshot.is_some() {
            let kept = kept.clone();
            background.supervise("snapshot", move || {
                let kept = kept.clone();
                async move {
                    loop {
                        tokio::time::sleep(snapshot_interval).await;
                        kept.save().await;
                    }
                }
            });
        }
        kept
    }
}

/// What outlives the process.
#[derive(Clone)]
pub(super) struct Kept {
    memory: MemoryCache,
    snapshot: Option<SnapshotFile>,
}

impl Kept {
    /// Writes the snapshot, if there is one.
    pub(super) async fn save(&self) {
        if let Some(snapshot) = &self.snapshot {
            match snapshot.save_from(&self.memory).await {
                Ok(links) => tracing::debug!(links, "snapshot written"),
                Err(error) => {
                    let cause = cause_of(&error);
                    tracing::error!(%error, cause, "failed to write the snapshot");
                }
            }
        }
    }

    /// Writes the snapshot at the end of the program, which does not wait for a disk that hangs.
    pub(super) async fn save_last(&self) {
        if timeout(LAST_SAVE, self.save()).await.is_err() {
            tracing::error!(timeout = ?LAST_SAVE, "failed to write the snapshot: timeout");
        }
    }
}

fn shared(
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
        projects: names(settings),
        allowed_hosts: settings.nebuly.allowed_hosts.clone(),
        lifetimes,
    }))
}

/// Fails if the shared cache cannot be used as it is set. Nothing is connected to.
pub fn check_shared_cache(settings: &Settings) -> Result<(), StartError> {
    let options = shared_cache_options(settings, lifetimes(&settings.cache))?;
    Ok(options.map_or(Ok(()), |options| options.check())?)
}

/// Fails if there is to be a snapshot and it cannot be kept: better now than at the end, when the links would be lost.
pub fn check_snapshot(cache: &settings::Cache) -> Result<(), StartError> {
    Ok(cache.snapshot_file.as_ref().map_or(Ok(()), snapshot::check)?)
}

fn snapshot(
    settings: &Settings,
    lifetimes: Lifetimes,
    keys: Arc<ProjectKeys>,
) -> Result<Option<SnapshotFile>, StartError> {
    check_snapshot(&settings.cache)?;
    let Some(path) = settings.cache.snapshot_file.clone() else { return Ok(None) };
    let admission = Admission::new(
        names(settings),
        settings.nebuly.allowed_hosts.clone(),
        Box::new(move |text| keys.are_in(text)),
        lifetimes.ttl.saturating_add(lifetimes.stale),
    );
    Ok(Some(SnapshotFile::new(path, admission)))
}

/// The names of the projects, in the order of [`crate::domain::ProjectIndex`].
pub(super) fn names(settings: &Settings) -> Vec<ProjectName> {
    settings.projects.iter().map(|project| project.name.clone()).collect()
}

const fn lifetimes(cache: &settings::Cache) -> Lifetimes {
    Lifetimes { ttl: cache.ttl, stale: cache.stale, negative_ttl: cache.negative_ttl }
}

fn project((client, project): (Nebuly, &settings::Project)) -> Project {
    Project { source: Box::new(client), ids: ids(project) }
}

fn cause_of(error: &SnapshotError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}
