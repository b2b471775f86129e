//! Which looks are kept in `tracks/`: those that show somebody, and the first one after that shows nobody.

use std::{collections::HashSet, sync::Arc};

use crate::{
    config::Config,
    domain::{Body, Clock, Meter, Observation, SourceId},
    store::TrackLog,
};

/// Hands looks to the log on their way to the rules.
pub(super) struct TrackFeed {
    log: TrackLog,
    /// Cameras whose latest look showed somebody.
    busy: HashSet<SourceId>,
}

impl TrackFeed {
    /// None: the configuration keeps no tracks, or the thread cannot be started, which is said.
    pub(super) fn start(
        config: &Config,
        meter: Arc<dyn Meter>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let (tracks, data) = (&config.tracks, &config.data);
        if !tracks.is_on() {
            TrackLog::remove_all(&data.path);
            return None;
        }
        match TrackLog::start(tracks, &data.path, data.min_free_bytes, meter, clock) {
            Ok(log) => Some(Self { log, busy: HashSet::new() }),
            Err(reason) => {
                tracing::warn!(reason, "tracks are not kept; nothing else depends on them");
                None
            }
        }
    }

    /// Keeps the look, if this is one.
    pub(super) fn take(&mut self, observation: &Observation) {
        let Body::Tracks(frame) = &observation.body else { return };
        let camera = &observation.source;
        let was_busy = match frame.tracks.is_empty() {
            true => self.busy.remove(camera),
            false => !self.busy.insert(camera.clone()),
        };
        if was_busy || !frame.tracks.is_empty() {
            self.log.put(camera, observation.stamp.at, &frame.tracks);
        }
    }

    /// What was handed in is written. Blocks on the disk.
    pub(super) fn close(self) {
        self.log.close();
    }
}
