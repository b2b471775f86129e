//! What an installer types on the page of a device that is added: everything that is wrong of it, or its keys as they are
//! laid over the hand-written file.

use serde_json::{Value, json};

use super::rule_changes::as_typed;
use crate::{
    config::{Change, Refusal},
    console::DeskRefusal,
};

const ID_CHARS_MAX: usize = 60;
/// Of a name, a user or a password.
pub(super) const TEXT_CHARS_MAX: usize = 128;

/// Keys of one section, and everything that is wrong.
#[derive(Default)]
pub(super) struct TypedKeys {
    keys: Vec<(&'static str, Value)>,
    wrong: Vec<String>,
}

impl TypedKeys {
    /// `what` it is, of whom nobody has this id yet.
    pub(super) fn id(&mut self, id: &str, what: &str, is_taken: bool) {
        let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
        if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(plain) {
            self.wrong(format!("id: expected 1 to {ID_CHARS_MAX} letters, digits, - and _"));
        } else if is_taken {
            self.wrong(format!("id: there is a {what} {id} already"));
        }
    }

    /// Something of it is wrong.
    pub(super) fn wrong(&mut self, why: String) {
        self.wrong.push(why);
    }

    /// Checked by whoever calls.
    pub(super) fn put(&mut self, key: &'static str, value: Value) {
        self.keys.push((key, value));
    }

    /// A line of text, where one was typed; whether it may be kept.
    pub(super) fn is_line(&mut self, key: &str, text: &str, chars_max: usize) -> bool {
        let fits = text.chars().count() <= chars_max && !text.chars().any(char::is_control);
        if !fits {
            self.wrong(format!("{key}: expected at most {chars_max} characters in one line"));
        }
        fits
    }

    /// The same, and it is one of its keys.
    pub(super) fn line(&mut self, key: &'static str, text: Option<&String>, chars_max: usize) {
        let Some(text) = text.map(|text| text.trim()).filter(|text| !text.is_empty()) else {
            return;
        };
        if self.is_line(key, text, chars_max) {
            self.put(key, json!(text));
        }
    }

    /// All of them, or every mistake.
    pub(super) fn finish(self) -> Result<Vec<(&'static str, Value)>, DeskRefusal> {
        if self.wrong.is_empty() { Ok(self.keys) } else { Err(DeskRefusal::Wrong(self.wrong)) }
    }
}

/// One key of a section of this id.
pub(super) fn set(section: &str, id: &str, key: &str, value: &Value) -> Result<Change, Refusal> {
    // A place is exact as it is.
    let typed = if value.is_string() { as_typed(value) } else { value.clone() };
    let value = toml::Value::try_from(typed)
        .map_err(|error| Refusal::Failed(format!("{key}: cannot be written as TOML: {error}")))?;
    Ok(Change::Set { section: section.into(), id: Some(id.into()), key: key.into(), value })
}
