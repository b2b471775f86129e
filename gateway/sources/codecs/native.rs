//! The native dialect: `{"device":"btn-0686","event":"press","id":"…","at":"…","battery":87}`.
//!
//! `event`: `press` · `test` (or `"test":true` with a press) · `cancel` · `heartbeat` · `tamper`
//! · `tamper-clear` · `battery-low`. Beside it, as the device has them: `id`, `at`, `battery`
//! (percent), `link` (percent), `tamper`, `silent_after_s` (how often it means to be heard). Names of
//! fields and words are compared without regard to case.
//!
//! Lenient where a press would be lost: nothing that stands beside it costs it. Of a button, any
//! other word is a press unless it is known to be none (`model.rs`); a bare `press` without JSON is
//! one too. What stands under `sos`, `alarm` and their like counts beside any `event`.

use serde_json::Value;

use super::{
    Codecs, Message, json,
    message::{DeviceMessage, flag, id, is_nothing, object, percent, time, words},
    model::Act,
    number::whole_decimal,
};

const EXPECTED: &str = "{\"device\":\"…\",\"event\":\"press\",…}";
/// Keys under which other firmware says it, instead of an `event` or beside one.
const OTHER_KEYS: &[&str] = &["action", "alarm", "sos", "emergency", "panic", "press", "button"];
/// Keys under which some say what happened, and many other things.
const MORE_KEYS: &[&str] = &[
    "type",
    "msg",
    "cmd",
    "status",
    "state",
    "value",
    "data",
    "msgtype",
    "eventtype",
    "event_type",
    "alarmtype",
    "alarm_type",
];
/// A text without JSON is read as a word up to this many characters.
const BARE_CHARS_MAX: usize = 32;

/// Who pressed comes from `device`, else from the topic's last level.
pub(super) fn read(codecs: &Codecs, message: &Message<'_>) -> Result<DeviceMessage, String> {
    let (value, doubts) = match object(message, EXPECTED) {
        Ok(read) => read,
        Err(reason) => return otherwise(codecs, message).ok_or(reason),
    };
    of_object(codecs, message, &value, doubts)
}

fn of_object(
    codecs: &Codecs,
    message: &Message<'_>,
    value: &Value,
    doubts: Vec<String>,
) -> Result<DeviceMessage, String> {
    // Some wrap it once more: {"data":{"event":"press"}}, also as a text.
    let says_what = |value: &Value| get(value, "event").is_some_and(|event| !is_nothing(event));
    let inner = || {
        value.as_object()?.values().find_map(|inner| {
            let inner = json::inner(inner).unwrap_or_else(|| inner.clone());
            says_what(&inner).then_some(inner)
        })
    };
    let inner = if says_what(value) { None } else { inner() };
    let value = inner.as_ref().unwrap_or(value);
    let named = get(value, "device");
    let name = whose(codecs, message, value);
    let mut decoded = begun(codecs, message, &name);
    decoded.mended(doubts);
    decoded.field("device", named, id);
    decoded.report.battery = decoded.field("battery", get(value, "battery"), percent);
    decoded.report.link = decoded.field("link", get(value, "link"), percent);
    decoded.report.tampered = decoded.field("tamper", get(value, "tamper"), flag);
    let own = decoded.field("silent_after_s", get(value, "silent_after_s"), whole_decimal);
    decoded.report.silent_after_s = own.filter(|seconds| *seconds > 0);
    let is_test = flag(get(value, "test")) == Some(true);
    let event = get(value, "event");
    for word in decoded.words("event", event) {
        says(&mut decoded, "event", &word, is_test);
    }
    let found = others(&mut decoded, value, is_test, event.is_some_and(|event| !is_nothing(event)));
    if event.is_none() && !found {
        without_event(&mut decoded, value);
    }
    decoded.takes_id("id", get(value, "id"), &[&name]);
    decoded.at = decoded.field("at", get(value, "at"), at);
    match decoded.unknown_word() {
        // Of somebody that nobody has listed, on any topic: not one of ours.
        Some(what) if !decoded.is_button && decoded.act == Act::Nothing => {
            Err(format!("{what}: expected \"press\""))
        }
        _ => Ok(decoded),
    }
}

/// Takes the other keys; whether there is any. Beside an `event` a word there may be a name (`button`:
/// which one), so only what sounds like a press is one, and no number or name under `button`.
fn others(decoded: &mut DeviceMessage, value: &Value, is_test: bool, beside: bool) -> bool {
    let is_test = is_test || decoded.act == Act::Test;
    let is_button = decoded.is_button;
    let mut found = false;
    for (key, said) in OTHER_KEYS.iter().filter_map(|key| Some((*key, get(value, key)?))) {
        found = true;
        let calls = said == &Value::Bool(true) || (is_test && flag(Some(said)) == Some(true));
        if beside && key == "button" && !calls {
            continue;
        }
        // True is that it calls; as a word it would be `1`.
        if calls {
            says(decoded, key, "press", is_test);
            continue;
        }
        decoded.is_button = is_button && !beside;
        for word in decoded.words(key, Some(said)) {
            says(decoded, key, &word, is_test);
        }
        decoded.is_button = is_button;
    }
    found
}

/// Nothing says what happened where it is said: other keys may say other things too, and only what
/// sounds like a press is one there.
fn without_event(decoded: &mut DeviceMessage, value: &Value) {
    if decoded.is_button {
        decoded.takes_other_keys(value, &[]);
        if decoded.act != Act::Nothing || decoded.unknown_word().is_some() {
            return;
        }
        let more = value.as_object().into_iter().flatten();
        let mut more =
            more.filter(|(key, _)| MORE_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)));
        let calls = more.any(|(key, said)| {
            words(Some(said)).iter().any(|word| decoded.takes_a_call(key, word))
        });
        if calls {
            return;
        }
    }
    decoded.not_known("`event` is missing".into());
}

/// A payload that is no object: a bare word of a button.
fn otherwise(codecs: &Codecs, message: &Message<'_>) -> Option<DeviceMessage> {
    if let Ok(json::Read { value, doubts }) = json::read(message.payload) {
        // Objects in an array are read one by one (`Codecs::decode`).
        if value.as_array().is_some_and(|all| all.iter().any(Value::is_object)) {
            return None;
        }
        let mut decoded = begun(codecs, message, &whose(codecs, message, &value));
        decoded.mended(doubts);
        let all = words(Some(&value));
        all.iter().for_each(|word| says(&mut decoded, "", word, false));
        let plain = !value.is_object() && !all.is_empty() && decoded.unknown_word().is_none();
        return (decoded.is_button && plain).then_some(decoded);
    }
    let mut doubts = Vec::new();
    let text = json::text(message.payload, &mut doubts);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-');
    if text.chars().count() > BARE_CHARS_MAX || !text.chars().all(is_word) {
        return None;
    }
    // Nothing at all is told: who presses says something.
    if text.is_empty() {
        return None;
    }
    let mut decoded = begun(codecs, message, &whose(codecs, message, &Value::Null));
    let is_button = decoded.is_button;
    // Without JSON around it, a word that nobody knows may be anything: only what sounds like a press is one.
    decoded.is_button = false;
    says(&mut decoded, "", &text, false);
    decoded.is_button = is_button;
    (is_button && decoded.unknown_word().is_none()).then_some(decoded)
}

/// Who it is about: `device`, else the topic's last level. If nobody is listed under that name, what
/// the topic or another key of the message names and the site has listed goes before.
fn whose(codecs: &Codecs, message: &Message<'_>, value: &Value) -> String {
    let lists = |name: &str| codecs.device(name).listed;
    let named = id(get(value, "device"));
    let levels = || message.topic.rsplit('/').filter(|level| !level.is_empty());
    let last = levels().next().map(str::to_owned);
    // Below the buttons' own topic the name stands first: …/button/<device>/event, or nowhere.
    let own = codecs.button_of(message.topic).map(str::to_owned);
    let last = last.filter(|_| !codecs.is_button_topic(message.topic));
    let first = [&named, &last].into_iter().flatten().find(|name| lists(name)).cloned();
    let other = || {
        let keys =
            ["id", "name", "sn", "mac", "dev", "deviceid", "device_id", "deviceName", "addr"];
        keys.iter().filter_map(|key| id(get(value, key))).find(|name| lists(name))
    };
    let of_topic = || super::parts(message.topic).find(|part| lists(part)).map(str::to_owned);
    let found = first.or_else(other).or_else(of_topic).or(named).or(own).or(last);
    found.unwrap_or_else(|| message.via.into())
}

fn begun(codecs: &Codecs, message: &Message<'_>, name: &str) -> DeviceMessage {
    let mut decoded = DeviceMessage::of(&codecs.device(name), name, message);
    decoded.is_button |= codecs.is_button_topic(message.topic);
    decoded
}

/// One word under a key that carries presses.
fn says(decoded: &mut DeviceMessage, key: &str, word: &str, is_test: bool) {
    let report = &mut decoded.report;
    let act = match word.trim().to_lowercase().as_str() {
        "press" if is_test => Act::Test,
        "press" => Act::Press,
        "test" => Act::Test,
        "cancel" | "取消" | "撤销" | "取消报警" | "取消求助" => Act::Cancel,
        "tamper" | "防拆" | "防拆报警" | "拆除" | "拆机" => {
            report.tampered = Some(true);
            Act::Nothing
        }
        "tamper-clear" => {
            report.tampered = Some(false);
            Act::Nothing
        }
        "battery-low" | "低电量" | "电量低" | "低电压" | "欠压" => {
            report.battery_low = Some(true);
            Act::Nothing
        }
        _ => return decoded.takes(key, Some(&Value::from(word))),
    };
    if act.rank() > decoded.act.rank() {
        decoded.act = act;
    }
}

/// RFC 3339, or seconds or milliseconds since 1970; the seconds since a device was switched on are no time.
fn at(value: Option<&Value>) -> Option<jiff::Timestamp> {
    let at = time(value)?;
    let is_text = value.and_then(Value::as_str).is_some_and(|text| text.contains('-'));
    (is_text || at.as_second() > 1_000_000_000).then_some(at)
}

/// A field, whatever the case of its name.
fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.get(key).or_else(|| {
        let object = value.as_object()?;
        object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    })
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
                r#"{"device":"b","event":"zap"}"#,
                r#"unreadable: event "zap": expected "press""#.into(),
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
