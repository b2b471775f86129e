//! `GET /api/v1/console`: what a page begins with, at one position of the journal, and how the gateway itself is.

use std::sync::OnceLock;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Backend, seen::Seen};
use crate::domain::{EventData, Record, why_words};

/// Open cases in one page; the most urgent are in it, and how many are not is said.
const OPEN_MAX: usize = 2_000;

/// Names the positions of this process: those of another one are not on the same way.
pub(super) fn series() -> &'static str {
    static SERIES: OnceLock<String> = OnceLock::new();
    SERIES.get_or_init(|| format!("{:016x}", rand::random::<u64>()))
}

pub(super) async fn serve<B: Backend>(backend: Seen<B>) -> Response {
    let open = backend.open_cases(OPEN_MAX);
    let list: Vec<Value> = open.records.iter().map(|record| case(&backend, record)).collect();
    let context = backend.context();
    Json(json!({
        "series": series(),
        "position": open.position,
        "at": context.time(backend.now()),
        "version": env!("CARGO_PKG_VERSION"),
        "site": context.site,
        "words": backend.site_words(),
        "open": list,
        "left_out": open.left_out,
        "condition": backend.condition(),
    }))
    .into_response()
}

/// The `data` of an event, but for the way of a flight: up to a megabyte, and drawn by who asks for the incident.
pub(super) fn case<B: Backend>(backend: &B, record: &Record) -> Value {
    let mut data = backend.context().data(record.what, &record.incident);
    data.detail.remove("track");
    with_words(&data)
}

/// With `why_words`: why it was raised and joined, sentence by sentence, for officers.
pub(super) fn with_words(data: &EventData) -> Value {
    let mut value = json!(data);
    value["why_words"] = json!(why_words(&data.why));
    value
}
