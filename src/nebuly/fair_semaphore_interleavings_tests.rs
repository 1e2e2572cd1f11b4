//! The semaphore under a tester that decides who goes on at every lock and every wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::{block_on, spawn, yield_now};

use super::*;

/// Calls of two callers and of refreshes come, wait under one key or under two, are abandoned and end, in any order.
#[test]
fn nobody_waits_forever_and_never_are_more_in_flight() {
    let calls = || {
        let semaphore = Arc::new(FairSemaphore::new(2));
        let in_flight = Arc::new(AtomicUsize::new(0));
        let keys = [FairnessKey::Caller(1), FairnessKey::Caller(2), FairnessKey::Refresh];
        let call = |number: usize, abandoned_after: Option<usize>| {
            let (semaphore, in_flight) = (Arc::clone(&semaphore), Arc::clone(&in_flight));
            async move {
                let of = |position: usize| keys.get(position % 3).copied().unwrap_or(FairnessKey::Refresh);
                let first = semaphore.acquire(of(number), Wait::First);
                let further = semaphore.acquire(of(number + 1), Wait::Further);
                let abandoned = async {
                    match abandoned_after {
                        Some(turns) => {
                            for _ in 0..turns {
                                yield_now().await;
                            }
                        }
                        None => std::future::pending().await,
                    }
                };
                let permit = tokio::select! {
                    permit = first => permit,
                    permit = further, if number.is_multiple_of(2) => permit,
                    () = abandoned => return,
                };
                assert!(permit.is_ok());
                assert!(in_flight.fetch_add(1, Ordering::SeqCst) < 2, "more in flight than the limit");
                yield_now().await;
                in_flight.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let tasks: Vec<_> =
            (0..6).map(|number| spawn(call(number, number.is_multiple_of(3).then_some(number)))).collect();
        for task in tasks {
            block_on(task).unwrap();
        }
        let state = lock(&semaphore.state);
        assert_eq!((state.in_flight, state.waiting), (0, 0));
        assert!(state.held.is_empty() && state.queues.is_empty() && state.turns.is_empty());
    };
    shuttle::check_random(calls, 2_000);
    shuttle::check_pct(calls, 2_000, 3);
}
