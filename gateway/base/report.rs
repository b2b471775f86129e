//! How threads outside tokio hand observations to the junction.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::{Body, Clock, Envelope, Fault, Observation, SourceId, Stamp};

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
