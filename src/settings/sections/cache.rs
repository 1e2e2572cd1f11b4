//! `[cache]`: the memory cache, and its snapshot.

use std::time::Duration;

use bytesize::ByteSize;

use crate::files::FilePath;
use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{MAX_DURATION, duration, path, positive, size, zero_or_more};

/// A smaller cache would hold too few links to be of use.
const MIN_SIZE: ByteSize = ByteSize::mib(1);

/// Writing all links more often would leave no time for serving them.
const MIN_SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);

/// More memory than machines have: a larger value is probably a mistake.
const MAX_SIZE: ByteSize = ByteSize::tib(1);

/// The memory cache, and its snapshot.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Bytes, from 1 MiB to 1 TiB.
    pub max_size: u64,
    /// The time for which a link is fresh.
    pub ttl: Duration,
    /// The time after that for which it is served stale; may be zero.
    pub stale: Duration,
    /// The time for which an unknown id stays cached as absent; may be zero.
    pub negative_ttl: Duration,
    /// The snapshot, if there is one. Nothing has checked yet that it can be read or written.
    pub snapshot_file: Option<FilePath>,
    /// Time between two writes of the snapshot, at least a second.
    pub snapshot_interval: Duration,
}

impl CacheSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        Ok(Self {
            max_size: reader.read("cache.max_size", size(MIN_SIZE..=MAX_SIZE))?,
            ttl: reader.read("cache.ttl", positive())?,
            stale: reader.read("cache.stale", zero_or_more())?,
            negative_ttl: reader.read("cache.negative_ttl", zero_or_more())?,
            snapshot_file: reader.read_path("cache.snapshot_file", path)?,
            snapshot_interval: reader
                .read("cache.snapshot_interval", duration(MIN_SNAPSHOT_INTERVAL..=MAX_DURATION))?,
        })
    }
}
