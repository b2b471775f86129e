//! `GET /api/v1/cameras/<id>/live`: what a camera shows now, as fragments of an MP4 over a WebSocket a viewer.
//!
//! Viewers have a thread of their own, so that none of them holds up the feed of changes or an answer.
//! Nothing is queued for a viewer but the fragments that all share: who lags goes on at the next key frame.

use std::{
    collections::HashMap,
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Bytes,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket, close_code},
    },
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};
use tokio::sync::{broadcast::error::RecvError, watch};

use super::{
    Backend,
    caller::Caller,
    desk_view::{CameraDesk, LiveView},
    door::Door,
    problem::problem,
    query::unknown,
    seen::Seen,
    socket::{self, SENT_WITHIN, Seats},
};
use crate::{
    base::{OwnRuntime, stopped},
    domain::{LiveItem, LivePicture},
};

/// Viewers of all cameras at once.
pub(super) const VIEWERS_MAX: usize = 64;
/// Who has so many fragments waiting goes on at the next key frame.
const BEHIND_FRAGMENTS_MAX: usize = 25;
/// A viewer is asked so often whether what was sent has arrived.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// And gets no picture while he has not answered for so long: the line between is full.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1_500);
/// Which moment a picture is of is told so often.
const TIME_TOLD_EVERY_MS: i64 = 1_000;

pub(super) async fn serve<B: Backend>(
    State(door): State<Door<B>>,
    Extension(seats): Extension<Seats>,
    Extension(caller): Extension<Caller>,
    Path(camera): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let wrong = |message: &str| problem(StatusCode::BAD_REQUEST, message);
    if let Some(message) = unknown(&query, &["stream"]) {
        return wrong(&message);
    }
    let main = match query.get("stream").map(String::as_str) {
        None | Some("sub") => false,
        Some("main") => true,
        Some(other) => return wrong(&format!("stream={other}: expected sub or main")),
    };
    let Ok(upgrade) = upgrade else { return wrong("expected a WebSocket") };
    let Some(seat) = seats.take() else {
        let full = format!("all {VIEWERS_MAX} places for live views are taken");
        return problem(StatusCode::SERVICE_UNAVAILABLE, &full);
    };
    // Looked up here, so that a refusal is an answer and not a socket that closes.
    let view = match Seen::by(&door.backend, &caller).watch_live(&camera, main) {
        Ok(view) => view,
        Err(refusal) => return refusal.answer(),
    };
    socket::bounded(upgrade).on_upgrade(move |socket| async move {
        let viewer = Viewer { socket, door, caller, camera, waits_for_key: false, told_ms: None };
        static THREAD: OnceLock<OwnRuntime> = OnceLock::new();
        THREAD.get_or_init(|| OwnRuntime::start("live")).spawn(async move {
            let _seat = seat;
            viewer.serve(view, seats.stop).await;
        });
    })
}

/// Why a viewer is let go.
enum ViewEnd {
    /// He has gone, or takes nothing.
    Gone,
    /// The camera is no longer there, or its stream is another one: ask again.
    Ended,
    LoggedOut,
    Stopping,
}

struct Viewer<B> {
    socket: WebSocket,
    door: Door<B>,
    caller: Caller,
    camera: String,
    /// He has missed pictures: the next one he gets can be decoded alone.
    waits_for_key: bool,
    /// Of the last moment that was told, on the clock of the fragments.
    told_ms: Option<i64>,
}

impl<B: Backend> Viewer<B> {
    async fn serve(mut self, view: LiveView, stop: watch::Receiver<bool>) {
        let (code, word) = match self.show(view, stop).await {
            ViewEnd::Gone => return,
            ViewEnd::Ended => (close_code::NORMAL, "ended"),
            ViewEnd::LoggedOut => (close_code::POLICY, "logged-out"),
            ViewEnd::Stopping => (close_code::RESTART, "stopping"),
        };
        socket::close(&mut self.socket, code, word).await;
    }

    async fn show(&mut self, view: LiveView, mut stop: watch::Receiver<bool>) -> ViewEnd {
        let LiveView { stream, begin, mut next, why_not, seat: _seat } = view;
        if begin.is_empty() {
            let why = why_not.unwrap_or_else(|| "no picture has come yet".into());
            if !self.say(&json!({ "type": "hello", "stream": stream, "why_not": why })).await {
                return ViewEnd::Gone;
            }
        }
        for fragment in begin {
            if !self.fragment(fragment, stream).await {
                return ViewEnd::Gone;
            }
        }
        let mut ask = tokio::time::interval(ASKED_EVERY);
        let mut asked: Option<Instant> = None;
        loop {
            tokio::select! {
                fragment = next.recv() => match fragment {
                    Ok(fragment) => {
                        let is_full = asked.is_some_and(|at| at.elapsed() > ANSWERED_WITHIN);
                        let is_late = is_full || next.len() > BEHIND_FRAGMENTS_MAX;
                        self.waits_for_key |= is_late;
                        if is_late && matches!(fragment, LiveItem::Picture(_)) {
                            continue;
                        }
                        if !self.fragment(fragment, stream).await {
                            return ViewEnd::Gone;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.waits_for_key = true,
                    Err(RecvError::Closed) => return ViewEnd::Ended,
                },
                _ = ask.tick() => {
                    if !self.may_stay() {
                        return ViewEnd::LoggedOut;
                    }
                    // A part of it became private, or it moved into another grid, by a reload.
                    if !Seen::by(&self.door.backend, &self.caller).may_watch(&self.camera) {
                        return ViewEnd::Ended;
                    }
                    if asked.is_some_and(|at| at.elapsed() > SENT_WITHIN) {
                        return ViewEnd::Gone;
                    }
                    if asked.is_none() {
                        asked = Some(Instant::now());
                        if !self.send(Message::Ping(Bytes::new())).await {
                            return ViewEnd::Gone;
                        }
                    }
                },
                heard = self.socket.recv() => match heard {
                    Some(Ok(Message::Pong(_))) => asked = None,
                    Some(Ok(Message::Ping(_))) => {}
                    _ => return ViewEnd::Gone,
                },
                () = stopped(&mut stop) => return ViewEnd::Stopping,
            }
        }
    }

    /// False: his session is over.
    fn may_stay(&self) -> bool {
        self.door.stands(&self.caller)
    }

    /// False: he does not take it.
    async fn fragment(&mut self, fragment: LiveItem, stream: &str) -> bool {
        match fragment {
            LiveItem::Head(head) => {
                (self.waits_for_key, self.told_ms) = (false, None);
                let hello = json!({
                    "type": "hello", "stream": stream, "codec": head.codec, "width": head.width,
                    "height": head.height, "timescale": head.timescale,
                });
                self.say(&hello).await && self.send(Message::Binary(head.init.clone())).await
            }
            LiveItem::Picture(picture) => self.picture(picture).await,
        }
    }

    async fn picture(&mut self, picture: LivePicture) -> bool {
        if self.waits_for_key && !picture.key {
            return true;
        }
        self.waits_for_key = false;
        let since = self.told_ms.map(|told| picture.media_ms - told);
        if since.is_none_or(|since| !(0..TIME_TOLD_EVERY_MS).contains(&since)) {
            self.told_ms = Some(picture.media_ms);
            let at = self.door.backend.context().time(picture.at);
            let time =
                json!({ "type": "time", "media_s": picture.media_ms as f64 / 1000.0, "at": at });
            if !self.say(&time).await {
                return false;
            }
        }
        self.send(Message::Binary(picture.bytes)).await
    }

    async fn say(&mut self, value: &Value) -> bool {
        self.send(Message::Text(value.to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> bool {
        socket::send(&mut self.socket, message).await
    }
}
