//! Cameras over the API: which there are, what they show now, and rules tried and applied for them.

use std::{collections::HashMap, future::Future};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, broadcast};

use super::{Backend, problem::problem, seen::Seen};
use crate::domain::LiveItem;

/// Trying a rule reads kept tracks, and a search floods the network: one of each at a time, whoever asks.
static TRIALS: Semaphore = Semaphore::const_new(1);
static SEARCHES: Semaphore = Semaphore::const_new(1);
/// Of a still: the source time of what it shows.
const AT: header::HeaderName = header::HeaderName::from_static("x-gridpost-at");

/// A picture of a camera, as JPEG.
#[derive(Clone, Debug)]
pub struct StillPicture {
    pub jpeg: Bytes,
    /// Source time of what it shows.
    pub at: Timestamp,
}

/// A viewer's part of a watched stream; when it goes, he has left.
pub struct LiveView {
    /// `sub` or `main`.
    pub stream: &'static str,
    /// What he begins with.
    pub begin: Vec<LiveItem>,
    /// What comes then.
    pub next: broadcast::Receiver<LiveItem>,
    /// Why there is nothing to begin with.
    pub why_not: Option<String>,
    /// Keeps it going.
    pub seat: Box<dyn Send>,
}

/// Why there is none, or nothing was done.
#[derive(Clone, Debug)]
pub enum DeskRefusal {
    NoSuchCamera,
    /// A part of its picture is private.
    Private,
    /// Not yet, or not now.
    NotNow(String),
    /// What was asked is wrong: each mistake.
    Wrong(Vec<String>),
    /// Somebody else was first, or it needs a second word; nothing was done.
    Refused(String),
    /// The disk.
    Failed(String),
}

/// What the console asks of cameras; the runtime answers.
pub trait CameraDesk {
    /// All of them with their rules, as JSON; blocks on the disk.
    fn cameras(&self) -> Value;
    /// Somebody begins to watch; `main`: the main stream, though there is a sub-stream.
    fn watch_live(&self, camera: &str, main: bool) -> Result<LiveView, DeskRefusal>;
    /// What it shows, at most so old as its key frames are apart.
    fn still(&self, camera: &str)
    -> impl Future<Output = Result<StillPicture, DeskRefusal>> + Send;
    /// What a rule would have raised, and what the present one would have; blocks on the disk.
    fn try_rule(&self, asked: Value) -> Result<Value, DeskRefusal>;
    /// Writes a rule over the hand-written file and reads it anew; answers when it is in effect.
    fn apply_rule(&self, asked: Value) -> impl Future<Output = Result<Value, DeskRefusal>> + Send;
    /// Goes back to what was applied before.
    fn undo_applied(&self, asked: Value)
    -> impl Future<Output = Result<Value, DeskRefusal>> + Send;
    /// Looks for cameras on the network; blocks for some seconds.
    fn find_cameras(&self) -> Result<Value, DeskRefusal>;
}

impl DeskRefusal {
    pub(super) fn answer(self) -> Response {
        match self {
            Self::NoSuchCamera => problem(StatusCode::NOT_FOUND, "no such camera"),
            Self::Private => problem(
                StatusCode::FORBIDDEN,
                "a part of its picture is private: it has stills, with that part black, and no live view",
            ),
            Self::NotNow(why) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
            Self::Wrong(all) => {
                let body = json!({ "error": all.join("; "), "problems": all });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
            Self::Refused(why) => problem(StatusCode::CONFLICT, &why),
            Self::Failed(why) => problem(StatusCode::INTERNAL_SERVER_ERROR, &why),
        }
    }
}

fn said(answer: Result<Value, DeskRefusal>) -> Response {
    answer.map_or_else(DeskRefusal::answer, |body| Json(body).into_response())
}

/// Work that blocks, on a thread for such.
async fn blocking(work: impl FnOnce() -> Result<Value, DeskRefusal> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => said(answer),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway stops"),
    }
}

fn body(bytes: &Bytes) -> Result<Value, DeskRefusal> {
    let value = serde_json::from_slice::<Value>(bytes).ok().filter(Value::is_object);
    value.ok_or_else(|| DeskRefusal::Wrong(vec!["expected a JSON object".into()]))
}

pub(super) async fn list<B: Backend>(
    backend: Seen<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(key) = query.keys().next() {
        return problem(StatusCode::BAD_REQUEST, &format!("{key}: no key is known here"));
    }
    blocking(move || Ok(backend.cameras())).await
}

pub(super) async fn still<B: Backend>(backend: Seen<B>, Path(camera): Path<String>) -> Response {
    match backend.still(&camera).await {
        Ok(still) => {
            let at = backend.context().time(still.at);
            let headers = [
                (header::CONTENT_TYPE, "image/jpeg".to_owned()),
                (header::CACHE_CONTROL, "no-store".to_owned()),
                (AT, at),
            ];
            (headers, still.jpeg).into_response()
        }
        Err(refusal) => refusal.answer(),
    }
}

pub(super) async fn try_rule<B: Backend>(backend: Seen<B>, bytes: Bytes) -> Response {
    let asked = match body(&bytes) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.answer(),
    };
    let Ok(turn) = TRIALS.try_acquire() else {
        let message = "a rule is being tried for somebody else: ask again in a moment";
        return problem(StatusCode::TOO_MANY_REQUESTS, message);
    };
    // The turn ends with the work, also where nobody waits for the answer any more.
    blocking(move || {
        let _turn = turn;
        backend.try_rule(asked)
    })
    .await
}

pub(super) async fn apply_rule<B: Backend>(backend: Seen<B>, bytes: Bytes) -> Response {
    match body(&bytes) {
        Ok(asked) => said(backend.apply_rule(asked).await),
        Err(refusal) => refusal.answer(),
    }
}

pub(super) async fn undo_applied<B: Backend>(backend: Seen<B>, bytes: Bytes) -> Response {
    match body(&bytes) {
        Ok(asked) => said(backend.undo_applied(asked).await),
        Err(refusal) => refusal.answer(),
    }
}

pub(super) async fn find<B: Backend>(backend: Seen<B>) -> Response {
    let Ok(turn) = SEARCHES.try_acquire() else {
        let message = "the network is being searched for somebody else: ask again in a moment";
        return problem(StatusCode::TOO_MANY_REQUESTS, message);
    };
    blocking(move || {
        let _turn = turn;
        backend.find_cameras()
    })
    .await
}
