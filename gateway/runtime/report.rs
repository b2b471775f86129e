//! How threads outside tokio hand observations to the junction.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::{Body, Clock, Envelope, Fault, Observation, Receipt, SourceId, Stamp};

#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) envelopes: mpsc::Sender<Envelope>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Reporter {
    /// Waits while the junction is busy; false once the gateway stops.
    pub(super) fn send(&self, source: &SourceId, stamp: Stamp, body: Body) -> bool {
        let observation = Observation { source: source.clone(), stamp, body };
        self.envelopes.blocking_send(Envelope { observation, receipt: Receipt::none() }).is_ok()
    }

    pub(super) fn fault(&self, source: &SourceId, fault: Fault) {
        self.send(source, Stamp::of_gateway(self.clock.now()), Body::Fault(fault));
    }
}
