//! The drones' threads: each starts, changes and leaves on its own, as cameras do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use super::{Slots, drone::Drone, exhibits::Rings, eyes, report::Reporter, topology::Shared};
use crate::{
    config::{Config, Difference},
    domain::{Metric, SourceId, StopFlag},
    media::Ring,
    sources::drone,
};

struct Running {
    stop: StopFlag,
    thread: JoinHandle<()>,
    ring: Arc<Mutex<Ring>>,
}

/// Owns them; slots and rings are those of the cameras.
#[derive(Default)]
pub(super) struct Drones {
    running: BTreeMap<SourceId, Running>,
}

impl Drones {
    /// Those of `config` that differ from what runs; at the start, all of them.
    pub(super) fn change(
        &mut self,
        shared: &Shared,
        (slots, rings): (&Arc<Slots>, &Rings),
        config: &Config,
        difference: Option<&Difference>,
    ) -> Result<(), String> {
        for item in difference.iter().flat_map(|all| all.of("drone")) {
            let fed = |drone: &drone::Config| drone.id == item.id && drone.has_feed();
            if !config.drones.iter().any(fed) {
                self.remove(shared, slots, rings, &item.id.as_str().into());
            }
        }
        for drone in config.drones.iter().filter(|drone| drone.has_feed()) {
            let differs = |all: &Difference| all.of("drone").any(|item| item.id == drone.id);
            if difference.is_none_or(differs) {
                let before = self.running.remove(&drone.id.as_str().into());
                self.start(shared, slots, rings, drone, before)?;
            }
        }
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.running.values().for_each(|running| running.stop.raise());
    }

    /// Whether all have come to their end.
    pub(super) fn are_over(&self) -> bool {
        self.running.values().all(|running| running.thread.is_finished())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// After another session of the same drone, when that has ended: a port has one listener.
    fn start(
        &mut self,
        shared: &Shared,
        slots: &Arc<Slots>,
        rings: &Rings,
        config: &drone::Config,
        before: Option<Running>,
    ) -> Result<(), String> {
        let id = SourceId::from(config.id.as_str());
        let ring = match &before {
            Some(before) => before.ring.clone(),
            None => eyes::clip_ring(
                config.pre_roll_s,
                config.post_roll_s,
                config.clip_max_s,
                config.ring_max_bytes,
            ),
        };
        let mut all = rings.lock().expect("no panic while the rings are held");
        all.insert(id.clone(), (ring.clone(), config.pre_roll_s));
        drop(all);
        slots.join(&id);
        let stop = StopFlag::default();
        let drone = Drone {
            id: id.clone(),
            config: config.clone(),
            ring: ring.clone(),
            slots: slots.clone(),
            clock: shared.clock.clone(),
            meter: shared.registry.clone(),
            stop: stop.clone(),
            report: Reporter { envelopes: shared.envelopes.clone(), clock: shared.clock.clone() },
            progress: shared.progress.clone(),
        };
        let name = format!("uav-{id}");
        let thread = thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                if let Some(before) = before {
                    before.stop.raise();
                    let _ = before.thread.join();
                }
                drone.run();
            })
            .map_err(|error| format!("thread {name} cannot start: {error}"))?;
        self.running.insert(id, Running { stop, thread, ring });
        Ok(())
    }

    /// Its packets go with it: a clip that was still to be cut says that there are none.
    fn remove(&mut self, shared: &Shared, slots: &Slots, rings: &Rings, id: &SourceId) {
        let Some(Running { stop, .. }) = self.running.remove(id) else { return };
        stop.raise();
        slots.leave(id);
        shared.registry.forget(&[Metric::CameraUp, Metric::RingBytes], id.as_str());
        rings.lock().expect("no panic while the rings are held").remove(id);
    }
}
