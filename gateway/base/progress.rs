//! Whether every part still makes progress: each beats, and one that is silent beyond its bound is stuck.
//!
//! **I7** systemd's watchdog is fed by progress and not by a timer: the junction's tick, an answer
//! of the store's writer, a sign of life of each camera, of the detector and of the evidence worker
//! (`runtime/systemd.rs`). A disk that is known to fail excuses whoever waits for it; a disk that
//! hangs does not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::lock;
use crate::domain::Clock;

/// A part that must beat.
struct WatchedPart {
    name: String,
    bound_ms: u64,
    /// Monotonic milliseconds of its last beat.
    last_ms: Arc<AtomicU64>,
    /// It waits for one device, and nothing else waits for it.
    of_device: bool,
}

impl WatchedPart {
    /// For how long it has given no sign of life, where that is beyond its bound.
    fn silent_ms(&self, now_ms: u64, excused_ms: u64) -> Option<u64> {
        let last_ms = self.last_ms.load(Ordering::Relaxed).max(excused_ms);
        Some(now_ms.saturating_sub(last_ms)).filter(|silent| *silent > self.bound_ms)
    }
}

/// What all handles share.
struct Board {
    clock: Arc<dyn Clock>,
    parts: Mutex<(u64, BTreeMap<u64, WatchedPart>)>,
    /// Silence before this does not count: all parts waited for a disk that is known to fail.
    excused_ms: AtomicU64,
}

impl Board {
    fn parts(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, WatchedPart>)> {
        lock(&self.parts)
    }
}

/// Knows all parts that should be alive.
#[derive(Clone)]
pub struct Progress(Arc<Board>);

impl Progress {
    /// No parts yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Board { clock, parts: Mutex::default(), excused_ms: AtomicU64::new(0) }))
    }

    /// A part that must beat at least this often, until its [`Beat`] is dropped.
    pub fn part(&self, name: &str, bound: Duration) -> Beat {
        self.watched(name, bound, false)
    }

    /// Likewise a part that waits for one device: while it is silent, nobody else is.
    pub fn part_of_device(&self, name: &str, bound: Duration) -> Beat {
        self.watched(name, bound, true)
    }

    fn watched(&self, name: &str, bound: Duration, of_device: bool) -> Beat {
        let last_ms = Arc::new(AtomicU64::new(self.0.clock.now().mono_ms));
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        let part = WatchedPart { name: name.into(), bound_ms, last_ms: last_ms.clone(), of_device };
        let mut parts = self.0.parts();
        let id = parts.0;
        parts.0 += 1;
        parts.1.insert(id, part);
        Beat { id, last_ms, shared: self.0.clone() }
    }

    /// Silence until now does not count: it has a known reason.
    pub fn excuse(&self) {
        self.0.excused_ms.store(self.0.clock.now().mono_ms, Ordering::Relaxed);
    }

    /// Which part is stuck, and for how long; `None` while all make progress that others wait for.
    pub fn stuck(&self) -> Option<String> {
        let now_ms = self.0.clock.now().mono_ms;
        let excused_ms = self.0.excused_ms.load(Ordering::Relaxed);
        let parts = self.0.parts();
        parts.1.values().filter(|part| !part.of_device).find_map(|part| {
            part.silent_ms(now_ms, excused_ms)
                .map(|ms| format!("{} has made no progress for {} s", part.name, ms / 1000))
        })
    }

    /// For how long (seconds) the part of this beat, which waits for one device, has been silent, where
    /// that is beyond its bound.
    pub fn hung(&self, watch: &BeatWatch) -> Option<u64> {
        let excused_ms = self.0.excused_ms.load(Ordering::Relaxed);
        let now_ms = self.0.clock.now().mono_ms;
        Some(self.0.parts().1.get(&watch.0)?.silent_ms(now_ms, excused_ms)? / 1000)
    }

    /// The names of all parts that wait for one device and are silent beyond their bound.
    pub fn hung_devices(&self) -> Vec<String> {
        let excused_ms = self.0.excused_ms.load(Ordering::Relaxed);
        let now_ms = self.0.clock.now().mono_ms;
        let parts = self.0.parts();
        let of_devices = parts.1.values().filter(|part| part.of_device);
        let hung = of_devices.filter(|part| part.silent_ms(now_ms, excused_ms).is_some());
        hung.map(|part| part.name.clone()).collect()
    }
}

/// Names the part of a [`Beat`] that a thread took with it.
#[derive(Clone)]
pub struct BeatWatch(u64);

/// One part's sign of life.
pub struct Beat {
    id: u64,
    last_ms: Arc<AtomicU64>,
    shared: Arc<Board>,
}

impl Beat {
    /// For whoever started the thread that beats.
    pub fn watch(&self) -> BeatWatch {
        BeatWatch(self.id)
    }

    /// The part makes progress.
    pub fn beat(&self) {
        self.last_ms.store(self.shared.clock.now().mono_ms, Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        // A part that panicked should be alive and is not: it stays on the list and counts as stuck.
        if std::thread::panicking() {
            return;
        }
        self.shared.parts().1.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::SimulatedClock;

    const BOUND: Duration = Duration::from_secs(10);

    #[test]
    fn i7_a_part_that_stops_beating_is_stuck_after_its_bound_and_one_that_left_is_not() {
        let clock = SimulatedClock::at(Timestamp::UNIX_EPOCH);
        let progress = Progress::new(clock.clone());
        let at = |seconds| clock.advance_to(Timestamp::UNIX_EPOCH + Duration::from_secs(seconds));
        let (junction, camera) = (progress.part("junction", BOUND), progress.part("camera", BOUND));
        at(10);
        assert_eq!(progress.stuck(), None);
        camera.beat();
        at(11);
        assert_eq!(progress.stuck().unwrap(), "junction has made no progress for 11 s");
        junction.beat();
        assert_eq!(progress.stuck(), None);
        drop(camera);
        at(21);
        assert_eq!(progress.stuck(), None, "a camera that was removed is not stuck");
        at(22);
        assert!(progress.stuck().is_some());
    }

    #[test]
    fn i7_p7_what_hangs_on_one_device_is_told_and_is_no_reason_to_end_the_process() {
        let clock = SimulatedClock::at(Timestamp::UNIX_EPOCH);
        let progress = Progress::new(clock.clone());
        let at = |seconds| clock.advance_to(Timestamp::UNIX_EPOCH + Duration::from_secs(seconds));
        let junction = progress.part("junction", BOUND);
        let camera = progress.part_of_device("camera gate", BOUND);
        let watch = camera.watch();
        at(10);
        junction.beat();
        assert_eq!(progress.hung(&watch), None, "within its bound");
        at(11);
        assert_eq!((progress.stuck(), progress.hung(&watch)), (None, Some(11)));
        assert_eq!(progress.hung_devices(), ["camera gate"]);
        at(21);
        assert!(progress.stuck().is_some(), "the junction hangs, and for everybody");
        junction.beat();
        camera.beat();
        assert_eq!((progress.stuck(), progress.hung(&watch)), (None, None));
        drop(camera);
        at(60);
        junction.beat();
        assert_eq!(progress.hung(&watch), None, "it has ended");
    }

    #[test]
    fn i7_a_part_that_panicked_is_stuck_for_good() {
        let clock = SimulatedClock::at(Timestamp::UNIX_EPOCH);
        let progress = Progress::new(clock.clone());
        let vision = progress.part("vision", BOUND);
        let died = std::thread::spawn(move || {
            vision.beat();
            panic!("as a bug would");
        });
        assert!(died.join().is_err());
        clock.advance_to(Timestamp::UNIX_EPOCH + Duration::from_secs(11));
        assert_eq!(progress.stuck().unwrap(), "vision has made no progress for 11 s");
    }

    #[test]
    fn i7_a_known_failing_disk_excuses_who_waits_for_it_and_the_bound_begins_anew() {
        let clock = SimulatedClock::at(Timestamp::UNIX_EPOCH);
        let progress = Progress::new(clock.clone());
        let at = |seconds| clock.advance_to(Timestamp::UNIX_EPOCH + Duration::from_secs(seconds));
        let _junction = progress.part("junction", BOUND);
        at(60);
        progress.excuse();
        at(70);
        assert_eq!(progress.stuck(), None);
        at(71);
        assert!(progress.stuck().is_some());
    }
}
