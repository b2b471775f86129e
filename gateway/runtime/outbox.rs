//! The store as the sinks see it: where records come from and go back to.

use crate::{
    domain::{Class, Settled, SinkId},
    sinks::{Due, Lane, Outbox, Piece},
    store::{self, SettleError, Store},
};

#[derive(Clone)]
pub(super) struct StoreOutbox(pub(super) Store);

impl Outbox for StoreOutbox {
    async fn next_due(&self, sink: &SinkId, lane: Lane) -> Due {
        let lane = match lane {
            Lane::Emergency => store::Lane::Emergency,
            Lane::Bulk => store::Lane::Bulk,
        };
        let due = self.0.next_due(sink, lane).await;
        Due { seq: due.seq, emergency: due.class == Class::Emergency, record: due.record }
    }

    async fn next_piece(&self, _: &SinkId) -> Piece {
        // the store's half comes with it
        std::future::pending().await
    }

    async fn settle(&self, settled: Settled) {
        let (sink, change) = (settled.sink.clone(), settled.change);
        match self.0.settle(settled).await {
            Ok(()) | Err(SettleError::NotDue) => {}
            // It became an emergency while it was under way: never given up, asked again.
            Err(SettleError::EmergencyKept) => self.0.release(&sink, change),
        }
    }
}
