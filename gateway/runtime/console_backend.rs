//! The gateway as the console sees it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    camera_stills::CameraStills,
    device_table::DeviceTableReader,
    evidence_out::{self, Wish},
    fleet::{camera_views, speaker_views},
    junction::Ask,
    one_entry::written,
    platform_doors::Platforms,
    presence,
    rule_report::rule_report,
    shared::{RunningConfig, StreamUrlsByCamera},
    site_facts::SiteFacts,
    step_pictures::StepPictures,
};
use crate::{
    base::{Readiness, Registry, ask, load_1m, lock, processors, resident_bytes},
    camera::{self, LiveFeeds},
    config::Config,
    console::{
        self, CameraView, Condition, FaultView, Filter, Reloaded, SinkCondition, SiteMap,
        SiteWords, SpeakerView,
    },
    domain::{
        AccessNote, AnnounceOrder, Answer, Body, CaseLines, Clock, DeviceTable, DroneView, Entry,
        Envelope, EventContext, Evidence, EvidenceId, IncidentId, Meter, Metric, Now, Observation,
        PostureOrder, PresenceView, RainView, Record, Reply, SourceId,
    },
    media::heap_bytes,
    sinks,
    sources::presence::PresenceTally,
    store::{IncidentFilter, OpenCases, Store, ledger_text},
    wire::case_links::{BadLink, CaseLinks, LinkOf, NoLink},
};

/// Somebody asks for the configuration to be read anew.
pub(super) struct ReloadAsked {
    /// It may take away whole parts: whoever asks has seen which.
    pub(super) confirmed: bool,
    /// Where the answer goes.
    pub(super) answer: oneshot::Sender<Reloaded>,
}

impl ReloadAsked {
    /// Asks, and waits for what became of it. Where nobody takes it or answers any more, the gateway stops.
    pub(super) async fn ask(reloads: &mpsc::Sender<Self>, confirmed: bool) -> Reloaded {
        let (answer, taken) = oneshot::channel();
        if reloads.send(Self { confirmed, answer }).await.is_err() {
            return Reloaded::Stopping;
        }
        taken.await.unwrap_or(Reloaded::Stopping)
    }
}

/// What the console asks, answered by store, registry and junction.
#[derive(Clone)]
pub(super) struct ConsoleBackend {
    /// Incidents and evidence.
    pub(super) store: Store,
    /// Reasons for `/readyz`.
    pub(super) readiness: Readiness,
    /// Figures for `/metrics`.
    pub(super) registry: Arc<Registry>,
    /// As the latest configuration has it.
    pub(super) context: watch::Receiver<EventContext>,
    /// The latest device table.
    pub(super) devices: DeviceTableReader,
    /// To the junction.
    pub(super) envelopes: mpsc::Sender<Envelope>,
    /// For the time of observations.
    pub(super) clock: Arc<dyn Clock>,
    /// To whoever reloads.
    pub(super) reloads: mpsc::Sender<ReloadAsked>,
    /// Which rules there are.
    pub(super) running: RunningConfig,
    /// To the junction: what the rules know of rain.
    pub(super) asks: mpsc::Sender<Ask>,
    /// Doors of districts' platforms.
    pub(super) platforms: Arc<Platforms>,
    /// By which one person answers one case.
    pub(super) links: Arc<CaseLinks>,
    /// Pictures that come with replies.
    pub(super) step_pictures: Arc<StepPictures>,
    /// The site's own words and its people, as the latest configuration has them.
    pub(super) site_facts: watch::Receiver<Arc<SiteFacts>>,
    /// How many devices are where.
    pub(super) presence: Arc<PresenceTally>,
    /// What cameras show now.
    pub(super) live: LiveFeeds,
    /// Their latest pictures in little.
    pub(super) stills: CameraStills,
    /// Which streams they were asked for.
    pub(super) stream_urls: StreamUrlsByCamera,
    /// When each piece was last written down as looked at, by whom; monotonic milliseconds.
    pub(super) looked: Arc<Mutex<BTreeMap<(EvidenceId, String), u64>>>,
}

/// A player asks for parts of a clip as it plays, and a list is drawn anew: one look of the same person.
const SAME_LOOK_MS: u64 = 60_000;
/// Pieces whose last look is remembered; forgetting one only means another record of it.
const LOOKED_MAX: usize = 1_024;

impl console::Backend for ConsoleBackend {
    fn ready(&self) -> Vec<String> {
        let mut reasons = self.readiness.reasons();
        if let Err(reason) = self.store.is_available() {
            reasons.push(format!("store: {reason}"));
        }
        reasons
    }

    fn notes(&self) -> Vec<String> {
        self.readiness.notes()
    }

    fn model(&self) -> Option<String> {
        self.readiness.fact_of(camera::LOOKS)
    }

    fn token_refused(&self) {
        self.registry.add(Metric::WebTokensRefused, "", 1);
    }

    fn metrics(&self) -> String {
        self.registry.set(Metric::HeapBytes, "", heap_bytes() as f64);
        self.registry.text() + &ledger_text(&self.store.ledger())
    }

    fn incidents(&self, filter: &Filter) -> Vec<Record> {
        let Filter { active, kind, since, limit } = filter.clone();
        self.store.incidents(&IncidentFilter { active, kind, since, limit })
    }

    fn devices(&self) -> Arc<DeviceTable> {
        self.devices.borrow().clone()
    }

    fn incident(&self, id: IncidentId) -> Option<Record> {
        self.store.incident(id)
    }

    fn case_lines(&self, from: Timestamp, until: Timestamp) -> CaseLines {
        self.store.case_lines(from, until)
    }

    fn rules(&self, since: Timestamp) -> Result<Value, String> {
        let config = lock(&self.running).clone();
        let now = self.now();
        let report = rule_report(&config, &self.case_lines(since, now), since, now);
        serde_json::to_value(report).map_err(|error| error.to_string())
    }

    fn open_cases(&self, most: usize) -> console::OpenCases {
        let OpenCases { position, records, left_out } = self.store.open_cases(most);
        console::OpenCases { position, records, left_out }
    }

    fn changes_after(&self, after: u64, most: usize) -> Option<Vec<(u64, Record)>> {
        self.store.changes_after(after, most)
    }

    fn change_position(&self) -> watch::Receiver<u64> {
        self.store.change_position()
    }

    fn condition(&self) -> Condition {
        let (ledger, space) = (self.store.ledger(), self.store.space());
        let sink = |id: String| {
            let sums = ledger.of(&id.as_str().into());
            let up = self.registry.get(Metric::SinkUp, &id) > 0.0;
            SinkCondition {
                up,
                pending: sums.pending,
                dead: sums.dead,
                accepted: sums.accepted,
                delivered: sums.delivered,
                shed: sums.shed,
                lost: sums.lost,
                id,
            }
        };
        let (reasons, notes) = (self.ready(), self.notes());
        let runs = |provider: &String| self.registry.get(Metric::DetectorProvider, provider) > 0.0;
        Condition {
            faults: FaultView::all(&reasons, &notes),
            reasons,
            notes,
            model: self.model(),
            provider: self.registry.labels(Metric::DetectorProvider).into_iter().find(runs),
            sinks: self.registry.labels(Metric::SinkUp).into_iter().map(sink).collect(),
            free_bytes: space.free_bytes,
            min_free_bytes: space.min_free_bytes,
            evidence_bytes: space.evidence_bytes,
            journal_bytes: space.journal_bytes,
            memory_bytes: resident_bytes() as u64,
            load_1m: load_1m(),
            processors: processors(),
        }
    }

    fn site_words(&self) -> SiteWords {
        let facts = self.site_facts.borrow().clone();
        facts.words(self.clock.now().wall)
    }

    fn map(&self) -> Arc<SiteMap> {
        self.site_facts.borrow().map()
    }

    fn camera_views(&self) -> Vec<CameraView> {
        let config = lock(&self.running).clone();
        let ids: Vec<String> = config.cameras.iter().map(|camera| camera.id.clone()).collect();
        camera_views(&self.registry, &ids)
    }

    fn speaker_views(&self) -> Vec<SpeakerView> {
        let config = lock(&self.running).clone();
        let speaker = |sink: &sinks::Config| match sink {
            sinks::Config::Speaker(speaker) => Some(speaker.speaker.id.clone()),
            _ => None,
        };
        let ids: Vec<String> = config.sinks.iter().filter_map(speaker).collect();
        speaker_views(&self.registry, &ids)
    }

    async fn drone_views(&self) -> Option<Vec<DroneView>> {
        if lock(&self.running).drones.is_empty() {
            return Some(Vec::new());
        }
        let (sender, answer) = oneshot::channel();
        self.asks.send(Ask::Drones(sender)).await.ok()?;
        answer.await.ok()
    }

    fn presence(&self) -> Vec<PresenceView> {
        presence::views(&self.config(), &self.presence)
    }

    fn officers_on_duty(&self, at: Timestamp) -> usize {
        self.site_facts.borrow().officers_on_duty(at)
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn evidence(&self, id: EvidenceId) -> Option<(PathBuf, Evidence)> {
        // An original is opened with a reason, and by no other door.
        self.store.evidence_path(id).filter(|(_, evidence)| evidence.original_of.is_none())
    }

    async fn look(&self, evidence: EvidenceId, by: &str) -> bool {
        let now = self.clock.now();
        let look = (evidence, by.to_owned());
        let before = lock(&self.looked).get(&look).copied();
        if before.is_some_and(|at| now.mono_ms.saturating_sub(at) < SAME_LOOK_MS) {
            return true;
        }
        let read = Entry::EvidenceRead { evidence, by: by.into(), at: now.wall, reason: None };
        let written = written(&self.store, read).await;
        if written {
            let mut looked = lock(&self.looked);
            if looked.len() >= LOOKED_MAX {
                looked.clear();
            }
            looked.insert(look, now.mono_ms);
        }
        written
    }

    fn incident_of(&self, id: EvidenceId) -> Option<IncidentId> {
        self.store.incident_of(id)
    }

    async fn note_access(&self, note: AccessNote) -> bool {
        written(&self.store, Entry::Access(note)).await
    }

    async fn export(
        &self,
        incident: IncidentId,
        by: &str,
        why: &str,
    ) -> Result<console::PackageFile, console::NoEvidence> {
        self.handed_out(by, why, move |backend, now, wish| {
            evidence_out::file_of_package(&backend.store, &backend.config(), now, incident, wish)
        })
        .await
    }

    async fn original(
        &self,
        picture: EvidenceId,
        by: &str,
        why: &str,
    ) -> Result<Vec<u8>, console::NoEvidence> {
        self.handed_out(by, why, move |backend, now, wish| {
            evidence_out::original(&backend.store, now, (picture, wish)).map_err(Into::into)
        })
        .await
    }

    async fn hold(
        &self,
        incident: IncidentId,
        by: &str,
        why: &str,
    ) -> Result<Timestamp, console::NoEvidence> {
        self.handed_out(by, why, move |backend, now, wish| {
            evidence_out::hold(&backend.store, &backend.config(), now, incident, wish)
        })
        .await
    }

    async fn reply(&self, reply: Reply) -> Answer {
        self.send_observation(SourceId::from(reply.by.as_str()), Body::Reply(reply)).await
    }

    fn link(&self, code: &str) -> Result<LinkOf, BadLink> {
        // What was revoked a moment ago is so here; that there are no keys is said by reading.
        let _ = self.links.refresh();
        self.links.read(code, self.clock.now().wall)
    }

    fn link_refused(&self, why: &'static str) {
        self.registry.add(Metric::LinksRefused, why, 1);
    }

    async fn make_link(
        &self,
        incident: IncidentId,
        person: &str,
        by: &str,
    ) -> Option<Result<(String, Timestamp), NoLink>> {
        let at = self.clock.now().wall;
        let links = self.links.clone();
        // What was revoked just now is revoked here too; that there are no keys is said by making one.
        let _ = tokio::task::spawn_blocking(move || links.refresh()).await;
        let made = self.links.make(person, incident, at);
        if made.is_err() {
            return Some(made);
        }
        let asked = Entry::LinkMade { incident, person: person.into(), by: by.into(), at };
        written(&self.store, asked).await.then_some(made)
    }

    async fn keep_picture(&self, bytes: Vec<u8>) -> Result<Evidence, console::NoPicture> {
        self.step_pictures.keep(&self.store, self.clock.now(), bytes).await
    }

    async fn drop_picture(&self, piece: Evidence) {
        let (store, id) = (self.store.clone(), piece.id);
        let dropped = tokio::task::spawn_blocking(move || store.drop_evidence(&piece)).await;
        if let Ok(Err(error)) = dropped {
            tracing::warn!(%id, %error, "a picture that belongs to no case could not be removed");
        }
    }

    fn platform(&self, id: &str) -> Option<console::PlatformDoor> {
        self.platforms.door(id)
    }

    async fn platform_pushed(&self, id: &str, body: &[u8]) -> console::PlatformAnswer {
        self.platforms.pushed(id, body).await
    }

    async fn rain(&self) -> Option<RainView> {
        let (sender, answer) = oneshot::channel();
        self.asks.send(Ask::Rain(sender)).await.ok()?;
        answer.await.ok()
    }

    async fn announce(&self, order: AnnounceOrder) -> Answer {
        let source = SourceId::from(order.by.as_str());
        self.send_observation(source, Body::Announce(order)).await
    }

    async fn posture(&self, order: PostureOrder) -> Answer {
        let source = SourceId::from(order.by.as_str());
        self.send_observation(source, Body::Posture(order)).await
    }

    fn context(&self) -> EventContext {
        self.context.borrow().clone()
    }

    async fn reload(&self, confirmed: bool) -> Reloaded {
        ReloadAsked::ask(&self.reloads, confirmed).await
    }
}

impl ConsoleBackend {
    pub(super) fn config(&self) -> Arc<Config> {
        lock(&self.running).clone()
    }

    /// What blocks on the disk, for somebody who has said why he wants it.
    async fn handed_out<T: Send + 'static>(
        &self,
        by: &str,
        why: &str,
        make: impl FnOnce(&Self, Now, &Wish) -> Result<T, console::NoEvidence> + Send + 'static,
    ) -> Result<T, console::NoEvidence> {
        let wish = Wish::new(by, why).map_err(console::NoEvidence::Failed)?;
        let (backend, now) = (self.clone(), self.clock.now());
        let made = tokio::task::spawn_blocking(move || make(&backend, now, &wish)).await;
        made.unwrap_or_else(|error| Err(console::NoEvidence::Failed(error.to_string())))
    }

    /// Sends an observation to the junction, as a source does; answers when it is on disk.
    async fn send_observation(&self, source: SourceId, body: Body) -> Answer {
        ask(&self.envelopes, Observation::of_gateway(source, self.clock.now(), body)).await
    }
}
