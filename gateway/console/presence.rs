//! `GET /api/v1/presence`: how many devices were where, in periods that are over.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Backend, seen::Seen};

pub(super) async fn serve<B: Backend>(backend: Seen<B>) -> Response {
    let at = backend.context().time(backend.now());
    Json(json!({ "at": at, "places": backend.presence() })).into_response()
}
