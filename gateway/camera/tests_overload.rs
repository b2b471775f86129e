//! Too many cameras for the box, in the box's own time: every one is looked at, nobody is lost, and it recovers.
//!
//! What decoding and detecting cost is counted rather than measured, so that the same happens each time.

use std::{collections::BTreeMap, sync::Mutex};

use jiff::SignedDuration;
use tokio::sync::mpsc;

use super::*;
use crate::{
    base::{Progress, RealClock},
    camera::sampler::tests::{Stands, clip, packets, seconds, start},
    domain::{Look, LookFeedback, Meter, Metric},
    media::{Packet, Pool, Ring},
    sources::camera,
};

/// Of one core, in milliseconds, as measured on two slow cores at 1080p.
const LOOK_MS: u64 = 34;
const PICTURE_MS: u64 = 6;
const RUN_MS: i64 = 26;
/// The world goes on in steps of so much, and so does what the box can do.
const TICK_MS: u64 = 100;
/// What each camera shows again and again, and the seconds of it at which somebody is there.
const CLIP_S: u32 = 120;
/// Packets from a key frame to the next.
const GROUP: usize = 20;
const VISIT: Stands = Stands(31.0, 41.0);

/// What has been spent, and when each camera was last decoded for.
#[derive(Default)]
struct Costs {
    spent_ms: Mutex<u64>,
    now_ms: Mutex<u64>,
    /// The longest time that a camera waited for a picture of it to be decoded, and since when.
    waited_ms: Mutex<BTreeMap<String, (u64, u64)>>,
    skipped: Mutex<u64>,
    levels: Mutex<BTreeMap<String, f64>>,
}

impl Meter for Costs {
    fn add(&self, metric: Metric, label: &str, n: u64) {
        match metric {
            Metric::CameraLooks => *self.spent_ms.lock().unwrap() += n * LOOK_MS,
            Metric::CameraFrames => {
                *self.spent_ms.lock().unwrap() += n * PICTURE_MS;
                let now = *self.now_ms.lock().unwrap();
                let mut waited = self.waited_ms.lock().unwrap();
                let one = waited.entry(label.to_owned()).or_insert((0, now));
                *one = (one.0.max(now - one.1), now);
            }
            Metric::CameraSkipped => *self.skipped.lock().unwrap() += n,
            _ => {}
        }
    }

    fn set(&self, metric: Metric, label: &str, value: f64) {
        if metric == Metric::CameraLevel {
            self.levels.lock().unwrap().insert(label.to_owned(), value);
        }
    }
}

struct World {
    worker: DecodeWorker,
    costs: Arc<Costs>,
    cameras: Vec<(Arc<CameraTask>, Arc<Mutex<Ring>>)>,
    packets: Vec<Packet>,
    /// Somebody was seen by the detector: when he was there, by camera.
    found: BTreeMap<SourceId, Vec<f64>>,
    /// Not spent yet, or spent beforehand.
    left_ms: (i64, i64),
    now_ms: u64,
    run_ms: i64,
    _envelopes: mpsc::Receiver<crate::domain::Envelope>,
}

impl World {
    fn new(cameras: usize, packets: Vec<Packet>) -> Self {
        let costs = Arc::new(Costs::default());
        let (scheduler, queue) = (Arc::<Scheduler>::default(), DetectQueue::new(costs.clone()));
        let (sender, envelopes) = mpsc::channel(1_000);
        let clock = RealClock::start();
        let pool = Arc::new(Pool::new(2));
        let of = |n: usize| {
            let json = format!("{{\"id\":\"c{n}\",\"url\":\"rtsp://192.0.2.1/x\"}}");
            let config: camera::Config = serde_json::from_str(&json).unwrap();
            let ring = Arc::new(Mutex::new(Ring::new(75, config.ring_max_bytes)));
            let mut sampler =
                Sampler::new(&config, ring.clone(), pool.clone(), costs.clone(), false);
            sampler.explain();
            let task = CameraTask::new(config.id.as_str().into(), sampler);
            scheduler.join(task.clone());
            queue.join(&task.id);
            (task, ring)
        };
        let cameras = (0..cameras).map(of).collect();
        let spent = costs.clone();
        let worker = DecodeWorker {
            scheduler,
            queue,
            report: Reporter { envelopes: sender, clock: clock.clone() },
            readiness: Readiness::default(),
            stop: StopFlag::default(),
            beat: Progress::new(clock).part("decoding", Duration::from_secs(60)),
            cpu_time: Box::new(move || Duration::from_millis(*spent.spent_ms.lock().unwrap())),
        };
        Self {
            worker,
            costs,
            cameras,
            packets,
            found: BTreeMap::new(),
            left_ms: (0, 0),
            now_ms: 0,
            run_ms: RUN_MS,
            _envelopes: envelopes,
        }
    }

    /// One tick, in which the box can work for so much of it.
    fn tick(&mut self, share: f64) {
        self.now_ms += TICK_MS;
        *self.costs.now_ms.lock().unwrap() = self.now_ms;
        // All begin at once, each at another place of the clip.
        let n = self.now_ms / TICK_MS - 1;
        for (camera, (task, ring)) in self.cameras.iter().enumerate() {
            let place = usize::try_from(n).unwrap() + self.first_of(camera);
            let mut packet = self.packets[place % self.packets.len()].clone();
            packet.stream_ms = i64::try_from(n * TICK_MS).unwrap();
            packet.at = start() + SignedDuration::from_millis(packet.stream_ms);
            let key = packet.key;
            ring.lock().unwrap().push(packet);
            if key || task.eager.load(Ordering::Relaxed) {
                self.worker.scheduler.ask(&task.id);
            }
        }
        let more = (TICK_MS as f64 * share) as i64;
        // What nobody used is gone.
        self.left_ms = (self.left_ms.0.min(0) + more, self.left_ms.1.min(0) + more);
        while self.detect() | self.decode() {}
    }

    fn run(&mut self, until_s: u64, share: f64) {
        while self.now_ms < until_s * 1_000 {
            self.tick(share);
        }
    }

    fn decode(&mut self) -> bool {
        if self.left_ms.0 <= 0 {
            return false;
        }
        let Some(task) = self.worker.scheduler.take(Duration::ZERO) else { return false };
        let before = *self.costs.spent_ms.lock().unwrap();
        let more = self.worker.turn(&task);
        self.worker.scheduler.done(&task, more);
        self.left_ms.0 -= (*self.costs.spent_ms.lock().unwrap() - before) as i64;
        true
    }

    fn detect(&mut self) -> bool {
        if self.left_ms.1 <= 0 {
            return false;
        }
        let Some((camera, look)) = self.worker.queue.take(Duration::ZERO) else { return false };
        self.worker.scheduler.ask(&camera);
        let Look { at, regions, picture, .. } = look;
        let found = picture.is_some() && !regions.is_empty();
        if picture.is_some() {
            self.left_ms.1 -= self.run_ms;
        }
        if found {
            self.found.entry(camera.clone()).or_default().push(seconds(at));
        }
        let task = self.worker.scheduler.of(&camera).unwrap();
        task.answer(at, LookFeedback { holds: found, found, ..LookFeedback::default() });
        self.worker.scheduler.ask(&camera);
        true
    }

    fn skipped(&self) -> u64 {
        *self.costs.skipped.lock().unwrap()
    }

    fn awake(&self) -> usize {
        self.costs.levels.lock().unwrap().values().filter(|level| **level == 2.0).count()
    }

    /// With which packet of the clip this camera begins: a key frame.
    fn first_of(&self, camera: usize) -> usize {
        camera * self.packets.len() / self.cameras.len() / GROUP * GROUP
    }

    /// Visits that lay wholly between these seconds, and those of them that nobody saw: the camera,
    /// and when they began.
    fn visits(&self, from_s: f64, until_s: f64) -> (usize, Vec<(usize, f64)>) {
        let (mut happened, mut lost) = (0, Vec::new());
        for camera in 0..self.cameras.len() {
            let first_s = self.first_of(camera) as f64 * TICK_MS as f64 / 1_000.0;
            let found = self.found.get(&self.cameras[camera].0.id);
            for turn in 0..4 {
                let began_s = VISIT.0 - first_s + f64::from(turn * CLIP_S);
                let there = began_s..began_s + VISIT.1 - VISIT.0;
                if there.start < from_s || there.end > until_s {
                    continue;
                }
                happened += 1;
                // Once is nobody: a track begins with two, not far apart.
                let tracked = |pair: &[f64]| {
                    pair.iter().all(|at| there.contains(at)) && pair[1] - pair[0] <= 1.0
                };
                if !found.is_some_and(|times| times.windows(2).any(tracked)) {
                    lost.push((camera, began_s));
                }
            }
        }
        (happened, lost)
    }

    /// Why, of those that were lost.
    fn words(&self, lost: &[(usize, f64)]) -> String {
        let mut text = String::new();
        for (camera, began_s) in lost {
            text += &format!("c{camera}: somebody from {began_s:.1} s on\n");
            let task = &self.cameras[*camera].0;
            for (at, word) in task.sampler.lock().unwrap().take_notes() {
                text += &format!("  {:.1} {word}\n", seconds(at));
            }
            let found = self.found.get(&task.id);
            text += &format!("  seen at {:.1?}\n", found.map_or(&[][..], |times| times));
        }
        text
    }
}

fn stream() -> Vec<Packet> {
    let folder = tempfile::tempdir().unwrap();
    packets(&clip(folder.path(), CLIP_S, GROUP as u32, &VISIT, &[]))
}

#[test]
fn v5_too_many_cameras_are_each_looked_at_and_who_stays_is_seen() {
    // 80 looks of 40 ms in 2 s, and nine awake: more than two such boxes can do.
    let mut world = World::new(80, stream());
    let run = |world: &mut World, until_s: u64| {
        world.run(until_s, 1.0);
        let mut waited = world.costs.waited_ms.lock().unwrap();
        assert_eq!(waited.len(), 80);
        let longest = waited.values().map(|(longest, _)| *longest).max().unwrap();
        waited.values_mut().for_each(|(longest, _)| *longest = 0);
        longest
    };
    // All of them begin at once.
    let begin = run(&mut world, 30);
    assert!(begin <= 20_000, "one was not looked at for {begin} ms");
    let longest = run(&mut world, 200);
    assert!(longest <= 10_000, "one was not looked at for {longest} ms");
    assert!(world.skipped() > 0, "it was too much");
    let (happened, lost) = world.visits(20.0, 180.0);
    println!("{happened} visits, {} skipped, {begin} and {longest} ms", world.skipped());
    assert!(happened > 80 && lost.is_empty(), "of {happened}: {}", world.words(&lost));
}

#[test]
fn v5_a_detector_that_is_too_slow_sees_who_stays_all_the_same() {
    // Three awake, and a whole core for three looks a second of the fifteen that are due.
    let mut world = World::new(30, stream());
    world.run_ms = 333;
    world.run(260, 1.0);
    let (happened, lost) = world.visits(40.0, 240.0);
    println!("{happened} visits, {} skipped", world.skipped());
    assert!(world.skipped() > 1_000 && happened > 20);
    assert!(lost.is_empty(), "of {happened}: {}", world.words(&lost));
}

#[test]
fn v5_a_box_that_was_overloaded_is_well_again_soon_after() {
    let mut world = World::new(30, stream());
    let run = |world: &mut World, until_s: u64, share: f64| {
        let before = world.skipped();
        world.run(until_s, share);
        world.skipped() - before
    };
    let begin = run(&mut world, 30, 1.0);
    assert_eq!(run(&mut world, 60, 1.0), 0, "30 cameras are not too many; {begin} at the start");
    // Somebody else takes nearly all of it, while visitors come.
    assert!(run(&mut world, 80, 0.05) > 0);
    run(&mut world, 95, 1.0);
    assert_eq!(run(&mut world, 120, 1.0), 0, "well again after 15 s; {} awake", world.awake());
    let (happened, lost) = world.visits(90.0, 110.0);
    assert!(happened > 2 && lost.is_empty(), "of {happened}: {}", world.words(&lost));
}
