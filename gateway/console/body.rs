//! The body of a request: read whole before anything is done with it, bounded in bytes and time.

use std::time::Duration;

use axum::{body::Body, extract::Request, http::StatusCode, middleware::Next, response::Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::problem::problem;

/// A reply is a few hundred bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// It is there in one go, over the slowest line.
const BODY_WITHIN: Duration = Duration::from_secs(15);

/// More than that of a body that is too large is not even read and dropped: its connection breaks.
const DROPPED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A body as it came.
enum Read {
    Whole(Bytes),
    /// It is read to its end all the same: who still writes hears nothing of an answer.
    TooLarge,
    BrokeOff,
}

/// Reads the body, which has to be there within a time: one byte a minute holds nothing up.
pub(super) async fn with_body(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_WITHIN, read(body)).await {
        Ok(Read::Whole(body)) => body,
        Ok(Read::TooLarge) => {
            let most = format!("expected at most {BODY_BYTES_MAX} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, &most);
        }
        Ok(Read::BrokeOff) => return problem(StatusCode::BAD_REQUEST, "the body broke off"),
        Err(_) => {
            let late = format!("the body was not there within {} s", BODY_WITHIN.as_secs());
            return problem(StatusCode::REQUEST_TIMEOUT, &late);
        }
    };
    next.run(Request::from_parts(head, body.into())).await
}

async fn read(mut body: Body) -> Read {
    let (mut kept, mut bytes) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::BrokeOff };
        let Ok(data) = frame.into_data() else { continue };
        bytes = bytes.saturating_add(data.len());
        if bytes > DROPPED_BYTES_MAX {
            break;
        }
        if bytes <= BODY_BYTES_MAX {
            kept.extend_from_slice(&data);
        } else {
            kept.clear();
        }
    }
    match bytes <= BODY_BYTES_MAX {
        true => Read::Whole(kept.freeze()),
        false => Read::TooLarge,
    }
}
