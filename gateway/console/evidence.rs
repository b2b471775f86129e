//! `GET /api/v1/evidence/<id>`: the file itself, with one byte range, so that a clip seeks.

use std::io::SeekFrom;

use axum::{
    Extension,
    body::Body,
    extract::Path,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{Backend, caller::Caller, problem::problem, seen::Seen};

/// Read and sent at a time.
const CHUNK_BYTES: u64 = 64 * 1024;

pub(super) async fn serve<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    send(&backend, &id, Looked::By(&caller.name()), (&method, &headers)).await
}

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Looked<'l> {
    /// It is to be written down.
    By(&'l str),
    /// It is written down.
    Before,
}

/// The file, once it is written down that this one looked at it.
pub(super) async fn send<B: Backend>(
    backend: &B,
    id: &str,
    looked: Looked<'_>,
    (method, headers): (&Method, &HeaderMap),
) -> Response {
    let Some((path, evidence)) = id.parse().ok().and_then(|id| backend.evidence(id)) else {
        return problem(StatusCode::NOT_FOUND, "no such evidence");
    };
    let Ok(mut file) = File::open(&path).await else {
        return problem(StatusCode::GONE, "its file is gone (retention)");
    };
    let size = file.metadata().await.map_or(0, |metadata| metadata.len());
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, start, end) = match range.map(|range| parse_range(range, size)) {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, size),
        Some(Range::Part(start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
        Some(Range::Outside) => {
            let whole = format!("bytes */{size}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, whole)])
                .into_response();
        }
    };
    if let Looked::By(by) = looked
        && !backend.look(evidence.id, by).await
    {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "that it was read cannot be written down");
    }
    if file.seek(SeekFrom::Start(start)).await.is_err() {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "its file cannot be read");
    }
    let body = if *method == Method::HEAD { Body::empty() } else { stream_file(file, end - start) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut put = |name, value: String| {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, evidence.media_type.clone());
    put(header::CONTENT_LENGTH, (end - start).to_string());
    put(header::ACCEPT_RANGES, "bytes".into());
    put(header::ETAG, format!("\"{}\"", evidence.sha256));
    put(header::CACHE_CONTROL, "private, max-age=86400".into());
    if status == StatusCode::PARTIAL_CONTENT {
        put(header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1));
    }
    response
}

/// So many bytes of a file, from where it stands.
pub(super) fn stream_file(file: File, bytes: u64) -> Body {
    Body::from_stream(stream::unfold((file, bytes), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut chunk = vec![0; usize::try_from(left.min(CHUNK_BYTES)).unwrap_or(0)];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(n) => {
                chunk.truncate(n);
                Some((Ok::<_, std::io::Error>(chunk), (file, left - n as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    }))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// First byte, and the one after the last.
    Part(u64, u64),
    Outside,
    /// Several ranges or another unit: the whole is a right answer (RFC 9110, 14.2).
    Ignored,
}

/// First byte, and the one after the last; None: outside, or not understood.
pub(super) fn part(text: &str, size: u64) -> Option<(u64, u64)> {
    match parse_range(text, size) {
        Range::Part(start, end) => Some((start, end)),
        Range::Outside | Range::Ignored => None,
    }
}

fn parse_range(text: &str, size: u64) -> Range {
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Range::Ignored;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (number(from), number(to)) {
        (Some(start), None) if to.trim().is_empty() => (start, size),
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(size)),
        (None, Some(tail)) if from.trim().is_empty() => (size.saturating_sub(tail), size),
        _ => return Range::Ignored,
    };
    if start < end { Range::Part(start, end) } else { Range::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        for (text, expected) in [
            ("bytes=0-", Range::Part(0, 100)),
            ("bytes=10-19", Range::Part(10, 20)),
            ("bytes=90-500", Range::Part(90, 100)),
            ("bytes=-10", Range::Part(90, 100)),
            ("bytes=100-", Range::Outside),
            ("bytes=5-2", Range::Ignored),
            ("bytes=0-1,4-5", Range::Ignored),
            ("lines=1-2", Range::Ignored),
        ] {
            assert_eq!(parse_range(text, 100), expected, "{text}");
        }
    }
}
