//! The frame lane: a few places a camera, in order; one reader serves all fairly, every skip counted.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use crate::domain::{Look, Meter, Metric, SourceId};

/// Pictures of one camera that wait for the detector, 6 MB each at 1080p.
const PICTURES_EACH: usize = 4;
/// Looks of one camera that wait, with a picture or, where nothing differs, without: some hundred bytes.
const LOOKS_MAX: usize = 24;
/// Pictures of all cameras that wait; where there are more, each camera has place for two: so many
/// in a row make a track.
const PICTURES_MAX: usize = 32;
const PICTURES_LEAST: usize = 2;

struct Place {
    camera: SourceId,
    /// At most [`LOOKS_MAX`] (P11).
    waiting: VecDeque<Look>,
}

impl Place {
    fn pictures(&self) -> usize {
        self.waiting.iter().filter(|look| look.picture.is_some()).count()
    }

    /// Makes room for this one; whether a picture had to go.
    fn skip(&mut self, new: &Look) -> bool {
        let shows = new.picture.is_some() && self.pictures() >= PICTURES_EACH;
        if !shows && self.waiting.len() < LOOKS_MAX {
            return false;
        }
        // One without a picture says only that time has gone on.
        let oldest = self.waiting.iter().position(|look| look.picture.is_some() == shows);
        oldest.map(|at| self.waiting.remove(at));
        shows
    }
}

#[derive(Default)]
struct Places {
    rows: Vec<Place>,
    /// Where the next search begins, so that no camera starves another.
    turn: usize,
    closed: bool,
    /// Cameras that came or left, ever.
    changes: u64,
}

impl Places {
    fn of(&mut self, camera: &SourceId) -> Option<&mut Place> {
        self.rows.iter_mut().find(|place| place.camera == *camera)
    }

    fn pictures(&self) -> usize {
        self.rows.iter().map(Place::pictures).sum()
    }
}

/// Looks on their way from those who decode to the vision worker.
pub struct Slots {
    places: Mutex<Places>,
    filled: Condvar,
    meter: Arc<dyn Meter>,
}

impl Slots {
    pub fn new(meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Self { places: Mutex::default(), filled: Condvar::new(), meter })
    }

    /// A camera gets its place; one that has it keeps it.
    pub fn join(&self, camera: &SourceId) {
        let mut places = self.held();
        if places.of(camera).is_none() {
            places.rows.push(Place { camera: camera.clone(), waiting: VecDeque::new() });
            places.changes += 1;
        }
    }

    /// Its place is gone, and what waited in it; pictures that still come are dropped.
    pub fn leave(&self, camera: &SourceId) {
        let mut places = self.held();
        places.rows.retain(|place| place.camera != *camera);
        places.changes += 1;
    }

    pub fn holds(&self, camera: &SourceId) -> bool {
        self.held().of(camera).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.held().rows.is_empty()
    }

    /// Another number whenever a camera came or left.
    pub fn changes(&self) -> u64 {
        self.held().changes
    }

    /// Whether another picture of this camera may wait.
    pub fn has_room(&self, camera: &SourceId) -> bool {
        let mut places = self.held();
        let waiting = places.of(camera).map_or(0, |place| place.pictures());
        waiting < PICTURES_LEAST || waiting < PICTURES_EACH && places.pictures() < PICTURES_MAX
    }

    /// Puts a look; where there is no place, the oldest is skipped, and counted if it has a picture.
    pub fn put(&self, camera: &SourceId, look: Look) {
        let mut places = self.held();
        let Some(place) = places.of(camera) else { return };
        let skipped = place.skip(&look);
        place.waiting.push_back(look);
        let waiting = place.waiting.len() as f64;
        drop(places);
        if skipped {
            self.meter.add(Metric::CameraSkipped, camera.as_str(), 1);
        }
        self.meter.set(Metric::CameraQueue, camera.as_str(), waiting);
        self.filled.notify_one();
    }

    /// The next look in turn; None when closed, or when nothing came in `patience`.
    pub fn take(&self, patience: Duration) -> Option<(SourceId, Look)> {
        let (mut places, _) = self
            .filled
            .wait_timeout_while(self.held(), patience, |places| {
                !places.closed && places.rows.iter().all(|place| place.waiting.is_empty())
            })
            .expect("no panic while slots are held");
        let count = places.rows.len();
        for step in 0..count {
            let at = (places.turn + step) % count;
            if let Some(look) = places.rows[at].waiting.pop_front() {
                let camera = places.rows[at].camera.clone();
                let waiting = places.rows[at].waiting.len() as f64;
                // What shows nothing costs nothing, and is no turn.
                places.turn = at + usize::from(look.picture.is_some());
                drop(places);
                self.meter.set(Metric::CameraQueue, camera.as_str(), waiting);
                return Some((camera, look));
            }
        }
        None
    }

    /// Looks of this camera that nobody has taken yet.
    #[cfg(test)]
    pub(super) fn waiting(&self, camera: &SourceId) -> usize {
        self.held().of(camera).map_or(0, |place| place.waiting.len())
    }

    pub fn close(&self) {
        self.held().closed = true;
        self.filled.notify_all();
    }

    fn held(&self) -> MutexGuard<'_, Places> {
        self.places.lock().expect("no panic while slots are held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Picture, runtime::metrics::Registry};

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
        let slots = Slots::new(registry.clone());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        slots.join(&a);
        slots.join(&b);
        for n in 1..=5 {
            assert_eq!(slots.has_room(&a), n <= 4);
            slots.put(&a, look(n));
        }
        slots.put(&b, look(9));
        let next = || number(slots.take(Duration::ZERO));
        assert_eq!(next(), Some((a.clone(), 2)));
        assert_eq!(next(), Some((b.clone(), 9)));
        assert_eq!(next(), Some((a.clone(), 3)));
        assert!(slots.has_room(&a));
        assert_eq!((next(), next(), next()), (Some((a.clone(), 4)), Some((a, 5)), None));
        assert_eq!(registry.get(Metric::CameraSkipped, "a"), 1.0);
        assert_eq!(registry.get(Metric::CameraQueue, "a"), 0.0, "it falls too");
    }

    #[test]
    fn who_is_in_a_picture_is_not_driven_out_by_looks_that_show_nothing() {
        let registry = Registry::new();
        let slots = Slots::new(registry.clone());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        slots.join(&a);
        slots.join(&b);
        let quiet = || Look { picture: None, ..look(0) };
        (1..=3).for_each(|n| slots.put(&a, look(n)));
        (0..60).for_each(|_| slots.put(&a, quiet()));
        assert_eq!((slots.waiting(&a), slots.has_room(&a)), (24, true));
        slots.put(&a, look(4));
        assert_eq!((slots.waiting(&a), slots.has_room(&a)), (24, false));
        // Nor do they wait for a turn of their own, and hold up the picture behind them.
        (5..=8).for_each(|n| slots.put(&b, look(n)));
        let all = std::iter::from_fn(|| slots.take(Duration::ZERO));
        let shown: Vec<u32> = all.filter_map(|(_, one)| Some(one.picture?.width)).collect();
        assert_eq!(shown, [1, 5, 2, 6, 3, 7, 4, 8]);
        assert_eq!(registry.get(Metric::CameraSkipped, "a"), 0.0);
    }

    #[test]
    fn p11_many_cameras_have_place_for_two_pictures_each_and_few_for_four() {
        let slots = Slots::new(Registry::new());
        let ids: Vec<SourceId> = (0..40).map(|n| format!("c{n}").into()).collect();
        ids.iter().for_each(|id| slots.join(id));
        for id in ids.iter().cycle().take(40 * PICTURES_EACH) {
            if slots.has_room(id) {
                slots.put(id, look(1));
            }
        }
        let waiting: Vec<usize> = ids.iter().map(|id| slots.waiting(id)).collect();
        assert_eq!(waiting, [2; 40], "80 pictures of 6 MB, and not 160");
        ids[8..].iter().for_each(|id| slots.leave(id));
        assert!(slots.has_room(&ids[0]));
        // What has no picture takes no room of the others.
        slots.put(&ids[0], Look { picture: None, ..look(1) });
        assert!(slots.has_room(&ids[1]) && slots.waiting(&ids[0]) == 3);
        // Who does not ask for room (asleep, a drone) has no more.
        (0..60).for_each(|n| slots.put(&ids[2], look(n)));
        assert_eq!(slots.waiting(&ids[2]), 4);
    }

    #[test]
    fn a_camera_that_leaves_takes_its_looks_along() {
        let slots = Slots::new(Registry::new());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        slots.join(&a);
        slots.join(&b);
        slots.put(&a, look(1));
        let before = slots.changes();
        slots.leave(&a);
        assert_ne!(slots.changes(), before);
        slots.put(&a, look(4));
        assert!(number(slots.take(Duration::ZERO)).is_none());
        assert!(slots.has_room(&a), "nobody waits for one that left");
    }
}
