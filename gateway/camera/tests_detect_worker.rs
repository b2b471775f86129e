//! The vision worker with a real small model that fails: loaded anew, told when it fails again and again, and over.

use tokio::sync::mpsc;

use super::*;
use crate::{
    base::{Progress, RealClock},
    camera::WakePlan,
    domain::{Clock, Envelope, Look, Picture},
    vision::tests_graph,
};

struct World {
    queue: Arc<DetectQueue>,
    registry: Arc<Registry>,
    readiness: Readiness,
    envelopes: mpsc::Receiver<Envelope>,
    stop: StopFlag,
    worker: Option<std::thread::JoinHandle<()>>,
}

impl World {
    fn start(models: &std::path::Path) -> Self {
        let registry = Registry::new();
        let (queue, readiness, stop) =
            (DetectQueue::new(registry.clone()), Readiness::default(), StopFlag::default());
        let (sender, envelopes) = mpsc::channel(100);
        let clock = RealClock::start();
        let worker = DetectWorker {
            config: Config { name: Some("tiny".into()), ..Config::default() },
            models: models.to_path_buf(),
            library: Some(tests_graph::library()),
            next: NextModel::default(),
            queue: queue.clone(),
            wakes: WakeRouter::new(WakePlan::default(), registry.clone()),
            readiness: readiness.clone(),
            meter: registry.clone(),
            report: Reporter { envelopes: sender, clock: clock.clone() },
            stop: stop.clone(),
            beat: Progress::new(clock).part("vision", Duration::from_secs(60)),
        };
        queue.join(&"cam".into());
        let thread = Some(std::thread::spawn(move || worker.run()));
        Self { queue, registry, readiness, envelopes, stop, worker: thread }
    }

    fn show(&self, grey: u8) {
        let at = RealClock::start().now().wall;
        self.queue
            .put(&"cam".into(), Look::of(Picture::of_rgb(64, 64, vec![grey; 64 * 64 * 3], at)));
    }

    /// What it reported next of its own state (`Some`), or of a camera (`None`).
    fn next_state(&mut self) -> Option<bool> {
        match self.envelopes.blocking_recv().expect("the worker lives").observation.body {
            Body::Fault(fault) => Some(fault.broken),
            _ => None,
        }
    }

    fn until(&self, what: &str, mut fact: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !fact(self) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.raise();
        self.queue.close();
        self.worker.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn a_model_that_fails_once_is_loaded_anew_and_looks_on() {
    let models = tests_graph::one_person(true);
    let mut world = World::start(models.path());
    world.show(128);
    assert_eq!(world.next_state(), None, "tracks");
    world.show(255);
    world.show(128);
    assert_eq!(world.next_state(), None, "tracks again, and no fault");
    assert_eq!(world.registry.get(Metric::CameraDetected, "cam"), 2.0);
    assert!(world.readiness.reasons().is_empty());
}

#[test]
fn a_model_that_fails_again_and_again_is_told_once_and_over_when_it_has_looked() {
    let models = tests_graph::one_person(true);
    let mut world = World::start(models.path());
    // Each look is taken before the next comes: none is skipped.
    for n in 0..FAILURES_MAX + 2 {
        world.show(255);
        world.until("the look to be taken", |world| {
            let failed = !world.readiness.reasons().is_empty();
            world.queue.waiting(&"cam".into()) == 0 && (n + 1 < FAILURES_MAX || failed)
        });
    }
    assert_eq!(world.next_state(), Some(true));
    assert!(
        world.readiness.reasons()[0].contains("detection failed"),
        "{:?}",
        world.readiness.reasons()
    );
    assert_eq!(world.registry.get(Metric::DetectorUp, ""), 0.0);
    // It is loaded after a while, and nobody says that it sees before it does.
    let mut shown = Instant::now();
    world.until("a picture that it can look at", |world| {
        if shown.elapsed() > Duration::from_millis(200) {
            shown = Instant::now();
            world.show(128);
        }
        world.registry.get(Metric::CameraDetected, "cam") > 0.0
    });
    assert_eq!(world.next_state(), Some(false));
    assert_eq!(world.next_state(), None, "and its tracks");
    assert!(world.readiness.reasons().is_empty());
    assert_eq!(world.registry.get(Metric::DetectorUp, ""), 1.0);
}
