//! Whose turn it is: cameras with something to decode, in the order they asked, for few workers.
//!
//! Where something happens has every third turn: on a box that is overloaded, who is followed is
//! not lost behind the many who only look now and then, and those are still looked at.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::lookout::{Lookout, Nudges};
use crate::domain::{Sighting, SourceId};

/// One camera as workers see it.
pub(super) struct Watched {
    pub(super) id: SourceId,
    pub(super) lookout: Mutex<Lookout>,
    /// It wants to know of each packet, not of key frames alone.
    pub(super) eager: AtomicBool,
    /// It decodes everything.
    pub(super) awake: AtomicBool,
    /// What vision answered, until the lookout's next step. The newest counts, and news above all.
    answers: Mutex<Option<(jiff::Timestamp, Sighting)>>,
    /// Who asked it to wake, until the lookout's next step: a mark each, however often.
    nudges: Mutex<Nudges>,
}

impl Watched {
    pub(super) fn new(id: SourceId, lookout: Lookout) -> Arc<Self> {
        Arc::new(Self {
            id,
            lookout: Mutex::new(lookout),
            eager: AtomicBool::new(false),
            awake: AtomicBool::new(false),
            answers: Mutex::default(),
            nudges: Mutex::default(),
        })
    }

    pub(super) fn answer(&self, at: jiff::Timestamp, sighting: Sighting) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let news = answers.is_some_and(|(_, before)| before.fresh);
        if !news || sighting.fresh {
            *answers = Some((at, sighting));
        }
    }

    pub(super) fn nudge(&self, nudges: Nudges) {
        self.nudges.lock().unwrap_or_else(PoisonError::into_inner).join(nudges);
    }

    pub(super) fn take_nudges(&self) -> Nudges {
        std::mem::take(&mut *self.nudges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn take_answer(&self) -> Option<(jiff::Timestamp, Sighting)> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Idle,
    Queued,
    Working,
    /// Asked for again while somebody works on it.
    Again,
}

/// So many turns of cameras that sleep, where there are any, to one of those that are awake; it is
/// three times as long.
const ASLEEP_TURNS: usize = 2;

#[derive(Default)]
struct Inside {
    marks: BTreeMap<SourceId, (Arc<Watched>, Mark)>,
    /// Who sleeps, and who is awake; each camera in one of them, once.
    queues: [VecDeque<SourceId>; 2],
    /// Turns of who sleeps since one of who is awake.
    slept: usize,
}

impl Inside {
    fn queue(&mut self, watched: &Watched) {
        let lane = usize::from(watched.awake.load(Ordering::Relaxed));
        self.queues[lane].push_back(watched.id.clone());
    }

    fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    fn next(&mut self) -> Option<SourceId> {
        let [asleep, awake] = &mut self.queues;
        if asleep.is_empty() || self.slept >= ASLEEP_TURNS && !awake.is_empty() {
            self.slept = 0;
            return awake.pop_front();
        }
        self.slept += 1;
        asleep.pop_front()
    }
}

/// Each camera is in the queue at most once (P11), and with one worker at a time.
#[derive(Default)]
pub(super) struct Rota {
    inside: Mutex<Inside>,
    filled: Condvar,
    /// Somebody has finished a turn.
    rested: Condvar,
}

impl Rota {
    pub(super) fn join(&self, watched: Arc<Watched>) {
        let mut inside = self.held();
        let id = watched.id.clone();
        // Where another of the same name waits for its turn, this one has it: never twice in the queue.
        let waits = inside.marks.get(&id).is_some_and(|(_, mark)| *mark == Mark::Queued);
        let mark = if waits { Mark::Queued } else { Mark::Idle };
        inside.marks.insert(id, (watched, mark));
    }

    /// Only this one: another of the same name may have come.
    pub(super) fn leave(&self, watched: &Arc<Watched>) {
        let mut inside = self.held();
        if inside.marks.get(&watched.id).is_some_and(|(known, _)| Arc::ptr_eq(known, watched)) {
            inside.marks.remove(&watched.id);
            inside.queues.iter_mut().for_each(|queue| queue.retain(|id| *id != watched.id));
        }
    }

    pub(super) fn of(&self, id: &SourceId) -> Option<Arc<Watched>> {
        self.held().marks.get(id).map(|(watched, _)| watched.clone())
    }

    /// It has something to do.
    pub(super) fn ask(&self, id: &SourceId) {
        let mut inside = self.held();
        let Some((watched, mark)) = inside.marks.get_mut(id) else { return };
        match *mark {
            Mark::Idle => {
                *mark = Mark::Queued;
                let watched = watched.clone();
                inside.queue(&watched);
                drop(inside);
                self.filled.notify_one();
            }
            Mark::Working => *mark = Mark::Again,
            Mark::Queued | Mark::Again => {}
        }
    }

    /// The next in turn; None when nobody asked in `patience`.
    pub(super) fn take(&self, patience: Duration) -> Option<Arc<Watched>> {
        let (mut inside, _) = self
            .filled
            .wait_timeout_while(self.held(), patience, |inside| inside.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let id = inside.next()?;
        let (watched, mark) = inside.marks.get_mut(&id)?;
        *mark = Mark::Working;
        Some(watched.clone())
    }

    /// Its turn is over; `more`: it has not finished.
    pub(super) fn done(&self, watched: &Arc<Watched>, more: bool) {
        let mut inside = self.held();
        let id = &watched.id;
        if let Some((known, mark)) = inside.marks.get_mut(id)
            && Arc::ptr_eq(known, watched)
        {
            let again = more || *mark == Mark::Again;
            *mark = if again { Mark::Queued } else { Mark::Idle };
            if again {
                inside.queue(watched);
                self.filled.notify_one();
            }
        }
        drop(inside);
        self.rested.notify_all();
    }

    /// Waits until this one has nothing to do, or left; false after `patience`.
    pub(super) fn wait_idle(&self, id: &SourceId, patience: Duration) -> bool {
        let busy =
            |inside: &mut Inside| inside.marks.get(id).is_some_and(|(_, mark)| *mark != Mark::Idle);
        let waited = self
            .rested
            .wait_timeout_while(self.held(), patience, busy)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }

    fn held(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "tests_rota.rs"]
mod tests;
