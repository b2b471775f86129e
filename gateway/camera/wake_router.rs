//! Which cameras are woken from outside, and how often at most: by presses and by neighbours.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jiff::{SignedDuration, Timestamp};

use super::{sampler::Nudges, scheduler::Scheduler};
use crate::{
    base::lock,
    domain::{Meter, Metric, SourceId, label_pair},
};

/// Two neighbours wake each other, in whichever direction, at most once in so long: with what a
/// neighbour's wake costs, a quarter of the time at the very most.
const PAIR_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// Who wakes whom; pure, on the pictures' own time, so that a replay wakes as the live camera does.
#[derive(Default)]
pub struct WakePlan {
    /// Cameras near each button.
    presses: HashMap<SourceId, Vec<SourceId>>,
    /// Neighbours of each camera.
    neighbours: HashMap<SourceId, Vec<SourceId>>,
    /// When two neighbours last woke each other, the smaller id first; at most one each of the
    /// configured pairs (P11).
    pairs: HashMap<(SourceId, SourceId), Timestamp>,
}

impl WakePlan {
    /// `presses`: cameras near each button; `neighbours`: cameras near each camera.
    pub fn new(
        presses: HashMap<SourceId, Vec<SourceId>>,
        neighbours: HashMap<SourceId, Vec<SourceId>>,
    ) -> Self {
        Self { presses, neighbours, pairs: HashMap::new() }
    }

    /// Another configuration; what was woken a moment ago is not woken anew for it.
    pub fn replace(&mut self, new: Self) {
        let pairs = std::mem::take(&mut self.pairs);
        *self = new;
        self.pairs = pairs;
        let Self { pairs, neighbours, .. } = self;
        let wakes = |one: &SourceId, other: &SourceId| {
            neighbours.get(one).is_some_and(|named| named.contains(other))
        };
        pairs.retain(|(one, other), _| wakes(one, other) || wakes(other, one));
    }

    /// Cameras that this button wakes.
    pub fn pressed(&self, button: &SourceId) -> Vec<SourceId> {
        self.presses.get(button).cloned().unwrap_or_default()
    }

    /// Neighbours to wake now that this camera sees somebody.
    pub fn found(&mut self, camera: &SourceId, at: Timestamp) -> Vec<SourceId> {
        let Some(neighbours) = self.neighbours.get(camera) else { return Vec::new() };
        let pairs = &mut self.pairs;
        let due = |other: &&SourceId| {
            let (one, two) = (camera.min(other), camera.max(other));
            let pair = (one.clone(), two.clone());
            let due = pairs.get(&pair).is_none_or(|last| {
                // A clock that stepped back must not keep them apart.
                let since = at.duration_since(*last);
                since >= PAIR_EVERY || since <= -PAIR_EVERY
            });
            if due {
                pairs.insert(pair, at);
            }
            due
        };
        neighbours.iter().filter(due).cloned().collect()
    }
}

/// The running gateway's: from the junction, the detector and the cameras' own events to the
/// cameras' mailboxes. Nothing here waits.
pub struct WakeRouter {
    /// The cameras that have a stream.
    pub scheduler: Arc<Scheduler>,
    plan: Mutex<WakePlan>,
    meter: Arc<dyn Meter>,
}

impl WakeRouter {
    /// Routes by this plan; `meter` counts wakes by cause.
    pub fn new(plan: WakePlan, meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Self { scheduler: Arc::default(), plan: Mutex::new(plan), meter })
    }

    /// Another configuration.
    pub fn replace(&self, plan: WakePlan) {
        lock(&self.plan).replace(plan);
    }

    /// This button was pressed: the cameras near it wake.
    pub fn pressed(&self, button: &SourceId) {
        let cameras = lock(&self.plan).pressed(button);
        cameras.iter().for_each(|camera| self.nudge(camera, Nudges::PRESS, "press"));
    }

    /// This camera sees somebody: its neighbours wake.
    pub fn found(&self, camera: &SourceId, at: Timestamp) {
        let neighbours = lock(&self.plan).found(camera, at);
        neighbours.iter().for_each(|other| self.nudge(other, Nudges::NEIGHBOUR, "neighbour"));
    }

    /// This camera says that something moves in its own picture.
    pub fn moves(&self, camera: &SourceId) {
        self.nudge(camera, Nudges::EVENT, "event");
    }

    fn nudge(&self, camera: &SourceId, nudges: Nudges, cause: &str) {
        // A camera without a stream cannot look.
        let Some(task) = self.scheduler.of(camera) else { return };
        self.meter.add(Metric::CameraNudges, &label_pair(camera.as_str(), cause), 1);
        task.nudge(nudges);
        self.scheduler.ask(camera);
    }
}

#[cfg(test)]
#[path = "tests_wake_router.rs"]
mod tests;
