//! Records go to the grid: each sink its own, each with two lanes.

mod answer;
mod circuit;
mod courier;
mod evidence;
mod heartbeat;
mod http;
mod jsonl;
mod mqtt;
mod presence;
mod template;
#[cfg(test)]
mod tests_courier;

use std::{
    future::Future,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Evidence, IncidentId, Record, Settled, SinkId, SiteId};

pub use answer::Config as AnswerConfig;
pub use circuit::{Circuit, Report};
pub use courier::Courier;
pub use evidence::EvidenceCourier;
pub use heartbeat::{Beat, Facts, Pulse, Rhythm};
pub use http::{Config as HttpConfig, Uploader, WebhookConfig};
pub use jsonl::Config as JsonlConfig;
pub use mqtt::Config as MqttConfig;
pub use presence::Presence;

/// `[[sink]]`, by its `kind`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Config {
    /// Commands to devices: who pressed hears that it arrived, and that somebody comes.
    Answer(answer::Config),
    /// CloudEvents over HTTP, one a POST.
    Http(http::Config),
    /// One event a line, in a file or on stdout.
    Jsonl(jsonl::Config),
    /// One event a message at a broker, QoS 1.
    Mqtt(mqtt::Config),
    /// A text made of a template, to a robot or a message service.
    Webhook(Box<http::WebhookConfig>),
}

/// The kinds there are, for messages.
pub const KINDS: &[&str] = &["answer", "http", "jsonl", "mqtt", "webhook"];

impl Config {
    pub fn id(&self) -> SinkId {
        match self {
            Self::Answer(config) => config.id.as_str().into(),
            Self::Webhook(config) => config.id.as_str().into(),
            Self::Http(config) => config.id.as_str().into(),
            Self::Jsonl(config) => config.id.as_str().into(),
            Self::Mqtt(config) => config.id.as_str().into(),
        }
    }

    /// A connection of its own for one lane. Nothing is read or reached yet (P6).
    pub fn build(&self, site: &SiteId, lane: Lane) -> AnySink {
        match self {
            Self::Answer(config) => {
                AnySink::Answer(Box::new(answer::Answer::new(config, site, lane)))
            }
            Self::Webhook(config) => AnySink::Webhook(Box::new(http::Webhook::new(config))),
            Self::Http(config) => AnySink::Http(Box::new(http::Http::new(config))),
            Self::Jsonl(config) => AnySink::Jsonl(jsonl::Jsonl::new(config)),
            Self::Mqtt(config) => AnySink::Mqtt(Box::new(mqtt::Mqtt::new(config, site, lane))),
        }
    }

    /// Snapshots and clips go to this sink too.
    pub fn carries_evidence(&self) -> bool {
        matches!(self, Self::Http(config) if config.carries_evidence())
    }

    /// A connection of its own for them, if they go to this sink.
    pub fn uploader(&self) -> Option<Uploader> {
        match self {
            Self::Http(config) if config.carries_evidence() => {
                config.evidence_url.clone().map(|base| Uploader::new(config, base))
            }
            _ => None,
        }
    }

    /// What can never work: key and message.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Answer(config) => config.problems(),
            Self::Webhook(config) => config.problems(),
            Self::Http(config) => config.problems(),
            Self::Jsonl(_) => Vec::new(),
            Self::Mqtt(config) => config.problems(),
        }
    }

    /// What would not work now, and may by the time it is needed: key and message.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Answer(config) => config.warnings(),
            Self::Webhook(config) => config.warnings(),
            Self::Http(config) => config.warnings(),
            Self::Jsonl(_) => Vec::new(),
            Self::Mqtt(config) => config.warnings(),
        }
    }
}

/// A secret that is not there yet: a warning.
fn missing(key: &'static str, file: Option<&Path>) -> Option<(&'static str, String)> {
    let path = file.filter(|path| !path.is_file())?;
    Some((key, format!("{} is not there", path.display())))
}

/// One event on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event_id: String,
    /// Kind of the incident, e.g. `intrusion`.
    pub kind: &'static str,
    /// The gateway's clock as it is sent.
    pub at: jiff::Timestamp,
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
    /// It is none of this sink's business: settled, and nothing was sent.
    #[error("passed over: {why}")]
    Passed { why: String },
}

impl DeliverError {
    fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after_ms: None }
    }

    fn passed(why: &str) -> Self {
        Self::Passed { why: why.into() }
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
    Answer(Box<answer::Answer>),
    Http(Box<http::Http>),
    Jsonl(jsonl::Jsonl),
    Mqtt(Box<mqtt::Mqtt>),
    Webhook(Box<http::Webhook>),
}

impl Sink for AnySink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        match self {
            Self::Answer(sink) => sink.deliver(delivery).await,
            Self::Webhook(sink) => sink.deliver(delivery).await,
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

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Bulk => "bulk",
        }
    }
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

/// A piece of evidence that a sink owes the grid, after the record that names it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Number in the journal under which it is settled.
    pub seq: u64,
    pub incident: IncidentId,
    pub evidence: Evidence,
    /// None: the file is gone.
    pub path: Option<PathBuf>,
}

/// Where records come from and go back to; the runtime makes it of the store.
pub trait Outbox: Clone + Send + Sync + 'static {
    /// Waits for the next record; cancelling takes none.
    fn next_due(&self, sink: &SinkId, lane: Lane) -> impl Future<Output = Due> + Send;
    /// Waits for the next piece of evidence; cancelling takes none.
    fn next_piece(&self, sink: &SinkId) -> impl Future<Output = Piece> + Send;
    /// Of a record, or of a piece: `change` is its `seq`.
    fn settle(&self, settled: Settled) -> impl Future<Output = ()> + Send;
}
