//! The native press: `{"device":"btn-0686","event":"press","id":"…","at":"…","battery":87}`.

use jiff::Timestamp;
use serde_json::Value;

use super::Message;
use crate::domain::{Body, Now, Observation, Press, SourceId, Stamp};

/// Longer ids are cut: an id is for telling presses apart, not for storing text.
const ID_CHARS_MAX: usize = 128;

/// Strict where a press might be misread, lenient where it would be lost: a bad battery or a
/// bad time never costs the press. Who pressed comes from `device`, else from the topic's last level.
pub(super) fn press(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let value: Value = serde_json::from_slice(message.payload).map_err(|error| {
        format!("not JSON ({error}); expected {{\"device\":\"…\",\"event\":\"press\",…}}")
    })?;
    let Value::Object(object) = value else {
        return Err("expected a JSON object {\"device\":\"…\",\"event\":\"press\",…}".into());
    };
    match object.get("event") {
        Some(Value::String(event)) if event == "press" => {}
        Some(other) => return Err(format!("event {other}: expected \"press\"")),
        None => return Err("`event` is missing: expected \"press\"".into()),
    }
    let text = |key: &str| match object.get(key) {
        Some(Value::String(text)) if !text.is_empty() => {
            Some(text.chars().take(ID_CHARS_MAX).collect::<String>())
        }
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let device = text("device")
        .or_else(|| message.topic.rsplit('/').next().filter(|s| !s.is_empty()).map(Into::into))
        .unwrap_or_else(|| message.via.into());
    let at = object.get("at").and_then(Value::as_str).and_then(|at| at.parse::<Timestamp>().ok());
    let battery = object
        .get("battery")
        .and_then(Value::as_u64)
        .and_then(|percent| u8::try_from(percent).ok())
        .filter(|percent| *percent <= 100);
    Ok(Observation {
        source: SourceId::from(device),
        stamp: Stamp::of_device(at, now),
        body: Body::Press(Press {
            id: text("id"),
            at,
            battery,
            retained: message.retained,
            via: message.via.into(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn now() -> Now {
        Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 }
    }

    fn check(topic: &str, payload: &[u8]) -> String {
        let message = Message { topic, payload, retained: false, via: "intake" };
        match press(&message, now()) {
            Ok(Observation { source, stamp, body: Body::Press(press) }) => {
                format!("{source} {:?} {} {:?}", press.id, stamp.at, press.battery)
            }
            Ok(other) => format!("{other:?}"),
            Err(reason) => format!("unreadable: {reason}"),
        }
    }

    #[test]
    fn presses_are_read_and_a_bad_side_field_never_costs_one() {
        let at = "2026-07-01T03:00:00Z";
        let table: &[(&str, &str, String)] = &[
            (
                "x",
                r#"{"device":"b","event":"press","id":"7","at":"2026-07-01T10:59:58+08:00","battery":87}"#,
                r#"b Some("7") 2026-07-01T02:59:58Z Some(87)"#.into(),
            ),
            (
                "x",
                r#"{"device":"b","event":"press","id":7,"at":"soon","battery":"full"}"#,
                format!(r#"b Some("7") {at} None"#),
            ),
            ("gridpost/s/button/b9", r#"{"event":"press"}"#, format!("b9 None {at} None")),
            (
                "x",
                r#"{"device":"b","event":"press","at":"1970-01-01T00:00:00Z","battery":300}"#,
                format!("b None {at} None"),
            ),
            (
                "x",
                r#"{"device":"b","event":"press","at":"2099-12-31T23:59:59Z"}"#,
                format!("b None {at} None"),
            ),
            (
                "x",
                r#"{"device":"b","event":"ping"}"#,
                r#"unreadable: event "ping": expected "press""#.into(),
            ),
            (
                "x",
                r#"[1]"#,
                r#"unreadable: expected a JSON object {"device":"…","event":"press",…}"#.into(),
            ),
        ];
        for (topic, payload, expected) in table {
            assert_eq!(&check(topic, payload.as_bytes()), expected, "{payload}");
        }
        assert!(check("x", b"\xff\xfe{").starts_with("unreadable: not JSON"));
        assert!(check("x", "[".repeat(100_000).as_bytes()).starts_with("unreadable: not JSON"));
    }

    #[test]
    fn no_bytes_panic() {
        let seed: u64 = rand::rng().random();
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let sample = br#"{"device":"b","event":"press","id":"7","at":"2026-07-01T10:59:58+08:00"}"#;
        for _ in 0..5_000 {
            let mut bytes = sample.to_vec();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            bytes.truncate(random.random_range(0..=bytes.len()));
            check("t", &bytes);
        }
    }
}
