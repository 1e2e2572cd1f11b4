//! The runtime of work that no redirect should wait behind: calls to Nebuly and batches of links.
//!
//! A runtime runs its tasks one after the other. When 64 answers of Nebuly arrive at once, a redirect on the same runtime
//! would wait for all of them; with threads of their own, of a lower priority, the operating system gives the redirect its
//! turn.

use std::io;
use std::sync::Arc;

use opentelemetry::context::FutureExt as _;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::sync;

/// A runtime beside the one that answers requests. It ends with its last clone, without waiting for its tasks.
///
/// The default has no threads of its own: its tasks run on the runtime of whoever spawns them, as a command needs it.
#[derive(Clone, Default)]
pub struct BackgroundRuntime(Option<Arc<OwnRuntime>>);

/// `None` only while it is dropped.
struct OwnRuntime(Option<Runtime>);

impl BackgroundRuntime {
    /// Starts a runtime with one worker: a call costs some 0.1 ms of CPU, and Nebuly takes far longer.
    pub fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("background").on_thread_start(give_way);
        let runtime = builder.enable_all().build()?;
        Ok(Self(Some(Arc::new(OwnRuntime(Some(runtime))))))
    }

    /// Runs a task to its end, whoever waits for it. Its calls are part of the trace of who spawns it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = task.with_current_context();
        match self.handle() {
            Some(handle) => drop(handle.spawn(task)),
            None => drop(sync::spawn(task)),
        }
    }

    /// Runs a task until what is returned is dropped; there it can be waited for, and a panic of the task is an error. Its
    /// calls are part of the trace of who runs it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        let task = task.with_current_context();
        AbortOnDropHandle::new(match self.handle() {
            Some(handle) => handle.spawn(task),
            None => tokio::spawn(task),
        })
    }

    /// Runs work that would block a worker, on a thread of its own, to its end. The error is a panic.
    pub(crate) fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match self.handle() {
            Some(handle) => handle.spawn_blocking(work),
            None => tokio::task::spawn_blocking(work),
        }
    }

    fn handle(&self) -> Option<&Handle> {
        self.0.as_deref()?.0.as_ref().map(Runtime::handle)
    }
}

/// Lowers the priority of this thread. While redirects take all of a core, a tenth of it is left for it: time for 1500 calls
/// a second.
fn give_way() {
    // Elsewhere it would be that of the whole process.
    #[cfg(target_os = "linux")]
    rustix::process::nice(10).ok();
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        // To wait for the tasks would block, and panics on another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn tasks_run_beside_the_runtime_that_waits_for_them() {
        let background = BackgroundRuntime::start().unwrap();
        let there = background.run(async { thread::current().name().map(str::to_owned) }).await.unwrap();
        assert_eq!(there.as_deref(), Some("background"));
        #[cfg(target_os = "linux")]
        {
            let priority = || rustix::process::getpriority_process(None).unwrap();
            let own = priority();
            let lower = (own + 10).min(19);
            assert_eq!(background.run(async move { priority() }).await.unwrap(), lower);
            assert_eq!(background.run_blocking(priority).await.unwrap(), lower);
            assert_eq!(priority(), own);
        }
        let here = BackgroundRuntime::default().run(async { thread::current().id() }).await.unwrap();
        assert_eq!(here, thread::current().id());
    }

    #[tokio::test]
    async fn a_task_that_nobody_waits_for_any_more_ends() {
        for background in [BackgroundRuntime::start().unwrap(), BackgroundRuntime::default()] {
            let (begun, has_begun) = oneshot::channel();
            let (held, ended) = oneshot::channel::<()>();
            let waiting = background.run(async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
                drop(held);
            });
            tokio::select! {
                _ = waiting => panic!("it never ends by itself"),
                begun = has_begun => begun.unwrap(),
            }
            ended.await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_task_runs() {
        let background = BackgroundRuntime::start().unwrap();
        assert!(background.run(async { panic!("on purpose") }).await.is_err());
        assert_eq!(background.run(async { 1 }).await.unwrap(), 1);
    }
}
