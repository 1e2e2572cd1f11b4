//! Calls to Nebuly: the bound on calls in flight, retries, the circuit breaker.

use std::time::{Duration, Instant, SystemTime};

use crate::support::client::{Client, Setup};
use crate::support::{KEY, Nebulink, PATIENCE, stand_in};
use http::{HeaderValue, StatusCode};
use nebulink::demo::{Fault, Matching, StandIn};
use nebulink::domain::{Answer, CallFailure, CallOptions, Cause, FairnessKey};
use nebulink::telemetry::MetricsRegistry;
use tokio::task::JoinSet;

async fn with_conversations(count: usize) -> StandIn {
    let stand_in = stand_in().await;
    for n in 0..count {
        stand_in.add_conversation(KEY, &format!("c{n}"));
    }
    stand_in
}

fn cause(result: Result<Answer, CallFailure>) -> Cause {
    result.unwrap_err().cause
}

fn status(code: u16) -> Fault {
    Fault::status(StatusCode::from_u16(code).unwrap())
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happens")
}

#[tokio::test]
async fn what_may_be_better_soon_is_tried_once_more_and_each_call_is_paid_for() {
    let stand_in = with_conversations(1).await;
    let client = Setup { attempt_timeout: Duration::from_millis(500), ..Setup::default() }.client(&stand_in);
    for fault in [Fault::Drop, Fault::Reset, Fault::Half, Fault::Hang, status(502), status(503), status(504)]
    {
        let (calls, spent) = (stand_in.call_count(), client.spent());
        stand_in.set_fault_for(Matching::any().times(1), fault.clone());
        assert!(client.finds("c0").await, "{fault:?}");
        assert_eq!((stand_in.call_count() - calls, client.spent() - spent), (2, 2), "{fault:?}");
    }
}

#[tokio::test]
async fn a_pooled_connection_that_is_closed_as_it_is_used_again_costs_nobody_an_answer() {
    let stand_in = with_conversations(1).await;
    let client = Setup::default().client(&stand_in);
    assert!(client.finds("c0").await);
    stand_in.set_fault_for(Matching::any().times(1), Fault::Drop);
    assert!(client.finds("c0").await);
}

#[tokio::test]
async fn other_answers_are_not_tried_again() {
    let stand_in = with_conversations(1).await;
    let client = Setup::default().client(&stand_in);
    for fault in [status(500), status(501), status(404), status(403), status(418), Fault::Garbage] {
        let calls = stand_in.call_count();
        stand_in.set_fault(Some(fault.clone()));
        assert!(!client.finds("c0").await);
        assert_eq!(stand_in.call_count() - calls, 1, "{fault:?}");
    }
    assert_eq!(client.spent(), stand_in.call_count());
}

#[tokio::test]
async fn no_more_attempts_are_made_than_are_set_and_none_where_none_are_allowed() {
    let stand_in = with_conversations(1).await;
    stand_in.set_fault(Some(Fault::Drop));
    for (retries, may_retry, calls) in [(0, true, 1), (1, true, 2), (3, true, 4), (3, false, 1)] {
        stand_in.forget_calls();
        let client = Setup { retries, ..Setup::default() }.client(&stand_in);
        let failed = client.ask_with("c0", CallOptions { may_retry, ..client.options() }).await;
        assert_eq!(failed, Err(CallFailure { cause: Cause::Unavailable, status: None }));
        assert_eq!((stand_in.call_count(), client.spent()), (calls, calls));
    }
}

#[tokio::test]
async fn a_nebuly_that_cannot_be_reached_is_tried_again_too() {
    let stand_in = with_conversations(1).await;
    let client = Setup::default().client(&stand_in);
    stand_in.stop().await;
    assert_eq!(cause(client.ask("c0").await), Cause::Unavailable);
    assert_eq!(client.spent(), 2);
}

#[tokio::test]
async fn the_deadline_bounds_everything() {
    let stand_in = with_conversations(1).await;
    let client = Setup::default().client(&stand_in);
    for fault in [Fault::Hang, Fault::Drip { pause: Duration::from_millis(20) }] {
        let calls = stand_in.call_count();
        stand_in.set_fault(Some(fault));
        let began = Instant::now();
        // No call starts with less than a second.
        let options = CallOptions { deadline: began + Duration::from_millis(1200), ..client.options() };
        assert_eq!(cause(client.ask_with("c0", options).await), Cause::Timeout);
        // Far less than the timeout of an attempt, and no second one.
        assert!(began.elapsed() < Duration::from_secs(4));
        assert_eq!(stand_in.call_count() - calls, 1);
    }
    let past = CallOptions { deadline: Instant::now(), ..client.options() };
    assert_eq!(cause(client.ask_with("c0", past).await), Cause::Overloaded { retry_after: None });
    assert_eq!(client.spent(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_cold_links_wait_for_eight_calls_at_once_and_all_are_answered() {
    let stand_in = with_conversations(200).await;
    stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(5))));
    let client = Setup { max_in_flight: 8, ..Setup::default() }.client(&stand_in);
    let mut calls = JoinSet::new();
    for n in 0..200_u64 {
        let asked = client.begin(&format!("c{n}"), FairnessKey::Caller(n % 7));
        calls.spawn(async move { asked.await.unwrap() });
    }
    let answers = soon(calls.join_all()).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Answer::Found(_)))));
    assert_eq!(stand_in.call_count(), 200);
    assert!(stand_in.most_in_flight() <= 8, "{}", stand_in.most_in_flight());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_does_not_become_a_rush_of_calls_that_are_abandoned() {
    let stand_in = with_conversations(200).await;
    stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(300))));
    let setup = Setup { max_in_flight: 4, attempt_timeout: Duration::from_millis(800), ..Setup::default() };
    let client = setup.client(&stand_in);
    let deadline = Instant::now() + Duration::from_millis(1500);
    let asked: Vec<_> = (0..200)
        .map(|n| {
            let options = client.options_of(FairnessKey::Caller(n));
            client.begin_with(&format!("c{n}"), CallOptions { deadline, ..options })
        })
        .collect();
    let mut answered = 0;
    for asked in asked {
        match soon(asked).await.unwrap() {
            Ok(_) => answered += 1,
            Err(failure) => assert_eq!(failure.cause, Cause::Overloaded { retry_after: None }),
        }
    }
    // Each that began had the time to end, and no more began than fit into the time.
    assert_eq!((answered, client.spent()), (stand_in.call_count(), stand_in.call_count()));
    assert!((4..=4 * 1500 / 300).contains(&answered), "{answered}");
    assert!(stand_in.most_in_flight() <= 4, "{}", stand_in.most_in_flight());
}

#[tokio::test]
async fn a_short_deadline_leaves_time_for_a_call() {
    let stand_in = with_conversations(1).await;
    let nebulink = Nebulink::start(&stand_in, &[("nebuly.deadline", "800ms")]).await;
    let answer = nebulink.get("/c/c0").await;
    assert_eq!(answer.header("cache-status"), Some("nebulink; fwd=miss; fwd-status=200; stored"));
}

#[tokio::test]
async fn a_flood_of_one_caller_leaves_room_for_another() {
    let stand_in = with_conversations(101).await;
    stand_in.set_fault(Some(Fault::Hold));
    let client = Setup { max_in_flight: 8, ..Setup::default() }.client(&stand_in);
    let flood: Vec<_> = (0..100).map(|n| client.begin(&format!("c{n}"), FairnessKey::Caller(1))).collect();
    soon(stand_in.wait_for_calls(6)).await;
    let other = client.begin("c100", FairnessKey::Caller(2));
    soon(stand_in.wait_for_calls(7)).await;
    assert_eq!((stand_in.calls_for("c100"), stand_in.in_flight()), (1, 7));
    stand_in.release_held();
    for asked in flood.into_iter().chain([other]) {
        assert!(soon(asked).await.unwrap().is_ok());
    }
    assert!(stand_in.most_in_flight() <= 8);
}

#[tokio::test]
async fn who_waits_until_the_deadline_has_cost_no_call() {
    let stand_in = with_conversations(2).await;
    stand_in.set_fault(Some(Fault::Hold));
    let client = Setup { max_in_flight: 1, ..Setup::default() }.client(&stand_in);
    let first = client.begin("c0", FairnessKey::Caller(1));
    soon(stand_in.wait_for_calls(1)).await;
    let options = CallOptions { deadline: Instant::now() + Duration::from_millis(50), ..client.options() };
    assert_eq!(cause(client.ask_with("c1", options).await), Cause::Overloaded { retry_after: None });
    stand_in.release_held();
    assert!(soon(first).await.unwrap().is_ok());
    assert_eq!((stand_in.calls_for("c1"), client.spent()), (0, 1));
}

#[tokio::test]
async fn retry_after_is_kept_to_in_both_forms() {
    let in_half_a_minute = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
    for (value, seconds) in [("7", 6..=7), (in_half_a_minute.as_str(), 20..=30)] {
        let stand_in = with_conversations(2).await;
        let client = Setup::default().client(&stand_in);
        let throttled = Fault::throttled(HeaderValue::from_str(value).unwrap());
        stand_in.set_fault_for(Matching::any().times(1), throttled);
        let failures = [client.ask("c0").await, client.ask("c1").await].map(Result::unwrap_err);
        assert_eq!(failures.map(|failure| failure.status), [Some(429), None]);
        for failure in failures {
            let Cause::Overloaded { retry_after: Some(told) } = failure.cause else {
                panic!("{failure:?}");
            };
            assert!(seconds.contains(&told), "{told}");
        }
        assert_eq!((stand_in.call_count(), client.spent()), (1, 1));
        client.pass(u64::from(*seconds.end()));
        assert!(client.finds("c1").await);
    }
}

/// Lets ten links fail, which opens the circuit.
async fn open_circuit(stand_in: &StandIn, client: &Client) {
    stand_in.set_fault(Some(status(503)));
    for n in 0..10 {
        assert_eq!(cause(client.ask(&format!("c{n}")).await), Cause::Unavailable);
    }
}

#[tokio::test]
async fn the_circuit_opens_lets_one_call_through_to_see_and_closes() {
    let stand_in = with_conversations(12).await;
    let client = Setup { retries: 0, ..Setup::default() }.client(&stand_in);
    open_circuit(&stand_in, &client).await;
    for _ in 0..20 {
        assert_eq!(cause(client.ask("c10").await), Cause::Overloaded { retry_after: Some(5) });
    }
    assert_eq!((stand_in.call_count(), client.spent()), (10, 10));

    // Still not well: one call, and a longer pause.
    client.pass(5);
    assert_eq!(cause(client.ask("c10").await), Cause::Unavailable);
    assert_eq!(cause(client.ask("c10").await), Cause::Overloaded { retry_after: Some(10) });

    client.pass(10);
    stand_in.set_fault(Some(Fault::Hold));
    let probe = client.begin("c10", FairnessKey::Caller(1));
    soon(stand_in.wait_for_calls(12)).await;
    assert_eq!(cause(client.ask("c11").await), Cause::Overloaded { retry_after: Some(1) });
    stand_in.release_held();
    assert!(soon(probe).await.unwrap().is_ok());
    assert!(client.finds("c11").await);
    assert_eq!(stand_in.call_count(), 13);
}

#[tokio::test]
async fn a_probe_whose_caller_leaves_does_not_keep_the_circuit_open() {
    let stand_in = with_conversations(12).await;
    let client = Setup { retries: 0, ..Setup::default() }.client(&stand_in);
    open_circuit(&stand_in, &client).await;
    client.pass(5);
    stand_in.set_fault(Some(Fault::Hang));
    let probe = client.begin("c10", FairnessKey::Caller(1));
    soon(stand_in.wait_for_calls(11)).await;
    probe.abort();
    assert!(soon(probe).await.is_err());
    stand_in.clear_faults();
    assert!(client.finds("c11").await);
}

#[tokio::test]
async fn callers_who_leave_do_not_open_the_circuit() {
    let stand_in = with_conversations(31).await;
    let client = Setup { retries: 0, ..Setup::default() }.client(&stand_in);
    stand_in.set_fault(Some(Fault::Hang));
    let calls: Vec<_> = (0..30).map(|n| client.begin(&format!("c{n}"), FairnessKey::Caller(n))).collect();
    soon(stand_in.wait_for_calls(30)).await;
    for call in calls {
        call.abort();
        assert!(soon(call).await.is_err());
    }
    stand_in.clear_faults();
    assert!(client.finds("c30").await);
}

#[tokio::test]
async fn answers_that_may_be_the_ids_fault_never_open_the_circuit() {
    let stand_in = with_conversations(1).await;
    let client = Setup::default().client(&stand_in);
    for code in [500, 501, 404, 410, 400, 403, 302] {
        stand_in.set_fault(Some(status(code)));
        for n in 0..30 {
            assert!(!client.finds(&format!("bad{n}")).await);
        }
        stand_in.set_fault(None);
        assert!(client.finds("c0").await, "{code}");
    }
}

#[tokio::test]
async fn one_id_counts_once_however_often_it_fails() {
    let stand_in = with_conversations(2).await;
    let client = Setup { retries: 0, ..Setup::default() }.client(&stand_in);
    stand_in.set_fault_for(Matching::id("c0"), Fault::Drop);
    for _ in 0..40 {
        assert_eq!(cause(client.ask("c0").await), Cause::Unavailable);
    }
    assert!(client.finds("c1").await);
}

#[test]
fn what_happens_is_counted() {
    let metrics = MetricsRegistry::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stand_in = runtime.block_on(with_conversations(1));
    let client = metrics.scope(|| {
        let _entered = runtime.enter();
        Setup::default().client(&stand_in)
    });
    runtime.block_on(async {
        assert!(client.finds("c0").await);
        assert!(!client.finds("unknown").await);
        stand_in.set_fault_for(Matching::any().times(2), status(503));
        assert!(!client.finds("c0").await);
        stand_in.set_fault(Some(Fault::throttled(HeaderValue::from_static("60"))));
        assert!(!client.finds("c0").await);
    });
    let told = metrics.render();
    let value = |name: &str, labels: &[&str]| {
        let fits = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        told.lines().find(fits).unwrap_or_else(|| panic!("{name} {labels:?}\n{told}")).rsplit(' ').next()
    };
    let project = r#"project="default""#;
    for (result, count) in
        [("ok", "1"), ("absent", "1"), ("failed", "2"), ("throttled", "1"), ("timeout", "0")]
    {
        let labels = [project, r#"call="deeplink""#, &format!(r#"result="{result}""#)];
        assert_eq!(value("nebulink_nebuly_requests_total{", &labels), Some(count), "{result}");
    }
    assert_eq!(value("nebulink_nebuly_request_duration_seconds_count", &[project]), Some("5"));
    assert_eq!(value("nebulink_nebuly_in_flight", &[]), Some("0"));
    assert_eq!(value("nebulink_nebuly_circuit_open", &[project]), Some("1"));
    assert_eq!(value("nebulink_nebuly_key_rejected", &[project]), Some("0"));
    let loaded = value("nebulink_nebuly_key_loaded_timestamp_seconds", &[project]).unwrap();
    assert!(loaded.parse::<f64>().unwrap() > 1.7e9, "{loaded}");
    assert_eq!(value("nebulink_nebuly_key_file_errors_total", &[project]), Some("0"));
}
