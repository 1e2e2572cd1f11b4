//! The lock and the task of code whose interleavings shuttle explores.
//!
//! With the feature `interleavings`, both are those of shuttle: it runs a test again and again, and chooses each time who
//! goes on at every lock and every wait. Only the tests named `interleavings` can run then.

#[cfg(not(feature = "interleavings"))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(not(feature = "interleavings"))]
pub(crate) use tokio::spawn;

#[cfg(feature = "interleavings")]
pub(crate) use shuttle::{
    future::spawn,
    sync::{Mutex, MutexGuard},
};

/// Locks a mutex, in either of the two ways.
#[cfg(not(feature = "interleavings"))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// Locks a mutex, in either of the two ways.
#[cfg(feature = "interleavings")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
