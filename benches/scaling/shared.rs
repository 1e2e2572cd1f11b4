//! A shared cache behind the interface that the resolver knows: what is counted here does not depend on Redis, only on
//! what is shared and when.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use nebulink::domain::{Item, Scope, SharedFuture, SharedLink, SharedLinks};

/// Forgets nothing, answers at once, and counts what it is asked.
#[derive(Default)]
pub(crate) struct SharedMap {
    links: Mutex<HashMap<Item<'static>, SharedLink>>,
    reads: AtomicU64,
}

impl SharedMap {
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl SharedLinks for SharedMap {
    fn get<'a>(&'a self, _: Scope, item: &'a Item<'static>) -> SharedFuture<'a> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let link = self.links.lock().unwrap().get(item).cloned();
        Box::pin(async move { link.into_iter().collect() })
    }

    fn put(&self, _: Scope, item: &Item<'static>, link: SharedLink) {
        self.links.lock().unwrap().insert(item.clone(), link);
    }
}
