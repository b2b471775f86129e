//! What a codec has decoded of one message, before it becomes observations; and how loose JSON values are read.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    KnownDevice, Message, json,
    model::{Act, Model, act, names_a_call},
    number::{decimal, written},
};
use crate::{
    domain::{
        Body, DeviceReport, DeviceStatus, Now, Observation, Press, PressForm, REASON_CHARS_MAX,
        SourceId, Stamp, Unreadable, clean_cut,
    },
    sources::arrival::short_digest,
};

/// Longer ids are cut: an id is for telling presses apart, not for storing text.
pub(super) const ID_CHARS_MAX: usize = 128;
/// A payload is kept in quarantine up to this many bytes.
const QUARANTINE_BYTES_MAX: usize = 64 * 1024;
/// What an officer is shown of a payload that nobody can read, characters.
const SHOWN_CHARS_MAX: usize = 200;
/// Words of one value that are looked at, and how deep it is searched for them.
const WORDS_MAX: usize = 32;
const WORDS_DEEP_MAX: usize = 4;

/// One decoded message of one device.
#[derive(Debug)]
pub(super) struct DeviceMessage {
    pub(super) source: SourceId,
    pub(super) act: Act,
    /// What shows the press, if it is one.
    pub(super) form: PressForm,
    /// The device's own id of this event.
    pub(super) id: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) report: DeviceReport,
    /// What is a press of it, where the site or the dialect says so.
    pub(super) model: Option<Arc<Model>>,
    /// It is listed as a button, or its topic is for presses alone: what it says is about presses.
    pub(super) is_button: bool,
    /// What could not be read of it.
    doubts: Vec<String>,
    /// Words that are about presses, and that nobody knows.
    unknown: Vec<String>,
}

impl DeviceMessage {
    pub(super) fn of(known: &KnownDevice, name: &str, message: &Message<'_>) -> Self {
        let report = DeviceReport {
            via: message.via.into(),
            retained: message.retained,
            ..DeviceReport::default()
        };
        Self {
            source: known.source(name),
            act: Act::Nothing,
            form: PressForm::Event,
            id: None,
            at: None,
            report,
            model: known.model.clone(),
            is_button: known.listed,
            doubts: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// What had to be mended before it could be read.
    pub(super) fn mended(&mut self, doubts: Vec<String>) {
        self.doubts.extend(doubts);
    }

    /// A field that could not be read costs itself alone, and is told.
    pub(super) fn doubt(&mut self, key: &str, value: &Value) {
        self.doubts.push(format!("{key} {}", json::quoted(&value.to_string())));
    }

    /// A field beside the press; one that is there and cannot be read is a doubt.
    pub(super) fn field<T>(
        &mut self,
        key: &str,
        value: Option<&Value>,
        read: fn(Option<&Value>) -> Option<T>,
    ) -> Option<T> {
        let found = read(value);
        if let (None, Some(value)) = (&found, value.filter(|value| !is_nothing(value))) {
            self.doubt(key, value);
        }
        found
    }

    /// The device's own id of this press; one that tells no presses apart is none, and a doubt.
    pub(super) fn takes_id(&mut self, key: &str, value: Option<&Value>, names: &[&str]) {
        let source = self.source.to_string();
        let names: Vec<&str> = names.iter().copied().chain([source.as_str()]).collect();
        self.id = press_id(value, &names);
        if let (None, Some(value)) = (&self.id, value.filter(|value| !is_nothing(value))) {
            self.doubt(key, value);
        }
    }

    /// What a word under a key that carries presses means.
    fn act_of(&self, word: &str) -> Act {
        act(self.model.as_deref(), self.is_button, word)
    }

    /// The words of what stands under a key that carries presses. What is there and cannot be read as
    /// words is told as one that nobody knows: it may be a press.
    pub(super) fn words(&mut self, key: &str, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else { return Vec::new() };
        let found = gathered(value);
        if found.is_unread() {
            self.unknown.push(format!("{key} {}", json::quoted(&value.to_string())));
        }
        found.all
    }

    /// Takes what stands under a key that carries presses: a text, a number, and what lies in
    /// arrays and objects there. The first press of them counts.
    pub(super) fn takes(&mut self, key: &str, value: Option<&Value>) {
        for word in self.words(key, value) {
            let found = self.act_of(&word);
            if found == Act::Unknown {
                self.unknown
                    .push(format!("{key} {}", json::quoted(&Value::from(word).to_string())));
            } else if found.rank() > self.act.rank() {
                self.act = found;
            }
        }
    }

    /// Takes a key that is true while it calls: `sos`. True is the word `word` to its model.
    /// Whether each report says so anew (`Level`) or only a press does, the caller knows.
    pub(super) fn takes_flag(
        &mut self,
        key: &str,
        word: &str,
        value: Option<&Value>,
        form: &PressForm,
    ) {
        let Some(value) = value.filter(|value| !is_nothing(value)) else { return };
        let calls = match flag(Some(value)) {
            Some(calls) => calls,
            // A word that is neither true nor false stands under a key that carries presses.
            None => {
                let before = self.unknown.len();
                let all = self.words(key, Some(value));
                let calls = all.iter().any(|word| self.act_of(word) == Act::Press);
                if !calls && self.unknown.len() > before {
                    // Nobody knows whether it calls.
                    return;
                }
                calls
            }
        };
        let is_state = *form == PressForm::Level;
        if !calls {
            if is_state && self.report.calling.is_none() {
                self.report.calling = Some(false);
            }
            return;
        }
        match self.act_of(word) {
            Act::Unknown => {
                self.unknown.push(format!("{key} {}", json::quoted(&value.to_string())))
            }
            Act::Press => {
                if is_state {
                    self.report.calling = Some(true);
                }
                if self.act.rank() < Act::Press.rank() {
                    (self.act, self.form) = (Act::Press, form.clone());
                }
            }
            other if other.rank() > self.act.rank() => self.act = other,
            _ => {}
        }
    }

    /// Takes a word only if it sounds like a press: under a key, or on a topic, that says other things too.
    pub(super) fn takes_a_call(&mut self, key: &str, word: &str) -> bool {
        let found = act(self.model.as_deref(), false, word);
        if !matches!(found, Act::Press | Act::Test) || matches!(word.trim(), "1" | "1.0") {
            return false;
        }
        if found.rank() > self.act.rank() {
            self.act = found;
        }
        self.doubts.push(format!("{key} {}", json::quoted(&Value::from(word).to_string())));
        true
    }

    /// Keys that nobody here knows, of a listed button: what stands under one that is named like a press
    /// is read as one, and told if it cannot be understood. `known`: they were read before.
    pub(super) fn takes_other_keys(&mut self, object: &Value, known: &[&str]) {
        self.takes_keys_below(object, known, false, 0);
    }

    fn takes_keys_below(&mut self, object: &Value, known: &[&str], below: bool, deep: usize) {
        const KEYS_MAX: usize = 64;
        /// Keys that say no more than the one above them does.
        const PLAIN: &[&str] = &["value", "action", "event", "state", "status", "type"];
        let all = object.as_object().into_iter().flatten().take(KEYS_MAX);
        for (key, value) in all.filter(|_| deep < WORDS_DEEP_MAX) {
            let lower = key.to_lowercase();
            let names = names_a_call(key) || (below && PLAIN.contains(&lower.as_str()));
            match value {
                _ if known.contains(&key.as_str()) => {}
                Value::Object(_) => self.takes_keys_below(value, &[], names, deep + 1),
                _ if !names || is_nothing(value) => {}
                Value::Number(number) if !matches!(number.as_f64(), Some(0.0 | 1.0)) => {
                    self.not_known(format!("{key} {number}"));
                }
                _ if flag(Some(value)).is_some() => {
                    self.takes_flag(key, "alarm", Some(value), &PressForm::Event);
                    if flag(Some(value)) == Some(true) {
                        self.doubt(key, value);
                    }
                }
                _ => self.takes(key, Some(value)),
            }
        }
    }

    /// The first word about presses that nobody knows, with its key.
    pub(super) fn unknown_word(&self) -> Option<&str> {
        self.unknown.first().map(String::as_str)
    }

    /// A word about presses that nobody knows, in the dialect's own terms.
    pub(super) fn not_known(&mut self, what: String) {
        self.unknown.push(what);
    }

    /// The report of the device itself first, the press last: with the last one the message is settled.
    pub(super) fn observations(self, message: &Message<'_>, now: Now) -> Vec<Observation> {
        let Self { source, act, form, id, at, mut report, mut doubts, .. } = self;
        let Self { unknown, is_button, .. } = self;
        let stamp = Stamp::of_device(at, now);
        let is_press = act == Act::Press;
        match act {
            Act::Cancel => report.word = DeviceStatus::Cancel,
            Act::Test => report.word = DeviceStatus::Test,
            Act::Press | Act::Nothing | Act::Unknown => {}
        }
        if is_press {
            doubts.extend(unknown);
            doubts.truncate(json::DOUBTS_MAX);
            if form == PressForm::Level {
                // Whether it is a press or only said again, the desk decides.
                report.calling = None;
            }
        } else if !unknown.is_empty() || !doubts.is_empty() {
            if !unknown.is_empty() && is_button {
                let reason = format!("not understood: {}", unknown.join(", "));
                report.kept = Some(Box::new(kept(message, reason)));
            }
            let all = unknown.into_iter().chain(std::mem::take(&mut doubts));
            report.unknown = all.take(json::DOUBTS_MAX).collect();
        }
        let press = is_press.then(|| Press {
            id,
            at,
            battery: report.battery,
            retained: report.retained,
            via: report.via.clone(),
            form,
            doubts,
            ..Press::default()
        });
        // A press alone shows that the device works, and how its battery is.
        let more = press.is_none() || report != what_a_press_shows(&report);
        let report = more.then_some(Body::Device(report));
        let bodies = report.into_iter().chain(press.map(Body::Press));
        bodies.map(|body| Observation { source: source.clone(), stamp, body }).collect()
    }

    /// It was heard, and what it meant could not be read: whether that may have been a press.
    pub(super) fn may_be_a_press(&self, message: &Message<'_>) -> bool {
        self.is_button && self.act == Act::Nothing && !message.retained
    }
}

fn what_a_press_shows(report: &DeviceReport) -> DeviceReport {
    let DeviceReport { battery, via, retained, .. } = report.clone();
    DeviceReport { battery, via, retained, ..DeviceReport::default() }
}

/// Reasons are for people, and hold what devices wrote.
fn cut(reason: &str) -> String {
    clean_cut(reason, REASON_CHARS_MAX)
}

fn kept(message: &Message<'_>, reason: String) -> Unreadable {
    let bytes = message.payload.len().min(QUARANTINE_BYTES_MAX);
    Unreadable {
        origin: cut(&format!("{} {}", message.via, message.topic)),
        reason: cut(&reason),
        payload: message.payload[..bytes].to_vec(),
    }
}

/// The press that a message may be which nobody can read, after its bytes are in the quarantine.
pub(super) fn unreadable_press(
    source: SourceId,
    message: &Message<'_>,
    now: Now,
    reason: &str,
) -> Observation {
    let beginning = &message.payload[..message.payload.len().min(SHOWN_CHARS_MAX * 4)];
    let form = PressForm::Unreadable {
        reason: cut(reason),
        text: clean_cut(&String::from_utf8_lossy(beginning), SHOWN_CHARS_MAX),
    };
    let press =
        Press { via: message.via.into(), retained: message.retained, form, ..Press::default() };
    Observation { source, stamp: Stamp::of_gateway(now), body: Body::Press(press) }
}

/// To the quarantine, with the beginning of it.
pub(super) fn unreadable(
    source: SourceId,
    message: &Message<'_>,
    now: Now,
    reason: String,
) -> Observation {
    let body = Body::Unreadable(kept(message, reason));
    Observation { source, stamp: Stamp::of_gateway(now), body }
}

/// The payload as a JSON object and what was mended in it; the error says what was expected.
pub(super) fn object(
    message: &Message<'_>,
    expected: &str,
) -> Result<(Value, Vec<String>), String> {
    let json::Read { value, doubts } = json::read(message.payload)
        .map_err(|error| format!("not JSON ({error}); expected {expected}"))?;
    match value {
        Value::Object(_) => Ok((value, doubts)),
        _ => Err(format!("expected a JSON object {expected}")),
    }
}

/// Null, and a text without anything in it.
pub(super) fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A text or a number as an id, bounded; 42.0 is 42.
pub(super) fn id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => {
            Some(text.trim().chars().take(ID_CHARS_MAX).collect())
        }
        Value::Number(number) => Some(written(number)),
        _ => None,
    }
}

/// A device's own id of a press; `names` are those of the device. No id is what tells no two presses
/// apart: nothing, 0, the device's own name, a number beyond what a double holds exactly. Without an
/// id one press may count twice; with such a one all but the first would count for nothing.
pub(super) fn press_id(value: Option<&Value>, names: &[&str]) -> Option<String> {
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    if let Some(Value::Number(number)) = value {
        let rounded = !number.is_u64() && !number.is_i64();
        if rounded && number.as_f64().is_none_or(|number| number.abs() >= EXACT_BELOW) {
            return None;
        }
    }
    let full = match value? {
        Value::String(text) if text.trim().chars().count() > ID_CHARS_MAX => hashed(text.trim()),
        other => id(Some(other))?,
    };
    let is_none = full.bytes().all(|digit| matches!(digit, b'0' | b'-'))
        || matches!(full.to_ascii_lowercase().as_str(), "null" | "none" | "undefined" | "nan")
        || names.iter().any(|name| name.eq_ignore_ascii_case(&full));
    (!is_none).then_some(full)
}

/// A text that is too long for an id, as its beginning and a digest of all of it.
fn hashed(text: &str) -> String {
    let begin: String = text.chars().take(ID_CHARS_MAX - 17).collect();
    format!("{begin}-{}", short_digest(&[text.as_bytes()]))
}

/// What of a value can be a word.
#[derive(Default)]
struct Words {
    all: Vec<String>,
    /// Something lies too deep, or there is too much of it.
    passed_over: bool,
    /// Numbers in an object.
    numbers: bool,
}

impl Words {
    /// Whether there is something that no word stands for.
    fn is_unread(&self) -> bool {
        self.passed_over || (self.all.is_empty() && self.numbers)
    }
}

/// All texts, numbers and booleans of a value, as they are or in arrays; in an object its texts and
/// booleans, for a number there may count anything.
pub(super) fn words(value: Option<&Value>) -> Vec<String> {
    value.map(|value| gathered(value).all).unwrap_or_default()
}

fn gathered(value: &Value) -> Words {
    let mut found = Words::default();
    gather(value, false, 0, &mut found);
    found
}

fn gather(value: &Value, in_object: bool, deep: usize, found: &mut Words) {
    if found.all.len() >= WORDS_MAX || deep > WORDS_DEEP_MAX {
        found.passed_over |= !is_nothing(value);
        return;
    }
    match value {
        Value::Null => {}
        Value::Bool(flag) => found.all.push(flag.to_string()),
        Value::Number(_) if in_object => found.numbers = true,
        Value::Number(_) | Value::String(_) => found.all.extend(id(Some(value))),
        Value::Array(all) => all.iter().for_each(|one| gather(one, in_object, deep + 1, found)),
        Value::Object(all) => all.values().for_each(|one| gather(one, true, deep + 1, found)),
    }
}

/// 0..=100, also as 88.3 or "88"; anything else is no figure.
pub(super) fn percent(value: Option<&Value>) -> Option<u8> {
    let figure = match value? {
        Value::String(text) => text.trim().trim_end_matches('%').trim().parse().ok()?,
        other => decimal(Some(other))?,
    };
    // In range, so the cast is exact after rounding down.
    (0.0..=100.0).contains(&figure).then_some(figure as u8)
}

/// true, 1, "TRUE", "ON", and their opposites.
pub(super) fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "1" | "1.0" | "yes" => Some(true),
            "false" | "off" | "0" | "0.0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// RFC 3339, or seconds or milliseconds since 1970, as a number or a text.
pub(super) fn time(value: Option<&Value>) -> Option<Timestamp> {
    if let Some(Value::String(text)) = value
        && let Ok(time) = text.trim().parse()
    {
        return Some(time);
    }
    let number = decimal(value)?;
    // 1e11 s is the year 5138, 1e11 ms is 1973: no device means either.
    let ms = if number.abs() < 1e11 { number * 1000.0 } else { number };
    Timestamp::from_millisecond(ms as i64).ok()
}

/// Zigbee's link quality 0..=255.
pub(super) fn lqi(value: Option<&Value>) -> Option<u8> {
    let figure = decimal(value).filter(|lqi| (0.0..=255.0).contains(lqi))?;
    // In range, so the cast is exact after rounding down.
    Some((figure * 100.0 / 255.0) as u8)
}

/// A LoRa signal-to-noise ratio: -20 dB, where SF12 ends, is 0 and +10 dB is 100 percent.
pub(super) fn lora_link(snr_db: f64) -> Option<u8> {
    snr_db.is_finite().then(|| ((snr_db + 20.0) / 30.0 * 100.0).clamp(0.0, 100.0) as u8)
}
