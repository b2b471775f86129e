//! What others ask of a sampler: wakes by the camera's own event, a press near by, a neighbour; and what became of each sign.
//!
//! **V8** A wake from outside lies in the camera's task until the sampler's next step, a mark a
//! cause. It can only add looks. What announces motion without being a look (the camera's own ONVIF
//! events, the sizes of its packets) is a sign. A sign is judged once, by the look or the waking
//! after it (`sign/trust.rs`). An event wakes the camera once one was right, and while two of three
//! are; one that is not believed brings the next look forward, at most every 10 s. Presses are
//! always believed, and show what lay before them although a look came between (`Gate::recall`).
//! Two neighbours wake each other, in either direction, at most every 30 s (`wake_router.rs`). Who
//! is announced is waited for 8 s.

use jiff::Timestamp;

use super::Sampler;
use crate::{
    camera::{
        gate::WakeCause,
        sign::{SignResponse, Trust},
    },
    domain::{Metric, label_pair},
};

/// Who asked a camera to wake; several of one kind count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nudges {
    /// The camera itself says that something begins to move.
    pub event: bool,
    /// A button near it was pressed.
    pub press: bool,
    /// A camera near it found somebody.
    pub neighbour: bool,
}

impl Nudges {
    /// The camera itself asked.
    pub const EVENT: Self = Self { event: true, press: false, neighbour: false };
    /// A button asked.
    pub const PRESS: Self = Self { event: false, press: true, neighbour: false };
    /// A neighbour asked.
    pub const NEIGHBOUR: Self = Self { event: false, press: false, neighbour: true };

    /// Adds those who asked in `other`.
    pub fn join(&mut self, other: Self) {
        self.event |= other.event;
        self.press |= other.press;
        self.neighbour |= other.neighbour;
    }
}

impl Sampler {
    /// Somebody outside says that there is something to see. A camera that has no background yet
    /// wakes anyway, at its first look.
    pub(in crate::camera) fn nudged(&mut self, nudges: Nudges) {
        if nudges == Nudges::default() {
            return;
        }
        let Some(now) = self.newest() else { return };
        let ready = self.gate.reported_at().is_some();
        if nudges.event {
            match self.events.announced(now) {
                SignResponse::Wake if ready => self.rouse(WakeCause::Event, now),
                SignResponse::Wake => {}
                response => {
                    if response == SignResponse::Check {
                        self.gate.hurry();
                    }
                    self.note(now, || "the camera says that something moves: not believed".into());
                }
            }
        }
        if nudges.press && ready {
            // What was there when somebody pressed, and just before, matters.
            if self.gate.awake().is_none() {
                self.gate.recall(now - self.pre_roll);
            }
            self.rouse(WakeCause::Press, now);
        }
        if nudges.neighbour && ready {
            self.rouse(WakeCause::Neighbour, now);
        }
    }

    fn rouse(&mut self, cause: WakeCause, now: Timestamp) {
        match self.gate.awake() {
            None => self.wake(cause, now),
            Some(_) => self.gate.stay(cause, now),
        }
    }

    /// Time of the newest packet: a nudge is about now.
    fn newest(&self) -> Option<Timestamp> {
        Some(self.ring.lock().ok()?.newest()?.at)
    }

    /// Judges the signs since the look before by what this look found.
    pub(super) fn judge_look(&mut self, differed: bool) {
        if self.packet_sizes.judge(differed) {
            self.show("signal", self.packet_sizes.trust());
        }
        self.size_shift.judge(differed);
        if !differed && self.events.found_nothing() {
            self.show("event", self.events.trust());
        }
    }

    /// The camera falls asleep: judges the sign that woke it, and those since, by what was seen awake.
    pub(super) fn judge_sleep(&mut self, at: Timestamp, cause: WakeCause) {
        let differed = self.differed;
        let mut judged = None;
        if cause == WakeCause::Signal && self.packet_sizes.judge(differed) {
            self.show("signal", self.packet_sizes.trust());
            judged = self.packet_sizes.trust().precision();
        }
        if self.events.fell_asleep(differed) {
            self.show("event", self.events.trust());
            if cause == WakeCause::Event {
                judged = self.events.trust().precision();
            }
        }
        if let Some(precision) = judged {
            self.note(at, || {
                format!("the sign was right: {differed}; right so far {precision:.2}")
            });
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
