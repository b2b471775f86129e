//! One camera's thread: connect for ever, packets to the ring, pictures to the frame lane.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{Slots, progress::Beat, report::Reporter};
use crate::{
    domain::{Clock, Fault, Kind, Meter, Metric, SourceId, StopFlag},
    media::{Decoder, Gate, Request, Ring, Session, redact},
    sources::{camera, reconnect::Reconnect},
};

pub(super) struct Camera {
    pub(super) id: SourceId,
    pub(super) config: camera::Config,
    pub(super) ring: Arc<Mutex<Ring>>,
    pub(super) slots: Arc<Slots>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) stop: StopFlag,
    pub(super) report: Reporter,
    pub(super) beat: Beat,
}

impl Camera {
    /// Until stopped. A panic inside is one more failure of this camera, and of no other (P7).
    pub(super) fn run(self) {
        let id = self.config.id.as_str();
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
                    tracing::info!(camera = id, "clip ended");
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
                let url = redact(&self.config.url);
                tracing::warn!(camera = id, url, reason, "camera: no stream; trying for ever");
            }
            if lost.tell {
                self.tell_silent(true, reason);
            }
            self.wait(lost.wait);
        }
    }

    fn tell_silent(&self, broken: bool, text: String) {
        self.report.fault(&self.id, Fault { kind: Kind::CameraSilent, broken, text });
    }

    fn session(&self, got: &mut bool, reconnect: &mut Reconnect) -> Result<(), String> {
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
        let mut decoder = Decoder::new(&session)?;
        let mut gate = Gate::new(config.detect_fps);
        let started = Instant::now();
        let all = config.speed == camera::Speed::Max;
        while let Some(seen) = session.next(|| self.clock.now().wall)? {
            if !std::mem::replace(got, true) {
                tracing::info!(camera = id, url = redact(&config.url), "camera: stream runs");
                self.meter.set(Metric::CameraUp, id, 1.0);
                if reconnect.works() {
                    self.tell_silent(false, "packets arrive again".into());
                }
            }
            if let Some(change) = session.take_change() {
                tracing::info!(camera = id, change, "camera: its stream changed");
            }
            if config.is_clip() && !all {
                let due = Duration::from_millis(u64::try_from(seen.stream_ms).unwrap_or(0));
                self.wait(due.saturating_sub(started.elapsed()));
            }
            if self.stop.is_raised() {
                return Err("stopped".into());
            }
            self.beat.beat();
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
                            self.slots.put_waiting(&self.id, picture, &self.stop);
                            self.beat.beat();
                        } else {
                            self.slots.put(&self.id, picture);
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
            self.beat.beat();
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}
