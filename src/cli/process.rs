//! What the process asks of the operating system.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Writes no core dumps, which would hold the keys, and lets other processes of the same user read nothing of this one.
pub(super) fn keep_secrets() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "the process could not be closed to debuggers");
        }
    }
}

/// Allows as many open files as are wanted, or as the operating system lets us: the usual soft limit is far below. Returns
/// the limit that is then in effect.
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
