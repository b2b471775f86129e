//! Records go to the grid: each sink on connections of its own, each with two lanes.

mod answer;
mod circuit;
mod courier;
mod evidence;
mod heartbeat;
mod http;
mod jsonl;
mod kinds;
mod levels;
mod mqtt;
mod outbox;
mod presence;
mod sink;
mod template;
#[cfg(test)]
mod tests_courier;

pub use answer::Config as AnswerConfig;
pub use circuit::{Circuit, Report, SinkHealth};
pub use courier::Courier;
pub use evidence::EvidenceCourier;
pub use heartbeat::{EncodedHeartbeat, GatherFacts, HeartbeatSettings, HeartbeatSource};
pub use http::{Config as HttpConfig, Uploader, WebhookConfig};
pub use jsonl::Config as JsonlConfig;
pub use kinds::{AnySink, Config, KINDS};
pub use mqtt::Config as MqttConfig;
pub use outbox::{Due, Outbox, Piece};
pub use presence::Presence;
pub use sink::{DeliverError, Delivery, Lane, Sink};
