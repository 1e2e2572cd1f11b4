//! Many callers on many threads, some of whom go away: every one of the others gets an answer, and one call is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use url::Url;

use super::*;
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{
    AllowedHosts, Answer, CachedLink, CallFuture, CallOptions, DeepLinks, IdCandidates, IdText, Kind,
    LazyCaller, SystemClock, TargetUrl,
};

const LIFETIMES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(3600),
    stale: Duration::from_secs(3600),
    negative_ttl: Duration::from_secs(3600),
};

/// A memory without any bound, so that nothing but the resolver decides what is asked.
#[derive(Default)]
struct Everything(std::sync::Mutex<std::collections::HashMap<(Scope, Item<'static>), CachedLink>>);

/// Counts its calls, and yields a few times before each answer, so that callers meet it in every state.
struct Counting {
    calls: Arc<AtomicUsize>,
    answer: fn(usize) -> Result<Answer, CallFailure>,
}

struct Somebody(Caller);

impl LinkCache for Everything {
    fn get(&self, scope: Scope, item: &Item<'_>) -> Option<CachedLink> {
        self.0.lock().unwrap().get(&(scope, item.clone().into_owned())).cloned()
    }

    fn insert(&self, scope: Scope, item: Item<'static>, link: CachedLink) {
        self.0.lock().unwrap().insert((scope, item), link);
    }
}

impl DeepLinks for Counting {
    fn resolve<'a>(&'a self, _: &'a Item<'static>, _: &'a CallOptions) -> CallFuture<'a> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..call % 7 {
                tokio::task::yield_now().await;
            }
            (self.answer)(call)
        })
    }
}

impl LazyCaller for Somebody {
    fn caller(&self) -> &Caller {
        &self.0
    }
}

fn url() -> TargetUrl {
    let mut hosts = AllowedHosts::default();
    hosts.allow("go.example").unwrap();
    TargetUrl::accept("https://go.example/", &hosts, |_| false).unwrap()
}

fn resolver(
    lifetimes: Lifetimes,
    answer: fn(usize) -> Result<Answer, CallFailure>,
) -> (Arc<Resolver>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let source = Counting { calls: Arc::clone(&calls), answer };
    let dependencies = ResolverDependencies {
        memory: Arc::new(Everything::default()),
        shared: None,
        projects: vec![ResolverProject {
            name: "default".try_into().unwrap(),
            source: Box::new(source),
            ids: None,
        }],
        construction: Construction::new(&Url::parse("https://go.example").unwrap(), AllowedHosts::default()),
        clock: Arc::new(SystemClock),
        background: BackgroundRuntime::default(),
        details: None,
        tags: None,
    };
    let policy = Policy { lifetimes, deadline: Duration::from_secs(60), construct: Construct::Never };
    (Arc::new(Resolver::new(dependencies, policy)), calls)
}

async fn resolve(resolver: &Resolver, id: &str) -> Resolution {
    let candidates = IdCandidates::of_kind(Kind::Conversation, IdText::from(id)).unwrap();
    let somebody = Somebody(Caller { fairness_key: FairnessKey::Caller(0), rate_limit: Arc::new(Unlimited) });
    let request = ResolveRequest {
        candidates: &candidates,
        scope: Scope::All,
        mode: Mode::Cached,
        wait: Duration::ZERO,
        caller: &somebody,
    };
    resolver.resolve(&request).await
}

/// Lets callers loose on each of many links, some of whom are cancelled at a random moment; the others' outcomes.
async fn storm(resolver: &Arc<Resolver>, links: usize, callers: usize) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for link in 0..links {
        let start = Arc::new(Barrier::new(callers));
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let (resolver, start) = (Arc::clone(resolver), Arc::clone(&start));
            let id = format!("link-{link}");
            let patience = fastrand::usize(0..12);
            let task = async move {
                start.wait().await;
                if caller % 3 == 0 {
                    // Goes away after a few turns of the scheduler, whatever has come of it by then.
                    tokio::select! {
                        biased;
                        _ = resolve(&resolver, &id) => {}
                        () = async { for _ in 0..patience { tokio::task::yield_now().await } } => {}
                    }
                    None
                } else {
                    Some(resolve(&resolver, &id).await.outcome)
                }
            };
            tasks.spawn(task);
        }
        let all = tokio::time::timeout(Duration::from_secs(30), tasks.join_all());
        outcomes.extend(all.await.expect("a caller was never answered").into_iter().flatten());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_caller_gets_an_answer_and_one_call_is_made_whoever_is_cancelled_when() {
    const LINKS: usize = 1500;
    let (resolver, calls) = resolver(LIFETIMES, |_| Ok(Answer::Found(url())));
    let outcomes = storm(&resolver, LINKS, 12).await;
    assert_eq!(outcomes.len(), LINKS * 8);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Resolved(_))));
    assert_eq!(calls.load(Ordering::SeqCst), LINKS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_absence_is_asked_for_once_however_many_want_it() {
    const LINKS: usize = 500;
    let (resolver, calls) = resolver(LIFETIMES, |_| Ok(Answer::Absent { status: 404 }));
    let outcomes = storm(&resolver, LINKS, 12).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Absent));
    assert_eq!(calls.load(Ordering::SeqCst), LINKS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_refresh_runs_behind_a_stale_link_however_many_use_it() {
    const LINKS: usize = 500;
    // Everything is stale at once, and a refresh that fails is followed by a pause.
    let stale = Lifetimes { ttl: Duration::ZERO, ..LIFETIMES };
    let (resolver, calls) = resolver(stale, |call| {
        if call < LINKS {
            Ok(Answer::Found(url()))
        } else {
            Err(CallFailure { cause: Cause::Unavailable, status: None })
        }
    });
    for link in 0..LINKS {
        assert!(resolve(&resolver, &format!("link-{link}")).await.is_resolved());
    }
    assert_eq!(calls.load(Ordering::SeqCst), LINKS);
    let outcomes = storm(&resolver, LINKS, 12).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Resolved(_))));
    assert!(calls.load(Ordering::SeqCst) <= 2 * LINKS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_call_is_an_error_for_those_who_wait_and_for_nobody_after_them() {
    let (resolver, _calls) = resolver(LIFETIMES, |call| {
        assert!(call > 0, "the first call panics");
        Ok(Answer::Found(url()))
    });
    let first = resolve(&resolver, "abc").await;
    assert_eq!(first.outcome, Outcome::Failed(CallFailure { cause: Cause::Internal, status: None }));
    assert!(resolve(&resolver, "abc").await.is_resolved());
}
