//! Which cameras run: their reading threads, the decode workers, the detection worker, the evidence worker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{
    camera_events::CameraEvents,
    camera_figures::{forget_camera, forget_looks},
    camera_streams::CameraStreams,
    drones::Drones,
    evidence_worker::EvidenceWorker,
    face_watch::FaceWatch,
    from_config::{look_areas, wake_plan},
    shared::Shared,
};
use crate::{
    base::{
        BeatWatch, Readiness, Registry, Reporter, Task, ThreadGroup, lock, processors, spawn,
        thread_cpu_time,
    },
    camera::{
        CameraFeeds, DecodeWorker, DetectQueue, DetectWorker, NextModel, RING_SPARE_S, Rings, Role,
        Scheduler, Stream, StreamPair, camera_ring, decoding_part, key_frames_part, looks_label,
        resize, streams_part,
    },
    config::{Config, ConfigChange, Difference},
    domain::{Fault, Kind, Meter, SourceId, StopFlag},
    incident::EvidenceJob,
    media::{Pool, Ring},
    sources::camera::{self, FoundStreams},
};

/// The detection worker is stuck after so long: a detection takes under a second, loading a model some
/// seconds, more on a slow disk.
const DETECTION_STUCK_AFTER: Duration = Duration::from_secs(120);
/// The evidence worker is stuck after so long: a clip is written in a second or two.
const EVIDENCE_STUCK_AFTER: Duration = Duration::from_secs(120);
/// A camera's thread hangs after so long: beside its own time-outs it may wait for DNS.
const CAMERA_SPARE: Duration = Duration::from_secs(30);
/// Threads of one camera that hang and were left behind, at most; then it stays as it is, told.
const LEFT_BEHIND_MAX: usize = 3;
/// A decode worker is stuck after so long: a turn takes well under a second, more on a slow box.
const DECODING_STUCK_AFTER: Duration = Duration::from_secs(60);
/// A session is closed within half a second; a thread that hangs is not waited for.
const GOODBYE_WITHIN: Duration = Duration::from_millis(1_500);
/// Threads that decode, at most.
const DECODE_WORKERS_MAX: usize = 8;
/// Seconds of packets of a stream that is only looked at: enough to replay.
const LOOKS_RING_S: u64 = 30;
/// Keys of a camera that its session does not use: it goes on when only these change.
const NOT_OF_SESSION: &[&str] = &[
    "name",
    "place",
    "datum",
    "grid",
    "bearing_deg",
    "view_deg",
    "view_m",
    "mask",
    "private",
    "pre_roll_s",
    "post_roll_s",
    "clip_max_s",
    "ring_max_bytes",
    "onvif",
    "onvif_ca_file",
    "wakes",
];

/// One camera: a reading thread for each of its streams.
struct CameraThreads {
    threads: ThreadGroup,
    ring: Arc<Mutex<Ring>>,
    /// Whether silence was reported: of the stream for clips, and of the one that is looked at.
    silence_reported: [Arc<AtomicBool>; 2],
    /// Signs of life of the threads.
    beats: Vec<BeatWatch>,
    /// Threads before these, which hang and were told to stop.
    left_behind: Vec<ThreadGroup>,
}

/// Owns the threads of all cameras and drones, the decode workers and the detection worker.
pub(super) struct Cameras {
    shared: Shared,
    detect_queue: Arc<DetectQueue>,
    rings: Rings,
    scheduler: Arc<Scheduler>,
    pool: Arc<Pool>,
    cameras: BTreeMap<SourceId, CameraThreads>,
    drones: Drones,
    camera_events: CameraEvents,
    camera_streams: CameraStreams,
    /// Stops the decode workers and the detection worker; none: no camera needs them.
    workers: Option<StopFlag>,
    next_model: NextModel,
}

impl Cameras {
    /// Starts all cameras and drones of the configuration.
    pub(super) fn start(
        shared: &Shared,
        config: &Config,
        jobs: mpsc::Receiver<EvidenceJob>,
    ) -> Result<Self, String> {
        let meter: Arc<dyn Meter> = shared.registry.clone();
        let mut cameras = Self {
            shared: shared.clone(),
            detect_queue: DetectQueue::new(meter.clone()),
            rings: Rings::default(),
            scheduler: shared.wakes.scheduler.clone(),
            pool: Arc::new(Pool::new(decode_workers())),
            cameras: BTreeMap::new(),
            drones: Drones::default(),
            camera_events: CameraEvents::default(),
            camera_streams: CameraStreams::new(shared),
            workers: None,
            next_model: NextModel::default(),
        };
        cameras.camera_streams.change(shared, config);
        cameras.scheduler.look_where(look_areas(config));
        for camera in &config.cameras {
            cameras.start_camera(camera, None)?;
        }
        cameras.drones.change(shared, (&cameras.detect_queue, &cameras.rings), config, None)?;
        let evidence = EvidenceWorker {
            store: shared.store.clone(),
            rings: cameras.rings.clone(),
            meter,
            running: shared.running.clone(),
            faces: FaceWatch::new(config.models_dir.clone(), config.library.clone()),
        };
        let beat = shared.progress.part("evidence", EVIDENCE_STUCK_AFTER);
        let report = shared.reporter();
        spawn("evidence", move || evidence.run(&jobs, &report, &beat))?;
        cameras.start_or_stop_workers(config)?;
        cameras.camera_events.change(shared, config);
        Ok(cameras)
    }

    /// Restarts the cameras that differ, and no other. The error is that the system has no thread left.
    pub(super) fn change(
        &mut self,
        config: &Config,
        difference: &Difference,
    ) -> Result<(), String> {
        let of_cameras = || difference.of("camera");
        for item in of_cameras().filter(|item| item.change == ConfigChange::Removed) {
            self.remove(&item.id.as_str().into());
        }
        self.camera_streams.change(&self.shared, config);
        for camera in &config.cameras {
            let Some(item) = of_cameras().find(|item| item.id == camera.id) else { continue };
            let of_session = |key: &String| {
                let key = key.as_str();
                !NOT_OF_SESSION.contains(&key)
                    || (key.starts_with("onvif") && camera.finds_streams())
            };
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
        let lanes = (&self.detect_queue, &self.rings);
        self.drones.change(&self.shared, lanes, config, Some(difference))?;
        self.shared.wakes.replace(wake_plan(config));
        self.scheduler.look_where(look_areas(config));
        self.camera_events.change(&self.shared, config);
        if difference.of("model").next().is_some() {
            *lock(&self.next_model) = Some(config.model.clone());
        }
        self.start_or_stop_workers(config)
    }

    /// The next camera that was asked for its streams and named others than are known.
    pub(super) async fn next_found(&mut self) -> Option<(SourceId, FoundStreams)> {
        self.camera_streams.next_found().await
    }

    /// Its threads take these streams; the old ones are told to stop first, so that none of them
    /// begins with what the new ones are for.
    pub(super) fn take_found(&mut self, config: &Config, id: &SourceId, found: FoundStreams) {
        let Some(camera) = config.cameras.iter().find(|camera| camera.id == id.as_str()) else {
            return;
        };
        let before = self.cameras.remove(id);
        before.iter().for_each(|camera| camera.threads.stop());
        self.camera_streams.of(id).found(found);
        if let Err(error) = self.start_camera(camera, before) {
            tracing::error!(camera = %id, error, "camera: its streams (onvif) cannot be set up");
        }
    }

    /// A thread that hangs on its camera (a name server, a folder on a network, a driver that does not
    /// answer) is left behind, and another one takes its place: no thread can be ended from outside.
    pub(super) fn replace_hung(&mut self, config: &Config) {
        if self.shared.progress.stuck().is_some() {
            // Everybody waits for that part, cameras too.
            return;
        }
        for camera in &config.cameras {
            let id = SourceId::from(camera.id.as_str());
            let Some(running) = self.cameras.get_mut(&id) else { continue };
            running.left_behind.retain(|threads| !threads.is_finished());
            let hung = running.beats.iter().find_map(|beat| self.shared.progress.hung(beat));
            let Some(seconds) = hung.filter(|_| running.left_behind.len() < LEFT_BEHIND_MAX) else {
                continue;
            };
            let Some(mut before) = self.cameras.remove(&id) else { continue };
            before.threads.stop();
            let threads = std::mem::take(&mut before.threads);
            before.left_behind.push(threads);
            tracing::error!(camera = %id, seconds, "camera: its thread hangs and is left behind; another one is started");
            tell_hung(&self.shared, &id, &before.silence_reported[0], seconds);
            if let Err(error) = self.start_camera(camera, Some(before)) {
                tracing::error!(camera = %id, error, "camera: no thread can be started for it");
            }
        }
    }

    /// Tells all threads to stop, and does not wait.
    pub(super) fn stop(&self) {
        self.cameras.values().for_each(|camera| camera.threads.stop());
        self.drones.stop();
        self.camera_events.stop();
        self.camera_streams.stop();
        self.workers.iter().for_each(StopFlag::raise);
    }

    /// Waits until no drone's feed is open, or so long: the process must not take down libsrt
    /// (its own threads, its own clean-up at exit) under a session that still closes. A camera that is
    /// told goodbye (TEARDOWN) has room for the next session at once.
    pub(super) async fn closed(&self, within: Duration) {
        let cameras_over = || self.cameras.values().all(|one| one.threads.is_finished());
        let (drones, _, (), ()) = tokio::join!(
            Task::all_finished(|| self.drones.are_over(), within),
            Task::all_finished(cameras_over, within.min(GOODBYE_WITHIN)),
            self.camera_events.closed(within),
            self.camera_streams.closed(within)
        );
        if !drones {
            tracing::warn!("a drone's feed does not close; not waited for");
        }
    }

    /// Starts the threads of a camera. In place of an older session it keeps the ring, and begins when
    /// that has ended: many cameras allow one session at a time.
    fn start_camera(
        &mut self,
        config: &camera::Config,
        mut before: Option<CameraThreads>,
    ) -> Result<(), String> {
        let id = SourceId::from(config.id.as_str());
        let config = &self.camera_streams.of(&id).effective(config);
        let ring = match &before {
            Some(before) => before.ring.clone(),
            None => camera_ring(config),
        };
        resize(&ring, config);
        self.keep_ring(&id, &ring, config);
        self.detect_queue.join(&id);
        let mut streams = vec![(Role::Both, ring.clone())];
        let mut pair = StreamPair::default();
        if config.detect_url.is_some() {
            let looks = Arc::new(Mutex::new(Ring::new(LOOKS_RING_S, config.ring_max_bytes)));
            pair = StreamPair::new(looks.clone(), ring.clone());
            streams = vec![(Role::Clips, ring.clone()), (Role::Looks, looks)];
        }
        let pair = Arc::new(pair);
        let looks = streams.get(1).map(|(_, looks)| looks);
        let feeds = self.shared.live.set(&id, &ring, looks);
        let silence_reported =
            before.as_ref().map(|before| before.silence_reported.clone()).unwrap_or_default();
        let left_behind = before
            .as_mut()
            .map(|before| std::mem::take(&mut before.left_behind))
            .unwrap_or_default();
        // The first of the new threads ends the old ones; the other waits until it has.
        let before = Arc::new(Mutex::new(before));
        let mut beats = Vec::new();
        let mut threads = ThreadGroup::default();
        for (role, ring) in streams {
            let silent = silence_reported[usize::from(role == Role::Looks)].clone();
            let (stop, pair) = (threads.stop.clone(), pair.clone());
            let stream = self.stream(config, role, (ring, &feeds), stop, (silent, pair));
            beats.push(stream.beat.watch());
            let name = if role == Role::Looks { format!("see-{id}") } else { format!("cam-{id}") };
            let (before, shared) = (before.clone(), self.shared.clone());
            threads.spawn(&name, move || {
                end_before(&before, &stream, (&shared.registry, &shared.readiness));
                stream.run();
            })?;
        }
        let threads = CameraThreads { threads, ring, silence_reported, beats, left_behind };
        self.cameras.insert(id, threads);
        Ok(())
    }

    fn stream(
        &self,
        config: &camera::Config,
        role: Role,
        (ring, feeds): (Arc<Mutex<Ring>>, &CameraFeeds),
        stop: StopFlag,
        (silence_reported, pair): (Arc<AtomicBool>, Arc<StreamPair>),
    ) -> Stream {
        let timeouts = config.connect_timeout_s.saturating_add(config.stall_timeout_s);
        let timeouts = Duration::from_secs(timeouts);
        let looks = if role == Role::Looks { " (detect_url)" } else { "" };
        let name = format!("camera {}{looks}", config.id);
        Stream {
            id: config.id.as_str().into(),
            config: config.clone(),
            urls: self.camera_streams.of(&config.id.as_str().into()),
            ring,
            live: feeds.of(role == Role::Looks),
            role,
            label: if role == Role::Looks { looks_label(&config.id) } else { config.id.clone() },
            silence_reported,
            pair,
            scheduler: self.scheduler.clone(),
            pool: self.pool.clone(),
            clock: self.shared.clock.clone(),
            meter: self.shared.registry.clone(),
            stop,
            report: self.shared.reporter(),
            beat: self.shared.progress.part_of_device(&name, timeouts + CAMERA_SPARE),
        }
    }

    fn keep_ring(&self, id: &SourceId, ring: &Arc<Mutex<Ring>>, config: &camera::Config) {
        lock(&self.rings).insert(id.clone(), (ring.clone(), config.pre_roll_s));
    }

    /// The threads of a camera end; its packets stay for as long as a clip of its last incident may be
    /// cut.
    fn remove(&mut self, id: &SourceId) {
        let Some(camera) = self.cameras.remove(id) else { return };
        let CameraThreads { threads, ring, silence_reported, .. } = camera;
        threads.stop();
        self.detect_queue.leave(id);
        self.shared.live.remove(id);
        if let Some(task) = self.scheduler.of(id) {
            self.scheduler.leave(&task);
        }
        let (queue, rings, registry) =
            (self.detect_queue.clone(), self.rings.clone(), self.shared.registry.clone());
        let scheduler = self.scheduler.clone();
        let (report, readiness) = (self.shared.reporter(), self.shared.readiness.clone());
        let id = id.clone();
        let tidied = spawn(&format!("gone-{id}"), move || {
            threads.end();
            // It may have come back meanwhile, under the same name.
            if !queue.holds(&id) {
                // One of its two threads may have made the task anew before it saw that it is over.
                scheduler.of(&id).iter().for_each(|task| scheduler.leave(task));
                readiness.clear(&decoding_part(&id));
                readiness.clear(&key_frames_part(&id));
                forget_camera(&registry, &id);
                end_looks(&id, &silence_reported[1], (&registry, &readiness), &report);
                let text = "removed from the configuration".to_owned();
                report.fault(&id, Fault { kind: Kind::CameraSilent, broken: false, text });
            }
            thread::sleep(Duration::from_secs(RING_SPARE_S));
            let mut rings = lock(&rings);
            if rings.get(&id).is_some_and(|(current, _)| Arc::ptr_eq(current, &ring)) {
                rings.remove(&id);
            }
        });
        if let Err(error) = tidied {
            tracing::warn!(error, "what a removed camera leaves stays in memory");
        }
    }

    /// Starts decode workers and the detection worker with the first camera or drone, and stops them with
    /// the last.
    fn start_or_stop_workers(&mut self, config: &Config) -> Result<(), String> {
        if self.cameras.is_empty() && self.drones.is_empty() {
            self.workers.take().iter().for_each(StopFlag::raise);
            return Ok(());
        }
        if self.workers.is_some() {
            return Ok(());
        }
        let stop = StopFlag::default();
        let progress = &self.shared.progress;
        let detection = DetectWorker {
            config: config.model.clone(),
            models: config.models_dir.clone(),
            library: config.library.clone(),
            next: self.next_model.clone(),
            queue: self.detect_queue.clone(),
            wakes: self.shared.wakes.clone(),
            readiness: self.shared.readiness.clone(),
            meter: self.shared.registry.clone(),
            report: self.shared.reporter(),
            stop: stop.clone(),
            beat: progress.part("vision", DETECTION_STUCK_AFTER),
        };
        for n in 0..decode_workers() {
            let worker = DecodeWorker {
                scheduler: self.scheduler.clone(),
                queue: self.detect_queue.clone(),
                report: self.shared.reporter(),
                readiness: self.shared.readiness.clone(),
                stop: stop.clone(),
                beat: progress.part(&format!("decoding {n}"), DECODING_STUCK_AFTER),
                cpu_time: Box::new(thread_cpu_time),
            };
            spawn(&format!("decode-{n}"), move || worker.run())?;
        }
        spawn("vision", move || detection.run())?;
        self.workers = Some(stop);
        Ok(())
    }
}

/// Ends the threads that ran before for this camera, if no other new thread has done so.
fn end_before(
    before: &Mutex<Option<CameraThreads>>,
    stream: &Stream,
    said: (&Registry, &Readiness),
) {
    // Held until they have ended: the other new thread waits here.
    let mut before = lock(before);
    let Some(CameraThreads { threads, silence_reported, .. }) = before.take() else { return };
    threads.end();
    if stream.role == Role::Both {
        end_looks(&stream.id, &silence_reported[1], said, &stream.report);
    }
}

/// A camera whose thread hangs brings no pictures. From a thread of its own: the junction may be busy.
fn tell_hung(shared: &Shared, id: &SourceId, silent: &AtomicBool, seconds: u64) {
    if silent.swap(true, Ordering::Relaxed) {
        return;
    }
    let (report, camera) = (shared.reporter(), id.clone());
    let text = format!(
        "no sign of life for {seconds} s: it waits for something that does not answer (a name server, a file on a network folder)"
    );
    let fault = Fault { kind: Kind::CameraSilent, broken: true, text };
    let told = spawn(&format!("hung-{id}"), move || report.fault(&camera, fault));
    if let Err(error) = told {
        tracing::warn!(camera = %id, error, "that it hangs is only logged");
    }
}

/// Removes what is said of the `detect_url` of a camera that has none any more.
fn end_looks(
    id: &SourceId,
    silent: &AtomicBool,
    (registry, readiness): (&Registry, &Readiness),
    report: &Reporter,
) {
    forget_looks(registry, id);
    readiness.clear(&streams_part(id));
    if silent.swap(false, Ordering::Relaxed) {
        let text = "its detect_url is no longer in the configuration".to_owned();
        report.fault(id, Fault { kind: Kind::DetectorDegraded, broken: false, text });
    }
}

/// How many decode workers: one a processor.
fn decode_workers() -> usize {
    processors().min(DECODE_WORKERS_MAX)
}
