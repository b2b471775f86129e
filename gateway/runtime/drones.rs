//! The drones' threads: each starts, changes and leaves on its own, as cameras do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::shared::Shared;
use crate::{
    base::{ThreadGroup, lock},
    camera::{DetectQueue, Drone, Rings, clip_ring},
    config::{Config, Difference},
    domain::{Metric, SourceId},
    media::Ring,
    sources::drone,
};

struct DroneThread {
    thread: ThreadGroup,
    ring: Arc<Mutex<Ring>>,
}

/// Owns the threads of all drones; queue and rings are shared with the cameras.
#[derive(Default)]
pub(super) struct Drones {
    threads: BTreeMap<SourceId, DroneThread>,
}

impl Drones {
    /// Starts and stops the drones of `config` that differ from what runs; at the start, all of them.
    pub(super) fn change(
        &mut self,
        shared: &Shared,
        (queue, rings): (&Arc<DetectQueue>, &Rings),
        config: &Config,
        difference: Option<&Difference>,
    ) -> Result<(), String> {
        for item in difference.iter().flat_map(|all| all.of("drone")) {
            let fed = |drone: &drone::Config| drone.id == item.id && drone.has_feed();
            if !config.drones.iter().any(fed) {
                self.remove(shared, queue, rings, &item.id.as_str().into());
            }
        }
        for drone in config.drones.iter().filter(|drone| drone.has_feed()) {
            let differs = |all: &Difference| all.of("drone").any(|item| item.id == drone.id);
            if difference.is_none_or(differs) {
                let before = self.threads.remove(&drone.id.as_str().into());
                self.start(shared, queue, rings, drone, before)?;
            }
        }
        Ok(())
    }

    /// Tells all threads to stop, and does not wait.
    pub(super) fn stop(&self) {
        self.threads.values().for_each(|one| one.thread.stop());
    }

    /// Whether all have come to their end.
    pub(super) fn are_over(&self) -> bool {
        self.threads.values().all(|one| one.thread.is_finished())
    }

    /// Whether no drone is configured.
    pub(super) fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Starts a drone. In place of an older session it begins when that has ended: a port has one
    /// listener.
    fn start(
        &mut self,
        shared: &Shared,
        queue: &Arc<DetectQueue>,
        rings: &Rings,
        config: &drone::Config,
        before: Option<DroneThread>,
    ) -> Result<(), String> {
        let id = SourceId::from(config.id.as_str());
        let ring = match &before {
            Some(before) => before.ring.clone(),
            None => clip_ring(
                config.pre_roll_s + config.clip_max_s + config.post_roll_s,
                config.ring_max_bytes,
            ),
        };
        lock(rings).insert(id.clone(), (ring.clone(), config.pre_roll_s));
        queue.join(&id);
        let mut thread = ThreadGroup::default();
        let drone = Drone {
            id: id.clone(),
            config: config.clone(),
            ring: ring.clone(),
            queue: queue.clone(),
            clock: shared.clock.clone(),
            meter: shared.registry.clone(),
            stop: thread.stop.clone(),
            report: shared.reporter(),
            progress: shared.progress.clone(),
        };
        thread.spawn(&format!("uav-{id}"), move || {
            if let Some(before) = before {
                before.thread.end();
            }
            drone.run();
        })?;
        self.threads.insert(id, DroneThread { thread, ring });
        Ok(())
    }

    /// Stops a drone; its packets are dropped, so a clip that was still to be cut fails.
    fn remove(&mut self, shared: &Shared, queue: &DetectQueue, rings: &Rings, id: &SourceId) {
        let Some(DroneThread { thread, .. }) = self.threads.remove(id) else { return };
        thread.stop();
        queue.leave(id);
        shared
            .registry
            .forget(&[Metric::CameraUp, Metric::CameraQueue, Metric::RingBytes], id.as_str());
        lock(rings).remove(id);
    }
}
