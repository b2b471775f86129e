//! One camera's packets become looks: the gate decides, the scene compares, decoders are lent. Synchronous.
//!
//! Live, two workers drive it beside the camera's reading thread; a replay drives it step by step.
//! It reads the ring by number and decides on the pictures' own time alone, so both see the same.

mod decoding;
mod lag;
mod nudge;

pub(super) use nudge::Nudges;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use self::lag::{JUMP_AFTER, SKIP_AFTER};
use super::slept::Slept;
use crate::{
    domain::{Bbox, HwDecode, Look, Luma, Meter, Metric, Sighting, SourceId, label_pair},
    media::{
        Cause, Claim, Decoder, Frame, Gate, GateConfig, Hardware, Painter, Pool, Rest, Ring, Run,
        Seen, Signal,
    },
    sources::camera,
    vision::{Change, Health, Scene, Word},
};

/// A scene more of which is restless than this is looked at by the detector, asleep too.
const RESTLESS: f32 = 0.005;
/// Time that goes back by more than the order of pictures explains is a clock that was set.
const STEP_BACK: SignedDuration = SignedDuration::from_secs(2);
/// What vision does not answer in so long, it never will: the detector is not there.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// Reasons kept for who asks, at most.
const WORDS_MAX: usize = 1_000;

/// What came of a step.
pub(super) enum Step {
    /// Everything that has come was dealt with.
    Idle,
    /// Something was done; there may be more.
    Went,
    /// For vision. Its answer is given to [`Lookout::sighted`] before or after the next step.
    Look(Box<Look>),
}

pub(super) struct Lookout {
    id: SourceId,
    ring: Arc<Mutex<Ring>>,
    pool: Arc<Pool>,
    meter: Arc<dyn Meter>,
    gate: Gate,
    asked_for: (GateConfig, HwDecode, Option<String>),
    scene: Scene,
    signal: Signal,
    /// What the camera says of itself.
    claim: Claim,
    /// Before a press, what was looked at asleep is seen again from so far back.
    pre_roll: SignedDuration,
    /// Since it woke, something differed.
    differed: bool,
    fps: f64,
    /// Number of the next packet to deal with.
    next: u64,
    /// Of the packet before; none where decoding went back.
    last_at: Option<Timestamp>,
    decoder: Option<Decoder>,
    hardware: Hardware,
    painter: Painter,
    /// Came out of the decoder and were not looked at yet.
    frames: VecDeque<Frame>,
    /// Nothing is skipped, however long it takes.
    patient: bool,
    explains: bool,
    words: Vec<(Timestamp, String)>,
    slept: Slept,
    health: Health,
    /// What began to be wrong with the picture, or is right again, until it is asked for.
    faults: Vec<Word>,
    /// The look of a restless scene that vision was asked about.
    asked: Option<Timestamp>,
    /// Asleep, it is behind, and goes on at the newest key frame.
    late: bool,
    /// Looks that were due and passed over, since the last one.
    passed: VecDeque<(Timestamp, Option<Timestamp>)>,
    /// Of which vision is still to be told.
    owed: VecDeque<Look>,
    /// Awake and behind by more, it goes on at the newest key frame.
    jump_after: SignedDuration,
    run: Option<Run>,
    ended: bool,
}

impl Lookout {
    pub(super) fn new(
        config: &camera::Config,
        ring: Arc<Mutex<Ring>>,
        pool: Arc<Pool>,
        meter: Arc<dyn Meter>,
        patient: bool,
    ) -> Self {
        let asked_for = asked_for(config);
        meter.set(Metric::CameraLevel, &config.id, 0.0);
        meter.set(Metric::CameraQueue, &config.id, 0.0);
        // There from the beginning: who watches it must tell nothing skipped from nothing known.
        meter.add(Metric::CameraSkipped, &config.id, 0);
        let next = ring.lock().map_or(0, |ring| ring.numbers().end);
        Self {
            id: config.id.as_str().into(),
            ring,
            pool,
            meter,
            gate: Gate::new(asked_for.0),
            asked_for,
            scene: Scene::default(),
            signal: Signal::default(),
            claim: Claim::default(),
            pre_roll: SignedDuration::from_secs(i64::try_from(config.pre_roll_s).unwrap_or(5)),
            differed: false,
            fps: config.detect_fps,
            next,
            last_at: None,
            decoder: None,
            hardware: Hardware::new(config.hw_decode, config.hw_device.clone()),
            painter: Painter::default(),
            frames: VecDeque::new(),
            patient,
            explains: false,
            words: Vec::new(),
            slept: Slept::default(),
            health: Health::default(),
            faults: Vec::new(),
            asked: None,
            late: false,
            passed: VecDeque::new(),
            owed: VecDeque::new(),
            jump_after: JUMP_AFTER,
            run: None,
            ended: false,
        }
    }

    /// Reasons are noted from now on.
    pub(super) fn explain(&mut self) {
        self.explains = true;
    }

    /// What is wrong with its picture since, or right again.
    pub(super) fn take_faults(&mut self) -> Vec<Word> {
        std::mem::take(&mut self.faults)
    }

    /// What was decided since, and why.
    pub(super) fn take_words(&mut self) -> Vec<(Timestamp, String)> {
        std::mem::take(&mut self.words)
    }

    /// Whether it wants to know of each packet, or of key frames alone.
    pub(super) fn is_eager(&self) -> bool {
        self.is_awake() || !self.frames.is_empty() || self.signal.is_trusted()
    }

    /// Whether it decodes everything.
    pub(super) fn is_awake(&self) -> bool {
        self.gate.awake().is_some()
    }

    /// Whether this is the ring that it reads, and it looks as is asked for now.
    pub(super) fn is_for(&self, config: &camera::Config, ring: &Arc<Mutex<Ring>>) -> bool {
        Arc::ptr_eq(&self.ring, ring) && self.asked_for == asked_for(config)
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

    /// What vision said of the look of this time.
    pub(super) fn sighted(&mut self, at: Timestamp, sighting: Sighting) {
        self.gate.sighted(at, sighting.holds, sighting.found);
        if sighting.found {
            self.scene.found();
        }
        if self.asked.take_if(|asked| *asked == at).is_some() && self.gate.awake().is_none() {
            match sighting.fresh {
                true => self.wake(Cause::Seen, at),
                false => self.gate.told(at),
            }
        }
    }

    /// The next thing to do. `room`: vision takes another picture.
    pub(super) fn step(&mut self, room: bool) -> Step {
        if let Some(look) = self.owed.pop_front() {
            return Step::Look(Box::new(look));
        }
        if let Some(frame) = self.frames.front() {
            let behind = self.behind(frame.at);
            if !room && (self.patient || behind < SKIP_AFTER) {
                return Step::Idle;
            }
            let Some(frame) = self.frames.pop_front() else { return Step::Went };
            return self.watch(&frame, room);
        }
        let Some(seen) = self.packet() else {
            if std::mem::take(&mut self.ended)
                && let Some(decoder) = &mut self.decoder
            {
                decoder.end();
                self.receive();
                self.ended = self.decode_anew();
                return Step::Went;
            }
            return Step::Idle;
        };
        if !self.run.as_ref().is_some_and(|run| run.holds(&seen)) {
            self.run = Some(seen.run());
            self.gate.begin(seen.at);
        } else if self.last_at.is_some_and(|last| seen.at < last - STEP_BACK) {
            self.say(seen.at, || "the clock went back: begins anew".into());
            self.gate.begin(seen.at);
        }
        self.last_at = Some(seen.at);
        if seen.key {
            self.gate.key(seen.at);
            if let Some(gop) = self.gate.gop() {
                self.meter.set(Metric::CameraGop, self.id.as_str(), gop.as_secs_f64());
            }
        }
        if self.gate.awake().is_some() {
            self.decode(&seen);
            return Step::Went;
        }
        if self.gate.cannot_sleep(seen.at) {
            self.wake(Cause::LongGop, seen.at);
            return Step::Went;
        }
        if seen.key {
            return self.key(&seen);
        }
        // Once there is a background: what comes before the first look is no sign.
        if self.gate.told_at().is_some() && self.signal.packet(seen.bytes) {
            self.wake(Cause::Signal, seen.at);
        }
        Step::Went
    }

    /// Asleep.
    fn key(&mut self, seen: &Seen) -> Step {
        if self.is_overtaken(seen) {
            self.pass_over(seen.at, seen.device);
            return Step::Went;
        }
        if !self.late && !self.gate.wants_look(seen.at) {
            return Step::Went;
        }
        let step = self.look(seen);
        self.late = false;
        let Step::Look(look) = step else { return step };
        let passed = std::mem::take(&mut self.passed);
        if !look.probe {
            // Nothing has changed: not at those either.
            self.owed.extend(passed.into_iter().map(|(at, device)| Look::quiet(at, device)));
        }
        self.owed.push_back(*look);
        self.owed.pop_front().map_or(Step::Went, |look| Step::Look(Box::new(look)))
    }

    fn say(&mut self, at: Timestamp, text: impl FnOnce() -> String) {
        if self.explains && self.words.len() < WORDS_MAX {
            self.words.push((at, text()));
        }
    }

    /// From the last key frame that vision knows, or this one.
    fn wake(&mut self, cause: Cause, at: Timestamp) {
        let from = self.replays_from(at);
        let key_at = from.and_then(|from| self.go_back(from));
        (self.late, self.asked) = (false, None);
        self.passed.clear();
        if let Some(slept) = self.slept.wakes(at) {
            self.say(at, || slept);
        }
        self.gate.wake(cause, at);
        self.differed = false;
        let label = label_pair(self.id.as_str(), cause.as_str());
        self.meter.add(Metric::CameraWakes, &label, 1);
        self.meter.set(Metric::CameraLevel, self.id.as_str(), 2.0);
        if let Some(key_at) = key_at {
            let back = at.duration_since(key_at).as_secs_f64();
            self.say(at, || {
                format!("wakes: {}; replays {back:.1} s from the key frame", cause.as_str())
            });
        }
    }

    /// Decoding goes on from this key frame; its time. Going back is neither a clock that stepped nor
    /// the beginning of a run.
    fn go_back(&mut self, number: u64) -> Option<Timestamp> {
        let ring = self.ring.lock().ok()?;
        let seen = ring.get(number)?;
        if number > self.next {
            self.gate.missed_keys();
        }
        (self.next, self.last_at, self.run) = (number, None, Some(seen.run()));
        Some(seen.at)
    }

    /// A key frame, asleep.
    fn look(&mut self, seen: &Seen) -> Step {
        let id = self.id.clone();
        let started = worked();
        let frame = self.pool.still(seen, &mut self.hardware);
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                self.meter.add(Metric::CameraBadPackets, id.as_str(), 1);
                tracing::debug!(camera = %id, error, "a key frame that cannot be decoded");
                self.say(seen.at, || format!("a key frame that cannot be decoded: {error}"));
                return Step::Went;
            }
        };
        let luma = frame.luma();
        self.show_lag(seen.at);
        self.meter.add(Metric::CameraLooks, id.as_str(), 1);
        self.meter.add(Metric::CameraFrames, id.as_str(), 1);
        self.meter.spend(Metric::CameraLookSeconds, id.as_str(), worked().saturating_sub(started));
        let at = frame.at;
        let Some(change) = self.scene.compare(&luma) else {
            self.scene.take(&luma);
            self.wake(Cause::Start, at);
            return Step::Went;
        };
        self.judge_look(!change.is_none());
        if self.explains && change.is_none() {
            let line = self.slept.look(at, self.scene.nearness(&luma));
            line.into_iter().for_each(|line| self.say(at, || line));
        }
        if !change.is_none() {
            self.say(at, || describe("look differs", &change));
            self.scene.wakes(&luma);
            self.wake(Cause::Change, at);
            return Step::Went;
        }
        self.faults.extend(self.health.look(&luma));
        if change.light {
            self.say(at, || describe("the light changed, nothing else", &change));
            self.scene.take(&luma);
        } else {
            self.scene.learn(&luma);
        }
        self.gate.looked(at);
        // Where nothing is restless, nothing can come that does not differ: no need to ask.
        let restless = self.scene.unrest() > RESTLESS;
        // One question at a time, or a slow detector would answer none that is still asked.
        let open = self.asked.is_some_and(|asked| {
            (SignedDuration::ZERO..ANSWER_WITHIN).contains(&at.duration_since(asked))
        });
        let asks = restless && !open;
        if asks {
            self.asked = Some(at);
        } else if !restless {
            self.gate.told(at);
        }
        let verify = self.gate.verifies(at) || asks;
        let picture = if verify { self.painter.picture(&frame).ok() } else { None };
        let quiet = Look::quiet(at, frame.device);
        Step::Look(Box::new(Look { picture, whole: asks, verify, probe: asks, ..quiet }))
    }

    fn decode(&mut self, seen: &Seen) {
        let id = self.id.clone();
        if self.decoder.as_ref().is_some_and(|decoder| !decoder.fits(seen)) {
            self.decoder = None;
        }
        if self.decoder.is_none() {
            if !seen.key {
                return;
            }
            match self.pool.lend(seen, &mut self.hardware) {
                Ok(decoder) => self.decoder = Some(decoder),
                Err(error) => {
                    self.meter.add(Metric::CameraBadPackets, id.as_str(), 1);
                    tracing::debug!(camera = %id, error, "no decoder");
                    return;
                }
            }
        }
        self.show_lag(seen.at);
        let Some(decoder) = &mut self.decoder else { return };
        let started = worked();
        if let Err(error) = decoder.send(seen) {
            self.meter.add(Metric::CameraBadPackets, id.as_str(), 1);
            tracing::debug!(camera = %id, error, "a packet that cannot be decoded");
        }
        self.receive();
        self.spent(worked().saturating_sub(started));
        self.decode_anew();
    }

    fn receive(&mut self) {
        let Some(decoder) = &mut self.decoder else { return };
        while let Some(frame) = decoder.receive() {
            self.meter.add(Metric::CameraFrames, self.id.as_str(), 1);
            if self.gate.wants(frame.at) {
                self.frames.push_back(frame);
            }
        }
    }

    fn spent(&self, time: Duration) {
        self.meter.spend(Metric::CameraAwakeSeconds, self.id.as_str(), time);
    }

    /// A picture, awake. Where the detector has no room it is skipped; whether something moves is
    /// seen all the same, or a box that is overloaded would never sleep again.
    fn watch(&mut self, frame: &Frame, room: bool) -> Step {
        let started = worked();
        let (at, device) = (frame.at, frame.device);
        let luma = frame.luma();
        let (moved, change) = self.scene.watch(&luma);
        let stays = |one: &&Bbox| !moved.regions.iter().any(|other| other.overlap(one) > 0.0);
        let still = change.regions.iter().filter(stays).copied().collect();
        let mut regions = change.regions.clone();
        regions.extend(moved.regions.iter().copied());
        self.differed |= !regions.is_empty();
        let whole_due = self.gate.is_whole_due(at);
        let whole = room && self.gate.wants_whole(at);
        if self.gate.is_second(at) {
            self.faults.extend(self.health.look(&luma));
        }
        let shown = room && (whole || !regions.is_empty());
        let picture = if shown { self.painter.picture(frame).ok() } else { None };
        let cause = self.gate.awake().unwrap_or(Cause::Start);
        if let Some(rest) = self.gate.watched(at, !moved.is_none()) {
            self.sleep(at, &luma, rest, &change, cause);
        }
        self.spent(worked().saturating_sub(started));
        if !room {
            let differs = !regions.is_empty();
            self.meter.add(
                Metric::CameraSkipped,
                self.id.as_str(),
                u64::from(differs || whole_due),
            );
            if differs {
                return Step::Went;
            }
        }
        Step::Look(Box::new(Look { picture, regions, still, whole, ..Look::quiet(at, device) }))
    }

    fn sleep(&mut self, at: Timestamp, luma: &Luma, rest: Rest, change: &Change, cause: Cause) {
        self.judge_sleep(at, cause);
        match rest {
            Rest::Quiet => {
                self.say(at, || describe("sleeps: nothing moves", change));
                self.scene.settle(luma);
            }
            Rest::Futile => {
                self.say(at, || describe("sleeps: what moves is nothing that counts", change));
                self.scene.bear_with(luma);
            }
        }
        if let Some(decoder) = self.decoder.take() {
            self.pool.give_back(decoder);
        }
        self.frames.clear();
        self.painter = Painter::default();
        self.meter.set(Metric::CameraLevel, self.id.as_str(), 1.0);
    }
}

/// What another lookout is needed for when it changes.
fn asked_for(config: &camera::Config) -> (GateConfig, HwDecode, Option<String>) {
    (gate_config(config), config.hw_decode, config.hw_device.clone())
}

fn gate_config(config: &camera::Config) -> GateConfig {
    let seconds = |seconds: f64| SignedDuration::from_millis((seconds * 1000.0) as i64);
    GateConfig {
        full: config.decode == camera::Decode::Full,
        look_every: seconds(config.look_every_s),
        quiet_after: seconds(config.quiet_after_s),
        fps: config.detect_fps,
    }
}

/// Processor time of this thread so far: what waits for a processor costs nobody anything.
pub(super) fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
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

#[cfg(test)]
#[path = "tests_lookout.rs"]
pub(super) mod tests;
