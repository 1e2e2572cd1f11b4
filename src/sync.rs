//! The lock and the task that code with interleavings worth exploring is written with.
//!
//! With the feature `interleavings`, both are those of shuttle, a tester that runs a test again and again and decides each
//! time who goes on at every lock and every wait. Only the tests named `interleavings` can run then.

#[cfg(not(feature = "interleavings"))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(not(feature = "interleavings"))]
pub(crate) use tokio::spawn;

#[cfg(feature = "interleavings")]
pub(crate) use shuttle::{
    future::spawn,
    sync::{Mutex, MutexGuard},
};

use std::sync::PoisonError;

/// Locks a mutex under which nothing panics: what a poisoned one guards is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
