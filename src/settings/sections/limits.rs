//! `[limits]`: the rate limits of one caller.

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::whole;

/// More calls per second than Nebuly could answer.
const MAX_COLD: u32 = 1_000_000;

/// With usual ids, more links would not fit into a body of 1 MiB.
const MAX_BATCH: usize = 10_000;

/// The rate limits of one caller.
#[derive(Debug, Clone)]
pub struct LimitsSettings {
    /// Calls to Nebuly per second, 1 to 1,000,000.
    pub cold_per_second: u32,
    /// The burst: calls to Nebuly at once after a pause, 1 to 1,000,000.
    pub cold_burst: u32,
    /// Links in one batch request, 1 to 10,000.
    pub batch: usize,
}

impl LimitsSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        Ok(Self {
            cold_per_second: reader.read("limits.cold_per_second", whole(1..=MAX_COLD))?,
            cold_burst: reader.read("limits.cold_burst", whole(1..=MAX_COLD))?,
            batch: reader.read("limits.batch", whole(1..=MAX_BATCH))?,
        })
    }
}
