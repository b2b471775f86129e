//! Shelly: `shellies/<device>/…` of the first generation, `<device>/events/rpc` of the later ones.

use serde_json::Value;

use super::{
    Carries, Codecs, Message, json,
    message::{DeviceMessage, flag, object, percent, time},
    number::whole_decimal,
};
use crate::domain::{DeviceStatus, PressForm};

const EXPECTED: &str = "Shelly's JSON, {\"event\":\"S\",\"event_cnt\":…}";
/// Events of an input that are no press: the finger lets go, or was counted with the press before.
const NO_PRESS: &[&str] = &["btn_up", "config_changed", ""];

/// Device and the rest of a topic of its.
pub(super) fn topic(topic: &str) -> Option<(&str, &str)> {
    if let Some(rest) = topic.strip_prefix("shellies/") {
        return rest.split_once('/').filter(|(device, _)| !device.is_empty());
    }
    let device = topic.strip_suffix("/events/rpc").map(|device| (device, "events/rpc"));
    let online = || topic.strip_suffix("/online").map(|device| (device, "online"));
    let is_one =
        |device: &str| device.rsplit('/').next().is_some_and(|name| name.starts_with("shelly"));
    let other = || {
        let marks = ["/status/", "/debug/", "/command", "/rpc", "/announce", "/info"];
        let at = marks.iter().find_map(|mark| topic.find(mark))?;
        Some((&topic[..at], &topic[at + 1..]))
    };
    device
        .or_else(|| online().or_else(other).filter(|(device, _)| is_one(device)))
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
    let address = (what == "events/rpc").then(|| address(codecs, message)).flatten();
    let device = address.as_deref().unwrap_or(device);
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
            let count = decoded.field("event_cnt", value.get("event_cnt"), whole_decimal);
            decoded.id = count.map(|count| format!("{input}:{count}"));
        }
        what if what.starts_with("status/input") && known.listed => {
            if let Ok(read) = json::read(message.payload) {
                stands(&mut decoded, &read.value);
            }
        }
        // Relays, temperatures: it lives.
        _ => {}
    }
    Ok(decoded)
}

/// `{"method":"NotifyEvent","params":{"events":[{"component":"input:0","event":"single_push","ts":…}]}}`
fn rpc(decoded: &mut DeviceMessage, value: &Value) {
    decoded.report.battery = value
        .pointer("/params/devicepower:0/battery/percent")
        .and_then(|battery| percent(Some(battery)));
    if decoded.is_button
        && let Some(Value::Object(params)) = value.get("params")
    {
        params.iter().filter(|(key, _)| key.starts_with("input:")).for_each(|(_, input)| {
            stands(decoded, input);
        });
    }
    let events = value.pointer("/params/events").and_then(Value::as_array);
    for event in events.into_iter().flatten() {
        let component = event.get("component").and_then(Value::as_str).unwrap_or_default();
        // Others are of the device itself: it was updated, its configuration has changed.
        let is_input =
            ["input", "bthome", "button", "blu"].iter().any(|name| component.starts_with(name));
        let word = event.get("event");
        // A script that hears BLU buttons: 1 a press, 2 two, 254 held; 0 is none.
        let heard = event.pointer("/data/button").filter(|_| !is_input);
        if let Some(button) = heard.filter(|button| button.as_u64() != Some(0)) {
            decoded.is_button = true;
            decoded.takes("data/button", Some(button));
            decoded.at = decoded.at.or_else(|| time(event.get("ts")));
        }
        if !is_input || word.and_then(Value::as_str).is_some_and(|word| NO_PRESS.contains(&word)) {
            continue;
        }
        decoded.is_button = true;
        decoded.takes("event", word);
        decoded.at = decoded.at.or_else(|| time(event.get("ts")));
    }
}

/// An input that is a switch and no button says how it stands: on calls, as with any state.
fn stands(decoded: &mut DeviceMessage, input: &Value) {
    decoded.takes_flag("input", "press", input.get("state"), &PressForm::Level);
}

/// Whose a BLU button's event is, where the site has listed the button by its address.
fn address(codecs: &Codecs, message: &Message<'_>) -> Option<String> {
    let value = json::read(message.payload).ok()?.value;
    let events = value.pointer("/params/events").and_then(Value::as_array)?;
    let addresses = events.iter().filter_map(|event| event.pointer("/data/address")?.as_str());
    addresses.map(str::to_owned).find(|address| codecs.device(address).listed)
}
