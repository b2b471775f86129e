//! A broker as a source: a lasting session, each message acknowledged after it is on disk, in order.

use std::{collections::VecDeque, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Dialects, accept::accept, codecs::Message, limit::Limiter};
use crate::{
    domain::{
        Answer, Body, Clock, DeviceReport, DeviceStatus, Envelope, Meter, Observation, Receipt,
        SiteId, Stamp,
    },
    wire::{
        backoff::backoff,
        mqtt::{self as wire, Access, Acknowledger, Broker, Subscriber},
    },
};

/// The first wait between connections; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 250;
/// Messages of one broker between it and their acknowledgement. What is on its way to the disk is
/// bounded by the junction's inbox; this bounds what was set aside behind one that waits for it.
const IN_FLIGHT_MAX: usize = 10_000;
/// The wait before the next try where the client's queue of acknowledgements is full.
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
    fn access(&self) -> Access<'_> {
        Access {
            url_key: "url",
            url: &self.url,
            username: &self.username,
            password_file: &self.password_file,
            ca_file: &self.ca_file,
            client_cert_file: &self.client_cert_file,
            client_key_file: &self.client_key_file,
        }
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        self.access().problems()
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        self.access().warnings()
    }

    fn broker(&self, site: &SiteId) -> Broker {
        let default = || format!("gridpost-{site}-{}", self.id);
        self.access().broker(self.client_id.clone().unwrap_or_else(default))
    }

    fn topics(&self, site: &SiteId) -> Vec<String> {
        if self.topics.is_empty() {
            ["button/+", "gauge/+", "posture", "reply"]
                .map(|topic| format!("gridpost/{site}/{topic}"))
                .to_vec()
        } else {
            self.topics.clone()
        }
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
        let limiter = Limiter::default();
        loop {
            let mut got = false;
            let reason = match self.session(&mut got, &limiter).await {
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
            if self.report(DeviceStatus::Offline).await.is_err() {
                return;
            }
            tokio::time::sleep(backoff(BACKOFF_MS_FIRST, tries)).await;
        }
    }

    /// Whether we hear it: while we do not, none of its devices is silent.
    async fn report(&self, word: DeviceStatus) -> Result<(), Stopped> {
        let via = self.config.id.clone();
        let report = DeviceReport { word, hub: true, via, ..DeviceReport::default() };
        let observation = Observation {
            source: self.config.id.as_str().into(),
            stamp: Stamp::of_gateway(self.clock.now()),
            body: Body::Device(report),
        };
        self.send(observation, Receipt::none()).await
    }

    async fn send(&self, observation: Observation, receipt: Receipt) -> Result<(), Stopped> {
        self.envelopes.send(Envelope { observation, receipt }).await.map_err(|_| Stopped)
    }

    /// Ok when the gateway stops. An unstored message ends the connection without its
    /// acknowledgement, so that the broker sends it again.
    async fn session(&self, got: &mut bool, limiter: &Limiter) -> Result<(), String> {
        let topics = self.config.topics(&self.site);
        let mut subscriber = Subscriber::new(&self.config.broker(&self.site), &topics)?;
        subscriber.connected().await?;
        if self.report(DeviceStatus::Online).await.is_err() {
            return Ok(());
        }
        let mut in_flight = InFlight::of(&subscriber);
        loop {
            let message = in_flight.next_message(&mut subscriber).await?;
            *got = true;
            if self.pass_on(message, limiter, &mut in_flight).await.is_err() {
                return Ok(());
            }
        }
    }

    /// To the junction, unless the limit sets it aside; in flight until it can be acknowledged.
    async fn pass_on(
        &self,
        message: wire::Message,
        limiter: &Limiter,
        in_flight: &mut InFlight,
    ) -> Result<(), Stopped> {
        let read = Message {
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
            via: &self.config.id,
        };
        let mut observations =
            accept(&self.dialects, limiter, &read, self.clock.now(), &*self.meter);
        let Some(last) = observations.pop() else {
            in_flight.push(message, StoredYet::SetAside);
            return Ok(());
        };
        let (tell, told) = oneshot::channel();
        let receipt = Receipt::new(move |answer| {
            let _ = tell.send(!matches!(answer, Answer::Lost));
        });
        in_flight.push(message, StoredYet::Asked(told));
        for observation in observations {
            self.send(observation, Receipt::none()).await?;
        }
        self.send(last, receipt).await
    }
}

/// Nobody takes envelopes any more: the gateway stops.
struct Stopped;

/// Messages that are not acknowledged yet, in the order in which they came. Each is acknowledged
/// after it is on disk, and after all before it (MQTT-4.6.0-2).
struct InFlight {
    messages: VecDeque<(wire::Message, StoredYet)>,
    acknowledger: Acknowledger,
}

/// Whether a message is on disk.
enum StoredYet {
    /// It never will be: the limit set it aside, and it only waits for its turn.
    SetAside,
    /// The store has not answered yet.
    Asked(oneshot::Receiver<bool>),
    /// Yes; it waits for its turn.
    Yes,
}

impl InFlight {
    fn of(subscriber: &Subscriber) -> Self {
        Self { messages: VecDeque::new(), acknowledger: subscriber.acknowledger() }
    }

    fn push(&mut self, message: wire::Message, stored: StoredYet) {
        self.messages.push_back((message, stored));
    }

    /// The next message of the broker; what is on disk is acknowledged meanwhile. Errors end the
    /// connection.
    async fn next_message(&mut self, subscriber: &mut Subscriber) -> Result<wire::Message, String> {
        let mut next = pin!(subscriber.next());
        // The client's queue of acknowledgements is full.
        let mut full = false;
        let message = loop {
            tokio::select! {
                biased;
                stored = self.oldest_is_stored(), if !full => {
                    if !stored {
                        return Err("a message could not be stored; the broker must send it again".into());
                    }
                    full = !self.acknowledge_oldest();
                }
                () = tokio::time::sleep(ACKNOWLEDGE_AGAIN), if full => full = false,
                message = &mut next => break message?,
            }
        };
        if self.messages.len() >= IN_FLIGHT_MAX {
            return Err(format!("{IN_FLIGHT_MAX} messages wait for the disk"));
        }
        Ok(message)
    }

    /// Whether the oldest message is on disk or set aside; waits for ever if there is none.
    /// Cancelling forgets nothing.
    async fn oldest_is_stored(&mut self) -> bool {
        let Some((_, stored)) = self.messages.front_mut() else {
            return std::future::pending().await;
        };
        if let StoredYet::Asked(answer) = stored {
            if !answer.await.unwrap_or(false) {
                return false;
            }
            *stored = StoredYet::Yes;
        }
        true
    }

    /// False: the client takes no more acknowledgements for now.
    fn acknowledge_oldest(&mut self) -> bool {
        let Some((oldest, _)) = self.messages.front() else { return true };
        let taken = self.acknowledger.acknowledge(oldest);
        if taken {
            self.messages.pop_front();
        }
        taken
    }
}
