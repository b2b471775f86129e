//! `POST /api/v1/replies`: a step of a case, perhaps with a picture; who comes second hears who was first, and when.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Backend,
    caller::{Caller, Voice},
    forms,
    overview::with_words,
    problem::{not_stored, problem},
    seen::Seen,
    step_pictures::{self, NoPicture, Replied},
};
use crate::domain::{
    Answer, EventContext, IncidentId, Record, Reply, ReplyVia, What, without_mark,
};

const EXPECTED: &str = "expected {\"incident\", \"to\", \"by\"}";

pub(super) async fn take<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    Extension(voice): Extension<Voice>,
    body: Bytes,
) -> Response {
    match parse(&body, &caller) {
        Ok(reply) => answered(&backend, (&caller, &voice), reply, None).await,
        Err(error) => {
            problem(StatusCode::BAD_REQUEST, &format!("not a reply: {error}; {EXPECTED}"))
        }
    }
}

/// Whoever has an account need not say who he is.
fn parse(text: &[u8], caller: &Caller) -> Result<Reply, serde_json::Error> {
    let text = without_mark(text);
    let Some(account) = caller.account() else { return serde_json::from_slice(text) };
    let mut value: Value = serde_json::from_slice(text)?;
    if let Some(fields) = value.as_object_mut() {
        fields.entry("by").or_insert_with(|| account.name.as_str().into());
    }
    serde_json::from_value(value)
}

/// What is answered to whoever is logged in by name and speaks for another.
pub(super) fn not_by(caller: &Caller, by: &str) -> Option<Response> {
    let account = caller.account()?;
    let message = format!("by: you are logged in as {}, and speak for nobody else", account.name);
    (by.trim() != account.name).then(|| problem(StatusCode::FORBIDDEN, &message))
}

/// Of the case that the address names: the reply as JSON, or as a form whose field `reply` is that JSON,
/// with a file `picture` beside it.
pub(super) async fn take_of_incident<B: Backend>(
    backend: Seen<B>,
    (Extension(caller), Extension(voice)): (Extension<Caller>, Extension<Voice>),
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(id) = id.parse::<IncidentId>() else {
        return problem(StatusCode::NOT_FOUND, "no such incident");
    };
    let read = if forms::is_multipart(&headers) {
        match forms::read(&headers, body).await {
            Ok(form) => reply_to(id, &caller, form.field("reply").unwrap_or_default().as_bytes())
                .map(|reply| (reply, form.picture)),
            Err(reason) => Err(reason),
        }
    } else {
        reply_to(id, &caller, &body).map(|reply| (reply, None))
    };
    match read {
        Ok((reply, picture)) => answered(&backend, (&caller, &voice), reply, picture).await,
        Err(reason) => problem(StatusCode::BAD_REQUEST, &reason),
    }
}

/// The address says which case it is; a reply that says so too must say the same.
fn reply_to(id: IncidentId, caller: &Caller, text: &[u8]) -> Result<Reply, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("not a reply: {error}; expected {{\"to\", \"by\"}}, in a form as its field `reply`")
    };
    let mut value: Value =
        serde_json::from_slice(without_mark(text)).map_err(|error| wrong(&error))?;
    let Some(fields) = value.as_object_mut() else { return Err(wrong(&"no object")) };
    fields.entry("incident").or_insert_with(|| json!(id));
    if let Some(account) = caller.account() {
        fields.entry("by").or_insert_with(|| account.name.as_str().into());
    }
    let reply: Reply = serde_json::from_value(value).map_err(|error| wrong(&error))?;
    if reply.incident != id {
        return Err(format!("it is of {}, and was sent to {id}", reply.incident));
    }
    Ok(reply)
}

async fn answered<B: Backend>(
    backend: &Seen<B>,
    (caller, voice): (&Caller, &Voice),
    mut reply: Reply,
    picture: Option<Vec<u8>>,
) -> Response {
    if let Some(refused) = not_by(caller, &reply.by) {
        return refused;
    }
    if caller.account().is_some() {
        reply.via = Some(ReplyVia::Account);
    }
    reply.through = voice.through(&reply.by);
    let id = reply.incident;
    let replied = match step_pictures::reply(backend, reply, picture).await {
        Ok(replied) => replied,
        Err(NoPicture { en, is_temporary: false, .. }) => {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, &format!("{en}; no step was taken"));
        }
        Err(NoPicture { en, .. }) => {
            let message = format!("{en}; no step was taken, send it again");
            return problem(StatusCode::SERVICE_UNAVAILABLE, &message);
        }
    };
    match replied {
        Replied { answer: Answer::Changed(_), picture_left: true } => {
            let reason = "this step was taken before without a picture: the picture is not kept";
            refused(&backend.context(), backend.incident(id), reason)
        }
        Replied { answer: Answer::Changed(incident), .. } => {
            let last = incident.life.last_taken();
            let what = last.map_or(What::Updated, |step| step.step.what());
            Json(with_words(&backend.context().data(what, &incident))).into_response()
        }
        Replied { answer: Answer::Stored, .. } => StatusCode::NO_CONTENT.into_response(),
        Replied { answer: Answer::Refused(reason), .. } => {
            refused(&backend.context(), backend.incident(id), &reason)
        }
        Replied { answer: Answer::NoSuchIncident, .. } => {
            problem(StatusCode::NOT_FOUND, "no such incident")
        }
        Replied { answer: Answer::Lost, .. } => not_stored(),
    }
}

/// The reason; and of what is on disk how far the case is, and who took it there.
fn refused(context: &EventContext, record: Option<Record>, reason: &str) -> Response {
    let mut body = json!({ "error": reason });
    if let Some(incident) = record.map(|record| record.incident) {
        body["stage"] = json!(incident.stage);
        body["revision"] = json!(incident.revision);
        if let Some(step) = incident.life.last_taken() {
            body["zh"] = context.taken_by(step).into();
            body["by"] = json!(step.by);
            body["at"] = context.time(step.at).into();
            body["step"] = json!(step.step);
        }
    }
    (StatusCode::CONFLICT, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_behind_a_byte_order_mark_is_one() {
        let id: IncidentId = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        let text = format!("\u{feff}{}", json!({"incident": id, "to": "accepted", "by": "李建国"}));
        assert_eq!(parse(text.as_bytes(), &Caller::Token).unwrap().by, "李建国");
        let text = "\u{feff}{\"to\":\"accepted\",\"by\":\"李建国\"}";
        let reply = reply_to(id, &Caller::Token, text.as_bytes()).unwrap();
        assert_eq!((reply.incident, reply.by.as_str()), (id, "李建国"));
    }
}
