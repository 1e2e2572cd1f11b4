//! Searches for the newest item with a tag: the pages that are read of Nebuly's listings, and what they cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::captured_log::CapturedLog;
use crate::support::client::Setup;
use crate::support::own_process::in_own_process;
use crate::support::{KEY, ManualClock, PATIENCE, stand_in};
use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use nebulink::demo::{CallKind, Fault, Interaction, ListingOrder, Matching, StandIn};
use nebulink::domain::{
    self, Answer, CallFailure, Caller, CallerKey, Callers as _, Cause, Item, Kind, Tag, TagSearch,
    TaggedItems as _, TimeRange,
};
use nebulink::limits::{RateLimiter, RateLimits};
use nebulink::telemetry::MetricsRegistry;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

/// The words of a person, which nobody may find anywhere.
const CANARY: &str = "canary-my-card-number-is-4711";

/// The end of the window, a whole day after the epoch.
const END: Timestamp = Timestamp::constant(1_719_792_000, 0);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The default of `lookup.window`.
const WINDOW: Duration = Duration::from_secs(90 * 24 * 60 * 60);

const KINDS: [Kind; 2] = [Kind::Interaction, Kind::Conversation];

const ORDERS: [ListingOrder; 3] =
    [ListingOrder::NewestFirst, ListingOrder::OldestFirst, ListingOrder::Shuffled(7)];

type SearchAnswer = Result<Answer<Item<'static>>, CallFailure>;

/// A moment this long before the end of the window.
fn before_end(age: Duration) -> Timestamp {
    END.checked_sub(SignedDuration::try_from(age).unwrap()).unwrap()
}

fn in_domain(time: Timestamp) -> domain::Timestamp {
    domain::Timestamp::from_millis(time.as_millisecond().try_into().unwrap())
}

/// The interaction with the n-th id, in the n-th conversation, with the tag that is searched for.
fn tagged(n: u64, age: Duration) -> Interaction {
    Interaction {
        conversation_id: conversation_id(n),
        timestamp: before_end(age),
        input: CANARY.to_owned(),
        output: CANARY.to_owned(),
        end_user: CANARY.to_owned(),
        tags: [("ticket".to_owned(), "4711".to_owned())].into(),
        ..Interaction::new(Uuid::from_u128(n.into()))
    }
}

fn conversation_id(n: u64) -> String {
    format!("chat {n:08}")
}

fn item(kind: Kind, n: u64) -> Item<'static> {
    match kind {
        Kind::Interaction => Item::Interaction(Uuid::from_u128(n.into())),
        Kind::Conversation => Item::conversation(conversation_id(n)).unwrap().into_owned(),
    }
}

/// A stand-in with tagged interactions of these ages, and one that has another value.
async fn with_items(ages: impl IntoIterator<Item = Duration>) -> StandIn {
    let stand_in = stand_in().await;
    stand_in.add(
        KEY,
        Interaction {
            tags: [("ticket".to_owned(), "4712".to_owned())].into(),
            ..tagged(99_999_999, Duration::ZERO)
        },
    );
    for (n, age) in (1..).zip(ages) {
        stand_in.add(KEY, tagged(n, age));
    }
    stand_in
}

/// Ages that spread this many items evenly over the window, the youngest first. None is where a window is halved.
fn spread(items: u32) -> impl Iterator<Item = Duration> {
    (0..items).map(move |n| WINDOW / items * n + WINDOW / items / 3)
}

fn search(kind: Kind) -> TagSearch {
    let range = TimeRange { start: in_domain(before_end(WINDOW)), end: in_domain(END) };
    TagSearch { tag: Tag::new("ticket", "4711").unwrap(), kind, range }
}

fn found(kind: Kind, n: u64) -> Answer<Item<'static>> {
    Answer::Found(item(kind, n))
}

fn failure(cause: Cause, status: Option<u16>) -> SearchAnswer {
    Err(CallFailure { cause, status })
}

fn status(code: u16) -> Fault {
    Fault::status(StatusCode::from_u16(code).unwrap())
}

/// The questions that were asked since calls were forgotten.
fn questions(stand_in: &StandIn) -> Vec<Value> {
    stand_in.calls().iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
}

/// The pages that were asked for: the days before the end between which they list, and the offset.
fn pages(stand_in: &StandIn) -> Vec<(f64, f64, u64)> {
    let days = |time: &Value| {
        let time: Timestamp = time.as_str().unwrap().parse().unwrap();
        END.duration_since(time).as_secs_f64() / DAY.as_secs_f64()
    };
    let page = |question: &Value| {
        assert_eq!(question["limit"], 50);
        let range = &question["time_range"];
        (days(&range["start"]), days(&range["end"]), question["offset"].as_u64().unwrap())
    };
    questions(stand_in).iter().map(page).collect()
}

#[tokio::test]
async fn the_calls_are_those_that_nebuly_documents() {
    let stand_in = with_items([DAY]).await;
    let client = Setup::default().client(&stand_in);
    for kind in KINDS {
        assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 1)));
    }
    assert_eq!(client.spent(), 2);
    for call in stand_in.calls() {
        assert_eq!((call.method, call.key.as_deref()), (Method::POST, Some(KEY)));
        assert_eq!(call.headers["content-type"], "application/json");
    }
    let targets: Vec<_> = stand_in.calls().into_iter().map(|call| call.target).collect();
    assert_eq!(targets, ["/api/external/get-interactions", "/api/external/get-interaction-aggregates"]);
    let mut question = json!({
        "time_range": {"start": "2024-04-02T00:00:00.000Z", "end": "2024-07-01T00:00:00.000Z"},
        "filters": [{"kind": "tag", "tag": "ticket", "values": ["4711"]}],
        "limit": 50,
        "offset": 0,
    });
    assert_eq!(questions(&stand_in)[0], question);
    question["group_by"] = json!({"kind": "conversation_id"});
    assert_eq!(questions(&stand_in)[1], question);
}

#[tokio::test]
async fn a_tag_that_no_item_has_is_absent() {
    let stand_in = with_items([]).await;
    let client = Setup::default().client(&stand_in);
    for kind in KINDS {
        assert_eq!(client.newest(&search(kind)).await, Ok(Answer::Absent { status: 200 }));
    }
    assert_eq!((stand_in.call_count(), client.spent()), (2, 2));
}

#[tokio::test]
async fn the_newest_is_found_in_any_order_of_as_many_rows_as_five_pages_have() {
    for (items, calls) in [(1, 1), (2, 1), (50, 1), (51, 2), (100, 2), (101, 3), (249, 5), (250, 5)] {
        let stand_in = with_items(spread(items)).await;
        let client = Setup::default().client(&stand_in);
        for (order, kind) in ORDERS.into_iter().flat_map(|order| KINDS.map(|kind| (order, kind))) {
            stand_in.set_listing_order(order);
            stand_in.forget_calls();
            let spent = client.spent();
            assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 1)), "{items} {order:?}");
            assert_eq!((stand_in.call_count(), client.spent() - spent), (calls, calls), "{items} {order:?}");
        }
    }
}

#[tokio::test]
async fn of_items_of_one_time_the_one_with_the_greatest_id_is_the_newest() {
    let stand_in = with_items([DAY; 120]).await;
    let client = Setup::default().client(&stand_in);
    for (order, kind) in ORDERS.into_iter().flat_map(|order| KINDS.map(|kind| (order, kind))) {
        stand_in.set_listing_order(order);
        assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 120)), "{order:?}");
    }
}

#[tokio::test]
async fn a_conversation_is_as_new_as_its_end() {
    let stand_in = with_items([DAY, DAY * 2]).await;
    stand_in.add(KEY, Interaction { conversation_id: conversation_id(2), ..tagged(3, DAY / 2) });
    let client = Setup::default().client(&stand_in);
    assert_eq!(client.newest(&search(Kind::Conversation)).await, Ok(found(Kind::Conversation, 2)));
    assert_eq!(client.newest(&search(Kind::Interaction)).await, Ok(found(Kind::Interaction, 3)));
}

#[tokio::test]
async fn a_window_with_too_many_rows_is_halved_until_they_can_be_read() {
    let half = |days: f64| (days, 0.0, 0);
    for (items, expected) in [
        (251, vec![half(90.0), half(45.0), (45.0, 0.0, 50), (45.0, 0.0, 100)]),
        (400, vec![half(90.0), half(45.0), (45.0, 0.0, 50), (45.0, 0.0, 100), (45.0, 0.0, 150)]),
        // Half of them would be five pages, and four are left.
        (500, vec![half(90.0), half(45.0), half(22.5), (22.5, 0.0, 50), (22.5, 0.0, 100)]),
        (800, vec![half(90.0), half(45.0), half(22.5), half(11.25), (11.25, 0.0, 50)]),
    ] {
        let stand_in = with_items(spread(items)).await;
        let client = Setup::default().client(&stand_in);
        for (order, kind) in ORDERS.into_iter().flat_map(|order| KINDS.map(|kind| (order, kind))) {
            stand_in.set_listing_order(order);
            stand_in.forget_calls();
            assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 1)), "{items} {order:?}");
            assert_eq!(pages(&stand_in), expected, "{items} {order:?}");
        }
    }
}

#[tokio::test]
async fn of_ten_thousand_rows_both_ends_of_the_last_half_are_read() {
    let stand_in = with_items(spread(10_000)).await;
    let client = Setup::default().client(&stand_in);
    for kind in KINDS {
        for order in [ListingOrder::NewestFirst, ListingOrder::OldestFirst] {
            stand_in.set_listing_order(order);
            stand_in.forget_calls();
            let began = Instant::now();
            assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 1)), "{order:?}");
            println!("five pages of 10,000 items took {:?}", began.elapsed());
            let halves = [90.0, 45.0, 22.5, 11.25].map(|days| (days, 0.0, 0));
            let pages = pages(&stand_in);
            assert_eq!(pages[..4], halves, "{order:?}");
            assert!(matches!(pages[4..], [(11.25, 0.0, 1200)]), "{pages:?}");
        }
    }
    assert_eq!(client.spent(), 20);
}

#[tokio::test]
async fn a_newer_half_without_rows_gives_way_to_the_older_one() {
    // All within the first 20 days of the window, so no row is in the newest half, nor in that of the older one.
    let oldest = |n: u32| DAY * 70 + DAY * 20 / 300 * n;
    let stand_in = with_items((0..300).map(oldest)).await;
    let client = Setup::default().client(&stand_in);
    for kind in KINDS {
        for order in [ListingOrder::NewestFirst, ListingOrder::OldestFirst] {
            stand_in.set_listing_order(order);
            stand_in.forget_calls();
            assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 1)), "{order:?}");
            let pages = pages(&stand_in);
            let asked = [(90.0, 0.0, 0), (45.0, 0.0, 0), (67.5, 45.0, 0), (78.75, 67.5, 0)];
            assert_eq!(pages[..4], asked, "{order:?}");
            assert!(matches!(pages[4..], [(78.75, 67.5, 50..)]), "{pages:?}");
        }
    }
}

#[tokio::test]
async fn a_nebuly_that_gives_fewer_rows_than_it_is_asked_for_is_read_to_the_end_all_the_same() {
    let stand_in = stand_in().await;
    let client = Setup::default().client(&stand_in);
    let page = |offset: usize, ns: &[u64]| {
        let row = |n: &u64| json!({"id": item(Kind::Interaction, *n).id(), "timestamp": before_end(DAY / 2_u32.pow((*n).try_into().unwrap())).to_string()});
        let rows: Vec<_> = ns.iter().map(row).collect();
        let body = json!({"total": 5, "offset": offset, "limit": 2, "data": rows});
        stand_in.set_fault_for(Matching::page_at(offset), Fault::Body(body.to_string()));
    };
    page(0, &[1, 2]);
    page(2, &[3, 5]);
    page(4, &[4]);
    assert_eq!(client.newest(&search(Kind::Interaction)).await, Ok(found(Kind::Interaction, 5)));
    assert_eq!(client.spent(), 3);
    // Nor is a count that is too high a reason to ask for ever.
    page(4, &[]);
    assert_eq!(client.newest(&search(Kind::Interaction)).await, Ok(found(Kind::Interaction, 5)));
    // Rows that are counted, and none of them there, are no listing.
    page(0, &[]);
    let refused = failure(Cause::BadAnswer, Some(200));
    assert_eq!(client.newest(&search(Kind::Interaction)).await, refused);
}

#[tokio::test]
async fn rows_without_an_id_are_skipped_wherever_they_are() {
    let stand_in = stand_in().await;
    let client = Setup::default().client(&stand_in);
    let time = END.to_string();
    let rows = json!([
        {"id": "no-uuid", "group_name": "..", "timestamp": time, "end_session": time},
        {"id": item(Kind::Interaction, 1).id(), "group_name": conversation_id(1)},
        {"timestamp": time, "end_session": time},
    ]);
    let body = json!({"total": 3, "offset": 0, "limit": 50, "data": rows}).to_string();
    stand_in.set_fault(Some(Fault::Body(body)));
    for kind in KINDS {
        assert_eq!(client.newest(&search(kind)).await, Ok(found(kind, 1)));
    }
    stand_in.set_fault(Some(Fault::Body(json!({"total": 1, "data": [{}]}).to_string())));
    assert_eq!(client.newest(&search(Kind::Interaction)).await, Ok(Answer::Absent { status: 200 }));
}

/// The newest of the rows that the stand-in lists on these pages.
async fn newest_of(stand_in: &StandIn, questions: &[Value]) -> Option<String> {
    let mut rows = Vec::new();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for question in questions {
        let answer = client
            .post(format!("{}/get-interactions", stand_in.api_base_url()))
            .bearer_auth(KEY)
            .body(question.to_string())
            .send();
        let body: Value = serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap();
        rows.extend(body["data"].as_array().unwrap().iter().map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("timestamp").parse::<Timestamp>().unwrap(), text("id"))
        }));
    }
    rows.into_iter().max().map(|(_, id)| id)
}

#[test]
fn what_is_found_is_the_newest_of_what_was_read_and_of_all_if_the_order_is_one() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Groups of items, as bursts and pauses make them: how many, and when the group begins and ends.
    let minute = 0_u32..90 * 24 * 60;
    let groups = prop::collection::vec((1_u32..220, minute.clone(), minute), 0..5);
    proptest!(ProptestConfig::with_cases(48), |(groups in groups, order in 0_usize..3, seed in any::<u64>())| {
        let order = [ListingOrder::NewestFirst, ListingOrder::OldestFirst, ListingOrder::Shuffled(seed)][order];
        let ages: Vec<_> = groups
            .iter()
            .flat_map(|(items, one, other)| {
                let (start, length) = (one.min(other), one.abs_diff(*other));
                (0..*items).map(move |n| Duration::from_secs(60) * (start + length * n / items))
            })
            .collect();
        runtime.block_on(async {
            let stand_in = with_items(ages.iter().copied()).await;
            stand_in.set_listing_order(order);
            let client = Setup::default().client(&stand_in);
            let answer = client.newest(&search(Kind::Interaction)).await;
            let Ok(answer) = answer else { return Err(TestCaseError::fail(format!("{answer:?}"))) };
            let (asked, calls) = (questions(&stand_in), stand_in.call_count());
            prop_assert!(calls <= 5 && client.spent() == calls, "{calls} calls");
            let found = match answer {
                Answer::Found(item) => Some(item.id().into_owned()),
                Answer::Absent { .. } => None,
            };
            prop_assert_eq!(&found, &newest_of(&stand_in, &asked).await);
            if ages.len() <= 250 || !matches!(order, ListingOrder::Shuffled(_)) {
                let newest = (1_u64..).zip(&ages).map(|(n, age)| (std::cmp::Reverse(age), n)).max();
                let newest = newest.map(|(_, n)| item(Kind::Interaction, n).id().into_owned());
                prop_assert_eq!(found, newest);
            }
            Ok(())
        })?;
    });
}

#[tokio::test]
async fn no_failure_is_tried_again_and_each_says_why() {
    let stand_in = with_items(spread(60)).await;
    let absent = |status| Ok(Answer::Absent { status });
    for (fault, expected) in [
        (status(401), failure(Cause::KeyRejected, Some(401))),
        (status(404), absent(404)),
        (status(403), absent(403)),
        (status(422), absent(422)),
        (status(500), failure(Cause::Unavailable, Some(500))),
        (status(503), failure(Cause::Unavailable, Some(503))),
        (Fault::Drop, failure(Cause::Unavailable, None)),
        (Fault::Reset, failure(Cause::Unavailable, None)),
        (Fault::Half, failure(Cause::Unavailable, Some(200))),
        (Fault::Garbage, failure(Cause::BadAnswer, Some(200))),
        (Fault::Body("[]".to_owned()), failure(Cause::BadAnswer, Some(200))),
        (Fault::RedirectTo("/api/external/elsewhere".to_owned()), failure(Cause::BadAnswer, Some(302))),
        (
            Fault::throttled(HeaderValue::from_static("7")),
            failure(Cause::Overloaded { retry_after: Some(7) }, Some(429)),
        ),
    ] {
        for kind in KINDS {
            stand_in.forget_calls();
            stand_in.set_fault_for(Matching::page_at(0), fault.clone());
            let client = Setup { retries: 3, ..Setup::default() }.client(&stand_in);
            assert_eq!(client.newest(&search(kind)).await, expected, "{fault:?}");
            assert_eq!((stand_in.call_count(), client.spent()), (1, 1), "{fault:?}");
            // Nor is anything given out that is on the pages before one that fails.
            stand_in.clear_faults();
            stand_in.set_fault_for(Matching::page_at(50), fault.clone());
            let client = Setup { retries: 3, ..Setup::default() }.client(&stand_in);
            let expected = match expected {
                Ok(Answer::Absent { status }) => failure(Cause::BadAnswer, Some(status)),
                ref expected => expected.clone(),
            };
            assert_eq!(client.newest(&search(kind)).await, expected, "{fault:?}");
            assert_eq!((stand_in.call_count(), client.spent()), (3, 2), "{fault:?}");
            stand_in.clear_faults();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_page_ends_the_search_at_its_deadline() {
    let stand_in = with_items(spread(250)).await;
    let second = Duration::from_secs(1);
    let wait = async |setup: Setup| {
        let client = setup.client(&stand_in);
        let began = Instant::now();
        let failure = client.newest(&search(Kind::Interaction)).await.unwrap_err();
        (failure.cause, client.spent(), began.elapsed())
    };
    stand_in.set_fault_for(Matching::page_at(50), Fault::Hang);
    let (cause, spent, took) = wait(Setup { deadline: second, ..Setup::default() }).await;
    assert_eq!((cause, spent), (Cause::Timeout, 2));
    assert!((second / 2..second * 4).contains(&took), "{took:?}");
    // Each page has the time of an attempt.
    let (cause, spent, took) = wait(Setup { attempt_timeout: second / 5, ..Setup::default() }).await;
    assert_eq!((cause, spent), (Cause::Timeout, 2));
    assert!(took < second * 4, "{took:?}");
    // The deadline is that of all pages together, and none begins that could not end.
    stand_in.set_fault_for(Matching::page_at(50), Fault::Delay(second * 2 / 5));
    stand_in.set_fault_for(Matching::page_at(0), Fault::Delay(second * 2 / 5));
    let (cause, spent, took) = wait(Setup { deadline: second, ..Setup::default() }).await;
    assert!(spent < 4 && took < second * 3, "{spent} calls in {took:?}");
    assert!(matches!(cause, Cause::Timeout | Cause::Overloaded { retry_after: None }), "{cause:?}");
}

#[tokio::test]
async fn a_page_of_more_than_four_mebibytes_is_not_read() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let stand_in = stand_in().await;
    let client = Setup::default().client(&stand_in);
    let of_size = |size: usize| {
        let row = |text: &str| json!({"total": 1, "data": [{"id": item(Kind::Interaction, 1).id(), "input_text": text}]});
        row(&"x".repeat(size - row("").to_string().len())).to_string()
    };
    stand_in.set_fault(Some(Fault::Body(of_size(LIMIT))));
    let search = search(Kind::Interaction);
    let began = Instant::now();
    assert_eq!(client.newest(&search).await, Ok(found(Kind::Interaction, 1)));
    println!("a page of {LIMIT} bytes took {:?}", began.elapsed());
    let refused = failure(Cause::BadAnswer, Some(200));
    for fault in [Fault::Body(of_size(LIMIT + 1)), Fault::Huge { bytes: 16 * LIMIT }] {
        stand_in.set_fault(Some(fault));
        assert_eq!(client.newest(&search).await, refused);
    }
}

/// A caller with this many tokens, whose balance may go this far below zero.
fn caller_with(tokens: u32, overdraft: u32) -> Caller {
    let limits = RateLimits { per_second: 1, burst: tokens, overdraft, capacity: 10 };
    // Its clock stands still.
    RateLimiter::new(limits, Arc::new(ManualClock::default())).of(&CallerKey::Identity("somebody"))
}

#[tokio::test]
async fn a_search_that_has_begun_is_finished_and_none_begins_without_a_token() {
    let stand_in = with_items(spread(250)).await;
    let client = Setup::default().client(&stand_in);
    let search = search(Kind::Interaction);
    let caller = caller_with(2, 3);
    assert_eq!(client.tags.newest(&search, &caller).await, Ok(found(Kind::Interaction, 1)));
    assert_eq!(stand_in.call_count(), 5);
    // Three are owed, and one must be there again.
    let refused = failure(Cause::RateLimited { retry_after: 4 }, None);
    assert_eq!(client.tags.newest(&search, &caller).await, refused);
    assert_eq!(stand_in.call_count(), 5);
}

#[tokio::test]
async fn a_further_page_waits_for_its_token_and_not_longer_than_the_deadline() {
    let stand_in = with_items(spread(100)).await;
    let client = Setup { deadline: Duration::from_secs(4), ..Setup::default() }.client(&stand_in);
    let search = search(Kind::Interaction);
    let began = Instant::now();
    assert_eq!(client.tags.newest(&search, &caller_with(1, 0)).await, Ok(found(Kind::Interaction, 1)));
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    let client = Setup { deadline: Duration::from_secs(1), ..Setup::default() }.client(&stand_in);
    let refused = failure(Cause::RateLimited { retry_after: 1 }, None);
    assert_eq!(client.tags.newest(&search, &caller_with(1, 0)).await, refused);
    assert_eq!(stand_in.call_count(), 3);
}

#[tokio::test]
async fn who_leaves_has_the_token_back_of_a_page_that_was_not_asked_for() {
    let stand_in = with_items(spread(100)).await;
    stand_in.set_fault(Some(Fault::Hold));
    let client = Setup { max_in_flight: 4, ..Setup::default() }.client(&stand_in);
    let search = search(Kind::Interaction);
    let first = tokio::spawn({
        let (client, search) = (client.clone(), search.clone());
        async move { client.newest(&search).await }
    });
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    let caller = caller_with(1, 0);
    {
        let mut waiting = Box::pin(client.tags.newest(&search, &caller));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(caller.rate_limit.try_acquire(1).is_err());
    }
    assert!(caller.rate_limit.try_acquire(1).is_ok());
    stand_in.release_held();
    assert_eq!(first.await.unwrap(), Ok(found(Kind::Interaction, 1)));
    assert_eq!((stand_in.call_count(), client.spent()), (2, 2));
}

#[test]
fn listings_share_the_circuit_breaker_of_details_and_have_their_own_labels() {
    let metrics = MetricsRegistry::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stand_in = runtime.block_on(with_items(spread(60)));
    let client = metrics.scope(|| {
        let _entered = runtime.enter();
        Setup { retries: 0, ..Setup::default() }.client(&stand_in)
    });
    let open = failure(Cause::Overloaded { retry_after: Some(5) }, None);
    runtime.block_on(async {
        stand_in.set_fault_for(Matching::page_at(50), Fault::Drop);
        // Several pages of one search count once, by the last of them.
        for n in 0..10 {
            let tag = Tag::new("ticket", format!("{n}")).unwrap();
            stand_in.set_fault_for(Matching::page_at(0).times(1), Fault::Drop);
            let answer = client.newest(&TagSearch { tag, ..search(Kind::Interaction) }).await;
            assert_eq!(answer, failure(Cause::Unavailable, None));
        }
        assert_eq!(client.newest(&search(Kind::Conversation)).await, open);
        let details = client.details_of(&item(Kind::Interaction, 1)).await.unwrap_err();
        assert_eq!(details.cause, Cause::Overloaded { retry_after: Some(5) });
        assert_eq!((stand_in.call_count(), client.spent()), (10, 10));
        assert!(client.finds(&conversation_id(1)).await);

        client.pass(5);
        stand_in.clear_faults();
        assert_eq!(client.newest(&search(Kind::Conversation)).await, Ok(found(Kind::Conversation, 1)));
        assert_eq!(client.newest(&search(Kind::Interaction)).await, Ok(found(Kind::Interaction, 1)));
    });
    let told = metrics.render();
    for (call, result, count) in [
        ("get_interactions", "ok", 2),
        ("get_interactions", "failed", 10),
        ("get_interaction_aggregates", "ok", 2),
        ("deeplink", "ok", 1),
    ] {
        let series = format!(
            "nebulink_nebuly_requests_total{{project=\"default\",call=\"{call}\",result=\"{result}\"}} {count}\n"
        );
        assert!(told.contains(&series), "{series}{told}");
    }
    assert!(told.contains("nebulink_nebuly_in_flight 0\n") && !told.contains("4711"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_listings_take_a_quarter_of_the_calls_and_stop_no_redirect() {
    const MAX: usize = 16;
    let stand_in = with_items(spread(100)).await;
    stand_in.set_fault_for(Matching::kind(CallKind::GetInteractions), Fault::Hold);
    let client = Setup { max_in_flight: MAX, ..Setup::default() }.client(&stand_in);
    let begin = |n: u64| {
        let (client, search) = (client.clone(), search(Kind::Interaction));
        let caller = client.caller(domain::FairnessKey::Caller(n));
        tokio::spawn(async move { client.tags.newest(&search, &caller).await })
    };
    let flood: Vec<_> = (0..20).map(begin).collect();
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(MAX / 4)).await.unwrap();
    for n in 1..=50 {
        assert!(client.finds(&conversation_id(n)).await);
    }
    assert_eq!(stand_in.in_flight(), MAX / 4);
    stand_in.release_held();
    for search in flood {
        assert_eq!(search.await.unwrap(), Ok(found(Kind::Interaction, 1)));
    }
    assert!(stand_in.most_in_flight() <= MAX / 4 + 1, "{}", stand_in.most_in_flight());
}

#[tokio::test]
async fn a_key_that_was_replaced_is_read_again_between_two_pages() {
    let stand_in = with_items(spread(51)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, KEY).unwrap();
    let key = nebulink::nebuly::ApiKeySource::File((&path).into());
    let client = Setup { key, ..Setup::default() }.client(&stand_in);
    // It is replaced in the file, and rejected only from the second page on.
    std::fs::write(&path, "nk-rotated").unwrap();
    stand_in.set_fault_for(Matching::page_at(50).times(1), status(401));
    let last_page = json!({"total": 51, "data": [{"id": item(Kind::Interaction, 51).id()}]});
    stand_in.set_fault_for(Matching::key("nk-rotated"), Fault::Body(last_page.to_string()));
    assert_eq!(client.newest(&search(Kind::Interaction)).await, Ok(found(Kind::Interaction, 1)));
    assert_eq!((stand_in.call_count(), client.spent()), (3, 3));
}

#[tokio::test]
async fn neither_what_people_wrote_nor_the_value_is_kept_or_logged() {
    if !in_own_process(neither_what_people_wrote_nor_the_value_is_kept_or_logged) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = with_items(spread(60)).await;
    let value = "canary-value";
    for n in 1..=60 {
        let tags = [("ticket".to_owned(), value.to_owned())].into();
        stand_in.add(KEY, Interaction { tags, ..tagged(n, DAY) });
    }
    let client = Setup::default().client(&stand_in);
    let search_of = |kind| TagSearch { tag: Tag::new("ticket", value).unwrap(), ..search(kind) };
    for kind in KINDS {
        let answer = client.newest(&search_of(kind)).await;
        assert_eq!(answer, Ok(found(kind, 60)));
        assert!(!format!("{answer:?} {:?}", search_of(kind)).contains("canary"));
    }
    let broken = [
        format!(r#"{{"total": 1, "data": [{{"input_text": "{CANARY}", "id": {CANARY}}}]}}"#),
        format!(r#"{{"total": "{CANARY}", "data": []}}"#),
        format!(r#"{{"total": 1, "data": [{{"id": "{CANARY}"#),
        CANARY.to_owned(),
        format!(r#"{{"{CANARY}": 1}} {CANARY}"#),
    ];
    for body in broken {
        stand_in.set_fault(Some(Fault::Body(body)));
        let failure = client.newest(&search_of(Kind::Interaction)).await;
        assert!(failure.is_err() && !format!("{failure:?}").contains("canary"), "{failure:?}");
    }
    // An id that is none, with all that is around it.
    let unknown = json!({"total": 1, "data": [{"id": CANARY, "timestamp": CANARY, "group_name": format!("{CANARY}\n")}]});
    stand_in.set_fault(Some(Fault::Body(unknown.to_string())));
    for kind in KINDS {
        assert_eq!(client.newest(&search_of(kind)).await, Ok(Answer::Absent { status: 200 }));
    }
    stand_in.set_fault(None);
    stand_in.set_fault_for(Matching::page_at(50), status(404));
    assert!(client.newest(&search_of(Kind::Interaction)).await.is_err());
    stand_in.set_fault(Some(Fault::throttled(HeaderValue::from_static("7"))));
    assert!(client.newest(&search_of(Kind::Interaction)).await.is_err());
    log.line("circuit breaker opened").await;
    let log = log.text();
    for line in ["failed to search for a tag", "the body is no listing in JSON", "a further page was refused"]
    {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("canary"), "{log}");
}
