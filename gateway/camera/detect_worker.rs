//! The detection worker: one detector for all cameras, in fair turns; without one it waits until there is.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    detect_queue::DetectQueue, overload::OverloadMonitor, plate_watch::PlateWatch,
    wake_router::WakeRouter,
};
use crate::{
    base::{Beat, Readiness, Registry, Reporter, lock, thread_cpu_time},
    domain::{
        Body, Fault, Kind, Look, Meter, Metric, SourceId, Stamp, StopFlag, Track, TrackFrame,
        Vehicle,
    },
    vision::{Attention, Config, DetectError, Detector, LookResult, Provider, load},
};

/// What the choice of provider is called where the gateway says how it is.
const PROVIDER: &str = "detector provider";
/// And the choice of model, where a better one was passed over.
const CHOICE: &str = "detector model";

/// And what reads plates, which is also the source of its faults.
const PLATES: &str = "plates";

/// The part of [`Readiness`] whose fact is the model that looks, as text.
pub const LOOKS: &str = "looks";

/// A missing model or library is looked for this often.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// A model that fails on so many pictures in a row is loaded again only after a pause, and reported.
const FAILURES_MAX: u32 = 3;

/// Whether too much is skipped is checked this often.
const OVERLOAD_CHECK_EVERY: Duration = Duration::from_secs(10);

/// Without looks, the worker shows that it is alive at least this often.
const PATIENCE: Duration = Duration::from_millis(250);

/// Another `[model]`, until the worker takes it.
pub type NextModel = Arc<Mutex<Option<Config>>>;

/// What the worker is started with.
pub struct DetectWorker {
    /// The `[model]` at start.
    pub config: Config,
    /// Folder of the model files.
    pub models: PathBuf,
    /// The ONNX Runtime library, where the configuration names one.
    pub library: Option<PathBuf>,
    /// A reload puts another `[model]` here.
    pub next: NextModel,
    /// Where looks come from.
    pub queue: Arc<DetectQueue>,
    /// Wakes neighbours of a camera that finds somebody.
    pub wakes: Arc<WakeRouter>,
    /// Where it says that it cannot detect.
    pub readiness: Readiness,
    /// Counts runs and their time; read for what was skipped.
    pub meter: Arc<Registry>,
    /// To the junction.
    pub report: Reporter,
    /// Raised when the worker is to end.
    pub stop: StopFlag,
    /// Its sign of life.
    pub beat: Beat,
}

/// The detector, and what has become of it so far.
struct DetectorState {
    detector: Option<Detector>,
    /// When loading is tried again.
    next_try: Instant,
    /// Whether it was reported that nothing is detected.
    reported: bool,
    /// Pictures in a row on which the model failed, though it could be loaded.
    failures: u32,
    attentions: HashMap<SourceId, Attention>,
    /// Where a rule asks for plates.
    plates: PlateWatch,
    /// Tracks are numbered from here: no id of a process before is used again, since things that stand
    /// keep theirs.
    first_id: u64,
    /// [`DetectQueue::changes`] when `attentions` were last compared with its cameras.
    changes: u64,
}

impl DetectorState {
    fn new(started_at: jiff::Timestamp, plates: PlateWatch) -> Self {
        // Sixty-five thousand a second are never reached, and it stays exact in JSON.
        let first_id = u64::try_from(started_at.as_second()).unwrap_or(0) << 16;
        Self {
            first_id,
            detector: None,
            next_try: Instant::now(),
            reported: false,
            failures: 0,
            attentions: HashMap::new(),
            plates,
            changes: 0,
        }
    }
}

impl DetectWorker {
    /// Runs until it is stopped. Without a model it tries to load one every few seconds.
    pub fn run(mut self) {
        let plates = PlateWatch::new(self.models.clone(), self.library.clone());
        let mut state = DetectorState::new(self.report.clock.now().wall, plates);
        let (mut overload, mut checked_at) = (OverloadMonitor::default(), Instant::now());
        while !self.stop.is_raised() {
            self.beat.beat();
            self.take_model(&mut state);
            self.load_if_due(&mut state);
            if checked_at.elapsed() >= OVERLOAD_CHECK_EVERY {
                checked_at = Instant::now();
                for (camera, fault) in overload.check(&self.meter) {
                    tracing::warn!(%camera, broken = fault.broken, "{}", fault.text);
                    self.report.fault(&camera, fault);
                }
            }
            let Some((camera, look)) = self.queue.take(PATIENCE) else { continue };
            // Its place in the queue is free again: the sampler may go on.
            self.wakes.scheduler.ask(&camera);
            let Some(result) = self.look(&mut state, &camera, &look) else { continue };
            let vehicles = self.read_plates(&mut state, &camera, &look, &result);
            if !self.answer(&camera, look, (result, vehicles)) {
                return;
            }
        }
        self.finish(state.reported, &state.plates);
    }

    fn load_if_due(&self, state: &mut DetectorState) {
        if state.detector.is_some() || Instant::now() < state.next_try {
            return;
        }
        match load(&self.config, &self.models, self.library.as_deref()) {
            Ok(loaded) => {
                self.show(&loaded);
                state.detector = Some(loaded);
                // A detector that failed again and again counts as well only after a look succeeded.
                if state.failures < FAILURES_MAX {
                    self.detects(&mut state.reported);
                }
            }
            Err(reason) => {
                state.next_try = Instant::now() + RETRY_EVERY;
                self.is_blind(&mut state.reported, reason);
            }
        }
    }

    /// Runs the detector on one look. None: there is no detector, or it failed.
    fn look(
        &self,
        state: &mut DetectorState,
        camera: &SourceId,
        look: &Look,
    ) -> Option<LookResult> {
        let detector = state.detector.as_mut()?;
        let changes = self.queue.changes();
        if std::mem::replace(&mut state.changes, changes) != changes {
            state.attentions.retain(|camera, _| self.queue.holds(camera));
            state.plates.retain(|camera| self.queue.holds(camera));
        }
        let started = thread_cpu_time();
        let first = state.first_id;
        let new = || Attention::numbered_from(first);
        let attention = state.attentions.entry(camera.clone()).or_insert_with(new);
        let result = match attention.look(detector, look) {
            Ok(result) => result,
            Err(error) => {
                self.failed(state, &error);
                return None;
            }
        };
        if result.runs > 0 {
            if std::mem::take(&mut state.failures) >= FAILURES_MAX {
                self.detects(&mut state.reported);
            }
            let id = camera.as_str();
            self.meter.add(Metric::CameraDetected, id, 1);
            self.meter.add(Metric::CameraRuns, id, result.runs);
            self.meter.spend(Metric::CameraDetectSeconds, id, thread_cpu_time() - started);
        }
        Some(result)
    }

    /// Of the vehicles of a look, where a rule asks for their plates. That they cannot be read is told, and
    /// takes nothing else away.
    fn read_plates(
        &self,
        state: &mut DetectorState,
        camera: &SourceId,
        look: &Look,
        result: &LookResult,
    ) -> Vec<Vehicle> {
        let Some(tracks) = &result.tracks else { return Vec::new() };
        let started = thread_cpu_time();
        let (vehicles, runs) = state.plates.look(camera, look, tracks);
        if runs > 0 {
            self.meter.add(Metric::CameraRuns, camera.as_str(), runs);
            let spent = thread_cpu_time() - started;
            self.meter.spend(Metric::CameraDetectSeconds, camera.as_str(), spent);
        }
        match state.plates.news() {
            Some(Some(why)) => {
                tracing::error!(why, "plates: vehicles are followed without them");
                self.readiness.note(PLATES, &why);
                self.report_plates(true, why);
            }
            Some(None) => {
                self.readiness.clear(PLATES);
                self.report_plates(false, "plates can be read".to_owned());
            }
            None => {}
        }
        vehicles
    }

    fn report_plates(&self, broken: bool, text: String) {
        let fault = Fault { kind: Kind::DetectorDegraded, broken, text };
        self.report.fault(&SourceId::from(PLATES), fault);
    }

    fn failed(&self, state: &mut DetectorState, error: &DetectError) {
        tracing::error!(%error, "detector: failed; loading it anew");
        state.detector = None;
        state.failures += 1;
        if state.failures >= FAILURES_MAX {
            state.next_try = Instant::now() + RETRY_EVERY;
            self.is_blind(&mut state.reported, error.to_string());
        }
    }

    /// Reports the result to the sampler, the neighbours and the junction; false once the gateway
    /// stops.
    fn answer(
        &self,
        camera: &SourceId,
        look: Look,
        (result, vehicles): (LookResult, Vec<Vehicle>),
    ) -> bool {
        if let Some(task) = self.wakes.scheduler.of(camera) {
            task.answer(look.at, result.feedback);
            self.wakes.scheduler.ask(camera);
        }
        let stamp = Stamp::of_look(&look, self.report.clock.now());
        if result.finds_somebody() {
            self.wakes.found(camera, look.at);
        }
        let Some(tracks) = result.tracks else { return true };
        self.report.send(camera, stamp, tracks_body(look, tracks, vehicles))
    }

    /// The worker ends. Where the last camera has left, a detector that does not work is no fault any
    /// more.
    fn finish(&self, reported: bool, plates: &PlateWatch) {
        if !self.queue.is_empty() {
            return;
        }
        self.readiness.clear("detector");
        self.readiness.clear(PROVIDER);
        self.readiness.clear(CHOICE);
        self.readiness.clear(LOOKS);
        if plates.trouble().is_some() {
            self.readiness.clear(PLATES);
            self.report_plates(false, "no camera is left to look at".to_owned());
        }
        if reported {
            self.report_state(false, "no camera is left to look at".to_owned());
        }
    }

    /// Shows which model looks and which provider runs it, and if either is not the first choice, why.
    fn show(&self, detector: &Detector) {
        self.readiness.fact(LOOKS, &detector.model());
        match detector.passed_over() {
            Some(why) => self.readiness.note(CHOICE, why),
            None => self.readiness.clear(CHOICE),
        }
        let ran = detector.provider();
        for other in Provider::ALL.into_iter().filter(|one| *one != ran) {
            self.meter.forget(&[Metric::DetectorProvider], other.name());
        }
        self.meter.set(Metric::DetectorProvider, ran.name(), 1.0);
        match detector.unmet() {
            Some(why) => self.readiness.note(PROVIDER, why),
            None => self.readiness.clear(PROVIDER),
        }
    }

    /// DetectorState works; if it was reported that it does not, that is over.
    fn detects(&self, reported: &mut bool) {
        self.readiness.clear("detector");
        self.meter.set(Metric::DetectorUp, "", 1.0);
        if std::mem::take(reported) {
            tracing::info!("detector: loaded, sees again");
            self.report_state(false, "loaded".to_owned());
        }
    }

    fn is_blind(&self, reported: &mut bool, reason: String) {
        self.readiness.clear(LOOKS);
        self.readiness.not_ready("detector", &reason);
        self.meter.set(Metric::DetectorUp, "", 0.0);
        if !std::mem::replace(reported, true) {
            tracing::error!(reason, "detector: running without seeing");
            self.report_state(true, reason);
        }
    }

    fn report_state(&self, broken: bool, text: String) {
        let fault = Fault { kind: Kind::DetectorDegraded, broken, text };
        self.report.fault(&SourceId::from("detector"), fault);
    }

    /// Loads another `[model]`. The old detector is used until the new one is there; if the new one
    /// cannot be loaded, that is reported and the old one stays.
    fn take_model(&mut self, state: &mut DetectorState) {
        let next = lock(&self.next).take();
        let Some(config) = next else { return };
        if state.detector.is_none() {
            (self.config, state.next_try) = (config, Instant::now());
            return;
        }
        match load(&config, &self.models, self.library.as_deref()) {
            Ok(loaded) => {
                self.show(&loaded);
                state.detector = Some(loaded);
                self.config = config;
                self.readiness.clear("model");
                tracing::info!("detector: the new model looks from now on");
            }
            Err(reason) => {
                self.readiness.not_ready("model", &format!("the old one looks on: {reason}"));
                tracing::error!(
                    reason,
                    "detector: the new model cannot be loaded; the old one looks on"
                );
            }
        }
    }
}

/// The tracks of a look; its picture goes along where there are any, for a snapshot.
pub(super) fn tracks_body(look: Look, tracks: Vec<Track>, vehicles: Vec<Vehicle>) -> Body {
    let picture = look.picture.filter(|_| !tracks.is_empty());
    Body::Tracks(TrackFrame { tracks, picture, vehicles })
}

#[cfg(test)]
#[path = "tests_detect_worker.rs"]
mod tests;
