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
    device_table::DeviceTableReader, junction::Ask, one_entry::written, platform_doors::Platforms,
    rule_report::rule_report, shared::RunningConfig, site_facts::SiteFacts,
    step_pictures::StepPictures,
};
use crate::{
    base::{Readiness, Registry, ask, lock},
    camera,
    console::{self, Condition, Filter, Reloaded, SinkCondition, SiteWords},
    domain::{
        Answer, Body, CaseLines, Clock, DeviceTable, Entry, Envelope, EventContext, Evidence,
        EvidenceId, IncidentId, Meter, Metric, Observation, PostureOrder, RainView, Record, Reply,
        SourceId,
    },
    media::heap_bytes,
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
            SinkCondition { up, pending: sums.pending, dead: sums.dead, id }
        };
        Condition {
            reasons: self.ready(),
            notes: self.notes(),
            model: self.model(),
            sinks: self.registry.labels(Metric::SinkUp).into_iter().map(sink).collect(),
            free_bytes: space.free_bytes,
            min_free_bytes: space.min_free_bytes,
            evidence_bytes: space.evidence_bytes,
            journal_bytes: space.journal_bytes,
        }
    }

    fn site_words(&self) -> SiteWords {
        let facts = self.site_facts.borrow().clone();
        facts.words(self.clock.now().wall)
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn evidence(&self, id: EvidenceId) -> Option<(PathBuf, Evidence)> {
        self.store.evidence_path(id)
    }

    async fn look(&self, evidence: EvidenceId, by: &str) -> bool {
        let now = self.clock.now();
        let look = (evidence, by.to_owned());
        let before = lock(&self.looked).get(&look).copied();
        if before.is_some_and(|at| now.mono_ms.saturating_sub(at) < SAME_LOOK_MS) {
            return true;
        }
        let read = Entry::EvidenceRead { evidence, by: by.into(), at: now.wall };
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

    async fn reply(&self, reply: Reply) -> Answer {
        self.send_observation(SourceId::from(reply.by.as_str()), Body::Reply(reply)).await
    }

    fn link(&self, code: &str) -> Result<LinkOf, BadLink> {
        self.links.read(code, self.clock.now().wall)
    }

    fn link_refused(&self, why: &'static str) {
        self.registry.add(Metric::LinksRefused, why, 1);
    }

    async fn make_link(
        &self,
        incident: IncidentId,
        person: &str,
    ) -> Option<Result<(String, Timestamp), NoLink>> {
        let at = self.clock.now().wall;
        let made = self.links.make(person, incident, at);
        if made.is_err() {
            return Some(made);
        }
        let asked = Entry::LinkMade { incident, person: person.into(), at };
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
        self.asks.send(sender).await.ok()?;
        answer.await.ok()
    }

    async fn posture(&self, order: PostureOrder) -> Answer {
        let source = SourceId::from(order.by.as_str());
        self.send_observation(source, Body::Posture(order)).await
    }

    fn context(&self) -> EventContext {
        self.context.borrow().clone()
    }

    async fn reload(&self, confirmed: bool) -> Reloaded {
        let (sender, answer) = oneshot::channel();
        let asked = ReloadAsked { confirmed, answer: sender };
        if self.reloads.send(asked).await.is_err() {
            return Reloaded::Stopping;
        }
        answer.await.unwrap_or(Reloaded::Stopping)
    }
}

impl ConsoleBackend {
    /// Sends an observation to the junction, as a source does; answers when it is on disk.
    async fn send_observation(&self, source: SourceId, body: Body) -> Answer {
        ask(&self.envelopes, Observation::of_gateway(source, self.clock.now(), body)).await
    }
}
