//! Rain and water-level gauges over MQTT: native JSON, ChirpStack v4 uplinks of known models, rtl_433.

use jiff::{Timestamp, civil::DateTime};
use serde_json::{Map, Value};

use super::{
    Codecs, Message, below, chirpstack,
    gauge_raw::{self, Measured},
};
use crate::domain::{
    Body, Dated, GaugeReport, Measure, Now, Observation, PostureOrder, Reading, SourceId, Stamp,
};

/// Longer ids are cut.
const ID_CHARS_MAX: usize = 128;
/// More rain than this since a device was set up, or a level beyond it, is no number of a gauge.
const MM_MAX: f64 = 1e9;

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
        let Ok(Value::Object(object)) = serde_json::from_slice(message.payload) else {
            return None;
        };
        let reading = chirpstack(codecs, eui, &object, message, now);
        return reading.or_else(|| listed.then(|| lives(codecs, eui, event, message, now)));
    }
    let marks: &[&[u8]] = &[b"\"rain_mm\"", b"\"rain_in\""];
    if !marks.iter().any(|mark| message.payload.windows(mark.len()).any(|w| w == *mark)) {
        return None;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(message.payload) else { return None };
    (!object.contains_key("event")).then(|| rtl_433(codecs, &object, message, now))
}

fn posture(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let order: PostureOrder = serde_json::from_slice(message.payload).map_err(|error| {
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
    let value: Value = serde_json::from_slice(message.payload)
        .map_err(|error| format!("not JSON ({error}); expected {{\"tips\":…}} or the like"))?;
    let Value::Object(object) = value else {
        return Err("expected a JSON object such as {\"total_mm\":12.4}".into());
    };
    let mut measures = Vec::new();
    if let Some(tips) = object.get("tips") {
        let tips = tips.as_u64().ok_or_else(|| format!("tips {tips}: expected a whole number"))?;
        measures.push(Measure::Tips(tips));
    }
    if let Some(um) = rain(&object, "total_mm", 1.0)? {
        measures.push(Measure::TotalUm(um));
    }
    if let Some(um) = rain(&object, "mm", 1.0)? {
        let period = object.get("period_s").and_then(Value::as_u64);
        let period = period.filter(|s| (1..=86_400).contains(s));
        let period_s = period.ok_or("`mm` needs `period_s`, 1 to 86400 seconds")?;
        measures.push(Measure::Fallen { um, period_s: u32::try_from(period_s).unwrap_or(0) });
    }
    if let Some(um) = rain(&object, "mm_h", 1.0)? {
        measures.push(Measure::RateUmPerHour(um));
    }
    if let Some(mm) = number(&object, "level_m", 1000.0)? {
        measures.push(Measure::LevelMm(mm));
    }
    if measures.is_empty() {
        return Err("no reading: expected tips, total_mm, mm with period_s, mm_h or level_m".into());
    }
    let at = match object.get("at") {
        None => None,
        Some(Value::String(text)) => Some(
            text.parse::<Timestamp>()
                .map_err(|_| format!("at {text:?}: expected a time in RFC 3339"))?,
        ),
        Some(other) => return Err(format!("at {other}: expected a time in RFC 3339")),
    };
    let device = text(&object, "device").unwrap_or_else(|| device.to_owned());
    if device.is_empty() {
        return Err("who speaks? expected `device`, or gridpost/<site>/gauge/<device>".into());
    }
    let id = text(&object, "id");
    let decoded = GaugeMessage { device, id, at, battery: battery(&object, "battery"), measures };
    Ok(made(codecs, decoded, message, now))
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
    let decoded = object.get("object").and_then(Value::as_object);
    let raw =
        || gauge_raw::milesight(object.get("fPort")?.as_u64()?, object.get("data")?.as_str()?);
    let (measures, battery) = match decoded {
        Some(decoded) => match of_model(decoded)? {
            Ok(read) => read,
            Err(reason) => return Some(Err(reason)),
        },
        None => match raw()? {
            Ok(read) => read,
            Err(reason) => return Some(Err(reason)),
        },
    };
    let at = object.get("time").and_then(Value::as_str).and_then(|at| at.parse().ok());
    let id = text(object, "deduplicationId");
    let decoded = GaugeMessage { device: eui.to_ascii_lowercase(), id, at, battery, measures };
    Some(Ok(made(codecs, decoded, message, now)))
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
            let decoded = GaugeMessage { device, id, at, battery, measures: Vec::new() };
            Ok(made(codecs, decoded, message, now))
        }
    }
}

/// Milesight WTS506 and EM500-SWL, Dragino WSC2, SenseCAP S2120; `None` for what is no gauge.
fn of_model(object: &Map<String, Value>) -> Option<Result<Measured, String>> {
    let mut measures = Vec::new();
    let mut take = |read: Result<Option<Measure>, String>| read.map(|one| measures.extend(one));
    let read = if object.contains_key("rainfall_total") {
        take(rain(object, "rainfall_total", 1.0).map(|um| um.map(Measure::TotalUm)))
    } else if object.contains_key("depth") {
        // Centimetres above the probe.
        take(number(object, "depth", 10.0).map(|mm| mm.map(Measure::LevelMm)))
    } else if object.contains_key("BatV") && object.contains_key("rain") {
        let tips = object.get("rain").and_then(Value::as_u64);
        take(
            tips.map(|tips| Some(Measure::Tips(tips)))
                .ok_or_else(|| format!("rain {}: expected a whole number of tips", object["rain"])),
        )
    } else {
        let messages = object.get("messages").and_then(Value::as_array)?;
        let parts = messages.iter().filter_map(Value::as_array).flatten();
        let gauge = parts
            .filter_map(Value::as_object)
            .find(|part| part.get("measurementId").is_some_and(|id| id == "4113" || *id == 4113))?;
        take(rain(gauge, "measurementValue", 1.0).map(|um| um.map(Measure::RateUmPerHour)))
    };
    if let Err(reason) = read {
        return Some(Err(reason));
    }
    let battery = battery(object, "battery").or_else(|| {
        let messages = object.get("messages")?.as_array()?;
        let parts = messages.iter().filter_map(Value::as_array).flatten();
        parts.filter_map(Value::as_object).find_map(|part| battery(part, "Battery(%)"))
    });
    Some(Ok((measures, battery)))
}

/// `{"time":"2024-02-05 14:27:39","model":"Fineoffset-WH24","id":220,"rain_mm":1086.9,…}`: the
/// total since power up. Its time has no zone and is not used.
fn rtl_433(
    codecs: &Codecs,
    object: &Map<String, Value>,
    message: &Message<'_>,
    now: Now,
) -> Result<Observation, String> {
    let um = match rain(object, "rain_mm", 1.0)? {
        Some(um) => Some(um),
        None => rain(object, "rain_in", 25.4)?,
    };
    let um = um.ok_or("`rain_mm` is missing")?;
    let model = text(object, "model").ok_or("`model` is missing")?;
    let device = text(object, "id").map_or(model.clone(), |id| format!("{model}-{id}"));
    // The same packet heard twice has the same second.
    let id = text(object, "time").filter(|at| at.replace(' ', "T").parse::<DateTime>().is_ok());
    let battery = match object.get("battery_ok").and_then(Value::as_f64) {
        Some(ok) if ok <= 0.0 => Some(1),
        _ => None,
    };
    let measures = vec![Measure::TotalUm(um)];
    Ok(made(codecs, GaugeMessage { device, id, at: None, battery, measures }, message, now))
}

struct GaugeMessage {
    device: String,
    id: Option<String>,
    at: Option<Timestamp>,
    battery: Option<u8>,
    measures: Vec<Measure>,
}

/// Under the id that the site has for it, else under its own name.
fn made(codecs: &Codecs, decoded: GaugeMessage, message: &Message<'_>, now: Now) -> Observation {
    let GaugeMessage { device, id, at, battery, measures } = decoded;
    // A topic may be as long as it likes.
    let device: String = device.chars().take(ID_CHARS_MAX).collect();
    let (date, doubt) = match (Dated::of(at, now), at) {
        // A broker's retained message without a time may be of any age.
        (_, None) if message.retained => (None, Some("retained and without a time".to_owned())),
        (Dated::At(at), _) => (Some(at), None),
        (Dated::Arrival(at), said) => (
            Some(at),
            said.map(|said| format!("its clock says {said}: counted as made on arrival")),
        ),
        (Dated::Old, _) => (None, Some("older than 25 h: kept, counted nowhere".into())),
    };
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
            voltage_mv: None,
            doubt,
        }),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key) {
        Some(Value::String(text)) if !text.is_empty() => {
            Some(text.chars().take(ID_CHARS_MAX).collect())
        }
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

fn battery(object: &Map<String, Value>, key: &str) -> Option<u8> {
    let percent = object.get(key)?.as_f64()?;
    (0.0..=100.0).contains(&percent).then_some(percent.round() as u8)
}

/// Micrometres of rain: never below zero.
fn rain(object: &Map<String, Value>, key: &str, mm_each: f64) -> Result<Option<i64>, String> {
    match number(object, key, 1000.0 * mm_each)? {
        Some(um) if um < 0 => Err(format!("{key} {}: rain is never below 0", object[key])),
        um => Ok(um),
    }
}

/// A number in thousandths of `scale`'s unit; absent is `None`.
fn number(object: &Map<String, Value>, key: &str, scale: f64) -> Result<Option<i64>, String> {
    let Some(value) = object.get(key) else { return Ok(None) };
    let number = value.as_f64().filter(|number| number.abs() <= MM_MAX);
    let number = number.ok_or_else(|| format!("{key} {value}: expected a number"))?;
    Ok(Some((number * scale).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs() -> Codecs {
        Codecs::new(&"s".into(), &[], &[])
    }

    fn check(topic: &str, payload: &str) -> String {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
        let message =
            Message { topic, payload: payload.as_bytes(), retained: false, via: "broker" };
        let observation = codecs().decode(&message, now).pop().unwrap();
        match observation.body {
            Body::Gauge(report) => {
                let said: Vec<String> =
                    report.readings.iter().map(|one| format!("{:?}", one.measure)).collect();
                let more = report.doubt.map(|doubt| format!(" ({doubt})")).unwrap_or_default();
                let battery = report.battery.map(|n| format!(" {n}%")).unwrap_or_default();
                format!("{} {}{battery}{more}", observation.source, said.join(" "))
            }
            Body::Unreadable(unreadable) => format!("unreadable: {}", unreadable.reason),
            Body::Posture(order) => format!("{} {:?}", order.posture.as_str(), order.to),
            other => format!("{other:?}"),
        }
    }

    fn uplink(object: &str) -> String {
        format!(
            r#"{{"deduplicationId":"3ac7","deviceInfo":{{"devEui":"24E124AABBCCDDEE"}},"fPort":85,"data":"qg==","object":{object}}}"#
        )
    }

    #[test]
    fn dialects_are_read() {
        let up = "application/1/device/24e124aabbccddee/event/up";
        let table: &[(&str, String, &str)] = &[
            ("gridpost/s/gauge/g1", r#"{"tips":17,"battery":90}"#.into(), "g1 Tips(17) 90%"),
            ("gridpost/s/gauge/g1", r#"{"total_mm":12.4}"#.into(), "g1 TotalUm(12400)"),
            (
                "gridpost/s/gauge/g1",
                r#"{"device":"g2","mm":0.5,"period_s":300,"level_m":29.61}"#.into(),
                "g2 Fallen { um: 500, period_s: 300 } LevelMm(29610)",
            ),
            (
                up,
                uplink(r#"{"wind_direction":121,"rainfall_total":1.23,"rainfall_counter":1}"#),
                "24e124aabbccddee TotalUm(1230)",
            ),
            (up, uplink(r#"{"battery":100,"depth":2}"#), "24e124aabbccddee LevelMm(20) 100%"),
            (up, uplink(r#"{"BatV":3.3,"rain":42}"#), "24e124aabbccddee Tips(42)"),
            (
                up,
                uplink(
                    r#"{"valid":true,"messages":[[{"measurementValue":12.4,"measurementId":"4113","type":"Rain Gauge"}],[{"Battery(%)":84}]]}"#,
                ),
                "24e124aabbccddee RateUmPerHour(12400) 84%",
            ),
            (
                "rtl_433/box/events",
                r#"{"time":"2024-02-05 14:27:39","model":"Fineoffset-WH24","id":220,"battery_ok":1,"rain_mm":1086.90002}"#.into(),
                "Fineoffset-WH24-220 TotalUm(1086900)",
            ),
            (
                "gridpost/s/posture",
                r#"{"posture":"flood","to":"on","by":"李建国"}"#.into(),
                "flood On",
            ),
        ];
        for (topic, payload, expected) in table {
            assert_eq!(&check(topic, payload), expected, "{payload}");
        }
    }

    #[test]
    fn bad_readings_say_why() {
        let table = [
            (r#"{"total_mm":-40}"#, "unreadable: total_mm -40: rain is never below 0"),
            (r#"{"total_mm":"much"}"#, "unreadable: total_mm \"much\": expected a number"),
            (r#"{"tips":1.5}"#, "unreadable: tips 1.5: expected a whole number"),
            (r#"{"mm":3}"#, "unreadable: `mm` needs `period_s`, 1 to 86400 seconds"),
            (r#"{"x":3}"#, "unreadable: no reading: expected tips, total_mm"),
            (r#"{"tips":3,"at":"soon"}"#, "unreadable: at \"soon\": expected a time in RFC 3339"),
            ("{", "unreadable: not JSON"),
            (r#"{"total_mm":1e300}"#, "unreadable: total_mm 1e+300: expected a number"),
            (
                r#"{"tips":3,"at":"1970-01-01T00:00:00Z"}"#,
                "g Tips(3) (its clock says 1970-01-01T00:00:00Z: counted as made on arrival)",
            ),
            (r#"{"tips":3,"at":"2026-06-01T00:00:00Z"}"#, "g  (older than 25 h: kept"),
        ];
        for (payload, expected) in table {
            let said = check("gridpost/s/gauge/g", payload);
            assert!(said.starts_with(expected), "{payload}: {said}");
        }
    }

    #[test]
    fn a_gauge_and_a_button_never_take_each_others_messages() {
        let listed = |id: &str, device: &str| crate::sources::codecs::Listed {
            id: id.into(),
            device: Some(device.into()),
            model: None,
        };
        let codecs = Codecs::new(&"s".into(), &[listed("btn", "B1B1")], &[])
            .with_gauges(&[listed("rain", "A1A1")]);
        let said = |topic: &str, payload: &str| {
            let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
            let payload = payload.as_bytes();
            let message = Message { topic, payload, retained: false, via: "broker" };
            let last = codecs.decode(&message, now).pop().unwrap();
            let what = match last.body {
                Body::Gauge(_) => "gauge",
                Body::Press(_) => "press",
                Body::Device(_) => "device",
                Body::Unreadable(_) => "unreadable",
                _ => "?",
            };
            format!("{} {what}", last.source)
        };
        let up = |eui: &str| format!("application/1/device/{eui}/event/up");
        let rain = r#"{"rainfall_total":1.2,"depth":3}"#;
        let pressed = r#"{"press":"short","depth":3}"#;
        // WTS506's bytes, and those of a WS101 that was pressed long.
        let raw =
            |data: &str| format!(r#"{{"deviceInfo":{{"devEui":"x"}},"fPort":85,"data":"{data}"}}"#);
        let table = [
            (up("a1a1"), uplink(rain), "rain gauge"),
            (up("A1A1"), raw("COx7AAAAAQ=="), "rain gauge"),
            // A listed button whose decoder has a word of gauges in it stays a button.
            (up("b1b1"), uplink(rain), "btn device"),
            (up("b1b1"), uplink(pressed), "btn press"),
            // What nobody can read of a listed button may be a press.
            (up("b1b1"), raw("COx7AAAAAQ=="), "btn press"),
            // Nobody's: what it says decides.
            (up("c1c1"), uplink(rain), "c1c1 gauge"),
            (up("c1c1"), uplink(r#"{"press":"short"}"#), "c1c1 press"),
            (up("c1c1"), raw("COx7AAAAAQ=="), "c1c1 gauge"),
            // A gauge that says nothing of rain is no press either: it lives.
            (up("a1a1"), uplink(r#"{"battery":80}"#), "rain gauge"),
            (up("a1a1"), uplink(r#"{"press":"short"}"#), "rain gauge"),
            (up("a1a1").replace("up", "status"), r#"{"batteryLevel":9.5}"#.into(), "rain gauge"),
            (up("a1a1"), raw("AXUQ/y4B"), "rain unreadable"),
            (up("b1b1").replace("up", "status"), r#"{"batteryLevel":9.5}"#.into(), "btn device"),
            ("gridpost/s/gauge/A1A1".into(), r#"{"tips":1}"#.into(), "rain gauge"),
            ("gridpost/s/gauge/a1a1".into(), "{".into(), "rain unreadable"),
            ("gridpost/s/button/B1B1".into(), r#"{"event":"press"}"#.into(), "btn press"),
            // Whoever calls for help is heard, whatever else it says.
            ("x/b1b1".into(), r#"{"event":"press","rain_mm":3,"model":"y"}"#.into(), "btn press"),
        ];
        for (topic, payload, expected) in table {
            assert_eq!(said(&topic, &payload), expected, "{topic} {payload}");
        }
    }

    #[test]
    fn an_uplink_that_is_no_gauge_is_left_to_others() {
        let message = Message {
            topic: "application/1/device/24e1/event/up",
            payload: uplink(r#"{"battery":16,"button_event":{"status":"short press"}}"#)
                .leak()
                .as_bytes(),
            retained: false,
            via: "b",
        };
        let now = Now { wall: Timestamp::UNIX_EPOCH, mono_ms: 0 };
        assert!(foreign(&codecs(), &message, now).is_none());
    }
}
