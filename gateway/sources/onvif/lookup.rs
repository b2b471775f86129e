//! Where a camera's streams are: asked at the start, and again when a stream breaks off.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};

use super::{
    Failure,
    link::Link,
    media::offer,
    profiles::{Choice, choose},
};
use crate::{
    base::stopped,
    domain::{Clock, SourceId},
    sources::camera::{self, FoundStreams, StreamUrls},
    wire::backoff::backoff,
};

const FIRST_MS: u64 = 500;
/// The first wait after an answer, doubled for as long as the answer is the same and the streams break.
const AGAIN_MS: u64 = 5_000;
/// A stream that held for so long is no longer breaking.
const HOLDS_AFTER: Duration = Duration::from_secs(120);
/// All questions of one lookup, to a slow camera with dead addresses.
const LOOKUP_WITHIN: Duration = Duration::from_secs(90);

/// Asks one camera that has no `url` where its streams are.
pub struct StreamFinder {
    pub camera: SourceId,
    pub config: camera::Config,
    pub clock: Arc<dyn Clock>,
    pub urls: Arc<StreamUrls>,
    /// To whoever sets up its streams: whatever is not known yet.
    pub found: mpsc::Sender<FoundOf>,
}

/// What one finder found. Its `urls` say which finder: another may have taken its place meanwhile.
pub struct FoundOf {
    pub camera: SourceId,
    pub urls: Arc<StreamUrls>,
    pub streams: FoundStreams,
}

impl StreamFinder {
    /// Until stopped.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.find_for_ever() => {}
            () = stopped(&mut stop) => {}
        }
    }

    async fn find_for_ever(self) {
        let (mut fails, mut same, mut told) = (0_u32, 0_u32, None);
        loop {
            let found = tokio::time::timeout(LOOKUP_WITHIN, self.find()).await;
            let late = || Err(Failure::Broken(format!("no end within {LOOKUP_WITHIN:?}")));
            match found.unwrap_or_else(|_| late()) {
                Ok(streams) => {
                    (fails, told) = (0, None);
                    same = if self.urls.knows(&streams) { same.saturating_add(1) } else { 0 };
                    if same == 0 {
                        let chosen = &streams.chosen;
                        tracing::info!(camera = %self.camera, chosen, "camera: its streams (onvif) are found");
                        let (camera, urls) = (self.camera.clone(), self.urls.clone());
                        let _ = self.found.send(FoundOf { camera, urls, streams }).await;
                    }
                    tokio::time::sleep(backoff(AGAIN_MS, same)).await;
                    let lost = tokio::time::timeout(HOLDS_AFTER, self.urls.is_lost()).await;
                    if lost.is_err() {
                        same = 0;
                        self.urls.is_lost().await;
                    }
                }
                Err(failure) => {
                    let kind = std::mem::discriminant(&failure);
                    if told.replace(kind) != Some(kind) {
                        tracing::warn!(
                            camera = %self.camera,
                            reason = %failure,
                            "camera: its streams (onvif) are not found; asking again, what was found before stays"
                        );
                    }
                    self.urls.failed(failure.to_string());
                    tokio::time::sleep(backoff(FIRST_MS, fails)).await;
                    fails = fails.saturating_add(1);
                }
            }
        }
    }

    async fn find(&self) -> Result<FoundStreams, Failure> {
        let mut link = Link::of(&self.config, &self.clock)?;
        link.set_clock().await?;
        let offer = offer(&mut link).await?;
        let source = self.config.onvif_source.as_deref();
        let choice = choose(&offer.profiles, source).map_err(Failure::NoStreams)?;
        // One that the section names is not asked for.
        let given = self.config.detect_url.is_some();
        let Choice { main, sub, why } = if given { choice.without_sub() } else { choice };
        let named = self.config.onvif_credentials().map_err(Failure::Refused)?.is_some();
        let (main_url, other) = offer.stream(&mut link, &main, named).await?;
        let mut chosen = why;
        let sub = match sub {
            None => None,
            Some(sub) => match offer.stream(&mut link, &sub, named).await {
                Ok((url, _)) if url == main_url => {
                    chosen.push_str("; both have one address: looked at the main one");
                    None
                }
                Ok((url, _)) => Some(url.into()),
                Err(failure @ Failure::Refused(_)) => return Err(failure),
                Err(failure) => {
                    chosen.push_str(&format!(
                        "; its address is not had ({failure}): looked at the main one"
                    ));
                    None
                }
            },
        };
        if let Some(other) = other {
            let host = main_url.host_str().unwrap_or_default();
            chosen.push_str(&format!("; it calls itself {other}, and is reached at {host}"));
        }
        let user = self.config.onvif_own_user();
        Ok(FoundStreams { main: main_url.into(), sub, user, chosen })
    }
}
