//! The body of a request: read whole before anything is done with it, bounded in bytes and time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::problem::problem;

/// A reply is a few hundred bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// A picture of a phone, and the form around it.
pub(super) const PICTURE_BODY_BYTES_MAX: usize = 5 * 1024 * 1024 + BODY_BYTES_MAX;
/// So many of these are held at once.
pub(super) const PICTURE_BODIES_MAX: usize = 4;
/// It is there in one go, over the slowest line.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// A picture takes longer.
const PICTURE_WITHIN: Duration = Duration::from_secs(120);
/// What is too large is read to its end, up to here, and let go as it comes: who is still writing would see
/// a connection that breaks, and not the answer.
const DROPPED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The same where the sender does not say how long it is: it may have no end.
const DROPPED_UNSAID_BYTES_MAX: usize = 16 * 1024 * 1024;
/// And so long.
const DROPPED_WITHIN: Duration = Duration::from_secs(30);

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBody {
    /// It has more bytes than may be.
    TooLarge,
    /// It was not there in time.
    Late,
    /// The connection broke, or it was no HTTP.
    BrokeOff,
}

/// Reads the body, which has to be there within a time: one byte a minute holds nothing up.
pub(super) async fn with_body(request: Request, next: Next) -> Response {
    bounded(request, next, BODY_BYTES_MAX, BODY_WITHIN).await
}

/// As [`with_body`], for a picture beside it: a few at once, the others wait for their turn.
pub(super) async fn with_picture_body(request: Request, next: Next) -> Response {
    static PICTURES: Semaphore = Semaphore::const_new(PICTURE_BODIES_MAX);
    let _place = PICTURES.acquire().await;
    bounded(request, next, PICTURE_BODY_BYTES_MAX, PICTURE_WITHIN).await
}

async fn bounded(request: Request, next: Next, most: usize, within: Duration) -> Response {
    let (head, body) = request.into_parts();
    match read(body, &head.headers, most, within).await {
        Ok(body) => next.run(Request::from_parts(head, body.into())).await,
        Err(NoBody::TooLarge) => {
            problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("expected at most {most} bytes"))
        }
        Err(NoBody::BrokeOff) => problem(StatusCode::BAD_REQUEST, "the body broke off"),
        Err(NoBody::Late) => {
            let late = format!("the body was not there within {} s", within.as_secs());
            problem(StatusCode::REQUEST_TIMEOUT, &late)
        }
    }
}

/// Bytes, by the sender's own word.
fn said_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body says itself that no picture can be in it.
pub(super) fn is_small(headers: &HeaderMap) -> bool {
    said_length(headers).is_some_and(|said| said <= BODY_BYTES_MAX)
}

/// The body of a form without a picture.
pub(super) async fn small_body(body: Body, headers: &HeaderMap) -> Result<Bytes, NoBody> {
    read(body, headers, BODY_BYTES_MAX, BODY_WITHIN).await
}

/// The body of a form with a picture.
pub(super) async fn picture_body(body: Body, headers: &HeaderMap) -> Result<Bytes, NoBody> {
    read(body, headers, PICTURE_BODY_BYTES_MAX, PICTURE_WITHIN).await
}

/// Reads on and keeps nothing, up to a bound, for who is answered before his body is wanted: he hears why.
/// `read`: bytes of it that were read before.
pub(super) async fn drop_rest(mut body: Body, mut read: usize) {
    let rest = async {
        while read < DROPPED_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Late or not, the answer is the same.
    let _ = tokio::time::timeout(DROPPED_WITHIN, rest).await;
}

async fn read(
    body: Body,
    headers: &HeaderMap,
    most: usize,
    within: Duration,
) -> Result<Bytes, NoBody> {
    let said = said_length(headers);
    let is_large = said.is_some_and(|said| said > most);
    let dropped_max = said.map_or(DROPPED_UNSAID_BYTES_MAX, |_| DROPPED_BYTES_MAX);
    if said.is_some_and(|said| said > dropped_max) {
        return Err(NoBody::TooLarge);
    }
    match tokio::time::timeout(within, read_all(body, most, is_large, dropped_max)).await {
        Ok(read) => read,
        Err(_) if is_large => Err(NoBody::TooLarge),
        Err(_) => Err(NoBody::Late),
    }
}

/// `drops`: it is too large by its own word, and nothing of it is kept.
async fn read_all(
    mut body: Body,
    most: usize,
    mut drops: bool,
    dropped_max: usize,
) -> Result<Bytes, NoBody> {
    let (mut kept, mut seen) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(if drops { NoBody::TooLarge } else { NoBody::BrokeOff });
        };
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        drops |= seen > most;
        if drops {
            kept = Vec::new();
        } else {
            kept.extend_from_slice(&data);
        }
        if seen > dropped_max {
            break;
        }
    }
    if drops { Err(NoBody::TooLarge) } else { Ok(kept.into()) }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn reads(chunks: usize, said: Option<usize>) -> Result<usize, NoBody> {
        const CHUNK: usize = 1024;
        let all = stream::iter((0..chunks).map(|_| Ok::<_, std::io::Error>(vec![b'x'; CHUNK])));
        let mut headers = HeaderMap::new();
        if let Some(said) = said {
            headers.insert(header::CONTENT_LENGTH, said.into());
        }
        let read = read(Body::from_stream(all), &headers, BODY_BYTES_MAX, BODY_WITHIN).await;
        read.map(|bytes| bytes.len())
    }

    #[tokio::test]
    async fn what_is_too_large_is_read_to_its_end_and_kept_nowhere() {
        assert_eq!(reads(0, None).await, Ok(0));
        assert_eq!(reads(64, None).await, Ok(BODY_BYTES_MAX));
        assert_eq!(reads(65, None).await, Err(NoBody::TooLarge));
        assert_eq!(reads(65, Some(65 * 1024)).await, Err(NoBody::TooLarge));
        assert_eq!(reads(10_240, None).await, Err(NoBody::TooLarge));
        // It would never end: it is answered after a bound, or before its first byte.
        assert_eq!(reads(usize::MAX, None).await, Err(NoBody::TooLarge));
        assert_eq!(reads(0, Some(usize::MAX)).await, Err(NoBody::TooLarge));
    }
}
