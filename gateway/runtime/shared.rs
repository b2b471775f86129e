//! What every part of a running gateway is given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::mpsc;

use super::{device_table::DeviceTableReader, junction::Ask, platform_doors::Platforms};
use crate::{
    base::ClientIds,
    base::{Progress, Readiness, Registry, Reporter},
    camera::{LiveFeeds, WakeRouter},
    config::Config,
    domain::{Clock, Envelope, SiteId, SourceId},
    sources::{Dialects, camera::StreamUrls, presence::PresenceTally},
    store::Store,
    wire::case_links::CaseLinks,
};

/// What is known of the streams of each camera that is asked for them.
pub(super) type StreamUrlsByCamera = Arc<Mutex<BTreeMap<SourceId, Arc<StreamUrls>>>>;

/// The configuration that runs, as the latest reload left it.
pub(super) type RunningConfig = Arc<Mutex<Arc<Config>>>;

/// Handles that are cloned into every part.
#[derive(Clone)]
pub(super) struct Shared {
    /// Its id.
    pub(super) site: SiteId,
    /// What it calls itself at brokers.
    pub(super) client_ids: ClientIds,
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
    /// For who asks what the configuration is.
    pub(super) running: RunningConfig,
    /// Signed links, by which one person answers one case.
    pub(super) links: Arc<CaseLinks>,
    /// Wakes cameras.
    pub(super) wakes: Arc<WakeRouter>,
    /// How many devices are where, by what Wi-Fi sensors hear.
    pub(super) presence: Arc<PresenceTally>,
    /// What cameras show now, for who watches.
    pub(super) live: LiveFeeds,
}

impl Shared {
    /// How threads outside tokio hand observations to the junction.
    pub(super) fn reporter(&self) -> Reporter {
        Reporter { envelopes: self.envelopes.clone(), clock: self.clock.clone() }
    }
}
