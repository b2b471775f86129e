//! How a mutex is locked here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose content is whole at every instant (a map, a queue, a value that is
/// replaced), so that a holder that panicked has left nothing half done: the others go on.
///
/// Where a panic may leave something half done, the poison is the message, and this is not used:
/// the sampler of a camera (its stream begins anew), the ring (its clips say that it is lost).
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
