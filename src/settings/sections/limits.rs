//! `[limits]`: what one caller may cost.

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::whole;

/// More calls than Nebuly could ever answer.
const MAX_COLD: u32 = 1_000_000;

/// More links than fit into a body of 1 MiB with usual ids.
const MAX_BATCH: usize = 10_000;

/// What one caller may cost.
#[derive(Debug, Clone)]
pub struct LimitsSettings {
    /// Calls to Nebuly per second, 1 to 1,000,000.
    pub cold_per_second: u32,
    /// Calls to Nebuly at once after a pause, 1 to 1,000,000.
    pub cold_burst: u32,
    /// Links in one request for many, 1 to 10,000.
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
