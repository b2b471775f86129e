//! Zigbee2MQTT: `<base>/<friendly name>` with JSON state, `…/availability` and `<base>/bridge/state` in both forms.

use serde_json::Value;

use super::{
    Codecs, Message,
    model::{Act, Model, ZIGBEE_SILENT_AFTER_S, act},
    said::{Said, flag, lqi, object, percent, time},
};
use crate::domain::DeviceStatus;

const EXPECTED: &str = "Zigbee2MQTT's state, {\"action\":\"…\",\"battery\":…,\"linkquality\":…}";

/// `rest` is the topic below the base; friendly names may hold slashes.
pub(super) fn read(
    codecs: &Codecs,
    base: &str,
    rest: &str,
    message: &Message<'_>,
) -> Result<Said, String> {
    if let Some(about) = rest.strip_prefix("bridge/") {
        // The coordinator itself: with it, all of its buttons are deaf.
        let mut said = Said::of(base.into(), message);
        said.report.hub = true;
        if about == "state" {
            said.report.word = word_of(message)?;
        }
        return Ok(said);
    }
    let (name, about) = match rest.rsplit_once('/') {
        Some((name, "availability")) => (name, "availability"),
        // `<name>/action` repeats the action as text, `<name>/set` and `/get` are for devices.
        Some((name, "action" | "set" | "get")) => (name, "echo"),
        _ => (rest, "state"),
    };
    let known = codecs.device(name);
    let mut said = Said::of(known.source(name), message);
    let model = known.model.as_deref();
    said.report.through = Some(base.into());
    said.report.model = model.map(|model| model.name.clone());
    let usual = model.and_then(|model| model.silent_after_s).unwrap_or(ZIGBEE_SILENT_AFTER_S);
    said.report.silent_after_s = Some(usual);
    match about {
        "availability" => said.report.word = word_of(message)?,
        "echo" => {}
        _ => state(&object(message, EXPECTED)?, model, &mut said),
    }
    Ok(said)
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
fn state(value: &Value, model: Option<&Model>, said: &mut Said) {
    let action = value.get("action").and_then(Value::as_str).unwrap_or_default();
    said.act = act(model, action);
    let called = ["sos", "sos_alarm", "emergency", "panic"];
    if said.act == Act::Nothing && called.iter().any(|key| flag(value.get(*key)) == Some(true)) {
        said.act = act(model, "sos");
    }
    said.at = time(value.get("last_seen"));
    said.report.battery = percent(value.get("battery"));
    said.report.battery_low = flag(value.get("battery_low"));
    said.report.tampered = flag(value.get("tamper"));
    said.report.link = lqi(value.get("linkquality"));
}
