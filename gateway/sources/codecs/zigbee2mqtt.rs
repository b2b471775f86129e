//! Zigbee2MQTT: `<base>/<friendly name>` with JSON state, `…/availability` and `<base>/bridge/state` in both forms.

use serde_json::Value;

use super::{
    Codecs, Message,
    message::{DeviceMessage, flag, lqi, object, percent, time},
    model::{Act, Model, ZIGBEE_SILENT_AFTER_S, act},
};
use crate::domain::DeviceStatus;

const EXPECTED: &str = "Zigbee2MQTT's state, {\"action\":\"…\",\"battery\":…,\"linkquality\":…}";

/// `rest` is the topic below the base; friendly names may hold slashes.
pub(super) fn read(
    codecs: &Codecs,
    base: &str,
    rest: &str,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    if let Some(about) = rest.strip_prefix("bridge/") {
        // The coordinator itself: when it is gone, none of its buttons is heard.
        let mut decoded = DeviceMessage::of(base.into(), message);
        decoded.report.hub = true;
        if about == "state" {
            decoded.report.word = word_of(message)?;
        }
        return Ok(decoded);
    }
    let (name, about) = match rest.rsplit_once('/') {
        Some((name, "availability")) => (name, "availability"),
        // `<name>/action` repeats the action as text, `<name>/set` and `/get` are for devices.
        Some((name, "action" | "set" | "get")) => (name, "echo"),
        _ => (rest, "state"),
    };
    let known = codecs.device(name);
    let mut decoded = DeviceMessage::of(known.source(name), message);
    let model = known.model.as_deref();
    decoded.report.through = Some(base.into());
    decoded.report.model = model.map(|model| model.name.clone());
    let usual = model.and_then(|model| model.silent_after_s).unwrap_or(ZIGBEE_SILENT_AFTER_S);
    decoded.report.silent_after_s = Some(usual);
    match about {
        "availability" => decoded.report.word = word_of(message)?,
        "echo" => {}
        _ => state(&object(message, EXPECTED)?, model, &mut decoded),
    }
    Ok(decoded)
}

/// `online`, or `{"state":"online"}` since 2.0.
fn word_of(message: &Message<'_>) -> Result<DeviceStatus, String> {
    let text = String::from_utf8_lossy(message.payload);
    let json = serde_json::from_str::<Value>(&text).ok();
    let state = json.as_ref().and_then(|json| json.get("state")?.as_str());
    match state.unwrap_or(text.trim()) {
        "online" => Ok(DeviceStatus::Online),
        "offline" => Ok(DeviceStatus::Offline),
        _ => Err("expected `online`, `offline` or {\"state\":\"online\"}".into()),
    }
}

/// `action` is empty or absent in what is no press. The time is there if `last_seen` is on.
fn state(value: &Value, model: Option<&Model>, decoded: &mut DeviceMessage) {
    let action = value.get("action").and_then(Value::as_str).unwrap_or_default();
    decoded.act = act(model, action);
    let called = ["sos", "sos_alarm", "emergency", "panic"];
    if decoded.act == Act::Nothing && called.iter().any(|key| flag(value.get(*key)) == Some(true)) {
        decoded.act = act(model, "sos");
    }
    decoded.at = time(value.get("last_seen"));
    decoded.report.battery = percent(value.get("battery"));
    decoded.report.battery_low = flag(value.get("battery_low"));
    decoded.report.tampered = flag(value.get("tamper"));
    decoded.report.link = lqi(value.get("linkquality"));
}
