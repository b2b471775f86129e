//! Buttons behind a LoRaWAN network server: ChirpStack v4 and v3, The Things Stack v3; decoded, or raw data by model.
//!
//! `application/<id>/device/<DevEUI>/event/<event>` is of both ChirpStacks, `…/rx` of an older v3,
//! `v3/<application>/devices/<device>/up` of The Things Stack. Numbers of a decoder may come as
//! doubles (`42.0`), v3 writes the decoder's JSON as a text in `objectJSON`.

use base64::Engine;
use serde_json::Value;

use super::{
    Carries, Codecs, Message, json, lora,
    message::{DeviceMessage, flag, id, lora_link, object, percent, time},
    model::{Act, LORA_SILENT_AFTER_S},
    number::{decimal, whole_decimal},
};
use crate::domain::PressForm;

const EXPECTED: &str = "ChirpStack's JSON event, {\"deviceInfo\":{…},\"object\":{…},…}";
const EXPECTED_TTN: &str = "The Things Stack's uplink, {\"uplink_message\":{…},…}";
/// A LoRaWAN payload is at most 242 bytes.
const DATA_BYTES_MAX: usize = 256;
/// Where decoders of many makers put what a button did.
const ACTIONS: &[&str] =
    &["/button_event", "/press", "/pressEvent", "/action", "/event", "/button"];
/// Values that are true while it calls.
const ALARMS: &[&str] = &["/Alarm", "/alarm", "/sos", "/SOS", "/panic", "/emergency"];
const BATTERIES: &[&str] = &["/battery", "/batteryLevel", "/battery_level", "/Battery(%)"];

/// What was read, and what of it could not be: a device whose data nobody can decode lives.
pub(super) type Partly = (DeviceMessage, Option<String>);

/// The DevEUI of the topic `application/…/device/<DevEUI>/event/<event>`, and the event.
pub(super) fn topic(topic: &str) -> Option<(&str, &str)> {
    let mut levels = topic.rsplit('/');
    let last = levels.next()?;
    let event = if last == "rx" { "up" } else { last };
    if last != "rx" && levels.next()? != "event" {
        return None;
    }
    let (eui, is_device) = (levels.next()?, levels.next()? == "device");
    let _application = levels.next()?;
    let ours = is_device && levels.next()? == "application" && !eui.is_empty();
    ours.then_some((eui, event))
}

/// The device of the topic `v3/<application>/devices/<device>/<event>`, and the event.
pub(super) fn things_topic(topic: &str) -> Option<(&str, &str)> {
    let (_, rest) = topic.strip_prefix("v3/")?.split_once('/')?;
    let (device, event) = rest.strip_prefix("devices/")?.split_once('/')?;
    (!device.is_empty()).then_some((device, event))
}

/// Only an uplink can be a press.
pub(super) fn carries(event: &str) -> Carries {
    if event == "up" { Carries::Anything } else { Carries::Status }
}

pub(super) fn read(
    codecs: &Codecs,
    eui: &str,
    event: &str,
    message: &Message<'_>,
) -> Result<Partly, String> {
    let (value, doubts) = object(message, EXPECTED)?;
    let mut decoded = begun(codecs, eui, &profile(&value), message);
    decoded.mended(doubts);
    let mut unread = None;
    match event {
        "up" => {
            decoded.id = id(value.get("deduplicationId"));
            decoded.at = decoded.field("time", value.get("time"), time);
            if decoded.id.is_none() {
                counted(&mut decoded, &value);
            }
            decoded.report.link = best_snr(&value, "rxInfo").and_then(lora_link);
            let object = value.get("object").cloned().filter(Value::is_object);
            let object = object.or_else(|| decoder_text(&value, &mut decoded));
            unread = up(object.as_ref(), &value, ["data", "fPort"], &mut decoded).err();
        }
        "status" => {
            let battery = value.get("batteryLevel");
            decoded.report.battery = decoded.field("batteryLevel", battery, percent);
            // Defaults are left out of protobuf's JSON: a margin of 0 dB is absent.
            let margin = decimal(value.get("margin")).unwrap_or(0.0);
            decoded.report.link = lora_link(margin - 20.0);
        }
        // join, ack, txack, log, location, integration: it lives.
        _ => {}
    }
    Ok((decoded, unread))
}

/// An uplink of The Things Stack.
pub(super) fn read_things(
    codecs: &Codecs,
    device: &str,
    event: &str,
    message: &Message<'_>,
) -> Result<Partly, String> {
    let (value, doubts) = object(message, EXPECTED_TTN)?;
    let eui = value.pointer("/end_device_ids/dev_eui").and_then(Value::as_str);
    let by_eui = eui.filter(|eui| !codecs.device(device).listed && codecs.device(eui).listed);
    let uplink = value.get("uplink_message").cloned().unwrap_or_default();
    let text = |pointer: &str| uplink.pointer(pointer).and_then(Value::as_str);
    let profile = text("/version_ids/model_id").unwrap_or_default().to_lowercase();
    let mut decoded = begun(codecs, by_eui.unwrap_or(device), &profile, message);
    decoded.mended(doubts);
    let mut unread = None;
    if event == "up" {
        // The counter begins anew when it joins, and with it comes another session.
        let session = text("/session_key_id").unwrap_or_default();
        // Zero is left out.
        let count = uplink.get("f_cnt").map_or(Some(0), |count| whole_decimal(Some(count)));
        decoded.id = count.map(|count| format!("{session}:{count}"));
        decoded.at = decoded.field("received_at", value.get("received_at"), time);
        decoded.report.link = best_snr(&uplink, "rx_metadata").and_then(lora_link);
        let object = uplink.get("decoded_payload").filter(|object| object.is_object());
        unread = up(object, &uplink, ["frm_payload", "f_port"], &mut decoded).err();
        let battery = uplink.pointer("/last_battery_percentage/value");
        decoded.report.battery = decoded.report.battery.or_else(|| percent(battery));
    }
    Ok((decoded, unread))
}

fn begun(codecs: &Codecs, name: &str, profile: &str, message: &Message<'_>) -> DeviceMessage {
    let known = codecs.device(name);
    let mut decoded = DeviceMessage::of(&known, name, message);
    decoded.model = known.model.clone().or_else(|| codecs.model_in(profile));
    let model = decoded.model.clone();
    decoded.report.model = model.as_ref().map(|model| model.name.clone());
    let usual = model.and_then(|model| model.silent_after_s);
    decoded.report.silent_after_s = Some(usual.unwrap_or(LORA_SILENT_AFTER_S));
    decoded
}

/// v4 names it in `deviceInfo`, v3 beside the data.
fn profile(value: &Value) -> String {
    let places = [
        "/deviceInfo/tags/model",
        "/tags/model",
        "/deviceInfo/deviceProfileName",
        "/deviceProfileName",
    ];
    let named = places.iter().find_map(|pointer| value.pointer(pointer)?.as_str());
    named.unwrap_or_default().to_lowercase()
}

/// v3 has no id of an uplink: its counter, and a time of the network beside it, tell two apart.
fn counted(decoded: &mut DeviceMessage, value: &Value) {
    decoded.id =
        decoded.field("fCnt", value.get("fCnt"), whole_decimal).map(|count| count.to_string());
    let times = ["/publishedAt", "/rxInfo/0/time"];
    let found = times.iter().find_map(|pointer| time(value.pointer(pointer)));
    decoded.at = decoded.at.or(found);
}

/// The decoder's JSON, which v3 writes as a text.
fn decoder_text(value: &Value, decoded: &mut DeviceMessage) -> Option<Value> {
    let text =
        value.get("objectJSON").filter(|text| text.as_str().is_some_and(|t| !t.is_empty()))?;
    let read = json::read(text.as_str()?.as_bytes()).ok().filter(|read| read.value.is_object());
    if read.is_none() {
        decoded.doubt("objectJSON", text);
    }
    read.map(|read| read.value)
}

fn up(
    object: Option<&Value>,
    value: &Value,
    [data, port]: [&str; 2],
    decoded: &mut DeviceMessage,
) -> Result<(), String> {
    if let Some(object) = object {
        of_decoder(object, decoded);
        if decoded.is_button && decoded.act == Act::Nothing {
            let keys = ACTIONS.iter().chain(
                ALARMS.iter().filter(|key| !object.pointer(key).is_some_and(Value::is_object)),
            );
            decoded.takes_other_keys(object, &keys.map(|key| &key[1..]).collect::<Vec<_>>());
        }
        return Ok(());
    }
    let Some(text) = value.get(data).and_then(Value::as_str) else { return Ok(()) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .map_err(|error| format!("data: no base64 ({error})"))?;
    if bytes.len() > DATA_BYTES_MAX {
        return Err(format!("data: {} bytes; a LoRaWAN payload is at most 242", bytes.len()));
    }
    let port = whole_decimal(value.get(port));
    // Port 0 and nothing are between device and network: it lives.
    if bytes.is_empty() || port == Some(0) {
        return Ok(());
    }
    let port = port.unwrap_or(0);
    let name = decoded.model.as_ref().map(|model| model.name.clone()).unwrap_or_default();
    let (raw, unread) = lora::decode(&name, port, &bytes);
    if let Some(action) = raw.action {
        decoded.takes("data", Some(&Value::from(action)));
    }
    decoded.report.battery = raw.battery;
    match unread {
        // What was read before it counts.
        Some(reason) if decoded.act == Act::Press => decoded.mended(vec![reason]),
        Some(reason) => return Err(reason),
        None => {}
    }
    Ok(())
}

/// The best of the gateways that heard it, dB. A ratio of 0 is left out by protobuf's JSON; v3 calls
/// it `loRaSNR`.
fn best_snr(value: &Value, list: &str) -> Option<f64> {
    let heard = value.get(list)?.as_array()?;
    let snr = |info: &Value| {
        let said = info.get("snr").or_else(|| info.get("loRaSNR"));
        said.map_or(Some(0.0), |snr| decimal(Some(snr)))
    };
    heard.iter().filter_map(snr).max_by(f64::total_cmp)
}

fn of_decoder(object: &Value, decoded: &mut DeviceMessage) {
    for pointer in ACTIONS {
        decoded.takes(&pointer[1..], object.pointer(pointer));
    }
    for pointer in ALARMS {
        // Each uplink has an id of its own, and says anew that it was pressed.
        decoded.takes_flag(&pointer[1..], "alarm", object.pointer(pointer), &PressForm::Event);
    }
    let battery = BATTERIES.iter().find_map(|pointer| object.pointer(pointer));
    decoded.report.battery = decoded.field("battery", battery, percent);
    let tamper = object.get("tamper").or_else(|| object.get("tampered"));
    decoded.report.tampered = decoded.field("tamper", tamper, flag);
}
