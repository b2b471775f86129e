//! What every part of a running gateway is given.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{device_table::DeviceTableReader, junction::Ask};
use crate::{
    base::{Progress, Readiness, Registry, Reporter},
    camera::WakeRouter,
    domain::{Clock, Envelope, SiteId},
    sources::Dialects,
    store::Store,
};

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) site: SiteId,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) registry: Arc<Registry>,
    pub(super) readiness: Readiness,
    pub(super) envelopes: mpsc::Sender<Envelope>,
    /// How the devices of the latest configuration are read.
    pub(super) dialects: Dialects,
    pub(super) devices: DeviceTableReader,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) progress: Progress,
    pub(super) wakes: Arc<WakeRouter>,
}

impl Shared {
    /// How threads outside tokio hand observations to the junction.
    pub(super) fn reporter(&self) -> Reporter {
        Reporter { envelopes: self.envelopes.clone(), clock: self.clock.clone() }
    }
}
