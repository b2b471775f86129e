//! The vision worker: one detector for all cameras, fair by turns; without one it waits until there is.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{Health, Slots, progress::Beat, report::Reporter};
use crate::{
    domain::{Body, Fault, Kind, Meter, Metric, SourceId, Stamp, StopFlag, TrackFrame},
    vision::{self, Catalog, Config, Detector, Tracker},
};

/// A missing model or library is looked for this often.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// Another `[model]`, until the worker takes it.
pub(super) type NextModel = Arc<Mutex<Option<Config>>>;

pub(super) struct Sight {
    pub(super) config: Config,
    pub(super) models: PathBuf,
    pub(super) library: Option<PathBuf>,
    pub(super) next: NextModel,
    pub(super) slots: Arc<Slots>,
    pub(super) health: Health,
    pub(super) meter: Arc<dyn Meter>,
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
        let mut trackers: HashMap<SourceId, Tracker> = HashMap::new();
        let mut changes = 0;
        let mut detector: Option<Detector> = None;
        let mut next_try = Instant::now();
        let mut told = false;
        let own = SourceId::from("detector");
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
            let Some((camera, picture)) = self.slots.take(Duration::from_millis(250)) else {
                continue;
            };
            let Some(eyes) = &mut detector else { continue };
            let detections = match eyes.detect(&picture) {
                Ok(detections) => detections,
                Err(error) => {
                    tracing::error!(%error, "detector: failed; loading it anew");
                    detector = None;
                    continue;
                }
            };
            let now = self.slots.changes();
            if std::mem::replace(&mut changes, now) != now {
                trackers.retain(|known, _| self.slots.holds(known));
            }
            self.meter.add(Metric::CameraDetected, camera.as_str(), 1);
            let tracks =
                trackers.entry(camera.clone()).or_default().update(picture.at, &detections);
            let now = self.report.clock.now();
            let stamp = Stamp::of_picture(&picture, now);
            let picture = (!tracks.is_empty()).then_some(picture);
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
