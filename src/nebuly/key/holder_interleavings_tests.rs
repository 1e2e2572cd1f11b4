//! The key of a project under a tester that decides who goes on at every lock and every wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use secrecy::SecretString;
use shuttle::future::{block_on, spawn, yield_now};

use super::*;

fn api_key(text: &str) -> ApiKey {
    ApiKey::new(&SecretString::from(text)).unwrap()
}

/// A call as the client makes it: once more with another key, if the first is rejected. Nebuly accepts the old key up to
/// some moment, and the new one from the beginning.
async fn call(holder: Arc<KeyHolder>, old_is_rejected: Arc<AtomicUsize>) -> bool {
    let accepts =
        |lease: &KeyLease| *lease.key() == api_key("new") || old_is_rejected.load(Ordering::SeqCst) == 0;
    let Ok(lease) = holder.lease() else { return false };
    yield_now().await;
    if accepts(&lease) {
        lease.accepted();
        return true;
    }
    let Some(another) = lease.rejected_unless_changed().await else { return false };
    yield_now().await;
    let is_accepted = accepts(&another);
    if is_accepted {
        another.accepted();
    } else {
        another.rejected();
    }
    is_accepted
}

/// A key is replaced, and then the old one ends, while calls are made and abandoned: none fails, and no rejection is left.
#[test]
fn no_call_fails_while_a_key_is_replaced() {
    let exchange = || {
        let project = ProjectName::try_from("default").unwrap();
        let (metrics, began) = (KeyMetrics::new(&project), Instant::now());
        // It stands still, so that nothing gets better by waiting.
        let clock = Arc::new(move || began);
        let source = ApiKeySource::Inline(api_key("old"));
        let holder = Arc::new(KeyHolder::new(project, source, clock, metrics));
        let old_is_rejected = Arc::new(AtomicUsize::new(0));
        let calls: Vec<_> =
            (0..3).map(|_| spawn(call(Arc::clone(&holder), Arc::clone(&old_is_rejected)))).collect();
        let (abandoned, ended) = (Arc::clone(&holder), Arc::clone(&old_is_rejected));
        let abandoned = spawn(async move {
            tokio::select! {
                _ = call(abandoned, ended) => {}
                () = yield_now() => {}
            }
        });
        let (exchanged, ended) = (Arc::clone(&holder), Arc::clone(&old_is_rejected));
        let exchange = spawn(async move {
            yield_now().await;
            exchanged.hold(api_key("new"));
            yield_now().await;
            ended.store(1, Ordering::SeqCst);
        });
        for call in calls {
            assert!(block_on(call).unwrap(), "a call failed");
        }
        block_on(abandoned).unwrap();
        block_on(exchange).unwrap();
        assert!(!*lock(&holder.rejection_logged), "a rejection is left of a key that is no longer used");
        assert!(block_on(call(Arc::clone(&holder), old_is_rejected)));
    };
    shuttle::check_random(exchange, 2_000);
    shuttle::check_pct(exchange, 2_000, 3);
}
