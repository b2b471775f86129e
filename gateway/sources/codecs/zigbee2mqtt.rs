//! Zigbee2MQTT: `<base>/<friendly name>` with JSON state, one topic an attribute, `…/availability` and `<base>/bridge/state`.
//!
//! The base is `zigbee2mqtt`; another one is known by the listed name that stands below it, or by a
//! state that only Zigbee2MQTT sends (`Codecs::decode`).

use serde_json::Value;

use super::{
    Codecs, Message, json,
    message::{DeviceMessage, flag, lqi, object, percent, time},
    model::ZIGBEE_SILENT_AFTER_S,
};
use crate::domain::{DeviceStatus, PressForm};

const EXPECTED: &str = "Zigbee2MQTT's state, {\"action\":\"…\",\"battery\":…,\"linkquality\":…}";
/// States that are true from the press until they are reset, whoever sends them.
const CALLING: &[&str] = &["sos", "sos_alarm", "emergency", "panic"];
/// And those that are so of a listed button only: a siren has them too.
const CALLING_OF_BUTTONS: &[&str] = &["alarm", "alarm_1", "help"];
/// Attributes that come alone with `output: attribute`.
pub(super) const ATTRIBUTES: &[&str] = &[
    "action",
    "click",
    "battery",
    "battery_low",
    "linkquality",
    "tamper",
    "last_seen",
    "voltage",
    "sos",
    "sos_alarm",
    "emergency",
    "panic",
    "alarm",
    "alarm_1",
    "help",
];

/// The part of a topic that is below the base, as it is to be read: whose, and what about it.
struct Below<'t> {
    name: &'t str,
    about: &'t str,
}

fn split<'t>(codecs: &Codecs, rest: &'t str) -> Below<'t> {
    match rest.rsplit_once('/') {
        _ if codecs.device(rest).listed => Below { name: rest, about: "" },
        Some((name, about))
            if ATTRIBUTES.contains(&about) || ["availability", "set", "get"].contains(&about) =>
        {
            Below { name, about }
        }
        _ => Below { name: rest, about: "" },
    }
}

/// Whose message this is, and whether a press can come on such a topic: only `…/action` is for
/// presses alone.
pub(super) fn whose<'t>(codecs: &Codecs, rest: &'t str) -> (&'t str, super::Carries) {
    let Below { name, about } = split(codecs, rest);
    let carries = match about {
        "action" | "click" => super::Carries::Presses,
        "" if !rest.starts_with("bridge/") => super::Carries::Anything,
        about if CALLING.contains(&about) => super::Carries::Anything,
        _ => super::Carries::Status,
    };
    (name, carries)
}

/// `rest` is the topic below the base; friendly names may hold slashes.
pub(super) fn read(
    codecs: &Codecs,
    base: &str,
    rest: &str,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    if let Some(about) = rest.strip_prefix("bridge/") {
        // The coordinator itself: when it is gone, none of its buttons is heard.
        let mut decoded = DeviceMessage::of(&codecs.nobody(), base, message);
        decoded.report.hub = true;
        if about == "state" {
            decoded.report.word = word_of(message)?;
        }
        return Ok(decoded);
    }
    let Below { name, about } = split(codecs, rest);
    let known = codecs.device(name);
    let mut decoded = DeviceMessage::of(&known, name, message);
    let model = known.model.as_deref();
    decoded.report.through = Some(base.into());
    decoded.report.model = model.map(|model| model.name.clone());
    let usual = model.and_then(|model| model.silent_after_s).unwrap_or(ZIGBEE_SILENT_AFTER_S);
    decoded.report.silent_after_s = Some(usual);
    match about {
        "availability" => decoded.report.word = word_of(message)?,
        // Sent to the device, by whoever commands it.
        "set" | "get" => {}
        "" => {
            let (value, doubts) = object(message, EXPECTED)?;
            decoded.mended(doubts);
            state(&value, &mut decoded);
        }
        attribute => {
            // A text without quotes, or the JSON of it.
            let value = json::read(message.payload)
                .map(|read| read.value)
                .unwrap_or_else(|_| Value::from(json::text(message.payload, &mut Vec::new())));
            let value = match value {
                whole @ Value::Object(_) => whole,
                alone => Value::Object([(attribute.to_owned(), alone)].into_iter().collect()),
            };
            state(&value, &mut decoded);
            if ["action", "click"].contains(&attribute)
                && let Some(what) = decoded.unknown_word()
                && !decoded.is_button
            {
                return Err(format!("{what}: not understood"));
            }
        }
    }
    Ok(decoded)
}

/// `online`, or `{"state":"online"}` since 2.0.
fn word_of(message: &Message<'_>) -> Result<DeviceStatus, String> {
    let text = json::text(message.payload, &mut Vec::new());
    let json = json::read(message.payload).ok();
    let state =
        json.as_ref().and_then(|json| json.value.get("state").unwrap_or(&json.value).as_str());
    match state.unwrap_or(&text).trim().to_lowercase().as_str() {
        "online" => Ok(DeviceStatus::Online),
        "offline" => Ok(DeviceStatus::Offline),
        _ => Err("expected `online`, `offline` or {\"state\":\"online\"}".into()),
    }
}

/// `action` is empty or absent in what is no press. The time is there if `last_seen` is on.
fn state(value: &Value, decoded: &mut DeviceMessage) {
    decoded.takes("action", value.get("action"));
    decoded.takes("click", value.get("click"));
    let calling = CALLING.iter();
    let more = CALLING_OF_BUTTONS.iter().filter(|_| decoded.is_button);
    for key in calling.chain(more).copied().collect::<Vec<_>>() {
        decoded.takes_flag(key, key, value.get(key), &PressForm::Level);
    }
    decoded.at = decoded.field("last_seen", value.get("last_seen"), time);
    decoded.report.battery = decoded.field("battery", value.get("battery"), percent);
    decoded.report.battery_low = decoded.field("battery_low", value.get("battery_low"), flag);
    decoded.report.tampered = decoded.field("tamper", value.get("tamper"), flag);
    decoded.report.link = decoded.field("linkquality", value.get("linkquality"), lqi);
}
