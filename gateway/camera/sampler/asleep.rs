//! A camera that sleeps: a key frame now and then is decoded and compared with the scene; what differs wakes it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Sampler, Step, describe};
use crate::{
    base::thread_cpu_time,
    camera::gate::WakeCause,
    domain::{Bbox, Look, Luma, Metric},
    media::{Frame, Packet},
};

/// A scene of which a larger share is restless is shown to the detector, though the camera sleeps.
const RESTLESS: f32 = 0.005;
/// A probe that vision has not answered within this is given up: the detector is not there.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(10);

impl Sampler {
    /// A key frame of a sleeping camera: it is looked at if a look is due and no later key frame is
    /// there for a camera that is late.
    pub(super) fn key_frame(&mut self, packet: &Packet) -> Step {
        if self.is_overtaken(packet) {
            self.pass_over(packet.at, packet.device);
            return Step::Progress;
        }
        if !self.lag.late && !self.gate.wants_look(packet.at) {
            return Step::Progress;
        }
        let step = self.look_asleep(packet);
        self.lag.late = false;
        let Step::Look(look) = step else { return step };
        Step::Look(Box::new(self.lag.with_passed_over(*look)))
    }

    /// Decodes one key frame and compares it with the scene.
    fn look_asleep(&mut self, packet: &Packet) -> Step {
        let Some((frame, luma)) = self.decode_key_frame(packet) else { return Step::Progress };
        self.look_at(&frame, &luma)
    }

    /// Compares a picture with the scene.
    pub(super) fn look_at(&mut self, frame: &Frame, luma: &Luma) -> Step {
        let at = frame.at;
        let Some(change) = self.scene.compare(luma) else {
            self.scene.take(luma);
            self.wake(WakeCause::Start, at);
            return Step::Progress;
        };
        self.judge_look(!change.is_none());
        let concerns = self.concern(&change.regions);
        if self.explains && change.is_none() {
            let line = self.sleep_log.look(at, self.scene.nearness(luma));
            line.into_iter().for_each(|line| self.note(at, || line));
        }
        if concerns {
            self.note(at, || describe("look differs", &change));
            self.scene.wakes(luma);
            self.wake(WakeCause::Change, at);
            return Step::Progress;
        }
        self.faults.extend(self.view_check.look(luma));
        if !change.is_none() {
            self.note(at, || describe("look differs where no rule looks", &change));
            self.scene.take_at(luma, &change.regions);
        }
        if change.light {
            self.note(at, || describe("the light changed, nothing else", &change));
            self.scene.take(luma);
        } else {
            self.scene.learn(luma);
        }
        self.gate.looked(at);
        self.compare(luma);
        self.quiet_look(frame, change.regions)
    }

    fn decode_key_frame(&mut self, packet: &Packet) -> Option<(Frame, Luma)> {
        let id = self.id.clone();
        let started = thread_cpu_time();
        let decoded = self.pool.decode_key_frame(packet, &mut self.hardware);
        self.gate.decoded_alone(decoded.is_ok());
        let frame = match decoded {
            Ok(frame) => frame,
            Err(error) => {
                self.meter.add(Metric::CameraBadPackets, id.as_str(), 1);
                tracing::debug!(camera = %id, error, "a key frame that cannot be decoded");
                self.note(packet.at, || format!("a key frame that cannot be decoded: {error}"));
                return None;
            }
        };
        let luma = frame.luma();
        self.looked_at(packet.at, 1, started);
        Some((frame, luma))
    }

    /// A look, for which so many pictures were decoded since `started`.
    pub(super) fn looked_at(&self, at: Timestamp, pictures: u64, started: Duration) {
        let id = self.id.as_str();
        self.show_lag(at);
        self.meter.add(Metric::CameraLooks, id, 1);
        self.meter.add(Metric::CameraFrames, id, pictures);
        let spent = thread_cpu_time().saturating_sub(started);
        self.meter.spend(Metric::CameraLookSeconds, id, spent);
    }

    /// Nothing differs that concerns the rules, and vision is told so by a look. It gets the picture with it on a restless
    /// scene, and when a check of what stays is due.
    fn quiet_look(&mut self, frame: &Frame, regions: Vec<Bbox>) -> Step {
        let at = frame.at;
        // On a scene where nothing is restless, whatever comes differs: no need to ask vision.
        let restless = self.scene.unrest() > RESTLESS;
        // One probe at a time, or a slow detector would only answer probes that are given up.
        let open = self.probed_at.is_some_and(|probed| {
            (SignedDuration::ZERO..ANSWER_WITHIN).contains(&at.duration_since(probed))
        });
        let probe = restless && !open;
        if probe {
            self.probed_at = Some(at);
        } else if !restless {
            self.gate.reported(at);
        }
        let verify = self.gate.verifies(at) || probe;
        let main = if verify { self.main_key_frame(at, probe) } else { None };
        let frame = main.as_ref().unwrap_or(frame);
        let picture = if verify { self.converter.picture(frame).ok() } else { None };
        let (quiet, area) = (Look::quiet(at, frame.device), self.area.clone());
        Step::Look(Box::new(Look { picture, regions, whole: probe, verify, probe, area, ..quiet }))
    }
}
