//! Clicks on links, as they may come to an installation.
//!
//! Items appear evenly over the day. How old the item of a click is follows a Lomax distribution (shape 1, scale one
//! day): half of the clicks go to items of the last day, four fifths to those of the last four days, and some to items
//! that are weeks old. Which of the items of that day it is follows Zipf's law. More is clicked at noon than at night.

use fastrand::Rng;
use uuid::Uuid;

pub(crate) const DAY: u64 = 24 * 60 * 60 * 1000;

/// Items older than this, in days, are not clicked any more.
const OLDEST: u64 = 60;

/// How often an item that does not exist yet is drawn again, before it is one of the day before.
const DRAWS: usize = 20;

/// The parameters of the clicks.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) clicks_per_day: u64,
    pub(crate) items_per_day: u64,
    /// The exponent of Zipf's law: the higher, the more go to few items.
    pub(crate) exponent: f64,
}

/// One click.
#[derive(Clone, Copy)]
pub(crate) struct Click {
    /// Milliseconds since the first day began.
    pub(crate) at: u64,
    /// Number of the item.
    pub(crate) item: u64,
    /// Decides which replica gets it.
    pub(crate) dice: u32,
}

impl Shape {
    /// All clicks of so many days, in order; the same ones for the same seed.
    pub(crate) fn clicks(&self, days: u64, seed: u64) -> Vec<Click> {
        let mut rng = Rng::with_seed(seed);
        let zipf = Zipf::new(self.items_per_day, self.exponent);
        let mut clicks = Vec::new();
        for day in 0..days {
            let mut times: Vec<_> = (0..self.clicks_per_day).map(|_| time_of_day(&mut rng)).collect();
            times.sort_unstable();
            for time in times {
                // Days are counted from the oldest item's on.
                let now = (OLDEST + 1 + day) * DAY + time;
                let item = self.item(now, &zipf, &mut rng);
                clicks.push(Click { at: day * DAY + time, item, dice: rng.u32(..) });
            }
        }
        clicks
    }

    fn item(&self, now: u64, zipf: &Zipf, rng: &mut Rng) -> u64 {
        let born = now - age(rng);
        let mut day = born / DAY;
        let mut rank = zipf.rank(rng);
        let mut draws = 1;
        // Today's items appear in the course of the day, in no order of their popularity.
        while day * DAY + scatter(day * self.items_per_day + rank) % DAY > now {
            if draws == DRAWS {
                day -= 1;
            }
            rank = zipf.rank(rng);
            draws += 1;
        }
        day * self.items_per_day + rank
    }
}

/// The id of an item.
pub(crate) fn id(item: u64) -> Uuid {
    Uuid::from_u64_pair(scatter(item), scatter(!item))
}

/// How long ago the item of a click appeared.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "milliseconds of some weeks"
)]
fn age(rng: &mut Rng) -> u64 {
    loop {
        let part = rng.f64();
        let days = part / (1.0 - part);
        if days < OLDEST as f64 {
            return (days * DAY as f64) as u64;
        }
    }
}

/// A moment of the day, in milliseconds: twice as many as on average at noon, none at midnight.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "milliseconds of a day"
)]
fn time_of_day(rng: &mut Rng) -> u64 {
    loop {
        let part = rng.f64();
        if rng.f64() * 2.0 < 1.0 - (std::f64::consts::TAU * part).cos() {
            return (part * DAY as f64) as u64;
        }
    }
}

/// Zipf's law over so many ranks.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^53")]
    fn new(ranks: u64, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=ranks).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Self { cumulative: cumulative.collect() }
    }

    fn rank(&self, rng: &mut Rng) -> u64 {
        let all = self.cumulative.last().copied().unwrap_or_default();
        let wanted = rng.f64() * all;
        self.cumulative.partition_point(|sum| *sum <= wanted) as u64
    }
}

/// Spreads numbers over all of 64 bits, each to its own place.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}
