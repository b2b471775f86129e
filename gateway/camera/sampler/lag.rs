//! What a camera leaves out that is behind its stream: asleep it looks at the newest key frame, awake it jumps; all counted.
//!
//! **V5** A late camera never holds up another one: a box with too many cameras looks at each of
//! them less often, at what is there now, and counts and reports all that it skips. Behind its
//! stream, an awake camera first waits for the detector (`detect_queue.rs`: 4 pictures, 2 where
//! many wait), from 6 s on skips looks, and from 15 s on goes on at the newest key frame. Asleep
//! and two looks late, it looks at the newest key frame alone, and wakes without a replay. It falls
//! asleep though the detector has no room. A recording is seen in full, however long it takes
//! (`patient`).
//!
//! A turn is 100 ms of processor time (`decode_worker.rs`), and every third one goes to a camera
//! that is awake (`scheduler.rs`): each camera is looked at about as often as the box can, and who
//! is followed is seen now. Skipping that lasts is an incident (`overload.rs`). `tests_overload.rs`
//! holds this in counted time: 80 cameras on half the box that they need.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::Sampler;
use crate::{
    camera::gate::GOP_MAX,
    domain::{Look, Metric},
    media::Packet,
};

/// When the sampler is behind by more, looks that the detector's queue does not take are skipped.
pub(super) const SKIP_AFTER: SignedDuration = SignedDuration::from_secs(6);
/// When an awake camera is behind by more, decoding goes on at the newest key frame. A camera that
/// replays from further back may be behind by as much as it replays, and [`CATCH_UP`] more.
const JUMP_AFTER: SignedDuration = SignedDuration::from_secs(15);
const CATCH_UP: SignedDuration = SignedDuration::from_secs(6);
/// A replay is no longer than this, or than the looks are apart where that is more.
const REPLAY_MAX: SignedDuration = SignedDuration::from_secs(10);
/// A look of a sleeping camera is passed over when it is late by two looks, and by at least so much.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(4);
/// Looks passed over that are reported to vision afterwards, at most: as many as may wait for it.
const PASSED_LOOKS_MAX: usize = 16;

/// How far a sampler is behind, and what it left out.
pub(super) struct Lag {
    /// Nothing is skipped, however long it takes.
    pub(super) patient: bool,
    /// The camera sleeps and is behind: it goes on at the newest key frame.
    pub(super) late: bool,
    /// Looks that were due and passed over since the last one, with what the camera's clock said.
    passed: VecDeque<(Timestamp, Option<Timestamp>)>,
    /// Looks that are still to be reported to vision, oldest first.
    owed: VecDeque<Look>,
    /// When the camera is awake and behind by more, it goes on at the newest key frame.
    jump_after: SignedDuration,
}

impl Lag {
    /// `patient`: a recording, of which nothing is skipped.
    pub(super) fn new(patient: bool) -> Self {
        let (passed, owed) = (VecDeque::new(), VecDeque::new());
        Self { patient, late: false, passed, owed, jump_after: JUMP_AFTER }
    }

    /// The next look that is still to be reported to vision.
    pub(super) fn next_owed(&mut self) -> Option<Look> {
        self.owed.pop_front()
    }

    /// The camera wakes: what it passed over asleep is decoded now, or given up.
    pub(super) fn woke(&mut self) {
        self.late = false;
        self.passed.clear();
    }

    /// `look` shows no change, so the looks that were passed over since the one before it showed none
    /// either: they are reported to vision first. A `probe` is the exception: the detector may find
    /// somebody in it who was there during those looks too.
    pub(super) fn with_passed_over(&mut self, look: Look) -> Look {
        let passed = std::mem::take(&mut self.passed);
        let mut quiet = passed.into_iter().map(|(at, device)| Look::quiet(at, device));
        let Some(first) = quiet.next().filter(|_| !look.probe) else { return look };
        self.owed.extend(quiet);
        self.owed.push_back(look);
        first
    }
}

impl Sampler {
    /// The next packet to deal with. It is not the one after the last where packets have left the
    /// ring, or where an awake camera is too far behind and jumps to the newest key frame.
    pub(super) fn next_packet(&mut self) -> Option<Packet> {
        let ring = self.ring.lock().ok()?;
        let numbers = ring.numbers();
        let mut from = self.next.max(numbers.start);
        let behind = |number: u64| {
            ring.newest()
                .zip(ring.get(number))
                .map_or(SignedDuration::ZERO, |(new, one)| apart(one, new))
        };
        let (lag, left, mut lost) = (behind(from), from > self.next, None);
        if left {
            // Packets left the ring before their turn: it is too small for how far we are behind.
            let gone =
                self.last_at.zip(ring.get(from)).map(|(last, one)| one.at.duration_since(last));
            lost = gone.map(|gone| (gone.as_secs_f64(), "the ring kept no more"));
        }
        if lag < JUMP_AFTER {
            // It has caught up with what it replayed.
            self.lag.jump_after = JUMP_AFTER;
        }
        let jumps = self.is_awake() && !self.lag.patient && (left || lag > self.lag.jump_after);
        if let Some(key) = ring.last_begin().filter(|key| jumps && *key > from) {
            let ahead = lag.as_secs_f64() - behind(key).as_secs_f64();
            let (gone, why) = lost.unwrap_or((0.0, "too far behind the stream"));
            lost = Some((gone + ahead, why));
            from = key;
        }
        let packet = ring.get(from).cloned();
        drop(ring);
        if let Some(packet) = &packet {
            self.next = from + 1;
            lost.into_iter().for_each(|(lost_s, why)| self.jumped(packet.at, lost_s, why));
        }
        packet
    }

    /// Decoding goes on at `at`, `lost_s` seconds later than where it was: counts the looks that were
    /// skipped.
    fn jumped(&mut self, at: Timestamp, lost_s: f64, why: &str) {
        let mut skipped = lost_s * self.fps;
        if !self.is_awake() {
            // A group of pictures whose key frame was looked at counts as seen.
            let gop = self.gate.gop().unwrap_or(GOP_MAX);
            let (every, asleep_s) = (self.gate.look_every(), lost_s - gop.as_secs_f64() * 1.25);
            skipped = asleep_s / every.max(gop).as_secs_f64().max(0.1);
        }
        if skipped <= 0.0 {
            return;
        }
        self.gate.missed_keys();
        let skipped = skipped.ceil() as u64;
        self.meter.add(Metric::CameraSkipped, self.id.as_str(), skipped);
        tracing::info!(camera = %self.id, "decoding jumps over {lost_s:.1} s: {why}");
        self.note(at, || {
            format!("jumps ahead: {lost_s:.1} s before this are not looked at; {why}")
        });
    }

    /// Whether a sleeping camera passes over this key frame: it is late, and a later one is there,
    /// which shows as well what has changed.
    pub(super) fn is_overtaken(&self, packet: &Packet) -> bool {
        if self.lag.patient {
            return false;
        }
        let Ok(ring) = self.ring.lock() else { return false };
        let newest = ring.last_key().filter(|key| *key >= self.next).and_then(|key| ring.get(key));
        let late_after = LATE_AFTER.max(self.gate.look_every() * 2);
        newest.is_some_and(|key| self.lag.late || apart(packet, key) >= late_after)
    }

    /// The key frame of this time is not looked at, and counts as skipped if it was due. If nothing
    /// has changed by the next look, it is reported to vision then, so that vision knows that who
    /// stands there was there all the time.
    pub(super) fn pass_over(&mut self, at: Timestamp, device: Option<Timestamp>) {
        if !std::mem::replace(&mut self.lag.late, true) {
            self.note(at, || "late: goes on at the newest key frame".into());
        }
        if self.gate.wants_look(at) {
            self.gate.looked(at);
            if self.lag.passed.len() >= PASSED_LOOKS_MAX {
                self.lag.passed.pop_front();
            }
            self.lag.passed.push_back((at, device));
            self.meter.add(Metric::CameraSkipped, self.id.as_str(), 1);
        }
    }

    /// The camera wakes by what it saw at `at`: the number of the key frame from which it replays what
    /// it slept through. That is the latest one that vision knows, or a later one where the replay
    /// would be too long to catch up. Without any, decoding begins with the first packet there is.
    pub(super) fn replays_from(&mut self, at: Timestamp) -> Option<u64> {
        let reported = self.gate.reported_at().map_or(at, |reported| reported.min(at));
        let asleep = self.gate.look_every().max(self.pre_roll);
        let longest = asleep + self.gate.gop().unwrap_or(SignedDuration::ZERO);
        let longest = REPLAY_MAX.max(longest + longest / 4);
        let ring = self.ring.lock().ok()?;
        let first = ring.key_by(reported).or_else(|| ring.newest_run())?;
        let oldest = ring.get(first)?;
        let back = apart(oldest, ring.newest()?);
        if self.lag.patient || (back <= longest && !self.lag.late) {
            self.lag.jump_after = JUMP_AFTER.max(back + CATCH_UP);
            return Some(first);
        }
        // A late camera has no time for a replay either: it would not see who comes meanwhile. It
        // starts at the current key frame.
        let from = ring.key_by(if self.lag.late { at } else { at - longest })?.max(first);
        let lost_s = apart(oldest, ring.get(from)?).as_secs_f64();
        drop(ring);
        self.lag.jump_after = JUMP_AFTER;
        if lost_s <= 0.0 {
            return Some(from);
        }
        self.meter.add(Metric::CameraSkipped, self.id.as_str(), (lost_s * self.fps) as u64);
        self.note(at, || format!("too late to replay all: {lost_s:.1} s are not looked at"));
        Some(from)
    }

    /// How far the newest packet is ahead of this time.
    pub(super) fn behind(&self, at: Timestamp) -> SignedDuration {
        let Ok(ring) = self.ring.lock() else { return SignedDuration::ZERO };
        ring.newest().map_or(SignedDuration::ZERO, |newest| newest.at.duration_since(at))
    }

    /// Shows how far it is behind its stream.
    pub(super) fn show_lag(&self, at: Timestamp) {
        self.meter.set(Metric::CameraLag, self.id.as_str(), self.behind(at).as_secs_f64());
    }
}

/// Time from one packet to a later one: within one run by the stream's own clock, which nobody sets.
fn apart(one: &Packet, later: &Packet) -> SignedDuration {
    match one.run().holds(later) {
        true => SignedDuration::from_millis(later.stream_ms - one.stream_ms),
        false => later.at.duration_since(one.at),
    }
}
