//! Cameras over the API: which there are, what they show now, and rules tried and applied for them.

use std::collections::HashMap;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    Backend,
    account_routes::PeerAddress,
    caller::Caller,
    desk_view::{CameraDesk, DeskRefusal, NewButton, NewCamera},
    door::Door,
    problem::{problem, stopping},
    replies::not_by,
    seen::Seen,
};
use crate::domain::AccessEvent;

/// Trying a rule reads kept tracks, and a search floods the network: one of each at a time, whoever asks.
static TRIALS: Semaphore = Semaphore::const_new(1);
static SEARCHES: Semaphore = Semaphore::const_new(1);
static ADDITIONS: Semaphore = Semaphore::const_new(1);
/// Of a still: the source time of what it shows.
const AT: header::HeaderName = header::HeaderName::from_static("x-gridpost-at");

fn said(answer: Result<Value, DeskRefusal>) -> Response {
    answer.map_or_else(DeskRefusal::answer, |body| Json(body).into_response())
}

/// Work that blocks, on a thread for such.
async fn blocking(work: impl FnOnce() -> Result<Value, DeskRefusal> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => said(answer),
        Err(_) => stopping(),
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

/// What an account asks for is by its own name: it stands in the journal and over the rules.
fn signed(bytes: &Bytes, caller: &Caller) -> Result<Value, Box<Response>> {
    let mut asked = body(bytes).map_err(|refusal| Box::new(refusal.answer()))?;
    if let Some(account) = caller.account() {
        let by = asked["by"].as_str().unwrap_or(&account.name);
        if let Some(refused) = not_by(caller, by) {
            return Err(refused.into());
        }
        asked["by"] = account.name.as_str().into();
    }
    Ok(asked)
}

/// The same in its shape; `expected` are the keys that it needs.
fn signed_as<T: DeserializeOwned>(
    bytes: &Bytes,
    caller: &Caller,
    expected: &str,
) -> Result<T, Box<Response>> {
    serde_json::from_value(signed(bytes, caller)?).map_err(|error| {
        Box::new(DeskRefusal::Wrong(vec![format!("{error}; expected {expected}")]).answer())
    })
}

pub(super) async fn apply_rule<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Response {
    match signed(&bytes, &caller) {
        Ok(asked) => said(backend.apply_rule(asked).await),
        Err(refused) => *refused,
    }
}

pub(super) async fn undo_applied<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Response {
    match signed(&bytes, &caller) {
        Ok(asked) => said(backend.undo_applied(asked).await),
        Err(refused) => *refused,
    }
}

pub(super) async fn add<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Response {
    let asked = match signed_as::<NewCamera>(&bytes, &caller, "on, id, and url or onvif") {
        Ok(asked) => asked,
        Err(refused) => return *refused,
    };
    // Its password is in a file before its section is: two at once would clear away each other's.
    let Ok(_turn) = ADDITIONS.try_acquire() else {
        let message = "a camera is being added by somebody else: ask again in a moment";
        return problem(StatusCode::TOO_MANY_REQUESTS, message);
    };
    said(backend.add_camera(asked).await)
}

pub(super) async fn add_button<B: Backend>(
    backend: Seen<B>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Response {
    match signed_as::<NewButton>(&bytes, &caller, "on, id and name") {
        Ok(asked) => said(backend.add_button(asked).await),
        Err(refused) => *refused,
    }
}

/// That it is done is in the journal before anything is sent.
pub(super) async fn find<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
) -> Response {
    let backend = Seen::by(&door.backend, &caller);
    let Ok(turn) = SEARCHES.try_acquire() else {
        let message = "the network is being searched for somebody else: ask again in a moment";
        return problem(StatusCode::TOO_MANY_REQUESTS, message);
    };
    let (what, peer) = (AccessEvent::CamerasSought, peer.map(|Extension(peer)| peer));
    door.audit.note(&door.backend, what, ("", &caller.name()), peer).await;
    blocking(move || {
        let _turn = turn;
        backend.find_cameras()
    })
    .await
}
