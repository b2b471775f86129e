//! DJI Cloud API telemetry, `thing/product/{sn}/osd`: JSON → a pose.
//!
//! `height` is above the WGS 84 ellipsoid, `elevation` above the point of take-off; angles of the
//! gimbal are those of the world (`gimbal_yaw` from true north), not of the airframe. A message
//! holds some of the properties: what it does not say, another one does.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Message, json, message, number};
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

/// A pose, and what of the message could not be read: that costs itself alone.
pub(super) fn osd(said: &Message<'_>, now: Now) -> Result<(Observation, Option<String>), String> {
    let serial = serial(said.topic).ok_or_else(|| {
        format!("topic {}: expected thing/product/{{serial number}}/osd", said.topic)
    })?;
    if said.retained {
        return Err("a retained message: an old position is no position".into());
    }
    if said.payload.len() > PAYLOAD_BYTES_MAX {
        let bytes = said.payload.len();
        return Err(format!("{bytes} bytes; at most {PAYLOAD_BYTES_MAX} are read"));
    }
    let json::Read { value, doubts } = json::read(said.payload).map_err(|error| {
        format!("not JSON ({error}); expected {{\"timestamp\", \"data\": {{…}}}}")
    })?;
    let data = value.get("data").and_then(Value::as_object);
    let data = data.ok_or("`data`: expected an object of properties")?;
    let mut fields = OsdFields { doubts };
    let millis =
        number::whole_decimal(value.get("timestamp")).and_then(|ms| i64::try_from(ms).ok());
    let device = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    if device.is_none() {
        fields.doubts.push("`timestamp`: expected milliseconds since 1970".into());
    }
    let mode = number::decimal(data.get("mode_code"));
    let pose = Pose {
        position: fields.position(data),
        ellipsoid_m: fields.number(data, "height", [-500.0, 20_000.0]),
        above_start_m: fields.number(data, "elevation", [-1_000.0, 20_000.0]),
        airborne: mode.map(|mode| !ON_GROUND.iter().any(|ground| *ground as f64 == mode)),
        battery: data
            .get("battery")
            .and_then(|battery| message::percent(battery.get("capacity_percent"))),
        ..fields.gimbal(data)
    };
    let observation = Observation {
        source: SourceId::from(serial),
        stamp: Stamp::of_device(device, now),
        body: Body::Pose(Box::new(pose)),
    };
    Ok((observation, (!fields.doubts.is_empty()).then(|| fields.doubts.join("; "))))
}

/// Reads properties, and keeps what was wrong with them.
struct OsdFields {
    doubts: Vec<String>,
}

impl OsdFields {
    fn number(
        &mut self,
        data: &Map<String, Value>,
        key: &str,
        [low, high]: [f64; 2],
    ) -> Option<f64> {
        let value = data.get(key).filter(|value| !value.is_null())?;
        let number = number::decimal(Some(value));
        let within = number.filter(|number| (low..=high).contains(number));
        if within.is_none() {
            self.doubts.push(match number {
                Some(number) => format!("`{key}` {number}: expected {low} to {high}"),
                None => format!("`{key}` {value}: expected a number"),
            });
        }
        within
    }

    fn position(&mut self, data: &Map<String, Value>) -> Option<[f64; 2]> {
        let before = self.doubts.len();
        let lat = self.number(data, "latitude", [-90.0, 90.0]);
        for doubt in &mut self.doubts[before..] {
            *doubt += " (swapped with longitude?)";
        }
        let lon = self.number(data, "longitude", [-180.0, 180.0]);
        let (lat, lon) = lat.zip(lon)?;
        if lat.abs() >= NULL_ISLAND_DEG || lon.abs() >= NULL_ISLAND_DEG {
            return Some([lon, lat]);
        }
        // 2 is "fixed"; without a fix, zeros are what the documentation promises.
        let fixed = data.get("position_state").map(|state| number::decimal(state.get("is_fixed")));
        if fixed.flatten().is_none_or(|fixed| fixed == 2.0) {
            self.doubts.push(format!(
                "position {lat}, {lon} is Null Island; expected a fix, or position_state.is_fixed that says there is none"
            ));
        }
        None
    }

    /// Of the payload on the first gimbal.
    fn gimbal(&mut self, data: &Map<String, Value>) -> Pose {
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
            return pose;
        };
        let before = self.doubts.len();
        let mut angle = |name: &str| self.number(payload, name, [-360.0, 360.0]);
        let turns = angle("gimbal_yaw").zip(angle("gimbal_pitch"));
        let roll = angle("gimbal_roll").unwrap_or(0.0);
        for doubt in &mut self.doubts[before..] {
            *doubt = format!("payload {key}: {doubt}");
        }
        pose.look = turns.map(|(yaw, pitch)| Gaze {
            azimuth_deg: yaw.rem_euclid(360.0),
            elevation_deg: pitch,
            roll_deg: roll,
        });
        pose.zoom = self.number(payload, "zoom_factor", [0.1, 1_000.0]);
        pose
    }
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
            Ok((Observation { source, stamp, body: Body::Pose(pose) }, doubt)) => format!(
                "{source} {} {:?} {:?} {:?} {:?} zoom {:?} airborne {:?} {:?} %{}",
                stamp.at,
                pose.position,
                pose.ellipsoid_m,
                pose.above_start_m,
                pose.look.map(|look| [look.azimuth_deg, look.elevation_deg, look.roll_deg]),
                pose.zoom,
                pose.airborne,
                pose.battery,
                doubt.map_or(String::new(), |doubt| format!(" | {doubt}"))
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
            (topic, r#"{"timestamp":1782874800100,"data":{"latitude":0,"longitude":0}}"#, format!("1581F5 2026-07-01T03:00:00.1Z {nothing} | position 0, 0 is Null Island; expected a fix, or position_state.is_fixed that says there is none")),
            (topic, r#"{"timestamp":1782874800100,"data":{"latitude":113.7,"longitude":22.9,"elevation":20.0}}"#, "1581F5 2026-07-01T03:00:00.1Z None None Some(20.0) None zoom None airborne None None % | `latitude` 113.7: expected -90 to 90 (swapped with longitude?)".into()),
            (topic, r#"{"timestamp":1782874800100,"data":{"height":"high","elevation":"20.1","mode_code":0.0}}"#, "1581F5 2026-07-01T03:00:00.1Z None None Some(20.1) None zoom None airborne Some(false) None % | `height` \"high\": expected a number".into()),
            (topic, r#"{"timestamp":1782874800100.0,"data":{"height":NaN,"elevation":7}}"#, "1581F5 2026-07-01T03:00:00.1Z None None Some(7.0) None zoom None airborne None None % | `NaN` is no value".into()),
            (topic, r#"{"timestamp":1782874800100,"data":{"53-0-0":{"gimbal_pitch":900,"gimbal_yaw":0,"zoom_factor":3}}}"#, "1581F5 2026-07-01T03:00:00.1Z None None None None zoom Some(3.0) airborne None None % | payload 53-0-0: `gimbal_pitch` 900: expected -360 to 360".into()),
            (topic, r#"{"timestamp":"now","data":{}}"#, format!("1581F5 2026-07-01T03:00:00Z {nothing} | `timestamp`: expected milliseconds since 1970")),
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
