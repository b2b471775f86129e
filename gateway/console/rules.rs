//! `GET /api/v1/rules`: how each rule does, and what could be changed of it, computed when it is asked for.

use std::collections::HashMap;

use axum::{
    Json,
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::{
    Backend,
    problem::{problem, stopping},
    query::{time, unknown},
    seen::Seen,
};

/// Cases and tracks take memory while rules are tried on them: one at a time, whoever asks.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
/// Without `since`.
const SINCE: SignedDuration = SignedDuration::from_hours(24 * 30);

pub(super) async fn list<B: Backend>(
    backend: Seen<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let since = match since(&query, backend.now()) {
        Ok(since) => since,
        Err(message) => return problem(StatusCode::BAD_REQUEST, &message),
    };
    // Whoever waits holds nothing up, and whoever asks again and again takes one core, not all.
    let Ok(turn) = ONE_AT_A_TIME.try_acquire() else {
        let message = "rules are being tried for somebody else: ask again in a moment";
        return problem(StatusCode::TOO_MANY_REQUESTS, message);
    };
    // The turn ends with the work, also where nobody waits for the answer any more.
    let work = move || {
        let _turn = turn;
        backend.rules(since)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(report)) => Json(report).into_response(),
        Ok(Err(message)) => problem(StatusCode::INTERNAL_SERVER_ERROR, &message),
        Err(_) => stopping(),
    }
}

fn since(query: &HashMap<String, String>, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(message) = unknown(query, &["since"]) {
        return Err(message);
    }
    let Some(text) = query.get("since") else {
        return Ok(now.checked_sub(SINCE).unwrap_or(Timestamp::UNIX_EPOCH));
    };
    let since = time(text).filter(|since| *since < now);
    since.ok_or_else(|| format!("since={text}: expected a time in RFC 3339 that is past"))
}
