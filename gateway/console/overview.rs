//! `GET /api/v1/console`: what a page begins with, at one position of the journal, and how the gateway itself is.

use std::sync::OnceLock;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::Backend;
use crate::domain::{DutyRole, Record};

/// Open cases in one page; the most urgent are in it, and how many are not is said.
const OPEN_MAX: usize = 2_000;

/// The site's own words, for the page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SiteWords {
    /// Name for people.
    pub name: String,
    /// Who may sit here, by the roster: on duty now first.
    pub people: Vec<Person>,
    /// Departments of the routing table.
    pub departments: Vec<String>,
}

/// Somebody of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    pub name: String,
    pub role: DutyRole,
    /// Now.
    pub on_duty: bool,
}

/// How the gateway is, for the line at the foot of the page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Condition {
    /// As in `/readyz`.
    pub reasons: Vec<String>,
    /// As in `/readyz`.
    pub notes: Vec<String>,
    /// As in `/readyz`.
    pub model: Option<String>,
    /// Each with what it is owed.
    pub sinks: Vec<SinkCondition>,
    /// Of the file system; absent where it cannot be asked.
    pub free_bytes: Option<u64>,
    /// `[data] min_free_bytes`.
    pub min_free_bytes: u64,
    /// Of all snapshots and clips.
    pub evidence_bytes: u64,
    /// Of the journal.
    pub journal_bytes: u64,
}

/// A sink and what it is owed.
#[derive(Clone, Debug, Serialize)]
pub struct SinkCondition {
    pub id: String,
    pub up: bool,
    /// Records that it has not taken yet.
    pub pending: u64,
    /// Records that it refused for good.
    pub dead: u64,
}

/// Names the positions of this process: those of another one are not on the same way.
pub(super) fn series() -> &'static str {
    static SERIES: OnceLock<String> = OnceLock::new();
    SERIES.get_or_init(|| format!("{:016x}", rand::random::<u64>()))
}

pub(super) async fn serve<B: Backend>(State(backend): State<B>) -> Response {
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
    json!(data)
}
