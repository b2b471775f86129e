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

/// Behind by more, looks that the detector has no place for are skipped.
pub(super) const SKIP_AFTER: SignedDuration = SignedDuration::from_secs(6);
/// Awake and behind by more, decoding goes on at the newest key frame; where the camera woke further
/// back, by so much more than that ([`CATCH_UP`]).
const JUMP_AFTER: SignedDuration = SignedDuration::from_secs(15);
const CATCH_UP: SignedDuration = SignedDuration::from_secs(6);
/// A replay is no longer than this, or than the looks are apart where that is more.
const REPLAY_MAX: SignedDuration = SignedDuration::from_secs(10);
/// Asleep, a look that is late by two looks, and at least so much, is passed over.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(4);
/// Looks passed over of which vision is told afterwards, at most: as many as wait for it.
const PASSED_LOOKS_MAX: usize = 16;

/// How far a sampler is behind, and what it left out.
pub(super) struct Lag {
    /// Nothing is skipped, however long it takes.
    pub(super) patient: bool,
    /// Asleep, it is behind, and goes on at the newest key frame.
    pub(super) late: bool,
    /// Looks that were due and passed over since the last one, with what the camera's clock said.
    passed: VecDeque<(Timestamp, Option<Timestamp>)>,
    /// Looks of which vision is still to be told, oldest first.
    owed: VecDeque<Look>,
    /// Awake and behind by more, it goes on at the newest key frame.
    jump_after: SignedDuration,
}

impl Lag {
    pub(super) fn new(patient: bool) -> Self {
        let (passed, owed) = (VecDeque::new(), VecDeque::new());
        Self { patient, late: false, passed, owed, jump_after: JUMP_AFTER }
    }

    pub(super) fn next_owed(&mut self) -> Option<Look> {
        self.owed.pop_front()
    }

    /// It wakes: what it passed over asleep is decoded now, or given up.
    pub(super) fn woke(&mut self) {
        self.late = false;
        self.passed.clear();
    }

    /// This look shows no change. So the looks that were passed over since the one before showed none
    /// either: vision is told of them first. Not where the detector is only asked (`probe`): it may
    /// find somebody who was there at those, too.
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
        let kept = ring.numbers();
        let mut from = self.next.max(kept.start);
        let behind = |number: u64| {
            ring.newest()
                .zip(ring.get(number))
                .map_or(SignedDuration::ZERO, |(new, one)| apart(one, new))
        };
        let (lag, left, mut lost) = (behind(from), from > self.next, None);
        if left {
            // They left the ring before their turn: it is too small for how far we are behind.
            let gone =
                self.last_at.zip(ring.get(from)).map(|(last, one)| one.at.duration_since(last));
            lost = gone.map(|gone| (gone.as_secs_f64(), "the ring kept no more"));
        }
        if lag < JUMP_AFTER {
            // It has caught up with what it replayed.
            self.lag.jump_after = JUMP_AFTER;
        }
        let jumps = self.is_awake() && !self.lag.patient && (left || lag > self.lag.jump_after);
        if let Some(key) = ring.last_key().filter(|key| jumps && *key > from) {
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

    /// It goes on at `at`, so many seconds later than where it was.
    fn jumped(&mut self, at: Timestamp, lost_s: f64, why: &str) {
        let mut skipped = lost_s * self.fps;
        if !self.is_awake() {
            // Of a group whose key frame was dealt with, nothing is missed.
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

    /// Whether this key frame is passed over, asleep: it is late, and a later one is there. What has
    /// changed since is seen in that one too.
    pub(super) fn is_overtaken(&self, packet: &Packet) -> bool {
        if self.lag.patient {
            return false;
        }
        let Ok(ring) = self.ring.lock() else { return false };
        let newest = ring.last_key().filter(|key| *key >= self.next).and_then(|key| ring.get(key));
        let late_after = LATE_AFTER.max(self.gate.look_every() * 2);
        newest.is_some_and(|key| self.lag.late || apart(packet, key) >= late_after)
    }

    /// It is not looked at, and counts as skipped if it was due. If nothing has changed by the next
    /// look, vision is told of it then: who stands there was there all the time.
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

    /// The key frame from which what it slept through is replayed, as it wakes by what it saw at
    /// `at`: from what vision knows on, as far as that can be caught up with.
    pub(super) fn replays_from(&mut self, at: Timestamp) -> Option<u64> {
        let told = self.gate.told_at().map_or(at, |told| told.min(at));
        let asleep = self.gate.look_every().max(self.pre_roll);
        let longest = asleep + self.gate.gop().unwrap_or(SignedDuration::ZERO);
        let longest = REPLAY_MAX.max(longest + longest / 4);
        let ring = self.ring.lock().ok()?;
        let first = ring.key_by(told)?;
        let known = ring.get(first)?;
        let back = apart(known, ring.newest()?);
        if self.lag.patient || (back <= longest && !self.lag.late) {
            self.lag.jump_after = JUMP_AFTER.max(back + CATCH_UP);
            return Some(first);
        }
        // A late camera has no time for a replay either: it would not see who comes meanwhile. It
        // starts at the current key frame.
        let from = ring.key_by(if self.lag.late { at } else { at - longest })?.max(first);
        let lost_s = apart(known, ring.get(from)?).as_secs_f64();
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

/// From one packet to a later one: by the stream's own clock, which nobody sets, where it is one.
fn apart(one: &Packet, later: &Packet) -> SignedDuration {
    match one.run().holds(later) {
        true => SignedDuration::from_millis(later.stream_ms - one.stream_ms),
        false => later.at.duration_since(one.at),
    }
}
