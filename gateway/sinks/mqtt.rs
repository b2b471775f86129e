//! The `mqtt` sink: one event a message, delivered at the broker's PUBACK.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sink::{DeliverError, Delivery, Lane, Sink};
use crate::{
    base::ClientIds,
    domain::{DutyRole, Level, SiteId},
    wire::mqtt::{Access, Broker, Publisher},
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
    /// Home Assistant at this broker finds cases, devices, posture and sinks by itself (retained topics below
    /// `homeassistant/`); switched off, they are taken away again. Default false.
    #[serde(default)]
    pub home_assistant: bool,
    /// Seconds to wait for the PUBACK. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// Only cases that were taken to one of these levels, from then on, and escalations to these alone:
    /// `grid-head`, `community`, `township`, `department`. Default all cases, from their opening.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Only cases for which somebody of these roles was on duty when they were opened, by the duty list: `lead`,
    /// `officer`, `auxiliary`, `worker`; where it had nobody at all on duty, every case. Default all cases.
    #[serde(default)]
    pub roles: Vec<DutyRole>,
    /// Plates of vehicles leave whole, and not masked: for who may have them. Default false.
    #[serde(default)]
    pub send_plates: bool,
}

fn timeout_s() -> u64 {
    10
}

impl Config {
    pub(super) fn access(&self) -> Access<'_> {
        Access {
            url_key: "broker",
            url: &self.broker,
            username: &self.username,
            password_file: &self.password_file,
            ca_file: &self.ca_file,
            client_cert_file: &self.client_cert_file,
            client_key_file: &self.client_key_file,
        }
    }

    /// Each connection is a client of its own: the same client id twice would throw the other out.
    pub(super) fn broker(&self, site: &SiteId, part: &str, ids: &ClientIds) -> Broker {
        self.access().broker(ids.of(&format!("gridpost-{site}-{}-{part}", self.id)))
    }

    pub(super) fn within(&self) -> Duration {
        Duration::from_secs(self.timeout_s.max(1))
    }

    /// Errors as (key, message).
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.access().problems();
        // This kind of sink repeats the scheme that was typed.
        for (_, message) in problems.iter_mut().filter(|(key, _)| *key == "broker") {
            *message = format!("`{}`: {message}", self.broker.scheme());
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub(super) fn warnings(&self) -> Vec<(&'static str, String)> {
        self.access().warnings()
    }
}

pub struct MqttSink {
    publisher: Publisher,
    prefix: String,
    within: Duration,
}

impl MqttSink {
    pub(super) fn new(config: &Config, site: &SiteId, lane: Lane, ids: &ClientIds) -> Self {
        Self {
            publisher: Publisher::new(config.broker(site, lane.name(), ids)),
            prefix: format!("gridpost/{site}/incident"),
            within: config.within(),
        }
    }
}

impl Sink for MqttSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let topic = format!("{}/{}", self.prefix, delivery.kind);
        let sent = self.publisher.publish(&topic, delivery.body.clone(), self.within).await;
        sent.map_err(DeliverError::retry)
    }
}
