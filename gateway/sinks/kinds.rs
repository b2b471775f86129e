//! The kinds of sinks: `[[sink]]` by its `kind`, and the connection that each makes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer, http, jsonl, levels, mqtt,
    sink::{DeliverError, Delivery, Lane, Sink},
};
use jiff::Timestamp;

use crate::domain::{Event, Level, Record, SinkId, SiteId};

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
                AnySink::Answer(Box::new(answer::AnswerSink::new(config, site, lane)))
            }
            Self::Webhook(config) => AnySink::Webhook(Box::new(http::WebhookSink::new(config))),
            Self::Http(config) => AnySink::Http(Box::new(http::HttpSink::new(config))),
            Self::Jsonl(config) => AnySink::Jsonl(jsonl::JsonlSink::new(config)),
            Self::Mqtt(config) => AnySink::Mqtt(Box::new(mqtt::MqttSink::new(config, site, lane))),
        }
    }

    /// Only cases that were taken to one of these levels; empty: all.
    pub fn levels(&self) -> &[Level] {
        match self {
            Self::Answer(config) => &config.levels,
            Self::Webhook(config) => &config.levels,
            Self::Http(config) => &config.levels,
            Self::Jsonl(config) => &config.levels,
            Self::Mqtt(config) => &config.levels,
        }
    }

    /// Snapshots and clips go to this sink too.
    pub fn carries_evidence(&self) -> bool {
        match self {
            Self::Http(config) => config.carries_evidence(),
            Self::Answer(_) | Self::Jsonl(_) | Self::Mqtt(_) | Self::Webhook(_) => false,
        }
    }

    /// A connection of its own for them, if they go to this sink.
    pub fn uploader(&self) -> Option<http::Uploader> {
        match self {
            Self::Http(config) => {
                let base = config.evidence_url.clone().filter(|_| config.carries_evidence())?;
                Some(http::Uploader::new(config, base))
            }
            Self::Answer(_) | Self::Jsonl(_) | Self::Mqtt(_) | Self::Webhook(_) => None,
        }
    }

    /// The departments that are told of theirs through it; empty: whoever is behind it is told of all.
    /// None: nobody is told through it.
    pub fn departments(&self) -> Option<&[String]> {
        match self {
            Self::Webhook(config) => Some(&config.departments),
            Self::Http(_) | Self::Mqtt(_) => Some(&[]),
            Self::Answer(_) | Self::Jsonl(_) => None,
        }
    }

    /// Why this record is passed over there, if it is: it is not what the sink is for.
    pub fn passes_over(
        &self,
        record: &Record,
        event: &Event,
        now: Timestamp,
    ) -> Option<&'static str> {
        if !levels::is_meant(self.levels(), record) {
            return Some("it was not taken to its levels");
        }
        match self {
            Self::Webhook(config) => config.passes(event, now),
            Self::Answer(config) => config.passes(event),
            Self::Http(_) | Self::Jsonl(_) | Self::Mqtt(_) => None,
        }
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let levels = levels::problem(self.levels(), self.carries_evidence());
        let mut problems = match self {
            Self::Answer(config) => config.problems(),
            Self::Webhook(config) => config.problems(),
            Self::Http(config) => config.problems(),
            Self::Jsonl(_) => Vec::new(),
            Self::Mqtt(config) => config.problems(),
        };
        problems.extend(levels);
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
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

/// One of the sinks there are.
pub enum AnySink {
    Answer(Box<answer::AnswerSink>),
    Http(Box<http::HttpSink>),
    Jsonl(jsonl::JsonlSink),
    Mqtt(Box<mqtt::MqttSink>),
    Webhook(Box<http::WebhookSink>),
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
