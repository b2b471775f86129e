//! One drone's thread: wait for its feed for ever, packets to the ring, pictures to the frame lane, KLV to the desk.
//!
//! **F2** Telemetry has no promise of delivery. A pose is acknowledged without a disk, one that
//! repeats or comes late moves nothing, and of one feed at most ten a second reach the junction, so
//! that presses are not held up by them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::{clip_ring::revive, detect_queue::DetectQueue, gate::KEY_WAIT, rate::Rate};
use crate::{
    base::{Beat, Progress, Reporter},
    domain::{Body, Clock, Look, Meter, Metric, SourceId, Stamp, StopFlag, Unreadable},
    media::{Decoder, Ring, Session, SessionRequest},
    sources::{
        codecs::klv,
        drone,
        reconnect::{Ended, Reconnect},
    },
};

/// Poses handed on: so many a second of our own time, and so many at once after a silence (they came
/// while the stream was probed). A drone may send thirty a second, and a faulty one any number.
const POSES_PER_S: f64 = 10.0;
const POSES_AT_ONCE_MAX: f64 = 60.0;
/// Of telemetry that cannot be read, one payload in so long goes to the quarantine; the others are
/// counted.
const QUARANTINE_EVERY: Duration = Duration::from_secs(10);
/// A drone's thread without a sign of life for so long is stuck: longer than its own time-outs and a
/// wait for a lock.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// Between two connections to a listener. It does not grow, so that strangers who connect cannot keep
/// the drone away.
const LISTEN_AGAIN: Duration = Duration::from_millis(200);
/// A listener that could not be opened (its port is taken) is tried anew.
const OPEN_AGAIN: Duration = Duration::from_secs(2);
/// A drone whose feed is pulled is found at most so long after it is there.
const PULL_AGAIN_MAX: Duration = Duration::from_secs(5);

/// One drone, run by a thread of its own.
pub struct Drone {
    /// Its id, as in the configuration.
    pub id: SourceId,
    /// Its section of the configuration.
    pub config: drone::Config,
    /// Where its packets are kept for clips.
    pub ring: Arc<Mutex<Ring>>,
    /// Where its pictures go for detection.
    pub queue: Arc<DetectQueue>,
    /// For the time of arrival.
    pub clock: Arc<dyn Clock>,
    /// For its figures.
    pub meter: Arc<dyn Meter>,
    /// Raised when the thread is to end.
    pub stop: StopFlag,
    /// To the junction.
    pub report: Reporter,
    /// Where it gives signs of life while it has a feed.
    pub progress: Progress,
}

/// Which poses of one session are handed on.
struct PoseLimiter {
    /// Poses that may be handed on, as of `counted`.
    left: f64,
    counted: Instant,
    /// Source time of the latest that was handed on.
    handed_on: Option<Timestamp>,
    quarantined_at: Option<Instant>,
}

impl PoseLimiter {
    fn new() -> Self {
        let (left, counted) = (POSES_AT_ONCE_MAX, Instant::now());
        Self { left, counted, handed_on: None, quarantined_at: None }
    }

    /// Whether this one is handed on: evenly by its own time, and bounded by ours.
    fn takes(&mut self, at: Timestamp) -> bool {
        let passed_s = self.counted.elapsed().as_secs_f64();
        self.counted = Instant::now();
        self.left = (self.left + passed_s * POSES_PER_S).min(POSES_AT_ONCE_MAX);
        let every = SignedDuration::from_secs_f64(0.9 / POSES_PER_S);
        // Time that went back means another stream, not one that is too fast.
        let soon = self.handed_on.is_some_and(|before| {
            (SignedDuration::ZERO..every).contains(&at.duration_since(before))
        });
        if soon || self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        self.handed_on = Some(at);
        true
    }
}

impl Drone {
    /// Runs until it is stopped. Having no feed is the normal state and not reported; a panic inside
    /// ends this session, and no other (P7).
    pub fn run(self) {
        let id = self.config.id.as_str();
        let mut reconnect = Reconnect::new(Instant::now());
        self.meter.set(Metric::CameraUp, id, 0.0);
        let mut reported = None;
        while !self.stop.is_raised() {
            let (mut got, mut listens) = (false, false);
            let began = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| self.session(&mut got, &mut listens)));
            // After a stop the figure belongs to whoever stopped it: it may be removed, or another's.
            if self.stop.is_raised() {
                return;
            }
            self.meter.set(Metric::CameraUp, id, 0.0);
            let reason = match ended {
                Ok(Ok(())) => "it ended the stream".to_owned(),
                Ok(Err(reason)) => reason,
                Err(_) => {
                    revive(&self.ring);
                    "a fault inside the gateway (see the log)".to_owned()
                }
            };
            let lost = reconnect.lost(Instant::now(), Ended { got, stalled: None });
            if got {
                tracing::info!(drone = id, reason, "drone: its feed is over");
            } else if reported.as_ref() != Some(&reason) {
                let feed = self.config.shown();
                tracing::info!(drone = id, feed, reason, "drone: no feed; waiting for it");
                self.meter.add(Metric::CameraFailures, id, 1);
                reported = Some(reason);
            }
            self.wait(match listens {
                true if got || began.elapsed() > OPEN_AGAIN => LISTEN_AGAIN,
                true => OPEN_AGAIN,
                false => lost.wait.min(PULL_AGAIN_MAX),
            });
        }
    }

    fn session(&self, got: &mut bool, listens: &mut bool) -> Result<(), String> {
        let config = &self.config;
        let id = config.id.as_str();
        let feed = config.feed()?;
        *listens = feed.listens;
        let options: Vec<(&str, &str)> =
            feed.options.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let request = SessionRequest {
            url: feed.url,
            transport: "tcp",
            connect_ms: feed.connect_s * 1000,
            stall_ms: config.stall_timeout_s * 1000,
            stop: self.stop.clone(),
        };
        // While it waits for a connection it gives no sign of life, and is not watched.
        let mut session = Session::open_with(&request, &options)?;
        let beat: Beat = self.progress.part_of_device(&format!("drone {id}"), STUCK_AFTER);
        self.meter.add(Metric::CameraConnects, id, 1);
        let mut decoder = Decoder::new(&session)?;
        let mut rate = Rate::new(config.detect_fps);
        let mut limiter = PoseLimiter::new();
        // Until a picture came: since when one is waited for.
        let mut waits_from = None;
        let mut seen = false;
        while let Some(packet) = session.next(|| self.clock.now().wall)? {
            if !std::mem::replace(got, true) {
                tracing::info!(drone = id, feed = config.shown(), "drone: its feed runs");
                self.meter.set(Metric::CameraUp, id, 1.0);
            }
            if let Some(change) = session.take_change() {
                tracing::info!(drone = id, change, "drone: its stream changed");
            }
            if self.stop.is_raised() {
                return Err("stopped".into());
            }
            beat.beat();
            for (at, bytes) in session.take_klv(packet.at) {
                self.klv(at, &bytes, &mut limiter);
            }
            self.meter.add(Metric::CameraPackets, id, 1);
            let bytes = {
                let mut ring = self.ring.lock().map_err(|_| "ring lost")?;
                ring.push(packet.clone());
                ring.bytes()
            };
            self.meter.set(Metric::RingBytes, id, bytes as f64);
            // Many drones send no key frames: what builds up is better than nothing for ever.
            let from = *waits_from.get_or_insert(packet.at);
            if !seen && packet.at.duration_since(from) > KEY_WAIT {
                tracing::info!(drone = id, "drone: no key frame came; its picture builds up");
                decoder.show_partial(true);
                seen = true;
            }
            // Sampled, never gated by difference: the picture of a flight always differs.
            match decoder.push(&packet, &mut |at| rate.wants(at)) {
                Ok((pictures, decoded)) => {
                    self.meter.add(Metric::CameraFrames, id, decoded);
                    seen |= decoded > 0;
                    let looks = pictures.into_iter().map(Look::of);
                    looks.for_each(|look| self.queue.put(&self.id, look));
                }
                Err(error) => {
                    self.meter.add(Metric::CameraBadPackets, id, 1);
                    tracing::debug!(drone = id, error, "a packet that cannot be decoded");
                }
            }
        }
        Ok(())
    }

    /// Every set is read; poses are handed on ten times a second at most.
    fn klv(&self, at: Timestamp, bytes: &[u8], limiter: &mut PoseLimiter) {
        for set in klv::sets(bytes) {
            match set {
                Ok(set) => {
                    self.meter.add(Metric::DronePoses, self.config.id.as_str(), 1);
                    if !limiter.takes(at) {
                        continue;
                    }
                    let now = self.clock.now();
                    let off =
                        set.device.map_or(0, |device| device.duration_since(at).abs().as_millis());
                    let stamp = Stamp {
                        at,
                        device: set.device,
                        error_ms: u64::try_from(off).unwrap_or(u64::MAX),
                        ..Stamp::of_gateway(now)
                    };
                    self.report.send(&self.id, stamp, Body::Pose(Box::new(set.pose)));
                }
                Err(reason) => self.unreadable(reason, bytes, limiter),
            }
        }
    }

    fn unreadable(&self, reason: String, bytes: &[u8], limiter: &mut PoseLimiter) {
        let id = self.config.id.as_str();
        self.meter.add(Metric::SignalsUnreadable, id, 1);
        if limiter.quarantined_at.is_some_and(|then| then.elapsed() < QUARANTINE_EVERY) {
            return;
        }
        limiter.quarantined_at = Some(Instant::now());
        tracing::warn!(drone = id, reason, "drone: unreadable telemetry, quarantined");
        let stamp = Stamp::of_gateway(self.clock.now());
        let origin = format!("drone {id} klv");
        let body = Body::Unreadable(Unreadable { origin, reason, payload: bytes.to_vec() });
        self.report.send(&self.id, stamp, body);
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stop.is_raised() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_a_mad_drone_hands_on_no_more_than_others_whatever_its_clock_says() {
        let mut limiter = PoseLimiter::new();
        let at = |ms: i64| Timestamp::from_millisecond(1_782_874_800_000 + ms).unwrap();
        // Thirty a second for a second: ten; and five seconds that waited in the probing: fifty.
        assert_eq!((0..30).filter(|n| limiter.takes(at(n * 33))).count(), 10);
        assert_eq!((0..49).filter(|n| limiter.takes(at(2_000 + n * 100))).count(), 49);
        // Ten thousand at once with a clock that leaps forth and back.
        let many = (0..10_000).filter(|n| limiter.takes(at(n % 2 * 1_000_000 + n))).count();
        assert!(many < 20, "{many}");
    }
}
