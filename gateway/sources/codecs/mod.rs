//! Topic and bytes become observations, or a reason why they cannot; one file a device dialect.
//!
//! Which dialect, by topic, the first that fits (`Codecs::decode`): the grid's replies, native
//! gauges and postures, DJI drones, the site's own mappings, gauges over ChirpStack and rtl_433,
//! buttons over ChirpStack, Zigbee2MQTT, Tasmota, ESPHome; all else is a native button.
//!
//! Gauges of other makes (`gauge::foreign`) are known by what the message holds, and are asked before
//! the buttons. ChirpStack's topics carry both: a device that the site has listed as one is never
//! read as the other, and for a device that is listed nowhere its message decides.

mod chirpstack;
mod dji;
mod gauge;
mod gauge_fields;
mod gauge_raw;
pub mod klv;
mod lora;
mod mapped;
mod message;
mod model;
mod native;
mod number;
pub mod sl651;
pub mod sl651_body;
mod sl651_elements;
mod sl651_hex;
mod sl651_text;
#[cfg(test)]
mod tests;
mod wifi;
mod zigbee2mqtt;

use std::{collections::HashMap, sync::Arc};

use crate::domain::{Body, Now, Observation, Reply, SiteId, SourceId, Stamp};
use mapped::Mapping;
use message::unreadable;
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
    pub model: Option<String>,
}

/// What the codecs know of the site; made anew when its configuration changes.
pub struct Codecs {
    site: SiteId,
    reply: String,
    devices: HashMap<String, (SourceId, Option<Arc<Model>>)>,
    /// Gauges by their lower-case id and by how they name themselves.
    gauges: HashMap<String, SourceId>,
    models: Vec<Arc<Model>>,
    mappings: Vec<Mapping>,
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
        Self {
            site: site.clone(),
            reply: format!("gridpost/{site}/reply"),
            devices,
            gauges: HashMap::new(),
            models,
            mappings: configured.iter().filter_map(Mapping::of).collect(),
        }
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
        match self.gauges.get(name) {
            None if name.chars().any(char::is_uppercase) => self.gauges.get(&name.to_lowercase()),
            found => found,
        }
        .cloned()
    }

    /// Names are compared without regard to case: a DevEUI is written in both.
    fn device(&self, name: &str) -> KnownDevice {
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

    /// Never fails and is never empty: what cannot be read becomes [`Body::Unreadable`] and goes
    /// to the quarantine. With the last observation the message is settled.
    pub fn decode(&self, message: &Message<'_>, now: Now) -> Vec<Observation> {
        let topic = message.topic;
        let read = if topic == self.reply {
            return vec![reply(message, now).unwrap_or_else(|reason| {
                unreadable(SourceId::from(message.via), message, now, reason)
            })];
        } else if let Some(read) = gauge::read(self, message, now) {
            return vec![self.or_unreadable(read, message, now)];
        } else if topic.starts_with("thing/product/") {
            return vec![self.or_unreadable(dji::osd(message, now), message, now)];
        } else if let Some((mapping, level)) = self.mapping(topic) {
            mapped::read(self, mapping, level, message)
        } else if let Some(read) = gauge::foreign(self, message, now) {
            return vec![self.or_unreadable(read, message, now)];
        } else if let Some((eui, event)) = chirpstack::topic(topic) {
            match chirpstack::read(self, eui, event, message) {
                Ok((decoded, None)) => Ok(decoded),
                Ok((decoded, Some(reason))) => {
                    let bad = unreadable(decoded.source.clone(), message, now, reason);
                    return decoded.observations(now).into_iter().chain([bad]).collect();
                }
                Err(reason) => Err(reason),
            }
        } else if let Some(rest) = below(topic, ZIGBEE_BASE) {
            zigbee2mqtt::read(self, ZIGBEE_BASE, rest, message)
        } else if let Some((device, what)) = wifi::tasmota(topic) {
            wifi::read_tasmota(self, device, what, message)
        } else if let Some(parts) = wifi::esphome(topic) {
            wifi::read_esphome(self, parts, message)
        } else {
            native::read(self, message)
        };
        match read {
            Ok(decoded) => decoded.observations(now),
            Err(reason) => {
                let source = self.whose(message);
                vec![unreadable(source, message, now, reason)]
            }
        }
    }

    fn or_unreadable(
        &self,
        read: Result<Observation, String>,
        message: &Message<'_>,
        now: Now,
    ) -> Observation {
        read.unwrap_or_else(|reason| unreadable(self.whose(message), message, now, reason))
    }

    fn mapping<'s, 't>(&'s self, topic: &'t str) -> Option<(&'s Mapping, &'t str)> {
        self.mappings.iter().find_map(|mapping| Some((mapping, mapping.matches(topic)?)))
    }

    /// The source that the topic of an unreadable message names; else the way it came.
    fn whose(&self, message: &Message<'_>) -> SourceId {
        let levels = message.topic.split('/');
        let listed = levels
            .filter(|level| !level.is_empty())
            .find_map(|level| self.device(level).id.or_else(|| self.gauge(level)));
        listed.unwrap_or_else(|| SourceId::from(message.via))
    }

    pub fn site(&self) -> &SiteId {
        &self.site
    }
}

fn below<'t>(topic: &'t str, base: &str) -> Option<&'t str> {
    topic.strip_prefix(base)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

fn reply(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let reply: Reply = serde_json::from_slice(message.payload).map_err(|error| {
        format!("not a reply: {error}; expected {{\"incident\", \"to\", \"by\"}}")
    })?;
    let source = SourceId::from(reply.by.as_str());
    Ok(Observation { source, stamp: Stamp::of_gateway(now), body: Body::Reply(reply) })
}
