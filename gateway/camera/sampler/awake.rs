//! A camera that is awake: everything is decoded, and pictures are shown to the detector where something differs.

use std::time::Duration;

use jiff::Timestamp;

use super::{STEP_BACK, Sampler, Step, describe};
use crate::{
    base::thread_cpu_time,
    camera::gate::{SleepReason, WakeCause},
    domain::{Bbox, Look, Luma, Metric},
    media::{ColorConverter, Frame, Packet},
    vision::Change,
};

impl Sampler {
    /// Sends a packet to the decoder, which is lent at the first key frame, or where there is none.
    pub(super) fn decode(&mut self, packet: &Packet) {
        let id = self.id.clone();
        if self.decoder.as_ref().is_some_and(|decoder| !decoder.fits(packet)) {
            self.decoder = None;
        }
        let first = self.decoder.is_none();
        if first {
            if !self.begins_with(packet) {
                return;
            }
            match self.pool.lend(packet, &mut self.hardware) {
                Ok(decoder) => self.decoder = Some(decoder),
                Err(error) => {
                    self.meter.add(Metric::CameraBadPackets, id.as_str(), 1);
                    tracing::debug!(camera = %id, error, "no decoder");
                    return;
                }
            }
        }
        self.expect_whole(packet, first);
        self.show_lag(packet.at);
        let Some(decoder) = &mut self.decoder else { return };
        let started = thread_cpu_time();
        if let Err(error) = decoder.send(packet) {
            self.meter.add(Metric::CameraBadPackets, id.as_str(), 1);
            tracing::debug!(camera = %id, error, "a packet that cannot be decoded");
        }
        self.receive();
        self.spent(thread_cpu_time().saturating_sub(started));
        self.decode_anew();
    }

    /// Takes the pictures that the decoder has ready and keeps those that are wanted.
    pub(super) fn receive(&mut self) {
        let Some(decoder) = &mut self.decoder else { return };
        while let Some(frame) = decoder.receive() {
            self.meter.add(Metric::CameraFrames, self.id.as_str(), 1);
            // What lay in the decoder when the clock was set back is of a time that is over: looked at, it would
            // put off all that comes until then.
            let over = self.last_at.is_some_and(|last| frame.at > last + STEP_BACK);
            if !over && self.gate.wants(frame.at) {
                self.frames.push_back(frame);
            }
        }
    }

    fn spent(&self, time: Duration) {
        self.meter.spend(Metric::CameraAwakeSeconds, self.id.as_str(), time);
    }

    /// A picture of an awake camera. Where the detector's queue is full, it is skipped. Whether
    /// something moves is found out all the same, or a camera on an overloaded box would never sleep
    /// again.
    pub(super) fn look_awake(&mut self, frame: &Frame, can_queue: bool) -> Step {
        let started = thread_cpu_time();
        let (at, device) = (frame.at, frame.device);
        let luma = frame.luma();
        let whole_picture = self.is_whole(&luma);
        let (moved, change) = self.scene.watch(&luma);
        let stays = |one: &&Bbox| !moved.regions.iter().any(|other| other.overlap(one) > 0.0);
        let still = change.regions.iter().filter(stays).copied().collect();
        let mut regions = change.regions.clone();
        regions.extend(moved.regions.iter().copied());
        self.differed |= !regions.is_empty();
        let concerns = self.concern(&regions);
        let whole_due = self.gate.is_whole_due(at);
        let whole = can_queue && self.gate.wants_whole(at);
        if whole_picture && self.gate.is_second(at) {
            self.faults.extend(self.view_check.look(&luma));
        }
        let shown = can_queue && (whole || concerns);
        let picture = if shown { self.converter.picture(frame).ok() } else { None };
        let cause = self.gate.awake().unwrap_or(WakeCause::Start);
        let moves = self.concern(&moved.regions);
        if let Some(reason) = self.gate.looked_awake(at, moves) {
            self.sleep(at, &luma, reason, &change, cause);
        }
        self.spent(thread_cpu_time().saturating_sub(started));
        if !can_queue {
            let differs = concerns;
            self.meter.add(
                Metric::CameraSkipped,
                self.id.as_str(),
                u64::from(differs || whole_due),
            );
            if differs {
                return Step::Progress;
            }
        }
        let area = self.area.clone();
        let look = Look { picture, regions, still, whole, area, ..Look::quiet(at, device) };
        self.with_main_pixels(look, &luma, moved.share)
    }

    fn sleep(
        &mut self,
        at: Timestamp,
        luma: &Luma,
        reason: SleepReason,
        change: &Change,
        cause: WakeCause,
    ) {
        self.judge_sleep(at, cause);
        match reason {
            SleepReason::Quiet => {
                self.note(at, || describe("sleeps: nothing moves", change));
                self.scene.settle(luma);
            }
            SleepReason::Futile => {
                self.note(at, || describe("sleeps: what moves is nothing that counts", change));
                self.scene.bear_with(luma);
            }
        }
        if let Some(decoder) = self.decoder.take() {
            self.pool.give_back(decoder);
        }
        self.frames.clear();
        self.converter = ColorConverter::default();
        self.meter.set(Metric::CameraLevel, self.id.as_str(), 1.0);
        // It may sleep in the middle of a long group: looks between key frames begin at the one before.
        let key = self.ring.lock().ok().and_then(|ring| ring.key_by(at));
        if let Some(key) = key {
            self.group_begins(key);
        }
    }
}
