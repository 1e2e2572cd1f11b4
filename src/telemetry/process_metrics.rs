//! What this process takes of the machine, under the names that all clients of Prometheus use.
//!
//! The usual crate for this counts whole seconds of processor time and, on macOS, needs libclang to be built. Linux
//! tells it in two small files (`proc_pid_stat(5)`), read for each scrape. Other systems tell little of it here.

use std::fmt::Write as _;
use std::fs;
use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit};

/// One metric, as a number that is ready to be written.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: String,
}

/// Appends the metrics of this process; one that the system does not tell is left out.
pub(super) fn write_to(text: &mut String) {
    for Metric { name, kind, help, value } in metrics().into_iter().flatten() {
        // Writing to a String does not fail.
        let _written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
}

fn metrics() -> [Option<Metric>; 8] {
    let stat = Stat::read();
    let stat = stat.as_ref();
    let metric =
        |name, kind, help, value: Option<String>| value.map(|value| Metric { name, kind, help, value });
    let gauge =
        |name, help, value: Option<u64>| metric(name, "gauge", help, value.map(|value| value.to_string()));
    [
        metric(
            "process_cpu_seconds_total",
            "counter",
            "Processor time of this process, in user and kernel mode",
            stat.map(|stat| stat.cpu_seconds.to_string()),
        ),
        metric(
            "process_start_time_seconds",
            "gauge",
            "When this process was started, as Unix time",
            stat.and_then(Stat::start_time).map(|time| time.to_string()),
        ),
        gauge(
            "process_resident_memory_bytes",
            "Memory that this process has in use",
            stat.map(|stat| stat.resident_bytes),
        ),
        gauge(
            "process_virtual_memory_bytes",
            "Addresses that this process has reserved",
            stat.map(|stat| stat.virtual_bytes),
        ),
        gauge("process_threads", "Threads of this process", stat.map(|stat| stat.threads)),
        gauge("process_open_fds", "Open file descriptors", open_files()),
        gauge(
            "process_max_fds",
            "Most file descriptors that this process may have open",
            // Without a limit, nothing is more telling than the largest number.
            Some(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)),
        ),
        gauge(
            "process_virtual_memory_max_bytes",
            "Most addresses that this process may reserve",
            Some(getrlimit(Resource::As).current.unwrap_or(u64::MAX)),
        ),
    ]
}

/// What `/proc/self/stat` says.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: u64,
    /// Seconds from the start of the machine to that of the process.
    started: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Stat {
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

    /// As Unix time, in seconds. It is worked out once: when the machine started is moved with its clock, and this must not
    /// look like another process.
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

/// Counts one more while it counts: the folder itself is open then, and taken off.
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
        let expected = Stat {
            cpu_seconds: 2.0,
            threads: 7,
            started: 10.0,
            virtual_bytes: 52_428_800,
            resident_bytes: 2500 * 4096,
        };
        assert_eq!(Stat::parse(text, 100, 4096), Some(expected));
        assert_eq!(Stat::parse("4242 (name) S 1", 100, 4096), None);
    }
}
