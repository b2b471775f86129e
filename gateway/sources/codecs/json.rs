//! JSON as devices write it: small faults of firmware are mended before the parser, so that they cost no message.
//!
//! Mended are: a byte order mark, NUL and white space around it, UTF-16, bytes that are no UTF-8, raw control characters within
//! a text, `NaN`, `Infinity` and other bare words (null), numbers such as `087`, `+5` or `.5`, a comma
//! before a bracket, a value that is left out, and keys given twice: all their values are kept, as an
//! array. Each mend is a doubt that is told. What is more broken than that is no JSON.

use std::collections::HashSet;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Doubts of one message that are kept; the rest would say the same.
pub(super) const DOUBTS_MAX: usize = 8;
/// What is quoted of a doubtful value, characters.
const QUOTED_CHARS_MAX: usize = 40;

/// A document, and what had to be mended in it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) value: Value,
    pub(super) doubts: Vec<String>,
}

/// Reads bytes as JSON; the error is the parser's.
pub(super) fn read(bytes: &[u8]) -> Result<Read, String> {
    let mut doubts = Vec::new();
    let text = text(bytes, &mut doubts);
    let value = match parse(&text, &mut doubts) {
        Ok(value) => value,
        // A word alone is no document: whoever asked decides what it means.
        Err(first) if !text.starts_with(['{', '[']) => return Err(first),
        Err(first) => {
            let mended = mend(&text, &mut doubts);
            parse(&mended, &mut doubts).map_err(|_| first)?
        }
    };
    let value = match inner(&value) {
        Some(inner) => {
            doubts.push("JSON within a text of JSON".into());
            inner
        }
        None => value,
    };
    doubts.truncate(DOUBTS_MAX);
    Ok(Read { value, doubts })
}

/// The document that a text holds: some encode it twice.
pub(super) fn inner(value: &Value) -> Option<Value> {
    let text = value.as_str()?.trim();
    let may_be = text.starts_with(['{', '[']);
    may_be.then(|| parse(text, &mut Vec::new()).ok()).flatten()
}

/// The documents of a payload that holds several: one line each, one behind the other, or the objects
/// of an array. `None`: it is one, or something else.
pub(super) fn several(bytes: &[u8]) -> Option<Vec<Value>> {
    /// More of them are no message of one device.
    const DOCUMENTS_MAX: usize = 64;
    let text = text(bytes, &mut Vec::new());
    if !text.starts_with(['{', '[', '"']) {
        return None;
    }
    let all = match read(bytes) {
        Ok(Read { value: Value::Array(all), .. }) => all,
        Ok(_) => return None,
        Err(_) => {
            let documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            documents.take(DOCUMENTS_MAX + 1).collect::<Result<_, _>>().ok()?
        }
    };
    let fits = (1..=DOCUMENTS_MAX).contains(&all.len()) && all.iter().all(Value::is_object);
    fits.then_some(all)
}

fn parse(text: &str, doubts: &mut Vec<String>) -> Result<Value, String> {
    let Merged { value, twice } =
        serde_json::from_str::<Merged>(text).map_err(|error| error.to_string())?;
    let twice = twice.into_iter().map(|key| format!("`{}` is given twice", quoted(&key)));
    doubts.extend(twice.take(DOUBTS_MAX));
    Ok(value)
}

/// The text of a payload, without what transports and firmware put around it.
pub(super) fn text(bytes: &[u8], doubts: &mut Vec<String>) -> String {
    let decoded = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => None,
    };
    let text = match decoded {
        Some(text) => text.into(),
        None => String::from_utf8_lossy(bytes),
    };
    if text.contains('\u{fffd}') {
        doubts.push("bytes that are no UTF-8".into());
    }
    let around = |c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}';
    text.trim_matches(around).to_owned()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|two| unit([two[0], two[1]])).collect::<Vec<_>>();
    String::from_utf16(&units).ok()
}

/// What has a meaning between the texts of a document.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Colon,
    Comma,
    Other,
}

/// The document with its small faults mended; of a sound one nothing changes.
fn mend(text: &str, doubts: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.char_indices().peekable();
    let mut last = Last::Other;
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                out.push('"');
                let end = end_of_text(&text[at + 1..]);
                put_text(&text[at + 1..at + 1 + end], &mut out);
                while chars.next_if(|(next, _)| *next < at + 1 + end).is_some() {}
                if chars.next().is_some() {
                    out.push('"');
                }
                last = Last::Other;
            }
            ',' | '}' | ']' => {
                if last == Last::Colon {
                    doubts.push("a value is left out".into());
                    out.push_str("null");
                } else if last == Last::Comma && c != ',' {
                    doubts.push(format!("a comma before `{c}`"));
                    out.truncate(out.trim_end().len() - 1);
                }
                out.push(c);
                last = if c == ',' { Last::Comma } else { Last::Other };
            }
            ':' => {
                out.push(c);
                last = Last::Colon;
            }
            '{' | '[' => {
                out.push(c);
                last = Last::Other;
            }
            c if c.is_whitespace() => out.push(' '),
            // Between the texts it says nothing.
            '\0' | '\u{feff}' => {}
            _ => {
                let mut end = at + c.len_utf8();
                while let Some((next, c)) = chars.next_if(|(_, c)| is_bare(*c)) {
                    end = next + c.len_utf8();
                }
                put_bare(&text[at..end], &mut out, doubts);
                last = Last::Other;
            }
        }
    }
    out
}

fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '"' | ',' | ':' | '{' | '}' | '[' | ']')
}

/// Where the text ends that begins here: at its closing quote, or with the document.
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

fn put_text(text: &str, out: &mut String) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // An escape that JSON does not know is the character itself.
            '\\' if !chars.peek().is_some_and(|next| "\"\\/bfnrtu".contains(*next)) => {
                out.push_str("\\\\");
            }
            '\\' => {
                out.push('\\');
                out.extend(chars.next());
            }
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// A word without quotes: a literal of JSON, a number in another fashion, or nothing that it knows.
fn put_bare(word: &str, out: &mut String, doubts: &mut Vec<String>) {
    if serde_json::from_str::<Value>(word).is_ok() {
        out.push_str(word);
        return;
    }
    let mended = match word.to_ascii_lowercase().as_str() {
        word @ ("true" | "false" | "null") => word.to_owned(),
        lower => lower
            .parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .map_or_else(|| "null".to_owned(), |number| number.to_string()),
    };
    doubts.push(format!("`{}` is no value", quoted(word)));
    out.push_str(&mended);
}

/// A value as it is quoted in a doubt.
pub(super) fn quoted(text: &str) -> String {
    crate::domain::clean_cut(text, QUOTED_CHARS_MAX)
}

/// A value in which no key has hidden another.
struct Merged {
    value: Value,
    /// Keys that were given more than once, with different values; the first few.
    twice: Vec<String>,
}

impl<'de> Deserialize<'de> for Merged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergedVisitor)
    }
}

struct MergedVisitor;

impl Merged {
    fn plain(value: Value) -> Self {
        Self { value, twice: Vec::new() }
    }
}

impl<'de> Visitor<'de> for MergedVisitor {
    type Value = Merged;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Merged, E> {
        Ok(Merged::plain(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Merged, E> {
        Ok(Merged::plain(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Merged, E> {
        Ok(Merged::plain(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Merged, E> {
        Ok(Merged::plain(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Merged, E> {
        Ok(Merged::plain(value.into()))
    }
    fn visit_string<E>(self, value: String) -> Result<Merged, E> {
        Ok(Merged::plain(value.into()))
    }
    fn visit_unit<E>(self) -> Result<Merged, E> {
        Ok(Merged::plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Merged, A::Error> {
        let mut merged = Merged::plain(Value::Null);
        let mut values = Vec::new();
        while let Some(mut one) = items.next_element::<Merged>()? {
            values.push(one.value);
            merged.twice.append(&mut one.twice);
            merged.twice.truncate(DOUBTS_MAX);
        }
        merged.value = Value::Array(values);
        Ok(merged)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Merged, A::Error> {
        let mut twice: Vec<String> = Vec::new();
        // Of this object: what stands in it may be an array by itself.
        let mut several: HashSet<String> = HashSet::new();
        let mut values: Map<String, Value> = Map::new();
        while let Some((key, mut one)) = items.next_entry::<String, Merged>()? {
            twice.append(&mut one.twice);
            let known = values.get_mut(&key);
            match known {
                None => drop(values.insert(key, one.value)),
                Some(Value::Array(all)) if several.contains(&key) => all.push(one.value),
                Some(before) if *before == one.value => {}
                Some(before) => {
                    *before = Value::Array(vec![before.take(), one.value]);
                    twice.push(key.clone());
                    several.insert(key);
                }
            }
            twice.truncate(DOUBTS_MAX);
        }
        Ok(Merged { value: Value::Object(values), twice })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_of_nothing_but_keys_given_twice_costs_no_time() {
        let keys = (0..10_000).map(|n| format!("\"{n}\":1,\"{n}\":2,"));
        let text = format!("{{{}\"a\":1}}", keys.collect::<String>());
        let began = std::time::Instant::now();
        for _ in 0..5 {
            let read = read(text.as_bytes()).unwrap();
            assert_eq!((read.doubts.len(), &read.value["9999"]), (DOUBTS_MAX, &json!([1, 2])));
        }
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }

    #[test]
    fn small_faults_of_firmware_cost_no_message() {
        let table: &[(&str, Value, usize)] = &[
            (r#"{"a":1}"#, json!({"a": 1}), 0),
            ("\u{feff}{\"a\":1}\0\0\r\n ", json!({"a": 1}), 0),
            (
                r#"{"a":NaN,"b":nan,"c":-Infinity,"d":"NaN"}"#,
                json!({"a": null, "b": null, "c": null, "d": "NaN"}),
                3,
            ),
            (
                r#"{"a":087,"b":+5,"c":.5,"d":7.}"#,
                json!({"a": 87.0, "b": 5.0, "c": 0.5, "d": 7.0}),
                4,
            ),
            (r#"{"a":True,"b":None,"c":undefined}"#, json!({"a": true, "b": null, "c": null}), 3),
            (r#"{"a":1,}"#, json!({"a": 1}), 1),
            (r#"{"a":[1,2, ],"b":,"c":}"#, json!({"a": [1, 2], "b": null, "c": null}), 3),
            ("{\"a\":\"x\ty\\q\"}", json!({"a": "x\ty\\q"}), 0),
            ("{\"a\":\0 1}", json!({"a": 1}), 0),
            (r#"{"a":1,"a":1}"#, json!({"a": 1}), 0),
            (r#"{"a":1,"a":2,"a":3}"#, json!({"a": [1, 2, 3]}), 1),
            (r#"{"a":[1],"a":[2]}"#, json!({"a": [[1], [2]]}), 1),
            (
                r#"{"a":[1],"b":{"a":1,"a":2},"a":[2]}"#,
                json!({"a": [[1], [2]], "b": {"a": [1, 2]}}),
                2,
            ),
            (r#"{"o":{"a":1,"a":2}}"#, json!({"o": {"a": [1, 2]}}), 1),
            (r#""press""#, json!("press"), 0),
            (r#"{"a":"},]:,NaN"}"#, json!({"a": "},]:,NaN"}), 0),
        ];
        for (text, value, doubts) in table {
            let read = read(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(read.value, *value, "{text}");
            assert_eq!(read.doubts.len(), *doubts, "{text}: {:?}", read.doubts);
        }
        let wide: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(read(&wide).unwrap().value, json!({"a": 1}));
        assert_eq!(read(b"{\"a\":\"\xff\"}").unwrap().doubts, ["bytes that are no UTF-8"]);
        for broken in ["", "{", "{\"a\":\"x", "{\"a\" 1 \"b\"}", "press", "{]", "\0", "{\"a\":1"] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
        let many = format!("{{{}}}", "\"a\":nan,".repeat(1_000));
        assert!(read(many.as_bytes()).unwrap().doubts.len() <= DOUBTS_MAX);
    }
}
