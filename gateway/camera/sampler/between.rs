//! Looks between the key frames of a sub-stream: where those are further apart than looks are due, it is decoded up to each look.
//!
//! A key frame can be decoded by itself, another picture only with all that came before it in its
//! group. Of a small stream that costs less than a key frame of the large one. So a sub-stream is
//! looked at as often as is due, whatever its camera was set to; but what comes after the last look
//! of a group is not decoded. Where its packets become larger it is looked at soon, and while they
//! would show it and do not, more seldom (`sign/size_shift.rs`). A camera with a single stream is
//! looked at on key frames alone.

use jiff::{SignedDuration, Timestamp};

use super::{Sampler, Step};
use crate::{
    base::thread_cpu_time,
    media::{Decoder, Frame, Packet},
};

/// Behind its stream by more, key frames alone are looked at.
const LATE_MAX: SignedDuration = SignedDuration::from_secs(2);

/// Decoding of the group of pictures that the latest key frame begins.
#[derive(Default)]
pub(super) struct Between {
    /// Number of the key frame.
    key: u64,
    /// Of the next packet to decode.
    next: u64,
    decoder: Option<Decoder>,
}

impl Sampler {
    /// The group that goes on began with the key frame of this number: it has come, or the camera falls
    /// asleep behind it. What is known of another group is of no more use.
    pub(super) fn group_begins(&mut self, number: u64) {
        self.between.key = number;
        self.rest_between();
    }

    /// Gives its decoder back. Should this group be looked at once more, it is decoded from its beginning.
    fn rest_between(&mut self) {
        self.between.next = self.between.key;
        if let Some(decoder) = self.between.decoder.take() {
            self.pool.give_back(decoder);
        }
    }

    /// A packet between two key frames of a sleeping camera: its picture is looked at, if a look is due
    /// long before the next key frame, or packets have become larger.
    pub(super) fn look_between(&mut self, packet: &Packet) -> Step {
        let at = packet.at;
        let place = (self.next - 1).saturating_sub(self.between.key + 1);
        let shifted = self.size_shift.packet(place, packet.bytes);
        self.gate.watch_sizes(self.size_shift.is_relied_on());
        let late = !self.lag.patient && (self.lag.late || self.behind(at) > LATE_MAX);
        let begun = self.gate.reported_at().is_some();
        let due = self.gate.wants_look(at) && self.gate.is_far_from_key(at);
        let hinted = shifted && self.gate.wants_hinted(at);
        if late || !begun || !(due || hinted) {
            return Step::Progress;
        }
        if hinted && !due {
            self.note(at, || "its packets have become larger: looks".into());
        }
        let started = thread_cpu_time();
        let (frame, pictures) = self.decode_up_to(at);
        let Some(frame) = frame else {
            // Asked again with each packet, it would fail as often.
            self.gate.looked(at);
            return Step::Progress;
        };
        let luma = frame.luma();
        self.looked_at(at, pictures, started);
        let step = self.look_at(&frame, &luma);
        if !self.gate.is_far_from_key(at + self.gate.look_every()) {
            self.rest_between();
        }
        step
    }

    /// Decodes the group up to this moment; its last picture, and how many came out.
    fn decode_up_to(&mut self, at: Timestamp) -> (Option<Frame>, u64) {
        let (mut last, mut pictures) = (None, 0);
        while self.between.next < self.next {
            let packet =
                self.ring.lock().ok().and_then(|ring| ring.get(self.between.next).cloned());
            let Some(packet) = packet else { break };
            self.between.next += 1;
            if self.between.decoder.is_none() {
                if !packet.key {
                    break;
                }
                self.between.decoder = self.pool.lend(&packet, &mut self.hardware).ok();
            }
            let Some(decoder) = self.between.decoder.as_mut().filter(|one| one.fits(&packet))
            else {
                break;
            };
            if let Err(error) = decoder.send(&packet) {
                tracing::debug!(error, "a packet that cannot be decoded");
            }
            while let Some(frame) = decoder.receive() {
                pictures += 1;
                last = Some(frame);
            }
            if self.pool.has_died(decoder, &mut self.hardware) {
                self.between.decoder = None;
                break;
            }
        }
        // What lies inside the decoder (B-frames) is not waited for.
        let newest = last.filter(|frame: &Frame| {
            at.duration_since(frame.at) < self.gate.look_every()
                && self.gate.reported_at().is_none_or(|reported| frame.at > reported)
        });
        (newest, pictures)
    }
}
