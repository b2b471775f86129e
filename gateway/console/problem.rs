//! What went wrong, as the body of an HTTP answer.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// `{"error": …}`, for people.
pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

/// Nobody is left who could answer.
pub(super) fn stopping() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway stops")
}

/// It is not on disk, so it was not taken: whoever sent it still has it.
pub(super) fn not_stored() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the store cannot write; send it again")
}
