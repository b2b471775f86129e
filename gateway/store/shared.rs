//! What the handles, the writer and the index thread share.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::{journal::Reader, room::Gauge, state::State};
use crate::domain::{Meter, Metric};

/// A lock holder that panicked left nothing half done that is not checked elsewhere; all
/// other threads go on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// However the writer's thread ends, a panic included, it is told.
pub(super) struct Ending(pub(super) Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.0.is_closing() {
            self.0.set_trouble(Some("its writer has ended; restart the gateway".into()));
        }
    }
}

pub(super) struct Shared {
    /// Only what is synced. A std mutex: no await and no journal I/O happens under it.
    pub(super) state: Mutex<State>,
    /// Rung when something may have become due.
    pub(super) wake: Notify,
    pub(super) reader: Reader,
    pub(super) meter: Arc<dyn Meter>,
    /// Why the store cannot write, while it cannot.
    trouble: Mutex<Option<String>>,
    closing: Mutex<bool>,
    closing_rung: Condvar,
    pub(super) journal_bytes: AtomicU64,
    pub(super) gauge: Gauge,
}

impl Shared {
    pub(super) fn new(state: State, reader: Reader, meter: Arc<dyn Meter>, gauge: Gauge) -> Self {
        meter.set(Metric::StoreAvailable, "", 1.0);
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            reader,
            meter,
            trouble: Mutex::new(None),
            closing: Mutex::new(false),
            closing_rung: Condvar::new(),
            journal_bytes: AtomicU64::new(0),
            gauge,
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    pub(super) fn set_trouble(&self, reason: Option<String>) {
        self.meter.set(Metric::StoreAvailable, "", if reason.is_none() { 1.0 } else { 0.0 });
        *lock(&self.trouble) = reason;
    }

    pub(super) fn close(&self) {
        *lock(&self.closing) = true;
        self.closing_rung.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        *lock(&self.closing)
    }

    /// Waits, but not longer than until the store closes.
    pub(super) fn wait(&self, time: std::time::Duration) {
        let guard = lock(&self.closing);
        drop(self.closing_rung.wait_timeout_while(guard, time, |closing| !*closing));
    }

    /// After the state changed: figures out, couriers awake.
    pub(super) fn announce(&self) {
        {
            let state = lock(&self.state);
            for sink in state.ledger.sinks.keys() {
                let pending = state.ledger.of(sink).pending;
                self.meter.set(Metric::Pending, sink.as_str(), pending as f64);
            }
        }
        self.wake.notify_waiters();
    }

    pub(super) fn journal_bytes(&self) -> u64 {
        self.journal_bytes.load(Ordering::Relaxed)
    }
}
