//! Rain and water-level gauges over MQTT: native JSON, ChirpStack v4 uplinks of known models, rtl_433.

use jiff::{Timestamp, civil::DateTime};
use serde_json::{Map, Value};

use super::{
    Codecs, Message, below, chirpstack,
    gauge_fields::{Fields, kept, object},
    gauge_raw::{self, Measured},
    message::ID_CHARS_MAX,
    number::{number, whole, written},
};
use crate::domain::{
    Body, Dated, GaugeReport, Measure, Now, Observation, PostureOrder, Reading, SourceId, Stamp,
    without_mark,
};

/// Parts of a decoder's words that are about rain or water: a listed gauge that says such a word which
/// nobody here reads is told.
const WORDS: &[&str] = &["rain", "precip", "tips", "pulse", "level", "depth", "water", "distance"];

/// Topics of the site's own. `None`: no gauge speaks here, another dialect may.
pub(super) fn read(
    codecs: &Codecs,
    message: &Message<'_>,
    now: Now,
) -> Option<Result<Observation, String>> {
    let ours = below(below(message.topic, "gridpost")?, codecs.site().as_str())?;
    match ours {
        "posture" => Some(posture(message, now)),
        rest => rest.strip_prefix("gauge/").map(|device| native(codecs, device, message, now)),
    }
}

/// Dialects of others: by the list of gauges, and for a device that is listed nowhere by the shape
/// of its message, since the installer chooses the topics. A listed button is never a gauge, and a
/// message of a press is never rain.
pub(super) fn foreign(
    codecs: &Codecs,
    message: &Message<'_>,
    now: Now,
) -> Option<Result<Observation, String>> {
    if let Some((eui, event)) = chirpstack::topic(message.topic) {
        let listed = codecs.gauge(eui).is_some();
        if !listed && (event != "up" || codecs.device(eui).listed) {
            return None;
        }
        if event != "up" {
            return Some(lives(codecs, eui, event, message, now));
        }
        let object = object(message.payload).ok()?;
        let reading = chirpstack(codecs, eui, &object, message, now);
        return reading.or_else(|| listed.then(|| lives(codecs, eui, event, message, now)));
    }
    let marks: &[&[u8]] = &[b"\"rain_mm\"", b"\"rain_in\""];
    if !marks.iter().any(|mark| message.payload.windows(mark.len()).any(|w| w == *mark)) {
        return None;
    }
    let object = object(message.payload).ok()?;
    (!object.contains_key("event")).then(|| rtl_433(codecs, &object, message, now))
}

fn posture(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let order: PostureOrder = serde_json::from_slice(without_mark(message.payload)).map_err(|error| {
        format!(
            "not an order: {error}; expected {{\"posture\":\"flood\",\"to\":\"on\",\"by\":\"…\"}}"
        )
    })?;
    let source = SourceId::from(order.by.as_str());
    Ok(Observation { source, stamp: Stamp::of_gateway(now), body: Body::Posture(order) })
}

/// `{"at":…,"id":…,"tips":n | "total_mm":x | "mm":x,"period_s":n | "mm_h":x, "level_m":x,"battery":n}`
fn native(
    codecs: &Codecs,
    device: &str,
    message: &Message<'_>,
    now: Now,
) -> Result<Observation, String> {
    let object = object(message.payload)
        .map_err(|why| format!("{why}; expected a JSON object such as {{\"total_mm\":12.4}}"))?;
    let mut fields = Fields::of(&object);
    fields.tips("tips");
    fields.rain("total_mm", 1.0, Measure::TotalUm);
    fields.fallen();
    fields.rain("mm_h", 1.0, Measure::RateUmPerHour);
    fields.level("level_m", 1000.0);
    if !["tips", "total_mm", "mm", "mm_h", "level_m"].iter().any(|key| fields.has(key)) {
        return Err("no reading: expected tips, total_mm, mm with period_s, mm_h or level_m".into());
    }
    let at = fields.time("at");
    let device = text(&object, "device").unwrap_or_else(|| device.to_owned());
    if device.is_empty() {
        return Err("who speaks? expected `device`, or gridpost/<site>/gauge/<device>".into());
    }
    let id = text(&object, "id");
    let (measures, doubts) = fields.end()?;
    let battery = battery(&object, "battery");
    Ok(made(codecs, GaugeMessage { device, id, at, battery, measures, doubts }, message, now))
}

/// A gauge's words in `object`; without a codec the raw bytes of the Milesight models. Other
/// uplinks are somebody else's.
fn chirpstack(
    codecs: &Codecs,
    eui: &str,
    object: &Map<String, Value>,
    message: &Message<'_>,
    now: Now,
) -> Option<Result<Observation, String>> {
    // Version 3 writes what its decoder made as a text.
    let as_text = object.get("objectJSON").and_then(Value::as_str);
    let as_text = as_text.and_then(|text| super::gauge_fields::object(text.as_bytes()).ok());
    let decoded = object.get("object").and_then(Value::as_object).or(as_text.as_ref());
    let raw = || gauge_raw::milesight(whole(object.get("fPort"))?, object.get("data")?.as_str()?);
    let read = match decoded {
        Some(decoded) => of_model(decoded).or_else(|| unknown_words(codecs, eui, decoded)),
        None => raw(),
    };
    let (measures, battery, doubts) = match read? {
        Ok(read) => read,
        Err(reason) => return Some(Err(reason)),
    };
    let at = super::message::time(object.get("time"));
    let id = text(object, "deduplicationId");
    let device = eui.to_ascii_lowercase();
    let decoded = GaugeMessage { device, id, at, battery, measures, doubts };
    Some(Ok(made(codecs, decoded, message, now)))
}

/// A listed gauge whose decoder has words of its own for rain or water: it must not look well.
fn unknown_words(
    codecs: &Codecs,
    eui: &str,
    object: &Map<String, Value>,
) -> Option<Result<Measured, String>> {
    codecs.gauge(eui)?;
    let about = |key: &&String| WORDS.iter().any(|word| key.to_lowercase().contains(word));
    let words: Vec<&str> = object.keys().filter(about).take(4).map(String::as_str).collect();
    (!words.is_empty()).then(|| {
        let words = words.join(", ");
        let expected = "rainfall_total, rain with BatV, depth, or messages of a S2120";
        Err(format!("its decoder says {words}, which is not known here; known are {expected}"))
    })
}

/// A listed gauge that says nothing of rain or water: its battery, or only that it is there.
fn lives(
    codecs: &Codecs,
    eui: &str,
    event: &str,
    message: &Message<'_>,
    now: Now,
) -> Result<Observation, String> {
    let (decoded, unread) = chirpstack::read(codecs, eui, event, message)?;
    match unread {
        Some(reason) => Err(reason),
        None => {
            let (id, at, battery) = (decoded.id, decoded.at, decoded.report.battery);
            let device = eui.to_ascii_lowercase();
            let (measures, doubts) = (Vec::new(), Vec::new());
            let decoded = GaugeMessage { device, id, at, battery, measures, doubts };
            Ok(made(codecs, decoded, message, now))
        }
    }
}

/// Milesight WTS506 and EM500-SWL, Dragino WSC2, SenseCAP S2120; `None` for what is no gauge.
fn of_model(object: &Map<String, Value>) -> Option<Result<Measured, String>> {
    let mut fields = Fields::of(object);
    if fields.has("rainfall_total") {
        fields.rain("rainfall_total", 1.0, Measure::TotalUm);
    } else if fields.has("depth") {
        // Centimetres above the probe.
        fields.level("depth", 10.0);
    } else if fields.has("BatV") && fields.has("rain") {
        fields.tips("rain");
    } else {
        sensecap(object, &mut fields)?;
    }
    let battery = battery(object, "battery")
        .or_else(|| parts(object).find_map(|part| battery(part, "Battery(%)")));
    Some(fields.end().map(|(measures, doubts)| (measures, battery, doubts)))
}

/// Lists in lists of measurements.
fn parts(object: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let messages = object.get("messages").and_then(Value::as_array).into_iter().flatten();
    messages.filter_map(Value::as_array).flatten().filter_map(Value::as_object)
}

/// 4113 is the intensity, 4213 what has fallen in all, which newer ones say too.
fn sensecap(object: &Map<String, Value>, fields: &mut Fields<'_>) -> Option<()> {
    const KEY: &str = "measurementValue";
    let mut found = None;
    for part in parts(object) {
        let measure = match whole(part.get("measurementId")) {
            Some(4113) => Measure::RateUmPerHour,
            Some(4213) => Measure::TotalUm,
            _ => continue,
        };
        let mut of_part = Fields::of(part);
        of_part.rain(KEY, 1.0, measure);
        fields.join(of_part);
        found = Some(());
    }
    found
}

/// `{"time":"2024-02-05 14:27:39","model":"Fineoffset-WH24","id":220,"rain_mm":1086.9,…}`: the
/// total since power up. Its time has no zone and is not used.
fn rtl_433(
    codecs: &Codecs,
    object: &Map<String, Value>,
    message: &Message<'_>,
    now: Now,
) -> Result<Observation, String> {
    let mut fields = Fields::of(object);
    match fields.has("rain_mm") {
        true => fields.rain("rain_mm", 1.0, Measure::TotalUm),
        false => fields.rain("rain_in", 25.4, Measure::TotalUm),
    }
    let model = text(object, "model").ok_or("`model` is missing")?;
    let device = text(object, "id").map_or(model.clone(), |id| format!("{model}-{id}"));
    // The same packet heard twice has the same second.
    let id = text(object, "time").filter(|at| at.replace(' ', "T").parse::<DateTime>().is_ok());
    let battery = match number(object.get("battery_ok")) {
        Some(ok) if ok <= 0.0 => Some(1),
        _ => None,
    };
    let (measures, doubts) = fields.end()?;
    Ok(made(codecs, GaugeMessage { device, id, at: None, battery, measures, doubts }, message, now))
}

struct GaugeMessage {
    device: String,
    id: Option<String>,
    at: Option<Timestamp>,
    battery: Option<u8>,
    measures: Vec<Measure>,
    doubts: Vec<String>,
}

/// Under the id that the site has for it, else under its own name.
fn made(codecs: &Codecs, decoded: GaugeMessage, message: &Message<'_>, now: Now) -> Observation {
    let GaugeMessage { device, id, at, battery, measures, mut doubts } = decoded;
    // A topic may be as long as it likes.
    let device: String = device.chars().take(ID_CHARS_MAX).collect();
    let redated = at.is_some() && matches!(Dated::of(at, now), Dated::Arrival(_));
    let (date, doubt) = match (Dated::of(at, now), at) {
        // A broker's retained message without a time may be of any age.
        (_, None) if message.retained => {
            (None, Some("retained and without a time: counted nowhere".to_owned()))
        }
        (Dated::At(at), _) => (Some(at), None),
        (Dated::Arrival(at), said) => (
            Some(at),
            said.map(|said| format!("its clock says {said}: counted as made on arrival")),
        ),
        (Dated::Old, _) => (None, Some("older than 25 h: kept, counted nowhere".into())),
    };
    doubts.extend(doubt);
    let kept = (!doubts.is_empty()).then(|| kept(message.payload));
    let readings = date
        .into_iter()
        .flat_map(|at| measures.iter().map(move |measure| Reading { at, measure: *measure }))
        .collect();
    Observation {
        source: codecs.gauge(&device).unwrap_or_else(|| SourceId::from(device)),
        stamp: Stamp::of_device(at, now),
        body: Body::Gauge(GaugeReport {
            id,
            via: message.via.into(),
            readings,
            battery,
            doubt: (!doubts.is_empty()).then(|| doubts.join("; ")),
            redated,
            unknown: kept,
            ..GaugeReport::default()
        }),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key) {
        Some(Value::String(text)) if !text.is_empty() => {
            Some(text.chars().take(ID_CHARS_MAX).collect())
        }
        // 220 and 220.0 are one device.
        Some(Value::Number(number)) => Some(written(number)),
        _ => None,
    }
}

fn battery(object: &Map<String, Value>, key: &str) -> Option<u8> {
    let percent = number(object.get(key))?;
    (0.0..=100.0).contains(&percent).then_some(percent.round() as u8)
}

#[cfg(test)]
#[path = "gauge_tests.rs"]
mod tests;
