//! The junction: the one task that owns the desk; each observation becomes a batch for the store, in order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};

use super::{core::Core, device_table, in_hand::InHand, track_feed::TrackFeed};
use crate::{
    base::{Beat, Readiness, RealClock, Registry, stopped},
    camera::WakeRouter,
    config::Config,
    domain::{
        Answer, Body, Clock, DeviceTable, DroneView, Entry, Envelope, IncidentId, Kind, Meter,
        Metric, Now, Observation, RainView, Receipt, StandingThing, What,
    },
    incident::{Effects, EvidenceJob},
    store::{Batch, SpaceLevel, Store},
};

/// How often time passes for rules and desk: what ends by silence ends at most this much late.
const TICK: Duration = Duration::from_millis(250);
/// The device table is published this often; a thousand lines take a tenth of a millisecond.
const SHOW_DEVICES_EVERY_MS: u64 = 1_000;
/// At the end the last seconds of tracks are written; they are worth no longer a wait.
const TRACKS_CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// What is taken when a full disk has left only the reserve: presses, the fault that it is full, and
/// evidence that was under way already.
fn goes_into_the_reserve(body: &Body) -> bool {
    match body {
        Body::Press(_) | Body::Evidence { .. } | Body::EvidenceFailed { .. } => true,
        Body::Fault(fault) => fault.kind == Kind::DiskLow,
        Body::Device(_)
        | Body::Tracks(_)
        | Body::Pose(_)
        | Body::Reply(_)
        | Body::Gauge(_)
        | Body::Posture(_)
        | Body::Announce(_)
        | Body::Drill(_)
        | Body::Presence(_)
        | Body::Report(_)
        | Body::Loss(_)
        | Body::Unreadable(_) => false,
    }
}

/// Another configuration for rules and desk; `done` is answered when it counts.
pub(super) struct NewConfig {
    /// Checked.
    pub(super) config: Arc<Config>,
    /// To whoever reloads.
    pub(super) done: oneshot::Sender<()>,
}

/// Somebody asks what rules and desk know.
pub(super) enum Ask {
    /// Of rain and water.
    Rain(oneshot::Sender<RainView>),
    /// Where drones are.
    Drones(oneshot::Sender<Vec<DroneView>>),
}

/// The log line of a change of an incident.
struct LogLine {
    incident: IncidentId,
    what: What,
    kind: Kind,
    severity: u8,
    title: String,
}

impl LogLine {
    fn of(entry: &Entry) -> Option<Self> {
        let Entry::Change(record) = entry else { return None };
        let incident = &record.incident;
        // What a resident wrote is in the journal, and in no log.
        let title = match incident.kind {
            Kind::Report => Kind::Report.words().0.to_owned(),
            _ => incident.title.zh.clone(),
        };
        Some(Self {
            incident: incident.id,
            what: record.what,
            kind: incident.kind,
            severity: incident.severity.level(),
            title,
        })
    }
}

/// The one task that owns the core; every observation goes through it.
pub(super) struct Junction {
    core: Core,
    jobs: Option<SyncSender<EvidenceJob>>,
    store: Store,
    clock: Arc<RealClock>,
    meter: Arc<Registry>,
    beat: Beat,
    devices: watch::Sender<Arc<DeviceTable>>,
    standing: watch::Sender<Arc<Vec<StandingThing>>>,
    /// When the table of devices was last shown, monotonic milliseconds.
    shown_ms: Option<u64>,
    wakes: Option<Arc<WakeRouter>>,
    track_feed: Option<TrackFeed>,
    readiness: Option<Readiness>,
    in_hand: InHand,
    /// As it was last said.
    calendar_ended: Option<jiff::civil::Date>,
}

impl Junction {
    /// `jobs`: to the evidence worker, where there is one.
    pub(super) fn new(
        core: Core,
        jobs: Option<SyncSender<EvidenceJob>>,
        store: Store,
        clock: Arc<RealClock>,
        meter: Arc<Registry>,
        beat: Beat,
        devices: watch::Sender<Arc<DeviceTable>>,
    ) -> Self {
        let (standing, _) = watch::channel(Arc::default());
        let (shown_ms, wakes, track_feed, readiness) = (None, None, None, None);
        Self {
            core,
            jobs,
            store,
            clock,
            meter,
            beat,
            devices,
            standing,
            shown_ms,
            wakes,
            track_feed,
            readiness,
            in_hand: InHand::default(),
            calendar_ended: None,
        }
    }

    /// An input that ends it by a fault is remembered in this folder.
    pub(super) fn remembering_faults(mut self, data: &Path) -> Self {
        self.in_hand = InHand::read(data);
        self
    }

    /// Where to read what stands before the cameras, for the next start.
    pub(super) fn standing(&self) -> watch::Receiver<Arc<Vec<StandingThing>>> {
        self.standing.subscribe()
    }

    /// Presses wake the cameras near by.
    pub(super) fn waking(mut self, wakes: Arc<WakeRouter>) -> Self {
        self.wakes = Some(wakes);
        self
    }

    /// What cameras see is kept as boxes.
    pub(super) fn keeping_tracks(mut self, feed: Option<TrackFeed>) -> Self {
        self.track_feed = feed;
        self
    }

    /// Gauges of which nothing can be read become a note.
    pub(super) fn noting(mut self, readiness: Readiness) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Past its end the calendar of working days knows no holidays: said once in the log, and shown.
    fn note_calendar(&mut self, now: Now) {
        const PART: &str = "calendar of working days";
        let Some(readiness) = &self.readiness else { return };
        let ended = self.core.desk.calendar_ended(now);
        if ended == self.calendar_ended {
            return;
        }
        self.calendar_ended = ended;
        let Some(day) = ended else { return readiness.clear(PART) };
        let text = format!(
            "it reached to {day}: since then Monday to Friday count, holidays too; replace the file of `[life] calendar`"
        );
        tracing::warn!("the {PART}: {text}");
        readiness.note(PART, &text);
    }

    fn note_gauges(&self) {
        const PART: &str = "gauges that cannot be read";
        const SHOWN_MAX: usize = 5;
        let Some(readiness) = &self.readiness else { return };
        let unread = self.core.rules.rain.unreadable();
        match unread.len() {
            0 => readiness.clear(PART),
            n if n > SHOWN_MAX => {
                let shown = unread[..SHOWN_MAX].join("; ");
                readiness.note(PART, &format!("{shown}; and {} more", n - SHOWN_MAX));
            }
            _ => readiness.note(PART, &unread.join("; ")),
        }
    }

    /// Runs until it is told to stop; then it still takes what has already arrived.
    pub(super) async fn run(
        mut self,
        begun: Effects,
        mut inbox: mpsc::Receiver<Envelope>,
        mut configs: mpsc::Receiver<NewConfig>,
        mut asked: mpsc::Receiver<Ask>,
        mut stop: watch::Receiver<bool>,
    ) {
        self.commit(begun, Receipt::none()).await;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                // First, because an inbox that is never empty would starve it; ticks are rare.
                _ = ticks.tick() => {
                    // While the disk has space for presses alone, nothing is ended or updated.
                    if self.store.space_level() != SpaceLevel::Full {
                        let effects = self.core.tick(self.clock.now());
                        self.commit(effects, Receipt::none()).await;
                    }
                    self.show_devices(false);
                    self.beat.beat();
                }
                Some(new) = configs.recv() => {
                    let effects = self.core.reload(self.clock.now(), &new.config);
                    self.commit(effects, Receipt::none()).await;
                    let _ = new.done.send(());
                }
                // Who has stopped waiting for it needs no answer.
                Some(ask) = asked.recv() => match ask {
                    Ask::Rain(answer) => drop(answer.send(self.core.rain_view(self.clock.now()))),
                    Ask::Drones(answer) => drop(answer.send(self.core.desk.drone_views())),
                },
                Some(envelope) = inbox.recv() => self.take(envelope).await,
                () = stopped(&mut stop) => break,
            }
        }
        inbox.close();
        while let Some(envelope) = inbox.recv().await {
            self.take(envelope).await;
        }
        self.show_devices(true);
        if let Some(feed) = self.track_feed.take() {
            // On a disk that hangs it is not waited for: the process ends all the same.
            let closed = tokio::task::spawn_blocking(move || feed.close());
            let _ = tokio::time::timeout(TRACKS_CLOSE_WITHIN, closed).await;
        }
    }

    fn show_devices(&mut self, at_once: bool) {
        let now = self.clock.now();
        let due = self.shown_ms.is_none_or(|shown| now.mono_ms - shown >= SHOW_DEVICES_EVERY_MS);
        if at_once || due {
            self.shown_ms = Some(now.mono_ms);
            let table = self.core.desk.devices(now);
            device_table::count(&table, &self.meter);
            self.devices.send_replace(Arc::new(table));
            self.standing.send_replace(Arc::new(self.core.standing()));
            self.note_gauges();
            self.note_calendar(now);
        }
    }

    async fn take(&mut self, envelope: Envelope) {
        let Envelope { observation, receipt } = envelope;
        let observation = self.in_hand.judge(observation);
        self.track_feed.iter_mut().for_each(|feed| feed.take(&observation));
        let full = self.store.space_level() == SpaceLevel::Full
            && !goes_into_the_reserve(&observation.body);
        // A press waits until a failing disk works again; a person who replies must be told at once.
        let failing = matches!(observation.body, Body::Reply(_) | Body::Report(_))
            && self.store.is_available().is_err();
        if full || failing {
            // A pose is not written anyway: it is acknowledged, so that the drone does not repeat it.
            if matches!(observation.body, Body::Pose(_)) {
                receipt.settle(Answer::Stored);
            }
            // The receipt is dropped unsettled: the sender gets no acknowledgement and sends again.
            self.meter.add(Metric::SignalsNotTaken, observation.source.as_str(), 1);
            return;
        }
        self.recall_for(&observation);
        let now = self.clock.now();
        let applied = catch_unwind(AssertUnwindSafe(|| self.core.apply(now, &observation)));
        let effects = match applied {
            Ok(effects) => effects,
            Err(panic) => {
                // Rules and desk may be half changed: nothing goes on with them.
                self.in_hand.ended_by(&observation);
                resume_unwind(panic)
            }
        };
        let kind = match observation.body {
            Body::Press(_) => "press",
            Body::Reply(_) => "reply",
            Body::Gauge(_) => "gauge",
            Body::Posture(_) => "posture",
            Body::Announce(_) => "announcement",
            Body::Drill(_) => "drill",
            Body::Presence(_) => "presence",
            Body::Report(_) => "report",
            Body::Fault(_) => "fault",
            Body::Device(_) => "device",
            Body::Unreadable(_) => "unreadable",
            Body::Pose(_) => "pose",
            _ => "vision",
        };
        let nothing = effects.entries.is_empty() && matches!(kind, "press" | "gauge");
        if nothing || effects.repeated {
            self.meter.add(Metric::SignalsDuplicate, observation.source.as_str(), 1);
            if let Body::Press(press) = &observation.body {
                let (source, id) = (observation.source.as_str(), press.id.as_deref());
                let at = press.at.map(tracing::field::display);
                tracing::info!(source, id, at, "a press that was taken before, not counted again");
            }
        }
        // Cameras wake before the press is on disk: what can be seen now may be gone in a second.
        if kind == "press"
            && !(nothing || effects.repeated)
            && let Some(wakes) = &self.wakes
        {
            wakes.pressed(&observation.source);
        }
        self.meter.add(Metric::SignalsAccepted, kind, 1);
        self.commit(effects, receipt).await;
    }

    /// What the desk has forgotten and the store knows: a case that was closed long ago, or before the last
    /// start, and whether a press was taken before.
    fn recall_for(&mut self, observation: &Observation) {
        let (now, desk) = (self.clock.now(), &mut self.core.desk);
        match &observation.body {
            Body::Reply(reply) if !desk.knows(reply.incident) => {
                if let Some(record) = self.store.recall(reply.incident) {
                    desk.recall(now, record);
                }
            }
            Body::Press(press) => {
                let marks = desk.press_to_recall(now, &observation.source, press);
                if !marks.is_empty() {
                    desk.recall_press(now, &self.store.presses_taken(&marks));
                }
            }
            _ => {}
        }
    }

    /// An answer without entries waits its turn too: a repeated press is acknowledged only
    /// after the first one is on disk.
    async fn commit(&mut self, mut effects: Effects, receipt: Receipt) {
        // If the evidence worker is too far behind, this incident goes on without evidence.
        for job in std::mem::take(&mut effects.jobs) {
            let Some(jobs) = &self.jobs else { continue };
            let job = match jobs.try_send(job) {
                Ok(()) => continue,
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job,
            };
            let (incident, id, source) = match job {
                EvidenceJob::Snapshot { incident, id, source, .. }
                | EvidenceJob::Clip { incident, id, source, .. } => (incident, id, source),
            };
            self.meter.add(Metric::EvidenceFailed, source.as_str(), 1);
            let now = self.clock.now();
            let reason = "the evidence worker is busy".into();
            let body = Body::EvidenceFailed { incident, id, reason };
            let failed = Observation::of_gateway(source, now, body);
            effects.entries.extend(self.core.apply(now, &failed).entries);
        }
        let lines: Vec<LogLine> = effects.entries.iter().filter_map(LogLine::of).collect();
        if !effects.entries.is_empty() || receipt.is_awaited() {
            let receipts = vec![(receipt, effects.answer)];
            self.store.commit(Batch { entries: effects.entries, receipts }).await;
        }
        // A log line costs a tenth of the time of a press, so it is written while the disk syncs.
        for LogLine { incident, what, kind, severity, title } in lines {
            if what == What::Opened {
                self.meter.add(Metric::Incidents, kind.as_str(), 1);
            }
            let (what, kind) = (what.as_str(), kind.as_str());
            tracing::info!(%incident, what, kind, severity, title, "incident");
        }
    }
}
