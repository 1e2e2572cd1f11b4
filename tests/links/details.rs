//! Details of items: the calls for them, what is read of the answers, and what they cost callers and redirects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::captured_log::CapturedLog;
use crate::support::client::{Client, Setup};
use crate::support::own_process::in_own_process;
use crate::support::{KEY, ManualClock, PATIENCE, key_of, stand_in, stand_in_with};
use http::{HeaderValue, Method, StatusCode};
use nebulink::background_runtime::BackgroundRuntime;
use nebulink::cache::{MemoryCache, MemoryDetailsCache};
use nebulink::demo::{CallKind, Fault, Interaction, Matching, StandIn};
use nebulink::domain::{
    AllowedHosts, Answer, CallFailure, Caller, CallerKey, Callers as _, Cause, Construction, DetailFields,
    DetailValue, Details, FairnessKey, Item, ItemDetails as _, LazyCaller, Lifetimes, PlainValue,
    ProjectIndex,
};
use nebulink::limits::{RateLimiter, RateLimits};
use nebulink::nebuly::ApiKeySource;
use nebulink::resolver::{Construct, Policy, Resolver, ResolverDependencies, ResolverDetails};
use nebulink::telemetry::MetricsRegistry;
use url::Url;
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e");

/// The words of a person, which nobody may find anywhere.
const CANARY: &str = "canary-my-card-number-is-4711";

type DetailsAnswer = Result<Answer<DetailFields>, CallFailure>;

/// A stand-in with an interaction in the conversation `c0`, and further conversations.
async fn with_items(conversations: usize) -> StandIn {
    let stand_in = stand_in().await;
    let mut tags = std::collections::BTreeMap::new();
    tags.insert("ticket".to_owned(), CANARY.to_owned());
    stand_in.add(
        KEY,
        Interaction {
            conversation_id: "c0".to_owned(),
            input: CANARY.to_owned(),
            output: CANARY.to_owned(),
            end_user: CANARY.to_owned(),
            topic: "delivery".to_owned(),
            tags,
            ..Interaction::new(ID)
        },
    );
    for n in 1..conversations {
        stand_in.add_conversation(KEY, &format!("c{n}"));
    }
    stand_in
}

fn interaction() -> Item<'static> {
    Item::Interaction(ID)
}

fn conversation(id: &str) -> Item<'static> {
    Item::conversation(id).unwrap().into_owned()
}

fn status(code: u16) -> Fault {
    Fault::status(StatusCode::from_u16(code).unwrap())
}

fn details_of_conversations() -> Matching {
    Matching::kind(CallKind::ConversationDetail)
}

fn text(text: &str) -> DetailValue {
    DetailValue::Plain(PlainValue::Text(text.to_owned()))
}

fn is_found(answer: &DetailsAnswer) -> bool {
    matches!(answer, Ok(Answer::Found(_)))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happens")
}

#[tokio::test]
async fn the_allowed_fields_of_both_kinds_are_read_in_the_order_of_the_operator() {
    let stand_in = with_items(1).await;
    let client = Setup::default().client(&stand_in);
    let read = async |item: Item<'static>| {
        let Ok(Answer::Found(fields)) = client.details_of(&item).await else { panic!("no details") };
        fields
    };
    let names = |fields: &DetailFields| fields.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    let fields = read(interaction()).await;
    assert_eq!(names(&fields), ["topic", "emotions", "cost", "sentiment"]);
    assert_eq!(fields[0].1, text("delivery"));
    assert!(matches!(fields[1].1, DetailValue::Object(_)), "{fields:?}");
    let fields = read(conversation("c0")).await;
    assert_eq!(names(&fields), ["emotions", "cost", "session_length"]);
    assert!(matches!(fields[0].1, DetailValue::List(_)), "{fields:?}");
    assert_eq!(fields[2].1, DetailValue::Plain(PlainValue::Integer(1)));
    assert_eq!((stand_in.call_count(), client.spent()), (2, 2));
}

#[tokio::test]
async fn the_calls_are_those_that_nebuly_documents() {
    let stand_in = with_items(1).await;
    stand_in.add_conversation(KEY, "a/b \"ü\"?");
    let client = Setup::default().client(&stand_in);
    assert!(is_found(&client.details_of(&interaction()).await));
    assert!(is_found(&client.details_of(&conversation("a/b \"ü\"?")).await));
    let [get, post] = stand_in.calls().try_into().unwrap();
    assert_eq!((get.method, get.key.as_deref()), (Method::GET, Some(KEY)));
    assert_eq!(get.target, format!("/api/external/export/interactions/detail-v2/{ID}"));
    assert!(get.body.is_empty());
    assert_eq!((post.method, post.key.as_deref()), (Method::POST, Some(KEY)));
    assert_eq!(post.target, "/api/external/get-conversation-detail");
    assert_eq!(post.headers["content-type"], "application/json");
    assert_eq!(post.body, r#"{"conversation_id":"a/b \"ü\"?"}"#.as_bytes());
}

#[tokio::test]
async fn no_failure_is_tried_again_and_each_says_why() {
    let stand_in = with_items(1).await;
    let failure = |cause, status| Err(CallFailure { cause, status });
    let absent = |status| Ok(Answer::Absent { status });
    for (fault, expected) in [
        (status(401), failure(Cause::KeyRejected, Some(401))),
        (status(404), absent(404)),
        (status(410), absent(410)),
        (status(403), absent(403)),
        (status(422), absent(422)),
        (status(500), failure(Cause::Unavailable, Some(500))),
        (status(503), failure(Cause::Unavailable, Some(503))),
        (Fault::Drop, failure(Cause::Unavailable, None)),
        (Fault::Reset, failure(Cause::Unavailable, None)),
        (Fault::Half, failure(Cause::Unavailable, Some(200))),
        (Fault::Garbage, failure(Cause::BadAnswer, Some(200))),
        (Fault::Compressed, failure(Cause::BadAnswer, Some(200))),
        (Fault::Body("[]".to_owned()), failure(Cause::BadAnswer, Some(200))),
        (Fault::RedirectTo("/api/external/elsewhere".to_owned()), failure(Cause::BadAnswer, Some(302))),
        (
            Fault::throttled(HeaderValue::from_static("7")),
            failure(Cause::Overloaded { retry_after: Some(7) }, Some(429)),
        ),
    ] {
        for item in [interaction(), conversation("c0")] {
            stand_in.forget_calls();
            let client = Setup { retries: 3, ..Setup::default() }.client(&stand_in);
            stand_in.set_fault(Some(fault.clone()));
            assert_eq!(client.details_of(&item).await, expected, "{fault:?}");
            assert_eq!((stand_in.call_count(), client.spent()), (1, 1), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_details_waits_two_seconds_at_most() {
    let stand_in = with_items(1).await;
    let wait = async |fault: Fault, setup: Setup| {
        let client = setup.client(&stand_in);
        stand_in.set_fault(Some(fault));
        let began = Instant::now();
        let failure = client.details_of(&interaction()).await.unwrap_err();
        assert_eq!((failure.cause, client.spent()), (Cause::Timeout, 1));
        began.elapsed()
    };
    let two_seconds = Duration::from_millis(1_900)..Duration::from_secs(4);
    assert!(two_seconds.contains(&wait(Fault::Hang, Setup::default()).await));
    let drip = Fault::Drip { pause: Duration::from_millis(20) };
    assert!(two_seconds.contains(&wait(drip, Setup::default()).await));
    // Less if the operator gives every attempt less.
    let attempt_timeout = Duration::from_millis(200);
    let short = wait(Fault::Hang, Setup { attempt_timeout, ..Setup::default() }).await;
    assert!(short < Duration::from_millis(1_500), "{short:?}");
    assert_eq!(stand_in.call_count(), 3);
}

#[tokio::test]
async fn an_answer_of_more_than_a_mebibyte_is_not_read() {
    const LIMIT: usize = 1024 * 1024;
    let stand_in = with_items(1).await;
    let client = Setup::default().client(&stand_in);
    let of_size = |size: usize| {
        let around = r#"{"topic":"a","input":""}"#.len();
        format!(r#"{{"topic":"a","input":"{}"}}"#, "x".repeat(size - around))
    };
    stand_in.set_fault(Some(Fault::Body(of_size(LIMIT))));
    assert_eq!(client.details_of(&interaction()).await, Ok(Answer::Found(vec![("topic".into(), text("a"))])));
    let refused = Err(CallFailure { cause: Cause::BadAnswer, status: Some(200) });
    for fault in [Fault::Body(of_size(LIMIT + 1)), Fault::Huge { bytes: 64 * LIMIT }] {
        stand_in.set_fault(Some(fault));
        assert_eq!(client.details_of(&interaction()).await, refused);
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_is_read_again_after_a_401() {
    let stand_in = with_items(1).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, KEY).unwrap();
    let client = Setup { key: ApiKeySource::File((&path).into()), ..Setup::default() }.client(&stand_in);
    stand_in.replace_key(KEY, "nk-rotated");
    std::fs::write(&path, "nk-rotated").unwrap();
    assert!(is_found(&client.details_of(&conversation("c0")).await));
    assert_eq!((stand_in.call_count(), client.spent()), (2, 2));
    // A rejected key is rejected for links too.
    stand_in.replace_key("nk-rotated", "nk-unknown");
    assert_eq!(client.details_of(&conversation("c0")).await.unwrap_err().cause, Cause::KeyRejected);
    let calls = stand_in.call_count();
    assert_eq!(client.ask("c0").await.unwrap_err().cause, Cause::KeyRejected);
    assert_eq!(stand_in.call_count(), calls);
}

/// A caller with this many tokens, and no more for a while.
fn caller_with(tokens: u32) -> Caller {
    let limits = RateLimits { per_second: 1, burst: tokens, overdraft: 10, capacity: 10 };
    // Its clock stands still.
    RateLimiter::new(limits, Arc::new(ManualClock::default())).of(&CallerKey::Identity("somebody"))
}

#[tokio::test]
async fn without_a_token_no_call_is_made_and_the_caller_learns_when_there_is_one() {
    let stand_in = with_items(1).await;
    let client = Setup::default().client(&stand_in);
    let caller = caller_with(2);
    for _ in 0..2 {
        assert!(is_found(&client.details.details(&interaction(), &caller).await));
    }
    let refused = CallFailure { cause: Cause::RateLimited { retry_after: 1 }, status: None };
    for item in [interaction(), conversation("c0")] {
        assert_eq!(client.details.details(&item, &caller).await, Err(refused));
    }
    assert_eq!(stand_in.call_count(), 2);
}

#[tokio::test]
async fn a_token_is_taken_before_the_wait_and_given_back_if_the_call_is_not_made() {
    let stand_in = with_items(4).await;
    stand_in.set_fault_for(details_of_conversations(), Fault::Hold);
    let client = Setup { max_in_flight: 4, ..Setup::default() }.client(&stand_in);
    let first = client.begin_details("c0", FairnessKey::Caller(1));
    soon(stand_in.wait_for_calls(1)).await;
    let caller = caller_with(1);
    let item = conversation("c1");
    {
        let mut waiting = Box::pin(client.details.details(&item, &caller));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(caller.rate_limit.try_acquire(1).is_err());
    }
    // Whoever leaves has the token back; so has who waited in vain.
    let began = Instant::now();
    let overloaded = CallFailure { cause: Cause::Overloaded { retry_after: None }, status: None };
    assert_eq!(client.details.details(&item, &caller).await, Err(overloaded));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(caller.rate_limit.try_acquire(1).is_ok());
    stand_in.release_held();
    drop(soon(first).await.unwrap());
    assert_eq!((stand_in.call_count(), client.spent()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_slow_details_stops_no_redirect_and_stays_within_all_bounds() {
    const MAX: usize = 16;
    let stand_in = with_items(200).await;
    stand_in.set_fault_for(details_of_conversations(), Fault::Hold);
    let client = Setup { max_in_flight: MAX, ..Setup::default() }.client(&stand_in);
    // Those who want links are those who flood.
    let flood: Vec<_> =
        (0..100).map(|n| client.begin_details(&format!("c{n}"), FairnessKey::Caller(n % 5))).collect();
    soon(stand_in.wait_for_calls(MAX / 4)).await;
    let mut slowest = Duration::ZERO;
    for n in 0..100 {
        let began = Instant::now();
        assert!(soon(client.begin(&format!("c{n}"), FairnessKey::Caller(n % 5))).await.unwrap().is_ok());
        slowest = slowest.max(began.elapsed());
        assert!(stand_in.in_flight() <= MAX / 4);
    }
    println!("the slowest of 100 links beside a flood of details took {slowest:?}");
    // Had one waited for details, it would have waited longer.
    assert!(slowest < Duration::from_secs(1));

    // And both floods together stay within the bound on all.
    stand_in.set_fault_for(Matching::kind(CallKind::Conversation), Fault::Hold);
    let calls = stand_in.call_count();
    let links: Vec<_> =
        (100..200).map(|n| client.begin(&format!("c{n}"), FairnessKey::Caller(n % 5))).collect();
    soon(stand_in.wait_for_calls(calls + MAX - MAX / 4)).await;
    stand_in.release_held();
    for link in links {
        assert!(soon(link).await.unwrap().is_ok());
    }
    for details in flood {
        let ended = soon(details).await.unwrap();
        assert!(
            is_found(&ended) || matches!(ended.unwrap_err().cause, Cause::Overloaded { .. } | Cause::Timeout)
        );
    }
    assert!(stand_in.most_in_flight() <= MAX, "{}", stand_in.most_in_flight());
}

#[tokio::test]
async fn details_wait_while_links_take_all_calls_and_take_no_more_than_their_quarter_then() {
    let stand_in = with_items(30).await;
    stand_in.set_fault(Some(Fault::Hold));
    let client = Setup { max_in_flight: 8, ..Setup::default() }.client(&stand_in);
    let links: Vec<_> = (0..20).map(|n| client.begin(&format!("c{n}"), FairnessKey::Caller(n))).collect();
    soon(stand_in.wait_for_calls(8)).await;
    let details: Vec<_> =
        (0..4).map(|n| client.begin_details(&format!("c{n}"), FairnessKey::Caller(n))).collect();
    stand_in.release_held();
    for link in links {
        assert!(soon(link).await.unwrap().is_ok());
    }
    for details in details {
        assert!(is_found(&soon(details).await.unwrap()));
    }
    assert_eq!(stand_in.most_in_flight(), 8);
}

#[tokio::test]
async fn a_flood_of_details_for_one_caller_leaves_room_for_another() {
    let stand_in = with_items(20).await;
    stand_in.set_fault(Some(Fault::Hold));
    let client = Setup { max_in_flight: 16, ..Setup::default() }.client(&stand_in);
    let flood: Vec<_> =
        (0..10).map(|n| client.begin_details(&format!("c{n}"), FairnessKey::Caller(1))).collect();
    soon(stand_in.wait_for_calls(3)).await;
    let other = client.begin_details("c19", FairnessKey::Caller(2));
    soon(stand_in.wait_for_calls(4)).await;
    assert_eq!((stand_in.calls_for("c19"), stand_in.in_flight()), (1, 4));
    stand_in.release_held();
    assert!(is_found(&soon(other).await.unwrap()));
    for details in flood {
        assert!(is_found(&soon(details).await.unwrap()));
    }
    assert_eq!(stand_in.most_in_flight(), 4);
}

#[tokio::test]
async fn all_projects_share_the_quarter() {
    let stand_in = stand_in_with(2).await;
    for project in 0..2 {
        for n in 0..10 {
            stand_in.add_conversation(&key_of(project), &format!("c{n}"));
        }
    }
    stand_in.set_fault(Some(Fault::Hold));
    let first =
        Setup { max_in_flight: 8, key: Setup::inline(&key_of(0)), ..Setup::default() }.client(&stand_in);
    let second =
        first.of_another_project(&stand_in, Setup { key: Setup::inline(&key_of(1)), ..Setup::default() });
    let calls: Vec<_> = [&first, &second]
        .into_iter()
        .flat_map(|client| (0..10).map(|n| client.begin_details(&format!("c{n}"), FairnessKey::Caller(n))))
        .collect();
    soon(stand_in.wait_for_calls(2)).await;
    stand_in.release_held();
    for call in calls {
        assert!(is_found(&soon(call).await.unwrap()));
    }
    assert_eq!((stand_in.call_count(), stand_in.most_in_flight()), (20, 2));
}

#[tokio::test]
async fn where_there_is_room_for_one_call_details_get_it_too() {
    let stand_in = with_items(1).await;
    let client = Setup { max_in_flight: 1, ..Setup::default() }.client(&stand_in);
    assert!(is_found(&client.details_of(&interaction()).await));
    assert!(client.finds("c0").await);
}

#[test]
fn details_have_a_circuit_breaker_of_their_own_which_the_metric_is_not_about() {
    let metrics = MetricsRegistry::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stand_in = runtime.block_on(with_items(30));
    let client = metrics.scope(|| {
        let _entered = runtime.enter();
        Setup { retries: 0, ..Setup::default() }.client(&stand_in)
    });
    let is_open = || metrics.render().contains("nebulink_nebuly_circuit_open{project=\"default\"} 1");
    let open = Cause::Overloaded { retry_after: Some(5) };
    runtime.block_on(async {
        stand_in.set_fault_for(details_of_conversations(), Fault::Drop);
        for n in 0..10 {
            let failure = client.details_of(&conversation(&format!("c{n}"))).await.unwrap_err();
            assert_eq!(failure.cause, Cause::Unavailable);
        }
        let spent = client.spent();
        // Of both kinds, and at no cost.
        assert_eq!(client.details_of(&conversation("c10")).await.unwrap_err().cause, open);
        assert_eq!(client.details_of(&interaction()).await.unwrap_err().cause, open);
        assert_eq!((stand_in.call_count(), client.spent()), (10, spent));
        assert!(client.finds("c0").await && !is_open());

        client.pass(5);
        stand_in.clear_faults();
        assert!(is_found(&client.details_of(&conversation("c10")).await));

        // Nor do links that fail stop details.
        stand_in.set_fault_for(Matching::kind(CallKind::Conversation), Fault::Drop);
        for n in 0..10 {
            assert!(!client.finds(&format!("c{n}")).await);
        }
        assert_eq!(client.ask("c0").await.unwrap_err().cause, open);
        assert!(is_found(&client.details_of(&conversation("c0")).await) && is_open());
    });
    let told = metrics.render();
    for (call, result, count) in [
        ("conversation_detail", "ok", 2),
        ("conversation_detail", "failed", 10),
        ("interaction_detail", "ok", 0),
        ("deeplink", "ok", 1),
        ("deeplink", "failed", 10),
    ] {
        let series = format!(
            "nebulink_nebuly_requests_total{{project=\"default\",call=\"{call}\",result=\"{result}\"}} {count}\n"
        );
        assert!(told.contains(&series), "{series}{told}");
    }
    assert!(told.contains("nebulink_nebuly_in_flight 0\n"), "{told}");
}

/// A resolver that asks one project for details, and its clock.
fn resolver(client: &Client) -> (Resolver, ManualClock) {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(1_800_000_000));
    let dependencies = ResolverDependencies {
        memory: Arc::new(MemoryCache::new(1 << 20)),
        shared: None,
        tags: None,
        projects: Vec::new(),
        construction: Construction::new(&Url::parse("https://go.example").unwrap(), AllowedHosts::default()),
        clock: Arc::new(clock.clone()),
        background: BackgroundRuntime::default(),
        details: Some(ResolverDetails {
            // Under two names, as two projects that have the same item.
            projects: (0..2).map(|_| Box::new(client.nebuly.details(["topic".into()].into())) as _).collect(),
            cache: Arc::new(MemoryDetailsCache::default()),
        }),
    };
    let seconds = Duration::from_secs;
    let lifetimes = Lifetimes { ttl: seconds(60), stale: seconds(60), negative_ttl: seconds(60) };
    let policy = Policy { lifetimes, deadline: seconds(10), construct: Construct::Never };
    (Resolver::new(dependencies, policy), clock)
}

struct Somebody(Caller);

impl LazyCaller for Somebody {
    fn caller(&self) -> &Caller {
        &self.0
    }
}

async fn details_in(
    resolver: &Resolver,
    project: usize,
    item: &Item<'_>,
    caller: &Somebody,
) -> Result<Answer<Arc<Details>>, CallFailure> {
    resolver.details(ProjectIndex::new(project).unwrap(), item, caller).await
}

#[tokio::test]
async fn details_are_cached_for_a_minute_by_project_kind_and_id_and_cost_nothing_then() {
    let stand_in = with_items(2).await;
    let client = Setup::default().client(&stand_in);
    let (resolver, clock) = resolver(&client);
    let somebody = Somebody(client.caller(FairnessKey::Caller(0)));
    let read = async |project, item: &Item<'_>| {
        let Ok(Answer::Found(details)) = details_in(&resolver, project, item, &somebody).await else {
            panic!("no details")
        };
        (stand_in.call_count(), client.spent(), details.read_at)
    };
    let (c0, c1, interaction) = (conversation("c0"), conversation("c1"), interaction());
    let read_at = read(0, &interaction).await.2;
    assert_eq!(read_at.as_millis(), 1_800_000_000_000);
    assert_eq!(read(1, &interaction).await, (2, 2, read_at));
    assert_eq!(read(0, &c0).await, (3, 3, read_at));
    assert_eq!(read(0, &c1).await, (4, 4, read_at));

    clock.advance(Duration::from_millis(59_999));
    // Setting the clock changes nothing.
    clock.set_back(Duration::from_secs(3600));
    for (project, item) in [(0, &interaction), (1, &interaction), (0, &c0), (0, &c1)] {
        assert_eq!(read(project, item).await, (4, 4, read_at));
    }
    clock.advance(Duration::from_millis(1));
    let again = read(0, &interaction).await;
    assert_eq!((again.0, again.1), (5, 5));
    assert_ne!(again.2, read_at);
}

#[tokio::test]
async fn no_failure_and_no_absence_is_cached() {
    let stand_in = with_items(1).await;
    let client = Setup::default().client(&stand_in);
    let (resolver, _clock) = resolver(&client);
    let somebody = Somebody(client.caller(FairnessKey::Caller(0)));
    stand_in.set_fault_for(Matching::any().times(1), status(500));
    stand_in.set_fault_for(Matching::any().times(1), status(404));
    let failure = CallFailure { cause: Cause::Unavailable, status: Some(500) };
    assert_eq!(details_in(&resolver, 0, &interaction(), &somebody).await, Err(failure));
    let absent = details_in(&resolver, 0, &interaction(), &somebody).await;
    assert_eq!(absent, Ok(Answer::Absent { status: 404 }));
    assert!(matches!(details_in(&resolver, 0, &interaction(), &somebody).await, Ok(Answer::Found(_))));
    assert_eq!(stand_in.call_count(), 3);
}

#[tokio::test]
async fn who_has_no_token_sees_cached_details_still() {
    let stand_in = with_items(1).await;
    let client = Setup::default().client(&stand_in);
    let (resolver, _clock) = resolver(&client);
    let somebody = Somebody(caller_with(1));
    let answers = [
        details_in(&resolver, 0, &interaction(), &somebody).await,
        details_in(&resolver, 0, &interaction(), &somebody).await,
        details_in(&resolver, 0, &conversation("c0"), &somebody).await,
    ];
    assert!(matches!(answers[0], Ok(Answer::Found(_))) && answers[0] == answers[1]);
    let refused = CallFailure { cause: Cause::RateLimited { retry_after: 1 }, status: None };
    assert_eq!(answers[2], Err(refused));
}

#[tokio::test]
async fn nothing_that_people_wrote_is_kept_or_logged() {
    if !in_own_process(nothing_that_people_wrote_is_kept_or_logged) {
        return;
    }
    let log = CapturedLog::start();
    let stand_in = with_items(1).await;
    let client = Setup::default().client(&stand_in);
    let (resolver, _clock) = resolver(&client);
    let somebody = Somebody(client.caller(FairnessKey::Caller(0)));
    for item in [interaction(), conversation("c0")] {
        let details = details_in(&resolver, 0, &item, &somebody).await;
        assert!(matches!(details, Ok(Answer::Found(_))));
        assert!(!format!("{details:?}").contains("canary"), "{details:?}");
        let details = client.details_of(&item).await;
        assert!(is_found(&details) && !format!("{details:?}").contains("canary"), "{details:?}");
    }
    let broken = [
        format!(r#"{{"input": "{CANARY}", "topic": {CANARY}}}"#),
        format!(r#"{{"input": "{CANARY}"#),
        CANARY.to_owned(),
        format!(r#"{{"{CANARY}": 1}} {CANARY}"#),
    ];
    for body in broken {
        stand_in.set_fault(Some(Fault::Body(body)));
        let failure = client.details_of(&interaction()).await;
        assert!(failure.is_err() && !format!("{failure:?}").contains("canary"), "{failure:?}");
    }
    // Ten that fail open the circuit breaker.
    stand_in.set_fault(Some(Fault::Drop));
    for n in 0..10 {
        assert!(client.details_of(&conversation(&format!("c{n}"))).await.is_err());
    }
    let opened = log.line("circuit breaker opened").await;
    assert!(opened.contains(r#""calls":"listings and details""#), "{opened}");
    let log = log.text();
    assert!(
        log.contains("failed to read details") && log.contains("the body is not an object in JSON"),
        "{log}"
    );
    assert!(!log.contains("canary"), "{log}");
}
