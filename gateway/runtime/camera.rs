//! One camera's thread: connect for ever, packets to the ring, pictures to the frame lane.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rand::Rng;

use super::{Slots, report::Reporter};
use crate::{
    domain::{Clock, Fault, Kind, Meter, Metric, SourceId, StopFlag},
    media::{Decoder, Gate, Request, Ring, Session, redact},
    sources::camera,
};

/// Waits between connections: doubled, capped, jittered down by up to half.
const BACKOFF_MS_FIRST: u64 = 500;
const BACKOFF_MS_MAX: u64 = 60_000;
/// Silent for so long, a camera is an incident.
const SILENT_AFTER: Duration = Duration::from_secs(15);

pub(super) struct Camera {
    pub(super) index: usize,
    pub(super) config: camera::Config,
    pub(super) ring: Arc<Mutex<Ring>>,
    pub(super) slots: Arc<Slots>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) stop: StopFlag,
    pub(super) report: Reporter,
}

impl Camera {
    /// Until stopped. A panic inside is one more failure of this camera, and of no other (P7).
    pub(super) fn run(self) {
        let id = self.config.id.clone();
        let source = SourceId::from(id.as_str());
        let mut tries = 0u32;
        let mut silent_since = Instant::now();
        let mut told = false;
        while !self.stop.is_raised() {
            let mut got = 0u64;
            let ended = catch_unwind(AssertUnwindSafe(|| self.session(&mut got, &mut told)));
            self.meter.set(Metric::CameraUp, &id, 0.0);
            let reason = match ended {
                Ok(Ok(())) => {
                    tracing::info!(camera = id, "clip ended");
                    return;
                }
                Ok(Err(reason)) => reason,
                Err(_) => "a fault inside the gateway (see the log)".to_owned(),
            };
            if self.stop.is_raised() {
                return;
            }
            if got > 0 {
                (tries, silent_since) = (0, Instant::now());
            }
            self.meter.add(Metric::CameraFailures, &id, 1);
            if tries == 0 {
                tracing::warn!(
                    camera = id,
                    url = redact(&self.config.url),
                    reason,
                    "camera: no stream; trying for ever"
                );
            }
            if silent_since.elapsed() >= SILENT_AFTER && !told {
                told = true;
                self.report
                    .fault(&source, Fault { kind: Kind::CameraSilent, broken: true, text: reason });
            }
            let full = BACKOFF_MS_FIRST.saturating_mul(1 << tries.min(16)).min(BACKOFF_MS_MAX);
            tries = tries.saturating_add(1);
            self.wait(Duration::from_millis(rand::rng().random_range(full / 2..=full)));
        }
    }

    fn session(&self, got: &mut u64, told: &mut bool) -> Result<(), String> {
        let config = &self.config;
        let id = config.id.as_str();
        let mut session = Session::open(&Request {
            url: config.full_url()?,
            transport: config.transport.as_str(),
            connect_ms: config.connect_timeout_s * 1000,
            stall_ms: config.stall_timeout_s * 1000,
            stop: self.stop.clone(),
        })?;
        self.meter.add(Metric::CameraConnects, id, 1);
        self.ring.lock().map_err(|_| "ring lost")?.begin(&session);
        let mut decoder = Decoder::new(&session)?;
        let mut gate = Gate::new(config.detect_fps);
        let started = Instant::now();
        let all = config.speed == camera::Speed::Max;
        while let Some(seen) = session.next(|| self.clock.now().wall)? {
            if *got == 0 {
                tracing::info!(camera = id, url = redact(&config.url), "camera: stream runs");
                self.meter.set(Metric::CameraUp, id, 1.0);
                if std::mem::take(told) {
                    let text = "packets arrive again".to_owned();
                    self.report
                        .fault(&id.into(), Fault { kind: Kind::CameraSilent, broken: false, text });
                }
            }
            *got += 1;
            if config.is_clip() && !all {
                let due = Duration::from_millis(u64::try_from(seen.stream_ms).unwrap_or(0));
                self.wait(due.saturating_sub(started.elapsed()));
            }
            if self.stop.is_raised() {
                return Err("stopped".into());
            }
            self.meter.add(Metric::CameraPackets, id, 1);
            let bytes = {
                let mut ring = self.ring.lock().map_err(|_| "ring lost")?;
                ring.push(seen.clone());
                ring.bytes()
            };
            if let Some(device) = seen.device {
                let off = device.duration_since(self.clock.now().wall).as_secs_f64();
                self.meter.set(Metric::CameraClock, id, off);
            }
            self.meter.set(Metric::RingBytes, id, bytes as f64);
            match decoder.push(&seen, &mut |at| gate.wants(at)) {
                Ok((pictures, decoded)) => {
                    self.meter.add(Metric::CameraFrames, id, decoded);
                    for picture in pictures {
                        if all {
                            self.slots.put_waiting(self.index, picture, &self.stop);
                        } else {
                            self.slots.put(self.index, picture);
                        }
                    }
                }
                Err(error) => {
                    self.meter.add(Metric::CameraBadPackets, id, 1);
                    tracing::debug!(camera = id, error, "a packet that cannot be decoded");
                }
            }
        }
        if config.is_clip() { Ok(()) } else { Err("the camera ended the stream".into()) }
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stop.is_raised() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}
