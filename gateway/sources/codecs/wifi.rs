//! Buttons on Wi-Fi: Tasmota (`stat/<device>/RESULT`, `tele/<device>/LWT`) and ESPHome (`<node>/binary_sensor/…/state`).

use serde_json::Value;

use super::{
    Codecs, Message,
    message::{DeviceMessage, flag, object, percent},
    model::{Act, WIFI_SILENT_AFTER_S, act},
};
use crate::domain::DeviceStatus;

const EXPECTED: &str = "Tasmota's JSON, {\"Button1\":{\"Action\":\"SINGLE\"}}";

/// `stat/<device>/<what>` and `tele/<device>/<what>`.
pub(super) fn tasmota(topic: &str) -> Option<(&str, &str)> {
    let rest = topic.strip_prefix("stat/").or_else(|| topic.strip_prefix("tele/"))?;
    rest.rsplit_once('/').filter(|(device, _)| !device.is_empty())
}

pub(super) fn read_tasmota(
    codecs: &Codecs,
    device: &str,
    what: &str,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    let known = codecs.device(device);
    let mut decoded = DeviceMessage::of(known.source(device), message);
    let model = known.model.as_deref();
    decoded.report.model = Some(model.map_or("tasmota", |model| &model.name).to_owned());
    let usual = model.and_then(|model| model.silent_after_s).unwrap_or(WIFI_SILENT_AFTER_S);
    decoded.report.silent_after_s = Some(usual);
    match what {
        "LWT" => decoded.report.word = online(message.payload, "Online", "Offline")?,
        "RESULT" | "STATE" | "SENSOR" => {
            let value = object(message, EXPECTED)?;
            decoded.act = tasmota_act(&value, |action| act(model, action));
            // Percent, as Tasmota's own pages show it.
            decoded.report.link = percent(value.pointer("/Wifi/RSSI"));
            decoded.report.battery = percent(value.pointer("/Battery"));
        }
        // POWER, STATUS…: it lives.
        _ => {}
    }
    Ok(decoded)
}

/// `{"Button1":{"Action":"SINGLE"}}`, older `{"ACTION":"SINGLE"}`; a switch calls when it is on.
fn tasmota_act(value: &Value, act: impl Fn(&str) -> Act) -> Act {
    let Value::Object(object) = value else { return Act::Nothing };
    let of = |(key, value): (&String, &Value)| {
        let action = match value {
            Value::Object(inner) => inner.get("Action").and_then(Value::as_str)?,
            Value::String(text) if key == "ACTION" => text,
            _ => return None,
        };
        let switch = key.starts_with("Switch");
        match (switch, action) {
            (true, "ON") => Some(act("press")),
            (true, _) => None,
            (false, action) => Some(act(action)),
        }
    };
    object.iter().filter_map(of).find(|act| *act != Act::Nothing).unwrap_or(Act::Nothing)
}

/// Node, what, and object of `<node>/binary_sensor/<object>/state`, `<node>/sensor/<object>/state`.
pub(super) fn esphome(topic: &str) -> Option<(&str, &str, &str)> {
    if let Some(node) = topic.strip_suffix("/status") {
        return (!node.is_empty() && !node.contains('/')).then_some((node, "status", ""));
    }
    let rest = topic.strip_suffix("/state")?;
    let (rest, object) = rest.rsplit_once('/')?;
    let (node, what) = rest.rsplit_once('/')?;
    let ours = ["binary_sensor", "sensor"].contains(&what) && !node.is_empty();
    ours.then_some((node, what, object))
}

pub(super) fn read_esphome(
    codecs: &Codecs,
    (node, what, object): (&str, &str, &str),
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    // A node may carry several buttons: `<node>/<object>` is the first name that is looked for.
    let full = format!("{node}/{object}");
    let name = if codecs.device(&full).listed { full.as_str() } else { node };
    let known = codecs.device(name);
    let mut decoded = DeviceMessage::of(known.source(name), message);
    let model = known.model.as_deref();
    decoded.report.model = Some(model.map_or("esphome", |model| &model.name).to_owned());
    let text = String::from_utf8_lossy(message.payload);
    match what {
        "status" => decoded.report.word = online(message.payload, "online", "offline")?,
        "binary_sensor" => {
            let state = flag(Some(&Value::from(text.trim())));
            let on = state.ok_or("expected ON or OFF")?;
            // A node has other sensors too: unless it is listed, only what sounds like a button.
            let words = ["sos", "button", "panic", "emergency", "alarm", "call", "help"];
            let button = known.listed || words.iter().any(|word| object.contains(word));
            if on && object.contains("tamper") {
                decoded.report.tampered = Some(true);
            } else if on && button {
                decoded.act = act(model, "press");
            } else if object.contains("tamper") {
                decoded.report.tampered = Some(false);
            }
        }
        _ if object.contains("battery") => {
            decoded.report.battery = percent(Some(&Value::from(text.trim())));
        }
        _ => {}
    }
    Ok(decoded)
}

fn online(payload: &[u8], yes: &str, no: &str) -> Result<DeviceStatus, String> {
    match String::from_utf8_lossy(payload).trim() {
        text if text.eq_ignore_ascii_case(yes) => Ok(DeviceStatus::Online),
        text if text.eq_ignore_ascii_case(no) => Ok(DeviceStatus::Offline),
        _ => Err(format!("expected `{yes}` or `{no}`")),
    }
}
