//! Evidence upward: `HEAD` asks what the other end has, `PUT` sends the rest; the file is streamed.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use reqwest::{
    Body, Method, Response, StatusCode,
    header::{self, HeaderMap},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
    sync::watch,
};

use super::{
    Config,
    link::{self, Judgement, Link, judge},
};
use crate::{
    domain::{Evidence, IncidentId},
    sinks::sink::DeliverError,
};

/// The part of the file that is in memory at a time, bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A connection of its own that puts evidence at `evidence_url`.
pub struct Uploader {
    link: Link,
    base: url::Url,
    /// Emergencies under way; while there is one, nothing is sent.
    urgent: watch::Receiver<usize>,
}

/// How an upload ended that did not break.
enum Put {
    Done,
    /// The other end no longer takes it from the byte that it had named.
    Anew,
}

impl Uploader {
    pub(in crate::sinks) fn new(config: &Config, base: url::Url) -> Self {
        Self { link: Link::new(config), base, urgent: watch::channel(0).1 }
    }

    pub(in crate::sinks) fn yield_to(&mut self, urgent: watch::Receiver<usize>) {
        self.urgent = urgent;
    }

    /// Ok when the other end has all of it.
    pub(in crate::sinks) async fn upload(
        &mut self,
        incident: IncidentId,
        evidence: &Evidence,
        path: &Path,
    ) -> Result<(), DeliverError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().push(&evidence.id.to_string())),
            Err(()) => return Err(DeliverError::retry("evidence_url has no path")),
        }
        let there = self.there(&url, evidence.bytes).await?;
        if there == evidence.bytes {
            return Ok(());
        }
        match self.put(&url, incident, evidence, path, there).await? {
            Put::Done => Ok(()),
            Put::Anew => match self.put(&url, incident, evidence, path, 0).await? {
                Put::Done => Ok(()),
                Put::Anew => Err(DeliverError::retry("answered 416 to the whole file")),
            },
        }
    }

    /// How many bytes of it the other end has.
    async fn there(&mut self, url: &url::Url, bytes: u64) -> Result<u64, DeliverError> {
        let request = self.link.request(Method::HEAD, url.clone())?.timeout(self.link.within);
        let answer = request.send().await.map_err(|error| self.link.broken(error))?;
        match answer.status().as_u16() {
            200..=299 => Ok(held(answer.headers(), bytes)),
            // It has nothing, or does not know HEAD; the answer to the PUT decides.
            400 | 404 | 405 | 410 | 413 | 415 | 422 | 501 => Ok(0),
            _ => Err(link::later(answer).await),
        }
    }

    async fn put(
        &mut self,
        url: &url::Url,
        incident: IncidentId,
        evidence: &Evidence,
        path: &Path,
        from: u64,
    ) -> Result<Put, DeliverError> {
        let size = evidence.bytes;
        let file = open(path, size, from).await?;
        let progress = Arc::new(AtomicU64::new(0));
        let mut request = self
            .link
            .request(Method::PUT, url.clone())?
            .header(header::CONTENT_TYPE, &evidence.media_type)
            .header(header::CONTENT_LENGTH, size - from)
            .header("Repr-Digest", format!("sha-256=:{}:", digest(&evidence.sha256)?))
            .header("Idempotency-Key", evidence.id.to_string())
            .header("Gridpost-Incident", incident.to_string())
            .body(stream(file, size - from, progress.clone(), self.urgent.clone()));
        if from > 0 {
            let range = format!("bytes {from}-{}/{size}", size - 1);
            request = request.header(header::CONTENT_RANGE, range);
        }
        let answer = tokio::select! {
            answer = request.send() => answer.map_err(|error| self.link.broken(error))?,
            () = stalled(&progress, self.link.within, &self.urgent) => {
                let sent = from + progress.load(Ordering::Relaxed);
                return Err(DeliverError::retry(format!(
                    "evidence: no progress within {:?} at byte {sent} of {size}", self.link.within
                )));
            }
        };
        self.judge_put(answer, from, size - from == progress.load(Ordering::Relaxed)).await
    }

    async fn judge_put(
        &self,
        answer: Response,
        from: u64,
        sent_all: bool,
    ) -> Result<Put, DeliverError> {
        let status = answer.status();
        match judge(status) {
            // Of a part, "conflict" means that it does not fit what is there: ask again.
            Judgement::Delivered if status == StatusCode::CONFLICT && from > 0 => {
                Err(link::later(answer).await)
            }
            Judgement::Delivered if status.is_success() && !sent_all => {
                Err(DeliverError::retry(format!("answered {status} before it had the whole file")))
            }
            Judgement::Delivered => {
                link::drain(answer).await;
                Ok(Put::Done)
            }
            Judgement::Later if status == StatusCode::RANGE_NOT_SATISFIABLE && from > 0 => {
                link::drain(answer).await;
                Ok(Put::Anew)
            }
            Judgement::Refused => Err(link::refusal(answer).await),
            Judgement::Later => Err(link::later(answer).await),
        }
    }
}

/// How many bytes of a file of this size a `HEAD` says that it holds; a number that cannot be true
/// counts as none.
fn held(headers: &HeaderMap, size: u64) -> u64 {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    match (number("upload-offset"), number("content-length")) {
        (Some(offset), _) if offset <= size => offset,
        (None, Some(length)) if length == size => size,
        _ => 0,
    }
}

/// The file from this byte on, if it is still what was recorded.
async fn open(path: &Path, size: u64, from: u64) -> Result<File, DeliverError> {
    let failure = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            DeliverError::Reject { answer: crate::sinks::sink::FILE_MISSING.into() }
        }
        _ => DeliverError::retry(format!("{}: cannot be read: {error}", path.display())),
    };
    let mut file = File::open(path).await.map_err(failure)?;
    let is = file.metadata().await.map_err(failure)?.len();
    if is != size {
        return Err(DeliverError::Reject {
            answer: format!("its file has {is} bytes, {size} were recorded"),
        });
    }
    file.seek(SeekFrom::Start(from)).await.map_err(failure)?;
    Ok(file)
}

/// Never more than one chunk in memory; `progress` counts what was handed to the network.
fn stream(
    file: File,
    bytes: u64,
    progress: Arc<AtomicU64>,
    urgent: watch::Receiver<usize>,
) -> Body {
    let state = (file.take(bytes), progress, urgent);
    Body::wrap_stream(try_unfold(state, |(mut file, progress, mut urgent)| async move {
        // The sender is dropped only when the gateway stops.
        let _ = urgent.wait_for(|under_way| *under_way == 0).await;
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        progress.fetch_add(read as u64, Ordering::Relaxed);
        let next = (read > 0).then(|| (Bytes::from(chunk), (file, progress, urgent)));
        Ok::<_, std::io::Error>(next)
    }))
}

/// Returns after a time without progress in which no emergency held the upload back.
async fn stalled(
    progress: &AtomicU64,
    within: std::time::Duration,
    urgent: &watch::Receiver<usize>,
) {
    let mut before = None;
    loop {
        let now = Some(progress.load(Ordering::Relaxed)).filter(|_| *urgent.borrow() == 0);
        if before.is_some() && before == now {
            return;
        }
        before = now;
        tokio::time::sleep(within).await;
    }
}

/// Hex as the record has it → base64 as RFC 9530 wants it.
fn digest(hex: &str) -> Result<String, DeliverError> {
    let byte = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 32);
    let bytes = bytes.ok_or_else(|| DeliverError::Reject {
        answer: format!("its sha256 is `{hex}`; expected 64 hex digits"),
    })?;
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_end_holds_is_believed_only_if_it_can_be() {
        for (offset, length, expected) in [
            (Some("40"), None, 40),
            (Some("40"), Some("0"), 40),
            (Some("100"), None, 100),
            (Some("101"), None, 0),
            (Some("many"), Some("100"), 100),
            (None, Some("100"), 100),
            (None, Some("99"), 0),
            (None, None, 0),
        ] {
            let mut headers = HeaderMap::new();
            let said = [("upload-offset", offset), ("content-length", length)];
            for (name, value) in said.into_iter().filter_map(|(n, value)| Some((n, value?))) {
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(held(&headers, 100), expected, "{offset:?} {length:?}");
        }
    }

    #[test]
    fn the_digest_is_that_of_rfc_9530() {
        // Of {"hello": "world"}, as RFC 9530 shows it.
        let hex = "5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1";
        let expected = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
        assert!(digest("12").is_err() && digest("zz").is_err());
        assert_eq!(digest(hex).unwrap(), expected);
    }
}
