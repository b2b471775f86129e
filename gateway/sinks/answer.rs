//! The `answer` sink: commands to devices at a broker. The person who pressed hears that the press arrived, and that somebody comes.
//!
//! It gets each record after it is on disk. A record that is too old to be of use, or that no
//! `[[sink.say]]` is about, is passed over: the ledger counts it as delivered, and
//! `gridpost_sink_passed_total` counts it too.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    sink::{DeliverError, Delivery, Lane, Sink},
    template::{self, Into},
};
use crate::{
    base::ClientIds,
    domain::{DutyRole, Event, IncidentId, Kind, Level, SiteId, What},
    wire::mqtt::{Access, Publisher},
};

/// Incidents whose number of answered presses is remembered.
const INCIDENTS_MAX: usize = 1_000;

/// `[[sink]] kind = "answer"`.
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
    /// An answer to something older than this is passed over, seconds: a lamp that says
    /// "received" an hour later frightens. Default 300.
    #[serde(default = "too_old_s")]
    pub too_old_s: u64,
    /// Only cases that were taken to one of these levels, from then on, and escalations to these alone:
    /// `grid-head`, `community`, `township`, `department`. Default all cases, from their opening.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Only cases for which somebody of these roles was on duty when they were opened, by the duty list: `lead`,
    /// `officer`, `auxiliary`, `worker`; where it had nobody at all on duty, every case. Default all cases.
    #[serde(default)]
    pub roles: Vec<DutyRole>,
    /// What is said, where and when.
    #[serde(default)]
    pub say: Vec<Say>,
}

/// `[[sink.say]]`: one command.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// `received` (on disk; again at each further press), `coming` (accepted or dispatched),
    /// `over` (taken back, closed, dismissed or merged).
    pub when: Vec<When>,
    /// Only for devices of these models. Default all.
    #[serde(default)]
    pub models: Vec<String>,
    /// Only for these devices, by id. Default all.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Only for these kinds of incident. Default `emergency-button`.
    #[serde(default = "kinds")]
    pub kinds: Vec<Kind>,
    /// Topic of the command, e.g. `zigbee2mqtt/{device}/set`. `{device}` is what the device calls
    /// itself; without it, it may be a siren or a lamp in the room.
    pub topic: String,
    /// Its payload; `{incident}`, `{person}`, `{say}` and others are filled in as JSON text.
    pub payload: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    Received,
    Coming,
    Over,
}

impl When {
    fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Coming => "coming",
            Self::Over => "over",
        }
    }
}

fn timeout_s() -> u64 {
    10
}

fn too_old_s() -> u64 {
    300
}

fn kinds() -> Vec<Kind> {
    vec![Kind::EmergencyButton]
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

    /// Errors as (key, message).
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.access().problems();
        if self.say.is_empty() {
            problems
                .push(("say", "says nothing: add a [[sink.say]] with when, topic, payload".into()));
        }
        for (at, say) in self.say.iter().enumerate() {
            let n = at + 1;
            for name in
                [&say.topic, &say.payload].into_iter().flat_map(|text| template::unknown(text))
            {
                let known = template::NAMES.join(", ");
                problems.push(("say", format!("{n}: {name} is not known; known are {known}")));
            }
            if say.topic.is_empty() || say.topic.contains(['+', '#']) {
                problems.push((
                    "say",
                    format!("{n}: topic `{}`: expected one topic, without + and #", say.topic),
                ));
            }
            if say.when.is_empty() {
                problems.push(("say", format!("{n}: `when` is empty: received, coming, over")));
            }
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub(super) fn warnings(&self) -> Vec<(&'static str, String)> {
        self.access().warnings()
    }
}

pub struct AnswerSink {
    config: Config,
    publisher: Publisher,
    within: Duration,
    /// Incident → presses that were answered.
    answered: HashMap<IncidentId, u64>,
}

const NOT_SAID: &str = "no [[sink.say]] is about it";

impl Config {
    /// What is said of this event at such a moment.
    fn meant<'s>(&'s self, event: &'s Event, when: When) -> impl Iterator<Item = &'s Say> {
        let data = &event.data;
        let source = data.sources.first().map_or("", |source| source.id.as_str());
        let model = template::detail(data, "model").unwrap_or_default();
        self.say.iter().filter(move |say| {
            let has = |list: &[String], one: &str| {
                list.is_empty() || list.iter().any(|item| item.eq_ignore_ascii_case(one))
            };
            say.when.contains(&when)
                && say.kinds.contains(&data.kind)
                && has(&say.models, &model)
                && has(&say.devices, source)
        })
    }

    /// Why nothing is said of one that opens, if nothing is.
    pub(in crate::sinks) fn passes(&self, event: &Event) -> Option<&'static str> {
        self.meant(event, When::Received).next().is_none().then_some(NOT_SAID)
    }
}

impl AnswerSink {
    pub(super) fn new(config: &Config, site: &SiteId, lane: Lane, ids: &ClientIds) -> Self {
        let client_id = ids.of(&format!("gridpost-{site}-{}-{}", config.id, lane.name()));
        Self {
            config: config.clone(),
            publisher: Publisher::new(config.access().broker(client_id)),
            within: Duration::from_secs(config.timeout_s.max(1)),
            answered: HashMap::new(),
        }
    }

    /// What this change means to the person who pressed; most changes mean nothing.
    fn when(&self, event: &Event) -> Option<When> {
        let data = &event.data;
        match data.what {
            What::Opened | What::Reopened => Some(When::Received),
            // An incident that is not remembered was answered by an earlier process, or it was too
            // old to be answered.
            What::Updated => {
                let again =
                    presses(event) > self.answered.get(&data.incident).copied().unwrap_or(1);
                again.then_some(When::Received)
            }
            What::Accepted | What::Dispatched => Some(When::Coming),
            // Merged: the case is closed, and whoever waits by this device waits for another one's.
            What::Ended | What::Closed | What::Dismissed | What::Merged => Some(When::Over),
            What::Handled
            | What::Verified
            | What::Transferred
            | What::SentBack
            | What::Asked
            | What::Granted
            | What::Refused
            | What::Resumed
            | What::Limit
            | What::Escalated
            | What::Lapsed => None,
        }
    }
}

fn presses(event: &Event) -> u64 {
    event.data.detail.get("presses").and_then(serde_json::Value::as_u64).unwrap_or(1)
}

impl Sink for AnswerSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let event = template::event(&delivery.body)?;
        let Some(when) = self.when(&event) else {
            return Err(DeliverError::passed("means nothing to who pressed"));
        };
        let says: Vec<(String, String)> = self
            .config
            .meant(&event, when)
            .map(|say| {
                let topic = template::fill(&say.topic, &event, when.as_str(), Into::Topic);
                (topic, template::fill(&say.payload, &event, when.as_str(), Into::Json))
            })
            .collect();
        if says.is_empty() {
            return Err(DeliverError::passed(NOT_SAID));
        }
        if template::age_s(&event, delivery.at) > self.config.too_old_s as f64 {
            return Err(DeliverError::passed("too old to be of use"));
        }
        for (topic, payload) in says {
            let sent = self.publisher.publish(&topic, payload.into(), self.within).await;
            sent.map_err(DeliverError::retry)?;
        }
        if self.answered.len() >= INCIDENTS_MAX {
            self.answered.clear();
        }
        match when {
            When::Received => drop(self.answered.insert(event.data.incident, presses(&event))),
            When::Over => drop(self.answered.remove(&event.data.incident)),
            When::Coming => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{template::tests::press, *};

    fn answer() -> AnswerSink {
        let say = |when: &[When], models: &[&str], topic: &str| Say {
            when: when.to_vec(),
            models: models.iter().map(|model| (*model).into()).collect(),
            devices: Vec::new(),
            kinds: kinds(),
            topic: topic.into(),
            payload: "{}".into(),
        };
        let config = Config {
            id: "a".into(),
            broker: "mqtt://127.0.0.1:1".parse().unwrap(),
            username: None,
            password_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            timeout_s: 1,
            too_old_s: 300,
            levels: Vec::new(),
            roles: Vec::new(),
            say: vec![
                say(&[When::Received, When::Coming], &["HS1EB"], "zigbee2mqtt/{device}/set"),
                say(&[When::Received], &[], "room/siren"),
            ],
        };
        AnswerSink::new(&config, &"s".into(), Lane::Emergency, &ClientIds::default())
    }

    #[test]
    fn what_is_said_when() {
        let answer = answer();
        let topics = |what: &str, more: &str| {
            let event = template::event(&press(what, more)).unwrap();
            let Some(when) = answer.when(&event) else { return "nothing".to_owned() };
            let topics: Vec<_> =
                answer.config.meant(&event, when).map(|say| say.topic.as_str()).collect();
            format!("{} {}", when.as_str(), topics.join(" "))
        };
        assert_eq!(topics("opened", ""), "received room/siren");
        let model = r#","model":"hs1eb""#;
        assert_eq!(topics("opened", model), "received zigbee2mqtt/{device}/set room/siren");
        assert_eq!(topics("accepted", model), "coming zigbee2mqtt/{device}/set");
        for over in ["ended", "closed", "dismissed", "merged"] {
            assert_eq!(topics(over, model), "over ", "{over}");
        }
        assert_eq!(topics("updated", model), "nothing", "a clip was added");
    }

    #[tokio::test]
    async fn what_is_old_or_meant_for_nobody_is_passed_over_without_a_broker() {
        let mut answer = answer();
        let mut deliver = async |what: &str, at: &str| {
            let (at, body) = (at.parse().unwrap(), press(what, "").into());
            let delivery =
                Delivery { event_id: "1".into(), kind: "k", rule: None, at, body, link: None };
            answer.deliver(&delivery).await
        };
        let passed = |why: &str| Err(DeliverError::passed(why));
        assert_eq!(deliver("opened", "2026-07-01T03:06:00Z").await, passed("too old to be of use"));
        assert_eq!(
            deliver("accepted", "2026-07-01T03:00:01Z").await,
            passed("no [[sink.say]] is about it")
        );
        let tried = deliver("opened", "2026-07-01T03:00:01Z").await;
        assert!(matches!(tried, Err(DeliverError::Retry { .. })), "{tried:?}");
    }
}
