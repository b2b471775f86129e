//! The body of a request: read whole before anything is done with it, bounded in bytes and time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

use super::problem::problem;

/// A reply is a few hundred bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// A picture of a phone, and the form around it.
pub(super) const PICTURE_BODY_BYTES_MAX: usize = 5 * 1024 * 1024 + BODY_BYTES_MAX;
/// So many of these are held at once.
const PICTURE_BODIES_MAX: usize = 4;
/// It is there in one go, over the slowest line.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// A picture takes longer.
const PICTURE_WITHIN: Duration = Duration::from_secs(120);
/// What is too large is read to its end, up to here, and let go as it comes: who is still writing would see
/// a connection that breaks, and not the answer.
const DROPPED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The same where the sender does not say how long it is: it may have no end.
const DROPPED_UNSAID_BYTES_MAX: usize = 16 * 1024 * 1024;
/// So long one waits for a place among those who send pictures.
const PLACE_WITHIN: Duration = Duration::from_secs(20);
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
    /// Too many pictures were on their way, for as long as one waits.
    NoPlace,
}

/// Places for bodies that may hold a picture: a few at once. Who sends none waits for nobody.
pub(super) struct PicturePlaces(Semaphore);

/// A body, and the place that it has for as long as this is there.
pub(super) struct PlacedBody<'p> {
    pub(super) bytes: Bytes,
    pub(super) place: Option<SemaphorePermit<'p>>,
}

impl PicturePlaces {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new(PICTURE_BODIES_MAX))
    }

    /// Reads a body whole: a small one at once, any other when it has a place.
    pub(super) async fn read(
        &self,
        body: Body,
        headers: &HeaderMap,
    ) -> Result<PlacedBody<'_>, NoBody> {
        let body = match said_length(headers) {
            Some(said) if said <= BODY_BYTES_MAX => {
                let bytes = read(body, headers, BODY_BYTES_MAX, BODY_WITHIN).await?;
                return Ok(PlacedBody { bytes, place: None });
            }
            Some(_) => body,
            // Whoever does not say how long it is may be small too.
            None => match begin(body).await? {
                Begun::Whole(bytes) => return Ok(PlacedBody { bytes, place: None }),
                Begun::Large(body) => body,
            },
        };
        let Ok(Ok(place)) = timeout(PLACE_WITHIN, self.0.acquire()).await else {
            drop_rest(body, 0).await;
            return Err(NoBody::NoPlace);
        };
        let bytes = read(body, headers, PICTURE_BODY_BYTES_MAX, PICTURE_WITHIN).await?;
        Ok(PlacedBody { bytes, place: Some(place) })
    }
}

/// The begin of a body whose length nobody said.
enum Begun {
    /// It is small, and all there.
    Whole(Bytes),
    /// It is large or slow: all of it, what was read and what comes.
    Large(Body),
}

async fn begin(mut body: Body) -> Result<Begun, NoBody> {
    let (mut kept, until) = (Vec::new(), Instant::now() + BODY_WITHIN);
    while kept.len() <= BODY_BYTES_MAX {
        match timeout_at(until, body.frame()).await {
            Ok(None) => return Ok(Begun::Whole(kept.into())),
            Ok(Some(Err(_))) => return Err(NoBody::BrokeOff),
            Ok(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    kept.extend_from_slice(data);
                }
            }
            Err(_) => break,
        }
    }
    let begun = stream::iter([Ok::<_, axum::Error>(Bytes::from(kept))]);
    Ok(Begun::Large(Body::from_stream(begun.chain(body.into_data_stream()))))
}

/// Reads the body, which has to be there within a time: one byte a minute holds nothing up.
pub(super) async fn with_body(request: Request, next: Next) -> Response {
    bounded(request, next, BODY_BYTES_MAX, BODY_WITHIN).await
}

/// As [`with_body`], for a picture beside it: a few at once, the others wait for their turn, and who sends
/// none waits for nobody.
pub(super) async fn with_picture_body(request: Request, next: Next) -> Response {
    static PLACES: PicturePlaces = PicturePlaces::new();
    let (head, body) = request.into_parts();
    match PLACES.read(body, &head.headers).await {
        Ok(PlacedBody { bytes, place }) => {
            let answer = next.run(Request::from_parts(head, bytes.into())).await;
            drop(place);
            answer
        }
        Err(why) => refused(why, PICTURE_BODY_BYTES_MAX, PICTURE_WITHIN),
    }
}

async fn bounded(request: Request, next: Next, most: usize, within: Duration) -> Response {
    let (head, body) = request.into_parts();
    match read(body, &head.headers, most, within).await {
        Ok(body) => next.run(Request::from_parts(head, body.into())).await,
        Err(why) => refused(why, most, within),
    }
}

fn refused(why: NoBody, most: usize, within: Duration) -> Response {
    match why {
        NoBody::TooLarge => {
            problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("expected at most {most} bytes"))
        }
        NoBody::BrokeOff => problem(StatusCode::BAD_REQUEST, "the body broke off"),
        NoBody::Late => {
            let late = format!("the body was not there within {} s", within.as_secs());
            problem(StatusCode::REQUEST_TIMEOUT, &late)
        }
        NoBody::NoPlace => {
            let busy = format!(
                "{PICTURE_BODIES_MAX} pictures are on their way, and none was done within {} s: nothing was taken, send it again, or without its picture",
                PLACE_WITHIN.as_secs()
            );
            let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, &busy);
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("20"));
            answer
        }
    }
}

/// Bytes, by the sender's own word.
fn said_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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

    fn small(said: bool) -> (Body, HeaderMap) {
        let mut headers = HeaderMap::new();
        if said {
            headers.insert(header::CONTENT_LENGTH, 2.into());
        }
        (Body::from_stream(stream::iter([Ok::<_, std::io::Error>("{}")])), headers)
    }

    #[tokio::test(start_paused = true)]
    async fn p11_who_sends_no_picture_waits_for_nobody_and_who_does_is_told_after_a_while() {
        let places = PicturePlaces::new();
        let large = |bytes: usize| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, bytes.into());
            (Body::from(vec![b'x'; bytes]), headers)
        };
        let begun = Instant::now();
        let mut held = Vec::new();
        for bytes in [BODY_BYTES_MAX + 1, PICTURE_BODY_BYTES_MAX, 100_000, 100_000] {
            let (body, headers) = large(bytes);
            let read = places.read(body, &headers).await.unwrap_or_else(|why| panic!("{why:?}"));
            assert_eq!((read.bytes.len(), read.place.is_some()), (bytes, true));
            held.push(read);
        }
        for said in [true, false] {
            let (body, headers) = small(said);
            let read = places.read(body, &headers).await.unwrap_or_else(|why| panic!("{why:?}"));
            assert_eq!((&read.bytes[..], read.place.is_none()), (&b"{}"[..], true), "{said}");
        }
        let (body, headers) = large(BODY_BYTES_MAX);
        assert!(places.read(body, &headers).await.is_ok_and(|read| read.place.is_none()));
        assert_eq!(begun.elapsed(), Duration::ZERO, "none of them waited");
        let unsaid = stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 100_000])]);
        let unsaid = (Body::from_stream(unsaid), HeaderMap::new());
        for (body, headers) in [large(BODY_BYTES_MAX + 1), unsaid] {
            let begun = Instant::now();
            assert_eq!(places.read(body, &headers).await.err(), Some(NoBody::NoPlace));
            let waited = begun.elapsed();
            assert!((PLACE_WITHIN..2 * PLACE_WITHIN).contains(&waited), "{waited:?}");
        }
        held.pop();
        let (body, headers) = large(100_000);
        assert!(places.read(body, &headers).await.is_ok_and(|read| read.bytes.len() == 100_000));
        // A slow one whose length nobody said has the time of a picture.
        let bytes = stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            (n < 10).then(|| (Ok::<_, std::io::Error>(vec![b'x'; 100]), n + 1))
        });
        let read = places.read(Body::from_stream(bytes), &HeaderMap::new()).await;
        assert!(read.is_ok_and(|read| read.bytes.len() == 1_000));
    }
}
