//! Who is connected to one listener, and who makes room.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::Notify;

use super::Connection;
use super::phase::Standing;

/// How many of the longest idle a search remembers.
///
/// A search looks at every connection, 10,000 by default. One search for so many that make room leaves a flood of
/// newcomers with a few microseconds each.
const REMEMBERED: usize = 64;

/// The open connections of one listener, as others see them: their number, for a metric or a log, and room that others may
/// ask for. Clones are the same connections.
#[derive(Debug, Clone, Default)]
pub struct OpenConnections {
    count: Arc<AtomicUsize>,
    /// One of them is to be ended, because the process has no file descriptor left.
    descriptor_wanted: Arc<Notify>,
    /// They belong to another listener than the one that ends connections for this.
    is_spared: bool,
}

impl OpenConnections {
    /// The number at this moment.
    #[must_use]
    pub fn get(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The connections of another listener, none yet. When file descriptors run out there, none of them is ended, but one
    /// of these.
    #[must_use]
    pub fn spared(&self) -> Self {
        let descriptor_wanted = Arc::clone(&self.descriptor_wanted);
        Self { count: Arc::default(), descriptor_wanted, is_spared: true }
    }
}

/// The connections of one listener, never more than its limit.
///
/// One task, the listener's, asks for room and waits for the end; that is why one permit of `changed` is enough.
#[derive(Debug)]
pub(super) struct Registry {
    limit: usize,
    connections: Mutex<Connections>,
    open: OpenConnections,
    /// The listener waits for a connection that may make room.
    wanted: AtomicBool,
    changed: Notify,
}

/// Locked when a connection comes or goes, never for a request.
#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Connection>,
    /// What the last search found, the longest idle last.
    ///
    /// Whoever still stands as it was found has been idle ever since, so longer than whoever turned idle later and
    /// longer than whom the search left out: the order stays right however old the search is.
    longest_idle: Vec<(Standing, Connection)>,
}

/// One connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    registry: Arc<Registry>,
    key: u64,
    connection: Connection,
}

impl Registry {
    pub(super) fn new(limit: usize, open: OpenConnections) -> Self {
        Self {
            limit: limit.max(1),
            connections: Mutex::default(),
            open,
            wanted: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    pub(super) fn enter(self: &Arc<Self>, connection: Connection) -> Slot {
        self.open.count.fetch_add(1, Ordering::Relaxed);
        let mut connections = self.lock();
        let key = connections.next;
        connections.next += 1;
        connections.open.insert(key, connection.clone());
        Slot { registry: Arc::clone(self), key, connection }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Waits until one more may enter. The longest idle makes room, or one whose peer has finished sending; if all are busy,
    /// the first that ends or turns idle.
    pub(super) async fn room(&self) {
        if self.len() < self.limit {
            return;
        }
        // Before the search: who turns idle during it must be seen by the search or see this.
        self.wanted.store(true, Ordering::SeqCst);
        let mut one_ends = false;
        while self.len() >= self.limit {
            // One is enough for one newcomer; its place is free when its task has let go of the socket.
            one_ends = one_ends || self.end_longest_idle();
            self.changed.notified().await;
        }
        self.wanted.store(false, Ordering::SeqCst);
    }

    /// Ends the connection that has been idle longest, or without any a half-closed one; false if all are busy.
    pub(super) fn end_longest_idle(&self) -> bool {
        let mut connections = self.lock();
        loop {
            while let Some((seen, connection)) = connections.longest_idle.pop() {
                if connection.end_if(seen) {
                    return true;
                }
            }
            connections.search();
            if connections.longest_idle.is_empty() {
                return false;
            }
        }
    }

    /// Frees a file descriptor, if ending a connection that is not the only one can do it.
    ///
    /// The only one is most likely the newcomer that took the last descriptor: accept(2) fails for want of another even
    /// if nobody waits.
    pub(super) fn free_descriptor(&self) {
        if self.open.is_spared {
            self.open.descriptor_wanted.notify_one();
        } else if self.len() > 1 {
            self.end_longest_idle();
        }
    }

    /// Frees a file descriptor whenever a listener whose own connections are spared has none.
    pub(super) async fn free_descriptors_for_others(&self) -> Infallible {
        if self.open.is_spared {
            return std::future::pending().await;
        }
        loop {
            self.open.descriptor_wanted.notified().await;
            self.end_longest_idle();
        }
    }

    /// Ends whatever is idle.
    pub(super) fn close_idle(&self) {
        for connection in self.lock().open.values() {
            if let Some((_, seen)) = connection.idle_since() {
                connection.end_if(seen);
            }
        }
    }

    /// Ends everything, and says how many answers that cut short.
    pub(super) fn end_all(&self) -> usize {
        let connections = self.lock();
        let cut = connections.open.values().filter(|connection| connection.is_busy()).count();
        connections.open.values().for_each(Connection::end);
        cut
    }

    /// Waits until a connection has ended.
    pub(super) async fn one_ended(&self) {
        self.changed.notified().await;
    }

    /// Waits until nobody is connected.
    pub(super) async fn emptied(&self) {
        while self.len() > 0 {
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // No code that can panic leaves it half changed.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    fn search(&mut self) {
        let mut idle: Vec<_> = self
            .open
            .values()
            .filter_map(|connection| connection.idle_since().map(|(since, seen)| (since, seen, connection)))
            .collect();
        if idle.len() > REMEMBERED {
            idle.select_nth_unstable_by_key(REMEMBERED, |(since, ..)| *since);
            idle.truncate(REMEMBERED);
        }
        idle.sort_unstable_by_key(|(since, ..)| std::cmp::Reverse(*since));
        self.longest_idle =
            idle.into_iter().map(|(_, seen, connection)| (seen, connection.clone())).collect();
        if self.longest_idle.is_empty() {
            // One alone: the next search may find somebody idle again.
            let half_closed = self
                .open
                .values()
                .find_map(|connection| Some((connection.half_closed()?, connection.clone())));
            self.longest_idle.extend(half_closed);
        }
    }
}

impl Slot {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Tells a listener that waits for it that this connection may now make room.
    pub(super) fn may_make_room(&self) {
        if self.registry.wanted.load(Ordering::SeqCst) {
            self.registry.changed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(peer = %self.connection.peer(), "connection ended by a panic");
        }
        self.connection.ended();
        // First, so that nobody is counted any more once `emptied` ends.
        self.registry.open.count.fetch_sub(1, Ordering::Relaxed);
        self.registry.lock().open.remove(&self.key);
        self.registry.changed.notify_one();
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
