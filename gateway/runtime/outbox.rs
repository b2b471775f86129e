//! The store as the sinks see it: where records come from and go back to.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use crate::{
    base::lock,
    domain::{Class, Settled, SinkId},
    sinks::{Due, Lane, Outbox, Piece},
    store::{self, DuePiece, SettleError, Store},
};

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

    /// The courier has ended: what it had taken and not settled is due again.
    pub(super) fn give_back(&self, sink: &SinkId) {
        let held = std::mem::take(&mut *lock(&self.held));
        held.into_iter().for_each(|seq| self.store.release(sink, seq));
    }
}

impl Outbox for StoreOutbox {
    async fn next_due(&self, sink: &SinkId, lane: Lane) -> Due {
        let lane = match lane {
            Lane::Emergency => store::Lane::Emergency,
            Lane::Bulk => store::Lane::Bulk,
        };
        let due = self.store.next_due(sink, lane).await;
        self.hold(due.seq);
        Due { seq: due.seq, emergency: due.class == Class::Emergency, record: due.record }
    }

    async fn next_piece(&self, sink: &SinkId) -> Piece {
        let DuePiece { seq, incident, evidence, path } = self.store.next_piece(sink).await;
        self.hold(seq);
        Piece { seq, incident, evidence, path }
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
