//! A rule that was drawn on the page, laid over the hand-written file (`site.d`) and read anew; and taken back.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{console_backend::ReloadAsked, from_config::rules, rule_trial::rule_of};
use crate::{
    config::{self, Change, Changes, Config, Refusal, Undo, Version, env::ProcessEnvironment},
    console::{DeskRefusal, Reloaded},
};

/// Numbers that differ by less were typed alike.
const SAME_NUMBER: f64 = 1e-5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyAsked {
    /// The version that was seen: another one by now refuses it.
    on: u32,
    by: String,
    #[serde(default)]
    why: String,
    /// As in the configuration; of a rule that is there, keys that are left out stay as they are.
    rule: Value,
    #[serde(default)]
    confirm: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UndoAsked {
    on: u32,
    by: String,
    #[serde(default)]
    confirm: bool,
}

/// Answers when it is in effect, or says why nothing was written.
pub(super) async fn apply_rule(
    config: Arc<Config>,
    asked: Value,
    now: Timestamp,
    reloads: &mpsc::Sender<ReloadAsked>,
) -> Result<Value, DeskRefusal> {
    let asked: ApplyAsked = serde_json::from_value(asked)
        .map_err(|error| DeskRefusal::Wrong(vec![format!("{error}; expected on, by, rule")]))?;
    named(&asked.by)?;
    let rule = rule_of(&asked.rule)?;
    // In the file it would read a variable of this process.
    if rule.id.contains('$') {
        return Err(DeskRefusal::Wrong(vec![format!(
            "id: {}: expected a name without $",
            rule.id
        )]));
    }
    // A rule that names no camera watches all of them, and is shown so.
    let present = rules(&config).into_iter().find(|one| one.id == rule.id).map(|one| json!(one));
    let all = changes(&rule.id, &asked.rule, present.as_ref())?;
    if all.is_empty() {
        return Err(DeskRefusal::Refused("nothing differs from the rule as it is".into()));
    }
    let why = match asked.why.trim() {
        "" => format!("规则 {} 在画面上修改", rule.id),
        why => why.to_owned(),
    };
    let changes = Changes { on: asked.on, by: asked.by, why, all };
    let confirm = asked.confirm;
    written(&config, reloads, confirm, move |file| {
        config::apply(&file, &ProcessEnvironment, now, &changes, confirm)
    })
    .await
}

/// Likewise, back to what stood before.
pub(super) async fn undo_applied(
    config: Arc<Config>,
    asked: Value,
    now: Timestamp,
    reloads: &mpsc::Sender<ReloadAsked>,
) -> Result<Value, DeskRefusal> {
    let asked: UndoAsked = serde_json::from_value(asked)
        .map_err(|error| DeskRefusal::Wrong(vec![format!("{error}; expected on, by")]))?;
    named(&asked.by)?;
    let undo = Undo { on: asked.on, to: None, by: asked.by };
    written(&config, reloads, asked.confirm, move |file| {
        config::undo(&file, &ProcessEnvironment, now, &undo, asked.confirm)
    })
    .await
}

pub(super) fn named(by: &str) -> Result<(), DeskRefusal> {
    if by.trim().is_empty() {
        return Err(DeskRefusal::Wrong(vec!["by: expected the name of who applies it".into()]));
    }
    Ok(())
}

/// Writes, and reads the configuration anew.
pub(super) async fn written(
    config: &Config,
    reloads: &mpsc::Sender<ReloadAsked>,
    confirmed: bool,
    write: impl FnOnce(PathBuf) -> Result<Version, Refusal> + Send + 'static,
) -> Result<Value, DeskRefusal> {
    let Some(file) = config.in_effect.file.clone() else {
        return Err(DeskRefusal::Refused("there is no configuration file to lay it over".into()));
    };
    let stopping = || DeskRefusal::NotNow("the gateway stops".into());
    let version = tokio::task::spawn_blocking(move || write(file)).await.map_err(|_| stopping())?;
    let version = version.map_err(refused)?;
    let (in_effect, reload) = match ReloadAsked::ask(reloads, confirmed).await {
        Reloaded::Done(body) => (true, body),
        Reloaded::Wrong(body) | Reloaded::Refused(body) => (false, body),
        Reloaded::Stopping => return Err(stopping()),
    };
    Ok(json!({
        "version": version.version,
        "changes": version.changes,
        "in_effect": in_effect,
        "reload": reload,
    }))
}

fn refused(refusal: Refusal) -> DeskRefusal {
    let message = refusal.to_string();
    match refusal {
        Refusal::Wrong(problems) => {
            let errors = problems.iter().filter(|problem| !problem.warning);
            DeskRefusal::Wrong(errors.map(ToString::to_string).collect())
        }
        Refusal::Failed(_) => DeskRefusal::Failed(message),
        _ => DeskRefusal::Refused(message),
    }
}

/// One for each key that was given and differs.
fn changes(id: &str, given: &Value, present: Option<&Value>) -> Result<Vec<Change>, DeskRefusal> {
    let (section, id) = ("rule".to_owned(), Some(id.to_owned()));
    let mut all = Vec::new();
    for (key, value) in given.as_object().into_iter().flatten().filter(|(key, _)| *key != "id") {
        let is_so = present.is_some_and(|present| same(&present[key], value));
        // What is null was never typed.
        if is_so || (value.is_null() && present.is_none()) {
            continue;
        }
        let (section, id, key) = (section.clone(), id.clone(), key.clone());
        all.push(match value {
            Value::Null => Change::Forget { section, id, key },
            value => {
                let value = toml::Value::try_from(as_typed(value)).map_err(|error| {
                    DeskRefusal::Wrong(vec![format!("{key}: cannot be written as TOML: {error}")])
                })?;
                Change::Set { section, id, key, value }
            }
        });
    }
    Ok(all)
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            let pair = one.as_f64().zip(other.as_f64());
            pair.is_some_and(|(one, other)| (one - other).abs() < SAME_NUMBER)
        }
        _ => one == other,
    }
}

/// As a person types it: a dollar sign is just that, and 0.3 is not 0.30000001.
pub(super) fn as_typed(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('$', "$$").into(),
        Value::Array(all) => all.iter().map(as_typed).collect(),
        Value::Number(number) if number.is_f64() => {
            json!((number.as_f64().unwrap_or(0.0) * 1e4).round() / 1e4)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: Value, present: Option<Value>) -> Vec<String> {
        let all = changes("r", &given, present.as_ref()).unwrap();
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_differs_is_written_and_a_dollar_sign_reads_no_variable() {
        let present = json!({"id": "r", "kind": "intrusion", "min_score": 0.3f32, "dwell_s": null,
            "zone": [[0.1f32, 0.2f32], [0.5, 0.5], [0.9, 0.1]], "schedule": []});
        let given =
            |zone: Value| json!({"id": "r", "kind": "intrusion", "min_score": 0.3, "zone": zone});
        let as_it_is = json!([[0.1, 0.2], [0.5, 0.5], [0.9, 0.1]]);
        assert_eq!(names(given(as_it_is), Some(present.clone())), [""; 0]);
        let moved = json!([[0.1, 0.2], [0.5, 0.5], [0.9, 0.11]]);
        assert_eq!(names(given(moved), Some(present.clone())), ["rule r: zone"]);
        assert_eq!(names(json!({"id": "r", "dwell_s": 3}), Some(present)), ["rule r: dwell_s"]);
        assert_eq!(
            names(json!({"id": "r", "kind": "line", "dwell_s": null}), None),
            ["rule r: kind"]
        );
        let dollar = changes("r", &json!({"labels": ["${HOME}"]}), None).unwrap();
        let Change::Set { value, .. } = &dollar[0] else { panic!("{dollar:?}") };
        assert_eq!(value[0].as_str(), Some("$${HOME}"));
    }
}
