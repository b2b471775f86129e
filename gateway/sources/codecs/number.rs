//! Numbers as devices write them: 42, `42.0` for 42, "42" as text; and what stands for no value at all.

use serde_json::{Number, Value};

/// What stands where a number should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Figure {
    /// A finite number.
    Number(f64),
    /// The device says that it has no value: null, an empty text, NaN, `N/A`. As it wrote it.
    NoValue(String),
    /// Something else: an object, a list, other text. As it was written, cut.
    Wrong(String),
}

/// What is shown of something that is no number, in characters.
const SHOWN_CHARS_MAX: usize = 40;
/// Words of the field for "no value", in lower case.
const NO_VALUE: &[&str] = &[
    "",
    "null",
    "none",
    "nil",
    "nan",
    "na",
    "n/a",
    "-",
    "--",
    "---",
    "inf",
    "-inf",
    "+inf",
    "infinity",
    "-infinity",
    "undefined",
    "unknown",
    "unavailable",
    "error",
    "err",
    "invalid",
];
/// What registers hold when their sensor does not answer: 16 and 32 bits full, signed and unsigned,
/// also after a division by 10, 100 or 1000, and the numbers of nines that loggers write.
const SENTINELS: &[f64] = &[
    65_535.0,
    6_553.5,
    655.35,
    65_534.0,
    32_767.0,
    3_276.7,
    327.67,
    32_768.0,
    4_294_967_295.0,
    2_147_483_647.0,
    2_147_483_648.0,
];

/// What `value` says; `None` where there is nothing at all.
pub(super) fn figure(value: Option<&Value>) -> Option<Figure> {
    let value = value?;
    let shown = || -> String { value.to_string().chars().take(SHOWN_CHARS_MAX).collect() };
    Some(match value {
        Value::Null => Figure::NoValue(shown()),
        Value::Number(number) => match number.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Figure::Number(number),
            None => Figure::NoValue(shown()),
        },
        Value::String(text) => match of_text(text) {
            Some(number) => Figure::Number(number),
            None if NO_VALUE.contains(&text.trim().to_lowercase().as_str()) => {
                Figure::NoValue(shown())
            }
            None => Figure::Wrong(shown()),
        },
        _ => Figure::Wrong(shown()),
    })
}

/// A number that a text is: `42`, `42.0`, ` 4.2e1 `, `+42`, `0xFFFF`; never infinite.
fn of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(f64::from),
        None => of_decimal(text),
    }
}

/// Rust reads words as numbers too ("inf", "nan"): those are none.
fn of_decimal(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The number that a value is, as JSON number or as text.
pub(super) fn number(value: Option<&Value>) -> Option<f64> {
    match figure(value)? {
        Figure::Number(number) => Some(number),
        _ => None,
    }
}

/// The same, but for hexadecimal texts: to a button `0x1` is a word.
pub(super) fn decimal(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::String(text) => of_decimal(text),
        other => number(Some(other)),
    }
}

/// A whole number that is never below zero: 42, `42.0`, "42". Not 1.5.
pub(super) fn whole(value: Option<&Value>) -> Option<u64> {
    exact(value).or_else(|| rounded(number(value)?))
}

/// The same, but for hexadecimal texts.
pub(super) fn whole_decimal(value: Option<&Value>) -> Option<u64> {
    exact(value).or_else(|| rounded(decimal(value)?))
}

fn exact(value: Option<&Value>) -> Option<u64> {
    value.and_then(Value::as_u64)
}

fn rounded(number: f64) -> Option<u64> {
    // In the range in which a double is exact, so the cast is too.
    (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64)
}

/// A JSON number as it is written where it names something: 220 and 220.0 are one device.
pub(super) fn written(number: &Number) -> String {
    let whole = whole(Some(&Value::Number(number.clone())));
    whole.map_or_else(|| number.to_string(), |whole| whole.to_string())
}

/// Whether a register that holds this has no value: full, or nines throughout.
pub(super) fn is_sentinel(number: f64) -> bool {
    let size = number.abs();
    SENTINELS.iter().any(|one| (size - one).abs() < 1e-6) || is_nines(size)
}

/// `9999`, `99999.9`, `9999.999`: four nines or more and nothing else.
fn is_nines(size: f64) -> bool {
    let text = size.to_string();
    let digits = text.bytes().filter(|byte| *byte != b'.');
    size >= 9_999.0 && digits.clone().count() >= 4 && digits.into_iter().all(|byte| byte == b'9')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for (json, expected, count) in [
            ("42", Some(42.0), Some(42)),
            ("42.0", Some(42.0), Some(42)),
            ("\"42\"", Some(42.0), Some(42)),
            ("\" 42.0 \"", Some(42.0), Some(42)),
            ("\"+4.2e1\"", Some(42.0), Some(42)),
            ("\"0xFFFF\"", Some(65_535.0), Some(65_535)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615.0), Some(u64::MAX)),
            ("1.5", Some(1.5), None),
            ("-1", Some(-1.0), None),
            ("1e300", Some(1e300), None),
            ("null", None, None),
            ("\"\"", None, None),
            ("\"NaN\"", None, None),
            ("\"inf\"", None, None),
            ("\"much\"", None, None),
            ("true", None, None),
            ("[42]", None, None),
        ] {
            assert_eq!(number(Some(&of(json))), expected, "{json}");
            assert_eq!(whole(Some(&of(json))), count, "{json}");
            let (expected, count) =
                if json.contains("0x") { (None, None) } else { (expected, count) };
            assert_eq!(decimal(Some(&of(json))), expected, "{json}");
            assert_eq!(whole_decimal(Some(&of(json))), count, "{json}");
        }
        assert_eq!(figure(None), None);
        assert_eq!(figure(Some(&of("null"))), Some(Figure::NoValue("null".into())));
        assert_eq!(figure(Some(&of("\"N/A\""))), Some(Figure::NoValue("\"N/A\"".into())));
        assert_eq!(figure(Some(&of("{}"))), Some(Figure::Wrong("{}".into())));
    }

    #[test]
    fn full_registers_and_nines_are_no_values_and_neighbours_are() {
        for number in [
            65_535.0,
            6_553.5,
            655.35,
            3_276.7,
            -32_768.0,
            4_294_967_295.0,
            -9_999.0,
            9_999.0,
            9_999.999,
            99_999.9,
            9_999.9,
        ] {
            assert!(is_sentinel(number), "{number}");
        }
        for number in
            [0.0, 9.9, 99.9, 999.9, 999.0, 9_998.0, 65_533.0, 6_553.4, 655.34, 31.5, 10_000.0]
        {
            assert!(!is_sentinel(number), "{number}");
        }
    }
}
