//! The cameras' own events: a listening task for each camera that has them, started and stopped as cameras are.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::topology::Shared;
use crate::{
    config::Config,
    domain::{Metric, SourceId},
    sources::{camera, onvif::Listener},
};

/// What a task was started with; another is another task. No `Debug`: passwords may be in it.
#[derive(PartialEq)]
struct Told {
    onvif: String,
    url: String,
    username: Option<String>,
    password_file: Option<PathBuf>,
}

struct Running {
    told: Told,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Owns the tasks.
#[derive(Default)]
pub(super) struct Ears {
    running: BTreeMap<SourceId, Running>,
}

impl Ears {
    /// Those of `config` that differ from what runs; at the start, all of them.
    pub(super) fn change(&mut self, shared: &Shared, config: &Config) {
        let told = |id: &SourceId| {
            let camera = config.cameras.iter().find(|camera| camera.id == id.as_str())?;
            told(camera)
        };
        self.running.retain(|id, running| {
            let stays = told(id).is_some_and(|told| told == running.told);
            if !stays {
                let _ = running.stop.send(true);
                shared.registry.forget(&[Metric::CameraEventsUp], id.as_str());
            }
            stays
        });
        for camera in &config.cameras {
            let id = SourceId::from(camera.id.as_str());
            if let Some(told) = told(&id)
                && !self.running.contains_key(&id)
            {
                self.running.insert(id.clone(), start(shared, camera, id, told));
            }
        }
    }

    pub(super) fn stop(&self) {
        for running in self.running.values() {
            let _ = running.stop.send(true);
        }
    }

    /// Waits until all have taken leave, or so long.
    pub(super) async fn closed(&self, within: Duration) {
        let over = async {
            while !self.running.values().all(|running| running.task.is_finished()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(within, over).await;
    }
}

fn told(camera: &camera::Config) -> Option<Told> {
    Some(Told {
        onvif: camera.onvif.clone()?,
        url: camera.url.clone(),
        username: camera.username.clone(),
        password_file: camera.password_file.clone(),
    })
}

fn start(shared: &Shared, camera: &camera::Config, id: SourceId, told: Told) -> Running {
    let (wakes, of) = (shared.wakes.clone(), id.clone());
    let listener = Listener {
        camera: id,
        config: camera.clone(),
        clock: shared.clock.clone(),
        meter: shared.registry.clone(),
        moves: Box::new(move || wakes.moves(&of)),
    };
    let (stop, stopped) = watch::channel(false);
    Running { told, stop, task: tokio::spawn(listener.run(stopped)) }
}
