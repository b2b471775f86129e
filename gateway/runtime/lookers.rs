//! The workers that decode: as many as there are processors, for whichever camera is in turn.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Slots,
    lookout::Step,
    progress::Beat,
    rota::{Rota, Watched},
};
use crate::domain::StopFlag;

/// Steps before the next camera has its turn: a second of video, or a few pictures.
const STEPS_MAX: usize = 30;
/// One with nothing to do shows that it is alive at least this often.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Looker {
    pub(super) rota: Arc<Rota>,
    pub(super) slots: Arc<Slots>,
    pub(super) stop: StopFlag,
    pub(super) beat: Beat,
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
        for _ in 0..STEPS_MAX {
            if let Some((at, sighting)) = watched.take_answer() {
                lookout.sighted(at, sighting);
            }
            match lookout.step(self.slots.has_room(&watched.id)) {
                Step::Idle => {
                    watched.eager.store(lookout.is_eager(), Ordering::Relaxed);
                    return false;
                }
                Step::Went => {}
                Step::Look(look) => self.slots.put(&watched.id, *look),
            }
        }
        true
    }
}
