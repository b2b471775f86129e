//! Each template on a sample of each kind of incident, rich and bare: what fails here would fail at night.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{CaseFacts, EVIDENCE, Profile, TakenReplies, Wrong};
use crate::domain::{EventData, Kind};

/// Messages of one profile; the others are of the same sort.
const WRONG_MAX: usize = 20;

/// Tries everything; empty: all of it makes requests.
pub(super) fn try_all(profile: &Profile, kinds: &[Kind]) -> Vec<Wrong> {
    let every: Vec<Kind> = all_kinds();
    let kinds = if kinds.is_empty() { &every } else { kinds };
    // Each sentence once, with the first that shows it.
    let mut wrong: BTreeMap<Wrong, String> = BTreeMap::new();
    for kind in kinds {
        for (message, tried) in try_kind(profile, *kind) {
            wrong.entry(placed(&profile.file, &message)).or_insert(tried);
        }
    }
    let taken = TakenReplies { taken: 1, doubled: 0, kept: vec!["a \"reason\"\n".into()] };
    let others = [
        profile.poll_request("c\"ursor 1/2").map(drop),
        profile.push_answer(&taken).map(drop),
        profile.push_answer(&TakenReplies::default()).map(drop),
    ];
    let others = others.into_iter().filter_map(Result::err);
    wrong.extend(others.map(|message| (placed(&profile.file, &message), String::new())));
    let told = |((line, message), tried): (Wrong, String)| (line, message + &tried);
    wrong.into_iter().take(WRONG_MAX).map(told).collect()
}

/// The message without the file, and its line.
fn placed(file: &str, message: &str) -> Wrong {
    let rest = message.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let Some((line, rest)) = rest.and_then(|rest| rest.split_once(": ")) else {
        return (0, message.to_owned());
    };
    (line.parse().unwrap_or_default(), rest.to_owned())
}

/// What is wrong, and what it was tried with.
fn try_kind(profile: &Profile, kind: Kind) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let case =
        CaseFacts { id: Some("EV-\"1\"/张 三"), status: Some("2"), ..CaseFacts::default() };
    let new = CaseFacts::default();
    let mut check = |what: &str, made: Result<(), String>| {
        if let Err(message) = made {
            wrong.push((message, format!(" (tried with {what} of {})", kind.as_str())));
        }
    };
    for rich in [true, false] {
        let Some(opened) = sample(kind, "opened", rich) else { continue };
        check("opened", profile.request(None, &opened, &new).map(drop));
        check("opened", profile.find_request(&opened, &new).map(drop));
        let steps: BTreeSet<&String> = profile.sends.iter().flat_map(|send| &send.what).collect();
        for what in steps {
            let name = if what == EVIDENCE { "updated" } else { what };
            let Some(data) = sample(kind, name, rich) else { continue };
            check(what, profile.request(Some(what), &data, &case).map(drop));
        }
    }
    wrong
}

/// Every kind there is, read from its schema: none can be forgotten.
pub(super) fn all_kinds() -> Vec<Kind> {
    let schema = schemars::schema_for!(Kind);
    let mut words = Vec::new();
    collect(schema.as_value(), &mut words);
    words.into_iter().filter_map(|word| serde_json::from_value(word).ok()).collect()
}

fn collect(value: &Value, words: &mut Vec<Value>) {
    match value {
        Value::Object(all) => {
            for (key, one) in all {
                match (key.as_str(), one) {
                    ("enum", Value::Array(of)) => words.extend(of.iter().cloned()),
                    ("const", word) => words.push(word.clone()),
                    (_, deeper) => collect(deeper, words),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| collect(one, words)),
        _ => {}
    }
}

/// An event of this kind and sort; `rich`: with all that may be absent, and every sign that would
/// break a text that was not escaped.
pub(super) fn sample(kind: Kind, what: &str, rich: bool) -> Option<EventData> {
    let stage = match what {
        "accepted" | "dispatched" | "handled" | "verified" | "closed" | "dismissed" => what,
        "merged" => "closed",
        "transferred" | "sent-back" => "dispatched",
        "opened" | "reopened" | "lapsed" => "opened",
        _ => "accepted",
    };
    let at = "2026-07-01T11:00:00.000+08:00";
    let odd = "桥北\"一\"\\网格\n{{ 7*7 }} 😀\u{7}";
    let mut data = json!({
        "incident": "01900000-0000-7000-8000-000000000001",
        "revision": 1, "what": what, "stage": stage, "active": true,
        "kind": kind, "severity": 1, "title": {"zh": "标题", "en": "title"}, "site": "s",
        "began_at": at, "opened_at": at, "changed_at": at,
        "sources": [], "objects": [], "evidence": [],
        "clock": {"gateway": at, "error_ms": 0}, "why": "w",
    });
    let is_step = !["opened", "updated", "ended"].contains(&what);
    if is_step {
        let step = match what {
            "asked" => "ask-extend",
            other => other,
        };
        data["steps"] = json!([{"step": step, "by": "", "at": at, "revision": 1}]);
    }
    if rich {
        let more = json!({
            "title": {"zh": odd, "en": odd}, "why": odd, "ended_at": at,
            "grid": {"code": odd, "name": odd, "community": odd, "township": odd, "head": odd,
                "head_phone": odd},
            "place": {"lon": 113.9, "lat": 30.9, "text": odd},
            "sources": [{"id": odd, "kind": "button", "name": odd}],
            "objects": [{"label": "person", "count": 2, "score_max": 0.5}],
            "evidence": [{"id": "01900000-0000-7000-8000-000000000002", "media_type": "image/jpeg",
                "sha256": "00", "bytes": 7, "url": odd}],
            "deadline": {"tier": "urgent", "accept_by": at, "finish_by": at},
            "route": {"department": odd, "item": odd}, "department": odd,
            "detail": {"person": odd, "contact": odd, "note": odd, "address": odd},
        });
        let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) else { return None };
        data.extend(more);
        if is_step {
            let step = data.get_mut("steps").and_then(|steps| steps.get_mut(0))?;
            (step["by"], step["note"], step["department"]) = (odd.into(), odd.into(), odd.into());
        }
    }
    serde_json::from_value(data).ok()
}
