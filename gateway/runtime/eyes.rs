//! Starts what sees: a thread a camera, one for the detector, one for evidence.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use super::{
    Health, Registry, Slots, camera::Camera, exhibits::Exhibits, report::Reporter, sight::Sight,
};
use crate::{
    config::Config,
    domain::{Clock, Meter, SourceId, StopFlag},
    incident::Job,
    media::Ring,
    sources::camera,
    store::Store,
};

/// Seconds of packets beyond the longest clip: GOPs, and a busy evidence worker.
const RING_SPARE_S: u64 = 20;

/// What the seeing parts share.
pub(super) struct Eyes<'c> {
    pub(super) config: &'c Config,
    pub(super) store: Store,
    pub(super) registry: Arc<Registry>,
    pub(super) health: Health,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) report: Reporter,
    pub(super) stop: StopFlag,
}

impl Eyes<'_> {
    pub(super) fn start(self, jobs: mpsc::Receiver<Job>) -> Result<(), String> {
        let ids: Vec<SourceId> =
            self.config.cameras.iter().map(|camera| camera.id.as_str().into()).collect();
        let meter: Arc<dyn Meter> = self.registry.clone();
        let slots = Slots::new(ids.clone(), meter.clone());
        let mut rings = HashMap::new();
        for (index, config) in self.config.cameras.iter().enumerate() {
            let ring = ring(config);
            rings.insert(ids[index].clone(), (ring.clone(), config.pre_roll_s));
            let camera = Camera {
                index,
                config: config.clone(),
                ring,
                slots: slots.clone(),
                clock: self.clock.clone(),
                meter: meter.clone(),
                stop: self.stop.clone(),
                report: self.report.clone(),
            };
            spawn(&format!("cam-{}", config.id), move || camera.run())?;
        }
        let exhibits = Exhibits { store: self.store, rings, meter: meter.clone() };
        let report = self.report.clone();
        spawn("evidence", move || exhibits.run(&jobs, &report))?;
        if self.config.cameras.is_empty() {
            return Ok(());
        }
        let sight = Sight {
            config: self.config.model.clone(),
            models: self.config.models_dir.clone(),
            library: self.config.library.clone(),
            cameras: ids,
            slots,
            health: self.health,
            meter,
            report: self.report,
            stop: self.stop,
        };
        spawn("vision", move || sight.run())
    }
}

/// Packets enough for the longest clip of this camera.
pub(super) fn ring(config: &camera::Config) -> Arc<Mutex<Ring>> {
    let seconds = config.pre_roll_s + config.clip_max_s + config.post_roll_s + RING_SPARE_S;
    Arc::new(Mutex::new(Ring::new(seconds, config.ring_max_bytes)))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map(drop)
        .map_err(|error| format!("thread {name} cannot start: {error}"))
}
