//! `POST /api/v1/replies`: a step of a case; who comes second hears who was first, and when.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Backend, problem::problem};
use crate::domain::{Answer, EventContext, Record, Reply, What};

pub(super) async fn take<B: Backend>(State(backend): State<B>, body: Bytes) -> Response {
    let reply: Reply = match serde_json::from_slice(&body) {
        Ok(reply) => reply,
        Err(error) => {
            let message =
                format!("not a reply: {error}; expected {{\"incident\", \"to\", \"by\"}}");
            return problem(StatusCode::BAD_REQUEST, &message);
        }
    };
    let id = reply.incident;
    match backend.reply(reply).await {
        Answer::Changed(incident) => {
            let last = incident.life.last_taken();
            let what = last.map_or(What::Updated, |step| step.step.what());
            Json(json!(backend.context().data(what, &incident))).into_response()
        }
        Answer::Stored => StatusCode::NO_CONTENT.into_response(),
        Answer::Refused(reason) => refused(&backend.context(), backend.incident(id), &reason),
        Answer::NoSuchIncident => problem(StatusCode::NOT_FOUND, "no such incident"),
        Answer::Lost => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the store cannot write; send it again")
        }
    }
}

/// The reason; and of what is on disk how far the case is, and who took it there.
fn refused(context: &EventContext, record: Option<Record>, reason: &str) -> Response {
    let mut body = json!({ "error": reason });
    if let Some(incident) = record.map(|record| record.incident) {
        body["stage"] = json!(incident.stage);
        body["revision"] = json!(incident.revision);
        if let Some(step) = incident.life.last_taken() {
            let at = context.time(step.at);
            let clock = at.get(11..16).unwrap_or_default();
            body["zh"] = format!("已由{} {clock} {}", step.by, step.step.zh()).into();
            body["by"] = json!(step.by);
            body["at"] = at.into();
            body["step"] = json!(step.step);
        }
    }
    (StatusCode::CONFLICT, Json(body)).into_response()
}
