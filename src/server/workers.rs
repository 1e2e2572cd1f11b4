//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays with its worker. A runtime that shares its tasks among threads would wake them for each other's
//! requests, which costs every redirect more than it gains: none takes long, and what does, such as calls to Nebuly, runs
//! in the background. New connections go to the worker with the fewest, so that all get their share, however few there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// The workers beside the runtime that accepts, which is a worker as well. They end with the last clone, without waiting for
/// their tasks.
#[derive(Debug, Clone, Default)]
pub struct Workers {
    others: Arc<[Worker]>,
    own: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// Its thread ends when this is dropped.
    _running: watch::Sender<()>,
}

/// A connection's place at a worker; the worker has one less when it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Workers {
    /// Starts all but the first of this many.
    pub fn start(workers: usize) -> io::Result<Self> {
        let others: io::Result<Vec<_>> = (2..=workers).map(Worker::start).collect();
        Ok(Self { others: others?.into(), own: Arc::default() })
    }

    /// The runtime of the worker that has the fewest connections, which is `None` for the own one, and a seat there.
    pub(super) fn choose(&self) -> (Option<&Handle>, Seat) {
        let load = |connections: &Arc<AtomicUsize>| connections.load(Ordering::Relaxed);
        let fewest = self.others.iter().min_by_key(|worker| load(&worker.connections));
        let other = fewest.filter(|worker| load(&worker.connections) < load(&self.own));
        let connections = Arc::clone(other.map_or(&self.own, |worker| &worker.connections));
        connections.fetch_add(1, Ordering::Relaxed);
        (other.map(|worker| &worker.runtime), Seat(connections))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, mut ended) = watch::channel(());
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            // An error says that the sender was dropped, the only news that there is.
            runtime.block_on(ended.changed()).ok();
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), _running: running })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn each_connection_goes_to_the_worker_with_the_fewest() {
        let workers = Workers::start(3).unwrap();
        let id = |runtime: Option<&Handle>| runtime.map(Handle::id);
        let mut seats: Vec<_> = (0..9).map(|_| workers.choose()).collect();
        for worker in [None, id(Some(&workers.others[0].runtime)), id(Some(&workers.others[1].runtime))] {
            assert_eq!(seats.iter().filter(|(runtime, _)| id(*runtime) == worker).count(), 3);
        }
        // Two of one worker leave: the next two are its.
        let left = id(seats[0].0);
        let mut gone = 0;
        seats.retain(|(runtime, _)| {
            let leaves = id(*runtime) == left && gone < 2;
            gone += usize::from(leaves);
            !leaves
        });
        for _ in 0..2 {
            seats.push(workers.choose());
            assert_eq!(id(seats[seats.len() - 1].0), left);
        }
    }

    #[test]
    fn the_tasks_of_a_worker_end_with_the_last_handle_to_it() {
        let workers = Workers::start(2).unwrap();
        let (held, ended) = oneshot::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        workers.others[0].runtime.spawn(async move {
            begun.send(thread::current().name().map(str::to_owned)).unwrap();
            std::future::pending::<()>().await;
            drop(held);
        });
        assert_eq!(has_begun.blocking_recv().unwrap().as_deref(), Some("worker-2"));
        drop(workers);
        ended.blocking_recv().unwrap_err();
    }
}
