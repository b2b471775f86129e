//! A rule that somebody draws, tried on the kept tracks beside the one that runs: what each would have raised.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::from_config::{event_context, rules};
use crate::{
    config::Config,
    console::DeskRefusal,
    domain::{EventContext, SourceId},
    rules::{
        self,
        tuning::{Raised, raised, tryout_window},
    },
    store::kept_tracks,
};

/// Hours that may be tried.
const HOURS_MAX: f64 = 168.0;
/// Incidents that are told one by one, the newest; all are counted.
const TOLD_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialAsked {
    camera: String,
    hours: f64,
    /// As in the configuration.
    rule: Value,
}

/// A rule as JSON, as the configuration would take it; the error lists every mistake.
pub(super) fn rule_of(value: &Value) -> Result<rules::Config, DeskRefusal> {
    let rule: rules::Config = serde_json::from_value(value.clone())
        .map_err(|error| DeskRefusal::Wrong(vec![format!("rule: {error}")]))?;
    let problems: Vec<String> =
        rule.problems().into_iter().map(|(key, what)| format!("{key}: {what}")).collect();
    if problems.is_empty() { Ok(rule) } else { Err(DeskRefusal::Wrong(problems)) }
}

/// Blocks on the disk, and takes a core for a second where there is much.
pub(super) fn try_rule(
    config: &Config,
    asked: Value,
    now: Timestamp,
) -> Result<Value, DeskRefusal> {
    let wrong = |what: String| DeskRefusal::Wrong(vec![what]);
    let asked: TrialAsked = serde_json::from_value(asked)
        .map_err(|error| wrong(format!("{error}; expected camera, hours, rule")))?;
    if !(asked.hours > 0.0 && asked.hours <= HOURS_MAX) {
        return Err(wrong(format!("hours: {}: expected more than 0, at most 168", asked.hours)));
    }
    let rule = rule_of(&asked.rule)?;
    let camera = config.cameras.iter().find(|camera| camera.id == asked.camera);
    let camera = camera.ok_or(DeskRefusal::NoSuchCamera)?;
    let present = rules(config).into_iter().find(|one| one.id == rule.id);
    let present = present.filter(|one| one.cameras.contains(&camera.id));
    let hours = SignedDuration::from_secs_f64(asked.hours * 3600.0);
    let from = now.checked_sub(hours).unwrap_or(Timestamp::UNIX_EPOCH);
    let needed = present.iter().chain([&rule]).map(|one| tryout_window(one, from)).min();
    let id = SourceId::from(camera.id.as_str());
    let wanted = BTreeMap::from([(id.clone(), vec![(needed.unwrap_or(from), now)])]);
    let kept = kept_tracks(&config.data.path, &wanted);
    let looks = kept.looks.get(&id).map_or(&[][..], Vec::as_slice);
    let context = event_context(config);
    let inside: Vec<Timestamp> =
        looks.iter().map(|look| look.at).filter(|at| *at >= from).collect();
    let mut answer = json!({
        "camera": camera.id,
        "from": context.time(from),
        "until": context.time(now),
        "looks": inside.len(),
        "first_at": inside.first().map(|at| context.time(*at)),
        "last_at": inside.last().map(|at| context.time(*at)),
        "left_out": kept.left_out,
        "unreadable": kept.unreadable,
    });
    if inside.is_empty() {
        // Nobody was there, or nobody looked: that nothing would have been raised is not known.
        answer["why_not"] = if config.tracks.is_on() { "none" } else { "off" }.into();
        return Ok(answer);
    }
    for (key, rule) in [("new", Some(&rule)), ("present", present.as_ref())] {
        let Some(rule) = rule else { continue };
        let all = raised(rule, &id, &camera.mask, &context.timezone, looks, (from, now));
        answer[key] = shown(&context, &all);
    }
    Ok(answer)
}

fn shown(context: &EventContext, all: &[Raised]) -> Value {
    let one = |one: &Raised| {
        let mut value = json!(one);
        value["began_at"] = context.time(one.began_at).into();
        value["at"] = context.time(one.at).into();
        if let Some(ended_at) = one.ended_at {
            value["ended_at"] = context.time(ended_at).into();
        }
        value
    };
    let newest = all.len().saturating_sub(TOLD_MAX);
    json!({ "count": all.len(), "raised": all[newest..].iter().map(one).collect::<Vec<_>>() })
}
