//! The workers that decode: as many as there are processors, for whichever camera is in turn.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Health, Slots,
    lookout::{Lookout, Step},
    progress::Beat,
    report::Reporter,
    rota::{Rota, Watched},
};
use crate::{
    domain::{Fault, SourceId, StopFlag},
    vision::Word,
};

/// Processor time before the next camera has its turn: a second of video, or a few key frames. What
/// is passed over costs next to nothing, so that one that is late comes to what is there now.
const TURN: Duration = Duration::from_millis(100);
/// One with nothing to do shows that it is alive at least this often.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Looker {
    pub(super) rota: Arc<Rota>,
    pub(super) slots: Arc<Slots>,
    pub(super) report: Reporter,
    pub(super) health: Health,
    pub(super) stop: StopFlag,
    pub(super) beat: Beat,
    /// Processor time of who works here, so far.
    pub(super) worked: Box<dyn Fn() -> Duration + Send>,
}

/// What a camera's decoding is called where the gateway says how it is.
pub(super) fn decoding_part(camera: &SourceId) -> String {
    format!("camera {camera}")
}

impl Looker {
    pub(super) fn run(self) {
        while !self.stop.is_raised() {
            self.beat.beat();
            let Some(watched) = self.rota.take(PATIENCE) else { continue };
            // A fault in one camera's picture is a fault of that camera: its lock is poisoned, and
            // its reading thread begins anew (P7).
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(&watched)));
            if turn.is_err() {
                tracing::error!(camera = %watched.id, "a fault inside the gateway while decoding");
            }
            self.rota.done(&watched, turn.unwrap_or(false));
        }
    }

    /// Whether there is more to do.
    fn turn(&self, watched: &Arc<Watched>) -> bool {
        let Ok(mut lookout) = watched.lookout.lock() else { return false };
        let more = self.steps(watched, &mut lookout);
        watched.eager.store(lookout.is_eager(), Ordering::Relaxed);
        watched.awake.store(lookout.is_awake(), Ordering::Relaxed);
        let faults = lookout.take_faults();
        let decoding = lookout.take_decoding();
        drop(lookout);
        if let Some(decoding) = decoding {
            let part = decoding_part(&watched.id);
            match &decoding.unmet {
                Some(why) => self.health.note(&part, why),
                None => self.health.good(&part),
            }
        }
        for Word { kind, broken, text } in faults {
            self.report.fault(&watched.id, Fault { kind, broken, text });
        }
        more
    }

    fn steps(&self, watched: &Arc<Watched>, lookout: &mut Lookout) -> bool {
        let started = (self.worked)();
        while (self.worked)().saturating_sub(started) < TURN {
            if let Some((at, sighting)) = watched.take_answer() {
                lookout.sighted(at, sighting);
            }
            lookout.nudged(watched.take_nudges());
            match lookout.step(self.slots.has_room(&watched.id)) {
                Step::Idle => return false,
                Step::Went => {}
                Step::Look(look) => self.slots.put(&watched.id, *look),
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "tests_lookers.rs"]
mod tests;
