//! What a camera does that is behind its stream: asleep it looks at the newest key frame, awake it jumps; all of it counted.
//!
//! Nobody waits for it: a box with too many cameras looks at each of them less often, at what is
//! there now, and says so. A recording is seen in full, however long it takes (`patient`).

use jiff::{SignedDuration, Timestamp};

use super::{Lookout, Metric};
use crate::media::{GOP_MAX, Seen};

/// Behind by more, looks that the detector has no room for are skipped.
pub(super) const SKIP_AFTER: SignedDuration = SignedDuration::from_secs(6);
/// Awake and behind by more, decoding goes on at the newest key frame; where it woke further back,
/// by so much more than that ([`CATCH_UP`]).
pub(super) const JUMP_AFTER: SignedDuration = SignedDuration::from_secs(15);
const CATCH_UP: SignedDuration = SignedDuration::from_secs(6);
/// A replay is no longer than this, or than the looks are apart where that is more.
const REPLAY_MAX: SignedDuration = SignedDuration::from_secs(10);
/// Asleep, a look that is late by two looks, and at least so much, is not caught up with.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(4);
/// Looks passed over of which vision is told afterwards, at most: as many as wait for it.
const PASSED_MAX: usize = 16;

impl Lookout {
    /// The next packet to deal with.
    pub(super) fn packet(&mut self) -> Option<Seen> {
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
            self.jump_after = JUMP_AFTER;
        }
        let jumps = self.is_awake() && !self.patient && (left || lag > self.jump_after);
        if let Some(key) = ring.last_key().filter(|key| jumps && *key > from) {
            let ahead = lag.as_secs_f64() - behind(key).as_secs_f64();
            let (gone, why) = lost.unwrap_or((0.0, "too far behind the stream"));
            lost = Some((gone + ahead, why));
            from = key;
        }
        let seen = ring.get(from).cloned();
        drop(ring);
        if let Some(seen) = &seen {
            self.next = from + 1;
            lost.into_iter().for_each(|(lost_s, why)| self.jumped(seen.at, lost_s, why));
        }
        seen
    }

    /// It goes on later than where it was.
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
        self.say(at, || format!("jumps ahead: {lost_s:.1} s before this are not looked at; {why}"));
    }

    /// Whether this key frame is passed over, asleep: it is late, and a later one is there. What has
    /// changed since is seen in that one too.
    pub(super) fn is_overtaken(&self, seen: &Seen) -> bool {
        if self.patient {
            return false;
        }
        let Ok(ring) = self.ring.lock() else { return false };
        let newest = ring.last_key().filter(|key| *key >= self.next).and_then(|key| ring.get(key));
        let late_after = LATE_AFTER.max(self.gate.look_every() * 2);
        newest.is_some_and(|key| self.late || apart(seen, key) >= late_after)
    }

    /// It is not looked at, and counts as skipped if it was due. If nothing has changed by the next
    /// look, vision is told of it then: who stands there was there all the time.
    pub(super) fn pass_over(&mut self, at: Timestamp, device: Option<Timestamp>) {
        if !std::mem::replace(&mut self.late, true) {
            self.say(at, || "late: goes on at the newest key frame".into());
        }
        if self.gate.wants_look(at) {
            self.gate.looked(at);
            if self.passed.len() >= PASSED_MAX {
                self.passed.pop_front();
            }
            self.passed.push_back((at, device));
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
        if self.patient || (back <= longest && !self.late) {
            self.jump_after = JUMP_AFTER.max(back + CATCH_UP);
            return Some(first);
        }
        // Who has no time for looks has none for a replay, and sees nobody who came after it.
        let from = ring.key_by(if self.late { at } else { at - longest })?.max(first);
        let lost_s = apart(known, ring.get(from)?).as_secs_f64();
        drop(ring);
        self.jump_after = JUMP_AFTER;
        if lost_s <= 0.0 {
            return Some(from);
        }
        self.meter.add(Metric::CameraSkipped, self.id.as_str(), (lost_s * self.fps) as u64);
        self.say(at, || format!("too late to replay all: {lost_s:.1} s are not looked at"));
        Some(from)
    }

    /// How far the newest packet is ahead of this time.
    pub(super) fn behind(&self, at: Timestamp) -> SignedDuration {
        let Ok(ring) = self.ring.lock() else { return SignedDuration::ZERO };
        ring.newest().map_or(SignedDuration::ZERO, |newest| newest.at.duration_since(at))
    }

    /// How far it is behind its stream, for who asks.
    pub(super) fn show_lag(&self, at: Timestamp) {
        self.meter.set(Metric::CameraLag, self.id.as_str(), self.behind(at).as_secs_f64());
    }
}

/// From one packet to a later one: by the stream's own clock, which nobody sets, where it is one.
fn apart(one: &Seen, later: &Seen) -> SignedDuration {
    match one.run().holds(later) {
        true => SignedDuration::from_millis(later.stream_ms - one.stream_ms),
        false => later.at.duration_since(one.at),
    }
}
