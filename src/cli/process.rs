//! The process: its runtime, its open files, and the protection of its memory.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

/// Runs a command on a runtime with the one thread that calls it.
pub(super) fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    // Waits for no thread, not even after a panic: one may read a file that hangs.
    runtime.shutdown_background();
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Disables core dumps, which would hold the keys, and reading this process's memory by others of the same user.
pub(super) fn keep_secrets() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "failed to disable core dumps");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "failed to prevent debuggers from attaching");
        }
    }
}

/// Raises the soft limit of open files, which is usually far too low, to `wanted` or as far as the operating system allows.
/// Returns the limit that is then in effect.
pub(super) fn raise_file_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let mut current = limit.current.unwrap_or(u64::MAX);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let raised = most.min(u64::try_from(wanted).unwrap_or(u64::MAX));
    if raised > current {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
            Ok(()) => current = raised,
            Err(error) => tracing::warn!(%error, "failed to raise the limit of open files"),
        }
    }
    usize::try_from(current).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_does_not_wait_for_a_thread_that_hangs() {
        let (release, hang) = mpsc::channel::<()>();
        let (outcome, ended) = mpsc::channel();
        let work = async {
            let (reading, has_begun) = mpsc::channel();
            drop(tokio::task::spawn_blocking(move || reading.send(()).is_ok() && hang.recv().is_ok()));
            has_begun.recv().unwrap();
            panic!("on purpose");
        };
        thread::spawn(move || {
            outcome.send(catch_unwind(AssertUnwindSafe(|| on_runtime::<()>(work))).is_err())
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(true));
        drop(release);
    }
}
