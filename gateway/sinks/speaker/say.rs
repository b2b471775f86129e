//! What is to be said of an incident at one speaker: by the rules of the site, or in a person's own words. Pure.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    config::{AnnounceConfig, Config},
    dealt::Urgency,
    floor::Causes,
};
use crate::{
    domain::{Event, IncidentId, Kind, Plate, Posture, Schedule, Severity, speakable},
    sinks::{
        meant::is_meant,
        template::{self, Into},
    },
};

pub(super) const NOT_SAID: &str = "no [[announce]] is about it here";
/// It may become so.
const NOT_URGENT: &str = "less urgent than what is said here";

/// One thing that is to be said.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    /// What it is said of: with it, it ends.
    pub(super) cause: IncidentId,
    /// Cleaned; by language, in the order in which they are said.
    pub(super) texts: Vec<String>,
    /// 1 is the most urgent.
    pub(super) urgency: Urgency,
    pub(super) valid_s: u32,
    /// Not begun after this.
    pub(super) until: Timestamp,
    pub(super) repeats: u32,
    pub(super) every_s: u32,
    postures: Vec<Posture>,
    quiet: Vec<String>,
    /// The event, for what is sent to a device that reads by itself.
    pub(super) event: Box<Event>,
}

impl Saying {
    /// The error is why nothing is said.
    pub(super) fn of(
        config: &Config,
        event: &Event,
        rule: Option<&str>,
    ) -> Result<Self, &'static str> {
        match event.data.kind {
            Kind::Announcement => Self::in_own_words(config, event),
            _ => Self::by_rule(config, event, rule),
        }
    }

    /// A person's own words, in the incident that they are.
    fn in_own_words(config: &Config, event: &Event) -> Result<Self, &'static str> {
        let detail = &event.data.detail;
        let named = detail.get("speakers").and_then(|list| list.as_array());
        let is_named =
            named.is_some_and(|list| list.iter().any(|one| *one == config.speaker.id.as_str()));
        let grid = event.data.grid.as_ref().map(|grid| grid.code.as_str());
        let is_there = named.is_none() && grid.is_some() && grid == config.grid.as_deref();
        if !is_named && !is_there {
            return Err("it is for other speakers");
        }
        let text = speakable(detail.get("text").and_then(|text| text.as_str()).unwrap_or(""));
        let valid_s = detail.get("valid_s").and_then(serde_json::Value::as_u64);
        let valid_s = valid_s.and_then(|s| u32::try_from(s).ok()).unwrap_or(60);
        Ok(Self {
            cause: event.data.incident,
            texts: vec![text],
            urgency: event.data.severity.level(),
            valid_s,
            until: until(event, valid_s),
            repeats: 0,
            every_s: 1,
            postures: Vec::new(),
            quiet: Vec::new(),
            event: Box::new(event.clone()),
        })
    }

    fn by_rule(config: &Config, event: &Event, rule: Option<&str>) -> Result<Self, &'static str> {
        let about: Vec<&AnnounceConfig> =
            config.announce.iter().filter(|one| one.is_about(config, event, rule)).collect();
        let data = &event.data;
        let urgent = about.iter().find(|one| data.severity <= one.severity_max);
        let Some(one) = urgent else {
            return Err(if about.is_empty() { NOT_SAID } else { NOT_URGENT });
        };
        let valid_s = one.valid_s(data.severity);
        let event = with_plates_as_said(event, one.say_plates);
        let spelt = spelt(&event);
        let fill = |text: &String| speakable(&template::fill(text, &spelt, "", Into::Plain));
        let texts = [&one.zh, &one.en].into_iter().filter(|text| !text.trim().is_empty());
        Ok(Self {
            cause: data.incident,
            texts: texts.map(fill).collect(),
            urgency: data.severity.level(),
            valid_s,
            until: until(&event, valid_s),
            repeats: one.repeats,
            every_s: one.every_s,
            postures: one.postures.clone(),
            quiet: one.quiet.clone(),
            event: Box::new(event),
        })
    }

    /// Why it is not said at this time, if it is not.
    pub(super) fn is_unfit(
        &self,
        now: Timestamp,
        zone: &TimeZone,
        causes: &dyn Causes,
    ) -> Option<&'static str> {
        if !self.postures.is_empty() && !self.postures.iter().any(|one| causes.holds(*one)) {
            return Some("no posture holds in which it is said");
        }
        let emergency = self.urgency == Severity::EMERGENCY.level();
        let quiet = Schedule::parse(&self.quiet).is_ok_and(|quiet| quiet.holds(now, zone));
        (quiet && !self.quiet.is_empty() && !emergency).then_some("these are quiet hours")
    }

    /// All of it, one language after the other.
    pub(super) fn whole(&self) -> String {
        self.texts.join(" ")
    }
}

impl AnnounceConfig {
    /// But for how urgent it must be.
    fn is_about(&self, config: &Config, event: &Event, rule: Option<&str>) -> bool {
        let data = &event.data;
        let by_rule = rule.is_some_and(|rule| self.rules.iter().any(|one| one == rule));
        let by_kind = self.kinds.contains(&data.kind);
        let grid = data.grid.as_ref().map(|grid| grid.code.as_str());
        let here = match self.speakers.is_empty() {
            true => grid.is_some() && grid == config.grid.as_deref(),
            false => self.concerns(&config.speaker.id),
        };
        let of = |source: &String| data.sources.iter().any(|one| one.id.as_str() == source);
        (by_rule || by_kind)
            && here
            && (self.sources.is_empty() || self.sources.iter().any(of))
            && is_meant(data, &[], Severity::MINOR.level(), &self.grids)
    }
}

/// Whole where they may be said; the speaker has them whole as soon as one of its texts may.
fn with_plates_as_said(event: &Event, whole: bool) -> Event {
    let mut event = event.clone();
    let masked = |plate: &str| Plate::parse(plate).map_or(plate.to_owned(), |one| one.masked());
    if !whole {
        event.data.write_plates(masked);
    }
    event
}

/// Plates are said sign by sign: `8888` is no number in one.
fn spelt(event: &Event) -> Event {
    let mut event = event.clone();
    event.data.write_plates(|plate| plate.chars().map(String::from).collect::<Vec<_>>().join(" "));
    event
}

fn until(event: &Event, valid_s: u32) -> Timestamp {
    let at = event.data.changed_at.parse::<Timestamp>().unwrap_or(Timestamp::MAX);
    later(at, valid_s)
}

pub(super) fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX)
}
