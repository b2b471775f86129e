//! `GET /api/v1/incidents/<id>/package`, `GET /api/v1/evidence/<id>/original`, `POST /api/v1/incidents/<id>/hold`:
//! evidence that leaves, that was hidden, or that is to be kept; each with a reason, which is on disk first.

use std::{collections::HashMap, str::FromStr};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{Path, Query},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tokio::fs::File;

use super::{
    Backend,
    caller::Caller,
    evidence::stream_file,
    handed_out::{NoEvidence, PackageFile},
    problem::problem,
    query::unknown,
    seen::Seen,
};

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

/// The reason in the query, and nothing beside it. A HEAD would leave a record of what nobody got.
#[allow(clippy::result_large_err, reason = "the error is the answer")]
fn reason(method: &Method, query: &HashMap<String, String>) -> Result<String, Response> {
    if *method == Method::HEAD {
        let allow = [(header::ALLOW, "GET")];
        return Err((StatusCode::METHOD_NOT_ALLOWED, allow).into_response());
    }
    if let Some(message) = unknown(query, &["reason"]) {
        return Err(problem(StatusCode::BAD_REQUEST, &message));
    }
    of_text(query.get("reason").map(String::as_str).unwrap_or_default())
}

#[allow(clippy::result_large_err, reason = "the error is the answer")]
fn of_text(text: &str) -> Result<String, Response> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > REASON_CHARS_MAX {
        let message = format!("reason: expected a sentence of 1 to {REASON_CHARS_MAX} characters");
        return Err(problem(StatusCode::BAD_REQUEST, &message));
    }
    Ok(text.to_owned())
}

/// What is asked for, by its id in the address, and the reason.
#[allow(clippy::result_large_err, reason = "the error is the answer")]
fn asked<T: FromStr>(
    method: &Method,
    query: &HashMap<String, String>,
    id: &str,
) -> Result<(T, String), Response> {
    let reason = reason(method, query)?;
    let id = id.parse::<T>().map_err(|_| NoEvidence::Unknown.answer())?;
    Ok((id, reason))
}

pub(super) async fn export<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
) -> Response {
    let (incident, reason) = match asked(&method, &query, &id) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    match backend.export(incident, &caller.name(), &reason).await {
        Ok(PackageFile { file, bytes }) => {
            let name = format!("attachment; filename=\"gridpost-{incident}.zip\"");
            never_kept(
                stream_file(File::from_std(file), bytes),
                &[
                    (header::CONTENT_TYPE, "application/zip"),
                    (header::CONTENT_LENGTH, &bytes.to_string()),
                    (header::CONTENT_DISPOSITION, &name),
                ],
            )
        }
        Err(refused) => refused.answer(),
    }
}

pub(super) async fn original<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
) -> Response {
    let (picture, reason) = match asked(&method, &query, &id) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    match backend.original(picture, &caller.name(), &reason).await {
        Ok(jpeg) => never_kept(Body::from(jpeg), &[(header::CONTENT_TYPE, "image/jpeg")]),
        Err(refused) => refused.answer(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldAsked {
    reason: String,
}

pub(super) async fn hold<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let Ok(HoldAsked { reason }) = serde_json::from_slice(&body) else {
        return problem(StatusCode::BAD_REQUEST, "expected {\"reason\": …}");
    };
    let reason = match of_text(&reason) {
        Ok(reason) => reason,
        Err(refused) => return refused,
    };
    let Ok(incident) = id.parse() else { return NoEvidence::Unknown.answer() };
    match backend.hold(incident, &caller.name(), &reason).await {
        Ok(until) => Json(json!({ "until": backend.context().time(until) })).into_response(),
        Err(refused) => refused.answer(),
    }
}

/// No browser, proxy or disk keeps a copy of it.
fn never_kept(body: Body, headers: &[(header::HeaderName, &str)]) -> Response {
    let mut response = Response::new(body);
    let more = [(header::CACHE_CONTROL, "no-store")];
    for (name, value) in headers.iter().cloned().chain(more) {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
