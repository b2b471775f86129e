//! What an SL 651-2014 report says in ASCII form: `ST … TT … PT 12.5 Z 6.38`.

use jiff::{SignedDuration, civil::DateTime};

use super::sl651_elements::{Element, ElementValue, StationReport, milli};

/// Words of one report.
const WORDS_MAX: usize = 4_096;

/// Serial (4 hex digits), time of sending (12 digits), then words.
pub(super) fn report(body: &[u8]) -> Result<StationReport, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the ASCII body is no text".to_owned())?;
    if !text.is_ascii() || text.len() < 16 {
        return Err("expected a serial number of 4 and a time of 12 digits".into());
    }
    let (head, rest) = text.split_at(16);
    let mut report = StationReport { sent: civil(&head[4..]), ..StationReport::default() };
    let words: Vec<&str> = rest.split_ascii_whitespace().take(WORDS_MAX).collect();
    let (mut at, mut step) = (None, None);
    let mut n = 0;
    while let Some(&word) = words.get(n) {
        let value = words.get(n + 1).copied();
        let needed =
            || value.ok_or_else(|| format!("`{word}` is the last word; its value is missing"));
        match word {
            "ST" => {
                // Address and class.
                needed()?;
                n += 2;
                let class = words.get(n);
                n += usize::from(class.is_some_and(|class| class.len() == 1));
                continue;
            }
            "TT" => {
                at = civil(needed()?);
                step = None;
            }
            "RGZS" | "PIC" => return Ok(report),
            "DRP" => {
                let slots = slots(needed()?, 2)?;
                report.elements.push(Element { id: 0xF4, at, value: ElementValue::Slots(slots) });
            }
            _ if word.starts_with("DRZ") => {
                let slots = slots(needed()?, 4)?;
                report.elements.push(Element { id: 0xF5, at, value: ElementValue::Slots(slots) });
            }
            _ if step_of(word).is_some() => {
                step = step_of(word);
                n += 1;
                continue;
            }
            _ => {
                let id = id_of(word);
                let milli = number(needed()?).ok_or_else(|| {
                    format!("`{word} {}`: expected a number", value.unwrap_or(""))
                })?;
                report.elements.push(Element { id, at, value: ElementValue::Milli(milli) });
                let mut later = at;
                while let (Some(step), Some(Some(milli))) =
                    (step, words.get(n + 2).map(|word| number(word)))
                {
                    later = later.and_then(|at: DateTime| at.checked_add(step).ok());
                    report.elements.push(Element {
                        id,
                        at: later,
                        value: ElementValue::Milli(milli),
                    });
                    n += 1;
                }
            }
        }
        n += 2;
    }
    Ok(report)
}

/// The same numbers as in HEX; 0 for what is not used here.
fn id_of(word: &str) -> u16 {
    match word {
        "PJ" => 0x20,
        "PT" => 0x26,
        "PD" => 0x1F,
        "P1" => 0x1A,
        "PN05" => 0x22,
        "Z" => 0x39,
        "ZB" => 0x3B,
        "ZU" => 0x3A,
        "VT" => 0x38,
        _ => 0,
    }
}

/// `Some(None)`: marked as missing (M, F).
fn number(word: &str) -> Option<Option<i64>> {
    if matches!(word, "M" | "F" | "N") {
        return Some(None);
    }
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    if whole.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let decimals = u32::try_from(part.len()).ok().filter(|n| *n < 12)?;
    milli(sign * all.parse::<i64>().ok()?, decimals).map(Some)
}

fn slots(word: &str, digits: usize) -> Result<Vec<Option<u32>>, String> {
    if !word.len().is_multiple_of(digits) || !word.is_ascii() {
        return Err(format!("`{word}`: expected slots of {digits} hex digits each"));
    }
    let all_set = "F".repeat(digits);
    word.as_bytes()
        .chunks(digits)
        .map(|slot| std::str::from_utf8(slot).unwrap_or_default())
        .map(|slot| match u32::from_str_radix(slot, 16) {
            _ if slot.eq_ignore_ascii_case(&all_set) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("`{slot}`: expected {digits} hex digits")),
        })
        .collect()
}

/// `DRN05`, `DRH01`, `DRD01`.
fn step_of(word: &str) -> Option<SignedDuration> {
    let (unit, count) = word.strip_prefix("DR")?.split_at_checked(1)?;
    let count: i64 = count.parse().ok().filter(|count| (1..=99).contains(count))?;
    match unit {
        "N" => Some(SignedDuration::from_mins(count)),
        "H" => Some(SignedDuration::from_hours(count)),
        "D" => Some(SignedDuration::from_hours(24 * count)),
        _ => None,
    }
}

fn civil(digits: &str) -> Option<DateTime> {
    let pair = |n: usize| digits.get(2 * n..2 * n + 2)?.parse::<i8>().ok();
    let second = pair(5).unwrap_or(0);
    DateTime::new(2000 + i16::from(pair(0)?), pair(1)?, pair(2)?, pair(3)?, pair(4)?, second, 0)
        .ok()
}
