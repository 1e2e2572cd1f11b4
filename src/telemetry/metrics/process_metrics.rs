//! Metrics of the process itself, under the names that all clients of Prometheus use.
//!
//! The usual crate for this counts whole seconds of processor time and, on macOS, needs libclang to be built. Linux has
//! the numbers in two small files (`proc_pid_stat(5)`), read for each scrape. On other systems most of these metrics
//! are missing.

use std::fmt::Write as _;
use std::fs;
use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit};

/// Appends the metrics of this process. One that the system does not have is left out.
pub(super) fn write_to(text: &mut String) {
    let stat = ProcStat::read();
    let stat = stat.as_ref();
    let mut write = |name, kind, help, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a String does not fail.
            let _written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    write(
        "process_cpu_seconds_total",
        "counter",
        "Processor time of this process, in user and kernel mode",
        stat.map(|stat| stat.cpu_seconds.to_string()),
    );
    write(
        "process_start_time_seconds",
        "gauge",
        "Start of this process, as Unix time",
        stat.and_then(ProcStat::start_time).map(|time| time.to_string()),
    );
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Memory that this process has in use",
            stat.map(|stat| stat.resident_bytes),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory of this process",
            stat.map(|stat| stat.virtual_bytes),
        ),
        ("process_threads", "Threads of this process", stat.map(|stat| stat.threads)),
        ("process_open_fds", "Open file descriptors", open_files()),
        (
            "process_max_fds",
            "Limit of open file descriptors",
            // Without a limit, the largest number says it best.
            Some(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)),
        ),
        (
            "process_virtual_memory_max_bytes",
            "Limit of virtual memory of this process",
            Some(getrlimit(Resource::As).current.unwrap_or(u64::MAX)),
        ),
    ] {
        write(name, "gauge", help, value.map(|value| value.to_string()));
    }
}

/// The numbers of `/proc/self/stat`.
#[derive(Debug, PartialEq)]
struct ProcStat {
    cpu_seconds: f64,
    threads: u64,
    /// Seconds from the start of the machine to that of the process.
    started: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl ProcStat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&text, rustix::param::clock_ticks_per_second(), rustix::param::page_size())
    }

    fn parse(text: &str, ticks_per_second: u64, page: usize) -> Option<Self> {
        // The second field is the program's name, which may hold anything; the third follows the last parenthesis.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        // The manual counts fields from 1.
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
        let seconds = |ticks: u64| seconds(ticks, ticks_per_second);
        Some(Self {
            cpu_seconds: seconds(field(14)?.saturating_add(field(15)?)),
            threads: field(20)?,
            started: seconds(field(22)?),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.saturating_mul(u64::try_from(page).ok()?),
        })
    }

    /// The start of the process as Unix time, in seconds. It is computed once: if the machine's clock is set, its start
    /// time changes, and a changed value would look like a new process.
    fn start_time(&self) -> Option<f64> {
        static START_TIME: OnceLock<f64> = OnceLock::new();
        if let Some(known) = START_TIME.get() {
            return Some(*known);
        }
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let started = machine.lines().find_map(|line| line.strip_prefix("btime "))?;
        let started = started.trim().parse::<f64>().ok()? + self.started;
        Some(*START_TIME.get_or_init(|| started))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ticks")]
fn seconds(ticks: u64, per_second: u64) -> f64 {
    ticks as f64 / per_second.max(1) as f64
}

/// Counts the open file descriptors, without that of the folder that is read.
fn open_files() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name_of_a_program() {
        let text = "4242 (odd) name (x) S 1 4242 4242 0 -1 4194560 900 0 3 0 150 50 0 0 20 0 7 0 1000 52428800 2500 18446744073709551615 1\n";
        let expected = ProcStat {
            cpu_seconds: 2.0,
            threads: 7,
            started: 10.0,
            virtual_bytes: 52_428_800,
            resident_bytes: 2500 * 4096,
        };
        assert_eq!(ProcStat::parse(text, 100, 4096), Some(expected));
        assert_eq!(ProcStat::parse("4242 (name) S 1", 100, 4096), None);
    }
}
