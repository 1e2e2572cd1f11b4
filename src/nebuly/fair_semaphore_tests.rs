//! The semaphore against its rules: single cases, any sequence of steps, and many threads at once.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const A: FairnessKey = FairnessKey::Caller(1);
const B: FairnessKey = FairnessKey::Caller(2);

type Acquiring = Pin<Box<dyn Future<Output = Result<Permit, QueueFull>> + Send>>;

/// A semaphore whose calls are looked at one by one.
struct Bench {
    semaphore: Arc<FairSemaphore>,
    /// In the order in which they came.
    pending: Vec<(usize, FairnessKey, Acquiring)>,
    holding: Vec<(usize, FairnessKey, Permit)>,
    refused: usize,
    came: usize,
}

impl Bench {
    fn new(max: usize) -> Self {
        Self {
            semaphore: Arc::new(FairSemaphore::new(max)),
            pending: Vec::new(),
            holding: Vec::new(),
            refused: 0,
            came: 0,
        }
    }

    fn acquire(&mut self, key: FairnessKey) {
        self.acquire_as(key, Wait::First);
    }

    fn acquire_as(&mut self, key: FairnessKey, wait: Wait) {
        let semaphore = Arc::clone(&self.semaphore);
        let pending: Acquiring = Box::pin(async move { semaphore.acquire(key, wait).await });
        self.pending.push((self.came, key, pending));
        self.came += 1;
        self.look();
    }

    fn acquire_many(&mut self, key: FairnessKey, count: usize) {
        (0..count).for_each(|_| self.acquire(key));
    }

    /// Ends a call of this key that holds a permit.
    fn leave(&mut self, key: FairnessKey) {
        let position = self.holding.iter().position(|(_, other, _)| *other == key).unwrap();
        drop(self.holding.remove(position));
        self.look();
    }

    fn look(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut index = 0;
        while index < self.pending.len() {
            match self.pending[index].2.as_mut().poll(&mut context) {
                Poll::Pending => index += 1,
                Poll::Ready(admitted) => {
                    let (number, key, _) = self.pending.remove(index);
                    match admitted {
                        Ok(permit) => self.holding.push((number, key, permit)),
                        Err(QueueFull) => self.refused += 1,
                    }
                }
            }
        }
    }

    fn holding(&self, key: FairnessKey) -> usize {
        self.holding.iter().filter(|(_, other, _)| *other == key).count()
    }

    fn waiting(&self, key: FairnessKey) -> usize {
        self.pending.iter().filter(|(_, other, _)| *other == key).count()
    }
}

#[test]
fn one_caller_alone_takes_three_quarters_and_a_new_one_gets_a_permit_at_once() {
    for (max, alone) in [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (64, 48)] {
        let mut bench = Bench::new(max);
        bench.acquire_many(A, max * 2);
        assert_eq!(bench.holding(A), alone, "of {max}");
        bench.acquire(B);
        assert_eq!(bench.holding(B), usize::from(max > 1), "of {max}");
    }
}

#[test]
fn neither_refreshes_nor_listings_and_details_take_more_than_a_quarter() {
    for quartered in QUARTERED {
        let mut bench = Bench::new(8);
        bench.acquire_many(quartered, 20);
        assert_eq!(bench.holding(quartered), 2);
        // They wait for themselves alone, so that a caller is not kept to a quarter because of them.
        bench.acquire_many(A, 20);
        assert_eq!((bench.holding(A), bench.holding(quartered)), (6, 2));
    }
    let mut bench = Bench::new(8);
    for quartered in QUARTERED {
        bench.acquire_many(quartered, 20);
    }
    bench.acquire_many(A, 20);
    assert_eq!((bench.holding(A), QUARTERED.map(|key| bench.holding(key))), (4, [2, 2]));
}

#[test]
fn batches_of_all_callers_leave_a_quarter_to_those_who_follow_one_link() {
    for (max, of_batches) in [(1, 1), (2, 1), (4, 3), (8, 6), (64, 48)] {
        let mut bench = Bench::new(max);
        for caller in 10..18 {
            bench.acquire_many(FairnessKey::Batch(caller), max);
        }
        let held =
            |bench: &Bench| (10..18).map(|caller| bench.holding(FairnessKey::Batch(caller))).sum::<usize>();
        assert_eq!(held(&bench), of_batches, "of {max}");
        bench.acquire(A);
        assert_eq!(bench.holding(A), usize::from(max > 1), "of {max}");
    }
}

#[test]
fn a_caller_has_no_more_permits_because_some_of_its_links_are_in_a_batch() {
    let mut bench = Bench::new(8);
    let batch = FairnessKey::Batch(1);
    bench.acquire_many(batch, 20);
    bench.acquire_many(A, 20);
    assert_eq!((bench.holding(batch), bench.holding(A)), (6, 0));
    bench.acquire_many(B, 20);
    for _ in 0..4 {
        bench.leave(batch);
    }
    assert_eq!((bench.holding(batch), bench.holding(A), bench.holding(B)), (2, 0, 2));
    // Its links and its batch take turns.
    bench.leave(batch);
    bench.leave(batch);
    assert_eq!((bench.holding(batch), bench.holding(A)), (1, 1));
}

#[test]
fn a_quarter_of_a_semaphore_has_one_permit_at_least() {
    let quarter = |max| FairSemaphore::new(max).quarter().max;
    assert_eq!([0, 1, 4, 7, 8, 64].map(quarter), [1, 1, 1, 1, 2, 16]);
}

#[test]
fn while_others_wait_a_caller_above_a_quarter_gets_nothing_new() {
    let mut bench = Bench::new(8);
    bench.acquire_many(A, 20);
    bench.acquire_many(B, 20);
    assert_eq!((bench.holding(A), bench.holding(B)), (6, 2));
    for still in (2..6).rev() {
        bench.leave(A);
        assert_eq!(bench.holding(A), still);
    }
    bench.leave(A);
    assert_eq!(bench.holding(A), 2);
    // As soon as B is done, A may go on as before.
    for _ in 0..20 {
        bench.leave(B);
    }
    assert_eq!((bench.holding(A), bench.holding(B)), (6, 0));
}

#[test]
fn a_flood_delays_another_caller_by_no_more_than_one_release() {
    // With room for one alone, the call of the flood that came before takes the first release.
    for (max, releases) in [(1, 2), (2, 0), (4, 0), (64, 0)] {
        let mut bench = Bench::new(max);
        bench.acquire_many(A, 500);
        bench.acquire(B);
        for _ in 0..releases {
            assert_eq!(bench.holding(B), 0, "of {max}");
            bench.leave(A);
        }
        assert_eq!(bench.holding(B), 1, "of {max}");
    }
    for max in [4, 8, 64] {
        let mut bench = Bench::new(max);
        bench.acquire_many(A, 500);
        bench.acquire_many(FairnessKey::Caller(3), 500);
        bench.acquire(B);
        assert_eq!(bench.holding(B), 0, "of {max}");
        bench.leave(A);
        assert_eq!(bench.holding(B), 1, "of {max}");
    }
}

#[test]
fn a_waiting_call_that_is_abandoned_leaves_no_hole() {
    let mut bench = Bench::new(1);
    bench.acquire_many(A, 3);
    drop(bench.pending.remove(0));
    bench.leave(A);
    assert_eq!((bench.holding(A), bench.waiting(A)), (1, 0));
}

#[test]
fn a_permit_on_its_way_to_a_call_that_is_abandoned_goes_to_the_next() {
    let mut bench = Bench::new(1);
    bench.acquire_many(A, 3);
    // The permit is sent to the first of those who wait, who goes before looking.
    bench.holding.clear();
    drop(bench.pending.remove(0));
    bench.look();
    assert_eq!((bench.holding(A), bench.waiting(A)), (1, 0));
}

#[test]
fn more_than_1024_do_not_wait() {
    let mut bench = Bench::new(4);
    bench.acquire_many(A, 3 + MAX_WAITING);
    assert_eq!((bench.waiting(A), bench.refused), (MAX_WAITING, 0));
    bench.acquire(A);
    assert_eq!((bench.waiting(A), bench.refused), (MAX_WAITING, 1));
}

#[test]
fn when_all_slots_are_taken_a_new_call_gets_that_of_the_newest_call_of_the_key_with_the_most() {
    let mut bench = Bench::new(1);
    bench.acquire_many(A, 1 + MAX_WAITING);
    bench.acquire(B);
    bench.look();
    assert_eq!((bench.waiting(A), bench.waiting(B), bench.refused), (MAX_WAITING - 1, 1, 1));
    assert!(bench.pending.iter().all(|(number, key, _)| *key == B || *number < MAX_WAITING));
}

#[test]
fn a_call_that_waits_behind_a_flood_is_admitted_at_the_turn_of_another_caller_that_wants_it() {
    let mut bench = Bench::new(1);
    bench.acquire_many(A, 500);
    // The last call of the flood, for whoever follows it.
    bench.acquire_as(B, Wait::Further);
    bench.leave(A);
    // The next of the flood had its turn before B came.
    bench.leave(A);
    assert_eq!(bench.holding(B), 1);
}

#[test]
fn waiting_under_a_further_key_takes_no_slot_and_loses_none() {
    let mut bench = Bench::new(1);
    bench.acquire_many(A, 1 + MAX_WAITING);
    bench.acquire_as(B, Wait::Further);
    assert_eq!((bench.waiting(B), bench.refused), (1, 0));
    bench.acquire(FairnessKey::Caller(3));
    bench.look();
    assert_eq!((bench.waiting(A), bench.waiting(B), bench.refused), (MAX_WAITING - 1, 1, 1));
}

#[derive(Debug, Clone)]
enum Step {
    Acquire(FairnessKey, Wait),
    /// Gives a waiting call up.
    GiveUp(usize),
    /// Ends a call; those who get its permit see it only later.
    Leave(usize),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![
        4 => (0..4_u64).prop_map(FairnessKey::Caller),
        2 => (0..4_u64).prop_map(FairnessKey::Batch),
        1 => prop::sample::select(QUARTERED.to_vec()),
    ];
    let wait = prop_oneof![3 => Just(Wait::First), 1 => Just(Wait::Further)];
    prop_oneof![
        5 => (key, wait).prop_map(|(key, wait)| Step::Acquire(key, wait)),
        2 => any::<usize>().prop_map(Step::GiveUp),
        4 => any::<usize>().prop_map(Step::Leave),
        1 => Just(Step::Look),
    ]
}

proptest! {
    #[test]
    fn the_rules_hold_after_any_steps(max in 1_usize..=12, steps in prop::collection::vec(step(), 1..200)) {
        let mut bench = Bench::new(max);
        let mut last_in = HashMap::new();
        for step in steps {
            let before: HashMap<FairnessKey, usize> = lock(&bench.semaphore.state).held.clone();
            let waited: Vec<FairnessKey> = lock(&bench.semaphore.state).turns.iter().copied().collect();
            match step {
                Step::Acquire(key, wait) => bench.acquire_as(key, wait),
                Step::GiveUp(index) if !bench.pending.is_empty() => {
                    drop(bench.pending.remove(index % bench.pending.len()));
                }
                Step::Leave(index) if !bench.holding.is_empty() => {
                    drop(bench.holding.remove(index % bench.holding.len()));
                }
                Step::GiveUp(_) | Step::Leave(_) | Step::Look => bench.look(),
            }
            let state = lock(&bench.semaphore.state);
            prop_assert!(state.in_flight <= max);
            prop_assert_eq!(state.in_flight, state.held.values().sum::<usize>());
            let slots = state.queues.values().flatten().filter(|waiter| waiter.has_slot()).count();
            prop_assert_eq!(state.waiting, slots);
            prop_assert!(QUARTERED.iter().all(|key| state.held(*key) <= quarter_of(max)));
            let held_by = |held: &HashMap<FairnessKey, usize>, keys: &[FairnessKey]| {
                held.iter().filter(|(key, _)| keys.contains(key)).map(|(_, held)| held).sum::<usize>()
            };
            let batches = (0..4).map(FairnessKey::Batch).collect::<Vec<_>>();
            prop_assert!(held_by(&state.held, &batches) <= three_quarters_of(max));
            for keys in (0..4).map(keys_of) {
                let held = held_by(&state.held, &keys);
                prop_assert!(held <= three_quarters_of(max));
                let grew = held > held_by(&before, &keys);
                // Those at their bound wait for nobody else.
                let others_waited = waited.iter().any(|other| {
                    !keys.contains(other) && !QUARTERED.contains(other) && state.queues.contains_key(other)
                });
                prop_assert!(!(grew && others_waited && held > quarter_of(max)));
            }
            for key in state.queues.keys() {
                prop_assert!(!state.may_take(*key, max), "{key:?} waits and may take a permit");
                prop_assert!(state.in_flight > 0);
            }
            drop(state);
            for (number, key, _) in &bench.holding {
                let last = last_in.entry(*key).or_insert(*number);
                *last = (*last).max(*number);
            }
            // Within a key nobody is overtaken: whoever still waits came after all who hold a permit.
            bench.look();
            for (number, key, _) in &bench.pending {
                prop_assert!(last_in.get(key).is_none_or(|last| number > last));
            }
        }
        while !bench.holding.is_empty() {
            bench.holding.pop();
            bench.look();
        }
        prop_assert!(bench.pending.is_empty(), "somebody waits forever");
        let state = lock(&bench.semaphore.state);
        prop_assert!(state.held.is_empty() && state.queues.is_empty() && state.turns.is_empty());
        prop_assert_eq!((state.in_flight, state.waiting), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_calls_that_come_end_or_are_abandoned_at_once_leave_no_hole_and_lose_no_wake_up() {
    const MAX: usize = 8;
    const CALLS: usize = 1_000;
    let semaphore = Arc::new(FairSemaphore::new(MAX));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let admitted = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..12_u64 {
        let (semaphore, in_flight, admitted) =
            (Arc::clone(&semaphore), Arc::clone(&in_flight), Arc::clone(&admitted));
        let key = if task % 6 == 5 { FairnessKey::Refresh } else { FairnessKey::Caller(task % 6) };
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            for _ in 0..CALLS {
                let max_wait = Duration::from_micros(random.u64(..300));
                let permit = if random.bool() {
                    tokio::time::timeout(max_wait, semaphore.acquire(key, Wait::First)).await.ok()
                } else {
                    Some(semaphore.acquire(key, Wait::First).await)
                };
                if let Some(permit) = permit {
                    let permit = permit.unwrap();
                    assert!(in_flight.fetch_add(1, Ordering::SeqCst) < MAX);
                    admitted.fetch_add(1, Ordering::SeqCst);
                    for _ in 0..random.usize(..4) {
                        tokio::task::yield_now().await;
                    }
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            }
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await;
    assert!(all.is_ok(), "somebody waits forever");
    assert!(admitted.load(Ordering::SeqCst) >= CALLS);
    let state = lock(&semaphore.state);
    assert_eq!((state.in_flight, state.waiting, state.held.len(), state.turns.len()), (0, 0, 0, 0));
}
