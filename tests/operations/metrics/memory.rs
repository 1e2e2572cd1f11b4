//! Metrics take no more memory in the long run, also if nothing ever scrapes them.

#![cfg(target_os = "linux")]
use nebulink::telemetry::MetricsRegistry;

use crate::support::own_process::{in_own_process, memory_bytes};

/// The samples that are to be counted.
const SAMPLES: u64 = 5_000_000;

/// Far less than all samples would take, at 8 bytes each.
const FLAT: u64 = 4 << 20;

#[test]
fn histograms_take_no_memory_though_nobody_scrapes() {
    // What other tests do takes memory, too.
    if !in_own_process(histograms_take_no_memory_though_nobody_scrapes) {
        return;
    }
    let metrics = MetricsRegistry::new();
    let duration = metrics.scope(|| metrics::histogram!("duration_seconds"));
    let before = memory_bytes("VmHWM");
    for _ in 0..SAMPLES {
        duration.record(0.0002);
    }
    assert!(metrics.render().contains(&format!("duration_seconds_count {SAMPLES}\n")));
    let grown = memory_bytes("VmHWM") - before;
    assert!(grown < FLAT, "{grown} bytes");
}
