//! Metrics take no more memory in the long run, also if nothing ever scrapes them.

#![cfg(target_os = "linux")]
use std::time::Duration;

use nebulink::telemetry::MetricsRegistry;

use crate::support::own_process::{in_own_process, memory_bytes};

/// The samples that are taken in one go: a million in a second at most, ten times what a core serves.
const PACE: u64 = 10_000;

/// The samples that are to be counted.
const SAMPLES: u64 = 5_000_000;

/// Far less than all samples take (16 bytes each), and more than those between two upkeeps.
const FLAT: u64 = 48 << 20;

#[tokio::test]
async fn histograms_take_no_memory_though_nobody_scrapes() {
    // What other tests do takes memory, too.
    if !in_own_process(histograms_take_no_memory_though_nobody_scrapes) {
        return;
    }
    let registry = MetricsRegistry::new().unwrap();
    let duration = registry.scope(|| metrics::histogram!("duration_seconds"));
    let upkeep = tokio::spawn(registry.reader().keep_up());
    let before = memory_bytes("VmHWM");
    for _ in 0..SAMPLES / PACE {
        for _ in 0..PACE {
            duration.record(0.0002);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    upkeep.abort();
    assert!(registry.reader().render().contains(&format!("duration_seconds_count {SAMPLES}\n")));
    let grown = memory_bytes("VmHWM") - before;
    assert!(grown < FLAT, "{grown} bytes");
}
