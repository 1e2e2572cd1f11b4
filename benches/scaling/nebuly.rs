//! A Nebuly that knows everything, answers at once, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nebulink::domain::{AllowedHosts, Answer, CallFuture, CallOptions, DeepLinks, Item, TargetUrl};

use crate::time::Time;

const MINUTE: u64 = 60 * 1000;

/// A clone counts together with it.
#[derive(Clone)]
pub(crate) struct CountingNebuly {
    time: Time,
    hosts: Arc<AllowedHosts>,
    /// Calls of each minute of the simulation.
    calls: Arc<[AtomicU64]>,
}

impl CountingNebuly {
    /// For a simulation that ends at this moment.
    pub(crate) fn new(time: Time, end: u64) -> Self {
        let mut hosts = AllowedHosts::default();
        hosts.allow("*.nebuly.com").unwrap();
        let calls = (0..end.div_ceil(MINUTE)).map(|_| AtomicU64::new(0)).collect();
        Self { time, hosts: Arc::new(hosts), calls }
    }

    /// The calls of each minute from this moment on.
    pub(crate) fn calls_from(&self, start: u64) -> impl Iterator<Item = u64> {
        self.calls[usize::try_from(start / MINUTE).unwrap()..]
            .iter()
            .map(|calls| calls.load(Ordering::Relaxed))
    }

    /// As long as Nebuly's own.
    fn url(&self, item: &Item<'_>) -> TargetUrl {
        let url = format!(
            "https://v2.platform.eu.nebuly.com/live-activity?projectId=4f6c1f0e-8a57-4f2b-9a40-6f1d7c6f2b11&\
             organizationId=9b0f3f5a-6b7e-4d59-8d2c-2f4f5e1f0a77&interactionId={}&\
             liveActivityPageTab=interactions",
            item.id(),
        );
        TargetUrl::accept(&url, &self.hosts, |_| false).unwrap()
    }
}

impl DeepLinks for CountingNebuly {
    fn resolve<'a>(&'a self, item: &'a Item<'static>, _: &'a CallOptions) -> CallFuture<'a> {
        let minute = usize::try_from(self.time.millis() / MINUTE).unwrap();
        self.calls[minute].fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(Answer::Found(self.url(item))) })
    }
}
