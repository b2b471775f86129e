//! The cameras' own events: a listening task for each camera that has them, started and stopped as cameras are.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::shared::Shared;
use crate::{
    base::Task,
    config::Config,
    domain::{Metric, SourceId},
    sources::{camera, onvif::Listener},
};

/// What a listener was started with; another one needs another listener. No `Debug`: passwords may
/// be in it.
#[derive(PartialEq)]
struct ListenerKey {
    onvif: String,
    url: String,
    username: Option<String>,
    password_file: Option<PathBuf>,
}

impl ListenerKey {
    fn of(camera: &camera::Config) -> Option<Self> {
        Some(Self {
            onvif: camera.onvif.clone()?,
            url: camera.url.clone(),
            username: camera.username.clone(),
            password_file: camera.password_file.clone(),
        })
    }
}

/// Owns the ONVIF event listeners of all cameras.
#[derive(Default)]
pub(super) struct CameraEvents {
    listeners: BTreeMap<SourceId, (ListenerKey, Task)>,
}

impl CameraEvents {
    /// Starts and stops the listeners of `config` that differ from what runs; at the start, all of them.
    pub(super) fn change(&mut self, shared: &Shared, config: &Config) {
        let wanted = |id: &SourceId| {
            let camera = config.cameras.iter().find(|camera| camera.id == id.as_str())?;
            ListenerKey::of(camera)
        };
        self.listeners.retain(|id, (key, task)| {
            let stays = wanted(id).is_some_and(|wanted| wanted == *key);
            if !stays {
                task.stop();
                shared.registry.forget(&[Metric::CameraEventsUp], id.as_str());
            }
            stays
        });
        for camera in &config.cameras {
            let id = SourceId::from(camera.id.as_str());
            if let Some(key) = wanted(&id)
                && !self.listeners.contains_key(&id)
            {
                self.listeners.insert(id.clone(), (key, start(shared, camera, id)));
            }
        }
    }

    /// Tells all to stop, and does not wait.
    pub(super) fn stop(&self) {
        self.listeners.values().for_each(|(_, task)| task.stop());
    }

    /// Waits until all have unsubscribed, or so long.
    pub(super) async fn closed(&self, within: Duration) {
        let finished = || self.listeners.values().all(|(_, task)| task.is_finished());
        Task::all_finished(finished, within).await;
    }
}

fn start(shared: &Shared, camera: &camera::Config, id: SourceId) -> Task {
    let (wakes, of) = (shared.wakes.clone(), id.clone());
    let listener = Listener {
        camera: id,
        config: camera.clone(),
        clock: shared.clock.clone(),
        meter: shared.registry.clone(),
        moves: Box::new(move || wakes.moves(&of)),
    };
    Task::start(|stop| listener.run(stop))
}
