//! The open connections of one listener: their limit, eviction of idle ones, and the end of all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connection::Connection;
use super::phase::PhaseAndDeadline;

/// The number of candidates for eviction that one search finds.
///
/// A search looks at every connection, 10,000 by default. Because one search serves so many evictions, it costs a new
/// connection of a flood only a few microseconds.
const MAX_CANDIDATES: usize = 64;

/// The open connections of one listener, as other parts see them: their number, and a way to ask that one is closed. Clones
/// are the same connections.
#[derive(Debug, Clone, Default)]
pub struct OpenConnections {
    count: Arc<AtomicUsize>,
    /// Notified when one of them must be closed, because the process has no file descriptor left.
    descriptor_wanted: Arc<Notify>,
    /// None of these is closed for that, but one of those that [`Self::spared`] was called on.
    is_spared: bool,
}

impl OpenConnections {
    /// The current number.
    #[must_use]
    pub fn get(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The connections of another listener, none yet. When it runs out of file descriptors, one of `self` is closed instead
    /// of one of its own.
    #[must_use]
    pub fn spared(&self) -> Self {
        let descriptor_wanted = Arc::clone(&self.descriptor_wanted);
        Self { count: Arc::default(), descriptor_wanted, is_spared: true }
    }
}

/// The connections of one listener, never more than its limit.
///
/// Only the listener's task waits for room and for the last connection, so one permit of `changed` is enough.
#[derive(Debug)]
pub(super) struct Registry {
    limit: usize,
    connections: Mutex<Connections>,
    open: OpenConnections,
    /// The listener waits for a connection that can be evicted.
    waits_for_room: AtomicBool,
    /// A connection has ended or can be evicted.
    changed: Notify,
}

/// Locked when a connection comes or goes, never for a request.
#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Connection>,
    /// The candidates of the last search, the longest idle last.
    ///
    /// A candidate whose state has not changed has been idle ever since. So it has been idle longer than any connection
    /// that turned idle later or that the search left out, however old the search is.
    candidates: Vec<(PhaseAndDeadline, Connection)>,
}

/// A connection's place in the registry, free again when this is dropped.
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
            waits_for_room: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    pub(super) fn enter(self: &Arc<Self>, connection: Connection) -> Slot {
        self.open.count.fetch_add(1, Ordering::Relaxed);
        let mut connections = self.connections.lock();
        let key = connections.next;
        connections.next += 1;
        connections.open.insert(key, connection.clone());
        Slot { registry: Arc::clone(self), key, connection }
    }

    pub(super) fn len(&self) -> usize {
        self.connections.lock().open.len()
    }

    /// Waits until there is room for one more. Evicts the connection that has been idle longest, or a half-closed one.
    /// If all are busy, waits for the first that ends or turns idle.
    pub(super) async fn wait_for_room(&self) {
        if self.len() < self.limit {
            return;
        }
        // Before the search: a connection that turns idle during it must be seen by the search or see this.
        self.waits_for_room.store(true, Ordering::SeqCst);
        let mut evicted = false;
        while self.len() >= self.limit {
            // One is enough for one new connection; its place is free when its task has dropped the socket.
            evicted = evicted || self.evict();
            self.changed.notified().await;
        }
        self.waits_for_room.store(false, Ordering::SeqCst);
    }

    /// Evicts the connection that has been idle longest, or a half-closed one if none is idle. Returns false if all are
    /// busy.
    pub(super) fn evict(&self) -> bool {
        let mut connections = self.connections.lock();
        loop {
            while let Some((seen, connection)) = connections.candidates.pop() {
                if connection.abort_if(seen) {
                    return true;
                }
            }
            connections.search();
            if connections.candidates.is_empty() {
                return false;
            }
        }
    }

    /// Evicts a connection to free a file descriptor, but never the only one.
    ///
    /// That is most likely the new one that took the last descriptor: accept(2) fails for want of another even if no
    /// connection is waiting.
    pub(super) fn free_descriptor(&self) {
        if self.open.is_spared {
            self.open.descriptor_wanted.notify_one();
        } else if self.len() > 1 {
            self.evict();
        }
    }

    /// Evicts a connection whenever a listener whose own connections are spared has no file descriptor left.
    pub(super) async fn free_descriptors_for_others(&self) -> Infallible {
        if self.open.is_spared {
            return std::future::pending().await;
        }
        loop {
            self.open.descriptor_wanted.notified().await;
            self.evict();
        }
    }

    /// Closes all idle connections.
    pub(super) fn close_idle(&self) {
        for connection in self.connections.lock().open.values() {
            if let Some((_, seen)) = connection.idle_since() {
                connection.abort_if(seen);
            }
        }
    }

    /// Aborts all connections, and returns the number of requests that were in flight.
    pub(super) fn abort_all(&self) -> usize {
        let connections = self.connections.lock();
        let aborted = connections.open.values().filter(|connection| connection.is_busy()).count();
        connections.open.values().for_each(Connection::abort);
        aborted
    }

    /// Waits until a connection has ended.
    pub(super) async fn one_ended(&self) {
        self.changed.notified().await;
    }

    /// Waits until there are no connections.
    pub(super) async fn emptied(&self) {
        while self.len() > 0 {
            self.changed.notified().await;
        }
    }
}

impl Connections {
    fn search(&mut self) {
        let mut idle: Vec<_> = self
            .open
            .values()
            .filter_map(|connection| connection.idle_since().map(|(since, seen)| (since, seen, connection)))
            .collect();
        if idle.len() > MAX_CANDIDATES {
            idle.select_nth_unstable_by_key(MAX_CANDIDATES, |(since, ..)| *since);
            idle.truncate(MAX_CANDIDATES);
        }
        idle.sort_unstable_by_key(|(since, ..)| std::cmp::Reverse(*since));
        self.candidates = idle.into_iter().map(|(_, seen, connection)| (seen, connection.clone())).collect();
        if self.candidates.is_empty() {
            // Only one: the next search may find an idle connection again.
            let half_closed = self
                .open
                .values()
                .find_map(|connection| Some((connection.half_closed()?, connection.clone())));
            self.candidates.extend(half_closed);
        }
    }
}

impl Slot {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Tells the listener, if it waits for room, that this connection can now be evicted.
    pub(super) fn notify_evictable(&self) {
        if self.registry.waits_for_room.load(Ordering::SeqCst) {
            self.registry.changed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(peer = %self.connection.peer(), "connection task panicked");
        }
        self.connection.task_ended();
        // Before the removal, so that the count is 0 when `emptied` returns.
        self.registry.open.count.fetch_sub(1, Ordering::Relaxed);
        self.registry.connections.lock().open.remove(&self.key);
        self.registry.changed.notify_one();
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
