//! Wakes from outside: the camera's own event, a press near by, a neighbour; and what became of each sign.

use jiff::Timestamp;

use super::{Cause, Lookout, Metric, label_pair};
use crate::media::{Heed, Trust};

/// Who asked a camera to wake; several of one kind are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::runtime) struct Nudges {
    /// The camera itself says that something begins to move.
    pub(in crate::runtime) event: bool,
    /// A button near it was pressed.
    pub(in crate::runtime) press: bool,
    /// A camera near it found somebody.
    pub(in crate::runtime) neighbour: bool,
}

impl Nudges {
    pub(in crate::runtime) const EVENT: Self = Self { event: true, press: false, neighbour: false };
    pub(in crate::runtime) const PRESS: Self = Self { event: false, press: true, neighbour: false };
    pub(in crate::runtime) const NEIGHBOUR: Self =
        Self { event: false, press: false, neighbour: true };

    pub(in crate::runtime) fn join(&mut self, other: Self) {
        self.event |= other.event;
        self.press |= other.press;
        self.neighbour |= other.neighbour;
    }
}

impl Lookout {
    /// Somebody outside says that there is something to see. A camera that has no background yet
    /// wakes anyway, at its first look.
    pub(in crate::runtime) fn nudged(&mut self, nudges: Nudges) {
        if nudges == Nudges::default() {
            return;
        }
        let Some(now) = self.newest() else { return };
        let ready = self.gate.told_at().is_some();
        if nudges.event {
            match self.claim.say(now) {
                Heed::Wake if ready => self.rouse(Cause::Event, now),
                Heed::Wake => {}
                heed => {
                    if heed == Heed::Check {
                        self.gate.hurry();
                    }
                    self.say(now, || "the camera says that something moves: not believed".into());
                }
            }
        }
        if nudges.press && ready {
            // What was there when somebody pressed matters, and just before.
            if self.gate.awake().is_none() {
                self.gate.recall(now - self.pre_roll);
            }
            self.rouse(Cause::Press, now);
        }
        if nudges.neighbour && ready {
            self.rouse(Cause::Neighbour, now);
        }
    }

    fn rouse(&mut self, cause: Cause, now: Timestamp) {
        match self.gate.awake() {
            None => self.wake(cause, now),
            Some(_) => self.gate.stay(cause, now),
        }
    }

    /// Time of the newest packet: a nudge is about now.
    fn newest(&self) -> Option<Timestamp> {
        Some(self.ring.lock().ok()?.newest()?.at)
    }

    /// A look has been held against what was said since the one before.
    pub(super) fn judge_look(&mut self, differed: bool) {
        if self.signal.looked(differed) {
            self.show("signal", self.signal.trust());
        }
        if !differed && self.claim.looked_in_vain() {
            self.show("event", self.claim.trust());
        }
    }

    /// It falls asleep: what was seen awake is held against what woke it, and what was said.
    pub(super) fn judge_sleep(&mut self, at: Timestamp, cause: Cause) {
        let differed = self.differed;
        let mut judged = None;
        if cause == Cause::Signal && self.signal.looked(differed) {
            self.show("signal", self.signal.trust());
            judged = self.signal.trust().precision();
        }
        if self.claim.slept(differed) {
            self.show("event", self.claim.trust());
            if cause == Cause::Event {
                judged = self.claim.trust().precision();
            }
        }
        if let Some(precision) = judged {
            self.say(at, || format!("the sign was right: {differed}; right so far {precision:.2}"));
        }
    }

    fn show(&self, sign: &str, trust: &Trust) {
        let label = label_pair(self.id.as_str(), sign);
        let shares = [
            (Metric::CameraSignPrecision, trust.precision()),
            (Metric::CameraSignRecall, trust.recall()),
        ];
        for (metric, share) in shares {
            if let Some(share) = share {
                self.meter.set(metric, &label, f64::from(share));
            }
        }
        self.meter.set(
            Metric::CameraSignBelieved,
            &label,
            f64::from(u8::from(trust.is_believed())),
        );
    }
}
