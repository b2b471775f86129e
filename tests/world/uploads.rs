//! Where the real receiver keeps evidence: `HEAD` says how much of a piece is there, `PUT` adds to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::put,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

/// What goes wrong with the next upload, once, after so many of its bytes were kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UploadFault {
    Drop(usize),
    Stall(usize),
}

#[derive(Default)]
struct Inner {
    pieces: BTreeMap<String, Vec<u8>>,
    /// Headers of each PUT, and how many bytes it brought.
    puts: Vec<(HeaderMap, usize)>,
    heads: usize,
    fault: Option<UploadFault>,
    /// Answers to HEAD so, whatever is there.
    head: Option<(u16, Option<u64>)>,
    /// Answers to PUT so, and keeps nothing.
    refuse: Option<u16>,
    /// Takes so long over each piece of a body that comes.
    slow: Option<Duration>,
}

#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<Inner>>);

impl Uploads {
    pub(super) fn routes(&self) -> Router {
        Router::new().route("/evidence/{id}", put(take).head(ask)).with_state(self.clone())
    }

    pub(crate) fn piece(&self, id: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().pieces.get(id).cloned()
    }

    pub(crate) fn puts(&self) -> Vec<(HeaderMap, usize)> {
        self.0.lock().unwrap().puts.clone()
    }

    pub(crate) fn heads(&self) -> usize {
        self.0.lock().unwrap().heads
    }

    /// Something is there already.
    pub(crate) fn keep(&self, id: &str, bytes: &[u8]) {
        self.0.lock().unwrap().pieces.insert(id.into(), bytes.into());
    }

    pub(crate) fn fault(&self, fault: UploadFault) {
        self.0.lock().unwrap().fault = Some(fault);
    }

    pub(crate) fn answer_head(&self, answer: Option<(u16, Option<u64>)>) {
        self.0.lock().unwrap().head = answer;
    }

    pub(crate) fn slow(&self, pause: Duration) {
        self.0.lock().unwrap().slow = Some(pause);
    }

    pub(crate) fn refuse(&self, code: Option<u16>) {
        self.0.lock().unwrap().refuse = code;
    }
}

async fn ask(State(uploads): State<Uploads>, Path(id): Path<String>) -> (StatusCode, HeaderMap) {
    let mut inner = uploads.0.lock().unwrap();
    inner.heads += 1;
    let there = inner.pieces.get(&id).map(|bytes| (200, Some(bytes.len() as u64)));
    let (code, offset) = inner.head.or(there).unwrap_or((404, None));
    let offset = offset.map(|offset| ("upload-offset".parse().unwrap(), HeaderValue::from(offset)));
    (StatusCode::from_u16(code).unwrap(), offset.into_iter().collect())
}

async fn take(
    State(uploads): State<Uploads>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let (from, fault) = {
        let mut inner = uploads.0.lock().unwrap();
        inner.puts.push((headers.clone(), 0));
        if let Some(code) = inner.refuse {
            return StatusCode::from_u16(code).unwrap();
        }
        (first_byte(&headers), inner.fault.take())
    };
    let nth = {
        let mut inner = uploads.0.lock().unwrap();
        let piece = inner.pieces.entry(id.clone()).or_default();
        match from {
            None => piece.clear(),
            Some(from) if from == piece.len() => {}
            Some(_) => return StatusCode::RANGE_NOT_SATISFIABLE,
        }
        inner.puts.len() - 1
    };
    let mut body = body.into_data_stream();
    while let Some(Ok(chunk)) = body.next().await {
        let stop = {
            let mut inner = uploads.0.lock().unwrap();
            let before = inner.puts[nth].1;
            let max = match fault {
                Some(UploadFault::Drop(bytes) | UploadFault::Stall(bytes)) => bytes - before,
                None => usize::MAX,
            };
            let kept = chunk.len().min(max);
            inner.pieces.get_mut(&id).unwrap().extend_from_slice(&chunk[..kept]);
            inner.puts[nth].1 += kept;
            kept == max
        };
        let slow = uploads.0.lock().unwrap().slow;
        if let Some(pause) = slow {
            tokio::time::sleep(pause).await;
        }
        match fault {
            // Ends the connection's task, quietly.
            Some(UploadFault::Drop(_)) if stop => std::panic::resume_unwind(Box::new("dropped")),
            Some(UploadFault::Stall(_)) if stop => std::future::pending().await,
            _ => {}
        }
    }
    let inner = uploads.0.lock().unwrap();
    let sum = STANDARD.encode(Sha256::digest(&inner.pieces[&id]));
    let said = headers.get("repr-digest").map(|value| value.to_str().unwrap().to_owned());
    if said != Some(format!("sha-256=:{sum}:")) {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    StatusCode::CREATED
}

fn first_byte(headers: &HeaderMap) -> Option<usize> {
    let range = headers.get("content-range")?.to_str().unwrap();
    range.strip_prefix("bytes ").unwrap().split('-').next().unwrap().parse().ok()
}
