//! What sees: a reading thread a stream, a few that decode, one for the detector, one for evidence.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Registry, Slots,
    align::Aligned,
    camera::{Camera, Role},
    drones::Drones,
    ears::Ears,
    exhibits::{Exhibits, Rings},
    lookers::{Looker, decoding_part},
    lookout::worked,
    report::Reporter,
    rota::Rota,
    sight::{NextModel, Sight},
    topology::Shared,
};
use crate::{
    config::{Change, Config, Difference},
    domain::{Fault, Kind, Meter, Metric, SourceId, StopFlag},
    incident::Job,
    media::{Pool, Ring},
    sources::camera,
};

/// Seconds of packets beyond the longest clip: GOPs, and a busy evidence worker.
const RING_SPARE_S: u64 = 20;
/// A detection takes under a second, loading a model and its first run some; a slow disk adds.
const VISION_STUCK_AFTER: Duration = Duration::from_secs(120);
/// A clip is written in a second or two.
const EVIDENCE_STUCK_AFTER: Duration = Duration::from_secs(120);
/// Beside its own time-outs, a camera's thread may wait for the name of its host.
const CAMERA_SPARE: Duration = Duration::from_secs(120);
/// A slice of decoding takes well under a second; a slow box adds.
const LOOKER_STUCK_AFTER: Duration = Duration::from_secs(60);
/// Threads that decode, at most.
const LOOKERS_MAX: usize = 8;
/// Packets that are kept of a stream that is only looked at: enough to replay.
const LOOKS_RING_S: u64 = 30;
/// Packets of a recording that is played as fast as it can be looked at.
const MAX_SPEED_RING_S: u64 = 3_600;
/// Keys of a camera that others use: its session goes on when only these change.
const NOT_OF_SESSION: &[&str] = &[
    "name",
    "place",
    "grid",
    "mask",
    "pre_roll_s",
    "post_roll_s",
    "clip_max_s",
    "ring_max_bytes",
    "onvif",
    "wakes",
];

/// Figures that a camera that left has no more.
const GAUGES: &[Metric] = &[
    Metric::CameraUp,
    Metric::CameraClock,
    Metric::CameraLevel,
    Metric::CameraGop,
    Metric::CameraLag,
    Metric::CameraQueue,
    Metric::CameraRing,
    Metric::RingBytes,
];

/// Likewise, with another label beside the camera's.
const GAUGES_OF_PAIRS: &[Metric] = &[
    Metric::CameraDecoding,
    Metric::CameraSignPrecision,
    Metric::CameraSignRecall,
    Metric::CameraSignBelieved,
];

struct Running {
    stop: StopFlag,
    threads: Vec<JoinHandle<()>>,
    ring: Arc<Mutex<Ring>>,
    /// Whether somebody was told that it is silent: the stream for clips, and the one that is looked at.
    told: [Arc<AtomicBool>; 2],
}

/// Owns all seeing threads.
pub(super) struct Eyes {
    shared: Shared,
    slots: Arc<Slots>,
    rings: Rings,
    rota: Arc<Rota>,
    pool: Arc<Pool>,
    cameras: BTreeMap<SourceId, Running>,
    drones: Drones,
    ears: Ears,
    vision: Option<StopFlag>,
    next_model: NextModel,
}

impl Eyes {
    pub(super) fn start(
        shared: &Shared,
        config: &Config,
        jobs: mpsc::Receiver<Job>,
    ) -> Result<Self, String> {
        let meter: Arc<dyn Meter> = shared.registry.clone();
        let mut eyes = Self {
            shared: shared.clone(),
            slots: Slots::new(meter.clone()),
            rings: Rings::default(),
            rota: shared.wakes.rota.clone(),
            pool: Arc::new(Pool::new(lookers())),
            cameras: BTreeMap::new(),
            drones: Drones::default(),
            ears: Ears::default(),
            vision: None,
            next_model: NextModel::default(),
        };
        for camera in &config.cameras {
            eyes.start_camera(camera, None)?;
        }
        eyes.drones.change(shared, (&eyes.slots, &eyes.rings), config, None)?;
        let exhibits = Exhibits { store: shared.store.clone(), rings: eyes.rings.clone(), meter };
        let (report, beat) =
            (eyes.report(), shared.progress.part("evidence", EVIDENCE_STUCK_AFTER));
        spawn("evidence", move || exhibits.run(&jobs, &report, &beat))?;
        eyes.open_or_close(config)?;
        eyes.ears.change(shared, config);
        Ok(eyes)
    }

    /// Touches the cameras that differ and no other. The error is about the process itself: it
    /// has no room for a thread.
    pub(super) fn change(
        &mut self,
        config: &Config,
        difference: &Difference,
    ) -> Result<(), String> {
        for item in difference.of("camera").filter(|item| item.change == Change::Removed) {
            self.remove(&item.id.as_str().into());
        }
        for camera in &config.cameras {
            let Some(item) = difference.of("camera").find(|item| item.id == camera.id) else {
                continue;
            };
            let of_session = |key: &String| !NOT_OF_SESSION.contains(&key.as_str());
            let id = SourceId::from(camera.id.as_str());
            match self.cameras.get(&id) {
                Some(running) if !item.keys.iter().any(of_session) => {
                    resize(&running.ring, camera);
                    self.keep_ring(&id, &running.ring, camera);
                }
                _ => {
                    let before = self.cameras.remove(&id);
                    self.start_camera(camera, before)?;
                }
            }
        }
        let lanes = (&self.slots, &self.rings);
        self.drones.change(&self.shared, lanes, config, Some(difference))?;
        self.shared.wakes.change(config);
        self.ears.change(&self.shared, config);
        if difference.of("model").next().is_some() {
            let mut next = self.next_model.lock().expect("no panic while the model is held");
            *next = Some(config.model.clone());
        }
        self.open_or_close(config)
    }

    pub(super) fn stop(&self) {
        self.cameras.values().for_each(|running| running.stop.raise());
        self.drones.stop();
        self.ears.stop();
        self.vision.iter().for_each(StopFlag::raise);
    }

    /// Waits until no drone's feed is open, or so long: the process must not take down libsrt
    /// (its own threads, its own clean-up at exit) under a session that still closes.
    pub(super) async fn closed(&self, within: Duration) {
        let over = async {
            while !self.drones.are_over() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (over, ()) = tokio::join!(tokio::time::timeout(within, over), self.ears.closed(within));
        if over.is_err() {
            tracing::warn!("a drone's feed does not close; not waited for");
        }
    }

    fn report(&self) -> Reporter {
        Reporter { envelopes: self.shared.envelopes.clone(), clock: self.shared.clock.clone() }
    }

    /// After another session of the same camera, it keeps the ring, and begins when that has
    /// ended: many cameras give out one session at a time.
    fn start_camera(
        &mut self,
        config: &camera::Config,
        before: Option<Running>,
    ) -> Result<(), String> {
        let id = SourceId::from(config.id.as_str());
        let ring = match &before {
            Some(before) => before.ring.clone(),
            None => ring(config),
        };
        resize(&ring, config);
        self.keep_ring(&id, &ring, config);
        self.slots.join(&id);
        let stop = StopFlag::default();
        let mut streams = vec![(Role::Both, ring.clone())];
        if config.detect_url.is_some() {
            let looks = Arc::new(Mutex::new(Ring::new(LOOKS_RING_S, config.ring_max_bytes)));
            streams = vec![(Role::Clips, ring.clone()), (Role::Looks, looks)];
        }
        let told = before.as_ref().map(|before| before.told.clone()).unwrap_or_default();
        let aligned = Arc::<Aligned>::default();
        // Whoever comes first ends it; the other waits until it has.
        let before = Arc::new(Mutex::new(before));
        let mut threads = Vec::new();
        for (role, ring) in streams {
            let told = told[usize::from(role == Role::Looks)].clone();
            let camera = self.camera(config, role, ring, &stop, (told, aligned.clone()));
            let name = if role == Role::Looks { format!("see-{id}") } else { format!("cam-{id}") };
            let before = before.clone();
            let registry = self.shared.registry.clone();
            threads.push(spawn(&name, move || {
                if let Ok(mut before) = before.lock()
                    && let Some(before) = before.take()
                {
                    before.stop.raise();
                    before.threads.into_iter().for_each(|thread| drop(thread.join()));
                    if camera.role == Role::Both {
                        forget_looks(&camera.id, &before.told[1], &registry, &camera.report);
                    }
                }
                camera.run();
            })?);
        }
        self.cameras.insert(id, Running { stop, threads, ring, told });
        Ok(())
    }

    fn camera(
        &self,
        config: &camera::Config,
        role: Role,
        ring: Arc<Mutex<Ring>>,
        stop: &StopFlag,
        (told, aligned): (Arc<AtomicBool>, Arc<Aligned>),
    ) -> Camera {
        let timeouts = Duration::from_secs(config.connect_timeout_s + config.stall_timeout_s);
        let looks = if role == Role::Looks { " (detect_url)" } else { "" };
        let name = format!("camera {}{looks}", config.id);
        Camera {
            id: config.id.as_str().into(),
            config: config.clone(),
            ring,
            role,
            label: if role == Role::Looks { looks_label(&config.id) } else { config.id.clone() },
            told,
            aligned,
            rota: self.rota.clone(),
            pool: self.pool.clone(),
            clock: self.shared.clock.clone(),
            meter: self.shared.registry.clone(),
            stop: stop.clone(),
            report: self.report(),
            beat: self.shared.progress.part(&name, timeouts + CAMERA_SPARE),
        }
    }

    fn keep_ring(&self, id: &SourceId, ring: &Arc<Mutex<Ring>>, config: &camera::Config) {
        let mut rings = self.rings.lock().expect("no panic while the rings are held");
        rings.insert(id.clone(), (ring.clone(), config.pre_roll_s));
    }

    /// Its thread ends; its packets stay for as long as a clip of its last incident may be cut.
    fn remove(&mut self, id: &SourceId) {
        let Some(Running { stop, threads, ring, told }) = self.cameras.remove(id) else { return };
        stop.raise();
        self.slots.leave(id);
        if let Some(watched) = self.rota.of(id) {
            self.rota.leave(&watched);
        }
        let (slots, rings, registry) =
            (self.slots.clone(), self.rings.clone(), self.shared.registry.clone());
        let (report, id) = (self.report(), id.clone());
        let health = self.shared.health.clone();
        let tidied = spawn(&format!("gone-{id}"), move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
            // It may have come back meanwhile, under the same name.
            let is_back = || slots.holds(&id);
            if !is_back() {
                for metric in GAUGES_OF_PAIRS {
                    registry.forget_pairs(*metric, id.as_str());
                }
                health.good(&decoding_part(&id));
                registry.forget(GAUGES, id.as_str());
                forget_looks(&id, &told[1], &registry, &report);
                let text = "removed from the configuration".to_owned();
                report.fault(&id, Fault { kind: Kind::CameraSilent, broken: false, text });
            }
            thread::sleep(Duration::from_secs(RING_SPARE_S));
            let mut rings = rings.lock().expect("no panic while the rings are held");
            if rings.get(&id).is_some_and(|(kept, _)| Arc::ptr_eq(kept, &ring)) {
                rings.remove(&id);
            }
        });
        if let Err(error) = tidied {
            tracing::warn!(error, "what a removed camera leaves stays in memory");
        }
    }

    /// The detector is there while there is a camera.
    fn open_or_close(&mut self, config: &Config) -> Result<(), String> {
        if self.cameras.is_empty() && self.drones.is_empty() {
            self.vision.take().iter().for_each(StopFlag::raise);
            return Ok(());
        }
        if self.vision.is_some() {
            return Ok(());
        }
        let stop = StopFlag::default();
        let sight = Sight {
            config: config.model.clone(),
            models: config.models_dir.clone(),
            library: config.library.clone(),
            next: self.next_model.clone(),
            slots: self.slots.clone(),
            wakes: self.shared.wakes.clone(),
            health: self.shared.health.clone(),
            meter: self.shared.registry.clone(),
            report: self.report(),
            stop: stop.clone(),
            beat: self.shared.progress.part("vision", VISION_STUCK_AFTER),
        };
        for n in 0..lookers() {
            let (rota, slots) = (self.rota.clone(), self.slots.clone());
            let beat = self.shared.progress.part(&format!("decoding {n}"), LOOKER_STUCK_AFTER);
            let (report, stop) = (self.report(), stop.clone());
            let health = self.shared.health.clone();
            let worked = Box::new(worked);
            let looker = Looker { rota, slots, report, health, stop, beat, worked };
            spawn(&format!("decode-{n}"), move || looker.run())?;
        }
        spawn("vision", move || sight.run())?;
        self.vision = Some(stop);
        Ok(())
    }
}

/// Under which the figures are of a stream that is only looked at; no camera has such an id.
pub(super) fn looks_label(id: &str) -> String {
    format!("{id}/detect")
}

/// A camera has no stream any more that is only looked at.
fn forget_looks(id: &SourceId, told: &AtomicBool, registry: &Registry, report: &Reporter) {
    registry.forget(GAUGES, &looks_label(id.as_str()));
    if told.swap(false, Ordering::Relaxed) {
        let text = "its detect_url is no longer in the configuration".to_owned();
        report.fault(id, Fault { kind: Kind::DetectorDegraded, broken: false, text });
    }
}

/// One a processor: decoding is all they do.
fn lookers() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(LOOKERS_MAX)
}

/// Packets enough for the longest clip of a live stream: rolls and clip in seconds.
pub(super) fn clip_ring(pre: u64, post: u64, max: u64, bytes: usize) -> Arc<Mutex<Ring>> {
    Arc::new(Mutex::new(Ring::new(pre + max + post + RING_SPARE_S, bytes)))
}

/// Packets enough for the longest clip of this camera.
pub(super) fn ring(config: &camera::Config) -> Arc<Mutex<Ring>> {
    Arc::new(Mutex::new(Ring::new(ring_s(config), config.ring_max_bytes)))
}

fn ring_s(config: &camera::Config) -> u64 {
    if config.speed == camera::Speed::Max {
        // It runs ahead of the clock by which clips are cut; its bytes bound it.
        return MAX_SPEED_RING_S;
    }
    config.pre_roll_s + config.clip_max_s + config.post_roll_s + RING_SPARE_S
}

fn resize(ring: &Arc<Mutex<Ring>>, config: &camera::Config) {
    // A ring whose holder panicked is lost for clips, and said so there.
    if let Ok(mut ring) = ring.lock() {
        ring.resize(ring_s(config), config.ring_max_bytes);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| format!("thread {name} cannot start: {error}"))
}
