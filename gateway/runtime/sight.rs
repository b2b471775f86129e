//! The vision worker: one detector for all cameras, fair by turns; without one it waits until there is.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    Health, Registry, Slots, lookout::worked, progress::Beat, report::Reporter, strain::Strain,
    wakes::Wakes,
};
use crate::{
    domain::{Body, Fault, Kind, Meter, Metric, SourceId, Stamp, StopFlag, TrackFrame},
    vision::{self, Attention, Catalog, Config, Detector, Provider},
};

/// What the choice of provider is called where the gateway says how it is.
const PROVIDER: &str = "detector provider";

/// A missing model or library is looked for this often.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// A model that fails on so many pictures in a row is not loaded at once any more, and it is told.
const FAILURES_MAX: u32 = 3;

/// Whether too much is skipped is looked at this often.
const STRAIN_EVERY: Duration = Duration::from_secs(10);

/// Another `[model]`, until the worker takes it.
pub(super) type NextModel = Arc<Mutex<Option<Config>>>;

pub(super) struct Sight {
    pub(super) config: Config,
    pub(super) models: PathBuf,
    pub(super) library: Option<PathBuf>,
    pub(super) next: NextModel,
    pub(super) slots: Arc<Slots>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) health: Health,
    pub(super) meter: Arc<Registry>,
    pub(super) report: Reporter,
    pub(super) stop: StopFlag,
    pub(super) beat: Beat,
}

/// Reads the catalogue, verifies and loads; the error is one sentence.
pub(super) fn load(
    config: &Config,
    models: &std::path::Path,
    library: Option<&std::path::Path>,
) -> Result<Detector, String> {
    let catalog = Catalog::read(models)?;
    let spec = catalog.get(config.name.as_deref())?;
    let library = config.library.as_deref().or(library);
    let spec = vision::choose(config, spec, models, library)?;
    let detector = Detector::load_on(&spec, models, library, config.threads, &config.providers)
        .map_err(|error| error.to_string())?;
    match detector.unmet() {
        Some(why) => tracing::warn!(why, "detector: not the provider that was wished"),
        None => tracing::info!(provider = detector.provider().name(), "detector: who runs it"),
    }
    Ok(detector)
}

impl Sight {
    pub(super) fn run(mut self) {
        let mut attentions: HashMap<SourceId, Attention> = HashMap::new();
        let mut changes = 0;
        let mut detector: Option<Detector> = None;
        let mut next_try = Instant::now();
        let mut told = false;
        // Pictures in a row on which the model failed, though it could be loaded.
        let mut failures = 0u32;
        let own = SourceId::from("detector");
        let (mut strain, mut strain_at) = (Strain::default(), Instant::now());
        while !self.stop.is_raised() {
            self.beat.beat();
            self.take_model(&mut detector, &mut next_try);
            if detector.is_none() && Instant::now() >= next_try {
                match load(&self.config, &self.models, self.library.as_deref()) {
                    Ok(loaded) => {
                        self.tell_provider(&loaded);
                        detector = Some(loaded);
                        // One that failed again and again is well when it has looked at something.
                        if failures < FAILURES_MAX {
                            self.sees(&mut told);
                        }
                    }
                    Err(reason) => {
                        next_try = Instant::now() + RETRY_EVERY;
                        self.is_blind(&mut told, reason);
                    }
                }
            }
            if strain_at.elapsed() >= STRAIN_EVERY {
                strain_at = Instant::now();
                for (camera, fault) in strain.look(&self.meter) {
                    tracing::warn!(%camera, broken = fault.broken, "{}", fault.text);
                    self.report.fault(&camera, fault);
                }
            }
            let Some((camera, look)) = self.slots.take(Duration::from_millis(250)) else {
                continue;
            };
            // There is room again for who decodes.
            self.wakes.rota.ask(&camera);
            let Some(eyes) = &mut detector else { continue };
            let now = self.slots.changes();
            if std::mem::replace(&mut changes, now) != now {
                attentions.retain(|known, _| self.slots.holds(known));
            }
            let started = worked();
            let attention = attentions.entry(camera.clone()).or_default();
            let seen = match attention.look(eyes, &look) {
                Ok(seen) => seen,
                Err(error) => {
                    tracing::error!(%error, "detector: failed; loading it anew");
                    detector = None;
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        next_try = Instant::now() + RETRY_EVERY;
                        self.is_blind(&mut told, error.to_string());
                    }
                    continue;
                }
            };
            if seen.runs > 0 {
                if std::mem::take(&mut failures) >= FAILURES_MAX {
                    self.sees(&mut told);
                }
                self.meter.add(Metric::CameraDetected, camera.as_str(), 1);
                self.meter.add(Metric::CameraRuns, camera.as_str(), seen.runs);
                self.meter.spend(Metric::CameraDetectSeconds, camera.as_str(), worked() - started);
            }
            if let Some(watched) = self.wakes.rota.of(&camera) {
                watched.answer(look.at, seen.sighting);
                self.wakes.rota.ask(&camera);
            }
            let stamp = Stamp::of_look(&look, self.report.clock.now());
            if seen.finds_somebody() {
                self.wakes.found(&camera, look.at);
            }
            let Some(tracks) = seen.tracks else { continue };
            let picture = look.picture.filter(|_| !tracks.is_empty());
            if !self.report.send(&camera, stamp, Body::Tracks(TrackFrame { tracks, picture })) {
                return;
            }
        }
        // The last camera left: nobody misses a detector any more.
        if self.slots.is_empty() {
            self.health.good("detector");
            self.health.good(PROVIDER);
            if told {
                let text = "no camera is left to look at".to_owned();
                self.report
                    .fault(&own, Fault { kind: Kind::DetectorDegraded, broken: false, text });
            }
        }
    }

    /// Who runs the model, and why it is not who was wished: never silent.
    fn tell_provider(&self, detector: &Detector) {
        let ran = detector.provider();
        for other in Provider::ALL.into_iter().filter(|one| *one != ran) {
            self.meter.forget(&[Metric::DetectorProvider], other.name());
        }
        self.meter.set(Metric::DetectorProvider, ran.name(), 1.0);
        match detector.unmet() {
            Some(why) => self.health.note(PROVIDER, why),
            None => self.health.good(PROVIDER),
        }
    }

    /// It looks, and whoever was told that it does not is told so.
    fn sees(&self, told: &mut bool) {
        self.health.good("detector");
        self.meter.set(Metric::DetectorUp, "", 1.0);
        if std::mem::take(told) {
            tracing::info!("detector: loaded, sees again");
            let text = "loaded".to_owned();
            let fault = Fault { kind: Kind::DetectorDegraded, broken: false, text };
            self.report.fault(&SourceId::from("detector"), fault);
        }
    }

    fn is_blind(&self, told: &mut bool, reason: String) {
        self.health.bad("detector", &reason);
        self.meter.set(Metric::DetectorUp, "", 0.0);
        if !std::mem::replace(told, true) {
            tracing::error!(reason, "detector: running without seeing");
            let fault = Fault { kind: Kind::DetectorDegraded, broken: true, text: reason };
            self.report.fault(&SourceId::from("detector"), fault);
        }
    }

    /// The old detector looks on until the new one is there; a new one that cannot be loaded
    /// changes nothing but is said.
    fn take_model(&mut self, detector: &mut Option<Detector>, next_try: &mut Instant) {
        let next = self.next.lock().expect("no panic while the model is held").take();
        let Some(config) = next else { return };
        if detector.is_none() {
            (self.config, *next_try) = (config, Instant::now());
            return;
        }
        match load(&config, &self.models, self.library.as_deref()) {
            Ok(loaded) => {
                self.tell_provider(&loaded);
                *detector = Some(loaded);
                self.config = config;
                self.health.good("model");
                tracing::info!("detector: the new model looks from now on");
            }
            Err(reason) => {
                self.health.bad("model", &format!("the old one looks on: {reason}"));
                tracing::error!(
                    reason,
                    "detector: the new model cannot be loaded; the old one looks on"
                );
            }
        }
    }
}

#[cfg(test)]
#[path = "tests_sight.rs"]
mod tests;
