//! What every part of a running gateway is given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::mpsc;

use super::{device_table::DeviceTableReader, junction::Ask, platform_doors::Platforms};
use crate::{
    base::{Progress, Readiness, Registry, Reporter},
    camera::WakeRouter,
    domain::{Clock, Envelope, SiteId, SourceId},
    sources::{Dialects, camera::StreamUrls},
    store::Store,
};

/// What is known of the streams of each camera that is asked for them.
pub(super) type StreamUrlsByCamera = Arc<Mutex<BTreeMap<SourceId, Arc<StreamUrls>>>>;

/// Handles that are cloned into every part.
#[derive(Clone)]
pub(super) struct Shared {
    /// Its id.
    pub(super) site: SiteId,
    /// The journal and everything derived from it.
    pub(super) store: Store,
    /// Where `now` comes from.
    pub(super) clock: Arc<dyn Clock>,
    /// Figures for `/metrics`.
    pub(super) registry: Arc<Registry>,
    /// Reasons for `/readyz`.
    pub(super) readiness: Readiness,
    /// To the junction.
    pub(super) envelopes: mpsc::Sender<Envelope>,
    /// How the devices of the latest configuration are read.
    pub(super) dialects: Dialects,
    /// The latest device table.
    pub(super) devices: DeviceTableReader,
    /// To the junction: what the rules know of rain.
    pub(super) asks: mpsc::Sender<Ask>,
    /// Where parts give signs of life.
    pub(super) progress: Progress,
    /// Where the streams of cameras are that were asked for them.
    pub(super) stream_urls: StreamUrlsByCamera,
    /// Districts' platforms: their cases, and the doors through which they push.
    pub(super) platforms: Arc<Platforms>,
    /// Wakes cameras.
    pub(super) wakes: Arc<WakeRouter>,
}

impl Shared {
    /// How threads outside tokio hand observations to the junction.
    pub(super) fn reporter(&self) -> Reporter {
        Reporter { envelopes: self.envelopes.clone(), clock: self.clock.clone() }
    }
}
