//! The store as the sinks see it: where records come from and go back to.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use crate::{
    base::{NotYet, lock},
    domain::{Class, Settled, SinkId},
    sinks::{Due, Lane, Outbox, Piece},
    store::{self, DuePiece, SettleError, Store},
};

/// For each fault, what the courier had in hand waits so much longer.
const RESTARTED_WAIT_MS: u64 = 1_000;

/// The outbox of one courier. It remembers what the courier holds, so that nothing is lost with a courier
/// that ended.
#[derive(Clone)]
pub(super) struct StoreOutbox {
    store: Store,
    held: Arc<Mutex<HashSet<u64>>>,
}

impl StoreOutbox {
    /// The courier holds nothing yet.
    pub(super) fn new(store: Store) -> Self {
        Self { store, held: Arc::default() }
    }

    fn hold(&self, seq: u64) {
        lock(&self.held).insert(seq);
    }

    /// A courier begins. If one before it ended by a fault, what that had in hand may be the cause: it
    /// waits for its next try like anything that fails, so that what can succeed goes first.
    pub(super) fn begin(&self, sink: &SinkId, ends: u32) {
        let held = std::mem::take(&mut *lock(&self.held));
        let wait_ms = RESTARTED_WAIT_MS.saturating_mul(u64::from(ends));
        held.into_iter().for_each(|seq| {
            self.store.later(sink, seq, NotYet::Failed { wait_ms });
        });
    }

    /// The courier has ended: what it had taken and not settled is due again.
    pub(super) fn give_back(&self, sink: &SinkId) {
        let held = std::mem::take(&mut *lock(&self.held));
        held.into_iter().for_each(|seq| self.store.release(sink, seq));
    }
}

impl Outbox for StoreOutbox {
    async fn next_due(&self, sink: &SinkId, lane: Lane) -> Due {
        let due = self.store.next_due(sink, lane_of(Some(lane))).await;
        self.hold(due.seq);
        let emergency = due.class == Class::Emergency;
        Due { seq: due.seq, emergency, tried: due.tried, record: due.record }
    }

    async fn next_piece(&self, sink: &SinkId) -> Piece {
        let DuePiece { seq, incident, tried, evidence, path } = self.store.next_piece(sink).await;
        self.hold(seq);
        Piece { seq, incident, tried, evidence, path }
    }

    fn later(&self, sink: &SinkId, seq: u64, why: NotYet) -> bool {
        lock(&self.held).remove(&seq);
        self.store.later(sink, seq, why)
    }

    fn passed(&self, sink: &SinkId, lane: Option<Lane>) {
        self.store.passed(sink, lane_of(lane));
    }

    fn set_aside(&self, sink: &SinkId) -> (usize, usize) {
        let aside = self.store.set_aside(sink);
        (aside.emergencies, aside.others)
    }

    fn open_plate(&self, sealed: &str) -> Option<String> {
        self.store.open_plate(sealed)
    }

    async fn settle(&self, settled: Settled) {
        let (sink, change) = (settled.sink.clone(), settled.change);
        let (store, held) = (self.store.clone(), self.held.clone());
        // In a task of its own: a courier may be ended at any await, a settlement must not be.
        let settling = tokio::spawn(async move {
            match store.settle(settled).await {
                Ok(()) | Err(SettleError::NotDue) => {}
                // It became an emergency while it was under way: never given up, asked again.
                Err(SettleError::EmergencyKept) => store.release(&sink, change),
            }
            lock(&held).remove(&change);
        });
        let _ = settling.await;
    }
}

/// The store's word for it; evidence has no lane of records.
fn lane_of(lane: Option<Lane>) -> store::Lane {
    match lane {
        Some(Lane::Emergency) => store::Lane::Emergency,
        Some(Lane::Bulk) => store::Lane::Bulk,
        None => store::Lane::Evidence,
    }
}
