//! Text that devices, cameras and receivers write: made harmless once, where it enters, and never again.
//!
//! What a person sees is what is there. Characters that have no shape of their own, or that move
//! others about, are made visible: a line break cannot forge a row of a list or a line of the log,
//! an override of the writing direction cannot turn a name round, and U+0000 chokes no receiver's
//! database. What a text means to JSON, a form, markdown or a topic is another matter: that is
//! escaped for its destination, where it leaves (`sinks/template.rs`).

use std::{
    borrow::Cow,
    fmt::{self, Display, Write},
};

/// What a reason for people, or the name of an origin, is cut to, characters.
pub const REASON_CHARS_MAX: usize = 300;

/// Whether a character says nothing by itself, and may say something to a terminal or to a reader's eye.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Marks, embeddings, overrides and isolates of the writing direction.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        // Ends of line and of paragraph; spaces and joiners without width, of which U+200C and
        // U+200D stay: writing systems and pictures need them.
        | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{ad}'
        // Marks between lines of a note, and letters that only machines read.
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A JSON that others send, without the byte order mark that editors and some servers put before it: the parser
/// refuses a document for it, and a person's step or a platform's answer would be lost.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The text with every hidden character made visible: `␀` to `␟` and `␡` for ASCII controls,
/// `⟨U+202E⟩` for the others. Cleaning what is clean changes nothing.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| put(c, &mut out));
    Cow::Owned(out)
}

/// As [`clean`], and at most so many characters; `…` says that there was more.
pub fn clean_cut(text: &str, chars_max: usize) -> String {
    let mut cut: String = text.chars().take(chars_max).collect();
    if text.len() > cut.len() {
        cut.push('…');
    }
    clean(&cut).into_owned()
}

/// As [`clean`], in a value of JSON: every text in it, names of fields too, however deep.
pub fn clean_json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => match clean(&text) {
            Cow::Owned(cleaned) => Value::String(cleaned),
            Cow::Borrowed(_) => Value::String(text),
        },
        Value::Array(values) => values.into_iter().map(clean_json).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (clean(&name).into_owned(), clean_json(value)))
            .collect(),
        plain => plain,
    }
}

fn put(c: char, out: &mut impl Write) {
    let pictured = match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)),
        '\u{7f}' => Some('␡'),
        other if is_hidden(other) => None,
        plain => Some(plain),
    };
    // Writing into a `String` cannot fail; a formatter that does says so by itself.
    let _ = match pictured {
        Some(c) => out.write_char(c),
        None => write!(out, "⟨U+{:04X}⟩", u32::from(c)),
    };
}

/// What somebody else said, on its way into a line of the log or onto a terminal: shown as
/// [`clean`] does, at most [`REASON_CHARS_MAX`] characters.
pub struct Said<T>(pub T);

impl<T: Display> Display for Said<T> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Cleaning { to, left: REASON_CHARS_MAX }, "{}", self.0)
    }
}

struct Cleaning<'a, W> {
    to: &'a mut W,
    left: usize,
}

impl<W: Write> Write for Cleaning<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.to.write_char('…')?,
                _ => put(c, self.to),
            }
            self.left -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_made_visible_and_all_else_stays() {
        for plain in ["", "张秀英 3号楼", "a<b>&\"'`*[x](y) {title}", "👨‍👩‍👧 é", "नमस्\u{200d}ते"]
        {
            assert!(matches!(clean(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
        assert_eq!(clean("a\0b\nc\x1b[31m\x7f"), "a␀b␊c␛[31m␡");
        assert_eq!(clean("x\u{9b}y\u{202e}z\u{2028}"), "x⟨U+009B⟩y⟨U+202E⟩z⟨U+2028⟩");
        assert_eq!(clean("\u{e0041}\u{feff}"), "⟨U+E0041⟩⟨U+FEFF⟩");
    }

    #[test]
    fn every_control_and_every_format_character_that_moves_text_is_seen() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let once = clean(c.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!once.chars().any(|c| c.is_control()), "{:x}", u32::from(c));
            assert_eq!(clean(&once), once, "cleaned twice");
        }
    }

    #[test]
    fn a_text_is_cut_at_its_bound_and_says_so() {
        assert_eq!(clean_cut("abc", 3), "abc");
        assert_eq!(clean_cut("abcd", 3), "abc…");
        assert_eq!(clean_cut("张\n英", 2), "张␊…");
        assert_eq!(clean_cut("x", 0), "…");
        let long = "长".repeat(REASON_CHARS_MAX + 1);
        assert_eq!(Said(&long).to_string().chars().count(), REASON_CHARS_MAX);
        assert!(Said(&long).to_string().ends_with('…'));
        assert_eq!(Said("a\nERROR forged").to_string(), "a␊ERROR forged");
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_once_and_from_the_beginning_alone() {
        assert_eq!(without_mark("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(without_mark("\u{feff}\u{feff}".as_bytes()), "\u{feff}".as_bytes());
        for plain in ["", "{}", "{\"a\":\"\u{feff}\"}"] {
            assert_eq!(without_mark(plain.as_bytes()), plain.as_bytes());
        }
        assert_eq!(without_mark(b"\xef\xbb"), b"\xef\xbb");
    }

    #[test]
    fn a_json_is_clean_in_its_values_and_names() {
        let value = json!({"a\0": ["b\n", 1, null, {"c": "d\u{202e}"}]});
        assert_eq!(clean_json(value), json!({"a␀": ["b␊", 1, null, {"c": "d⟨U+202E⟩"}]}));
    }
}
