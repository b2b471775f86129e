//! `GET /api/v1/rules`: how each rule does, and what could be changed of it, computed when it is asked for.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::{Backend, problem::problem};

/// Cases and tracks take memory while rules are tried on them: one at a time, whoever asks.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
/// Without `since`.
const SINCE: SignedDuration = SignedDuration::from_hours(24 * 30);

pub(super) async fn list<B: Backend>(
    State(backend): State<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let since = match since(&query, backend.now()) {
        Ok(since) => since,
        Err(message) => return problem(StatusCode::BAD_REQUEST, &message),
    };
    let gone = || problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway stops");
    let Ok(_turn) = ONE_AT_A_TIME.acquire().await else { return gone() };
    match tokio::task::spawn_blocking(move || backend.rules(since)).await {
        Ok(Ok(report)) => Json(report).into_response(),
        Ok(Err(message)) => problem(StatusCode::INTERNAL_SERVER_ERROR, &message),
        Err(_) => gone(),
    }
}

fn since(query: &HashMap<String, String>, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(key) = query.keys().find(|key| key.as_str() != "since") {
        return Err(format!("{key}: known is since"));
    }
    let Some(text) = query.get("since") else {
        return Ok(now.checked_sub(SINCE).unwrap_or(Timestamp::UNIX_EPOCH));
    };
    let since = text.parse::<Timestamp>().ok().filter(|since| *since < now);
    since.ok_or_else(|| format!("since={text}: expected a time in RFC 3339 that is past"))
}
