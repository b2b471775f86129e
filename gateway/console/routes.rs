//! The addresses: health and metrics for machines, incidents, evidence and replies behind the token.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::{
    Backend, Filter, Reloaded,
    body::{BODY_BYTES_MAX, PICTURE_BODY_BYTES_MAX, with_body, with_picture_body},
    changes::{self, Feed, PAGES_MAX},
    door::{self, Door},
    evidence, figures, link, overview, page, platform,
    problem::problem,
    replies, rules, weather,
};
use crate::domain::{DEVICE_STATES, DeviceState, Kind, Record};

/// Incidents in one answer.
const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

pub(super) fn router<B: Backend>(door: Door<B>, stop: watch::Receiver<bool>) -> Router {
    let backend = door.backend.clone();
    let platforms = Router::new()
        .route("/api/v1/platform/{id}", post(platform::take::<B>))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            (door.wrong.clone(), backend.clone()),
            platform::only_with_its_token::<B>,
        ));
    let pictured = Router::new()
        .route("/api/v1/incidents/{id}/replies", post(replies::take_of_incident::<B>))
        .layer(DefaultBodyLimit::max(PICTURE_BODY_BYTES_MAX))
        .layer(middleware::from_fn(with_picture_body));
    let feed = Feed { pages: Arc::new(Semaphore::new(PAGES_MAX)), stop };
    let changes = Router::new()
        .route("/api/v1/changes", get(changes::serve::<B>))
        .layer(Extension(feed))
        .with_state(door.clone());
    let guarded = Router::new()
        .route("/api/v1/incidents", get(incidents::<B>))
        .route("/api/v1/incidents/{id}", get(incident::<B>))
        .route("/api/v1/incidents/{id}/link", get(link::make::<B>))
        .route("/api/v1/figures", get(figures::json::<B>))
        .route("/api/v1/figures.csv", get(figures::csv::<B>))
        .route("/api/v1/figures.xlsx", get(figures::xlsx::<B>))
        .route("/api/v1/rules", get(rules::list::<B>))
        .route("/api/v1/devices", get(devices::<B>))
        .route("/api/v1/evidence/{id}", get(evidence::serve::<B>))
        .route("/api/v1/replies", post(replies::take::<B>))
        .route("/api/v1/reload", post(reload::<B>))
        .route("/api/v1/rain", get(weather::rain::<B>))
        .route("/api/v1/posture", get(weather::postures::<B>).post(weather::order::<B>))
        .route("/api/v1/console", get(overview::serve::<B>))
        .merge(changes)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(with_body))
        .merge(pictured)
        .layer(middleware::from_fn_with_state(door.clone(), door::only_who_may::<B>));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz::<B>))
        .route("/metrics", get(metrics::<B>))
        .merge(page::routes())
        .merge(guarded)
        .merge(door::routes(&door))
        .merge(platforms)
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such address") })
        .layer(middleware::map_response(|mut response: Response| async {
            let sniff = header::HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
            response
        }))
        .with_state(backend)
}

async fn readyz<B: Backend>(State(backend): State<B>) -> Response {
    let reasons = backend.ready();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "notes": backend.notes(),
        "model": backend.model(),
    });
    (status, Json(answer)).into_response()
}

async fn metrics<B: Backend>(State(backend): State<B>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], backend.metrics()).into_response()
}

async fn incidents<B: Backend>(
    State(backend): State<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match filter(&query) {
        Ok(filter) => {
            let list: Vec<Value> =
                backend.incidents(&filter).iter().map(|record| shown(&backend, record)).collect();
            Json(json!({ "incidents": list })).into_response()
        }
        Err(message) => problem(StatusCode::BAD_REQUEST, &message),
    }
}

fn filter(query: &HashMap<String, String>) -> Result<Filter, String> {
    let mut filter = Filter { limit: LIST_DEFAULT, ..Filter::default() };
    for (key, value) in query {
        let expected = |what: &str| format!("{key}={value}: expected {what}");
        match key.as_str() {
            "active" => filter.active = Some(value.parse().map_err(|_| expected("true or false"))?),
            "kind" => {
                let kind = serde_json::from_value::<Kind>(Value::from(value.as_str()));
                filter.kind = Some(kind.map_err(|_| expected("a kind such as emergency-button"))?);
            }
            "since" => {
                filter.since = Some(value.parse().map_err(|_| expected("a time in RFC 3339"))?);
            }
            "limit" => {
                let limit: usize = value.parse().map_err(|_| expected("a number"))?;
                filter.limit = limit.min(LIST_MAX);
            }
            _ => return Err(format!("{key}: known are active, kind, since, limit")),
        }
    }
    Ok(filter)
}

fn shown<B: Backend>(backend: &B, record: &Record) -> Value {
    json!(backend.context().data(record.what, &record.incident))
}

/// All devices, or those of a state: `?state=silent`.
async fn devices<B: Backend>(
    State(backend): State<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let state = match query.iter().find(|(key, _)| key.as_str() != "state") {
        Some((key, _)) => {
            return problem(StatusCode::BAD_REQUEST, &format!("{key}: known is state"));
        }
        None => query.get("state"),
    };
    if let Some(state) = state.filter(|state| !DEVICE_STATES.contains(&state.as_str())) {
        let message = format!("state={state}: expected one of {}", DEVICE_STATES.join(", "));
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let table = backend.devices();
    let wanted = |states: &[&str]| state.is_none_or(|state| states.contains(&state.as_str()));
    let shown = |device: &DeviceState| {
        let states = device.states();
        wanted(&states).then(|| {
            let mut value = json!(device);
            value["states"] = json!(states);
            value
        })
    };
    let devices: Vec<Value> = table.devices.iter().filter_map(shown).collect();
    Json(json!({ "at": table.at, "devices": devices })).into_response()
}

async fn incident<B: Backend>(State(backend): State<B>, Path(id): Path<String>) -> Response {
    let found = id.parse().ok().and_then(|id| backend.incident(id));
    match found {
        Some(record) => Json(shown(&backend, &record)).into_response(),
        None => problem(StatusCode::NOT_FOUND, "no such incident"),
    }
}

/// 422 with every problem where the file is wrong, 409 where it asks for what needs a restart, or would
/// take away whole parts without `?confirm=true`.
async fn reload<B: Backend>(
    State(backend): State<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(key) = query.keys().find(|key| key.as_str() != "confirm") {
        return problem(StatusCode::BAD_REQUEST, &format!("{key}: known is confirm"));
    }
    let confirmed = match query.get("confirm").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let message = format!("confirm={other}: expected true or false");
            return problem(StatusCode::BAD_REQUEST, &message);
        }
    };
    let (status, body) = match backend.reload(confirmed).await {
        Reloaded::Done(body) => (StatusCode::OK, body),
        Reloaded::Wrong(body) => (StatusCode::UNPROCESSABLE_ENTITY, body),
        Reloaded::Refused(body) => (StatusCode::CONFLICT, body),
        Reloaded::Stopping => {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway stops");
        }
    };
    (status, Json(body)).into_response()
}
