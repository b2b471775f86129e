//! The doors of the web listener through which districts' platforms push their replies, by sink.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use crate::{
    base::{Readiness, lock},
    console::{PlatformAnswer, PlatformDoor},
    domain::{Meter, SinkId},
    sinks::{CaseMaps, NotStored, PlatformReplies, Pushed},
};

/// A door through which one platform pushes.
struct OpenDoor {
    door: PlatformDoor,
    replies: PlatformReplies,
}

/// All doors that are open.
pub(super) struct Platforms {
    /// Which cases there are which incidents.
    pub(super) case_maps: CaseMaps,
    doors: Mutex<BTreeMap<SinkId, Arc<OpenDoor>>>,
}

impl Platforms {
    /// Of this data folder; no door is open yet.
    pub(super) fn at(data: &Path, meter: Arc<dyn Meter>, readiness: Readiness) -> Arc<Self> {
        let case_maps = CaseMaps::new(data, meter, readiness);
        Arc::new(Self { case_maps, doors: Mutex::default() })
    }

    /// What the platform of this sink must show.
    pub(super) fn door(&self, id: &str) -> Option<PlatformDoor> {
        lock(&self.doors).get(&SinkId::from(id)).map(|open| open.door.clone())
    }

    /// Takes what was pushed for this sink.
    pub(super) async fn pushed(&self, id: &str, body: &[u8]) -> PlatformAnswer {
        let open = lock(&self.doors).get(&SinkId::from(id)).cloned();
        let Some(open) = open else { return PlatformAnswer::Later };
        match open.replies.pushed(body).await {
            Ok(Pushed::Answered(answer)) => PlatformAnswer::Taken(answer),
            Ok(Pushed::Unreadable(reason)) => PlatformAnswer::Unreadable(reason),
            Err(NotStored) => PlatformAnswer::Later,
        }
    }

    /// Opens the door of this sink.
    pub(super) fn open(&self, sink: &SinkId, door: PlatformDoor, replies: PlatformReplies) {
        lock(&self.doors).insert(sink.clone(), Arc::new(OpenDoor { door, replies }));
    }

    /// Closes the door of this sink.
    pub(super) fn close(&self, sink: &SinkId) {
        lock(&self.doors).remove(sink);
    }
}
