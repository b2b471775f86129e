//! What a template can say: the event's own fields by short names, the case at the platform, and its code.

use minijinja::{Value, value::Serde};
use serde_json::{Map, Value as Json, json};

use super::{Category, TakenReplies};
use crate::domain::EventData;

/// What is known of a case at the platform, for its templates.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sinks) struct CaseFacts<'c> {
    /// The platform's id.
    pub(in crate::sinks) id: Option<&'c str>,
    /// The last word that the platform said of it.
    pub(in crate::sinks) status: Option<&'c str>,
    /// So many pieces of evidence were told before.
    pub(in crate::sinks) evidence_told: usize,
    /// The link of this delivery: it goes where a template names it, and is no part of `event`.
    pub(in crate::sinks) link: Option<&'c str>,
}

/// A value of JSON as text: what stands in dictionaries and ids is compared so.
pub(in crate::sinks) fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Everything by name; what an event does not have is an empty text, and so never a surprise.
pub(super) fn of_event(
    data: &EventData,
    case: &CaseFacts<'_>,
    word: Option<&Json>,
    category: Option<&Category>,
) -> Value {
    let mut all = plain(data);
    all.insert(
        "case".into(),
        json!({
            "id": case.id.unwrap_or_default(),
            "status": case.status.unwrap_or_default(),
        }),
    );
    all.insert("link".into(), case.link.unwrap_or_default().into());
    if let Some(word) = word {
        all.insert("status".into(), word.clone());
    }
    if let Some(category) = category {
        all.insert("category".into(), json!(category));
    }
    let pieces: Vec<_> = data.told_pieces().skip(case.evidence_told).collect();
    all.insert("pieces".into(), json!(pieces));
    all.insert("event".into(), json!(data));
    Value::from(Serde(&Json::Object(all)))
}

/// The fields that platforms ask for, flat.
fn plain(data: &EventData) -> Map<String, Json> {
    let mut all = Map::new();
    for part in [of_incident(data), of_place(data), of_people(data), of_step(data)] {
        if let Json::Object(part) = part {
            all.extend(part);
        }
    }
    all
}

fn or_empty(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

fn of_incident(data: &EventData) -> Json {
    let deadline = data.deadline.as_ref();
    let objects: u32 = data.objects.iter().map(|object| object.count).sum();
    json!({
        "incident": data.incident,
        "event_id": format!("{}.{}", data.incident, data.revision),
        "revision": data.revision,
        "what": data.what,
        "kind": data.kind,
        "severity": data.severity,
        "stage": data.stage,
        "active": data.active,
        "site": data.site,
        "title": data.title.zh,
        "title_en": data.title.en,
        "why": data.why,
        "began_at": data.began_at,
        "opened_at": data.opened_at,
        "changed_at": data.changed_at,
        "ended_at": or_empty(&data.ended_at),
        "accept_by": deadline.map(|one| one.accept_by.clone()).unwrap_or_default(),
        "finish_by": deadline.map(|one| one.finish_by.clone()).unwrap_or_default(),
        "count": objects,
    })
}

fn of_place(data: &EventData) -> Json {
    let grid = data.grid.clone().unwrap_or_default();
    let place = data.place.as_ref();
    let address = place.and_then(|place| place.text.clone());
    json!({
        "grid_code": grid.code,
        "grid_name": grid.name,
        "community": or_empty(&grid.community),
        "township": or_empty(&grid.township),
        "head": or_empty(&grid.head),
        "head_phone": or_empty(&grid.head_phone),
        "lon": place.map(|place| place.lon),
        "lat": place.map(|place| place.lat),
        "address": address.or_else(|| detail(data, "address")).unwrap_or_default(),
    })
}

fn detail(data: &EventData, key: &str) -> Option<String> {
    data.detail.get(key).and_then(text)
}

fn of_people(data: &EventData) -> Json {
    let source = data.sources.first();
    let route = data.route.as_ref();
    json!({
        "source": source.map(|source| source.id.to_string()).unwrap_or_default(),
        "source_name": source.map(|source| source.name.clone()).unwrap_or_default(),
        "source_kind": source.map(|source| json!(source.kind)).unwrap_or_else(|| "".into()),
        "person": detail(data, "person").unwrap_or_default(),
        "contact": detail(data, "contact").unwrap_or_default(),
        "note": detail(data, "note").unwrap_or_default(),
        "department": or_empty(&data.life.department),
        "route_department": route.map(|one| one.department.clone()).unwrap_or_default(),
        "route_item": route.map(|one| one.item.clone()).unwrap_or_default(),
    })
}

/// The step that was taken last.
fn of_step(data: &EventData) -> Json {
    let Some(step) = data.life.steps.last() else {
        return json!({ "step": {
            "name": "", "zh": "", "by": "", "at": "", "note": "", "department": "", "reason": "",
            "until": "",
        }});
    };
    json!({ "step": {
        "name": step.step,
        "zh": step.step.zh(),
        "by": step.by,
        "at": step.at,
        "note": or_empty(&step.note),
        "department": or_empty(&step.department),
        "reason": step.reason.map(|one| json!(one)).unwrap_or_else(|| "".into()),
        "until": or_empty(&step.until),
    }})
}

/// For the question for replies.
pub(super) fn of_poll(cursor: &str) -> Value {
    Value::from(Serde(&json!({ "cursor": cursor })))
}

/// For the answer to a push.
pub(super) fn of_taken(taken: &TakenReplies) -> Value {
    Value::from(Serde(&json!({
        "taken": taken.taken,
        "doubled": taken.doubled,
        "kept": taken.kept,
        "ok": taken.kept.is_empty(),
        "words": taken.kept.join("; "),
    })))
}
