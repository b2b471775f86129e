//! The latest picture of each camera in little: decoded when somebody asks, at most once a second a camera.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::Semaphore;

use crate::{
    base::lock,
    camera::CameraFeeds,
    console::{DeskRefusal, StillPicture},
    domain::SourceId,
    media::key_still,
};

/// A still that is younger is given again.
const FRESH_MS: u64 = 1_000;
/// All cameras together have one decoded at a time: looks go on beside it.
static DECODED: Semaphore = Semaphore::const_new(1);

/// Of all cameras.
#[derive(Clone, Default)]
pub(super) struct CameraStills(Arc<Mutex<HashMap<SourceId, Arc<CameraStill>>>>);

struct CameraStill {
    /// With the time on our own clock at which it was made.
    latest: Mutex<Option<(u64, StillPicture)>>,
    /// Who comes while one is made waits for that one.
    turn: Arc<Semaphore>,
}

impl CameraStill {
    fn fresh(&self, mono_ms: u64) -> Option<StillPicture> {
        let latest = lock(&self.latest);
        let (made_ms, still) = latest.as_ref()?;
        (mono_ms.saturating_sub(*made_ms) < FRESH_MS).then(|| still.clone())
    }
}

impl CameraStills {
    /// Its newest key frame, of the sub-stream where there is one that has it. `black`: in which nothing
    /// may be seen.
    pub(super) async fn of(
        &self,
        id: &SourceId,
        feeds: &CameraFeeds,
        black: Vec<Vec<[f32; 2]>>,
        mono_ms: impl Fn() -> u64,
    ) -> Result<StillPicture, DeskRefusal> {
        let new = || CameraStill { latest: Mutex::default(), turn: Arc::new(Semaphore::new(1)) };
        let own = lock(&self.0).entry(id.clone()).or_insert_with(|| new().into()).clone();
        if let Some(still) = own.fresh(mono_ms()) {
            return Ok(still);
        }
        let turn = own.turn.clone().acquire_owned().await;
        if let Some(still) = own.fresh(mono_ms()) {
            return Ok(still);
        }
        let one = DECODED.acquire().await;
        let packet = feeds.of(true).key_frame().or_else(|| feeds.main.key_frame());
        let Some(packet) = packet else {
            return Err(DeskRefusal::NotNow("no key frame of it has come yet".into()));
        };
        // Both turns end with the work, and its picture is kept, also where nobody waits for it any more.
        let made_ms = mono_ms();
        let work = move || {
            let (_turn, _one) = (turn, one);
            let still = key_still(&packet, &black)?;
            let still = StillPicture { jpeg: still.jpeg.into(), at: still.at };
            *lock(&own.latest) = Some((made_ms, still.clone()));
            Ok(still)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(made) => made.map_err(DeskRefusal::NotNow),
            Err(_) => Err(DeskRefusal::NotNow("it could not be decoded (see the log)".into())),
        }
    }

    /// Cameras that are gone are forgotten.
    pub(super) fn keep(&self, is_there: impl Fn(&SourceId) -> bool) {
        lock(&self.0).retain(|id, _| is_there(id));
    }
}
