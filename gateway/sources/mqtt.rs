//! A broker as a source: a lasting session, each message acknowledged after it is on disk, in order.
//!
//! It counts as heard when it has answered every SUBSCRIBE and holds (`mqtt/health.rs`); until then
//! `/readyz` names it with the reason, and after a minute it is an incident.

mod config;
mod health;
mod in_flight;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Dialects,
    accept::{Sender, accept, cannot_be_read, of_a_sensor},
    arrival,
    codecs::Message,
    limit::Limiter,
    presence, refused,
    rights::{NotTheirs, Speaker},
};
use crate::{
    base::{ClientIds, Rarely, Readiness},
    domain::{
        Arrival, Body, Clock, DeviceReport, DeviceStatus, Envelope, Fault, Kind, Meter, Metric,
        Observation, Receipt, SiteId, Stamp,
    },
    wire::{
        backoff::backoff,
        frames,
        mqtt::{self as wire, Granted, Heard, Keeping, Subscriber},
    },
};
use health::Health;
use in_flight::{InFlight, StoredYet};

pub use config::Config;

/// The first wait between connections; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 250;
/// Without an answer to a SUBSCRIBE we do not know whether we are heard.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// A topic that was refused is asked for again so often: somebody may have changed the rules.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// One line in so long about messages that are too large.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Everything one broker needs.
pub struct Source {
    pub config: Config,
    pub site: SiteId,
    pub client_ids: ClientIds,
    pub dialects: Dialects,
    pub envelopes: mpsc::Sender<Envelope>,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
    pub readiness: Readiness,
    /// Of Wi-Fi sensors alone: the broker keeps nothing of what they say, and what is no sensor's is dropped.
    pub sensors: bool,
}

/// What the connection to a broker is called by which Wi-Fi sensors are heard.
pub fn sensors_of(id: &str) -> String {
    format!("{id}/presence")
}

/// What a broker is called in `/readyz`.
pub fn part(id: &str) -> String {
    format!("broker {id}")
}

/// And what is told of messages of it that were set aside.
pub fn set_aside_part(id: &str) -> String {
    format!("broker {id}, set aside")
}

/// And of messages of it that name a device whose topic it is not.
pub fn claims_part(id: &str) -> String {
    format!("broker {id}, said in another's name")
}

/// What outlives a connection.
struct Story {
    health: Health,
    limiter: Limiter,
    /// Topics that the broker does not let us read.
    refused: BTreeSet<String>,
    /// Topics that it grants at QoS 0 only.
    at_most_once: BTreeSet<String>,
    /// An incident says so.
    told_refused: bool,
    too_large: u64,
    too_large_said: Rarely,
    claims: NotTheirs,
}

impl Source {
    /// For ever, until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        self.readiness.not_ready(&part(&self.config.id), "not heard yet");
        tokio::select! {
            () = self.connect_for_ever() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn connect_for_ever(&self) {
        let mut story = Story {
            health: Health::default(),
            limiter: Limiter::default(),
            refused: BTreeSet::new(),
            at_most_once: BTreeSet::new(),
            told_refused: false,
            too_large: 0,
            too_large_said: Rarely::every(SAID_EVERY),
            claims: NotTheirs::default(),
        };
        loop {
            let reason = match self.session(&mut story).await {
                Ok(()) => return,
                Err(reason) => reason,
            };
            let broker = &self.config.id;
            if story.health.lost(self.clock.now().mono_ms, &reason) {
                tracing::warn!(broker, reason, "broker: not heard; trying for ever");
            }
            self.readiness.not_ready(&part(broker), &reason);
            if self.report(DeviceStatus::Offline, Some(reason)).await.is_err() {
                return;
            }
            tokio::time::sleep(backoff(BACKOFF_MS_FIRST, story.health.tries())).await;
        }
    }

    /// Whether we hear it: while we do not, none of its devices is silent.
    async fn report(&self, word: DeviceStatus, reason: Option<String>) -> Result<(), Stopped> {
        let via = self.config.id.clone();
        let report = DeviceReport { word, hub: true, via, reason, ..DeviceReport::default() };
        self.send(self.own(Body::Device(report)), Receipt::none()).await
    }

    fn own(&self, body: Body) -> Observation {
        let stamp = Stamp::of_gateway(self.clock.now());
        Observation { source: self.config.id.as_str().into(), stamp, body }
    }

    async fn send(&self, observation: Observation, receipt: Receipt) -> Result<(), Stopped> {
        self.envelopes.send(Envelope { observation, receipt }).await.map_err(|_| Stopped)
    }

    /// Ok when the gateway stops. An unstored message ends the connection without its
    /// acknowledgement, so that the broker sends it again.
    async fn session(&self, story: &mut Story) -> Result<(), String> {
        let topics = self.config.topics(&self.site);
        let broker = self.config.broker(&self.site, &self.client_ids);
        let keeping = if self.sensors { Keeping::Nothing } else { Keeping::Session };
        let mut subscriber = Subscriber::connect(&broker, &topics, keeping).await?;
        let mut in_flight = InFlight::default();
        let mut asked_at = Instant::now();
        loop {
            let now_ms = self.clock.now().mono_ms;
            let heard_at = story.health.heard_at(now_ms);
            let wait = heard_at.map(|at| Duration::from_millis(at.saturating_sub(now_ms)));
            if wait == Some(Duration::ZERO) {
                if self.heard(story).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            let held = Instant::now() + wait.unwrap_or(Duration::from_secs(3_600));
            let heard = tokio::select! {
                heard = in_flight.next(&mut subscriber) => heard?,
                () = tokio::time::sleep_until(held) => continue,
                () = tokio::time::sleep_until(asked_at + ANSWER_WITHIN), if subscriber.unanswered() > 0 => {
                    return Err("it does not answer our SUBSCRIBE".into());
                }
                () = tokio::time::sleep_until(asked_at + ASK_AGAIN), if !story.refused.is_empty() => {
                    asked_at = Instant::now();
                    for topic in &story.refused {
                        subscriber.subscribe(topic)?;
                    }
                    continue;
                }
            };
            let done = match heard {
                Heard::Message(message) => {
                    if self.sensors {
                        subscriber.forget();
                    }
                    self.pass_on(message, story, &mut in_flight).await
                }
                Heard::Subscribed { topic, granted } => {
                    let left = (subscriber.unanswered(), topics.len());
                    self.answered(story, topic, granted, left).await
                }
            };
            if done.is_err() {
                return Ok(());
            }
        }
    }

    /// It counts as heard from now on; what is still refused goes on to be said.
    async fn heard(&self, story: &mut Story) -> Result<(), Stopped> {
        let broker = &self.config.id;
        if story.health.heard() {
            tracing::info!(broker, "broker: heard again");
        }
        self.say_refused(story);
        self.report(DeviceStatus::Online, None).await
    }

    fn say_refused(&self, story: &Story) {
        let part = part(&self.config.id);
        match refusal(&story.refused) {
            Some(reason) => self.readiness.not_ready(&part, &reason),
            None if story.health.is_heard() => self.readiness.clear(&part),
            None => {}
        }
    }

    /// One answer to a SUBSCRIBE. All of them are in, and some grant something: we can hear.
    async fn answered(
        &self,
        story: &mut Story,
        topic: String,
        granted: Granted,
        (unanswered, topics): (usize, usize),
    ) -> Result<(), Stopped> {
        let broker = &self.config.id;
        match granted {
            Granted::Refused if story.refused.insert(topic.clone()) => {
                tracing::error!(broker, topic, "broker: it does not let us read this topic (0x80)");
            }
            Granted::Refused => {}
            Granted::AtMostOnce => {
                story.refused.remove(&topic);
                if !self.sensors && story.at_most_once.insert(topic.clone()) {
                    let why = "broker: it grants QoS 0 only; what comes while we are away is lost";
                    tracing::warn!(broker, topic, "{why}");
                }
            }
            Granted::Acknowledged => {
                story.refused.remove(&topic);
            }
        }
        if unanswered > 0 {
            return Ok(());
        }
        if story.refused.len() < topics {
            story.health.subscribed(self.clock.now().mono_ms);
        }
        self.say_refused(story);
        let reason = refusal(&story.refused);
        if reason.is_some() && story.refused.len() == topics {
            self.report(DeviceStatus::Offline, reason.clone()).await?;
        }
        let broken = reason.is_some();
        if !broken && !std::mem::replace(&mut story.told_refused, broken) {
            return Ok(());
        }
        story.told_refused = broken;
        let text = reason.unwrap_or_else(|| "it lets us read every topic".into());
        let text = format!("broker {broker}: {text}");
        let fault = Fault { kind: Kind::DeviceFault, broken, text };
        self.send(self.own(Body::Fault(fault)), Receipt::none()).await
    }

    /// To the junction, unless the limit sets it aside; in flight until it can be acknowledged.
    async fn pass_on(
        &self,
        message: wire::Message,
        story: &mut Story,
        in_flight: &mut InFlight,
    ) -> Result<(), Stopped> {
        let read = Message {
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
            via: &self.config.id,
        };
        let now = self.clock.now();
        let heard = presence::SensorWord {
            topic: read.topic,
            payload: read.payload,
            retained: read.retained,
            cut: message.is_cut(),
            via: read.via,
            user: None,
        };
        let of_a_sensor = of_a_sensor(&self.dialects, &heard, now, &*self.meter);
        // What is no sensor's comes by the other connection too.
        if let Some(said) = of_a_sensor.or_else(|| self.sensors.then(Vec::new)) {
            in_flight.push(message, StoredYet::SetAside);
            for observation in said {
                self.send(observation, Receipt::none()).await?;
            }
            return Ok(());
        }
        let arrival = self.arrival(&message);
        let speaker = Speaker::Broker { id: &self.config.id };
        let judged = if message.is_cut() {
            self.say_too_large(&message, story);
            let reason = frames::too_large(message.bytes);
            cannot_be_read(&self.dialects, (&read, speaker), &reason, now, &*self.meter)
        } else {
            // Behind a broker all are one connection: what nobody has listed has no quota there.
            let sender = Sender { speaker, way: &arrival.way, origins: &[] };
            accept(&self.dialects, &story.limiter, (&read, sender), now, &*self.meter)
        };
        let mut observations = judged.observations;
        if let Some(why) = judged.why {
            story.claims.tell(&self.readiness, &claims_part(&self.config.id), &why);
        }
        arrival::mark(&mut observations, &arrival);
        let Some(last) = observations.pop() else {
            in_flight.push(message, StoredYet::SetAside);
            return Ok(());
        };
        let (tell, told) = oneshot::channel();
        let stored = move |stored| {
            let _ = tell.send(stored);
        };
        let receipt = refused::receipt(&last, &read, now, &self.envelopes, &self.meter, stored);
        in_flight.push(message, StoredYet::Asked(told));
        for observation in observations {
            self.send(observation, Receipt::none()).await?;
        }
        self.send(last, receipt).await
    }

    fn arrival(&self, message: &wire::Message) -> Arrival {
        Arrival {
            way: format!("broker/{}", self.config.id),
            client: self.config.broker(&self.site, &self.client_ids).client_id,
            packet: message.packet,
            dup: message.dup,
            digest: arrival::digest(&message.topic, &message.payload),
        }
    }

    /// In the log, in a note of `/readyz` and with that in heartbeats, and in a figure.
    fn say_too_large(&self, message: &wire::Message, story: &mut Story) {
        let (broker, topic, bytes) = (&self.config.id, &message.topic, message.bytes);
        story.too_large += 1;
        self.meter.add(Metric::SignalsTooLarge, broker, 1);
        let count = story.too_large;
        let shown: String = topic.chars().take(200).collect();
        let note =
            format!("messages too large to be read: {count}; the last of {bytes} bytes on {shown}");
        self.readiness.note(&set_aside_part(broker), &note);
        if let Some(more) = story.too_large_said.say() {
            tracing::warn!(
                broker,
                topic,
                bytes,
                more,
                "broker: a message that is too large is set aside"
            );
        }
    }
}

/// In one sentence, if the broker refuses something.
fn refusal(refused: &BTreeSet<String>) -> Option<String> {
    let first = refused.first()?;
    let more = refused.len() - 1;
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("it does not let us read `{first}`{more} (its access rules, 0x80)"))
}

/// Nobody takes envelopes any more: the gateway stops.
struct Stopped;
