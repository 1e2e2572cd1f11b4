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

/// Allows as many open files as the operating system lets us: the usual soft limit is far below `max_connections`.
pub(super) fn raise_file_limit(wanted: usize) {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(256);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = Rlimit { current: Some(wanted.min(most)), maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    } else if wanted > most {
        tracing::warn!(
            limit = most,
            wanted,
            "open files are limited to fewer than server.max_connections needs"
        );
    }
}
