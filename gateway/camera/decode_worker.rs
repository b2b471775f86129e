//! The workers that decode: as many as there are processors, for whichever camera is in turn.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    detect_queue::DetectQueue,
    sampler::{Sampler, Step},
    scheduler::{CameraTask, Scheduler},
};
use crate::{
    base::{Beat, Readiness, Reporter},
    domain::{Fault, SourceId, StopFlag},
    vision::CameraFault,
};

/// Processor time before the next camera has its turn: a second of video, or a few key frames.
/// Passing over a packet costs next to nothing, so a late camera gets to what is there now.
const TURN: Duration = Duration::from_millis(100);
/// A worker with nothing to do shows that it is alive at least this often.
const PATIENCE: Duration = Duration::from_millis(500);

/// What one worker is started with.
pub struct DecodeWorker {
    /// Gives the turns.
    pub scheduler: Arc<Scheduler>,
    /// Where looks go.
    pub queue: Arc<DetectQueue>,
    /// To the junction.
    pub report: Reporter,
    /// Where it says that a device cannot decode.
    pub readiness: Readiness,
    /// Raised when the worker is to end.
    pub stop: StopFlag,
    /// Its sign of life.
    pub beat: Beat,
    /// Processor time of this worker's thread, so far.
    pub cpu_time: Box<dyn Fn() -> Duration + Send>,
}

/// The name of a camera's decoding on the page of readiness.
pub fn decoding_part(camera: &SourceId) -> String {
    format!("camera {camera}")
}

/// Likewise of its key frames.
pub fn key_frames_part(camera: &SourceId) -> String {
    format!("key frames of camera {camera}")
}

/// The name of a camera's streams on the page of readiness.
pub fn streams_part(camera: &SourceId) -> String {
    format!("camera {camera}, streams")
}

impl DecodeWorker {
    /// Runs until it is stopped.
    pub fn run(self) {
        while !self.stop.is_raised() {
            self.beat.beat();
            let Some(task) = self.scheduler.take(PATIENCE) else { continue };
            // A fault in one camera's picture is a fault of that camera: its lock is poisoned, and
            // its reading thread begins anew (P7).
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(&task)));
            if turn.is_err() {
                tracing::error!(camera = %task.id, "a fault inside the gateway while decoding");
            }
            self.scheduler.done(&task, turn.unwrap_or(false));
        }
    }

    /// One turn of one camera; returns whether there is more to do.
    fn turn(&self, task: &Arc<CameraTask>) -> bool {
        let Ok(mut sampler) = task.sampler.lock() else { return false };
        let more = self.steps(task, &mut sampler);
        task.eager.store(sampler.is_eager(), Ordering::Relaxed);
        task.awake.store(sampler.is_awake(), Ordering::Relaxed);
        let faults = sampler.take_faults();
        let (decoding, streams) = (sampler.take_decoding(), sampler.take_streams());
        let key_frames = sampler.take_key_frames();
        drop(sampler);
        if let Some(streams) = streams {
            self.say(&streams_part(&task.id), streams.unmet.as_deref());
        }
        if let Some(decoding) = decoding {
            self.say(&decoding_part(&task.id), decoding.unmet.as_deref());
        }
        if let Some(why) = key_frames {
            self.say(&key_frames_part(&task.id), why);
        }
        for CameraFault { kind, broken, text } in faults {
            self.report.fault(&task.id, Fault { kind, broken, text });
        }
        more
    }

    /// A part works as it was asked to, or not, and why.
    fn say(&self, part: &str, unmet: Option<&str>) {
        match unmet {
            Some(why) => self.readiness.note(part, why),
            None => self.readiness.clear(part),
        }
    }

    fn steps(&self, task: &Arc<CameraTask>, sampler: &mut Sampler) -> bool {
        let started = (self.cpu_time)();
        while (self.cpu_time)().saturating_sub(started) < TURN {
            if let Some((at, feedback)) = task.take_answer() {
                sampler.feedback(at, feedback);
            }
            if let Some(area) = task.take_area() {
                sampler.look_where(area);
            }
            sampler.nudged(task.take_nudges());
            match sampler.step(self.queue.has_capacity(&task.id)) {
                Step::Idle => return false,
                Step::Progress => {}
                Step::Look(look) => self.queue.put(&task.id, *look),
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "tests_overload.rs"]
mod tests;
