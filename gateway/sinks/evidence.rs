//! The courier of a sink's evidence: next piece → upload → settle; one at a time, bulk class, for ever.
//!
//! As with records, a piece that fails goes back into the store until its time, and one that fails
//! while others pass stands in nobody's way.

use std::sync::Arc;

use super::{
    circuit::Circuit,
    courier::BACKOFF_MS_FIRST,
    http::Uploader,
    outbox::{Outbox, Piece},
    sink::{DeliverError, FILE_MISSING},
};
use crate::{
    base::NotYet,
    domain::{Clock, Meter, Metric, Outcome, Settled, SinkId},
    wire::backoff::{BACKOFF_MS_MAX, backoff},
};

/// Everything it needs. Its connection is its own, so that no event waits for it.
pub struct EvidenceCourier<O> {
    pub sink: SinkId,
    pub connection: Uploader,
    pub outbox: O,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
    pub circuit: Arc<Circuit>,
}

impl<O: Outbox> EvidenceCourier<O> {
    /// Runs until it is dropped. A piece under way then is in the store still, and the next courier
    /// asks how much of it has arrived.
    pub async fn run(mut self) {
        let mut circuit = self.circuit.lane("evidence");
        self.connection.yield_to(self.circuit.watch());
        loop {
            let piece = self.outbox.next_piece(&self.sink).await;
            match self.attempt(&piece).await {
                Ok(outcome) => {
                    let taken = outcome == Outcome::Delivered;
                    self.settle(&piece, outcome).await;
                    circuit.works();
                    if taken {
                        self.outbox.passed(&self.sink, None);
                    }
                }
                Err((reason, after_ms)) => {
                    let id = piece.evidence.id;
                    tracing::debug!(sink = %self.sink, evidence = %id, reason, "not uploaded; again later");
                    self.meter.add(Metric::EvidenceUploadFailures, self.sink.as_str(), 1);
                    if !piece.tried.is_aside() {
                        circuit.failed(&format!("evidence: {reason}"));
                    }
                    let back_off = backoff(BACKOFF_MS_FIRST, piece.tried.tries).as_millis();
                    let why = match after_ms {
                        Some(ms) => NotYet::Asked { wait_ms: ms.min(BACKOFF_MS_MAX) },
                        None => NotYet::Failed {
                            wait_ms: u64::try_from(back_off).unwrap_or(BACKOFF_MS_MAX),
                        },
                    };
                    if self.outbox.later(&self.sink, piece.seq, why) {
                        tracing::error!(sink = %self.sink, evidence = %id, reason, "set aside: it fails while others pass; still owed, and tried now and then");
                        self.circuit.last_reason(&reason);
                    }
                }
            }
            self.circuit.set_aside(self.outbox.set_aside(&self.sink));
        }
    }

    /// Ok: how it is settled. Err: why it is not, and when to try again if the other end said so,
    /// milliseconds.
    async fn attempt(&mut self, piece: &Piece) -> Result<Outcome, (String, Option<u64>)> {
        let answer = match &piece.path {
            None => FILE_MISSING.to_owned(),
            Some(path) => {
                match self.connection.upload(piece.incident, &piece.evidence, path).await {
                    Ok(()) | Err(DeliverError::Passed { .. }) => return Ok(Outcome::Delivered),
                    Err(DeliverError::Retry { reason, after_ms }) => {
                        return Err((reason, after_ms));
                    }
                    Err(
                        DeliverError::Reject { answer } | DeliverError::Expired { why: answer },
                    ) => answer,
                }
            }
        };
        let id = piece.evidence.id;
        tracing::error!(sink = %self.sink, evidence = %id, answer, "evidence cannot be uploaded; dead-lettered");
        Ok(Outcome::Dead { answer })
    }

    async fn settle(&self, piece: &Piece, outcome: Outcome) {
        let metric = match outcome {
            Outcome::Delivered => Metric::EvidenceDelivered,
            _ => Metric::DeadLettered,
        };
        self.meter.add(metric, self.sink.as_str(), 1);
        let (sink, at) = (self.sink.clone(), self.clock.now().wall);
        self.outbox.settle(Settled { sink, change: piece.seq, outcome, at }).await;
    }
}
