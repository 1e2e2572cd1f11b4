//! Balances of many callers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { per_second: 1, burst: 3, capacity: 100 };

/// A clock that a test sets, in milliseconds.
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

fn callers(limits: Limits) -> (Callers, Time) {
    let time = Time::default();
    let (millis, start) = (time.0.clone(), Instant::now());
    (Callers::with_clock(limits, move || start + Duration::from_millis(millis.load(Ordering::Relaxed))), time)
}

fn address(number: u32) -> CallerKey<'static> {
    CallerKey::Address(IpAddr::V4(Ipv4Addr::from(number)))
}

/// How many calls a caller can make now.
fn spend_all(callers: &Callers, key: &CallerKey<'_>) -> u32 {
    let tokens = callers.of(key).tokens;
    let mut spent = 0;
    while tokens.afford().is_ok() {
        tokens.spend();
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
    assert_eq!(callers.of(&one).share, callers.of(&one).share);
    assert_ne!(callers.of(&one).share, callers.of(&other).share);
    assert_eq!(callers.of(&one).tokens.afford(), Err(1));
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
fn a_balance_may_go_below_zero() {
    let (callers, time) = callers(LIMITS);
    let tokens = callers.of(&address(1)).tokens;
    (0..8).for_each(|_| tokens.spend());
    assert_eq!(tokens.afford(), Err(6));
    time.pass(5_000);
    assert_eq!(tokens.afford(), Err(1));
    time.pass(1_000);
    assert_eq!(tokens.afford(), Ok(()));
}

#[test]
fn a_flood_of_newcomers_renews_no_balance_and_the_table_stays_bounded() {
    let (callers, time) = callers(LIMITS);
    let debtor = CallerKey::Identity("debtor@example.com");
    callers.of(&debtor).tokens.spend();
    let share = callers.of(&debtor).share;
    (0..1_000).for_each(|_| callers.of(&debtor).tokens.spend());
    for number in 0..200_000 {
        // Each of them has paid back what it spent before the next one comes.
        callers.of(&address(number)).tokens.spend();
        time.pass(1);
    }
    assert_eq!(callers.table.lock().unwrap().len(), LIMITS.capacity);
    assert_eq!(callers.of(&debtor).share, share);
    assert!(callers.of(&debtor).tokens.afford().is_err());
}

#[test]
fn newcomers_to_a_table_full_of_debts_share_one_balance_until_debts_are_paid() {
    let (callers, time) = callers(LIMITS);
    for number in 0..100 {
        assert_eq!(spend_all(&callers, &address(number)), 3);
    }
    assert_eq!(spend_all(&callers, &address(1_000)), 3);
    assert_eq!(spend_all(&callers, &address(1_001)), 0);
    assert_eq!(callers.of(&address(1_002)).share, callers.of(&address(1_003)).share);
    // Those who are known are not touched by that.
    assert_eq!(callers.of(&address(7)).tokens.afford(), Err(1));
    assert_ne!(callers.of(&address(7)).share, callers.of(&address(1_002)).share);
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
    caller.tokens.spend();
    drop(caller.tokens);
    assert_eq!(callers.of(&address(0)).share, caller.share);
    assert_eq!(spend_all(&callers, &address(0)), 2);
}

#[test]
fn one_debtor_among_many_does_not_keep_newcomers_out() {
    let (callers, _time) = callers(LIMITS);
    for number in 0..100 {
        let caller = callers.of(&address(number));
        if number != 99 {
            caller.tokens.spend();
        }
    }
    // All but one owe: it takes a few newcomers until it is found, but then it is.
    let own = (0..20).filter(|number| callers.of(&address(1_000 + number)).share != Share::Caller(0)).count();
    assert!(own >= 1);
}

#[test]
fn each_refusal_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let (callers, _time) = callers(LIMITS);
        spend_all(&callers, &address(1));
        assert!(callers.of(&address(1)).tokens.afford().is_err());
    });
    let text = handle.render();
    assert!(text.contains("nebulink_rate_limited_total 2"), "{text}");
    assert!(text.contains("# HELP nebulink_rate_limited_total "), "{text}");
}

#[test]
fn callers_at_once_spend_each_token_once() {
    let began = Instant::now();
    let callers = Callers::new(Limits { per_second: 1, burst: 1_000, capacity: 10 });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..250).for_each(|_| callers.of(&CallerKey::Identity("one")).tokens.spend()));
        }
    });
    let refused = callers.of(&CallerKey::Identity("one")).tokens.afford();
    // One comes back each second.
    assert!(refused == Err(1) || began.elapsed() >= Duration::from_secs(1), "{refused:?}");
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
        let (callers, time) = callers(Limits { per_second: 2, burst: 4, capacity: 8 });
        let mut passed = 0;
        let mut given = std::collections::HashMap::new();
        for (number, pause) in steps {
            time.pass(pause);
            passed += pause;
            let caller = callers.of(&address(number));
            let who = if caller.share == Share::Caller(NEWCOMERS) { None } else { Some(number) };
            if caller.tokens.afford().is_ok() {
                caller.tokens.spend();
                let given = given.entry(who).or_insert(0_u64);
                *given += 1;
                prop_assert!(*given <= 4 + 2 * passed / 1_000);
            }
            prop_assert!(callers.table.lock().unwrap().len() <= 8);
        }
    }
}
