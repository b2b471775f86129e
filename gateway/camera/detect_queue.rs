//! The queue in front of the detector: a few looks a camera, in order; one worker serves all fairly, every skip counted.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    base::lock,
    domain::{Look, Meter, Metric, SourceId},
};

/// Pictures of one camera that wait for the detector, 6 MB each at 1080p.
const PICTURES_EACH: usize = 4;
/// Looks of one camera that wait, with a picture or, where nothing differs, without: some hundred bytes.
const LOOKS_MAX: usize = 24;
/// Pictures of all cameras that wait, at most, beside [`PICTURES_LEAST`] of each camera: so many in a
/// row make a track.
const PICTURES_MAX: usize = 32;
const PICTURES_LEAST: usize = 2;

struct CameraQueue {
    camera: SourceId,
    /// At most [`LOOKS_MAX`] (P11).
    waiting: VecDeque<Look>,
}

impl CameraQueue {
    fn pictures(&self) -> usize {
        self.waiting.iter().filter(|look| look.picture.is_some()).count()
    }

    /// Removes the oldest look if the queue is full for `new`; returns whether a picture was removed.
    fn skip(&mut self, new: &Look) -> bool {
        let shows = new.picture.is_some() && self.pictures() >= PICTURES_EACH;
        if !shows && self.waiting.len() < LOOKS_MAX {
            return false;
        }
        // A look without a picture only says that time has gone on.
        let oldest = self.waiting.iter().position(|look| look.picture.is_some() == shows);
        oldest.map(|at| self.waiting.remove(at));
        shows
    }
}

#[derive(Default)]
struct Queues {
    rows: Vec<CameraQueue>,
    /// Where the next search begins, so that no camera starves another.
    turn: usize,
    closed: bool,
    /// Cameras that came or left, ever.
    changes: u64,
}

impl Queues {
    fn of(&mut self, camera: &SourceId) -> Option<&mut CameraQueue> {
        self.rows.iter_mut().find(|queue| queue.camera == *camera)
    }

    fn pictures(&self) -> usize {
        self.rows.iter().map(CameraQueue::pictures).sum()
    }
}

/// Looks on their way from the decode workers to the detection worker.
pub struct DetectQueue {
    queues: Mutex<Queues>,
    filled: Condvar,
    meter: Arc<dyn Meter>,
}

impl DetectQueue {
    /// No cameras yet; `meter` counts what waits and what is skipped.
    pub fn new(meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Self { queues: Mutex::default(), filled: Condvar::new(), meter })
    }

    /// Adds a queue for this camera, if it has none yet.
    pub fn join(&self, camera: &SourceId) {
        let mut queues = self.locked();
        if queues.of(camera).is_none() {
            queues.rows.push(CameraQueue { camera: camera.clone(), waiting: VecDeque::new() });
            queues.changes += 1;
        }
    }

    /// Removes the queue of this camera with what waits in it; looks that still come are dropped.
    pub fn leave(&self, camera: &SourceId) {
        let mut queues = self.locked();
        queues.rows.retain(|queue| queue.camera != *camera);
        queues.changes += 1;
    }

    /// Whether this camera has a queue.
    pub fn holds(&self, camera: &SourceId) -> bool {
        self.locked().of(camera).is_some()
    }

    /// Whether no camera has a queue.
    pub fn is_empty(&self) -> bool {
        self.locked().rows.is_empty()
    }

    /// Another number whenever a camera came or left.
    pub fn changes(&self) -> u64 {
        self.locked().changes
    }

    /// Whether another picture of this camera may wait.
    pub fn has_capacity(&self, camera: &SourceId) -> bool {
        let mut queues = self.locked();
        let waiting = queues.of(camera).map_or(0, |queue| queue.pictures());
        waiting < PICTURES_LEAST || waiting < PICTURES_EACH && queues.pictures() < PICTURES_MAX
    }

    /// Queues a look. Where the queue is full, the oldest look is skipped, and counted if it has a
    /// picture.
    pub fn put(&self, camera: &SourceId, look: Look) {
        let mut queues = self.locked();
        let Some(queue) = queues.of(camera) else { return };
        let skipped = queue.skip(&look);
        queue.waiting.push_back(look);
        let waiting = queue.waiting.len() as f64;
        drop(queues);
        if skipped {
            self.meter.add(Metric::CameraSkipped, camera.as_str(), 1);
        }
        self.meter.set(Metric::CameraQueue, camera.as_str(), waiting);
        self.filled.notify_one();
    }

    /// The next look in turn; `None` when the queue is closed, or when nothing came within `patience`.
    pub fn take(&self, patience: Duration) -> Option<(SourceId, Look)> {
        let (mut queues, _) = self
            .filled
            .wait_timeout_while(self.locked(), patience, |queues| {
                !queues.closed && queues.rows.iter().all(|queue| queue.waiting.is_empty())
            })
            .unwrap_or_else(PoisonError::into_inner);
        let count = queues.rows.len();
        for step in 0..count {
            let at = (queues.turn + step) % count;
            if let Some(look) = queues.rows[at].waiting.pop_front() {
                let camera = queues.rows[at].camera.clone();
                let waiting = queues.rows[at].waiting.len() as f64;
                // A look without a picture costs the detector nothing, and uses up no turn.
                queues.turn = at + usize::from(look.picture.is_some());
                drop(queues);
                self.meter.set(Metric::CameraQueue, camera.as_str(), waiting);
                return Some((camera, look));
            }
        }
        None
    }

    /// Looks of this camera that nobody has taken yet.
    #[cfg(test)]
    pub(super) fn waiting(&self, camera: &SourceId) -> usize {
        self.locked().of(camera).map_or(0, |queue| queue.waiting.len())
    }

    /// From now on `take` returns at once when nothing waits.
    pub fn close(&self) {
        self.locked().closed = true;
        self.filled.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::Registry, domain::Picture};

    fn look(n: u32) -> Look {
        let at = jiff::Timestamp::UNIX_EPOCH;
        Look::of(Picture::of_rgb(n, 1, Vec::new(), at))
    }

    fn number(taken: Option<(SourceId, Look)>) -> Option<(SourceId, u32)> {
        taken.map(|(camera, look)| (camera, look.picture.unwrap().width))
    }

    #[test]
    fn turns_are_fair_in_order_and_skips_are_counted() {
        let registry = Registry::new();
        let queue = DetectQueue::new(registry.clone());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        queue.join(&a);
        queue.join(&b);
        for n in 1..=5 {
            assert_eq!(queue.has_capacity(&a), n <= 4);
            queue.put(&a, look(n));
        }
        queue.put(&b, look(9));
        let next = || number(queue.take(Duration::ZERO));
        assert_eq!(next(), Some((a.clone(), 2)));
        assert_eq!(next(), Some((b.clone(), 9)));
        assert_eq!(next(), Some((a.clone(), 3)));
        assert!(queue.has_capacity(&a));
        assert_eq!((next(), next(), next()), (Some((a.clone(), 4)), Some((a, 5)), None));
        assert_eq!(registry.get(Metric::CameraSkipped, "a"), 1.0);
        assert_eq!(registry.get(Metric::CameraQueue, "a"), 0.0, "it falls too");
    }

    #[test]
    fn who_is_in_a_picture_is_not_driven_out_by_looks_that_show_nothing() {
        let registry = Registry::new();
        let queue = DetectQueue::new(registry.clone());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        queue.join(&a);
        queue.join(&b);
        let quiet = || Look { picture: None, ..look(0) };
        (1..=3).for_each(|n| queue.put(&a, look(n)));
        (0..60).for_each(|_| queue.put(&a, quiet()));
        assert_eq!((queue.waiting(&a), queue.has_capacity(&a)), (24, true));
        queue.put(&a, look(4));
        assert_eq!((queue.waiting(&a), queue.has_capacity(&a)), (24, false));
        // Such looks use up no turn either, so the picture behind them is not held up.
        (5..=8).for_each(|n| queue.put(&b, look(n)));
        let all = std::iter::from_fn(|| queue.take(Duration::ZERO));
        let shown: Vec<u32> = all.filter_map(|(_, one)| Some(one.picture?.width)).collect();
        assert_eq!(shown, [1, 5, 2, 6, 3, 7, 4, 8]);
        assert_eq!(registry.get(Metric::CameraSkipped, "a"), 0.0);
    }

    #[test]
    fn p11_many_cameras_have_place_for_two_pictures_each_and_few_for_four() {
        let queue = DetectQueue::new(Registry::new());
        let ids: Vec<SourceId> = (0..40).map(|n| format!("c{n}").into()).collect();
        ids.iter().for_each(|id| queue.join(id));
        for id in ids.iter().cycle().take(40 * PICTURES_EACH) {
            if queue.has_capacity(id) {
                queue.put(id, look(1));
            }
        }
        let waiting: Vec<usize> = ids.iter().map(|id| queue.waiting(id)).collect();
        assert_eq!(waiting, [2; 40], "80 pictures of 6 MB, and not 160");
        ids[8..].iter().for_each(|id| queue.leave(id));
        assert!(queue.has_capacity(&ids[0]));
        // A look without a picture takes no capacity from the others.
        queue.put(&ids[0], Look { picture: None, ..look(1) });
        assert!(queue.has_capacity(&ids[1]) && queue.waiting(&ids[0]) == 3);
        // A camera that does not ask for capacity (asleep, a drone) gets no more of it.
        (0..60).for_each(|n| queue.put(&ids[2], look(n)));
        assert_eq!(queue.waiting(&ids[2]), 4);
    }

    #[test]
    fn a_camera_that_leaves_takes_its_looks_along() {
        let queue = DetectQueue::new(Registry::new());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        queue.join(&a);
        queue.join(&b);
        queue.put(&a, look(1));
        let before = queue.changes();
        queue.leave(&a);
        assert_ne!(queue.changes(), before);
        queue.put(&a, look(4));
        assert!(number(queue.take(Duration::ZERO)).is_none());
        assert!(queue.has_capacity(&a), "nobody waits for one that left");
    }
}
