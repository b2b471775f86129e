//! The native dialect: `{"device":"btn-0686","event":"press","id":"…","at":"…","battery":87}`.
//!
//! `event`: `press` · `test` (or `"test":true` with a press) · `cancel` · `heartbeat` · `tamper`
//! · `tamper-clear` · `battery-low`. Beside it, as the device has them: `id`, `at`, `battery`
//! (percent), `link` (percent), `tamper`, `silent_after_s` (how often it means to be heard).

use serde_json::Value;

use super::{
    Codecs, Message,
    message::{DeviceMessage, flag, id, object, percent, time},
    model::Act,
};

const EXPECTED: &str = "{\"device\":\"…\",\"event\":\"press\",…}";

/// Strict where a press might be misread, lenient where it would be lost: a bad battery or a
/// bad time never costs the press. Who pressed comes from `device`, else from the topic's last level.
pub(super) fn read(codecs: &Codecs, message: &Message<'_>) -> Result<DeviceMessage, String> {
    let value = object(message, EXPECTED)?;
    let device = id(value.get("device"))
        .or_else(|| message.topic.rsplit('/').next().filter(|s| !s.is_empty()).map(Into::into))
        .unwrap_or_else(|| message.via.into());
    let known = codecs.device(&device);
    let mut decoded = DeviceMessage::of(known.source(&device), message);
    let report = &mut decoded.report;
    report.battery = percent(value.get("battery"));
    report.link = percent(value.get("link"));
    report.tampered = flag(value.get("tamper"));
    let own = value.get("silent_after_s").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
    report.silent_after_s = own;
    match value.get("event") {
        Some(Value::String(event)) => match event.as_str() {
            "press" if value.get("test") == Some(&Value::Bool(true)) => decoded.act = Act::Test,
            "press" => decoded.act = Act::Press,
            "test" => decoded.act = Act::Test,
            "cancel" => decoded.act = Act::Cancel,
            "heartbeat" => {}
            "tamper" => report.tampered = Some(true),
            "tamper-clear" => report.tampered = Some(false),
            "battery-low" => report.battery_low = Some(true),
            _ => return Err(format!("event {}: expected \"press\"", Value::from(event.as_str()))),
        },
        Some(other) => return Err(format!("event {other}: expected \"press\"")),
        None => return Err("`event` is missing: expected \"press\"".into()),
    }
    decoded.id = id(value.get("id"));
    decoded.at = value.get("at").filter(|at| at.is_string()).and_then(|at| time(Some(at)));
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::domain::{Body, Now, Observation};

    fn now() -> Now {
        Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 }
    }

    fn check(topic: &str, payload: &[u8]) -> String {
        let message = Message { topic, payload, retained: false, via: "intake" };
        let codecs = Codecs::new(&"s".into(), &[], &[]);
        match codecs.decode(&message, now()).pop().unwrap() {
            Observation { source, stamp, body: Body::Press(press) } => {
                format!("{source} {:?} {} {:?}", press.id, stamp.at, press.battery)
            }
            Observation { body: Body::Unreadable(bad), .. } => {
                format!("unreadable: {}", bad.reason)
            }
            other => format!("{other:?}"),
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
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
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
