//! The machine that was measured on: figures of two machines do not compare.

use std::fs;
use std::thread;

use jiff::Timestamp;

/// Processor, how many cores this process may use, and the day, in UTC.
pub(crate) fn description() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut fields = information.lines().filter_map(|line| line.split_once(':'));
    let model =
        fields.find(|(name, _)| name.trim() == "model name").map_or("unknown", |(_, model)| model.trim());
    format!("{model}, cores: {cores}, {}", Timestamp::now().strftime("%Y-%m-%d"))
}
