//! Topic filters of MQTT (3.1.1, section 4.7): what is wrong with one, what it matches, whether two have a topic in common. Pure.

/// What is wrong with a filter: a broker would end the connection at it, or grant it and send nothing.
pub(super) fn problem(filter: &str) -> Option<&'static str> {
    let levels = || filter.split('/');
    if filter.is_empty() {
        Some("a topic has at least one character")
    } else if filter.len() > 65_535 || filter.contains('\0') {
        Some("no topic has a NUL in it, or is longer than 65535 bytes")
    } else if levels().any(|level| level.len() > 1 && level.contains(['#', '+'])) {
        Some("`+` and `#` stand for whole levels, alone between two `/`")
    } else if levels().rev().skip(1).any(|level| level == "#") {
        Some("`#` stands for all that follows, so nothing stands behind it")
    } else {
        None
    }
}

/// Whether a message on this topic is one of it.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    overlaps(filter, topic)
}

/// Whether some topic is one of both. `#` stands for the level before it too.
pub(super) fn overlaps(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) => return true,
            (None, None) => return true,
            (None, _) | (_, None) => return false,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_those_of_the_protocol() {
        for good in
            ["#", "+", "a", "/", "a//b", "a/+/b", "+/+", "a/#", "/#", "$share/g/a/+", "楼/+"]
        {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in ["", "a/#/b", "#/a", "a#", "a/b+", "+a/b", "a/##", "a\0b", "#/#"] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn two_filters_have_a_topic_in_common_or_none() {
        for (one, other) in [
            ("a/b", "a/b"),
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("a/+", "a/b"),
            ("+/b", "a/+"),
            ("a/+/c", "a/b/#"),
            ("+", "#"),
        ] {
            assert!(overlaps(one, other) && overlaps(other, one), "{one} {other}");
        }
        for (one, other) in
            [("a/b", "a/c"), ("a/+", "a"), ("a/+", "a/b/c"), ("a/#", "b"), ("+", "a/b"), ("a", "A")]
        {
            assert!(!overlaps(one, other) && !overlaps(other, one), "{one} {other}");
        }
    }
}
