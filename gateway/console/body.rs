//! The body of a request: read whole before anything is done with it, bounded in bytes and time.

use std::time::Duration;

use axum::{extract::Request, http::StatusCode, middleware::Next, response::Response};

use super::problem::problem;

/// A reply is a few hundred bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// It is there in one go, over the slowest line.
const BODY_WITHIN: Duration = Duration::from_secs(15);

/// Reads the body, which has to be there within a time: one byte a minute holds nothing up.
pub(super) async fn with_body(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let read = axum::body::to_bytes(body, BODY_BYTES_MAX);
    let body = match tokio::time::timeout(BODY_WITHIN, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let large = std::error::Error::source(&error)
                .is_some_and(|error| error.is::<http_body_util::LengthLimitError>());
            return if large {
                let most = format!("expected at most {BODY_BYTES_MAX} bytes");
                problem(StatusCode::PAYLOAD_TOO_LARGE, &most)
            } else {
                problem(StatusCode::BAD_REQUEST, "the body broke off")
            };
        }
        Err(_) => {
            let late = format!("the body was not there within {} s", BODY_WITHIN.as_secs());
            return problem(StatusCode::REQUEST_TIMEOUT, &late);
        }
    };
    next.run(Request::from_parts(head, body.into())).await
}
