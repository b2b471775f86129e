//! The frame lane: one place a camera, newest wins, every skip counted; one reader serves all fairly.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use crate::domain::{Meter, Metric, Picture, SourceId, StopFlag};

/// One who waits looks whether it should stop at least this often.
const PATIENCE: Duration = Duration::from_millis(100);

struct Place {
    camera: SourceId,
    /// At most one picture waits in it (P11).
    waiting: Option<Picture>,
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
}

/// Pictures on their way from the camera threads to the vision worker.
pub struct Slots {
    places: Mutex<Places>,
    filled: Condvar,
    taken: Condvar,
    meter: Arc<dyn Meter>,
}

impl Slots {
    pub fn new(meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Self {
            places: Mutex::default(),
            filled: Condvar::new(),
            taken: Condvar::new(),
            meter,
        })
    }

    /// A camera gets its place; one that has it keeps it.
    pub fn join(&self, camera: &SourceId) {
        let mut places = self.held();
        if places.of(camera).is_none() {
            places.rows.push(Place { camera: camera.clone(), waiting: None });
            places.changes += 1;
        }
    }

    /// Its place is gone, and what waited in it; pictures that still come are dropped.
    pub fn leave(&self, camera: &SourceId) {
        let mut places = self.held();
        places.rows.retain(|place| place.camera != *camera);
        places.changes += 1;
        drop(places);
        self.taken.notify_all();
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

    /// Puts a picture; one that nobody took is counted as skipped.
    pub fn put(&self, camera: &SourceId, picture: Picture) {
        let old = self.held().of(camera).and_then(|place| place.waiting.replace(picture));
        if old.is_some() {
            self.meter.add(Metric::CameraSkipped, camera.as_str(), 1);
        }
        self.filled.notify_one();
    }

    /// Puts a picture once the place is empty; false when `stop` was raised first, or it left.
    pub fn put_waiting(&self, camera: &SourceId, picture: Picture, stop: &StopFlag) -> bool {
        let mut places = self.held();
        loop {
            let closed = places.closed;
            let Some(place) = places.of(camera) else { return false };
            if place.waiting.is_none() {
                place.waiting = Some(picture);
                break;
            }
            if stop.is_raised() || closed {
                return false;
            }
            (places, _) =
                self.taken.wait_timeout(places, PATIENCE).expect("no panic while slots are held");
        }
        drop(places);
        self.filled.notify_one();
        true
    }

    /// The next picture in turn; None when closed, or when nothing came in `patience`.
    pub fn take(&self, patience: Duration) -> Option<(SourceId, Picture)> {
        let (mut places, _) = self
            .filled
            .wait_timeout_while(self.held(), patience, |places| {
                !places.closed && places.rows.iter().all(|place| place.waiting.is_none())
            })
            .expect("no panic while slots are held");
        let count = places.rows.len();
        for step in 0..count {
            let at = (places.turn + step) % count;
            if let Some(picture) = places.rows[at].waiting.take() {
                let camera = places.rows[at].camera.clone();
                places.turn = at + 1;
                self.taken.notify_all();
                return Some((camera, picture));
            }
        }
        None
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
    use crate::runtime::metrics::Registry;

    fn picture(n: u32) -> Picture {
        Picture {
            width: n,
            height: 1,
            rgb: Arc::new([]),
            at: jiff::Timestamp::UNIX_EPOCH,
            device: None,
        }
    }

    #[test]
    fn newest_wins_skips_are_counted_and_turns_are_fair() {
        let registry = Registry::new();
        let slots = Slots::new(registry.clone());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        slots.join(&a);
        slots.join(&b);
        slots.put(&a, picture(1));
        slots.put(&a, picture(2));
        slots.put(&b, picture(3));
        let (camera, first) = slots.take(Duration::ZERO).unwrap();
        assert_eq!((camera, first.width), (a.clone(), 2));
        slots.put(&a, picture(4));
        assert_eq!(slots.take(Duration::ZERO).unwrap().0, b);
        assert_eq!(slots.take(Duration::ZERO).unwrap().0, a);
        assert!(slots.take(Duration::ZERO).is_none());
        assert_eq!(registry.get(Metric::CameraSkipped, "a"), 1.0);
    }

    #[test]
    fn a_camera_that_leaves_takes_its_picture_along_and_frees_who_waits() {
        let registry = Registry::new();
        let slots = Slots::new(registry.clone());
        let (a, b): (SourceId, SourceId) = ("a".into(), "b".into());
        slots.join(&a);
        slots.join(&b);
        slots.put(&a, picture(1));
        slots.put(&b, picture(2));
        let (own, gone) = (slots.clone(), a.clone());
        let waits =
            std::thread::spawn(move || own.put_waiting(&gone, picture(3), &StopFlag::default()));
        let before = slots.changes();
        slots.leave(&a);
        assert!(!waits.join().unwrap());
        assert_ne!(slots.changes(), before);
        slots.put(&a, picture(4));
        assert_eq!(slots.take(Duration::ZERO).unwrap().1.width, 2);
        assert!(slots.take(Duration::ZERO).is_none());
    }
}
