//! Balances of many callers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::telemetry::MetricsRegistry;
use proptest::prelude::*;

use super::*;
use crate::domain::Timestamp;

const LIMITS: RateLimits = RateLimits { per_second: 1, burst: 3, overdraft: 0, capacity: 100 };

/// A clock that a test sets, in milliseconds.
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Time {
    fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

fn callers(limits: RateLimits) -> (RateLimiter, Time) {
    let time = Time::default();
    (RateLimiter::new(limits, Arc::new(time.clone())), time)
}

fn address(number: u32) -> CallerKey<'static> {
    CallerKey::Address(IpAddr::V4(Ipv4Addr::from(number)))
}

/// How many calls a caller can make now.
fn spend_all(callers: &RateLimiter, key: &CallerKey<'_>) -> u32 {
    let rate_limit = callers.of(key).rate_limit;
    let mut spent = 0;
    while rate_limit.try_acquire(1).is_ok() {
        spent += 1;
    }
    spent
}

#[test]
fn each_caller_has_a_balance_of_its_own_and_a_number_that_stays() {
    let (callers, time) = callers(LIMITS);
    let (one, other) = (CallerKey::Identity("one@example.com"), CallerKey::Identity("other@example.com"));
    assert_eq!(spend_all(&callers, &one), 3);
    assert_eq!(spend_all(&callers, &one), 0);
    assert_eq!(spend_all(&callers, &other), 3);
    assert_eq!(callers.of(&one).fairness_key, callers.of(&one).fairness_key);
    assert_ne!(callers.of(&one).fairness_key, callers.of(&other).fairness_key);
    assert_eq!(callers.of(&one).rate_limit.try_acquire(1), Err(Duration::from_secs(1)));
    time.pass(1_000);
    assert_eq!(spend_all(&callers, &one), 1);
}

#[test]
fn with_an_api_token_both_limits_are_ten_times_as_high() {
    let (callers, time) = callers(LIMITS);
    for key in [CallerKey::ApiToken("robot"), CallerKey::IdentityWithApiToken("one@example.com")] {
        assert_eq!(spend_all(&callers, &key), 30);
    }
    assert_eq!(spend_all(&callers, &CallerKey::Identity("one@example.com")), 3);
    time.pass(1_000);
    assert_eq!(spend_all(&callers, &CallerKey::ApiToken("robot")), 10);
}

#[test]
fn a_balance_goes_below_zero_by_one_resolution_and_what_was_not_made_is_given_back() {
    let (callers, time) = callers(LIMITS);
    let rate_limit = callers.of(&address(1)).rate_limit;
    assert_eq!(rate_limit.try_acquire(8), Ok(()));
    assert_eq!(rate_limit.try_acquire(1), Err(Duration::from_secs(6)));
    rate_limit.release(6);
    assert_eq!(rate_limit.try_acquire(8), Ok(()));
    time.pass(7_999);
    assert!(rate_limit.try_acquire(1).is_err());
    time.pass(1);
    assert_eq!(rate_limit.try_acquire(1), Ok(()));
}

#[test]
fn further_calls_get_their_tokens_one_after_the_other_as_they_come_back() {
    let (callers, _time) = callers(LIMITS);
    let rate_limit = callers.of(&address(1)).rate_limit;
    let waits: Vec<_> = (0..6).map(|_| rate_limit.acquire(Duration::from_secs(2))).collect();
    let seconds = Duration::from_secs;
    assert_eq!(waits[..5], [0, 0, 0, 1, 2].map(|wait| Ok(seconds(wait))));
    // Nothing was taken for the one that would come too late.
    assert_eq!(waits[5], Err(seconds(3)));
    assert_eq!(rate_limit.acquire(seconds(3)), Ok(seconds(3)));
}

#[test]
fn further_calls_of_one_resolution_do_not_wait() {
    let (callers, _time) = callers(RateLimits { overdraft: 2, ..LIMITS });
    let rate_limit = callers.of(&address(1)).rate_limit;
    rate_limit.try_acquire(3).unwrap();
    let waits = [(); 3].map(|()| rate_limit.acquire(Duration::MAX).unwrap());
    assert_eq!(waits, [0, 0, 1].map(Duration::from_secs));
    assert!(rate_limit.try_acquire(1).is_err());
}

#[test]
fn a_flood_of_newcomers_renews_no_balance_and_the_table_stays_bounded() {
    let (callers, time) = callers(LIMITS);
    let debtor = CallerKey::Identity("debtor@example.com");
    callers.of(&debtor).rate_limit.acquire(Duration::MAX).unwrap();
    let fairness_key = callers.of(&debtor).fairness_key;
    for _ in 0..1_000 {
        callers.of(&debtor).rate_limit.acquire(Duration::MAX).unwrap();
    }
    for number in 0..200_000 {
        // Each of them has paid back what it spent before the next one comes.
        callers.of(&address(number)).rate_limit.acquire(Duration::MAX).unwrap();
        time.pass(1);
    }
    assert_eq!(callers.table.lock().accounts.len(), LIMITS.capacity);
    assert_eq!(callers.of(&debtor).fairness_key, fairness_key);
    assert!(callers.of(&debtor).rate_limit.try_acquire(1).is_err());
}

#[test]
fn newcomers_to_a_table_full_of_debts_share_one_balance_until_debts_are_paid() {
    let (callers, time) = callers(LIMITS);
    for number in 0..100 {
        assert_eq!(spend_all(&callers, &address(number)), 3);
    }
    assert_eq!(spend_all(&callers, &address(1_000)), 3);
    assert_eq!(spend_all(&callers, &address(1_001)), 0);
    assert_eq!(callers.of(&address(1_002)).fairness_key, callers.of(&address(1_003)).fairness_key);
    // Those who are known are not touched by that.
    assert_eq!(callers.of(&address(7)).rate_limit.try_acquire(1), Err(Duration::from_secs(1)));
    assert_ne!(callers.of(&address(7)).fairness_key, callers.of(&address(1_002)).fairness_key);
    time.pass(3_000);
    assert_eq!(spend_all(&callers, &address(1_004)), 3);
    assert_eq!(spend_all(&callers, &address(1_005)), 3);
}

#[test]
fn a_caller_whose_request_is_under_way_is_not_forgotten() {
    let (callers, _time) = callers(LIMITS);
    let caller = callers.of(&address(0));
    for number in 1..1_000 {
        drop(callers.of(&address(number)));
    }
    caller.rate_limit.try_acquire(1).unwrap();
    drop(caller.rate_limit);
    assert_eq!(callers.of(&address(0)).fairness_key, caller.fairness_key);
    assert_eq!(spend_all(&callers, &address(0)), 2);
}

#[test]
fn one_debtor_among_many_does_not_keep_newcomers_out() {
    let (callers, _time) = callers(LIMITS);
    for number in 0..100 {
        let caller = callers.of(&address(number));
        if number != 99 {
            caller.rate_limit.try_acquire(1).unwrap();
        }
    }
    // All but one owe: it takes a few newcomers until it is found, but then it is.
    let own = (0..20)
        .filter(|number| callers.of(&address(1_000 + number)).fairness_key != FairnessKey::Caller(0))
        .count();
    assert!(own >= 1);
}

#[test]
fn each_refusal_is_counted() {
    let metrics = MetricsRegistry::new();
    metrics.scope(|| {
        let (callers, _time) = callers(LIMITS);
        spend_all(&callers, &address(1));
        assert!(callers.of(&address(1)).rate_limit.try_acquire(1).is_err());
    });
    let text = metrics.render();
    assert!(text.contains("nebulink_rate_limited_total 2"), "{text}");
    assert!(text.contains("# HELP nebulink_rate_limited_total "), "{text}");
}

#[test]
fn callers_at_once_take_each_token_once() {
    let (callers, _time) = callers(RateLimits { per_second: 1, burst: 1_000, overdraft: 0, capacity: 10 });
    let taken = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = spend_all(&callers, &CallerKey::Identity("one"));
                taken.fetch_add(own.into(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(taken.into_inner(), 1_000);
}

#[test]
fn nobody_is_named_in_debug_output() {
    let (callers, _time) = callers(LIMITS);
    drop(callers.of(&CallerKey::Identity("one@example.com")));
    assert!(!format!("{callers:?}").contains("example"));
}

proptest! {
    /// Whatever callers come in whatever order: none is given more than its burst and what came back, unless it shares
    /// the balance of the newcomers.
    #[test]
    fn no_order_of_callers_gives_one_of_them_more_than_its_due(
        steps in prop::collection::vec((0_u32..40, 0_u64..300), 1..400)
    ) {
        let (callers, time) = callers(RateLimits { per_second: 2, burst: 4, overdraft: 0, capacity: 8 });
        let mut passed = 0;
        let mut given = std::collections::HashMap::new();
        for (number, pause) in steps {
            time.pass(pause);
            passed += pause;
            let caller = callers.of(&address(number));
            let who = if caller.fairness_key == FairnessKey::Caller(NEWCOMERS) { None } else { Some(number) };
            if caller.rate_limit.try_acquire(1).is_ok() {
                let given = given.entry(who).or_insert(0_u64);
                *given += 1;
                prop_assert!(*given <= 4 + 2 * passed / 1_000);
            }
            prop_assert!(callers.table.lock().accounts.len() <= 8);
        }
    }
}
