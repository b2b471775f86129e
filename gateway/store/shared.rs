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
    /// Jobs that were handed over and are not in the writer's line yet: nobody overtakes them.
    pub(super) coming: AtomicU64,
    /// What a write with its sync takes on this disk, microseconds, smoothed.
    sync_us: AtomicU64,
}

/// Up to here a sync may be waited for on a thread of the async runtime; on a slower disk the
/// change of threads that this saves would not be noticed anyway.
const QUICK_SYNC_US: u64 = 1_500;
/// Until the first sync was measured.
const SYNC_US_AT_START: u64 = QUICK_SYNC_US;
/// How much of the smoothed time is the last one's: one in so many.
const SYNC_SMOOTHING: u64 = 8;

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
            coming: AtomicU64::new(0),
            sync_us: AtomicU64::new(SYNC_US_AT_START),
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    pub(super) fn set_trouble(&self, reason: Option<String>) {
        self.meter.set(Metric::StoreAvailable, "", if reason.is_none() { 1.0 } else { 0.0 });
        *lock(&self.trouble) = reason;
    }

    pub(super) fn a_sync_took(&self, time: std::time::Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let before = self.sync_us.load(Ordering::Relaxed);
        let after = before - before / SYNC_SMOOTHING + us / SYNC_SMOOTHING;
        self.sync_us.store(after, Ordering::Relaxed);
    }

    pub(super) fn syncs_are_quick(&self) -> bool {
        self.sync_us.load(Ordering::Relaxed) < QUICK_SYNC_US
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
