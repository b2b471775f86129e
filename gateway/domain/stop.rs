//! Raised once, seen by every blocking call of a thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Raised once, seen by every blocking call of a thread.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Raises it, for good.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
