//! The resolver under a tester that decides who goes on at every lock and every wait.
//!
//! shuttle runs each test a few thousand times, each time in another order, and fails it if all wait for each other.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::{block_on, spawn, yield_now};
use url::Url;

use super::*;
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{
    AllowedHosts, Answer, CachedLink, CallFuture, CallOptions, DeepLinks, IdCandidates, IdText, Kind,
    LazyCaller, MonotonicTime, RateLimit, SharedFuture, SharedLink, SharedLinks, TargetUrl, Timestamp,
};
use crate::sync::Mutex;
use crate::sync::lock;

const ORDERS: usize = 1_500;
const ID: &str = "ticket-4711";

/// A memory, each use of which is a moment at which others may go on.
#[derive(Default)]
struct Memory(Mutex<HashMap<(Scope, Item<'static>), CachedLink>>);

/// A project that answers each call after others had a chance to go on.
struct YieldingProject {
    calls: Arc<AtomicUsize>,
    answer: Result<Answer, CallFailure>,
}

/// A shared cache that knows one link, long past its time.
struct StaleShared;

/// So many tokens, and no more.
struct Tokens {
    left: Mutex<u32>,
}

struct Somebody(Caller);

struct Always(u64);

impl LinkCache for Memory {
    fn get(&self, scope: Scope, item: &Item<'_>) -> Option<CachedLink> {
        lock(&self.0).get(&(scope, item.clone().into_owned())).cloned()
    }

    fn insert(&self, scope: Scope, item: Item<'static>, link: CachedLink) {
        lock(&self.0).insert((scope, item), link);
    }
}

impl DeepLinks for YieldingProject {
    fn resolve<'a>(&'a self, _: &'a Item<'static>, options: &'a CallOptions) -> CallFuture<'a> {
        Box::pin(async move {
            // As the client does: the token is that of the first caller.
            let caller = options.callers.at(0).await;
            caller.rate_limit.acquire(Duration::MAX).unwrap();
            self.calls.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
            self.answer.clone()
        })
    }
}

impl SharedLinks for StaleShared {
    fn get<'a>(&'a self, _: Scope, _: &'a Item<'static>) -> SharedFuture<'a> {
        Box::pin(async {
            yield_now().await;
            let project = crate::domain::ProjectIndex::new(0).unwrap();
            vec![SharedLink { url: url(), project, resolved_at: Timestamp::from_millis(1) }]
        })
    }

    fn put(&self, _: Scope, _: &Item<'static>, _: SharedLink) {}
}

impl RateLimit for Tokens {
    fn try_acquire(&self, calls: u32) -> Result<(), Duration> {
        let mut left = lock(&self.left);
        *left = left.checked_sub(calls).ok_or(Duration::from_secs(1))?;
        Ok(())
    }

    fn acquire(&self, _at_most: Duration) -> Result<Duration, Duration> {
        self.try_acquire(1).map(|()| Duration::ZERO)
    }

    fn release(&self, calls: u32) {
        *lock(&self.left) += calls;
    }
}

impl LazyCaller for Somebody {
    fn caller(&self) -> &Caller {
        &self.0
    }
}

impl Clock for Always {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::from_millis(self.0)
    }
}

fn url() -> TargetUrl {
    let mut hosts = AllowedHosts::default();
    hosts.allow("go.example").unwrap();
    TargetUrl::accept("https://go.example/", &hosts, |_| false).unwrap()
}

fn resolver(
    answers: Vec<Result<Answer, CallFailure>>,
    shared: Option<Arc<dyn SharedLinks>>,
) -> (Arc<Resolver>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let project = |answer| ResolverProject {
        name: "default".try_into().unwrap(),
        source: Box::new(YieldingProject { calls: Arc::clone(&calls), answer }),
        ids: None,
    };
    let dependencies = ResolverDependencies {
        memory: Arc::new(Memory::default()),
        shared,
        projects: answers.into_iter().map(project).collect(),
        construction: Construction::new(&Url::parse("https://go.example").unwrap(), AllowedHosts::default()),
        clock: Arc::new(Always(60_000)),
        background: BackgroundRuntime::default(),
        details: None,
        tags: None,
    };
    let lifetimes = Lifetimes {
        ttl: Duration::from_secs(30),
        stale: Duration::from_secs(3600),
        negative_ttl: Duration::from_secs(3600),
    };
    let policy = Policy { lifetimes, deadline: Duration::from_secs(60), construct: Construct::Never };
    (Arc::new(Resolver::new(dependencies, policy)), calls)
}

async fn resolve(resolver: Arc<Resolver>, rate_limit: Arc<dyn RateLimit>, mode: Mode) -> Resolution {
    let candidates = IdCandidates::of_kind(Kind::Conversation, IdText::from(ID)).unwrap();
    let caller = Somebody(Caller { fairness_key: FairnessKey::Caller(1), rate_limit });
    let request = ResolveRequest {
        candidates: &candidates,
        scope: Scope::All,
        mode,
        wait: Duration::ZERO,
        caller: &caller,
    };
    resolver.resolve(&request).await
}

/// Runs it in many orders: at random, and by looking for orders with few but well-placed changes of turn.
fn explore(test: impl Fn() + Send + Sync + Clone + 'static) {
    // The waits of a project query need a clock; nobody drives it here, so none of them ends.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    shuttle::check_random(test.clone(), ORDERS);
    shuttle::check_pct(test, ORDERS, 3);
}

/// The deadlock of the first version: a link of which one project is not certain is stored as due for a refresh, and
/// whoever looked for it once more as it was about to begin a flight began that refresh under the lock of the flights.
#[test]
fn callers_of_a_link_that_one_project_cannot_be_asked_for_are_all_answered() {
    explore(|| {
        let rejected = CallFailure { cause: Cause::KeyRejected, status: Some(401) };
        let (resolver, _calls) = resolver(vec![Ok(Answer::Found(url())), Err(rejected)], None);
        let callers: Vec<_> = (0..3)
            .map(|_| spawn(resolve(Arc::clone(&resolver), Arc::new(Unlimited), Mode::Cached)))
            .collect();
        for caller in callers {
            assert!(block_on(caller).unwrap().is_resolved());
        }
    });
}

#[test]
fn callers_of_a_link_that_the_shared_cache_knows_as_stale_are_all_answered() {
    explore(|| {
        let (resolver, calls) = resolver(vec![Ok(Answer::Found(url()))], Some(Arc::new(StaleShared)));
        let callers: Vec<_> = (0..3)
            .map(|_| spawn(resolve(Arc::clone(&resolver), Arc::new(Unlimited), Mode::Cached)))
            .collect();
        for caller in callers {
            assert!(block_on(caller).unwrap().is_resolved());
        }
        assert!(calls.load(Ordering::SeqCst) <= 1);
    });
}

#[test]
fn one_call_is_made_and_paid_for_whoever_is_cancelled_when() {
    explore(|| {
        let (resolver, calls) = resolver(vec![Ok(Answer::Found(url()))], None);
        let tokens = Arc::new(Tokens { left: Mutex::new(3) });
        let callers: Vec<_> = (0..3)
            .map(|number| {
                let resolving = resolve(Arc::clone(&resolver), Arc::clone(&tokens) as _, Mode::Cached);
                spawn(async move {
                    let patience = async {
                        for _ in 0..number {
                            yield_now().await;
                        }
                        if number == 2 {
                            std::future::pending::<()>().await;
                        }
                    };
                    tokio::select! {
                        resolution = resolving => Some(resolution),
                        () = patience => None,
                    }
                })
            })
            .collect();
        for caller in callers {
            if let Some(resolution) = block_on(caller).unwrap() {
                assert!(resolution.is_resolved());
            }
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn whoever_has_a_token_is_answered_whoever_leads_without_one() {
    explore(|| {
        let (resolver, calls) = resolver(vec![Ok(Answer::Found(url()))], None);
        let (rich, poor) =
            (Arc::new(Tokens { left: Mutex::new(1) }), Arc::new(Tokens { left: Mutex::new(0) }));
        let begin =
            |tokens: &Arc<Tokens>, mode| spawn(resolve(Arc::clone(&resolver), Arc::clone(tokens) as _, mode));
        let without = [begin(&poor, Mode::Cached), begin(&poor, Mode::Refresh)];
        let with = begin(&rich, Mode::Cached);
        assert!(block_on(with).unwrap().is_resolved());
        for caller in without {
            let outcome = block_on(caller).unwrap().outcome;
            let limited =
                matches!(outcome, Outcome::Failed(CallFailure { cause: Cause::RateLimited { .. }, .. }));
            assert!(limited || matches!(outcome, Outcome::Resolved(_)), "{outcome:?}");
        }
        assert_eq!((calls.load(Ordering::SeqCst), *lock(&rich.left), *lock(&poor.left)), (1, 0, 0));
    });
}
