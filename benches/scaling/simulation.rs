//! Some days of clicks on some replicas.

use std::collections::HashSet;
use std::sync::Arc;

use crate::nebuly::CountingNebuly;
use crate::replica::{Replica, Surroundings};
use crate::shared::SharedMap;
use crate::time::Time;
use crate::traffic::{Click, DAY, Shape, id};

const MINUTE: u64 = 60 * 1000;

/// When rollouts begin each day, and how long each replica takes: at ten in the morning, half a minute.
const ROLLOUT_AT: u64 = 10 * 60 * MINUTE;
const ROLLOUT_STEP: u64 = MINUTE / 2;

/// The same clicks for every installation that is compared.
pub(crate) struct Traffic {
    clicks: Vec<Click>,
    /// When counting begins: caches are filled by then.
    counted_from: u64,
    days: u64,
}

/// An installation.
#[derive(Clone, Copy)]
pub(crate) struct Installation {
    pub(crate) replicas: usize,
    pub(crate) shared: bool,
    /// `cache.max_size`, in bytes.
    pub(crate) max_size: u64,
    pub(crate) rollouts: Rollouts,
}

/// The event of each day that empties the replicas' memory, from the day on that counting begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollouts {
    /// No replica is ever replaced.
    None,
    /// All are replaced, one after the other, by ones that know nothing.
    Forgetting,
    /// All are replaced, one after the other, by ones that read their predecessor's snapshot.
    WithSnapshot,
}

/// The counts of the days that count, if it is not said otherwise.
pub(crate) struct Counts {
    /// Clicks of a day.
    pub(crate) clicks: u64,
    /// Clicks of a day that waited for Nebuly.
    pub(crate) waited: u64,
    /// Calls of a day.
    pub(crate) calls: u64,
    /// Calls in the minute with the most.
    pub(crate) busiest_minute: u64,
    /// Reads of the shared cache on a day.
    pub(crate) shared_reads: u64,
    /// Calls since the simulation began.
    pub(crate) calls_ever: u64,
    /// Links in the memory of a replica at the end, on average.
    pub(crate) links: u64,
    /// Bytes that these take.
    pub(crate) bytes: u64,
}

impl Traffic {
    pub(crate) fn new(shape: &Shape, days: u64, counted_days: u64, seed: u64) -> Self {
        Self { clicks: shape.clicks(days, seed), counted_from: (days - counted_days) * DAY, days }
    }

    /// How many different links are clicked at all: no installation can do with fewer calls.
    pub(crate) fn distinct_links(&self) -> u64 {
        self.clicks.iter().map(|click| click.item).collect::<HashSet<_>>().len() as u64
    }

    /// How many different links are clicked on a day, on average over the days that count.
    pub(crate) fn distinct_links_a_day(&self) -> u64 {
        let counted = self.clicks.iter().filter(|click| click.at >= self.counted_from);
        let links: HashSet<_> = counted.map(|click| (click.at / DAY, click.item)).collect();
        links.len() as u64 / self.counted_days()
    }

    fn counted_days(&self) -> u64 {
        self.days - self.counted_from / DAY
    }

    /// Lets an installation answer every click.
    pub(crate) fn run(&self, installation: &Installation) -> Counts {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.simulate(installation))
    }

    async fn simulate(&self, installation: &Installation) -> Counts {
        let time = Time::default();
        let surroundings = Surroundings {
            time: time.clone(),
            nebuly: CountingNebuly::new(time.clone(), self.days * DAY),
            shared: installation.shared.then(Arc::<SharedMap>::default),
            max_size: installation.max_size,
        };
        let mut replicas: Vec<_> = (0..installation.replicas).map(|_| Replica::new(&surroundings)).collect();
        let mut rollout = self.rollout(installation).into_iter().peekable();
        let (mut clicks, mut waited, mut reads_before, mut minute) = (0, 0, 0, 0);
        let reads = || surroundings.shared.as_ref().map_or(0, |shared| shared.reads());
        for click in &self.clicks {
            time.set(click.at);
            while let Some((_, replaced)) = rollout.next_if(|(at, _)| *at <= click.at) {
                replicas[replaced] = match installation.rollouts {
                    Rollouts::WithSnapshot => replicas[replaced].restarted_with_snapshot().await,
                    Rollouts::None | Rollouts::Forgetting => Replica::new(&surroundings),
                };
            }
            if click.at / MINUTE != minute {
                minute = click.at / MINUTE;
                replicas.iter().for_each(Replica::housekeep);
            }
            let counts = click.at >= self.counted_from;
            if !counts {
                reads_before = reads();
            }
            let replica = &replicas[click.dice as usize % installation.replicas];
            let waits = replica.click(id(click.item)).await;
            clicks += u64::from(counts);
            waited += u64::from(counts && waits);
        }
        replicas.iter().for_each(Replica::housekeep);
        let mean = |of: fn(&Replica) -> u64| replicas.iter().map(of).sum::<u64>() / replicas.len() as u64;
        let days = self.counted_days();
        let nebuly = &surroundings.nebuly;
        Counts {
            clicks: clicks / days,
            waited: waited / days,
            calls: nebuly.calls_from(self.counted_from).sum::<u64>() / days,
            busiest_minute: nebuly.calls_from(self.counted_from).max().unwrap_or_default(),
            shared_reads: (reads() - reads_before) / days,
            calls_ever: nebuly.calls_from(0).sum(),
            links: mean(Replica::links),
            bytes: mean(Replica::bytes),
        }
    }

    /// When which replica is replaced.
    fn rollout(&self, installation: &Installation) -> Vec<(u64, usize)> {
        if installation.rollouts == Rollouts::None {
            return Vec::new();
        }
        let days = (self.counted_from..self.days * DAY).step_by(usize::try_from(DAY).unwrap());
        let of_a_day = |day: u64| {
            (0..installation.replicas)
                .map(move |replica| (day + ROLLOUT_AT + replica as u64 * ROLLOUT_STEP, replica))
        };
        days.flat_map(of_a_day).collect()
    }
}
