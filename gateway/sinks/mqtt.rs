//! The `mqtt` sink: one event a message, delivered at the broker's PUBACK.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeliverError, Delivery, Lane, Sink};
use crate::{
    domain::SiteId,
    wire::mqtt::{Broker, Publisher},
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
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM of the authority that signed the broker's certificate; needed for mqtts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Seconds to wait for the PUBACK. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
}

fn timeout_s() -> u64 {
    10
}

pub struct Mqtt {
    publisher: Publisher,
    prefix: String,
    within: Duration,
}

impl Mqtt {
    /// Each lane is a client of its own: the same client id twice would throw the other out.
    pub(super) fn new(config: &Config, site: &SiteId, lane: Lane) -> Self {
        let suffix = if lane == Lane::Emergency { "emergency" } else { "bulk" };
        let broker = Broker {
            url: config.broker.clone(),
            client_id: format!("gridpost-{site}-{}-{suffix}", config.id),
            username: config.username.clone(),
            password_file: config.password_file.clone(),
            ca_file: config.ca_file.clone(),
        };
        Self {
            publisher: Publisher::new(broker),
            prefix: format!("gridpost/{site}/incident"),
            within: Duration::from_secs(config.timeout_s.max(1)),
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
