//! The `mqtt` sink: one event a message, delivered at the broker's PUBACK.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeliverError, Delivery, Lane, Sink, missing};
use crate::{
    domain::SiteId,
    wire::{
        client_tls::ClientTls,
        mqtt::{Broker, Publisher},
    },
};

/// `[[sink]] kind = "mqtt"`; topic `gridpost/<site>/incident/<kind>`, QoS 1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sink in the ledger.
    pub id: String,
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub broker: url::Url,
    #[serde(default)]
    pub username: Option<String>,
    /// Like the other files, read at each connection, so that it can be changed.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the broker's certificate, in place of the web's own
    /// (mqtts).
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate chain, where the broker asks for one (mutual TLS).
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// Seconds to wait for the PUBACK. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
}

fn timeout_s() -> u64 {
    10
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

    /// Each connection is a client of its own: the same client id twice would throw the other out.
    pub(super) fn broker(&self, site: &SiteId, suffix: &str) -> Broker {
        Broker {
            url: self.broker.clone(),
            client_id: format!("gridpost-{site}-{}-{suffix}", self.id),
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            tls: self.tls(),
        }
    }

    pub(super) fn within(&self) -> Duration {
        Duration::from_secs(self.timeout_s.max(1))
    }

    /// What can never work: key and message.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> = self.tls().problem().into_iter().collect();
        if !["mqtt", "mqtts"].contains(&self.broker.scheme()) {
            let message = format!(
                "`{}`: expected mqtt://host:port or mqtts://host:port",
                self.broker.scheme()
            );
            problems.push(("broker", message));
        }
        problems
    }

    /// What would not work now, and may by the time it is needed: key and message.
    pub(super) fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings: Vec<_> = self.tls().warning().into_iter().collect();
        warnings.extend(missing("password_file", self.password_file.as_deref()));
        warnings
    }
}

pub struct Mqtt {
    publisher: Publisher,
    prefix: String,
    within: Duration,
}

impl Mqtt {
    pub(super) fn new(config: &Config, site: &SiteId, lane: Lane) -> Self {
        Self {
            publisher: Publisher::new(config.broker(site, lane.name())),
            prefix: format!("gridpost/{site}/incident"),
            within: config.within(),
        }
    }
}

impl Sink for Mqtt {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let topic = format!("{}/{}", self.prefix, delivery.kind);
        let sent = self.publisher.publish(&topic, delivery.body.clone(), self.within).await;
        sent.map_err(DeliverError::retry)
    }
}
