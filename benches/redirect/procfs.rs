//! The kernel's figures for a process, in `/proc`.

use std::collections::HashMap;
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

/// The process, and after it those that it has started, and those that these have.
pub(crate) fn family(process: u32) -> Result<Vec<u32>> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc").context("this benchmark needs Linux")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ends meanwhile has no parent.
        let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name before the last parenthesis is any text; state and parent follow.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let parent = fields.split_ascii_whitespace().nth(1).and_then(|field| field.parse::<u32>().ok());
        parents.insert(process, parent);
    }
    let mut family = vec![process];
    let mut known = 0;
    while let Some(&parent) = family.get(known) {
        family.extend(parents.iter().filter(|(_, its)| **its == Some(parent)).map(|(process, _)| process));
        known += 1;
    }
    Ok(family)
}

/// Memory that it has in RAM (`VmRSS`), in bytes. Pages of its program file are counted as far as they are loaded.
pub(crate) fn resident_memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes =
        line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|text| text.trim().parse().ok());
    kibibytes.map(|count: u64| count * 1024).context("the kernel says no VmRSS")
}
