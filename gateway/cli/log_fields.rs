//! Lines of the log for somebody who helps from afar: who, whose and from where goes, and why, as a person has said it. Pure.
//!
//! `tracing` writes a field behind the message as `key="quoted, with \" escapes"` or bare. A text in a message
//! may look like a field: where that cannot be told, rather too much goes than too little.

use std::borrow::Cow;

/// The values of these fields are names, network addresses and persons' own words.
const PRIVATE: [&str; 7] = ["by", "who", "why", "from", "peer", "person", "name"];
const LEFT_OUT: &str = "…";

/// The text without these values, and how many there were. A line that has none stays as it is.
pub(super) fn without_values(log: &str) -> (String, usize) {
    let (mut out, mut removed) = (String::with_capacity(log.len()), 0);
    for line in log.split_inclusive('\n') {
        let (text, end) = match line.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (line, ""),
        };
        match line_without_values(&without_colours(text)) {
            (_, 0) => out.push_str(text),
            (cut, times) => {
                out.push_str(&cut);
                removed += times;
            }
        }
        out.push_str(end);
    }
    (out, removed)
}

fn line_without_values(line: &str) -> (String, usize) {
    let (mut out, mut removed) = (String::with_capacity(line.len()), 0);
    let (mut copied, mut at, mut may_begin) = (0, 0, true);
    while let Some(c) = line[at..].chars().next() {
        let field = if may_begin { field_at(&line[at..]) } else { None };
        let Some((name, behind)) = field else {
            may_begin = c.is_whitespace() || c == '{';
            at += c.len_utf8();
            continue;
        };
        may_begin = false;
        at += behind;
        if is_private(name) {
            out.push_str(&line[copied..at]);
            out.push_str(LEFT_OUT);
            removed += 1;
            at += private_length(&line[at..]);
            copied = at;
        } else {
            at += quoted_length(&line[at..]).unwrap_or(0);
        }
    }
    out.push_str(&line[copied..]);
    (out, removed)
}

/// The name of the field that begins here, and how far behind its value begins.
fn field_at(text: &str) -> Option<(&str, usize)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')?;
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name && text[end..].starts_with('=')).then(|| (&text[..end], end + 1))
}

/// `order.by` is a `by` too.
fn is_private(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| PRIVATE.contains(&last))
}

/// Bytes of the value in quotes that begins here; none: it is bare, or was never closed.
fn quoted_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('"')?;
    let length = closing_quote(inside)? + 2;
    ends_value(&text[length..]).then_some(length)
}

/// Bytes of the value that begins here and goes, whatever it is.
fn private_length(text: &str) -> usize {
    if !text.starts_with('"') {
        return bare_length(text);
    }
    let mut at = 1;
    while let Some(quote) = closing_quote(&text[at..]) {
        at += quote + 1;
        if ends_value(&text[at..]) {
            return at;
        }
    }
    text.len()
}

/// Up to the next field, or to the end of the line: a value that is shown may have spaces. What is in quotes
/// inside it, as in `Some("a b")`, is a part of it.
fn bare_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() && field_at(text[at..].trim_start()).is_some() {
            return at;
        }
        at += c.len_utf8();
        if c == '"' {
            at += closing_quote(&text[at..]).map_or(0, |quote| quote + 1);
        }
    }
    text.len()
}

/// Where the next quote stands that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if c == '"' && !is_escaped {
            return Some(at);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

fn ends_value(behind: &str) -> bool {
    behind.chars().next().is_none_or(|c| c.is_whitespace() || ['}', ')', ','].contains(&c))
}

/// Without the colours of a terminal, which stand between a field's name and its value.
fn without_colours(line: &str) -> Cow<'_, str> {
    let Some((before, behind)) = line.split_once('\x1b') else { return Cow::Borrowed(line) };
    let mut out = before.to_owned();
    for part in behind.split('\x1b') {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        out.push_str(if part.starts_with('[') { &part[end..] } else { part });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-30T19:05:35.000001Z  INFO ";

    #[test]
    fn who_why_and_from_where_go_and_the_rest_of_the_line_stays() {
        for (line, expected, times) in [
            (
                r#"accounts what=AccountAdded who="王警官" by="command of user 0""#,
                "accounts what=AccountAdded who=… by=…",
                2,
            ),
            (
                r#"an incident was exported incident=01a2 export=01a3 by="Li Wei" bytes=42"#,
                "an incident was exported incident=01a2 export=01a3 by=… bytes=42",
                1,
            ),
            (
                r#"applied version=3 by="李建国" why="他说 \"太吵\\\" 了，by=张三""#,
                "applied version=3 by=… why=…",
                2,
            ),
            (
                "web: a wrong token from=192.0.2.1 guesses=3 more=0",
                "web: a wrong token from=… guesses=3 more=0",
                1,
            ),
            (
                "intake: connection closed peer=[2001:db8::1]:5",
                "intake: connection closed peer=…",
                1,
            ),
            (r#"x from=Some("a b=c \" d") n=1"#, "x from=… n=1", 1),
            ("refused by=王 警官 reason=\"no\" name=", "refused by=… reason=\"no\" name=…", 2),
            ("by=甲", "by=…", 1),
            (r#"x order.by="甲" y.person=乙 z"#, "x order.by=… y.person=…", 2),
            (r#"look{name="甲" n=1}: done n=2"#, "look{name=… n=1}: done n=2", 1),
        ] {
            let (line, expected) = (format!("{AT}{line}\n"), format!("{AT}{expected}\n"));
            assert_eq!(without_values(&line), (expected, times), "{line}");
        }
    }

    #[test]
    fn a_line_without_such_a_field_is_as_it_was() {
        let lines = "gateway runs pid=7\r\n\n  INFO 由 王 处置 nearby=\"x\" byte=1 by =2 /x?by=3&from=4 -by=5\n\
            WARN broken=\"said by=nobody and \\\" why=so\" name: x, \"by\": 1, whose=\"a\" =b\n\
            \x1b[2mdim\x1b[0m n\x1b[2m=\x1b[0m1\n\u{3000}最后 reason=\"没有 end";
        assert_eq!(without_values(lines), (lines.to_owned(), 0));
        assert_eq!(without_values(""), (String::new(), 0));
    }

    /// As in a log whose line was cut off, or where somebody put quotes into a message.
    #[test]
    fn quotes_that_never_end_or_are_of_the_message_hide_nothing() {
        for (line, expected) in [
            (r#"a by="王警官 和"#, "a by=…"),
            (r#"a by="王\"#, "a by=…"),
            (r#"said x=" and more by="王警官" n=1"#, r#"said x=" and more by=… n=1"#),
            (r#"said by=" and more who="王警官" n=1"#, "said by=… n=1"),
            (r#"said by=x" and who="王警官" n=1"#, "said by=…"),
        ] {
            let (text, _) = without_values(line);
            assert!(!text.contains('王'), "{text}");
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn colours_between_a_name_and_its_value_hide_nothing() {
        let line = "\x1b[32m INFO\x1b[0m done \x1b[3mby\x1b[0m\x1b[2m=\x1b[0m\"王警官\" \x1b[3mn\x1b[0m\x1b[2m=\x1b[0m1\n";
        assert_eq!(without_values(line), (" INFO done by=… n=1\n".to_owned(), 1));
    }
}
