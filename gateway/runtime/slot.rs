//! The frame lane: one place a camera, newest wins, every skip counted; one reader serves all fairly.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use crate::domain::{Meter, Metric, Picture, SourceId, StopFlag};

/// One who waits looks whether it should stop at least this often.
const PATIENCE: Duration = Duration::from_millis(100);

struct Places {
    /// One a camera; at most one picture waits in each (P11).
    waiting: Vec<Option<Picture>>,
    /// Where the next search begins, so that no camera starves another.
    turn: usize,
    closed: bool,
}

/// Pictures on their way from the camera threads to the vision worker.
pub struct Slots {
    cameras: Vec<SourceId>,
    places: Mutex<Places>,
    filled: Condvar,
    taken: Condvar,
    meter: Arc<dyn Meter>,
}

impl Slots {
    pub fn new(cameras: Vec<SourceId>, meter: Arc<dyn Meter>) -> Arc<Self> {
        let waiting = cameras.iter().map(|_| None).collect();
        Arc::new(Self {
            cameras,
            places: Mutex::new(Places { waiting, turn: 0, closed: false }),
            filled: Condvar::new(),
            taken: Condvar::new(),
            meter,
        })
    }

    /// Puts a picture; one that nobody took is counted as skipped.
    pub fn put(&self, camera: usize, picture: Picture) {
        let old = {
            let mut places = self.places.lock().expect("no panic while slots are held");
            places.waiting[camera].replace(picture)
        };
        if old.is_some() {
            self.meter.add(Metric::CameraSkipped, self.cameras[camera].as_str(), 1);
        }
        self.filled.notify_one();
    }

    /// Puts a picture once the place is empty; false when `stop` was raised first.
    pub fn put_waiting(&self, camera: usize, picture: Picture, stop: &StopFlag) -> bool {
        let mut places = self.places.lock().expect("no panic while slots are held");
        while places.waiting[camera].is_some() {
            if stop.is_raised() || places.closed {
                return false;
            }
            (places, _) =
                self.taken.wait_timeout(places, PATIENCE).expect("no panic while slots are held");
        }
        places.waiting[camera] = Some(picture);
        drop(places);
        self.filled.notify_one();
        true
    }

    /// The next picture in turn; None when closed, or when nothing came in `patience`.
    pub fn take(&self, patience: Duration) -> Option<(usize, Picture)> {
        let places = self.places.lock().expect("no panic while slots are held");
        let (mut places, _) = self
            .filled
            .wait_timeout_while(places, patience, |places| {
                !places.closed && places.waiting.iter().all(Option::is_none)
            })
            .expect("no panic while slots are held");
        let count = places.waiting.len();
        for step in 0..count {
            let camera = (places.turn + step) % count;
            if let Some(picture) = places.waiting[camera].take() {
                places.turn = camera + 1;
                self.taken.notify_all();
                return Some((camera, picture));
            }
        }
        None
    }

    pub fn close(&self) {
        self.places.lock().expect("no panic while slots are held").closed = true;
        self.filled.notify_all();
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
        let slots = Slots::new(vec!["a".into(), "b".into()], registry.clone());
        slots.put(0, picture(1));
        slots.put(0, picture(2));
        slots.put(1, picture(3));
        let (camera, first) = slots.take(Duration::ZERO).unwrap();
        assert_eq!((camera, first.width), (0, 2));
        slots.put(0, picture(4));
        assert_eq!(slots.take(Duration::ZERO).unwrap().0, 1);
        assert_eq!(slots.take(Duration::ZERO).unwrap().0, 0);
        assert!(slots.take(Duration::ZERO).is_none());
        assert_eq!(registry.get(Metric::CameraSkipped, "a"), 1.0);
    }
}
