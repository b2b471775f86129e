//! Where the streams of cameras without a `url` are: a task asks each of them, as long as it is configured.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::shared::{Shared, StreamUrlsByCamera};
use crate::{
    base::{Task, lock},
    config::Config,
    domain::SourceId,
    sources::{
        camera::{self, FoundStreams, StreamUrls},
        onvif::{FoundOf, StreamFinder},
    },
};

/// What was found and is not set up yet; a camera that has more to say waits.
const FOUND_MAX: usize = 64;

/// What a finder was started with; another one needs another finder. No `Debug`: passwords may be
/// in it.
#[derive(PartialEq)]
struct FinderKey {
    onvif: Option<String>,
    source: Option<String>,
    ca_file: Option<PathBuf>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    /// With a `detect_url` its own small stream is not asked for.
    looks_given: bool,
}

impl FinderKey {
    fn of(camera: &camera::Config) -> Option<Self> {
        camera.finds_streams().then(|| Self {
            onvif: camera.onvif.clone(),
            source: camera.onvif_source.clone(),
            ca_file: camera.onvif_ca_file.clone(),
            username: camera.username.clone(),
            password_file: camera.password_file.clone(),
            looks_given: camera.detect_url.is_some(),
        })
    }
}

/// Owns the finders of all cameras.
pub(super) struct CameraStreams {
    finders: BTreeMap<SourceId, (FinderKey, Task)>,
    urls: StreamUrlsByCamera,
    send: mpsc::Sender<FoundOf>,
    found: mpsc::Receiver<FoundOf>,
}

impl CameraStreams {
    pub(super) fn new(shared: &Shared) -> Self {
        let (send, found) = mpsc::channel(FOUND_MAX);
        Self { finders: BTreeMap::new(), urls: shared.stream_urls.clone(), send, found }
    }

    /// Starts and stops the finders of `config` that differ from what runs; at the start, all of
    /// them. Before the cameras' threads, which are set up with what is known.
    pub(super) fn change(&mut self, shared: &Shared, config: &Config) {
        let wanted = |id: &SourceId| {
            let camera = config.cameras.iter().find(|camera| camera.id == id.as_str())?;
            FinderKey::of(camera)
        };
        let mut urls = lock(&self.urls);
        self.finders.retain(|id, (key, task)| {
            let stays = wanted(id).is_some_and(|wanted| wanted == *key);
            if !stays {
                task.stop();
                urls.remove(id);
            }
            stays
        });
        for camera in &config.cameras {
            let id = SourceId::from(camera.id.as_str());
            let Some(key) = wanted(&id).filter(|_| !self.finders.contains_key(&id)) else {
                continue;
            };
            let known = Arc::<StreamUrls>::default();
            urls.insert(id.clone(), known.clone());
            let finder = StreamFinder {
                camera: id.clone(),
                config: camera.clone(),
                clock: shared.clock.clone(),
                urls: known,
                found: self.send.clone(),
            };
            self.finders.insert(id, (key, Task::start(|stop| finder.run(stop))));
        }
    }

    /// What is known of this camera's streams. One with a `url` has nothing to be known.
    pub(super) fn of(&self, id: &SourceId) -> Arc<StreamUrls> {
        lock(&self.urls).get(id).cloned().unwrap_or_default()
    }

    /// The next camera whose streams were found, and are others than before.
    pub(super) async fn next_found(&mut self) -> Option<(SourceId, FoundStreams)> {
        loop {
            let FoundOf { camera, urls, streams } = self.found.recv().await?;
            if Arc::ptr_eq(&urls, &self.of(&camera)) {
                return Some((camera, streams));
            }
        }
    }

    /// Tells all to stop, and does not wait.
    pub(super) fn stop(&self) {
        self.finders.values().for_each(|(_, task)| task.stop());
    }

    /// Waits until all have ended, or so long.
    pub(super) async fn closed(&self, within: Duration) {
        let finished = || self.finders.values().all(|(_, task)| task.is_finished());
        Task::all_finished(finished, within).await;
    }
}
