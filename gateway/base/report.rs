//! How others hand observations to the junction: threads outside tokio, and who waits for its answer.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::domain::{Answer, Body, Clock, Envelope, Fault, Observation, Receipt, SourceId, Stamp};

/// A sender for threads that may block.
#[derive(Clone)]
pub struct Reporter {
    /// To the junction.
    pub envelopes: mpsc::Sender<Envelope>,
    /// For the time of faults.
    pub clock: Arc<dyn Clock>,
}

impl Reporter {
    /// Waits while the junction is busy; false once the gateway stops.
    pub fn send(&self, source: &SourceId, stamp: Stamp, body: Body) -> bool {
        let observation = Observation { source: source.clone(), stamp, body };
        self.envelopes.blocking_send(Envelope::unacknowledged(observation)).is_ok()
    }

    /// A part broke, or is well again.
    pub fn fault(&self, source: &SourceId, fault: Fault) {
        self.send(source, Stamp::of_gateway(self.clock.now()), Body::Fault(fault));
    }
}

/// Hands over an observation as a source does, and waits for what became of it: it is on disk, or why not.
pub async fn ask(envelopes: &mpsc::Sender<Envelope>, observation: Observation) -> Answer {
    let (sender, answer) = oneshot::channel();
    let receipt = Receipt::new(move |settled| {
        let _ = sender.send(settled);
    });
    if envelopes.send(Envelope { observation, receipt }).await.is_err() {
        return Answer::Lost;
    }
    answer.await.unwrap_or(Answer::Lost)
}
