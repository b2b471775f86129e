//! ChirpStack v4: `application/<id>/device/<DevEUI>/event/<event>`; decoded `object`, or raw `data` by model.

use base64::Engine;
use serde_json::Value;

use super::{
    Codecs, Message, lora,
    message::{DeviceMessage, flag, lora_link, object, percent, time, word},
    model::{Act, LORA_SILENT_AFTER_S, Model, act},
};

const EXPECTED: &str = "ChirpStack's JSON event, {\"deviceInfo\":{…},\"object\":{…},…}";
/// A LoRaWAN payload is at most 242 bytes.
const DATA_BYTES_MAX: usize = 256;
/// Where decoders of many makers put what a button did.
const ACTIONS: &[&str] = &[
    "/button_event/status",
    "/button_event",
    "/press",
    "/pressEvent",
    "/action",
    "/event",
    "/button",
];
/// Values that are true while it calls.
const ALARMS: &[&str] = &["/Alarm", "/alarm", "/sos", "/SOS", "/panic", "/emergency"];
const BATTERIES: &[&str] = &["/battery", "/batteryLevel", "/battery_level", "/Battery(%)"];

/// What was read, and what of it could not be: a device whose data nobody can decode lives.
pub(super) type Partly = (DeviceMessage, Option<String>);

/// The DevEUI of the topic `application/…/device/<DevEUI>/event/<event>`, and the event.
pub(super) fn topic(topic: &str) -> Option<(&str, &str)> {
    let mut levels = topic.rsplit('/');
    let (event, is_event) = (levels.next()?, levels.next()? == "event");
    let (eui, is_device) = (levels.next()?, levels.next()? == "device");
    let _application = levels.next()?;
    let ours = is_event && is_device && levels.next()? == "application" && !eui.is_empty();
    ours.then_some((eui, event))
}

pub(super) fn read(
    codecs: &Codecs,
    eui: &str,
    event: &str,
    message: &Message<'_>,
) -> Result<Partly, String> {
    let value = object(message, EXPECTED)?;
    let info = value.get("deviceInfo");
    let known = codecs.device(eui);
    let mut decoded = DeviceMessage::of(known.source(eui), message);
    let model = known.model.clone().or_else(|| codecs.model_in(&profile(info)));
    decoded.report.model = model.as_ref().map(|model| model.name.clone());
    let usual = model.as_ref().and_then(|model| model.silent_after_s);
    decoded.report.silent_after_s = Some(usual.unwrap_or(LORA_SILENT_AFTER_S));
    let mut unread = None;
    match event {
        "up" => unread = up(&value, model.as_deref(), &mut decoded).err(),
        "status" => {
            decoded.report.battery = percent(value.get("batteryLevel"));
            // Defaults are left out of protobuf's JSON: a margin of 0 dB is absent.
            let margin = value.get("margin").and_then(Value::as_f64).unwrap_or(0.0);
            decoded.report.link = lora_link(margin - 20.0);
        }
        // join, ack, txack, log, location, integration: it lives.
        _ => {}
    }
    Ok((decoded, unread))
}

fn profile(info: Option<&Value>) -> String {
    let text = |pointer: &str| info.and_then(|info| info.pointer(pointer)?.as_str());
    let named = text("/tags/model").or_else(|| text("/deviceProfileName"));
    named.unwrap_or_default().to_lowercase()
}

fn up(value: &Value, model: Option<&Model>, decoded: &mut DeviceMessage) -> Result<(), String> {
    decoded.id = word(value.get("deduplicationId"));
    decoded.at = time(value.get("time"));
    decoded.report.link = best_snr(value).and_then(lora_link);
    if let Some(object) = value.get("object").filter(|object| object.is_object()) {
        of_decoder(object, model, decoded);
        return Ok(());
    }
    let Some(data) = value.get("data").and_then(Value::as_str) else { return Ok(()) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|error| format!("data: no base64 ({error})"))?;
    if bytes.len() > DATA_BYTES_MAX {
        return Err(format!("data: {} bytes; a LoRaWAN payload is at most 242", bytes.len()));
    }
    let port = value.get("fPort").and_then(Value::as_u64).unwrap_or(0);
    let name = model.map(|model| model.name.as_str()).unwrap_or_default();
    let raw = lora::decode(name, port, &bytes)?;
    decoded.act = raw.action.map_or(Act::Nothing, |action| act(model, action));
    decoded.report.battery = raw.battery;
    Ok(())
}

/// The best of the gateways that heard it, dB. A ratio of 0 is left out by protobuf's JSON.
fn best_snr(value: &Value) -> Option<f64> {
    let heard = value.get("rxInfo")?.as_array()?;
    let snr = |info: &Value| info.get("snr").map_or(Some(0.0), Value::as_f64);
    heard.iter().filter_map(snr).max_by(f64::total_cmp)
}

fn of_decoder(object: &Value, model: Option<&Model>, decoded: &mut DeviceMessage) {
    let actions = ACTIONS.iter().filter_map(|pointer| word(object.pointer(pointer)));
    decoded.act = actions
        .map(|action| act(model, &action))
        .find(|act| *act != Act::Nothing)
        .unwrap_or(Act::Nothing);
    let alarm = ALARMS.iter().any(|pointer| flag(object.pointer(pointer)) == Some(true));
    if decoded.act == Act::Nothing && alarm {
        decoded.act = act(model, "alarm");
    }
    decoded.report.battery = BATTERIES.iter().find_map(|pointer| percent(object.pointer(pointer)));
    decoded.report.tampered = flag(object.get("tamper")).or_else(|| flag(object.get("tampered")));
}
