//! The fields of a gauge's message: each is read for itself, and one that cannot be costs itself and a doubt.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    message,
    number::{Figure, figure, is_sentinel, whole},
};
use crate::domain::Measure;

/// More rain than this since a device was set up, or a level beyond it, is no number of a gauge.
const MM_MAX: f64 = 1e9;
/// A level in metres may well be a full register's number by chance, below this.
const LEVEL_SENTINEL_FROM_M: f64 = 3_000.0;
/// Doubts of one message.
const DOUBTS_MAX: usize = 6;
/// Bytes of a message that are kept beside its doubts.
const KEPT_CHARS_MAX: usize = 512;

/// What was read of one message so far.
pub(super) struct Fields<'m> {
    object: &'m Map<String, Value>,
    pub(super) measures: Vec<Measure>,
    /// What has no value, or what could not be read.
    doubts: Vec<String>,
    /// Something was no number at all.
    wrong: bool,
}

impl<'m> Fields<'m> {
    pub(super) fn of(object: &'m Map<String, Value>) -> Self {
        Self { object, measures: Vec::new(), doubts: Vec::new(), wrong: false }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    pub(super) fn doubt(&mut self, why: String) {
        if self.doubts.len() < DOUBTS_MAX && !self.doubts.contains(&why) {
            self.doubts.push(why);
        }
    }

    fn wrong(&mut self, why: String) {
        self.wrong = true;
        self.doubt(why);
    }

    /// A finite number of a size that a gauge can say; else a doubt.
    fn number(&mut self, key: &str) -> Option<f64> {
        match figure(self.object.get(key))? {
            Figure::Number(number) if number.abs() <= MM_MAX || is_sentinel(number) => Some(number),
            Figure::Number(_) => {
                let said = self.object[key].clone();
                self.wrong(format!("{key} {said}: expected a number"));
                None
            }
            Figure::NoValue(said) => {
                self.doubt(format!("{key} {said}: it has no value"));
                None
            }
            Figure::Wrong(said) => {
                self.wrong(format!("{key} {said}: expected a number"));
                None
            }
        }
    }

    /// Micrometres of rain: never below zero.
    pub(super) fn rain(&mut self, key: &str, mm_each: f64, measure: impl Fn(i64) -> Measure) {
        let Some(number) = self.number(key) else { return };
        if is_sentinel(number) {
            self.doubt(format!("{key} {number}: it has no value"));
        } else if number < 0.0 {
            self.wrong(format!("{key} {number}: rain is never below 0"));
        } else {
            self.measures.push(measure((number * 1000.0 * mm_each).round() as i64));
        }
    }

    /// Water; millimetres of one.
    pub(super) fn level(&mut self, key: &str, mm_each: f64) {
        let Some(number) = self.number(key) else { return };
        let in_metres = mm_each >= 1_000.0;
        if is_sentinel(number) && (!in_metres || number.abs() >= LEVEL_SENTINEL_FROM_M) {
            self.doubt(format!("{key} {number}: it has no value"));
        } else {
            self.measures.push(Measure::LevelMm((number * mm_each).round() as i64));
        }
    }

    /// A counter of tips.
    pub(super) fn tips(&mut self, key: &str) {
        let Some(number) = self.number(key) else { return };
        match whole(self.object.get(key)) {
            _ if is_sentinel(number) => self.doubt(format!("{key} {number}: it has no value")),
            Some(tips) => self.measures.push(Measure::Tips(tips)),
            None => {
                self.wrong(format!("{key} {number}: expected a whole number of tips, 0 or more"))
            }
        }
    }

    /// `mm` in `period_s`.
    pub(super) fn fallen(&mut self) {
        if !self.has("mm") {
            return;
        }
        let period = whole(self.object.get("period_s")).and_then(|s| u32::try_from(s).ok());
        match period.filter(|s| (1..=86_400).contains(s)) {
            Some(period_s) => self.rain("mm", 1.0, |um| Measure::Fallen { um, period_s }),
            None => self.wrong("`mm` needs `period_s`, 1 to 86400 seconds".into()),
        }
    }

    /// When it was made; one that is no time is told, and the arrival counts.
    pub(super) fn time(&mut self, key: &str) -> Option<Timestamp> {
        let value = self.object.get(key).filter(|value| !value.is_null())?;
        let at = message::time(Some(value));
        if at.is_none() {
            let said: String = value.to_string().chars().take(40).collect();
            self.doubt(format!(
                "{key} {said}: expected a time in RFC 3339; counted as made on arrival"
            ));
        }
        at
    }

    /// Takes what a part of the message gave.
    pub(super) fn join(&mut self, part: Fields<'_>) {
        self.measures.extend(part.measures);
        self.wrong |= part.wrong;
        part.doubts.into_iter().for_each(|why| self.doubt(why));
    }

    /// Measures and doubts; the error is all doubts, where nothing but them is there.
    pub(super) fn end(self) -> Result<(Vec<Measure>, Vec<String>), String> {
        match self.measures.is_empty() && self.wrong {
            true => Err(self.doubts.join("; ")),
            false => Ok((self.measures, self.doubts)),
        }
    }
}

/// A message as it is kept beside its doubts.
pub(super) fn kept(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(KEPT_CHARS_MAX).collect()
}

/// A JSON object as devices write it: with a byte order mark, NUL or white space around it, with NaN or
/// Infinity in it (null), with bytes that are no UTF-8 in its texts.
pub(super) fn object(payload: &[u8]) -> Result<Map<String, Value>, String> {
    let text = String::from_utf8_lossy(payload);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    let value = serde_json::from_str(text).or_else(|error| {
        let bare = without_bare_words(text);
        serde_json::from_str::<Value>(&bare).map_err(|_| format!("not JSON ({error})"))
    })?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err("not a JSON object".into()),
    }
}

/// NaN and Infinity outside texts become null.
fn without_bare_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_text, mut escaped, mut word) = (false, false, String::new());
    let end = |word: &mut String, out: &mut String| {
        let bare = word.trim_start_matches(['-', '+']).to_ascii_lowercase();
        let is_none = matches!(bare.as_str(), "nan" | "inf" | "infinity" | "none" | "undefined");
        out.push_str(if is_none { "null" } else { word });
        word.clear();
    };
    for c in text.chars() {
        let part = !in_text && (c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
        if part {
            word.push(c);
            continue;
        }
        end(&mut word, &mut out);
        if c == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && c == '\\' && !escaped;
        out.push(c);
    }
    end(&mut word, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_with_what_transports_leave_around_it() {
        for text in [
            "\u{feff}{\"a\":1}",
            "{\"a\":1}\0\0",
            " \r\n{\"a\":1}\n",
            "{\"a\":1,\"b\":NaN,\"c\":-Infinity,\"d\":\"NaN \\\" nan\"}",
        ] {
            let read = object(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(read["a"], 1, "{text}");
            assert!(read.get("b").is_none_or(Value::is_null), "{text}");
            assert!(read.get("d").is_none_or(|d| d == "NaN \" nan"), "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_ok());
        for broken in ["", "{", "press", "[1]", "\0", "{\"a\":nane}"] {
            assert!(object(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
