//! One camera's packets become looks: the gate decides, the scene compares, decoders are lent. Synchronous.
//!
//! The adaptive frame sampler. It reads the ring by packet number. [`asleep`] holds what it does
//! with key frames alone, [`awake`] what it does when everything is decoded, [`lag`] what it leaves
//! out when it is behind, [`wake`] what others ask of it, [`decoding`] what it is decoded by,
//! [`key_frames`] what it does where there are none, [`pair`] what a second stream of the camera is for.
//!
//! **V2** What is looked at is decided on the pictures' own time and on nothing else. So a replay,
//! which drives the sampler step by step, decides what the live camera decides, where decode
//! workers drive it in turn beside the reading thread. A camera that sleeps owns no decoder and no
//! frame (but for one of a sub-stream whose key frames are seldom, `between.rs`). Over TCP the reader of a sleeping camera rests up to 0.2 s between key frames
//! (`read_pacer.rs`), which moves no picture's time. Awake, pictures lie on one grid of time
//! (`rate.rs`), whenever the camera woke.

mod asleep;
mod awake;
mod between;
mod decoding;
mod key_frames;
mod lag;
mod main_stream;
mod pair;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod tests_key_frames;
#[cfg(test)]
mod tests_pair;
mod wake;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use jiff::{SignedDuration, Timestamp};

use self::{
    between::Between,
    key_frames::KeyFrames,
    lag::{Lag, SKIP_AFTER},
    pair::Pair,
};
pub use self::{pair::Streams, wake::Nudges};
use super::{
    gate::{Gate, GateConfig, WakeCause},
    sign::{EventSign, PacketSizeSign, SizeShift},
    sleep_log::SleepLog,
};
use crate::{
    domain::{Bbox, HwDecode, Look, LookArea, LookFeedback, Meter, Metric, SourceId, label_pair},
    media::{ColorConverter, Decoder, Frame, Hardware, Packet, Pool, Ring, Run},
    sources::camera,
    vision::{CameraFault, Change, Scene, ViewCheck},
};

/// Time that goes back by more than the order of pictures explains is a clock that was set.
const STEP_BACK: SignedDuration = SignedDuration::from_secs(2);
/// Explanations kept until they are taken, at most.
const NOTES_MAX: usize = 1_000;

/// What came of a step.
pub(super) enum Step {
    /// Everything that has come was dealt with, or the detector's queue is full.
    Idle,
    /// Something was done; there may be more.
    Progress,
    /// For vision. Its answer is given to [`Sampler::feedback`] before or after the next step.
    Look(Box<Look>),
}

/// Turns one camera's packets into looks; a state machine that is driven step by step.
pub(super) struct Sampler {
    id: SourceId,
    ring: Arc<Mutex<Ring>>,
    pool: Arc<Pool>,
    meter: Arc<dyn Meter>,
    gate: Gate,
    /// The keys of the configuration that it was made for; for others another sampler is made.
    made_for: (GateConfig, HwDecode, Option<String>),
    scene: Scene,
    /// Where the rules look; absent: everywhere.
    area: Option<Arc<LookArea>>,
    view_check: ViewCheck,
    packet_sizes: PacketSizeSign,
    /// Of a sub-stream.
    size_shift: SizeShift,
    key_frames: KeyFrames,
    /// The camera's own reports that something moves.
    events: EventSign,
    /// After a press, it replays from so far back what it only looked at asleep.
    pre_roll: SignedDuration,
    /// Looks a second, awake.
    fps: f64,
    /// Whether something has differed since it woke.
    differed: bool,
    /// The look of a restless scene that vision was asked about, until it has answered.
    probed_at: Option<Timestamp>,

    /// The main stream, where `ring` is of the sub-stream; absent for a camera with one stream.
    pair: Option<Pair>,
    between: Between,

    /// Number of the next packet to deal with.
    next: u64,
    /// Time of the packet before; `None` after decoding went back.
    last_at: Option<Timestamp>,
    /// The run of the packet before.
    run: Option<Run>,
    /// The recording is at its end, and what is inside the decoder has not come out yet.
    ended: bool,
    /// How far it is behind its stream, and what it left out for that.
    lag: Lag,

    decoder: Option<Decoder>,
    hardware: Hardware,
    converter: ColorConverter,
    /// Pictures that came out of the decoder and were not looked at yet.
    frames: VecDeque<Frame>,

    /// What became wrong with the view, or right again, since this was last taken.
    faults: Vec<CameraFault>,
    /// Somebody wants explanations.
    explains: bool,
    /// Explanations with their time, at most [`NOTES_MAX`].
    notes: Vec<(Timestamp, String)>,
    sleep_log: SleepLog,
}

impl Sampler {
    /// `patient`: nothing is skipped, however long it takes (a recording).
    pub(super) fn new(
        config: &camera::Config,
        ring: Arc<Mutex<Ring>>,
        pool: Arc<Pool>,
        meter: Arc<dyn Meter>,
        patient: bool,
    ) -> Self {
        let made_for = made_for(config);
        meter.set(Metric::CameraLevel, &config.id, 0.0);
        meter.set(Metric::CameraQueue, &config.id, 0.0);
        // With 0 from the start, a dashboard can tell "nothing skipped" from "nothing known".
        meter.add(Metric::CameraSkipped, &config.id, 0);
        let next = ring.lock().map_or(0, |ring| ring.numbers().end);
        Self {
            id: config.id.as_str().into(),
            ring,
            pool,
            meter,
            gate: Gate::new(made_for.0),
            made_for,
            scene: Scene::default(),
            area: None,
            view_check: ViewCheck::default(),
            packet_sizes: PacketSizeSign::default(),
            size_shift: SizeShift::default(),
            key_frames: KeyFrames::default(),
            events: EventSign::default(),
            pre_roll: SignedDuration::from_secs(i64::try_from(config.pre_roll_s).unwrap_or(5)),
            fps: config.detect_fps,
            differed: false,
            probed_at: None,
            pair: None,
            between: Between::default(),
            next,
            last_at: None,
            run: None,
            ended: false,
            lag: Lag::new(patient),
            decoder: None,
            hardware: Hardware::new(config.hw_decode, config.hw_device.clone()),
            converter: ColorConverter::default(),
            frames: VecDeque::new(),
            faults: Vec::new(),
            explains: false,
            notes: Vec::new(),
            sleep_log: SleepLog::default(),
        }
    }

    /// Explanations are kept from now on.
    pub(super) fn explain(&mut self) {
        self.explains = true;
    }

    /// What was decided since this was last called, and why.
    pub(super) fn take_notes(&mut self) -> Vec<(Timestamp, String)> {
        std::mem::take(&mut self.notes)
    }

    /// What became wrong with the view, or right again, since this was last called.
    pub(super) fn take_faults(&mut self) -> Vec<CameraFault> {
        std::mem::take(&mut self.faults)
    }

    /// Whether it wants a turn at each packet, or at key frames alone.
    pub(super) fn is_eager(&self) -> bool {
        let waits = !self.frames.is_empty() || self.pair.as_ref().is_some_and(Pair::holds);
        self.is_awake() || waits || self.packet_sizes.is_trusted()
    }

    /// Whether it decodes everything.
    pub(super) fn is_awake(&self) -> bool {
        self.gate.awake().is_some()
    }

    /// Whether it reads this ring, and samples as this configuration asks.
    pub(super) fn is_for(&self, config: &camera::Config, ring: &Arc<Mutex<Ring>>) -> bool {
        let looked_at = self.pair.as_ref().map_or(&self.ring, |pair| &pair.sub);
        Arc::ptr_eq(looked_at, ring) && self.made_for == made_for(config)
    }

    /// What differs elsewhere concerns nobody from now on. With another area all is looked at anew: who
    /// stands where no rule looked before is a part of the background.
    pub(super) fn look_where(&mut self, area: Option<Arc<LookArea>>) {
        if self.area != area {
            (self.area, self.scene) = (area, Scene::default());
        }
    }

    /// Whether who makes one of these regions differ may count.
    fn concern(&self, regions: &[Bbox]) -> bool {
        let counts = |one: &Bbox| self.area.as_ref().is_none_or(|area| area.concerns(one));
        regions.iter().any(counts)
    }

    /// Packets that have come and were not dealt with.
    pub(super) fn pending(&self) -> u64 {
        let end = self.ring.lock().map_or(0, |ring| ring.numbers().end);
        end.saturating_sub(self.next)
    }

    /// The recording is at its end: what is still inside the decoder comes out.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// What vision found in the look of this time.
    pub(super) fn feedback(&mut self, at: Timestamp, feedback: LookFeedback) {
        self.gate.feedback(at, feedback.holds, feedback.found);
        self.pair.iter_mut().for_each(|pair| pair.feedback(feedback.least_height));
        if feedback.found {
            self.scene.found();
        }
        if self.probed_at.take_if(|probed| *probed == at).is_some() && !self.is_awake() {
            match feedback.somebody_new {
                true => self.wake(WakeCause::Seen, at),
                false => self.gate.reported(at),
            }
        }
    }

    /// Does the next thing that there is to do. `can_queue`: the queue of the detector takes another
    /// picture of this camera.
    pub(super) fn step(&mut self, can_queue: bool) -> Step {
        if let Some(look) = self.lag.next_owed() {
            return Step::Look(Box::new(look));
        }
        if self.pair.as_ref().is_some_and(Pair::holds) {
            return self.fill();
        }
        if let Some(frame) = self.frames.front() {
            let behind = self.behind(frame.at);
            if !can_queue && (self.lag.patient || behind < SKIP_AFTER) {
                return Step::Idle;
            }
            let Some(frame) = self.frames.pop_front() else { return Step::Progress };
            return self.look_awake(&frame, can_queue);
        }
        match self.next_packet() {
            Some(packet) => self.packet(&packet),
            None => self.drain(),
        }
    }

    /// No packet is left. At the end of a recording, the decoder gives what it still holds.
    fn drain(&mut self) -> Step {
        if std::mem::take(&mut self.ended)
            && let Some(decoder) = &mut self.decoder
        {
            decoder.end();
            self.receive();
            self.ended = self.decode_anew();
            return Step::Progress;
        }
        self.choose_stream();
        Step::Idle
    }

    fn packet(&mut self, packet: &Packet) -> Step {
        if !self.run.as_ref().is_some_and(|run| run.holds(packet)) {
            self.run = Some(packet.run());
            self.gate.begin(packet.at);
        } else if self.last_at.is_some_and(|last| packet.at < last - STEP_BACK) {
            self.note(packet.at, || "the clock went back: begins anew".into());
            self.gate.begin(packet.at);
        }
        self.last_at = Some(packet.at);
        self.check_key_frames(packet);
        if self.is_awake() {
            self.decode(packet);
            return Step::Progress;
        }
        if let Some(cause) = self.gate.sleepless(packet.at) {
            self.wake(cause, packet.at);
            return Step::Progress;
        }
        if packet.key {
            self.group_begins(self.next - 1);
            return self.key_frame(packet);
        }
        if self.pair.as_ref().is_some_and(Pair::is_on_sub) {
            let step = self.look_between(packet);
            if self.is_awake() || matches!(step, Step::Look(_)) {
                return step;
            }
        }
        // Not before the first look: without a background, a large packet says nothing.
        if self.gate.reported_at().is_some() && self.packet_sizes.packet(packet.bytes) {
            self.wake(WakeCause::Signal, packet.at);
        }
        Step::Progress
    }

    /// Keeps an explanation, if somebody wants them.
    fn note(&mut self, at: Timestamp, text: impl FnOnce() -> String) {
        if self.explains && self.notes.len() < NOTES_MAX {
            self.notes.push((at, text()));
        }
    }

    /// Decodes everything from now on, beginning with the key frame at or before the latest picture
    /// that vision knows.
    fn wake(&mut self, cause: WakeCause, at: Timestamp) {
        self.group_begins(self.next);
        let from = self.replays_from(at);
        let key_at = from.and_then(|from| self.go_back(from));
        self.probed_at = None;
        self.pair.iter_mut().for_each(Pair::woke);
        self.lag.woke();
        if let Some(line) = self.sleep_log.wakes(at) {
            self.note(at, || line);
        }
        self.gate.wake(cause, at);
        self.differed = false;
        let label = label_pair(self.id.as_str(), cause.as_str());
        self.meter.add(Metric::CameraWakes, &label, 1);
        self.meter.set(Metric::CameraLevel, self.id.as_str(), 2.0);
        if let Some(key_at) = key_at {
            let back = at.duration_since(key_at).as_secs_f64();
            self.note(at, || {
                format!("wakes: {}; replays {back:.1} s from the key frame", cause.as_str())
            });
        }
    }

    /// Decoding goes on from the key frame of this number; returns its time. What follows is checked
    /// neither for a clock that stepped back nor for a new run.
    fn go_back(&mut self, number: u64) -> Option<Timestamp> {
        let ring = self.ring.lock().ok()?;
        let packet = ring.get(number)?;
        if number > self.next {
            self.gate.missed_keys();
        }
        (self.next, self.last_at, self.run) = (number, None, Some(packet.run()));
        Some(packet.at)
    }
}

/// The keys of the configuration that a sampler is made for.
fn made_for(config: &camera::Config) -> (GateConfig, HwDecode, Option<String>) {
    (gate_config(config), config.hw_decode, config.hw_device.clone())
}

fn gate_config(config: &camera::Config) -> GateConfig {
    let seconds = |seconds: f64| SignedDuration::from_millis((seconds * 1000.0) as i64);
    GateConfig {
        full: config.decode == camera::Decode::Full,
        look_every: seconds(config.look_every_s()),
        watched_every: seconds(config.watched_every_s()),
        quiet_after: seconds(config.quiet_after_s),
        fps: config.detect_fps,
    }
}

fn describe(what: &str, change: &Change) -> String {
    let places: Vec<String> = change
        .regions
        .iter()
        .map(|one| format!("({:.2}, {:.2})–({:.2}, {:.2})", one.x0, one.y0, one.x1, one.y1))
        .collect();
    let light = if change.light { ", light" } else { "" };
    format!("{what}: {:.1} % of the blocks{light} {}", change.share * 100.0, places.join(" "))
}
