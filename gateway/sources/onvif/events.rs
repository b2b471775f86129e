//! A camera's own motion events (ONVIF), pulled for ever and never in the way of its video.
//!
//! First its clock is read (a token must be in the camera's time), then the address of its events,
//! then a subscription is made and pulled from: each pull waits at the camera until there is
//! something. After an error all begins anew with a back-off; a camera without events is asked again
//! now and then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use url::Url;

use super::{
    Failure,
    link::{ANSWER_WITHIN, Link},
    motion::Motion,
    read::{self, Point},
    soap::SoapRequest,
};
use crate::{
    domain::{Clock, Meter, Metric, SourceId},
    sources::camera,
    wire::backoff::backoff,
};

const FIRST_MS: u64 = 500;
/// A camera that has no events may get them with its next firmware.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// How long a pull waits at the camera.
const PULL_S: u64 = 20;
/// The camera ends a subscription that nobody pulls from after so long.
const LIVES_S: u64 = 60;
const RENEW_AFTER: Duration = Duration::from_secs(LIVES_S / 2);
/// Notices of one pull.
const PULL_NOTICES_MAX: usize = 32;
/// Some cameras answer at once, with their whole log: pulls are not closer together than this.
const PULL_EVERY: Duration = Duration::from_millis(200);
/// The goodbye must not hold up a stop.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
const WSDL: &str = "http://www.onvif.org/ver10/events/wsdl";

/// Listens to one camera.
pub struct Listener {
    pub camera: SourceId,
    pub config: camera::Config,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
    /// Something begins to move; must not block.
    pub moves: Box<dyn Fn() + Send + Sync>,
}

/// A subscription that the camera still holds.
struct Held {
    link: Link,
    point: Url,
    headers: String,
}

impl Listener {
    /// Until stopped; then it unsubscribes from the camera.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let id = self.camera.as_str();
        let (mut tries, mut told) = (0, None);
        self.meter.set(Metric::CameraEventsUp, id, 0.0);
        loop {
            let (mut held, mut works) = (None, false);
            let failure = tokio::select! {
                failure = self.session(&mut held, &mut works) => failure,
                () = stopped(&mut stop) => {
                    goodbye(held).await;
                    return;
                }
            };
            self.meter.set(Metric::CameraEventsUp, id, 0.0);
            self.meter.add(Metric::CameraEventFailures, id, 1);
            if works {
                (tries, told) = (0, None);
            }
            // Each kind of trouble once, until it is another or events came in between.
            let kind = std::mem::discriminant(&failure);
            if told.replace(kind) != Some(kind) {
                tracing::warn!(
                    camera = id,
                    reason = %failure,
                    "camera: its events (onvif) are not heard; trying again, its video goes on"
                );
            }
            let wait = match failure {
                Failure::NoEvents => ASK_AGAIN_AFTER,
                _ => backoff(FIRST_MS, tries),
            };
            tries = tries.saturating_add(1);
            let waited = tokio::time::timeout(wait, stopped(&mut stop)).await;
            if waited.is_ok() {
                return;
            }
        }
    }

    /// One subscription to its end.
    async fn session(&self, held: &mut Option<Held>, works: &mut bool) -> Failure {
        match self.subscribe().await {
            Ok(new) => self.pull_on(held.insert(new), works).await,
            Err(failure) => failure,
        }
    }

    async fn subscribe(&self) -> Result<Held, Failure> {
        let mut link = Link::of(&self.config, &self.clock)?;
        link.set_clock().await?;
        let address = events_address(&mut link).await?;
        let body = format!(
            "<CreatePullPointSubscription xmlns=\"{WSDL}\"><InitialTerminationTime>PT{LIVES_S}S</InitialTerminationTime></CreatePullPointSubscription>"
        );
        let action = "http://www.onvif.org/ver10/events/wsdl/EventPortType/CreatePullPointSubscriptionRequest";
        let answer = link.ask(&address, &SoapRequest::new(action, body), ANSWER_WITHIN).await?;
        let tree = read::parse(&answer).map_err(Failure::Broken)?;
        let Some(Point { address, headers }) = read::subscription(&tree) else {
            let expected = "expected a SubscriptionReference with an Address";
            return Err(Failure::Broken(format!("CreatePullPointSubscription: {expected}")));
        };
        let point = link.reach(&address)?;
        Ok(Held { link, point, headers })
    }

    /// Pulls for as long as the subscription lasts.
    async fn pull_on(&self, held: &mut Held, works: &mut bool) -> Failure {
        let id = self.camera.as_str();
        let mut motion = Motion::default();
        let (mut renewed_at, mut renews) = (Instant::now(), true);
        loop {
            let pulled_at = Instant::now();
            let answer = match held.pull().await {
                Ok(answer) => answer,
                Err(failure) => return failure,
            };
            let notices = match read::parse(&answer) {
                Ok(tree) => read::notices(&tree),
                Err(reason) => return Failure::Broken(reason),
            };
            if !std::mem::replace(works, true) {
                tracing::info!(camera = id, "camera: its events (onvif) are heard");
                self.meter.set(Metric::CameraEventsUp, id, 1.0);
            }
            let now_ms = self.clock.now().mono_ms;
            // All of them: each says how its thing stands now.
            let begun =
                notices.into_iter().filter_map(|one| motion.take(one, now_ms).then_some(()));
            let begun = begun.count() as u64;
            if begun > 0 {
                self.meter.add(Metric::CameraEvents, id, begun);
                (self.moves)();
            }
            if renews && renewed_at.elapsed() >= RENEW_AFTER {
                match held.renew().await {
                    Ok(()) => renewed_at = Instant::now(),
                    // To many, a pull is as good: one that ends all the same is begun anew.
                    Err(Failure::Unknown(_) | Failure::Broken(_)) => renews = false,
                    Err(failure) => return failure,
                }
            }
            tokio::time::sleep(PULL_EVERY.saturating_sub(pulled_at.elapsed())).await;
        }
    }
}

/// Waits for the stop without holding the channel's lock.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Older cameras know GetCapabilities alone, newer ones GetServices.
async fn events_address(link: &mut Link) -> Result<Url, Failure> {
    let device = link.device().clone();
    let wsdl = "http://www.onvif.org/ver10/device/wsdl";
    let asked = [
        SoapRequest::new(
            "http://www.onvif.org/ver10/device/wsdl/GetCapabilities",
            format!(
                "<GetCapabilities xmlns=\"{wsdl}\"><Category>Events</Category></GetCapabilities>"
            ),
        ),
        SoapRequest::new(
            "http://www.onvif.org/ver10/device/wsdl/GetServices",
            format!(
                "<GetServices xmlns=\"{wsdl}\"><IncludeCapability>false</IncludeCapability></GetServices>"
            ),
        ),
    ];
    let mut last = Failure::NoEvents;
    for request in &asked {
        match link.ask(&device, request, ANSWER_WITHIN).await {
            Ok(answer) => {
                let tree = read::parse(&answer).map_err(Failure::Broken)?;
                if let Some(address) = read::events_address(&tree) {
                    return link.reach(&address);
                }
                last = Failure::NoEvents;
            }
            Err(failure @ Failure::Refused(_)) => return Err(failure),
            Err(Failure::Unknown(_)) => {}
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

impl Held {
    async fn pull(&mut self) -> Result<String, Failure> {
        let body = format!(
            "<PullMessages xmlns=\"{WSDL}\"><Timeout>PT{PULL_S}S</Timeout><MessageLimit>{PULL_NOTICES_MAX}</MessageLimit></PullMessages>"
        );
        let action =
            "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest";
        let within = Duration::from_secs(PULL_S) + ANSWER_WITHIN;
        self.ask(action, body, within).await
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        let body = format!(
            "<Renew xmlns=\"http://docs.oasis-open.org/wsn/b-2\"><TerminationTime>PT{LIVES_S}S</TerminationTime></Renew>"
        );
        let action = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest";
        self.ask(action, body, ANSWER_WITHIN).await.map(drop)
    }

    async fn ask(
        &mut self,
        action: &'static str,
        body: String,
        within: Duration,
    ) -> Result<String, Failure> {
        let mut request = SoapRequest::new(action, body);
        request.headers.clone_from(&self.headers);
        self.link.ask(&self.point, &request, within).await
    }
}

/// A camera has room for few subscriptions: one that is left behind is one less for a minute.
async fn goodbye(held: Option<Held>) {
    let Some(mut held) = held else { return };
    let body = "<Unsubscribe xmlns=\"http://docs.oasis-open.org/wsn/b-2\"/>".to_owned();
    let action = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest";
    let _ = tokio::time::timeout(GOODBYE_WITHIN, held.ask(action, body, GOODBYE_WITHIN)).await;
}
