//! Whose turn it is: cameras with something to decode, in the order they asked, for few workers.
//!
//! Cameras that are awake get at least every third turn. So on an overloaded box a person who is
//! followed is not lost behind the many cameras that only look now and then, and those are still
//! looked at.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::sampler::{Nudges, Sampler};
use crate::{
    base::lock,
    domain::{LookArea, LookFeedback, SourceId},
};

/// One camera as the workers have it: its sampler, and what others have left for the next step.
pub struct CameraTask {
    /// The camera.
    pub(super) id: SourceId,
    /// A panic while it is locked poisons it: then the reading thread replaces the task.
    pub(super) sampler: Mutex<Sampler>,
    /// It wants to know of each packet, not of key frames alone.
    pub(super) eager: AtomicBool,
    /// It decodes everything.
    pub(super) awake: AtomicBool,
    /// What vision answered, until the sampler's next step. The newest answer counts, but one that
    /// reports somebody new is not replaced by one that does not.
    answers: Mutex<Option<(jiff::Timestamp, LookFeedback)>>,
    /// Who asked it to wake, until the sampler's next step; asking twice is asking once.
    nudges: Mutex<Nudges>,
    /// Another area, until the sampler's next step.
    area: Mutex<Option<Option<Arc<LookArea>>>>,
}

impl CameraTask {
    /// A task that has nothing to do yet.
    pub(super) fn new(id: SourceId, sampler: Sampler) -> Arc<Self> {
        Arc::new(Self {
            id,
            sampler: Mutex::new(sampler),
            eager: AtomicBool::new(false),
            awake: AtomicBool::new(false),
            answers: Mutex::default(),
            nudges: Mutex::default(),
            area: Mutex::default(),
        })
    }

    /// What vision answered to the look of this time.
    pub(super) fn answer(&self, at: jiff::Timestamp, feedback: LookFeedback) {
        let mut answers = lock(&self.answers);
        let keeps = answers.is_some_and(|(_, before)| before.somebody_new);
        if !keeps || feedback.somebody_new {
            *answers = Some((at, feedback));
        }
    }

    /// Somebody asks it to wake.
    pub(super) fn nudge(&self, nudges: Nudges) {
        lock(&self.nudges).join(nudges);
    }

    /// Who asked it to wake since this was last called.
    pub(super) fn take_nudges(&self) -> Nudges {
        std::mem::take(&mut *lock(&self.nudges))
    }

    /// Somebody is to be found here alone; nobody said so: anywhere.
    fn look_where(&self, area: Option<Arc<LookArea>>) {
        *lock(&self.area) = Some(area);
    }

    /// Where somebody is to be found, if that was said since this was last called.
    pub(super) fn take_area(&self) -> Option<Option<Arc<LookArea>>> {
        lock(&self.area).take()
    }

    /// What vision answered since this was last called.
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

/// While both kinds wait, so many turns of sleeping cameras come to one of a camera that is awake.
/// All turns are equally long.
const ASLEEP_TURNS: usize = 2;

/// Where somebody is to be found, by camera.
pub type LookAreas = HashMap<SourceId, Arc<LookArea>>;

#[derive(Default)]
struct Inner {
    tasks: BTreeMap<SourceId, (Arc<CameraTask>, RunState)>,
    /// Cameras that wait: those that sleep, and those that are awake. Each is in one of them, once.
    queues: [VecDeque<SourceId>; 2],
    /// Where somebody is to be found, by camera; one that is not here is looked at as a whole.
    areas: LookAreas,
    /// Turns of sleeping cameras since the last one of a camera that is awake.
    asleep_turns: usize,
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
        if asleep.is_empty() || self.asleep_turns >= ASLEEP_TURNS && !awake.is_empty() {
            self.asleep_turns = 0;
            return awake.pop_front();
        }
        self.asleep_turns += 1;
        asleep.pop_front()
    }
}

/// A fair run queue. Each camera is in it at most once (P11), and with one worker at a time.
#[derive(Default)]
pub struct Scheduler {
    inner: Mutex<Inner>,
    filled: Condvar,
    /// A turn has ended.
    turn_ended: Condvar,
}

impl Scheduler {
    /// Adds a task, or puts it in the place of an older one of the same camera.
    pub(super) fn join(&self, task: Arc<CameraTask>) {
        let mut inner = self.locked();
        let id = task.id.clone();
        task.look_where(inner.areas.get(&id).cloned());
        // Where another of the same name waits for its turn, this one takes that turn, so that no
        // camera is in the queue twice.
        let waits = inner.tasks.get(&id).is_some_and(|(_, state)| *state == RunState::Queued);
        let state = if waits { RunState::Queued } else { RunState::Idle };
        inner.tasks.insert(id, (task, state));
    }

    /// Somebody is to be found in these areas alone; cameras that are not named are looked at as a whole.
    pub fn look_where(&self, areas: LookAreas) {
        let mut inner = self.locked();
        for (id, (task, _)) in &inner.tasks {
            task.look_where(areas.get(id).cloned());
        }
        inner.areas = areas;
    }

    /// Removes this task, and not another of the same name that may have come since.
    pub fn leave(&self, task: &Arc<CameraTask>) {
        let mut inner = self.locked();
        if inner.tasks.get(&task.id).is_some_and(|(current, _)| Arc::ptr_eq(current, task)) {
            inner.tasks.remove(&task.id);
            inner.queues.iter_mut().for_each(|queue| queue.retain(|id| *id != task.id));
        }
    }

    /// The task of this camera, if it has one.
    pub fn of(&self, id: &SourceId) -> Option<Arc<CameraTask>> {
        self.locked().tasks.get(id).map(|(task, _)| task.clone())
    }

    /// The camera has something to decode: it is queued, unless it is already.
    pub(super) fn ask(&self, id: &SourceId) {
        let mut inner = self.locked();
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

    /// The next task in turn; `None` when no camera asked within `patience`.
    pub(super) fn take(&self, patience: Duration) -> Option<Arc<CameraTask>> {
        let (mut inner, _) = self
            .filled
            .wait_timeout_while(self.locked(), patience, |inner| inner.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let id = inner.next()?;
        let (task, state) = inner.tasks.get_mut(&id)?;
        *state = RunState::Running;
        Some(task.clone())
    }

    /// The turn of this task is over; `more`: it has not finished and is queued again.
    pub(super) fn done(&self, task: &Arc<CameraTask>, more: bool) {
        let mut inner = self.locked();
        let id = &task.id;
        if let Some((current, state)) = inner.tasks.get_mut(id)
            && Arc::ptr_eq(current, task)
        {
            let again = more || *state == RunState::RunAgain;
            *state = if again { RunState::Queued } else { RunState::Idle };
            if again {
                inner.queue(task);
                self.filled.notify_one();
            }
        }
        drop(inner);
        self.turn_ended.notify_all();
    }

    /// Waits until this one has nothing to do, or left; false after `patience`.
    pub(super) fn wait_idle(&self, id: &SourceId, patience: Duration) -> bool {
        let busy = |inner: &mut Inner| {
            inner.tasks.get(id).is_some_and(|(_, state)| *state != RunState::Idle)
        };
        let waited = self
            .turn_ended
            .wait_timeout_while(self.locked(), patience, busy)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

#[cfg(test)]
#[path = "tests_scheduler.rs"]
mod tests;
