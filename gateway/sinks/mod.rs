//! Records go to the grid: each sink its own, each with two lanes.

mod courier;
mod http;
mod jsonl;
mod mqtt;
#[cfg(test)]
mod tests_courier;

use std::future::Future;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Record, Settled, SinkId, SiteId};

pub use courier::{Courier, Report};
pub use http::Config as HttpConfig;
pub use jsonl::Config as JsonlConfig;
pub use mqtt::Config as MqttConfig;

/// `[[sink]]`, by its `kind`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Config {
    /// CloudEvents over HTTP, one a POST.
    Http(http::Config),
    /// One event a line, in a file or on stdout.
    Jsonl(jsonl::Config),
    /// One event a message at a broker, QoS 1.
    Mqtt(mqtt::Config),
}

/// The kinds there are, for messages.
pub const KINDS: &[&str] = &["http", "jsonl", "mqtt"];

impl Config {
    pub fn id(&self) -> SinkId {
        match self {
            Self::Http(config) => config.id.as_str().into(),
            Self::Jsonl(config) => config.id.as_str().into(),
            Self::Mqtt(config) => config.id.as_str().into(),
        }
    }

    /// A connection of its own for one lane.
    pub fn build(&self, site: &SiteId, lane: Lane) -> Result<AnySink, String> {
        Ok(match self {
            Self::Http(config) => AnySink::Http(http::Http::new(config)?),
            Self::Jsonl(config) => AnySink::Jsonl(jsonl::Jsonl::new(config)),
            Self::Mqtt(config) => AnySink::Mqtt(Box::new(mqtt::Mqtt::new(config, site, lane))),
        })
    }
}

/// One event on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event_id: String,
    /// Kind of the incident, e.g. `intrusion`.
    pub kind: &'static str,
    /// CloudEvents, structured JSON.
    pub body: Bytes,
}

/// What became of it, as a decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// Try again, after what the other end asked for.
    #[error("{reason}")]
    Retry { reason: String, after_ms: Option<u64> },
    /// The other end will never take it; its answer is kept.
    #[error("{answer}")]
    Reject { answer: String },
}

impl DeliverError {
    fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after_ms: None }
    }
}

/// Ok only when the other end has it.
pub trait Sink: Send {
    fn deliver(
        &mut self,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<(), DeliverError>> + Send;
}

/// One of the sinks there are.
pub enum AnySink {
    Http(http::Http),
    Jsonl(jsonl::Jsonl),
    Mqtt(Box<mqtt::Mqtt>),
}

impl Sink for AnySink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        match self {
            Self::Http(sink) => sink.deliver(delivery).await,
            Self::Jsonl(sink) => sink.deliver(delivery).await,
            Self::Mqtt(sink) => sink.deliver(delivery).await,
        }
    }
}

/// Emergencies have a lane of their own (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Emergency,
    Bulk,
}

/// A record that a sink owes the grid.
#[derive(Clone, Debug)]
pub struct Due {
    /// Journal sequence number of the change.
    pub seq: u64,
    /// Its incident was an emergency at some time.
    pub emergency: bool,
    pub record: Record,
}

/// Where records come from and go back to; the runtime makes it of the store.
pub trait Outbox: Clone + Send + Sync + 'static {
    /// Waits for the next record; cancelling takes none.
    fn next_due(&self, sink: &SinkId, lane: Lane) -> impl Future<Output = Due> + Send;
    fn settle(&self, settled: Settled) -> impl Future<Output = ()> + Send;
}
