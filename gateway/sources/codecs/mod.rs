//! Topic and bytes become observations, or a reason why they cannot; one file a device dialect.
//!
//! Which dialect, by topic, the first that fits (`Codecs::decode`): the grid's replies, native
//! gauges and postures, DJI drones, the site's own mappings, gauges over ChirpStack and rtl_433,
//! buttons over ChirpStack and The Things Stack, Zigbee2MQTT, Tasmota, Shelly, ESPHome; all else is a
//! native button, or Zigbee2MQTT below another base.
//!
//! A field that cannot be read costs itself alone. A message that cannot be read at all goes to the
//! quarantine; if it comes from a listed button, or on a topic that is for presses alone, it is a
//! press that nobody could read too ([`Codecs::not_read`]).
//!
//! Gauges of other makes (`gauge::foreign`) are known by what the message holds, and are asked before
//! the buttons. ChirpStack's topics carry both: a device that the site has listed as one is never
//! read as the other, and for a device that is listed nowhere its message decides.

mod chirpstack;
mod dji;
mod gauge;
mod gauge_fields;
mod gauge_raw;
mod json;
pub mod klv;
mod lora;
mod mapped;
mod message;
mod model;
mod native;
mod number;
mod shelly;
pub mod sl651;
pub mod sl651_body;
mod sl651_elements;
mod sl651_hex;
mod sl651_text;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_field;
#[cfg(test)]
mod tests_mutations;
#[cfg(test)]
mod tests_reports;
mod wifi;
mod zigbee2mqtt;

use std::{
    cell::LazyCell,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    domain::{Body, Now, Observation, PressForm, Reply, SiteId, SourceId, Stamp, without_mark},
    sources::presence::PresenceTally,
};
use mapped::Mapping;
use message::{unreadable, unreadable_press};
use model::Model;

pub use model::{ModelConfig, built_in, problems, silent_after_s};

/// One message as it came in.
pub struct Message<'m> {
    pub topic: &'m str,
    pub payload: &'m [u8],
    /// A broker's retained message: may be old.
    pub retained: bool,
    /// `intake`, a broker's id, `replay`.
    pub via: &'m str,
}

/// A device that the site has listed.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: SourceId,
    /// As the device names itself, where that is not its id.
    pub device: Option<String>,
    /// The user of the intake who may speak for it.
    pub user: Option<String>,
    pub model: Option<String>,
}

/// What the codecs know of the site; made anew when its configuration changes.
pub struct Codecs {
    site: SiteId,
    reply: String,
    /// The topic below which the site's own buttons speak.
    buttons: String,
    devices: HashMap<String, (SourceId, Option<Arc<Model>>)>,
    /// Gauges by their lower-case id and by how they name themselves.
    gauges: HashMap<String, SourceId>,
    /// Devices by the user of the intake who may speak for them.
    owned: HashMap<String, BTreeSet<SourceId>>,
    models: Vec<Arc<Model>>,
    mappings: Vec<Mapping>,
    presence: Arc<PresenceTally>,
}

/// Whether a press can come on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// Nothing else comes there: what cannot be read may be one, whoever sends it.
    Presses,
    /// What cannot be read may be a press if a listed button sends it.
    Anything,
    /// Only how a device is: never a press.
    Status,
}

/// What is known of a name.
struct KnownDevice {
    id: Option<SourceId>,
    model: Option<Arc<Model>>,
    listed: bool,
}

impl KnownDevice {
    fn source(&self, name: &str) -> SourceId {
        self.id.clone().unwrap_or_else(|| {
            // A topic may be empty where a name should be.
            let name = if name.is_empty() { "nameless" } else { name };
            SourceId::from(name.chars().take(message::ID_CHARS_MAX).collect::<String>())
        })
    }
}

/// A longer topic is read by nobody, bytes.
const TOPIC_BYTES_MAX: usize = 1_024;
/// Levels of a topic in which a name is looked for.
const LEVELS_MAX: usize = 12;
/// The base topics of Zigbee2MQTT that are looked for.
const ZIGBEE_BASE: &str = "zigbee2mqtt";

impl Codecs {
    pub fn new(site: &SiteId, listed: &[Listed], configured: &[ModelConfig]) -> Self {
        let mut names: Vec<String> = model::built_in().map(str::to_owned).collect();
        names.extend(configured.iter().map(|model| model.id.to_lowercase()));
        names.extend(listed.iter().filter_map(|one| one.model.as_ref()).map(|m| m.to_lowercase()));
        names.sort();
        names.dedup();
        let models: Vec<Arc<Model>> =
            names.iter().map(|name| Arc::new(Model::of(name, configured))).collect();
        let mut devices = HashMap::new();
        for one in listed {
            let name = one.model.as_ref().map(|model| model.to_lowercase());
            let model = name.and_then(|name| models.iter().find(|model| model.name == name));
            let keys = [Some(one.id.as_str()), one.device.as_deref()];
            for key in keys.into_iter().flatten() {
                devices.insert(key.to_lowercase(), (one.id.clone(), model.cloned()));
            }
        }
        let mut owned: HashMap<String, BTreeSet<SourceId>> = HashMap::new();
        for (user, one) in listed.iter().filter_map(|one| Some((one.user.clone()?, one))) {
            owned.entry(user).or_default().insert(one.id.clone());
        }
        Self {
            site: site.clone(),
            reply: format!("gridpost/{site}/reply"),
            buttons: format!("gridpost/{site}/button/"),
            devices,
            gauges: HashMap::new(),
            owned,
            models,
            mappings: configured.iter().filter_map(Mapping::of).collect(),
            presence: Arc::default(),
        }
    }

    /// Where what Wi-Fi sensors hear is counted: asked before any message is decoded.
    #[must_use]
    pub fn with_presence(mut self, presence: Arc<PresenceTally>) -> Self {
        self.presence = presence;
        self
    }

    pub fn presence(&self) -> &PresenceTally {
        &self.presence
    }

    /// The gauges of the site; `model` of each does not matter.
    #[must_use]
    pub fn with_gauges(mut self, listed: &[Listed]) -> Self {
        for one in listed {
            let keys = [Some(one.id.as_str()), one.device.as_deref()];
            for key in keys.into_iter().flatten() {
                self.gauges.insert(key.to_lowercase(), one.id.clone());
            }
        }
        self
    }

    /// The gauge that the site has listed under this name.
    fn gauge(&self, name: &str) -> Option<SourceId> {
        let name = name.trim_matches('/');
        match self.gauges.get(name) {
            None if name.chars().any(char::is_uppercase) => self.gauges.get(&name.to_lowercase()),
            found => found,
        }
        .cloned()
    }

    /// Names are compared without regard to case: a DevEUI is written in both. A slash too many around
    /// a name in a topic is none of its.
    fn device(&self, name: &str) -> KnownDevice {
        let trimmed = name.trim_matches('/');
        if trimmed.len() < name.len() && !trimmed.is_empty() {
            let found = self.device(trimmed);
            if found.listed {
                return found;
            }
        }
        let found = match self.devices.get(name) {
            None if name.chars().any(char::is_uppercase) => self.devices.get(&name.to_lowercase()),
            found => found,
        };
        let (id, model) = found.cloned().unzip();
        KnownDevice { listed: id.is_some(), id, model: model.flatten() }
    }

    /// The model whose name a lower-case text holds, e.g. that of a device profile.
    fn model_in(&self, text: &str) -> Option<Arc<Model>> {
        let longest = |model: &&Arc<Model>| model.name.len();
        let named = |model: &&Arc<Model>| !text.is_empty() && text.contains(&model.name);
        self.models.iter().filter(named).max_by_key(longest).cloned()
    }

    /// Nobody who is listed.
    fn nobody(&self) -> KnownDevice {
        KnownDevice { id: None, model: None, listed: false }
    }

    /// A topic of the site's own, for buttons alone; whoever left out the name presses too.
    fn is_button_topic(&self, topic: &str) -> bool {
        topic.starts_with(&self.buttons) || self.buttons.strip_suffix('/') == Some(topic)
    }

    /// The level of such a topic that names the device.
    fn button_of<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(&self.buttons)?.split('/').find(|level| !level.is_empty())
    }

    /// Never fails and is never empty: what cannot be read becomes [`Body::Unreadable`] and goes
    /// to the quarantine. With the last observation the message is settled.
    ///
    /// Several documents in one message are read one by one, if it cannot be read as a whole.
    pub fn decode(&self, message: &Message<'_>, now: Now) -> Vec<Observation> {
        let whole = self.decode_one(message, now);
        let is_read = !whole.iter().any(|one| matches!(one.body, Body::Unreadable(_)));
        let Some(all) = (!is_read).then(|| json::several(message.payload)).flatten() else {
            return whole;
        };
        let each = all.iter().flat_map(|one| {
            let payload = one.to_string().into_bytes();
            self.decode_one(&Message { payload: &payload, ..*message }, now)
        });
        let each: Vec<Observation> = each.collect();
        // As a whole it is told once, if nothing of it can be read.
        match each.iter().all(|one| is_of_the_unread(&one.body)) {
            true => whole,
            false => each,
        }
    }

    fn decode_one(&self, message: &Message<'_>, now: Now) -> Vec<Observation> {
        let topic = message.topic;
        if topic.len() > TOPIC_BYTES_MAX {
            let reason = format!("its topic is longer than {TOPIC_BYTES_MAX} bytes");
            return self.not_read(message, now, &reason);
        }
        let read = if topic == self.reply {
            return vec![reply(message, now).unwrap_or_else(|reason| {
                unreadable(SourceId::from(message.via), message, now, reason)
            })];
        } else if let Some(read) = gauge::read(self, message, now) {
            return vec![self.or_unreadable(read, message, now)];
        } else if topic.starts_with("thing/product/") {
            return self.pose(message, now);
        } else if let Some((mapping, level)) = self.mapping(topic) {
            mapped::read(self, mapping, level, message)
        } else if let Some(read) = gauge::foreign(self, message, now) {
            return vec![self.or_unreadable(read, message, now)];
        } else if let Some((eui, event)) = chirpstack::topic(topic) {
            match chirpstack::read(self, eui, event, message) {
                Ok(partly) => return self.partly(partly, message, now),
                Err(reason) => Err(reason),
            }
        } else if let Some((device, event)) = chirpstack::things_topic(topic) {
            match chirpstack::read_things(self, device, event, message) {
                Ok(partly) => return self.partly(partly, message, now),
                Err(reason) => Err(reason),
            }
        } else if let Some((base, rest)) = self.zigbee(message) {
            zigbee2mqtt::read(self, base, rest, message)
        } else if let Some(topic) = wifi::tasmota(self, topic) {
            wifi::read_tasmota(self, topic, message)
        } else if let Some((device, what)) = shelly::topic(topic) {
            shelly::read(self, device, what, message)
        } else if let Some(parts) = wifi::esphome(topic) {
            wifi::read_esphome(self, parts, message)
        } else {
            native::read(self, message)
        };
        match read {
            Ok(decoded) => decoded.observations(message, now),
            Err(reason) => self.not_read(message, now, &reason),
        }
    }

    /// A message that nobody can read, because `reason`; its payload may be no more than the
    /// beginning. It goes to the quarantine, and with it comes a press, if it may have been one.
    pub fn not_read(&self, message: &Message<'_>, now: Now, reason: &str) -> Vec<Observation> {
        let (source, carries) = self.whose(message);
        let mut observations = vec![unreadable(source.clone(), message, now, reason.to_owned())];
        let is_button = self.devices.values().any(|(id, _)| *id == source);
        let may_be_a_press = match carries {
            Carries::Presses => true,
            Carries::Anything => is_button,
            Carries::Status => false,
        };
        // An old retained message calls nobody, and nothing at all is how one is cleared at a broker.
        let text = json::text(message.payload, &mut Vec::new());
        let is_empty = text.is_empty() || text == "null";
        if may_be_a_press && !message.retained && !is_empty {
            observations.push(unreadable_press(source, message, now, reason));
        }
        observations
    }

    fn partly(
        &self,
        (decoded, unread): chirpstack::Partly,
        message: &Message<'_>,
        now: Now,
    ) -> Vec<Observation> {
        let Some(reason) = unread else { return decoded.observations(message, now) };
        let source = decoded.source.clone();
        let press = decoded.may_be_a_press(message);
        let bad = unreadable(source.clone(), message, now, reason.clone());
        let press = press.then(|| unreadable_press(source, message, now, &reason));
        decoded.observations(message, now).into_iter().chain([bad]).chain(press).collect()
    }

    /// Telemetry of a drone; what of it could not be read goes to the quarantine.
    fn pose(&self, message: &Message<'_>, now: Now) -> Vec<Observation> {
        match dji::osd(message, now) {
            Ok((pose, None)) => vec![pose],
            Ok((pose, Some(reason))) => {
                vec![unreadable(pose.source.clone(), message, now, reason), pose]
            }
            Err(reason) => self.not_read(message, now, &reason),
        }
    }

    fn or_unreadable(
        &self,
        read: Result<Observation, String>,
        message: &Message<'_>,
        now: Now,
    ) -> Observation {
        read.unwrap_or_else(|reason| {
            let (source, _) = self.whose(message);
            unreadable(source, message, now, reason)
        })
    }

    /// Base and the rest of a topic of Zigbee2MQTT. Another base than its usual one is known by a
    /// listed name below it, or by what only Zigbee2MQTT says; a native message never is one.
    fn zigbee<'m>(&self, message: &Message<'m>) -> Option<(&'m str, &'m str)> {
        let topic = message.topic;
        if let Some(rest) = below(topic, ZIGBEE_BASE) {
            return Some((ZIGBEE_BASE, rest));
        }
        if topic.starts_with("gridpost/") {
            return None;
        }
        // Read when it is asked for, and once.
        let value = LazyCell::new(|| json::read(message.payload).ok().map(|read| read.value));
        let has = |keys: &[&str]| {
            keys.iter().any(|key| value.as_ref().is_some_and(|value| value.get(key).is_some()))
        };
        let at = topic.match_indices('/').map(|(at, _)| at).take(LEVELS_MAX);
        for (base, rest) in at.map(|at| (&topic[..at], &topic[at + 1..])) {
            let (name, carries) = zigbee2mqtt::whose(self, rest);
            if self.device(name).listed && (carries != Carries::Anything || !has(&["event"])) {
                let is_zigbees = name != rest || has(zigbee2mqtt::ATTRIBUTES);
                return (is_zigbees && !self.is_tasmotas(topic)).then_some((base, rest));
            }
        }
        let (base, rest) = topic.split_once('/')?;
        let is_bridge = rest == "bridge/state" || (has(&["linkquality"]) && !has(&["event"]));
        (is_bridge && !rest.is_empty()).then_some((base, rest))
    }

    fn is_tasmotas(&self, topic: &str) -> bool {
        wifi::tasmota(self, topic).is_some()
    }

    fn mapping<'s, 't>(&'s self, topic: &'t str) -> Option<(&'s Mapping, &'t str)> {
        self.mappings.iter().find_map(|mapping| Some((mapping, mapping.matches(topic)?)))
    }

    /// Whose an unreadable message is by its topic, else the way it came; and whether it may have
    /// been a press.
    fn whose(&self, message: &Message<'_>) -> (SourceId, Carries) {
        let (name, carries) = self.name_of(message);
        if carries == Carries::Presses || self.device(&name).listed {
            return (self.device(&name).source(&name), carries);
        }
        let listed =
            parts(message.topic).find_map(|part| self.device(part).id.or_else(|| self.gauge(part)));
        (listed.unwrap_or_else(|| SourceId::from(message.via)), carries)
    }

    /// The name that the topic alone gives, as its dialect words it.
    fn name_of(&self, message: &Message<'_>) -> (String, Carries) {
        let topic = message.topic;
        let ours = below(topic, "gridpost").and_then(|rest| below(rest, self.site.as_str()));
        let (name, carries) = if self.is_button_topic(topic) {
            (self.button_of(topic).unwrap_or_default(), Carries::Presses)
        } else if topic.starts_with("homeassistant/") && topic.ends_with("/config") {
            // What others may show of a device (discovery), and not what it says.
            ("", Carries::Status)
        } else if ours.is_some() || topic.starts_with("thing/product/") {
            ("", Carries::Status)
        } else if let Some((_, level)) = self.mapping(topic) {
            (mapped::level_of(level, message), Carries::Presses)
        } else if let Some((eui, event)) = chirpstack::topic(topic) {
            (eui, chirpstack::carries(event))
        } else if let Some((device, event)) = chirpstack::things_topic(topic) {
            (device, chirpstack::carries(event))
        } else if let Some((_, rest)) = self.zigbee(message) {
            zigbee2mqtt::whose(self, rest)
        } else if let Some(topic) = wifi::tasmota(self, topic) {
            (topic.device, topic.carries())
        } else if let Some((device, what)) = shelly::topic(topic) {
            (device, shelly::carries(what))
        } else if let Some(parts) = wifi::esphome(topic) {
            return (wifi::esphome_name(self, parts.0, parts.2), wifi::esphome_carries(parts));
        } else {
            ("", Carries::Anything)
        };
        (name.to_owned(), carries)
    }

    /// Whether the site has listed a device, or a gauge, under this name.
    pub fn lists(&self, name: &str) -> bool {
        self.listed_id(name).is_some()
    }

    /// The id of the device or gauge that the site has listed under this name.
    pub fn listed_id(&self, name: &str) -> Option<SourceId> {
        self.device(name).id.or_else(|| self.gauge(name))
    }

    /// The devices whose lines name this user of the intake; `None`: none does.
    pub fn owned_by(&self, user: &str) -> Option<&BTreeSet<SourceId>> {
        self.owned.get(user)
    }

    /// Whether the line of this device names a user of the intake.
    pub fn has_owner(&self, device: &SourceId) -> bool {
        self.owned.values().any(|all| all.contains(device))
    }

    /// The listed device whose own topic this is: `gridpost/<site>/button/<device>`.
    pub fn owner_of_topic(&self, topic: &str) -> Option<SourceId> {
        self.device(topic.strip_prefix(&self.buttons)?).id
    }

    /// How many names of devices and gauges are listed: at least as many as there are devices.
    pub fn listed(&self) -> usize {
        self.devices.len() + self.gauges.len()
    }

    pub fn site(&self) -> &SiteId {
        &self.site
    }
}

/// Every run of whole levels of a topic, the longest first: names may hold slashes.
fn parts(topic: &str) -> impl Iterator<Item = &str> {
    let mut levels = Vec::new();
    let mut from = 0;
    for level in topic.split('/').take(LEVELS_MAX) {
        levels.push((from, from + level.len()));
        from += level.len() + 1;
    }
    (1..=levels.len()).rev().flat_map(move |many| {
        let runs = levels.windows(many).filter_map(|run| Some((run.first()?.0, run.last()?.1)));
        runs.map(|(from, to)| &topic[from..to]).filter(|part| !part.is_empty()).collect::<Vec<_>>()
    })
}

/// What is kept because it could not be read, and the press that it may have been.
fn is_of_the_unread(body: &Body) -> bool {
    match body {
        Body::Unreadable(_) => true,
        Body::Press(press) => matches!(press.form, PressForm::Unreadable { .. }),
        _ => false,
    }
}

fn below<'t>(topic: &'t str, base: &str) -> Option<&'t str> {
    topic.strip_prefix(base)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

fn reply(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let reply: Reply = serde_json::from_slice(without_mark(message.payload)).map_err(|error| {
        format!("not a reply: {error}; expected {{\"incident\", \"to\", \"by\"}}")
    })?;
    let source = SourceId::from(reply.by.as_str());
    Ok(Observation { source, stamp: Stamp::of_gateway(now), body: Body::Reply(reply) })
}
