//! Records go to the grid: each sink on connections of its own, each with two lanes.

mod answer;
mod case_map;
mod circuit;
mod courier;
mod early_replies;
mod evidence;
mod heartbeat;
mod home_assistant;
mod http;
mod jsonl;
mod kinds;
mod levels;
mod link_for;
mod meant;
mod mqtt;
mod outbox;
mod platform_replies;
mod presence;
mod probe;
mod profile;
mod roles;
mod said_again;
mod sink;
mod speaker;
mod template;
#[cfg(test)]
mod tests_case_map;
#[cfg(test)]
mod tests_courier;
#[cfg(test)]
mod tests_platform_replies;
#[cfg(test)]
mod tests_said_again;

pub use answer::Config as AnswerConfig;
pub use case_map::{CaseMaps, cases_part};
pub use circuit::{Circuit, Report, SinkHealth};
pub use courier::Courier;
pub use evidence::EvidenceCourier;
pub use heartbeat::{EncodedHeartbeat, GatherFacts, HeartbeatSettings, HeartbeatSource};
pub use home_assistant::{GatherHome, HomeAssistant, HomeDevice, HomeFacts, HomeSink};
pub use http::{Config as HttpConfig, Poller, ProfileConfig, Uploader, WebhookConfig};
pub use jsonl::Config as JsonlConfig;
pub use kinds::{AnySink, Config, KINDS};
pub use link_for::{LinkFor, SinkLinks};
pub use mqtt::Config as MqttConfig;
pub use outbox::{Due, Outbox, Piece};
pub use platform_replies::{NotStored, PlatformReplies, Pushed, RepliesGiven, replies_part};
pub use presence::Presence;
pub use profile::{Categories, Category, TakenReplies};
pub use sink::{DeliverError, Delivery, Lane, Sink, SinkAnswer};
pub use speaker::{
    AnnounceConfig, Causes, Config as SpeakerSinkConfig, Floor, SpeakerConfig, VoiceConfig,
};
