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

type Entering = Pin<Box<dyn Future<Output = Result<Permit, QueueFull>> + Send>>;

/// A semaphore whose calls are looked at one by one.
struct Bench {
    semaphore: Arc<FairSemaphore>,
    /// In the order in which they came.
    entering: Vec<(usize, FairnessKey, Entering)>,
    inside: Vec<(usize, FairnessKey, Permit)>,
    refused: usize,
    came: usize,
}

impl Bench {
    fn new(max: usize) -> Self {
        Self {
            semaphore: Arc::new(FairSemaphore::new(max)),
            entering: Vec::new(),
            inside: Vec::new(),
            refused: 0,
            came: 0,
        }
    }

    fn enter(&mut self, key: FairnessKey) {
        self.enter_as(key, Wait::First);
    }

    fn enter_as(&mut self, key: FairnessKey, wait: Wait) {
        let semaphore = Arc::clone(&self.semaphore);
        let entering: Entering = Box::pin(async move { semaphore.acquire(key, wait).await });
        self.entering.push((self.came, key, entering));
        self.came += 1;
        self.look();
    }

    fn enter_many(&mut self, key: FairnessKey, count: usize) {
        (0..count).for_each(|_| self.enter(key));
    }

    /// Ends a call of this key that is inside.
    fn leave(&mut self, key: FairnessKey) {
        let position = self.inside.iter().position(|(_, other, _)| *other == key).unwrap();
        drop(self.inside.remove(position));
        self.look();
    }

    fn look(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut index = 0;
        while index < self.entering.len() {
            match self.entering[index].2.as_mut().poll(&mut context) {
                Poll::Pending => index += 1,
                Poll::Ready(entered) => {
                    let (number, key, _) = self.entering.remove(index);
                    match entered {
                        Ok(permit) => self.inside.push((number, key, permit)),
                        Err(QueueFull) => self.refused += 1,
                    }
                }
            }
        }
    }

    fn inside(&self, key: FairnessKey) -> usize {
        self.inside.iter().filter(|(_, other, _)| *other == key).count()
    }

    fn waiting(&self, key: FairnessKey) -> usize {
        self.entering.iter().filter(|(_, other, _)| *other == key).count()
    }
}

#[test]
fn one_caller_alone_takes_three_quarters_and_a_newcomer_gets_a_permit_at_once() {
    for (max, alone) in [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (64, 48)] {
        let mut bench = Bench::new(max);
        bench.enter_many(A, max * 2);
        assert_eq!(bench.inside(A), alone, "of {max}");
        bench.enter(B);
        assert_eq!(bench.inside(B), usize::from(max > 1), "of {max}");
    }
}

#[test]
fn refreshes_never_take_more_than_a_quarter() {
    let mut bench = Bench::new(8);
    bench.enter_many(FairnessKey::Refresh, 20);
    assert_eq!(bench.inside(FairnessKey::Refresh), 2);
    // They wait for themselves alone, so that a caller is not kept to a quarter because of them.
    bench.enter_many(A, 20);
    assert_eq!((bench.inside(A), bench.inside(FairnessKey::Refresh)), (6, 2));
}

#[test]
fn while_others_wait_a_caller_above_a_quarter_gets_nothing_new() {
    let mut bench = Bench::new(8);
    bench.enter_many(A, 20);
    bench.enter_many(B, 20);
    assert_eq!((bench.inside(A), bench.inside(B)), (6, 2));
    for still in (2..6).rev() {
        bench.leave(A);
        assert_eq!(bench.inside(A), still);
    }
    bench.leave(A);
    assert_eq!(bench.inside(A), 2);
    // As soon as B is done, A may go on as before.
    for _ in 0..20 {
        bench.leave(B);
    }
    assert_eq!((bench.inside(A), bench.inside(B)), (6, 0));
}

#[test]
fn a_flood_delays_another_caller_by_no_more_than_one_release() {
    // With room for one alone, the call of the flood that came before takes the first release.
    for (max, releases) in [(1, 2), (2, 0), (4, 0), (64, 0)] {
        let mut bench = Bench::new(max);
        bench.enter_many(A, 500);
        bench.enter(B);
        for _ in 0..releases {
            assert_eq!(bench.inside(B), 0, "of {max}");
            bench.leave(A);
        }
        assert_eq!(bench.inside(B), 1, "of {max}");
    }
    for max in [4, 8, 64] {
        let mut bench = Bench::new(max);
        bench.enter_many(A, 500);
        bench.enter_many(FairnessKey::Caller(3), 500);
        bench.enter(B);
        assert_eq!(bench.inside(B), 0, "of {max}");
        bench.leave(A);
        assert_eq!(bench.inside(B), 1, "of {max}");
    }
}

#[test]
fn a_waiting_call_that_is_abandoned_leaves_no_hole() {
    let mut bench = Bench::new(1);
    bench.enter_many(A, 3);
    drop(bench.entering.remove(0));
    bench.leave(A);
    assert_eq!((bench.inside(A), bench.waiting(A)), (1, 0));
}

#[test]
fn a_permit_on_its_way_to_a_call_that_is_abandoned_goes_to_the_next() {
    let mut bench = Bench::new(1);
    bench.enter_many(A, 3);
    // The permit is sent to the first of those who wait, who goes before looking.
    bench.inside.clear();
    drop(bench.entering.remove(0));
    bench.look();
    assert_eq!((bench.inside(A), bench.waiting(A)), (1, 0));
}

#[test]
fn more_than_1024_do_not_wait() {
    let mut bench = Bench::new(4);
    bench.enter_many(A, 3 + MAX_WAITING);
    assert_eq!((bench.waiting(A), bench.refused), (MAX_WAITING, 0));
    bench.enter(A);
    assert_eq!((bench.waiting(A), bench.refused), (MAX_WAITING, 1));
}

#[test]
fn when_all_places_are_taken_a_newcomer_gets_the_newest_of_the_key_with_the_most() {
    let mut bench = Bench::new(1);
    bench.enter_many(A, 1 + MAX_WAITING);
    bench.enter(B);
    bench.look();
    assert_eq!((bench.waiting(A), bench.waiting(B), bench.refused), (MAX_WAITING - 1, 1, 1));
    assert!(bench.entering.iter().all(|(number, key, _)| *key == B || *number < MAX_WAITING));
}

#[test]
fn a_call_that_waits_behind_a_flood_enters_at_the_turn_of_another_caller_that_wants_it() {
    let mut bench = Bench::new(1);
    bench.enter_many(A, 500);
    // The last call of the flood, for whoever follows it.
    bench.enter_as(B, Wait::Further);
    bench.leave(A);
    // The next of the flood had its turn before B came.
    bench.leave(A);
    assert_eq!(bench.inside(B), 1);
}

#[test]
fn waiting_under_a_further_key_takes_no_place_and_loses_none() {
    let mut bench = Bench::new(1);
    bench.enter_many(A, 1 + MAX_WAITING);
    bench.enter_as(B, Wait::Further);
    assert_eq!((bench.waiting(B), bench.refused), (1, 0));
    bench.enter(FairnessKey::Caller(3));
    bench.look();
    assert_eq!((bench.waiting(A), bench.waiting(B), bench.refused), (MAX_WAITING - 1, 1, 1));
}

#[derive(Debug, Clone)]
enum Step {
    Enter(FairnessKey, Wait),
    /// Gives a waiting call up.
    GiveUp(usize),
    /// Ends a call; those who enter then see it only later.
    Leave(usize),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![4 => (0..4_u64).prop_map(FairnessKey::Caller), 1 => Just(FairnessKey::Refresh)];
    let wait = prop_oneof![3 => Just(Wait::First), 1 => Just(Wait::Further)];
    prop_oneof![
        5 => (key, wait).prop_map(|(key, wait)| Step::Enter(key, wait)),
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
                Step::Enter(key, wait) => bench.enter_as(key, wait),
                Step::GiveUp(index) if !bench.entering.is_empty() => {
                    drop(bench.entering.remove(index % bench.entering.len()));
                }
                Step::Leave(index) if !bench.inside.is_empty() => {
                    drop(bench.inside.remove(index % bench.inside.len()));
                }
                Step::GiveUp(_) | Step::Leave(_) | Step::Look => bench.look(),
            }
            let state = lock(&bench.semaphore.state);
            prop_assert!(state.in_flight <= max);
            prop_assert_eq!(state.in_flight, state.held.values().sum::<usize>());
            let places = state.queues.values().flatten().filter(|waiter| waiter.has_place()).count();
            prop_assert_eq!(state.waiting, places);
            prop_assert!(state.held(FairnessKey::Refresh) <= quarter_of(max));
            for (key, held) in &state.held {
                prop_assert!(*held <= three_quarters_of(max));
                let grew = *held > before.get(key).copied().unwrap_or_default();
                // Refreshes at their bound wait for nobody else.
                let others_waited = waited.iter().any(|other| {
                    other != key && *other != FairnessKey::Refresh && state.queues.contains_key(other)
                });
                prop_assert!(!(grew && others_waited && *held > quarter_of(max)));
            }
            for key in state.queues.keys() {
                prop_assert!(!state.may_enter(*key, max), "{key:?} waits and may enter");
                prop_assert!(state.in_flight > 0);
            }
            drop(state);
            for (number, key, _) in &bench.inside {
                let last = last_in.entry(*key).or_insert(*number);
                *last = (*last).max(*number);
            }
            // Within a key nobody is overtaken: whoever waits and has not been let in came after all who are in.
            bench.look();
            for (number, key, _) in &bench.entering {
                prop_assert!(last_in.get(key).is_none_or(|last| number > last));
            }
        }
        while !bench.inside.is_empty() {
            bench.inside.pop();
            bench.look();
        }
        prop_assert!(bench.entering.is_empty(), "somebody waits forever");
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
    let inside = Arc::new(AtomicUsize::new(0));
    let entered = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..12_u64 {
        let (semaphore, inside, entered) =
            (Arc::clone(&semaphore), Arc::clone(&inside), Arc::clone(&entered));
        let key = if task % 6 == 5 { FairnessKey::Refresh } else { FairnessKey::Caller(task % 6) };
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            for _ in 0..CALLS {
                let patience = Duration::from_micros(random.u64(..300));
                let permit = if random.bool() {
                    tokio::time::timeout(patience, semaphore.acquire(key, Wait::First)).await.ok()
                } else {
                    Some(semaphore.acquire(key, Wait::First).await)
                };
                if let Some(permit) = permit {
                    let permit = permit.unwrap();
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < MAX);
                    entered.fetch_add(1, Ordering::SeqCst);
                    for _ in 0..random.usize(..4) {
                        tokio::task::yield_now().await;
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            }
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await;
    assert!(all.is_ok(), "somebody waits forever");
    assert!(entered.load(Ordering::SeqCst) >= CALLS);
    let state = lock(&semaphore.state);
    assert_eq!((state.in_flight, state.waiting, state.held.len(), state.turns.len()), (0, 0, 0, 0));
}
