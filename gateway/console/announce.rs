//! `POST /api/v1/announce`: a person's own words for loudspeakers 喊话.

use axum::{
    Extension, Json,
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Backend,
    caller::Caller,
    problem::{not_stored, problem},
    replies::not_by,
    seen::Seen,
};
use crate::domain::{AnnounceOrder, Answer, SPOKEN_CHARS_MAX, What};

/// 202 with the incident that it is, once that is on disk; what becomes of it at each speaker is in the
/// ledger.
pub(super) async fn take<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Response {
    let order: AnnounceOrder = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => {
            let message = format!(
                "not an announcement: {error}; expected {{\"speakers\": [id] or \"grid\": code, \"text\", \"by\"}}, perhaps with \"valid_s\" and \"severity\""
            );
            return problem(StatusCode::BAD_REQUEST, &message);
        }
    };
    if let Some(refused) = not_by(&caller, &order.by) {
        return refused;
    }
    let length = order.text.chars().count();
    if length > SPOKEN_CHARS_MAX {
        let message =
            format!("`text` has {length} characters; expected at most {SPOKEN_CHARS_MAX}");
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &message);
    }
    match backend.announce(order).await {
        Answer::Changed(incident) => {
            let data = backend.context().data(What::Opened, &incident);
            (StatusCode::ACCEPTED, Json(json!(data))).into_response()
        }
        Answer::Refused(reason) => problem(StatusCode::UNPROCESSABLE_ENTITY, &reason),
        _ => not_stored(),
    }
}
