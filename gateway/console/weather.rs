//! Rain, water and posture over the API: what they are now, and a person's order.

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
    problem::{not_stored, problem, stopping},
    replies::not_by,
    seen::Seen,
};
use crate::domain::{Answer, PostureOrder};

/// Sums and curves per gauge, sums per grid, thresholds.
pub(super) async fn rain<B: Backend>(backend: Seen<B>) -> Response {
    match backend.rain().await {
        Some(view) => Json(view).into_response(),
        None => stopping(),
    }
}

/// `{"postures": ["flood"]}`; empty is normal.
pub(super) async fn postures<B: Backend>(backend: Seen<B>) -> Response {
    match backend.rain().await {
        Some(view) => Json(json!({ "postures": view.postures })).into_response(),
        None => stopping(),
    }
}

/// 200 with the postures that hold after it.
pub(super) async fn order<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Response {
    let order: PostureOrder = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => {
            let message = format!(
                "not an order: {error}; expected {{\"posture\": \"flood\" | \"key-period\", \"to\": \"on\" | \"off\" | \"auto\", \"by\": …}}"
            );
            return problem(StatusCode::BAD_REQUEST, &message);
        }
    };
    if let Some(refused) = not_by(&caller, &order.by) {
        return refused;
    }
    match backend.posture(order).await {
        Answer::Lost => not_stored(),
        _ => postures(backend).await,
    }
}
