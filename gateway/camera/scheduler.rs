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

use super::sampler::{Nudges, Sampler};
use crate::{
    base::lock,
    domain::{LookFeedback, SourceId},
};

/// One camera as the workers have it: its sampler, and what others have left for the next step.
pub struct CameraTask {
    pub(super) id: SourceId,
    pub(super) sampler: Mutex<Sampler>,
    /// It wants to know of each packet, not of key frames alone.
    pub(super) eager: AtomicBool,
    /// It decodes everything.
    pub(super) awake: AtomicBool,
    /// What vision answered, until the sampler's next step. The newest counts, and news above all.
    answers: Mutex<Option<(jiff::Timestamp, LookFeedback)>>,
    /// Who asked it to wake, until the sampler's next step: a mark each, however often.
    nudges: Mutex<Nudges>,
}

impl CameraTask {
    pub(super) fn new(id: SourceId, sampler: Sampler) -> Arc<Self> {
        Arc::new(Self {
            id,
            sampler: Mutex::new(sampler),
            eager: AtomicBool::new(false),
            awake: AtomicBool::new(false),
            answers: Mutex::default(),
            nudges: Mutex::default(),
        })
    }

    pub(super) fn answer(&self, at: jiff::Timestamp, feedback: LookFeedback) {
        let mut answers = lock(&self.answers);
        let news = answers.is_some_and(|(_, before)| before.fresh);
        if !news || feedback.fresh {
            *answers = Some((at, feedback));
        }
    }

    pub(super) fn nudge(&self, nudges: Nudges) {
        lock(&self.nudges).join(nudges);
    }

    pub(super) fn take_nudges(&self) -> Nudges {
        std::mem::take(&mut *lock(&self.nudges))
    }

    pub(super) fn take_answer(&self) -> Option<(jiff::Timestamp, LookFeedback)> {
        lock(&self.answers).take()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum RunState {
    Idle,
    Queued,
    Running,
    /// Asked for again while somebody works on it.
    RunAgain,
}

/// So many turns of cameras that sleep, where any wait, to one of a camera that is awake; each turn
/// is as long.
const ASLEEP_TURNS: usize = 2;

#[derive(Default)]
struct Inner {
    tasks: BTreeMap<SourceId, (Arc<CameraTask>, RunState)>,
    /// Who sleeps, and who is awake; each camera in one of them, once.
    queues: [VecDeque<SourceId>; 2],
    /// Turns of who sleeps since one of who is awake.
    slept: usize,
}

impl Inner {
    fn queue(&mut self, task: &CameraTask) {
        let lane = usize::from(task.awake.load(Ordering::Relaxed));
        self.queues[lane].push_back(task.id.clone());
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

/// A fair run queue. Each camera is in it at most once (P11), and with one worker at a time.
#[derive(Default)]
pub struct Scheduler {
    inner: Mutex<Inner>,
    filled: Condvar,
    /// Somebody has finished a turn.
    rested: Condvar,
}

impl Scheduler {
    pub(super) fn join(&self, task: Arc<CameraTask>) {
        let mut inner = self.held();
        let id = task.id.clone();
        // Where another of the same name waits for its turn, this one has it: never twice in the queue.
        let waits = inner.tasks.get(&id).is_some_and(|(_, state)| *state == RunState::Queued);
        let state = if waits { RunState::Queued } else { RunState::Idle };
        inner.tasks.insert(id, (task, state));
    }

    /// Only this one: another of the same name may have come.
    pub fn leave(&self, task: &Arc<CameraTask>) {
        let mut inner = self.held();
        if inner.tasks.get(&task.id).is_some_and(|(known, _)| Arc::ptr_eq(known, task)) {
            inner.tasks.remove(&task.id);
            inner.queues.iter_mut().for_each(|queue| queue.retain(|id| *id != task.id));
        }
    }

    pub fn of(&self, id: &SourceId) -> Option<Arc<CameraTask>> {
        self.held().tasks.get(id).map(|(task, _)| task.clone())
    }

    /// It has something to do.
    pub(super) fn ask(&self, id: &SourceId) {
        let mut inner = self.held();
        let Some((task, state)) = inner.tasks.get_mut(id) else { return };
        match *state {
            RunState::Idle => {
                *state = RunState::Queued;
                let task = task.clone();
                inner.queue(&task);
                drop(inner);
                self.filled.notify_one();
            }
            RunState::Running => *state = RunState::RunAgain,
            RunState::Queued | RunState::RunAgain => {}
        }
    }

    /// The next in turn; None when nobody asked in `patience`.
    pub(super) fn take(&self, patience: Duration) -> Option<Arc<CameraTask>> {
        let (mut inner, _) = self
            .filled
            .wait_timeout_while(self.held(), patience, |inner| inner.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let id = inner.next()?;
        let (task, state) = inner.tasks.get_mut(&id)?;
        *state = RunState::Running;
        Some(task.clone())
    }

    /// Its turn is over; `more`: it has not finished.
    pub(super) fn done(&self, task: &Arc<CameraTask>, more: bool) {
        let mut inner = self.held();
        let id = &task.id;
        if let Some((known, state)) = inner.tasks.get_mut(id)
            && Arc::ptr_eq(known, task)
        {
            let again = more || *state == RunState::RunAgain;
            *state = if again { RunState::Queued } else { RunState::Idle };
            if again {
                inner.queue(task);
                self.filled.notify_one();
            }
        }
        drop(inner);
        self.rested.notify_all();
    }

    /// Waits until this one has nothing to do, or left; false after `patience`.
    pub(super) fn wait_idle(&self, id: &SourceId, patience: Duration) -> bool {
        let busy = |inner: &mut Inner| {
            inner.tasks.get(id).is_some_and(|(_, state)| *state != RunState::Idle)
        };
        let waited = self
            .rested
            .wait_timeout_while(self.held(), patience, busy)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }

    fn held(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

#[cfg(test)]
#[path = "tests_scheduler.rs"]
mod tests;
