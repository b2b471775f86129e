//! The query of an address: its keys, and a time in it.

use std::collections::HashMap;

use jiff::Timestamp;

/// RFC 3339. A plus in an address is a blank, and few who type one write it as `%2B`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| text.replace(' ', "+").parse()).ok()
}

/// What is wrong with its keys, if anything is: a filter that was mistyped must not quietly show everything.
pub(super) fn unknown(query: &HashMap<String, String>, known: &[&str]) -> Option<String> {
    let key = query.keys().find(|key| !known.contains(&key.as_str()))?;
    Some(match known {
        [one] => format!("{key}: known is {one}"),
        many => format!("{key}: known are {}", many.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_a_plus_also_where_the_address_makes_a_blank_of_it() {
        let at: Timestamp = "2026-06-30T16:00:00Z".parse().unwrap();
        for text in
            ["2026-07-01T00:00:00+08:00", "2026-07-01T00:00:00 08:00", "2026-06-30T16:00:00Z"]
        {
            assert_eq!(time(text), Some(at), "{text}");
        }
        for text in ["", "yesterday", "2026-07-01", "2026-07-01T00:00:00"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
