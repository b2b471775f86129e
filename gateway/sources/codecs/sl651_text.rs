//! The body of an SL 651-2014 report in ASCII form, taken apart: `ST … TT … PT 12.5 Z 6.38`.

use jiff::{SignedDuration, civil::DateTime};

use super::sl651_elements::{Element, ElementValue, Meaning, StationReport, civil, meaning, milli};

/// Words of one report.
const WORDS_MAX: usize = 4_096;
/// Serial number of 4 and time of sending of 12 digits.
const HEAD_BYTES: usize = 16;

struct TextReader<'t> {
    words: Vec<&'t str>,
    at: usize,
    time: Option<DateTime>,
    step: Option<SignedDuration>,
    report: StationReport,
}

/// Serial (4 hex digits), time of sending (12 digits), then words. The error: too short for any report.
pub(super) fn report(body: &[u8]) -> Result<StationReport, String> {
    let head = body.get(..HEAD_BYTES).filter(|head| head.is_ascii());
    let head = head.and_then(|head| std::str::from_utf8(head).ok());
    let head = head.ok_or("expected a serial number of 4 and a time of 12 digits")?;
    let text = String::from_utf8_lossy(&body[HEAD_BYTES..]);
    let words: Vec<&str> = text.split_ascii_whitespace().take(WORDS_MAX).collect();
    let (time, step, report) = (None, None, StationReport::default());
    let mut reader = TextReader { words, at: 0, time, step, report };
    reader.report.sent = time_of(&head[4..]);
    if reader.report.sent.is_none() {
        let why = format!("the time of sending `{}` is none", &head[4..]);
        reader.report.part().cannot_read(why);
    }
    while let Some(&word) = reader.words.get(reader.at) {
        reader.at += 1;
        reader.word(word);
    }
    reader.report.part();
    Ok(reader.report)
}

impl<'t> TextReader<'t> {
    fn cannot_read(&mut self, why: String) {
        self.report.part().cannot_read(why);
    }

    /// The value of `word`: what follows, if that is no word of the protocol itself.
    fn value(&mut self, word: &str) -> Option<&'t str> {
        let next = self.words.get(self.at).copied().filter(|next| !is_word(next));
        if next.is_none() {
            self.cannot_read(format!("`{word}`: its value is missing"));
        }
        self.at += usize::from(next.is_some());
        next
    }

    fn word(&mut self, word: &'t str) {
        match word {
            "ST" => {
                let Some(address) = self.value(word) else { return };
                let is_one = address.bytes().any(|digit| digit != b'0')
                    && address.len() <= 16
                    && address.bytes().all(|digit| digit.is_ascii_alphanumeric());
                self.report.begin(is_one.then(|| address.to_ascii_uppercase()));
                (self.time, self.step) = (None, None);
                // Address and class belong together.
                let class = self.words.get(self.at);
                self.at += usize::from(class.is_some_and(|class| class.len() == 1));
            }
            "TT" => {
                let Some(value) = self.value(word) else { return };
                (self.time, self.step) = (time_of(value), None);
                if self.time.is_none() {
                    let why = format!(
                        "the time of observation `{value}` is none: the time of sending counts"
                    );
                    self.cannot_read(why);
                }
            }
            "RGZS" => self.for_people("entries of a person"),
            "PIC" => self.for_people("a picture"),
            "DATA" => self.at = self.words.len(),
            "DRP" => {
                let Some(value) = self.value(word) else { return };
                match slots(value) {
                    Ok(slots) => self.put(0xF4, self.time, ElementValue::Slots(slots)),
                    Err(why) => self.cannot_read(why),
                }
            }
            // Relative levels: their zero is not known here.
            _ if word.starts_with("DRZ") => drop(self.value(word)),
            _ if let Some(step) = step_of(word) => {
                self.step = step;
                if step.is_some() {
                    self.series();
                }
            }
            "ZT" => {
                let Some(value) = self.value(word) else { return };
                match u32::from_str_radix(value, 16) {
                    _ if is_hole(value) => {}
                    Ok(bits) => self.put(0x45, self.time, ElementValue::Status(bits)),
                    Err(_) => self.cannot_read(format!("`ZT {value}`: expected 8 hex digits")),
                }
            }
            _ => {
                let Some(value) = self.value(word) else { return };
                self.number(word, value, self.time);
            }
        }
    }

    fn for_people(&mut self, what: &'static str) {
        self.report.part().for_people = Some(what);
        self.at = self.words.len();
    }

    fn put(&mut self, id: u16, at: Option<DateTime>, value: ElementValue) {
        self.report.part().elements.push(Element { id, at, value });
    }

    fn number(&mut self, word: &str, value: &str, at: Option<DateTime>) {
        let Some(id) = id_of(word) else {
            return self.report.part().keep_unknown(&format!("{word} {value}"));
        };
        if !meaning(id).is_read() {
            return self.report.part().keep_unknown(&format!("{word} {value}"));
        }
        match number(value, meaning(id)) {
            Some(value) => self.put(id, at, value),
            None => self.cannot_read(format!("`{word} {value}`: expected a number")),
        }
    }

    /// A time step: elements, then their values, time by time.
    fn series(&mut self) {
        let Some(step) = self.step else { return };
        let from = self.at;
        let is_value = |word: &str| is_hole(word) || parts(word).is_some();
        while self.words.get(self.at).is_some_and(|word| !is_value(word) && !is_group(word)) {
            self.at += 1;
        }
        let names: Vec<&str> = self.words[from..self.at].to_vec();
        let mut at = self.time;
        while !names.is_empty() && self.words.get(self.at).is_some_and(|word| is_value(word)) {
            for name in &names {
                let Some(value) = self.words.get(self.at).copied().filter(|word| is_value(word))
                else {
                    self.cannot_read(format!("the series of {} ends early", names.join(" ")));
                    break;
                };
                self.at += 1;
                match id_of(name).filter(|_| is_hole(value)) {
                    Some(id) if meaning(id).is_read() => self.put(id, at, ElementValue::Missing),
                    _ => self.number(name, value, at),
                }
            }
            at = at.and_then(|at| at.checked_add(step).ok());
        }
        self.step = None;
    }
}

/// Begins a group, so that no value stands there.
fn is_group(word: &str) -> bool {
    matches!(word, "ST" | "TT" | "RGZS" | "PIC" | "DRP" | "ZT") || step_of(word).is_some()
}

/// A word of the protocol: what stands before it has no value.
fn is_word(word: &str) -> bool {
    is_group(word) || word.starts_with("DRZ") || id_of(word).is_some()
}

/// Marked as missing.
fn is_hole(word: &str) -> bool {
    matches!(word, "M" | "F" | "N") || (word.len() > 1 && word.bytes().all(|digit| digit == b'F'))
}

/// The same numbers as in HEX; 01 for one that is not used here.
fn id_of(word: &str) -> Option<u16> {
    Some(match word {
        "DT" => 0x05,
        "P1" => 0x1A,
        "P2" => 0x1B,
        "P3" => 0x1C,
        "P6" => 0x1D,
        "P12" => 0x1E,
        "PD" => 0x1F,
        "PJ" => 0x20,
        "PN01" => 0x21,
        "PN05" => 0x22,
        "PN10" => 0x23,
        "PN30" => 0x24,
        "PR" => 0x25,
        "PT" => 0x26,
        "VT" => 0x38,
        "Z" => 0x39,
        "ZB" => 0x3A,
        "ZU" => 0x3B,
        "AC" | "AI" | "C" | "ED" | "EJ" | "FL" | "GH" | "GN" | "GS" | "GT" | "GTP" | "H" | "HW"
        | "MST" | "NS" | "SW" | "UC" | "UE" | "US" | "VA" | "VJ" | "SQ" | "pH" | "DO" | "COND"
        | "TURB" | "CODMN" | "REDOX" | "NH4N" | "TP" | "TN" | "TOC" | "CU" | "ZN" | "SE" | "AS"
        | "THG" | "CD" | "PB" | "CHLA" | "VTA" | "VTB" | "VTC" | "VIA" | "VIB" | "VIC" | "QA"
        | "QZ" => 0x01,
        _ => {
            let numbered = ["M", "Q", "Z", "WP", "SYL", "SBL"].iter().any(|name| {
                let rest = word.strip_prefix(name);
                rest.is_some_and(|n| n.len() <= 3 && n.bytes().all(|digit| digit.is_ascii_digit()))
            });
            // A lone M is a hole, a lone Q a flow.
            return (numbered && word != "M").then_some(0x01);
        }
    })
}

/// Sign, digits before and behind the point.
fn parts(word: &str) -> Option<(i64, &str, &str)> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && is_digits(whole) && is_digits(part)).then_some((sign, whole, part))
}

/// `None`: no number. Nines throughout the element's width are no value.
fn number(word: &str, meaning: Meaning) -> Option<ElementValue> {
    if is_hole(word) {
        return Some(ElementValue::NoValue(word.into()));
    }
    let (sign, whole, part) = parts(word)?;
    let digits = format!("{whole}{part}");
    // Some give a level two decimals.
    let width = meaning.digits().min(6);
    if digits.len() >= width && digits.bytes().all(|digit| digit == b'9') {
        return Some(ElementValue::NoValue(word.into()));
    }
    let decimals = u32::try_from(part.len()).ok().filter(|n| *n < 12)?;
    milli(sign * digits.parse::<i64>().ok()?, decimals).map(ElementValue::Milli)
}

fn slots(word: &str) -> Result<Vec<Option<u32>>, String> {
    if !word.len().is_multiple_of(2) || !word.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("`DRP {word}`: expected slots of 2 hex digits each"));
    }
    let slot = |digits: &[u8]| {
        let value = std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, 16).ok());
        value.filter(|value| *value != 0xFF)
    };
    Ok(word.as_bytes().chunks(2).map(slot).collect())
}

/// `DRN05`, `DRH01`, `DRD01`; `Some(None)` is `DRH00`: the slots of an hour follow.
#[expect(clippy::option_option, reason = "no step, and the step that is none")]
fn step_of(word: &str) -> Option<Option<SignedDuration>> {
    let (unit, count) = word.strip_prefix("DR")?.split_at_checked(1)?;
    let count: i64 = count.parse().ok().filter(|count| (0..=99).contains(count))?;
    let step = match unit {
        "N" => SignedDuration::from_mins(count),
        "H" => SignedDuration::from_hours(count),
        "D" => SignedDuration::from_hours(24 * count),
        _ => return None,
    };
    Some((count > 0).then_some(step))
}

fn time_of(digits: &str) -> Option<DateTime> {
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let digit = |at: usize| (pair[at] - b'0').cast_signed();
        digit(0) * 10 + digit(1)
    });
    civil(&pairs.collect::<Vec<i8>>())
}
