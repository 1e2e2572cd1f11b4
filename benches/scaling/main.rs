//! How many calls to Nebuly some replicas make, with and without the shared cache: `cargo bench --bench scaling`, with
//! `-- --short` for a small part of the clicks.
//!
//! The real resolver over the real memory answers days of clicks, on a clock that the simulation sets, before a Nebuly
//! that only counts. `docs/scaling.md` says what the clicks are like and what follows from the figures. They are the same
//! on every machine, but for those of a full memory: which link leaves it also depends on a hash function with a random
//! key. What must hold whatever the clicks are like is asserted.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "what surprises a benchmark ends it, and its figures are for people"
)]

mod nebuly;
mod replica;
mod shared;
mod simulation;
mod time;
mod traffic;

use replica::PLENTY;
use simulation::{Counts, Installation, Rollouts, Traffic};
use traffic::Shape;

/// How much is simulated.
struct Scale {
    /// By how much clicks and items are fewer.
    divisor: u64,
    days: u64,
    /// The last ones count; the others fill caches.
    counted_days: u64,
    replicas: &'static [usize],
}

const FULL: Scale = Scale { divisor: 1, days: 7, counted_days: 3, replicas: &[1, 2, 4, 8, 16, 64] };
const SHORT: Scale = Scale { divisor: 10, days: 4, counted_days: 2, replicas: &[1, 4, 16] };

/// Links of tickets, each opened by the few who work on it.
const TICKETS: Shape =
    Shape { name: "tickets", clicks_per_day: 50_000, items_per_day: 25_000, exponent: 0.8 };

/// Links of dashboards and alerts: the same few are opened by many.
const DASHBOARDS: Shape =
    Shape { name: "dashboards", clicks_per_day: 50_000, items_per_day: 500, exponent: 1.1 };

const SEED: u64 = 20_261_121;

/// As many replicas as rollouts and memory are shown with.
const SOME: usize = 4;

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let scale = if short { &SHORT } else { &FULL };
    for shape in [TICKETS, DASHBOARDS] {
        let shape = Shape {
            clicks_per_day: shape.clicks_per_day / scale.divisor,
            items_per_day: shape.items_per_day / scale.divisor,
            ..shape
        };
        let traffic = Traffic::new(&shape, scale.days, scale.counted_days, SEED);
        println!(
            "{}: {} clicks and {} new items a day, Zipf {}; {} different links are clicked in a day",
            shape.name,
            shape.clicks_per_day,
            shape.items_per_day,
            shape.exponent,
            traffic.distinct_links_a_day(),
        );
        by_replicas(&traffic, scale.replicas);
        by_rollouts(&traffic);
        if shape.name == TICKETS.name {
            // The links of dashboards are too few to fill any memory.
            by_memory(&traffic);
        }
        println!();
    }
}

fn by_replicas(traffic: &Traffic, replicas: &[usize]) {
    println!(
        "\n{:>9} | {:^28} | {:^40} | {:>8}\n{:>9} | {:>8}{:>10}{:>10} | {:>8}{:>10}{:>10}{:>12} | {:>8}",
        "",
        "memory only",
        "with the shared cache",
        "calls",
        "replicas",
        "hits",
        "calls/day",
        "most/min",
        "hits",
        "calls/day",
        "most/min",
        "reads/day",
        "saved",
    );
    let needed = traffic.distinct_links();
    let mut fewer_replicas: Option<(u64, u64)> = None;
    for &replicas in replicas {
        let installation =
            Installation { replicas, shared: false, max_size: PLENTY, rollouts: Rollouts::None };
        let alone = traffic.run(&installation);
        let shared = traffic.run(&Installation { shared: true, ..installation });
        println!(
            "{replicas:>9} | {:>8}{:>10}{:>10} | {:>8}{:>10}{:>10}{:>12} | {:>8}",
            hits(&alone),
            alone.calls,
            alone.busiest_minute,
            hits(&shared),
            shared.calls,
            shared.busiest_minute,
            shared.shared_reads,
            percent(alone.calls - shared.calls, alone.calls),
        );
        assert!(shared.calls_ever >= needed, "a link was answered that nobody had asked for");
        if let Some((fewer_alone, same_shared)) = fewer_replicas {
            assert!(alone.calls_ever > fewer_alone, "more replicas without a shared cache make more calls");
            assert_eq!(shared.calls_ever, same_shared, "what is shared is asked for once");
        } else {
            assert_eq!(alone.calls_ever, shared.calls_ever, "a single replica has nobody to share with");
        }
        fewer_replicas = Some((alone.calls_ever, shared.calls_ever));
    }
}

fn by_rollouts(traffic: &Traffic) {
    println!(
        "\n{:<58} | {:>8}{:>12}{:>12}",
        format!("{SOME} replicas, kept or replaced all once a day"),
        "hits",
        "calls/day",
        "most/min",
    );
    let run = |what: &str, shared, rollouts| {
        let counts = traffic.run(&Installation { replicas: SOME, shared, max_size: PLENTY, rollouts });
        println!("{what:<58} | {:>8}{:>12}{:>12}", hits(&counts), counts.calls, counts.busiest_minute);
        counts.calls
    };
    let kept = run("kept, memory only", false, Rollouts::None);
    let forgetting = run("replaced, memory only", false, Rollouts::Forgetting);
    let snapshot = run("replaced, with snapshots on volumes that stay", false, Rollouts::WithSnapshot);
    let kept_sharing = run("kept, with the shared cache", true, Rollouts::None);
    let sharing = run("replaced, with the shared cache", true, Rollouts::Forgetting);
    assert!(forgetting > kept, "what is forgotten is asked for again");
    assert_eq!(snapshot, kept, "a snapshot keeps everything");
    assert_eq!(sharing, kept_sharing, "what is shared outlives its replica");
}

fn by_memory(traffic: &Traffic) {
    let installation =
        Installation { replicas: SOME, shared: false, max_size: PLENTY, rollouts: Rollouts::None };
    let plenty = traffic.run(&installation);
    println!(
        "\n{:<32}{:>14} | {:^20} | {:^20}\n{:<32}{:>14} | {:>8}{:>12} | {:>8}{:>12}",
        "",
        "",
        "memory only",
        "with shared cache",
        format!("{SOME} replicas, room for"),
        "max_size",
        "hits",
        "calls/day",
        "hits",
        "calls/day",
    );
    for part in [100, 50, 25, 10] {
        // A full memory is never filled to the last byte.
        let max_size = if part == 100 { plenty.bytes * 11 / 10 } else { plenty.bytes * part / 100 };
        let bounded = Installation { max_size, ..installation };
        let alone = traffic.run(&bounded);
        let shared = traffic.run(&Installation { shared: true, ..bounded });
        println!(
            "{:<32}{:>10.1} MiB | {:>8}{:>12} | {:>8}{:>12}",
            format!("{part} % of {} links", plenty.links),
            max_size as f64 / f64::from(1 << 20),
            hits(&alone),
            alone.calls,
            hits(&shared),
            shared.calls,
        );
        assert!(shared.calls <= alone.calls, "a shared cache never makes more calls");
        // A little less memory may save a call by chance: what was forgotten and asked for again is fresh for longer.
        assert!(part > 10 || alone.calls > plenty.calls, "what does not fit into memory is asked for again");
    }
}

/// The part of the clicks that did not wait for Nebuly.
fn hits(counts: &Counts) -> String {
    percent(counts.clicks - counts.waited, counts.clicks)
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}
