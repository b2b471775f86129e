//! One camera's reading thread: connect for ever, packets to the ring; who decodes is told of them.

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
    align::Aligned,
    lookout::Lookout,
    progress::Beat,
    report::Reporter,
    rota::{Rota, Watched},
};
use crate::{
    domain::{Clock, Fault, Kind, Meter, Metric, SourceId, StopFlag},
    media::{Doze, GOP_MAX, Pool, Request, Ring, Seen, Session, redact},
    sources::{camera, reconnect::Reconnect},
};

/// A clip that is played as fast as it can be looked at runs ahead by this many packets at most.
const AHEAD_PACKETS_MAX: u64 = 100;

/// What a stream is for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// Clips are cut from it, and it is looked at.
    Both,
    /// Only clips: another stream of the same camera is looked at.
    Clips,
    /// It is looked at, and nothing is kept of it.
    Looks,
}

pub(super) struct Camera {
    pub(super) id: SourceId,
    pub(super) config: camera::Config,
    pub(super) ring: Arc<Mutex<Ring>>,
    pub(super) role: Role,
    /// Under which its figures are: a stream that is only looked at has figures of its own.
    pub(super) label: String,
    /// Somebody was told that it is silent; a session in its place goes on from there.
    pub(super) told: Arc<AtomicBool>,
    /// What the camera's streams know of its clock.
    pub(super) aligned: Arc<Aligned>,
    pub(super) rota: Arc<Rota>,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) stop: StopFlag,
    pub(super) report: Reporter,
    pub(super) beat: Beat,
}

impl Camera {
    /// Until stopped. A panic inside is one more failure of this camera, and of no other (P7).
    pub(super) fn run(self) {
        let id = self.label.as_str();
        let mut reconnect = Reconnect::new(Instant::now());
        self.meter.set(Metric::CameraUp, id, 0.0);
        while !self.stop.is_raised() {
            let mut got = false;
            self.beat.beat();
            let ended = catch_unwind(AssertUnwindSafe(|| self.session(&mut got, &mut reconnect)));
            // Told to stop, the figure is up to whoever told it: it may be gone, or another's.
            if !self.stop.is_raised() {
                self.meter.set(Metric::CameraUp, id, 0.0);
            }
            let reason = match ended {
                Ok(Ok(())) => {
                    tracing::info!(camera = self.config.id, "clip ended");
                    return;
                }
                Ok(Err(reason)) => reason,
                Err(_) => "a fault inside the gateway (see the log)".to_owned(),
            };
            if self.stop.is_raised() {
                return;
            }
            self.meter.add(Metric::CameraFailures, id, 1);
            let lost = reconnect.lost(Instant::now(), got);
            if lost.first {
                let url = redact(self.url());
                tracing::warn!(
                    camera = self.config.id,
                    url,
                    reason,
                    "camera: no stream; trying for ever"
                );
            }
            if lost.tell {
                self.tell_silent(true, reason);
            }
            self.wait(lost.wait);
        }
    }

    fn url(&self) -> &str {
        match (self.role, &self.config.detect_url) {
            (Role::Looks, Some(url)) => url,
            _ => &self.config.url,
        }
    }

    fn full_url(&self) -> Result<String, String> {
        match (self.role, self.config.full_detect_url()) {
            (Role::Looks, Some(url)) => url,
            _ => self.config.full_url(),
        }
    }

    fn tell_silent(&self, broken: bool, text: String) {
        self.told.store(broken, Ordering::Relaxed);
        // Clips go on without the stream that is looked at, and the other way round.
        let (kind, text) = match self.role {
            Role::Looks => (Kind::DetectorDegraded, format!("its detect_url: {text}")),
            _ => (Kind::CameraSilent, text),
        };
        self.report.fault(&self.id, Fault { kind, broken, text });
    }

    /// Who decodes this session, in place of one that failed.
    fn watched(&self) -> Option<Arc<Watched>> {
        if self.role == Role::Clips {
            return None;
        }
        if let Some(watched) = self.rota.of(&self.id) {
            let mine = watched.lookout.lock().is_ok_and(|one| one.is_for(&self.config, &self.ring));
            if mine {
                return Some(watched);
            }
        }
        let patient = self.config.speed == camera::Speed::Max;
        let (ring, pool) = (self.ring.clone(), self.pool.clone());
        let lookout = Lookout::new(&self.config, ring, pool, self.meter.clone(), patient);
        let watched = Watched::new(self.id.clone(), lookout);
        self.rota.join(watched.clone());
        Some(watched)
    }

    fn session(&self, got: &mut bool, reconnect: &mut Reconnect) -> Result<(), String> {
        let config = &self.config;
        let id = self.label.as_str();
        let mut session = Session::open(&Request {
            url: self.full_url()?,
            transport: config.transport.as_str(),
            connect_ms: config.connect_timeout_s * 1000,
            stall_ms: config.stall_timeout_s * 1000,
            stop: self.stop.clone(),
        })?;
        self.meter.add(Metric::CameraConnects, id, 1);
        let watched = self.watched();
        let started = Instant::now();
        let all = config.speed == camera::Speed::Max;
        // Over UDP the socket holds too little, and what it cannot hold is lost.
        let rests = !config.is_clip() && config.transport == camera::Transport::Tcp;
        let (mut doze, mut asked) = (Doze::default(), Instant::now());
        let mut key_ms = 0;
        while let Some(mut seen) = session.next(|| self.clock.now().wall)? {
            match self.role {
                Role::Clips => self.aligned.learn(&seen),
                Role::Looks => self.aligned.apply(&mut seen),
                Role::Both => {}
            }
            if !std::mem::replace(got, true) {
                tracing::info!(
                    camera = self.config.id,
                    url = redact(self.url()),
                    "camera: stream runs"
                );
                self.meter.set(Metric::CameraUp, id, 1.0);
                if reconnect.works() || self.told.load(Ordering::Relaxed) {
                    self.tell_silent(false, "packets arrive again".into());
                }
            }
            if let Some(change) = session.take_change() {
                tracing::info!(camera = self.config.id, change, "camera: its stream changed");
            }
            if config.is_clip() && !all {
                let due = Duration::from_millis(u64::try_from(seen.stream_ms).unwrap_or(0));
                self.wait(due.saturating_sub(started.elapsed()));
            }
            if self.stop.is_raised() {
                return Err("stopped".into());
            }
            self.beat.beat();
            let rest = doze.read(seen.stream_ms, seen.key, seen.bytes, asked.elapsed());
            self.keep(&seen)?;
            let eager = watched.as_ref().is_some_and(|one| one.eager.load(Ordering::Relaxed));
            if let Some(watched) = &watched {
                if watched.lookout.is_poisoned() {
                    return Err("a fault inside the gateway (see the log)".into());
                }
                if seen.key {
                    key_ms = seen.stream_ms;
                }
                // Who sleeps is asked with each packet then whether one can (`Gate::cannot_sleep`).
                let overdue = i128::from(seen.stream_ms - key_ms) > GOP_MAX.as_millis();
                if seen.key || overdue || eager {
                    self.rota.ask(&self.id);
                }
                if all {
                    self.wait_for(watched, AHEAD_PACKETS_MAX);
                }
            }
            if rests && !eager {
                thread::sleep(rest);
            }
            asked = Instant::now();
        }
        if let Some(watched) = watched.filter(|_| config.is_clip()) {
            self.wait_for(&watched, 0);
            if let Ok(mut lookout) = watched.lookout.lock() {
                lookout.end();
            }
            self.rota.ask(&self.id);
        }
        if config.is_clip() { Ok(()) } else { Err("the camera ended the stream".into()) }
    }

    fn keep(&self, seen: &Seen) -> Result<(), String> {
        let id = self.label.as_str();
        self.meter.add(Metric::CameraPackets, id, 1);
        let (bytes, held_s) = {
            let mut ring = self.ring.lock().map_err(|_| "ring lost")?;
            ring.push(seen.clone());
            (ring.bytes(), ring.held_s())
        };
        // A key frame never waits for a reader that rests.
        if let Some(device) = seen.device.filter(|_| seen.key) {
            let off = device.duration_since(self.clock.now().wall).as_secs_f64();
            self.meter.set(Metric::CameraClock, id, off);
        }
        self.meter.set(Metric::RingBytes, id, bytes as f64);
        self.meter.set(Metric::CameraRing, id, held_s);
        Ok(())
    }

    /// Until those who decode are within so many packets.
    fn wait_for(&self, watched: &Watched, packets: u64) {
        let behind = || watched.lookout.lock().map_or(0, |lookout| lookout.pending());
        while behind() > packets && !self.stop.is_raised() {
            self.rota.ask(&self.id);
            self.rota.wait_idle(&self.id, Duration::from_millis(50));
            self.beat.beat();
            if behind() > packets {
                // They wait for the detector.
                thread::sleep(Duration::from_millis(2));
            }
        }
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
