//! The counters and histograms that are counted with.
//!
//! A counter that threads share moves from one processor's cache to another's with each addition, which takes longer than
//! all the rest of counting. So each thread adds to numbers of its own, which a scrape adds up.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use metrics::{CounterFn, HistogramFn};

/// The upper bounds of the buckets of all histograms, in seconds: from a hit in memory to the longest that a request may
/// take.
pub(super) const BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const NANOS_PER_SECOND: f64 = 1e9;

/// The most threads that have numbers of their own; if there are more, some share theirs.
const MAX_THREADS: usize = 16;

/// Numbers for each thread, apart from those of others in memory: processors fetch two lines of 64 bytes at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct OfThread<T>(T);

#[derive(Debug)]
struct PerThread<T>(Box<[OfThread<T>]>);

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(PerThread<AtomicU64>);

/// How often a value fell into each bucket, and the sum of all values.
#[derive(Debug, Default)]
pub(super) struct Histogram(PerThread<Distribution>);

#[derive(Debug, Default)]
struct Distribution {
    /// One more than there are bounds: the last bucket has none.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// In nanoseconds: enough for 580 years.
    sum: AtomicU64,
}

/// The numbers of a histogram.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// How often a value was at most the bound; the last one is the number of all values.
    pub(super) cumulated: [u64; BOUNDS.len() + 1],
    /// In seconds.
    pub(super) sum: f64,
}

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        static THREADS: LazyLock<usize> = LazyLock::new(|| {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            processors.min(MAX_THREADS)
        });
        Self(std::iter::repeat_with(OfThread::default).take(*THREADS).collect())
    }
}

impl<T> PerThread<T> {
    /// The numbers of this thread.
    fn own(&self) -> Option<&T> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed));
        // A thread that is ending counts with the first one.
        let number = NUMBER.try_with(|number| *number).unwrap_or(0);
        self.0.get(number).or_else(|| self.0.get(number % self.0.len())).map(|OfThread(own)| own)
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|OfThread(own)| own)
    }
}

impl Counter {
    pub(super) fn get(&self) -> u64 {
        self.0.all().map(|own| own.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

impl CounterFn for Counter {
    fn increment(&self, value: u64) {
        if let Some(own) = self.0.own() {
            own.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// For a counter that is kept elsewhere, and never incremented here.
    fn absolute(&self, value: u64) {
        if let Some(first) = self.0.all().next() {
            first.fetch_max(value, Ordering::Relaxed);
        }
    }
}

impl Histogram {
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let mut sum = 0_u64;
        for own in self.0.all() {
            let mut below = 0;
            for (cumulated, bucket) in counts.cumulated.iter_mut().zip(&own.buckets) {
                below += bucket.load(Ordering::Relaxed);
                *cumulated += below;
            }
            sum = sum.wrapping_add(own.sum.load(Ordering::Relaxed));
        }
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ns, 104 days")]
        let nanos = sum as f64;
        counts.sum = nanos / NANOS_PER_SECOND;
        counts
    }
}

impl HistogramFn for Histogram {
    /// `value` is a number of seconds.
    fn record(&self, value: f64) {
        let Some(own) = self.0.own() else { return };
        let index = BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = own.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no time is negative")]
        own.sum.fetch_add((value * NANOS_PER_SECOND) as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_many_threads_count_is_added_up() {
        let (counter, histogram) = (Counter::default(), Histogram::default());
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        counter.increment(2);
                        histogram.record(0.5);
                    }
                });
            }
        });
        assert_eq!(counter.get(), 8000);
        let counts = histogram.counts();
        assert_eq!(counts.cumulated.last(), Some(&4000));
        assert!((counts.sum - 2000.0).abs() < 1e-6, "{}", counts.sum);
    }

    proptest! {
        #[test]
        fn each_bound_counts_the_values_up_to_it(
            values in prop::collection::vec(prop_oneof![0.0..20.0_f64, prop::sample::select(BOUNDS.to_vec())], 0..50)
        ) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.record(*value);
            }
            let counts = histogram.counts();
            for (bound, counted) in BOUNDS.into_iter().chain([f64::INFINITY]).zip(counts.cumulated) {
                let expected = values.iter().filter(|value| **value <= bound).count();
                prop_assert_eq!(counted, expected as u64, "{}", bound);
            }
            prop_assert!((counts.sum - values.iter().sum::<f64>()).abs() < 1e-6);
        }
    }
}
