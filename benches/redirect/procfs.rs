//! The kernel's figures for a process, in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Time that all its living threads have spent on a core, in user and kernel mode, in nanoseconds: `stat` has the same
/// in ticks of 10 ms only. Exact while the process sleeps.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).context("the process is gone")? {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path).context("the kernel keeps no schedstat")?;
        let time = text.split_ascii_whitespace().next().and_then(|field| field.parse::<u64>().ok());
        sum += time.context("schedstat is of no known form")?;
    }
    Ok(Duration::from_nanos(sum))
}

/// Memory that it has in RAM (`VmRSS`), in bytes. Pages of its program file are counted as far as they are loaded.
pub(crate) fn resident_memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes =
        line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|text| text.trim().parse().ok());
    kibibytes.map(|count: u64| count * 1024).context("the kernel says no VmRSS")
}
