//! Buttons on Wi-Fi: Tasmota (`stat/<device>/…`, `tele/<device>/…`) and ESPHome (`<node>/binary_sensor/…/state`).
//!
//! Tasmota says a button's action in `RESULT` (`SetOption73`), in a topic of its own (`BUTTON1`,
//! `SetOption4`), or only switches its relay (`POWER`). The order of the levels is the site's choice
//! (`FullTopic`), so `stat` or `tele` may stand anywhere before the last level.

use serde_json::Value;

use super::{
    Carries, Codecs, Message, json,
    message::{DeviceMessage, flag, object, percent},
    model::WIFI_SILENT_AFTER_S,
};
use crate::domain::{DeviceStatus, PressForm};

const EXPECTED: &str = "Tasmota's JSON, {\"Button1\":{\"Action\":\"SINGLE\"}}";

/// A topic of Tasmota's.
#[derive(Clone, Copy)]
pub(super) struct Tasmota<'t> {
    /// Its name, as far as the topic alone says it.
    pub(super) device: &'t str,
    pub(super) what: &'t str,
    /// `tele/…`: it reports by itself, and not because something happened.
    is_telemetry: bool,
}

/// `stat/<device>/<what>` and `tele/<device>/<what>`, or with these levels in another order.
pub(super) fn tasmota<'t>(codecs: &Codecs, topic: &'t str) -> Option<Tasmota<'t>> {
    let (rest, what) = topic.rsplit_once('/')?;
    for (prefix, is_telemetry) in [("stat", false), ("tele", true)] {
        if let Some(device) = rest.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
            return (!device.is_empty()).then_some(Tasmota { device, what, is_telemetry });
        }
        if !rest.split('/').any(|level| level == prefix) || !is_tasmotas(what) {
            continue;
        }
        let levels = || rest.split('/').filter(|level| *level != prefix && !level.is_empty());
        let listed = levels().find(|level| codecs.device(level).listed);
        let device = listed.or_else(|| levels().next_back())?;
        return Some(Tasmota { device, what, is_telemetry });
    }
    None
}

/// What can stand at the end of its topics.
fn is_tasmotas(what: &str) -> bool {
    let name = what.trim_end_matches(|c: char| c.is_ascii_digit());
    ["RESULT", "STATE", "SENSOR", "LWT", "BUTTON", "SWITCH", "POWER"].contains(&name)
}

impl Tasmota<'_> {
    /// Whether a press can come on it.
    pub(super) fn carries(&self) -> Carries {
        match self.what {
            what if self.is_telemetry || what == "LWT" => Carries::Status,
            what if what.starts_with("BUTTON") => Carries::Presses,
            _ => Carries::Anything,
        }
    }
}

pub(super) fn read_tasmota(
    codecs: &Codecs,
    topic: Tasmota<'_>,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    let Tasmota { device, what, is_telemetry } = topic;
    let known = codecs.device(device);
    let mut decoded = DeviceMessage::of(&known, device, message);
    let model = known.model.as_deref();
    decoded.report.model = Some(model.map_or("tasmota", |model| &model.name).to_owned());
    let usual = model.and_then(|model| model.silent_after_s).unwrap_or(WIFI_SILENT_AFTER_S);
    decoded.report.silent_after_s = Some(usual);
    let is_alone = ["BUTTON", "SWITCH", "POWER"].iter().any(|name| what.starts_with(name));
    match what {
        "LWT" => decoded.report.word = online(message.payload, "Online", "Offline")?,
        _ if is_alone => {
            let value = json::read(message.payload)
                .map(|read| read.value)
                .unwrap_or_else(|_| Value::from(json::text(message.payload, &mut Vec::new())));
            let says_which = |key: &String| {
                let key = key.to_ascii_lowercase();
                ["button", "switch", "power", "action"].iter().any(|name| key.starts_with(name))
            };
            match &value {
                Value::Object(all) if all.keys().any(says_which) => {
                    tasmota_actions(&mut decoded, &value, is_telemetry);
                }
                // A word, or {"STATE":"ON"}: the topic says of what.
                alone => tasmota_action(&mut decoded, what, alone, is_telemetry),
            }
        }
        "RESULT" | "STATE" | "SENSOR" => {
            let (value, doubts) = object(message, EXPECTED)?;
            decoded.mended(doubts);
            tasmota_actions(&mut decoded, &value, is_telemetry);
            // Percent, as Tasmota's own pages show it.
            decoded.report.link = decoded.field("Wifi.RSSI", value.pointer("/Wifi/RSSI"), percent);
            decoded.report.battery = decoded.field("Battery", value.get("Battery"), percent);
        }
        // A topic that a rule of its own publishes: what sounds like a press there is one.
        _ if !is_telemetry && decoded.is_button && !what.starts_with("STATUS") => {
            match json::read(message.payload).map(|read| read.value) {
                Ok(value @ Value::Object(_)) => {
                    tasmota_actions(&mut decoded, &value, is_telemetry);
                }
                _ => {
                    let text = json::text(message.payload, &mut Vec::new());
                    decoded.takes_a_call(what, &text);
                }
            }
        }
        // STATUS…: it lives.
        _ => {}
    }
    Ok(decoded)
}

/// `{"Button1":{"Action":"SINGLE"}}`, older `{"ACTION":"SINGLE"}`, `{"Switch1":"ON"}`, `{"POWER":"ON"}`.
fn tasmota_actions(decoded: &mut DeviceMessage, value: &Value, is_telemetry: bool) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        tasmota_action(decoded, key, value, is_telemetry);
    }
}

fn tasmota_action(decoded: &mut DeviceMessage, key: &str, value: &Value, is_telemetry: bool) {
    let name = key.to_ascii_lowercase();
    let inner = value.as_object().and_then(|all| {
        all.iter().find(|(key, _)| key.eq_ignore_ascii_case("action")).map(|(_, value)| value)
    });
    let said = inner.unwrap_or(value);
    match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "button" | "action" | "trig" if !is_telemetry => decoded.takes(key, Some(said)),
        // How it stands, said every few minutes: whoever is listed calls from when it is on.
        "switch" if is_telemetry && decoded.is_button => {
            decoded.takes_flag(key, "press", Some(said), &PressForm::Level);
        }
        "switch" if is_telemetry => {}
        "switch" => {
            for word in decoded.words(key, Some(said)) {
                switched(decoded, key, &word);
            }
        }
        // A button that only switches its relay; of a lamp that is nothing.
        "power" if !is_telemetry && decoded.is_button => {
            for word in decoded.words(key, Some(said)) {
                switched(decoded, key, &word);
            }
        }
        _ => {}
    }
}

/// On and TOGGLE call; on is a state too, which its telemetry repeats.
fn switched(decoded: &mut DeviceMessage, key: &str, word: &str) {
    match flag(Some(&Value::from(word))) {
        Some(on) => {
            if key.to_ascii_lowercase().starts_with("switch") {
                decoded.report.calling = Some(on);
            }
            if on {
                decoded.takes_flag(key, "press", Some(&Value::from(true)), &PressForm::Event);
            }
        }
        None => decoded.takes(key, Some(&Value::from(word))),
    }
}

/// Node, what, and object of `<node>/binary_sensor/<object>/state`, `<node>/sensor/<object>/state`.
pub(super) fn esphome(topic: &str) -> Option<(&str, &str, &str)> {
    if let Some(node) = topic.strip_suffix("/status") {
        return (!node.is_empty() && !node.contains('/')).then_some((node, "status", ""));
    }
    let rest = topic.strip_suffix("/state")?;
    let (rest, object) = rest.rsplit_once('/')?;
    let (node, what) = rest.rsplit_once('/')?;
    let kinds = ["binary_sensor", "sensor", "event", "text_sensor"];
    let ours = kinds.contains(&what) && !node.is_empty();
    ours.then_some((node, what, object))
}

pub(super) fn read_esphome(
    codecs: &Codecs,
    (node, what, object): (&str, &str, &str),
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    // A node may carry several buttons: `<node>/<object>` is the first name that is looked for.
    let name = esphome_name(codecs, node, object);
    let known = codecs.device(&name);
    let mut decoded = DeviceMessage::of(&known, &name, message);
    let model = known.model.as_deref();
    decoded.report.model = Some(model.map_or("esphome", |model| &model.name).to_owned());
    let text = json::text(message.payload, &mut Vec::new());
    match what {
        "status" => decoded.report.word = online(message.payload, "online", "offline")?,
        "binary_sensor" => {
            if object.contains("tamper") {
                decoded.report.tampered = flag(Some(&Value::from(text)));
                return Ok(decoded);
            }
            // Home Assistant says so of what it does not hear.
            match text.to_ascii_lowercase().as_str() {
                "unavailable" => {
                    decoded.report.word = DeviceStatus::Offline;
                    return Ok(decoded);
                }
                "unknown" | "none" => return Ok(decoded),
                _ => {}
            }
            let on = flag(Some(&Value::from(text.trim())));
            if sounds_like_a_button(object) || known.listed {
                match on.ok_or("expected ON or OFF")? {
                    true => decoded.takes_flag(
                        object,
                        "press",
                        Some(&Value::from(true)),
                        &PressForm::Event,
                    ),
                    false => decoded.report.calling = Some(false),
                }
            }
        }
        // {"event_type":"press"}
        "event" => {
            decoded.is_button |= sounds_like_a_button(object);
            let (value, doubts) = self::object(message, "ESPHome's event, {\"event_type\":\"…\"}")?;
            decoded.mended(doubts);
            if decoded.is_button {
                decoded.takes("event_type", value.get("event_type"));
            }
        }
        "text_sensor" if known.listed && sounds_like_a_button(object) => {
            decoded.takes_a_call(object, &text);
        }
        _ if object.contains("battery") => {
            decoded.report.battery =
                decoded.field(object, Some(&Value::from(text.trim())), percent);
        }
        _ => {}
    }
    Ok(decoded)
}

/// The name under which it is listed, else the node's. Before the node there may be a prefix, and
/// behind another one (`homeassistant`) the object alone is the name.
pub(super) fn esphome_name(codecs: &Codecs, node: &str, object: &str) -> String {
    let last = node.rsplit('/').next().unwrap_or(node);
    let names = [format!("{node}/{object}"), format!("{last}/{object}"), node.to_owned()];
    let more = [last.to_owned(), object.to_owned()];
    let mut listed = names.into_iter().chain(more).filter(|name| codecs.device(name).listed);
    listed.next().unwrap_or_else(|| node.to_owned())
}

/// A node has other sensors too: unless it is listed, only what sounds like a button calls.
fn sounds_like_a_button(object: &str) -> bool {
    let words = ["sos", "button", "panic", "emergency", "alarm", "call", "help"];
    words.iter().any(|word| object.contains(word))
}

/// Whether a press can come on such a topic.
pub(super) fn esphome_carries((_, what, object): (&str, &str, &str)) -> Carries {
    match what {
        "binary_sensor" | "event" if object.contains("tamper") => Carries::Status,
        "binary_sensor" | "event" if sounds_like_a_button(object) => Carries::Presses,
        "binary_sensor" | "event" => Carries::Anything,
        _ => Carries::Status,
    }
}

fn online(payload: &[u8], yes: &str, no: &str) -> Result<DeviceStatus, String> {
    match json::text(payload, &mut Vec::new()).as_str() {
        text if text.eq_ignore_ascii_case(yes) => Ok(DeviceStatus::Online),
        text if text.eq_ignore_ascii_case(no) => Ok(DeviceStatus::Offline),
        _ => Err(format!("expected `{yes}` or `{no}`")),
    }
}
