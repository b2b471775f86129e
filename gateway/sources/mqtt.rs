//! A broker as a source: a lasting session, each message acknowledged after it is on disk, in order.

use std::{path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::codecs::{self, Message};
use crate::{
    domain::{Answer, Body, Clock, Envelope, Meter, Metric, Receipt, SiteId},
    wire::{
        backoff::backoff,
        client_tls::ClientTls,
        mqtt::{Broker, Subscriber},
    },
};

/// The first wait between connections; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 250;

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
        loop {
            let mut got = false;
            let reason = match self.session(&mut got).await {
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
            tokio::time::sleep(backoff(BACKOFF_MS_FIRST, tries)).await;
        }
    }

    /// Ok when the gateway stops. An unstored message ends the connection without its
    /// acknowledgement, so that the broker sends it again.
    async fn session(&self, got: &mut bool) -> Result<(), String> {
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
        loop {
            let message = subscriber.next().await?;
            *got = true;
            let read = Message {
                topic: &message.topic,
                payload: &message.payload,
                retained: message.retained,
                via: &config.id,
            };
            let observation = codecs::decode(&self.site, &read, self.clock.now());
            if let Body::Unreadable(unreadable) = &observation.body {
                self.meter.add(Metric::SignalsUnreadable, &config.id, 1);
                tracing::warn!(
                    broker = config.id,
                    topic = message.topic,
                    reason = unreadable.reason,
                    "broker: unreadable payload, quarantined"
                );
            }
            if let Body::Gauge(_) = observation.body {
                self.meter.add(Metric::GaugeReports, observation.source.as_str(), 1);
            }
            let (tell, told) = oneshot::channel();
            let receipt = Receipt::new(move |answer| {
                let _ = tell.send(!matches!(answer, Answer::Lost));
            });
            if self.envelopes.send(Envelope { observation, receipt }).await.is_err() {
                return Ok(());
            }
            if !told.await.unwrap_or(false) {
                return Err("a message could not be stored; the broker must send it again".into());
            }
            subscriber.acknowledge(&message).await?;
        }
    }
}
