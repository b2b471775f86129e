//! A broker as a source: a lasting session, each message acknowledged after it is on disk, in order.

use std::{collections::VecDeque, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Dialects, codecs::Message, limit::Limiter, taken::taken};
use crate::{
    domain::{
        Answer, Body, Clock, DeviceReport, DeviceStatus, Envelope, Meter, Observation, Receipt,
        SiteId, Stamp,
    },
    wire::{
        backoff::backoff,
        client_tls::ClientTls,
        mqtt::{self as wire, Broker, Subscriber},
    },
};

/// The first wait between connections; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 250;
/// Messages of one broker between it and their acknowledgement. What is on its way to the disk is
/// bounded by the junction's inbox; this bounds what was set aside behind one that waits for it.
const IN_FLIGHT_MAX: usize = 10_000;
/// When as many acknowledgements wait to be sent as the client holds.
const ACKNOWLEDGE_AGAIN: Duration = Duration::from_millis(1);

/// `[[mqtt]]`: a broker that devices report to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub url: url::Url,
    /// Must stay the same for the broker to keep what came while we were away. Default
    /// `gridpost-<site>-<id>`.
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the broker's certificate, in place of the web's own
    /// (mqtts). Like the other files, read at each connection, so that it can be renewed.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate chain, where the broker asks for one (mutual TLS).
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// Default `gridpost/<site>/button/+`, `…/gauge/+`, `…/posture` and `…/reply`.
    #[serde(default)]
    pub topics: Vec<String>,
}

impl Config {
    fn tls(&self) -> ClientTls {
        ClientTls {
            ca_file: self.ca_file.clone(),
            cert_file: self.client_cert_file.clone(),
            key_file: self.client_key_file.clone(),
            web_too: false,
        }
    }

    /// What can never work: key and message.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> = self.tls().problem().into_iter().collect();
        if !["mqtt", "mqtts"].contains(&self.url.scheme()) {
            problems.push(("url", "expected mqtt://host:port or mqtts://host:port".into()));
        }
        problems
    }

    /// What would not work now, and may by the time it is needed: key and message.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings: Vec<_> = self.tls().warning().into_iter().collect();
        if let Some(path) = self.password_file.as_ref().filter(|path| !path.is_file()) {
            warnings.push(("password_file", format!("{} is not there", path.display())));
        }
        warnings
    }
}

/// Everything one broker needs.
pub struct Source {
    pub config: Config,
    pub site: SiteId,
    pub dialects: Dialects,
    pub envelopes: mpsc::Sender<Envelope>,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
}

impl Source {
    /// For ever, until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.connect_for_ever() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn connect_for_ever(&self) {
        let mut tries = 0u32;
        let mut limiter = Limiter::default();
        loop {
            let mut got = false;
            let reason = match self.session(&mut got, &mut limiter).await {
                Ok(()) => return,
                Err(reason) => reason,
            };
            tries = if got { 0 } else { tries.saturating_add(1) };
            if tries <= 1 {
                tracing::warn!(
                    broker = self.config.id,
                    reason,
                    "broker: no connection; trying for ever"
                );
            }
            if self.say(DeviceStatus::Offline).await.is_err() {
                return;
            }
            tokio::time::sleep(backoff(BACKOFF_MS_FIRST, tries)).await;
        }
    }

    /// Whether we hear it: while we do not, none of its devices is silent.
    async fn say(&self, word: DeviceStatus) -> Result<(), mpsc::error::SendError<Envelope>> {
        let via = self.config.id.clone();
        let report = DeviceReport { word, hub: true, via, ..DeviceReport::default() };
        let observation = Observation {
            source: self.config.id.as_str().into(),
            stamp: Stamp::of_gateway(self.clock.now()),
            body: Body::Device(report),
        };
        self.envelopes.send(Envelope { observation, receipt: Receipt::none() }).await
    }

    /// Ok when the gateway stops. An unstored message ends the connection without its
    /// acknowledgement, so that the broker sends it again.
    async fn session(&self, got: &mut bool, limiter: &mut Limiter) -> Result<(), String> {
        let config = &self.config;
        let broker = Broker {
            url: config.url.clone(),
            client_id: config
                .client_id
                .clone()
                .unwrap_or_else(|| format!("gridpost-{}-{}", self.site, config.id)),
            username: config.username.clone(),
            password_file: config.password_file.clone(),
            tls: config.tls(),
        };
        let topics = if config.topics.is_empty() {
            vec![
                format!("gridpost/{}/button/+", self.site),
                format!("gridpost/{}/gauge/+", self.site),
                format!("gridpost/{}/posture", self.site),
                format!("gridpost/{}/reply", self.site),
            ]
        } else {
            config.topics.clone()
        };
        let mut subscriber = Subscriber::new(&broker, &topics)?;
        subscriber.connected().await?;
        if self.say(DeviceStatus::Online).await.is_err() {
            return Ok(());
        }
        // Acknowledged in the order in which they came (MQTT-4.6.0-2), each after it is on disk.
        let acknowledger = subscriber.acknowledger();
        let mut flight: VecDeque<InFlight> = VecDeque::new();
        loop {
            let message = {
                let mut next = pin!(subscriber.next());
                let mut full = false;
                loop {
                    tokio::select! {
                        biased;
                        stored = oldest(&mut flight), if !full => {
                            if !stored {
                                return Err("a message could not be stored; the broker must send it again".into());
                            }
                            full = !flight.front().is_some_and(|one| acknowledger.acknowledge(&one.message));
                            if !full {
                                flight.pop_front();
                            }
                        }
                        () = tokio::time::sleep(ACKNOWLEDGE_AGAIN), if full => full = false,
                        message = &mut next => break message?,
                    }
                }
            };
            if flight.len() >= IN_FLIGHT_MAX {
                return Err(format!("{IN_FLIGHT_MAX} messages wait for the disk"));
            }
            *got = true;
            let read = Message {
                topic: &message.topic,
                payload: &message.payload,
                retained: message.retained,
                via: &config.id,
            };
            let now = self.clock.now();
            let mut observations =
                taken(&self.dialects, |limit| limit(limiter), &read, now, &*self.meter);
            let Some(last) = observations.pop() else {
                flight.push_back(InFlight { message, told: Told::Aside });
                continue;
            };
            let (tell, told) = oneshot::channel();
            let receipt = Receipt::new(move |answer| {
                let _ = tell.send(!matches!(answer, Answer::Lost));
            });
            flight.push_back(InFlight { message, told: Told::By(told) });
            let before = observations.into_iter().map(|one| (one, Receipt::none()));
            for (observation, receipt) in before.chain([(last, receipt)]) {
                if self.envelopes.send(Envelope { observation, receipt }).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

struct InFlight {
    message: wire::Message,
    told: Told,
}

/// Whether it is on disk.
enum Told {
    /// It was set aside by the limit: nobody has anything to say of it.
    Aside,
    By(oneshot::Receiver<bool>),
    /// Yes; it waits for its turn to be acknowledged.
    Yes,
}

/// Whether the oldest message in flight is on disk; for ever if there is none. Cancelling forgets
/// nothing.
async fn oldest(flight: &mut VecDeque<InFlight>) -> bool {
    let Some(one) = flight.front_mut() else { return std::future::pending().await };
    if let Told::By(told) = &mut one.told {
        if !told.await.unwrap_or(false) {
            return false;
        }
        one.told = Told::Yes;
    }
    true
}
