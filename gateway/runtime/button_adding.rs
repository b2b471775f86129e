//! A button that was put on the list on the page: laid over the hand-written file (`site.d`) and read anew.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    console_backend::ReloadAsked,
    rule_changes::{named, written},
    typed_keys::{TEXT_CHARS_MAX, TypedKeys, set},
};
use crate::{
    config::{self, Changes, Config, env::ProcessEnvironment},
    console::{DeskRefusal, NewButton},
};

/// What a helper must know may be a few sentences.
const NOTE_CHARS_MAX: usize = 500;

/// Answers when it is in effect, or says why nothing was written.
pub(super) async fn add_button(
    config: Arc<Config>,
    asked: NewButton,
    now: Timestamp,
    reloads: &mpsc::Sender<ReloadAsked>,
) -> Result<Value, DeskRefusal> {
    named(&asked.by)?;
    let keys = checked(&config, &asked)?;
    let (on, by, id) = (asked.on, asked.by, asked.id);
    let why = format!("在页面上登记按钮 {id}");
    written(&config, reloads, false, move |file| {
        let all = keys.iter().map(|(key, value)| set("button", &id, key, value));
        let all = all.collect::<Result<_, _>>()?;
        let changes = Changes { on, by, why, all };
        config::apply(&file, &ProcessEnvironment, now, &changes, false)
    })
    .await
}

/// Its keys, or everything that is wrong.
fn checked(config: &Config, asked: &NewButton) -> Result<Vec<(&'static str, Value)>, DeskRefusal> {
    let mut typed = TypedKeys::default();
    let is_taken = config.buttons.iter().any(|button| button.id == asked.id);
    typed.id(&asked.id, "button", is_taken);
    // Without it, whoever looks at the list knows of nobody to go to.
    if asked.name.trim().is_empty() {
        typed.wrong("name: expected whose it is, or where it hangs".into());
    }
    typed.line("name", Some(&asked.name), TEXT_CHARS_MAX);
    let device = asked.device.as_ref().filter(|device| device.trim() != asked.id);
    typed.line("device", device, TEXT_CHARS_MAX);
    typed.line("model", asked.model.as_ref(), TEXT_CHARS_MAX);
    typed.line("address", asked.address.as_ref(), TEXT_CHARS_MAX);
    typed.line("grid", asked.grid.as_ref(), TEXT_CHARS_MAX);
    typed.line("contact", asked.contact.as_ref(), TEXT_CHARS_MAX);
    typed.line("note", asked.note.as_ref(), NOTE_CHARS_MAX);
    if let Some(place) = asked.place {
        typed.put("place", json!(place));
    }
    typed.finish()
}

#[cfg(test)]
#[path = "tests_button_adding.rs"]
mod tests;
