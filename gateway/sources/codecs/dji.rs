//! DJI Cloud API telemetry, `thing/product/{sn}/osd`: JSON → a pose.
//!
//! `height` is above the WGS 84 ellipsoid, `elevation` above the point of take-off; angles of the
//! gimbal are those of the world (`gimbal_yaw` from true north), not of the airframe. A message
//! holds some of the properties: what it does not say, another one does.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Message;
use crate::domain::{Body, Gaze, Now, Observation, Pose, SourceId, Stamp, Telemetry};

/// The largest of all devices (a dock) sends a few kilobytes.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Nearer to 0, 0 than this is a receiver without a fix, degrees.
const NULL_ISLAND_DEG: f64 = 0.001;

/// `mode_code` of an aircraft that is not in the air: standby, two preparations, upgrading, not
/// connected (DJI Cloud API, device properties).
const ON_GROUND: [i64; 5] = [0, 1, 2, 13, 14];

/// The serial number in a topic of ours.
fn serial(topic: &str) -> Option<&str> {
    let serial = topic.strip_prefix("thing/product/")?.strip_suffix("/osd")?;
    (!serial.is_empty() && serial.len() <= 64 && !serial.contains('/')).then_some(serial)
}

pub(super) fn osd(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let serial = serial(message.topic).ok_or_else(|| {
        format!("topic {}: expected thing/product/{{serial number}}/osd", message.topic)
    })?;
    if message.retained {
        return Err("a retained message: an old position is no position".into());
    }
    if message.payload.len() > PAYLOAD_BYTES_MAX {
        let bytes = message.payload.len();
        return Err(format!("{bytes} bytes; at most {PAYLOAD_BYTES_MAX} are read"));
    }
    let value: Value = serde_json::from_slice(message.payload).map_err(|error| {
        format!("not JSON ({error}); expected {{\"timestamp\", \"data\": {{…}}}}")
    })?;
    let data = value.get("data").and_then(Value::as_object);
    let data = data.ok_or("`data`: expected an object of properties")?;
    let millis = value.get("timestamp").and_then(Value::as_i64);
    let device = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let Some(device) = device else {
        return Err("`timestamp`: expected milliseconds since 1970".into());
    };
    let pose = Pose {
        position: position(data)?,
        ellipsoid_m: number(data, "height", [-500.0, 20_000.0])?,
        above_start_m: number(data, "elevation", [-1_000.0, 20_000.0])?,
        airborne: data
            .get("mode_code")
            .and_then(Value::as_i64)
            .map(|mode| !ON_GROUND.contains(&mode)),
        battery: data
            .get("battery")
            .and_then(|battery| battery.get("capacity_percent")?.as_u64())
            .and_then(|percent| u8::try_from(percent).ok())
            .filter(|percent| *percent <= 100),
        ..gimbal(data)?
    };
    Ok(Observation {
        source: SourceId::from(serial),
        stamp: Stamp::of_device(Some(device), now),
        body: Body::Pose(Box::new(pose)),
    })
}

fn number(
    data: &Map<String, Value>,
    key: &str,
    [low, high]: [f64; 2],
) -> Result<Option<f64>, String> {
    let Some(value) = data.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_f64().ok_or_else(|| format!("`{key}` {value}: expected a number"))?;
    if (low..=high).contains(&number) {
        return Ok(Some(number));
    }
    Err(format!("`{key}` {number}: expected {low} to {high}"))
}

fn position(data: &Map<String, Value>) -> Result<Option<[f64; 2]>, String> {
    let lat = number(data, "latitude", [-90.0, 90.0])
        .map_err(|why| format!("{why} (swapped with longitude?)"))?;
    let Some((lat, lon)) = lat.zip(number(data, "longitude", [-180.0, 180.0])?) else {
        return Ok(None);
    };
    if lat.abs() >= NULL_ISLAND_DEG || lon.abs() >= NULL_ISLAND_DEG {
        return Ok(Some([lon, lat]));
    }
    // 2 is "fixed"; without a fix, zeros are what the documentation promises.
    let fixed = data.get("position_state").and_then(|state| state.get("is_fixed")?.as_i64());
    match fixed {
        Some(fixed) if fixed != 2 => Ok(None),
        _ => Err(format!(
            "position {lat}, {lon} is Null Island; expected a fix, or position_state.is_fixed that says there is none"
        )),
    }
}

/// Of the payload on the first gimbal.
fn gimbal(data: &Map<String, Value>) -> Result<Pose, String> {
    let mut pose = Pose::empty(Telemetry::Osd);
    let of_payload = |key: &str| {
        let mut parts = key.split('-').map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(_)), Some(Ok(_)), Some(Ok(index)), None) => Some(index),
            _ => None,
        }
    };
    let payloads = data.iter().filter_map(|(key, value)| {
        let value = value.as_object().filter(|value| value.contains_key("gimbal_pitch"))?;
        Some((of_payload(key)?, key, value))
    });
    let Some((_, key, payload)) = payloads.min_by_key(|(index, key, _)| (*index, *key)) else {
        return Ok(pose);
    };
    let angle = |name: &str| {
        number(payload, name, [-360.0, 360.0]).map_err(|why| format!("payload {key}: {why}"))
    };
    let turns = angle("gimbal_yaw")?.zip(angle("gimbal_pitch")?);
    let roll = angle("gimbal_roll")?.unwrap_or(0.0);
    pose.look = turns.map(|(yaw, pitch)| Gaze {
        azimuth_deg: yaw.rem_euclid(360.0),
        elevation_deg: pitch,
        roll_deg: roll,
    });
    pose.zoom = number(payload, "zoom_factor", [0.1, 1_000.0])?;
    Ok(pose)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"tid":"43d2e632","bid":"7578f2ac","timestamp":1782874800100,"gateway":"dock_sn","data":{"53-0-0":{"gimbal_pitch":-45.5,"gimbal_roll":0,"gimbal_yaw":-107.7,"payload_index":"53-0-0","zoom_factor":2},"39-0-7":{"gimbal_pitch":1,"gimbal_yaw":2},"attitude_head":121,"attitude_pitch":-4.3,"latitude":22.907809968,"longitude":113.703482143,"height":34.174125671386719,"elevation":20.1,"mode_code":5,"battery":{"capacity_percent":81}}}"#;

    fn check(topic: &str, payload: &str) -> String {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
        let message =
            Message { topic, payload: payload.as_bytes(), retained: false, via: "broker" };
        match osd(&message, now) {
            Err(why) => why,
            Ok(Observation { source, stamp, body: Body::Pose(pose) }) => format!(
                "{source} {} {:?} {:?} {:?} {:?} zoom {:?} airborne {:?} {:?} %",
                stamp.at,
                pose.position,
                pose.ellipsoid_m,
                pose.above_start_m,
                pose.look.map(|look| [look.azimuth_deg, look.elevation_deg, look.roll_deg]),
                pose.zoom,
                pose.airborne,
                pose.battery
            ),
            Ok(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn telemetry_is_read_and_what_is_wrong_is_said() {
        let topic = "thing/product/1581F5/osd";
        assert_eq!(
            check(topic, SAMPLE),
            "1581F5 2026-07-01T03:00:00.1Z Some([113.703482143, 22.907809968]) Some(34.17412567138672) Some(20.1) Some([252.3, -45.5, 0.0]) zoom Some(2.0) airborne Some(true) Some(81) %"
        );
        let nothing = "None None None None zoom None airborne None None %";
        let cases: &[(&str, &str, String)] = &[
            (topic, r#"{"timestamp":1782874800100,"data":{"wind_speed":2}}"#, format!("1581F5 2026-07-01T03:00:00.1Z {nothing}")),
            (topic, r#"{"timestamp":100,"data":{}}"#, format!("1581F5 2026-07-01T03:00:00Z {nothing}")),
            (topic, r#"{"timestamp":4102444800000,"data":{}}"#, format!("1581F5 2026-07-01T03:00:00Z {nothing}")),
            (topic, r#"{"timestamp":1782874800100,"data":{"latitude":0,"longitude":0,"position_state":{"is_fixed":0}}}"#, format!("1581F5 2026-07-01T03:00:00.1Z {nothing}")),
            (topic, r#"{"timestamp":1782874800100,"data":{"latitude":0,"longitude":0}}"#, "position 0, 0 is Null Island; expected a fix, or position_state.is_fixed that says there is none".into()),
            (topic, r#"{"timestamp":1782874800100,"data":{"latitude":113.7,"longitude":22.9}}"#, "`latitude` 113.7: expected -90 to 90 (swapped with longitude?)".into()),
            (topic, r#"{"timestamp":1782874800100,"data":{"height":"high"}}"#, "`height` \"high\": expected a number".into()),
            (topic, r#"{"timestamp":1782874800100,"data":{"53-0-0":{"gimbal_pitch":900,"gimbal_yaw":0}}}"#, "payload 53-0-0: `gimbal_pitch` 900: expected -360 to 360".into()),
            (topic, r#"{"timestamp":"now","data":{}}"#, "`timestamp`: expected milliseconds since 1970".into()),
            (topic, r#"{"timestamp":1}"#, "`data`: expected an object of properties".into()),
            ("thing/product/x/state", "{}", "topic thing/product/x/state: expected thing/product/{serial number}/osd".into()),
        ];
        for (topic, payload, expected) in cases {
            assert_eq!(&check(topic, payload), expected, "{payload}");
        }
        assert!(check(topic, &SAMPLE[..100]).starts_with("not JSON (EOF"));
        let long = format!("{SAMPLE}{}", " ".repeat(PAYLOAD_BYTES_MAX));
        assert!(check(topic, &long).contains("at most 65536"));
    }
}
