//! The kinds of sinks: `[[sink]]` by its `kind`, and the connection that each makes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer,
    case_map::CaseMaps,
    http, jsonl, levels,
    link_for::LinkFor,
    mqtt,
    platform_replies::{PlatformReplies, RepliesGiven},
    roles,
    sink::{DeliverError, Delivery, Lane, Sink},
    speaker,
};
use jiff::Timestamp;

use crate::{
    base::ClientIds,
    domain::{DutyRole, Event, Level, Record, SinkId, SiteId},
};

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
    /// A district's own platform, by the requests of a profile.
    Profile(Box<http::ProfileConfig>),
    /// A loudspeaker, of `[[speaker]]` and `[[announce]]`.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    Speaker(Box<speaker::Config>),
    /// A text made of a template, to a robot or a message service.
    Webhook(Box<http::WebhookConfig>),
}

/// The kinds there are, for messages.
pub const KINDS: &[&str] = &["answer", "http", "jsonl", "mqtt", "profile", "webhook"];

impl Config {
    pub fn id(&self) -> SinkId {
        match self {
            Self::Answer(config) => config.id.as_str().into(),
            Self::Profile(config) => config.id.as_str().into(),
            Self::Speaker(config) => config.id(),
            Self::Webhook(config) => config.id.as_str().into(),
            Self::Http(config) => config.id.as_str().into(),
            Self::Jsonl(config) => config.id.as_str().into(),
            Self::Mqtt(config) => config.id.as_str().into(),
        }
    }

    /// A connection of its own for one lane. Nothing is read or reached yet (P6).
    pub fn build(
        &self,
        (site, ids): (&SiteId, &ClientIds),
        lane: Lane,
        (maps, floor): (&CaseMaps, &Arc<speaker::Floor>),
    ) -> AnySink {
        match self {
            Self::Speaker(config) => AnySink::Speaker(Box::new(speaker::SpeakerSink::new(
                config,
                (site, ids),
                lane,
                floor,
            ))),
            Self::Profile(config) => {
                AnySink::Platform(Box::new(http::PlatformSink::new(config, maps)))
            }
            Self::Answer(config) => {
                AnySink::Answer(Box::new(answer::AnswerSink::new(config, site, lane, ids)))
            }
            Self::Webhook(config) => AnySink::Webhook(Box::new(http::WebhookSink::new(config))),
            Self::Http(config) => AnySink::Http(Box::new(http::HttpSink::new(config))),
            Self::Jsonl(config) => AnySink::Jsonl(jsonl::JsonlSink::new(config)),
            Self::Mqtt(config) => {
                AnySink::Mqtt(Box::new(mqtt::MqttSink::new(config, site, lane, ids)))
            }
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
            // A platform has a life of a case of its own, from its opening.
            Self::Profile(_) => &[],
            // What is not said at once is of no use.
            Self::Speaker(_) => &[],
        }
    }

    /// Only cases for which somebody of these roles was on duty; empty: all.
    pub fn roles(&self) -> &[DutyRole] {
        match self {
            Self::Answer(config) => &config.roles,
            Self::Webhook(config) => &config.roles,
            Self::Http(config) => &config.roles,
            Self::Jsonl(config) => &config.roles,
            Self::Mqtt(config) => &config.roles,
            Self::Profile(_) | Self::Speaker(_) => &[],
        }
    }

    /// Whole plates may leave by it.
    pub fn sends_plates(&self) -> bool {
        match self {
            Self::Http(config) => config.send_plates,
            Self::Jsonl(config) => config.send_plates,
            Self::Mqtt(config) => config.send_plates,
            // A lamp in a street, a group of a chat, a form of somebody else: masked.
            Self::Answer(_) | Self::Profile(_) | Self::Webhook(_) => false,
            Self::Speaker(config) => config.announce.iter().any(|one| one.say_plates),
        }
    }

    /// Who gets the links of its texts, if it may have any: events themselves carry none, they are for
    /// everybody.
    pub fn links(&self) -> Option<LinkFor> {
        match self {
            Self::Webhook(config) => config.links(),
            // Each one that is made can open the case: none is made that nothing asks for.
            Self::Profile(config) => config
                .profile()
                .filter(|profile| profile.names_link())
                .map(|_| LinkFor { name: config.link_for.clone(), ..LinkFor::default() }),
            Self::Answer(_) | Self::Http(_) | Self::Jsonl(_) | Self::Mqtt(_) | Self::Speaker(_) => {
                None
            }
        }
    }

    /// Snapshots and clips go to this sink too.
    pub fn carries_evidence(&self) -> bool {
        match self {
            Self::Http(config) => config.carries_evidence(),
            Self::Answer(_)
            | Self::Jsonl(_)
            | Self::Mqtt(_)
            | Self::Profile(_)
            | Self::Speaker(_)
            | Self::Webhook(_) => false,
        }
    }

    /// A connection of its own for them, if they go to this sink.
    pub fn uploader(&self) -> Option<http::Uploader> {
        match self {
            Self::Http(config) => {
                let base = config.evidence_url.clone().filter(|_| config.carries_evidence())?;
                Some(http::Uploader::new(config, base))
            }
            Self::Answer(_)
            | Self::Jsonl(_)
            | Self::Mqtt(_)
            | Self::Profile(_)
            | Self::Speaker(_)
            | Self::Webhook(_) => None,
        }
    }

    /// The departments that are told of theirs through it; empty: whoever is behind it is told of all.
    /// None: nobody is told through it.
    pub fn departments(&self) -> Option<&[String]> {
        match self {
            Self::Webhook(config) => Some(&config.departments),
            Self::Http(_) | Self::Mqtt(_) | Self::Profile(_) => Some(&[]),
            Self::Answer(_) | Self::Jsonl(_) | Self::Speaker(_) => None,
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
        if !roles::is_meant(self.roles(), record) {
            return Some("nobody of its roles was on duty");
        }
        match self {
            Self::Webhook(config) => config.passes(event, now),
            Self::Answer(config) => config.passes(event),
            Self::Profile(config) => config.passes(&event.data),
            Self::Speaker(config) => {
                let rule = record.incident.rule.as_ref().map(crate::domain::RuleId::as_str);
                config.passes(event, rule)
            }
            Self::Http(_) | Self::Jsonl(_) | Self::Mqtt(_) => None,
        }
    }

    /// Who takes what this sink's platform says, if it says anything.
    pub fn replies(&self, given: RepliesGiven<'_>) -> Option<PlatformReplies> {
        match self {
            Self::Profile(config) => PlatformReplies::new(config, given),
            _ => None,
        }
    }

    /// The file of its profile, where that is wrong: nothing can be told by it.
    pub fn wrong_profile(&self) -> Option<&Path> {
        match self {
            Self::Profile(config) => config.wrong_profile(),
            _ => None,
        }
    }

    /// A connection of its own that asks for replies, if its profile does.
    pub fn poller(&self) -> Option<http::Poller> {
        match self {
            Self::Profile(config) => http::Poller::new(config),
            _ => None,
        }
    }

    /// The header of the token with which replies are pushed (none: `Authorization`) and the file of that
    /// token, if its configuration names one. None: none are pushed.
    pub fn push_door(&self) -> Option<(Option<String>, Option<PathBuf>)> {
        let Self::Profile(config) = self else { return None };
        let header = config.profile()?.pushes()?.map(str::to_owned);
        Some((header, config.push_token_file.clone()))
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let levels = levels::problem(self.levels(), self.carries_evidence());
        let mut problems = match self {
            Self::Answer(config) => config.problems(),
            Self::Profile(config) => config.problems(),
            Self::Speaker(config) => config.speaker.problems(),
            Self::Webhook(config) => config.problems(),
            Self::Http(config) => config.problems(),
            Self::Jsonl(_) => Vec::new(),
            Self::Mqtt(config) => config.problems(),
        };
        problems.extend(levels);
        problems.extend(roles::problem(self.roles(), self.carries_evidence()));
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Answer(config) => config.warnings(),
            Self::Profile(config) => config.warnings(),
            Self::Speaker(config) => config.speaker.warnings(),
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
    Platform(Box<http::PlatformSink>),
    Speaker(Box<speaker::SpeakerSink>),
    Webhook(Box<http::WebhookSink>),
}

impl Sink for AnySink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        match self {
            Self::Answer(sink) => sink.deliver(delivery).await,
            Self::Platform(sink) => sink.deliver(delivery).await,
            Self::Speaker(sink) => sink.deliver(delivery).await,
            Self::Webhook(sink) => sink.deliver(delivery).await,
            Self::Http(sink) => sink.deliver(delivery).await,
            Self::Jsonl(sink) => sink.deliver(delivery).await,
            Self::Mqtt(sink) => sink.deliver(delivery).await,
        }
    }
}
