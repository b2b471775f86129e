//! What the handles, the writer and the index thread share.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::{Notify, watch};

use super::{
    case_files::CaseFiles, disk_space::DiskSpace, holds::Holds, journal::Reader,
    newer_words::WrittenForm, on_disk::OnDisk, state::State,
};
use crate::{
    base::lock,
    domain::{Meter, Metric},
};

/// Held by the writer's thread. When that ends, by a panic too, the store says that it cannot
/// write any more.
pub(super) struct Ending(pub(super) Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.0.is_closing() {
            self.0.writer_ended.send_replace(true);
            self.0.set_trouble(Some("its writer has ended; restart the gateway".into()));
        }
    }
}

/// One for all handles of a store.
pub(super) struct Shared {
    /// The writer has ended and nobody closed the store.
    pub(super) writer_ended: watch::Sender<bool>,
    /// What waits for its next try is timed from here.
    pub(super) opened_at: Instant,
    /// Only what is synced. A std mutex: no await and no journal I/O happens under it.
    pub(super) state: Mutex<State>,
    /// The index, while there is one.
    on_disk: Mutex<Option<OnDisk>>,
    /// Where the latest change is in the journal.
    pub(super) changed: watch::Sender<u64>,
    /// Notified when something may have become due.
    pub(super) wake: Notify,
    /// Reads single records.
    pub(super) reader: Reader,
    /// For the figures of the store.
    pub(super) meter: Arc<dyn Meter>,
    /// Why the store cannot write, while it cannot.
    trouble: Mutex<Option<String>>,
    closing: Mutex<bool>,
    closing_changed: Condvar,
    /// Of all segments.
    pub(super) journal_bytes: AtomicU64,
    /// How much is left.
    pub(super) disk_space: DiskSpace,
    /// Lines of cases that are over.
    pub(super) case_files: CaseFiles,
    /// What must stay for somebody; never asked while the state is locked, for it may wait for the disk.
    pub(super) holds: Holds,
    /// As which format records are written.
    pub(super) form: WrittenForm,
}

impl Shared {
    /// Nothing is wrong yet.
    pub(super) fn new(
        state: State,
        reader: Reader,
        meter: Arc<dyn Meter>,
        disk_space: DiskSpace,
        case_files: CaseFiles,
        holds: Holds,
        form: WrittenForm,
    ) -> Self {
        meter.set(Metric::StoreAvailable, "", 1.0);
        Self {
            opened_at: Instant::now(),
            writer_ended: watch::Sender::new(false),
            state: Mutex::new(state),
            on_disk: Mutex::default(),
            changed: watch::Sender::new(0),
            wake: Notify::new(),
            reader,
            meter,
            trouble: Mutex::new(None),
            closing: Mutex::new(false),
            closing_changed: Condvar::new(),
            journal_bytes: AtomicU64::new(0),
            disk_space,
            case_files,
            holds,
            form,
        }
    }

    /// The index, while there is one.
    pub(super) fn on_disk(&self) -> Option<OnDisk> {
        lock(&self.on_disk).clone()
    }

    /// There is another index, or none.
    pub(super) fn set_on_disk(&self, on_disk: Option<OnDisk>) {
        *lock(&self.on_disk) = on_disk;
    }

    /// Why the store cannot write, while it cannot.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// The store cannot write, or can again.
    pub(super) fn set_trouble(&self, reason: Option<String>) {
        self.meter.set(Metric::StoreAvailable, "", if reason.is_none() { 1.0 } else { 0.0 });
        *lock(&self.trouble) = reason;
    }

    /// The store closes: nobody waits any more.
    pub(super) fn close(&self) {
        *lock(&self.closing) = true;
        self.closing_changed.notify_all();
    }

    /// Whether it closes.
    pub(super) fn is_closing(&self) -> bool {
        *lock(&self.closing)
    }

    /// Waits, but not longer than until the store closes.
    pub(super) fn wait(&self, time: std::time::Duration) {
        let guard = lock(&self.closing);
        drop(self.closing_changed.wait_timeout_while(guard, time, |closing| !*closing));
    }

    /// To be called after the state changed: sets the figures, and wakes the couriers and who watches.
    pub(super) fn announce(&self) {
        let position = {
            let state = lock(&self.state);
            for sink in state.ledger.sinks.keys() {
                let pending = state.ledger.of(sink).pending;
                self.meter.set(Metric::Pending, sink.as_str(), pending as f64);
            }
            state.changes.position()
        };
        self.changed.send_if_modified(|last| std::mem::replace(last, position) != position);
        self.wake.notify_waiters();
    }

    /// Of all segments.
    pub(super) fn journal_bytes(&self) -> u64 {
        self.journal_bytes.load(Ordering::Relaxed)
    }
}
