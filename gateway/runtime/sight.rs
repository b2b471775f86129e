//! The vision worker: one detector for all cameras, fair by turns; without one it waits until there is.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Health, Slots, report::Reporter};
use crate::{
    domain::{Body, Fault, Kind, Meter, Metric, SourceId, Stamp, StopFlag, TrackFrame},
    vision::{Catalog, Config, Detector, Tracker},
};

/// A missing model or library is looked for this often.
const RETRY_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Sight {
    pub(super) config: Config,
    pub(super) models: PathBuf,
    pub(super) library: Option<PathBuf>,
    pub(super) cameras: Vec<SourceId>,
    pub(super) slots: Arc<Slots>,
    pub(super) health: Health,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) report: Reporter,
    pub(super) stop: StopFlag,
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
    Detector::load(spec, models, library, config.threads).map_err(|error| error.to_string())
}

impl Sight {
    pub(super) fn run(self) {
        let mut trackers: Vec<Tracker> = self.cameras.iter().map(|_| Tracker::new()).collect();
        let mut detector: Option<Detector> = None;
        let mut next_try = Instant::now();
        let mut told = false;
        let own = SourceId::from("detector");
        while !self.stop.is_raised() {
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
            let id = &self.cameras[camera];
            self.meter.add(Metric::CameraDetected, id.as_str(), 1);
            let tracks = trackers[camera].update(picture.at, &detections);
            let now = self.report.clock.now();
            let stamp = Stamp::of_picture(&picture, now);
            let picture = (!tracks.is_empty()).then_some(picture);
            if !self.report.send(id, stamp, Body::Tracks(TrackFrame { tracks, picture })) {
                return;
            }
        }
    }
}
