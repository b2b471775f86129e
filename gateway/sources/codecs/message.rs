//! What a codec has decoded of one message, before it becomes observations; and how loose JSON values are read.

use jiff::Timestamp;
use serde_json::Value;

use super::{Message, model::Act};
use crate::domain::{
    Body, DeviceReport, DeviceStatus, Now, Observation, Press, SourceId, Stamp, Unreadable,
};

/// Longer ids are cut: an id is for telling presses apart, not for storing text.
pub(super) const ID_CHARS_MAX: usize = 128;
/// A payload is kept in quarantine up to this many bytes.
const QUARANTINE_BYTES_MAX: usize = 64 * 1024;

/// One decoded message of one device.
#[derive(Debug)]
pub(super) struct DeviceMessage {
    pub(super) source: SourceId,
    pub(super) act: Act,
    /// The device's own id of this event.
    pub(super) id: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) report: DeviceReport,
}

impl DeviceMessage {
    pub(super) fn of(source: SourceId, message: &Message<'_>) -> Self {
        let report = DeviceReport {
            via: message.via.into(),
            retained: message.retained,
            ..DeviceReport::default()
        };
        Self { source, act: Act::Nothing, id: None, at: None, report }
    }

    /// The report of the device itself first, the press last: with the last one the message is settled.
    pub(super) fn observations(self, now: Now) -> Vec<Observation> {
        let Self { source, act, id, at, mut report } = self;
        let stamp = Stamp::of_device(at, now);
        let press = (act == Act::Press).then(|| Press {
            id,
            at,
            battery: report.battery,
            retained: report.retained,
            via: report.via.clone(),
            arrival: None,
        });
        match act {
            Act::Cancel => report.word = DeviceStatus::Cancel,
            Act::Test => report.word = DeviceStatus::Test,
            Act::Press | Act::Nothing => {}
        }
        // A press alone shows that the device works, and how its battery is.
        let more = press.is_none() || report != what_a_press_shows(&report);
        let report = more.then_some(Body::Device(report));
        let bodies = report.into_iter().chain(press.map(Body::Press));
        bodies.map(|body| Observation { source: source.clone(), stamp, body }).collect()
    }
}

fn what_a_press_shows(report: &DeviceReport) -> DeviceReport {
    let DeviceReport { battery, via, retained, .. } = report.clone();
    DeviceReport { battery, via, retained, ..DeviceReport::default() }
}

/// To the quarantine, with the beginning of it.
pub(super) fn unreadable(
    source: SourceId,
    message: &Message<'_>,
    now: Now,
    reason: String,
) -> Observation {
    let kept = message.payload.len().min(QUARANTINE_BYTES_MAX);
    Observation {
        source,
        stamp: Stamp::of_gateway(now),
        body: Body::Unreadable(Unreadable {
            origin: format!("{} {}", message.via, message.topic),
            reason,
            payload: message.payload[..kept].to_vec(),
        }),
    }
}

/// The payload as a JSON object; the error says what was expected.
pub(super) fn object(message: &Message<'_>, expected: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(message.payload)
        .map_err(|error| format!("not JSON ({error}); expected {expected}"))?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(format!("expected a JSON object {expected}")),
    }
}

/// A text or a number as an id, bounded.
pub(super) fn id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.chars().take(ID_CHARS_MAX).collect()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Text of a text, number or boolean, bounded.
pub(super) fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Bool(flag) => Some(flag.to_string()),
        other => id(Some(other)),
    }
}

/// 0..=100, also as 88.3 or "88"; anything else is no figure.
pub(super) fn percent(value: Option<&Value>) -> Option<u8> {
    let figure = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_end_matches('%').trim().parse().ok()?,
        _ => return None,
    };
    // In range, so the cast is exact after rounding down.
    (0.0..=100.0).contains(&figure).then_some(figure as u8)
}

/// true, 1, "TRUE", "ON", and their opposites.
pub(super) fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" | "yes" => Some(true),
            "false" | "off" | "0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// RFC 3339, or seconds or milliseconds since 1970.
pub(super) fn time(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => {
            let number = number.as_f64()?;
            // 1e11 s is the year 5138, 1e11 ms is 1973: no device means either.
            let ms = if number.abs() < 1e11 { number * 1000.0 } else { number };
            Timestamp::from_millisecond(ms as i64).ok()
        }
        _ => None,
    }
}

/// Zigbee's link quality 0..=255.
pub(super) fn lqi(value: Option<&Value>) -> Option<u8> {
    let figure = value?.as_u64().filter(|lqi| *lqi <= 255)?;
    u8::try_from(figure * 100 / 255).ok()
}

/// A LoRa signal-to-noise ratio: -20 dB, where SF12 ends, is 0 and +10 dB is 100 percent.
pub(super) fn lora_link(snr_db: f64) -> Option<u8> {
    snr_db.is_finite().then(|| ((snr_db + 20.0) / 30.0 * 100.0).clamp(0.0, 100.0) as u8)
}
