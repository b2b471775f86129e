//! One camera's reading thread: connects for ever, keeps packets in the ring, and asks for a turn of decoding.
//!
//! **P7** Each camera, connection and sink runs on its own thread or task, and its failure touches
//! no other. A panic while a camera is read is one more failure of that camera: it connects anew. A
//! panic while it is decoded poisons its sampler, and the reading thread makes a new one. What one
//! bad device may cost the others is bounded in `sources/limit.rs`; what is wrong with a device is
//! found in `incident/supervise.rs`.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    clip_ring::revive,
    clock_offset::ClockOffset,
    gate::{GOP_MAX, KEY_WAIT},
    live_feed::LiveFeed,
    read_pacer::ReadPacer,
    sampler::Sampler,
    scheduler::{CameraTask, Scheduler},
    sign::SizeShift,
};
use crate::{
    base::{Beat, Reporter, lock},
    domain::{Clock, Fault, Kind, Meter, Metric, SourceId, StopFlag},
    media::{Packet, Pool, Ring, Session, SessionRequest},
    sources::{
        camera::{self, StreamUrls},
        reconnect::{Ended, Reconnect},
    },
};

/// A clip that is played as fast as it can be looked at runs ahead by this many packets at most.
const AHEAD_PACKETS_MAX: u64 = 100;
/// One of two streams asks for a turn at least this often, though nothing of it may be decoded.
const TELL_EVERY_MS: i64 = 2_000;
/// Up again so long before a look is due.
const EARLY_MS: i64 = 80;
/// Packets that have become larger ask for a turn after so long.
const SHIFT_EVERY_MS: i64 = 200;
/// The reason that is reported for a panic; where it happened is in the log.
const PANICKED: &str = "a fault inside the gateway (see the log)";

/// What a stream is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// Clips are cut from it, and it is looked at.
    Both,
    /// The main stream: clips are cut from it, and what is looked at closely is shown in its pixels.
    Clips,
    /// The sub-stream (`detect_url`): it is looked at, and nothing is kept of it.
    Looks,
}

/// What the streams of one camera share.
#[derive(Default)]
pub struct StreamPair {
    /// Puts the times of both on one clock.
    clock_offset: ClockOffset,
    /// Packets of the sub-stream and of the main one; none for a camera with a single stream.
    rings: Option<[Arc<Mutex<Ring>>; 2]>,
    /// Held while the sampler of the two is made: either may be the first that has packets.
    making: Mutex<()>,
}

impl StreamPair {
    /// Of a sub-stream and a main stream, by their rings.
    pub fn new(sub: Arc<Mutex<Ring>>, main: Arc<Mutex<Ring>>) -> Self {
        Self { rings: Some([sub, main]), ..Self::default() }
    }
}

/// One stream of one camera, run by a thread of its own.
pub struct Stream {
    /// The camera.
    pub id: SourceId,
    /// Its section of the configuration.
    pub config: camera::Config,
    /// For a camera that is asked where its streams are.
    pub urls: Arc<StreamUrls>,
    /// Where its packets are kept.
    pub ring: Arc<Mutex<Ring>>,
    /// Who watches it live.
    pub live: Arc<LiveFeed>,
    /// What it is for.
    pub role: Role,
    /// Name of its figures: a stream that is only looked at has figures of its own.
    pub label: String,
    /// Whether its silence was reported; a stream that takes its place goes on from there.
    pub silence_reported: Arc<AtomicBool>,
    /// Shared by the two streams of a camera that has a `detect_url`.
    pub pair: Arc<StreamPair>,
    /// Gives turns of decoding.
    pub scheduler: Arc<Scheduler>,
    /// Lends decoders to its sampler.
    pub pool: Arc<Pool>,
    /// For the time of arrival.
    pub clock: Arc<dyn Clock>,
    /// For its figures.
    pub meter: Arc<dyn Meter>,
    /// Raised when the thread is to end.
    pub stop: StopFlag,
    /// To the junction.
    pub report: Reporter,
    /// Its sign of life.
    pub beat: Beat,
}

impl Stream {
    /// Runs until it is stopped. A panic inside is one more failure of this camera, and of no other
    /// (P7).
    pub fn run(self) {
        let id = self.label.as_str();
        let mut reconnect = Reconnect::new(Instant::now());
        self.meter.set(Metric::CameraUp, id, 0.0);
        let mut said = String::new();
        while !self.stop.is_raised() {
            let mut how = Ended::default();
            self.beat.beat();
            let ended = catch_unwind(AssertUnwindSafe(|| self.run_once(&mut how, &mut reconnect)));
            // After a stop the figure belongs to whoever stopped it: it may be removed, or another's.
            if !self.stop.is_raised() {
                self.meter.set(Metric::CameraUp, id, 0.0);
            }
            let reason = match ended {
                Ok(Ok(())) => {
                    tracing::info!(camera = self.config.id, "clip ended");
                    return;
                }
                Ok(Err(reason)) => reason,
                Err(_) => {
                    revive(&self.ring);
                    PANICKED.to_owned()
                }
            };
            if self.stop.is_raised() {
                return;
            }
            self.urls.lost();
            self.meter.add(Metric::CameraFailures, id, 1);
            let lost = reconnect.lost(Instant::now(), how);
            // Each new reason once: a camera that refuses is another matter than one that is away.
            if lost.first || said != reason {
                said.clone_from(&reason);
                let url = self.shown_url();
                tracing::warn!(
                    camera = self.config.id,
                    url,
                    reason,
                    "camera: no stream; trying for ever"
                );
            }
            if lost.tell {
                self.report_silence(true, reason);
            }
            self.wait(lost.wait);
        }
    }

    /// As it may be printed.
    fn shown_url(&self) -> String {
        self.config.shown_url(self.role == Role::Looks)
    }

    fn full_url(&self) -> Result<String, String> {
        match (self.role, self.config.full_detect_url()) {
            (Role::Looks, Some(url)) => url,
            _ if self.config.finds_streams() => {
                let within = Duration::from_secs(self.config.connect_timeout_s);
                Err(self.urls.why_none(within, || !self.stop.is_raised()))
            }
            _ => self.config.full_url(),
        }
    }

    fn report_silence(&self, broken: bool, text: String) {
        self.silence_reported.store(broken, Ordering::Relaxed);
        // Without the stream that is looked at, clips still work, and the other way round.
        let (kind, text) = match self.role {
            Role::Looks if broken => {
                let instead = "the main stream is looked at meanwhile";
                (Kind::DetectorDegraded, format!("its detect_url: {text}; {instead}"))
            }
            Role::Looks => (Kind::DetectorDegraded, format!("its detect_url: {text}")),
            _ => (Kind::CameraSilent, text),
        };
        self.report.fault(&self.id, Fault { kind, broken, text });
    }

    /// The task by which this session is decoded, with the other stream of the camera where it has
    /// two. One whose sampler was poisoned by a panic, or that samples in another way than is
    /// configured now, is replaced.
    fn task(&self) -> Arc<CameraTask> {
        let _making = lock(&self.pair.making);
        let looked_at = self.pair.rings.as_ref().map_or(&self.ring, |[sub, _]| sub);
        if let Some(task) = self.scheduler.of(&self.id) {
            let mine = task.sampler.lock().is_ok_and(|one| one.is_for(&self.config, looked_at));
            if mine {
                return task;
            }
        }
        let patient = self.config.speed == camera::Speed::Max;
        let (ring, pool) = (looked_at.clone(), self.pool.clone());
        let mut sampler = Sampler::new(&self.config, ring, pool, self.meter.clone(), patient);
        if let Some([_, main]) = &self.pair.rings {
            sampler = sampler.with_main(main.clone());
        }
        let task = CameraTask::new(self.id.clone(), sampler);
        self.scheduler.join(task.clone());
        task
    }

    /// One connection, from its first packet to its end. The error is one sentence.
    fn run_once(&self, how: &mut Ended, reconnect: &mut Reconnect) -> Result<(), String> {
        let config = &self.config;
        let mut session = Session::open(&SessionRequest {
            url: self.full_url()?,
            transport: config.transport.as_str(),
            connect_ms: config.connect_timeout_s * 1000,
            stall_ms: config.stall_timeout_s * 1000,
            stop: self.stop.clone(),
        })?;
        self.meter.add(Metric::CameraConnects, &self.label, 1);
        let mut reader = SessionReader::new(self);
        loop {
            let next = session.next(|| self.clock.now().wall);
            let stall = Duration::from_secs(config.stall_timeout_s);
            how.stalled = Some(stall).filter(|_| next.is_err() && session.has_stalled());
            let Some(mut packet) = next? else { break };
            match self.role {
                Role::Clips => self.pair.clock_offset.learn(&packet),
                Role::Looks => self.pair.clock_offset.apply(&mut packet),
                Role::Both => {}
            }
            if !std::mem::replace(&mut how.got, true) {
                self.runs();
            }
            if !session.has_stalled() {
                self.settles(reconnect);
            }
            if let Some(change) = session.take_change() {
                tracing::info!(camera = config.id, change, "camera: its stream changed");
            }
            reader.take(&packet)?;
        }
        reader.finish();
        if config.is_clip() { Ok(()) } else { Err("the camera ended the stream".into()) }
    }

    /// The first packet of a session has come.
    fn runs(&self) {
        tracing::info!(camera = self.config.id, url = self.shown_url(), "camera: stream runs");
        self.meter.set(Metric::CameraUp, &self.label, 1.0);
    }

    /// A packet has come: is a silence over that was told?
    fn settles(&self, reconnect: &mut Reconnect) {
        if reconnect.works(Instant::now()) && self.silence_reported.load(Ordering::Relaxed) {
            self.report_silence(false, "packets arrive again".into());
        }
    }

    fn keep(&self, packet: &Packet) -> Result<(), String> {
        let id = self.label.as_str();
        self.meter.add(Metric::CameraPackets, id, 1);
        let (bytes, held_s) = {
            let mut ring = self.ring.lock().map_err(|_| "ring lost")?;
            ring.push(packet.clone());
            (ring.bytes(), ring.held_s())
        };
        self.live.packet_came();
        // Only key frames show how far the clocks are apart: the reader does not pause before one, so
        // it is read when it arrives.
        if let Some(device) = packet.device.filter(|_| packet.key) {
            let off = device.duration_since(self.clock.now().wall).as_secs_f64();
            self.meter.set(Metric::CameraClock, id, off);
        }
        self.meter.set(Metric::RingBytes, id, bytes as f64);
        self.meter.set(Metric::CameraRing, id, held_s);
        Ok(())
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stop.is_raised() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.beat.beat();
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// The state of reading one session.
struct SessionReader<'s> {
    stream: &'s Stream,
    task: Arc<CameraTask>,
    started: Instant,
    /// A clip that is played as fast as it can be looked at.
    at_max_speed: bool,
    /// The reader may pause between key frames. Not over UDP: the socket holds too little, and
    /// what it cannot hold is lost.
    may_pause: bool,
    pacer: ReadPacer,
    asked_at: Instant,
    /// Stream time of the latest key frame, and of the packet that last asked for a turn, milliseconds.
    key_ms: Option<i64>,
    asked_ms: i64,
    tell_every_ms: i64,
    /// Of a sub-stream: the sampler has its own, and looks where packets become larger.
    size_shift: SizeShift,
    /// Packets since the latest key frame.
    since_key: u64,
}

impl<'s> SessionReader<'s> {
    fn new(stream: &'s Stream) -> Self {
        let config = &stream.config;
        Self {
            stream,
            task: stream.task(),
            started: Instant::now(),
            at_max_speed: config.speed == camera::Speed::Max,
            may_pause: !config.is_clip() && config.transport == camera::Transport::Tcp,
            pacer: ReadPacer::default(),
            asked_at: Instant::now(),
            key_ms: None,
            asked_ms: 0,
            // As much earlier as the gate takes a look for due (`Gate::wants_look`).
            tell_every_ms: TELL_EVERY_MS.min((config.look_every_s() * 950.0) as i64),
            size_shift: SizeShift::default(),
            since_key: 0,
        }
    }

    /// Keeps a packet and has it decoded; paces a clip, and the reading of a camera that sleeps.
    fn take(&mut self, packet: &Packet) -> Result<(), String> {
        let stream = self.stream;
        if stream.config.is_clip() && !self.at_max_speed {
            let due = Duration::from_millis(u64::try_from(packet.stream_ms).unwrap_or(0));
            stream.wait(due.saturating_sub(self.started.elapsed()));
        }
        if stream.stop.is_raised() {
            return Err("stopped".into());
        }
        stream.beat.beat();
        let mut pause =
            self.pacer.read(packet.stream_ms, packet.key, packet.bytes, self.asked_at.elapsed());
        if stream.role == Role::Looks {
            // A look may be due between two key frames.
            let left_ms = self.asked_ms + self.tell_every_ms - packet.stream_ms - EARLY_MS;
            pause = pause.min(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)));
        }
        stream.keep(packet)?;
        let eager = self.task.eager.load(Ordering::Relaxed);
        self.ask_for_a_turn(packet, eager)?;
        // Who watches it sees each picture when it comes.
        if self.may_pause && !eager && stream.live.viewers() == 0 {
            thread::sleep(pause);
        }
        self.asked_at = Instant::now();
        Ok(())
    }

    fn ask_for_a_turn(&mut self, packet: &Packet, eager: bool) -> Result<(), String> {
        let stream = self.stream;
        if packet.key {
            self.key_ms = Some(packet.stream_ms);
        }
        if stream.role == Role::Clips {
            // The stream that is looked at begins anew after a panic; this one's clips go on. Where
            // that one is away, there may be another task only by this one.
            let current = stream.scheduler.of(&stream.id);
            let is_current = current.is_some_and(|task| Arc::ptr_eq(&task, &self.task));
            if packet.key && (!is_current || self.task.sampler.is_poisoned()) {
                self.task = stream.task();
            }
        } else if self.task.sampler.is_poisoned() {
            return Err(PANICKED.into());
        }
        // A camera that sleeps and gets no key frame for this long is asked with each packet whether
        // it can sleep on key frames at all (`Gate::sleepless`).
        let (from, patience) = self.key_ms.map_or((0, KEY_WAIT), |key_ms| (key_ms, GOP_MAX));
        let overdue = i128::from(packet.stream_ms - from) > patience.as_millis();
        // A look of the sub-stream may be due, and the main stream tells that the other one is silent.
        let since_ms = packet.stream_ms - self.asked_ms;
        let tells = stream.role != Role::Both && !(0..self.tell_every_ms).contains(&since_ms);
        let shifts = self.shifts(packet, eager) && since_ms >= SHIFT_EVERY_MS;
        if packet.key || packet.refresh.is_some() || overdue || eager || tells || shifts {
            self.asked_ms = packet.stream_ms;
            self.size_shift.judge(shifts);
            stream.scheduler.ask(&stream.id);
        }
        if self.at_max_speed {
            self.wait_for_decoding(AHEAD_PACKETS_MAX);
        }
        Ok(())
    }

    /// The packets of a sub-stream have become larger since it last asked for a turn.
    fn shifts(&mut self, packet: &Packet, eager: bool) -> bool {
        let place = self.since_key;
        self.since_key = if packet.key { 0 } else { place + 1 };
        if eager || packet.key || self.stream.role != Role::Looks {
            return false;
        }
        self.size_shift.packet(place, packet.bytes)
    }

    /// The session is over. Of a clip, waits until all that was read is decoded.
    fn finish(self) {
        let stream = self.stream;
        if !stream.config.is_clip() {
            return;
        }
        if stream.role != Role::Clips {
            self.wait_for_decoding(0);
        }
        if let Ok(mut sampler) = self.task.sampler.lock() {
            match stream.role {
                Role::Clips => sampler.main_ended(),
                Role::Both | Role::Looks => sampler.end(),
            }
        }
        stream.scheduler.ask(&stream.id);
    }

    /// Waits until decoding is no more than so many packets behind.
    fn wait_for_decoding(&self, packets: u64) {
        let stream = self.stream;
        let behind = || self.task.sampler.lock().map_or(0, |sampler| sampler.pending());
        while behind() > packets && !stream.stop.is_raised() {
            stream.scheduler.ask(&stream.id);
            stream.scheduler.wait_idle(&stream.id, Duration::from_millis(50));
            stream.beat.beat();
            if behind() > packets {
                // The workers wait for the detector.
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
}
