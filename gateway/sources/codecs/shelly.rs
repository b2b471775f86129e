//! Shelly: `shellies/<device>/…` of the first generation, `<device>/events/rpc` of the later ones.

use serde_json::Value;

use super::{
    Carries, Codecs, Message, json,
    message::{DeviceMessage, flag, object, percent, time, whole},
};
use crate::domain::DeviceStatus;

const EXPECTED: &str = "Shelly's JSON, {\"event\":\"S\",\"event_cnt\":…}";
/// Events of an input that are no press: the finger lets go, or was counted with the press before.
const NO_PRESS: &[&str] = &["btn_up", ""];

/// Device and the rest of a topic of its.
pub(super) fn topic(topic: &str) -> Option<(&str, &str)> {
    if let Some(rest) = topic.strip_prefix("shellies/") {
        return rest.split_once('/').filter(|(device, _)| !device.is_empty());
    }
    let device = topic.strip_suffix("/events/rpc").map(|device| (device, "events/rpc"));
    let online = || topic.strip_suffix("/online").map(|device| (device, "online"));
    let is_one =
        |device: &str| device.rsplit('/').next().is_some_and(|name| name.starts_with("shelly"));
    device
        .or_else(|| online().filter(|(device, _)| is_one(device)))
        .filter(|(device, _)| !device.is_empty())
}

/// Whether a press can come on such a topic.
pub(super) fn carries(what: &str) -> Carries {
    match what {
        "events/rpc" => Carries::Anything,
        what if what.starts_with("input_event/") => Carries::Presses,
        _ => Carries::Status,
    }
}

pub(super) fn read(
    codecs: &Codecs,
    device: &str,
    what: &str,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    let known = codecs.device(device);
    let mut decoded = DeviceMessage::of(&known, device, message);
    decoded.report.model = Some(known.model.as_ref().map_or("shelly", |model| &model.name).into());
    let text = || Value::from(json::text(message.payload, &mut Vec::new()));
    match what {
        "online" => {
            let online = flag(Some(&text())).ok_or("expected true or false")?;
            decoded.report.word = if online { DeviceStatus::Online } else { DeviceStatus::Offline };
        }
        "sensor/battery" => decoded.report.battery = decoded.field(what, Some(&text()), percent),
        "events/rpc" => {
            let (value, doubts) = object(message, "Shelly's NotifyEvent")?;
            decoded.mended(doubts);
            rpc(&mut decoded, &value);
        }
        what if what.starts_with("input_event/") => {
            let (value, doubts) = object(message, EXPECTED)?;
            decoded.mended(doubts);
            decoded.is_button = true;
            decoded.takes("event", value.get("event"));
            // A counter of the input's own.
            let input = what.rsplit('/').next().unwrap_or_default();
            let count = decoded.field("event_cnt", value.get("event_cnt"), whole);
            decoded.id = count.map(|count| format!("{input}:{count}"));
        }
        // Relays, inputs as they stand, temperatures: it lives.
        _ => {}
    }
    Ok(decoded)
}

/// `{"method":"NotifyEvent","params":{"events":[{"component":"input:0","event":"single_push","ts":…}]}}`
fn rpc(decoded: &mut DeviceMessage, value: &Value) {
    decoded.report.battery = value
        .pointer("/params/devicepower:0/battery/percent")
        .and_then(|battery| percent(Some(battery)));
    let events = value.pointer("/params/events").and_then(Value::as_array);
    for event in events.into_iter().flatten() {
        let component = event.get("component").and_then(Value::as_str).unwrap_or_default();
        // Others are of the device itself: it was updated, its configuration has changed.
        let is_input =
            ["input", "bthome", "button", "blu"].iter().any(|name| component.starts_with(name));
        let word = event.get("event");
        if !is_input || word.and_then(Value::as_str).is_some_and(|word| NO_PRESS.contains(&word)) {
            continue;
        }
        decoded.is_button = true;
        decoded.takes("event", word);
        decoded.at = decoded.at.or_else(|| time(event.get("ts")));
    }
}
