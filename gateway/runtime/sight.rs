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
    vision::{self, Attention, Catalog, Config, Detector},
};

/// A missing model or library is looked for this often.
const RETRY_EVERY: Duration = Duration::from_secs(5);

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
    Detector::load(&spec, models, library, config.threads).map_err(|error| error.to_string())
}

impl Sight {
    pub(super) fn run(mut self) {
        let mut attentions: HashMap<SourceId, Attention> = HashMap::new();
        let mut changes = 0;
        let mut detector: Option<Detector> = None;
        let mut next_try = Instant::now();
        let mut told = false;
        let own = SourceId::from("detector");
        let (mut strain, mut strain_at) = (Strain::default(), Instant::now());
        while !self.stop.is_raised() {
            self.beat.beat();
            self.take_model(&mut detector, &mut next_try);
            if detector.is_none() && Instant::now() >= next_try {
                match load(&self.config, &self.models, self.library.as_deref()) {
                    Ok(loaded) => {
                        detector = Some(loaded);
                        self.health.good("detector");
                        self.meter.set(Metric::DetectorUp, "", 1.0);
                        if std::mem::take(&mut told) {
                            tracing::info!("detector: loaded, sees again");
                            let text = "loaded".to_owned();
                            self.report.fault(
                                &own,
                                Fault { kind: Kind::DetectorDegraded, broken: false, text },
                            );
                        }
                    }
                    Err(reason) => {
                        next_try = Instant::now() + RETRY_EVERY;
                        self.health.bad("detector", &reason);
                        self.meter.set(Metric::DetectorUp, "", 0.0);
                        if !std::mem::replace(&mut told, true) {
                            tracing::error!(reason, "detector: running without seeing");
                            self.report.fault(
                                &own,
                                Fault { kind: Kind::DetectorDegraded, broken: true, text: reason },
                            );
                        }
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
                    continue;
                }
            };
            if seen.runs > 0 {
                self.meter.add(Metric::CameraDetected, camera.as_str(), 1);
                self.meter.add(Metric::CameraRuns, camera.as_str(), seen.runs);
                self.meter.spend(Metric::CameraDetectSeconds, camera.as_str(), worked() - started);
            }
            if let Some(watched) = self.wakes.rota.of(&camera) {
                watched.answer(look.at, seen.sighting);
                self.wakes.rota.ask(&camera);
            }
            let stamp = Stamp::of_look(&look, self.report.clock.now());
            let Some(tracks) = seen.tracks else { continue };
            // One flicker of the detector is nobody, and wakes no neighbour.
            if seen.sighting.found && tracks.iter().any(|track| track.seen) {
                self.wakes.found(&camera, look.at);
            }
            let picture = look.picture.filter(|_| !tracks.is_empty());
            if !self.report.send(&camera, stamp, Body::Tracks(TrackFrame { tracks, picture })) {
                return;
            }
        }
        // The last camera left: nobody misses a detector any more.
        if self.slots.is_empty() {
            self.health.good("detector");
            if told {
                let text = "no camera is left to look at".to_owned();
                self.report
                    .fault(&own, Fault { kind: Kind::DetectorDegraded, broken: false, text });
            }
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
