//! `GET /api/v1/changes?after=<position>`: each change of an incident, in order, over one WebSocket a page.
//!
//! Nothing is queued for a page: it reads on in the journal from where it was, as fast as it takes it. Who is too far
//! behind, or comes from another run of the gateway, is told to read everything anew.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::{
    Backend,
    door::{Caller, Door},
    overview::{case, series},
    problem::problem,
};
use crate::base::stopped;

/// Pages at once that are told of changes; each has one connection.
pub(super) const PAGES_MAX: usize = 64;
/// Changes that are read from the journal at a time.
const READ_AT_ONCE: usize = 64;
/// A sign of life, with the position of the journal.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// A page that takes nothing for so long has to come again.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// A page has nothing to say.
const HEARD_BYTES_MAX: usize = 1_024;

/// What each connection needs of the listener.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) pages: Arc<Semaphore>,
    pub(super) stop: watch::Receiver<bool>,
}

pub(super) async fn serve<B: Backend>(
    State(door): State<Door<B>>,
    Extension(feed): Extension<Feed>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let wrong = |message: &str| problem(StatusCode::BAD_REQUEST, message);
    if let Some(key) = query.keys().find(|key| !["after", "series"].contains(&key.as_str())) {
        return wrong(&format!("{key}: known are after, series"));
    }
    let Some(after) = query.get("after").and_then(|after| after.parse::<u64>().ok()) else {
        return wrong("after: expected the position of the journal that was read last");
    };
    let Ok(upgrade) = upgrade else { return wrong("expected a WebSocket") };
    let Ok(seat) = feed.pages.clone().try_acquire_owned() else {
        let full = format!("all {PAGES_MAX} places for pages are taken");
        return problem(StatusCode::SERVICE_UNAVAILABLE, &full);
    };
    let same_series = query.get("series").is_none_or(|of| of == series());
    let upgrade = upgrade.max_message_size(HEARD_BYTES_MAX).max_frame_size(HEARD_BYTES_MAX);
    upgrade.on_upgrade(move |socket| async move {
        let _seat = seat;
        let page = FeedPage { socket, door, caller, position: after };
        page.serve(same_series, feed.stop).await;
    })
}

/// Why a page is let go.
enum End {
    /// It has gone, or takes nothing.
    Gone,
    /// It has to read everything anew.
    TooFarBack,
    /// Its session is over.
    LoggedOut,
    Stopping,
}

struct FeedPage<B> {
    socket: WebSocket,
    door: Door<B>,
    caller: Caller,
    /// Of the last change that was sent.
    position: u64,
}

impl<B: Backend> FeedPage<B> {
    async fn serve(mut self, same_series: bool, stop: watch::Receiver<bool>) {
        let end = match same_series {
            true => self.tell(stop).await,
            false => End::TooFarBack,
        };
        let (code, word) = match end {
            End::Gone => return,
            End::TooFarBack => (close_code::NORMAL, "reload"),
            End::LoggedOut => (close_code::POLICY, "logged-out"),
            End::Stopping => (close_code::RESTART, "stopping"),
        };
        if self.send(&json!({ "type": word })).await {
            let frame = CloseFrame { code, reason: word.into() };
            let close = self.socket.send(Message::Close(Some(frame)));
            let _ = tokio::time::timeout(SENT_WITHIN, close).await;
        }
    }

    async fn tell(&mut self, mut stop: watch::Receiver<bool>) -> End {
        let mut changed = self.door.backend.change_position();
        let mut alive = tokio::time::interval(ALIVE_EVERY);
        loop {
            changed.borrow_and_update();
            match self.catch_up().await {
                None => {}
                Some(end) => return end,
            }
            tokio::select! {
                told = changed.changed() => if told.is_err() {
                    return End::Stopping;
                },
                _ = alive.tick() => if let Some(end) = self.say_alive().await {
                    return end;
                },
                heard = self.socket.recv() => match heard {
                    // Pongs, and pings that are answered by themselves.
                    Some(Ok(Message::Pong(_) | Message::Ping(_))) => {}
                    _ => return End::Gone,
                },
                () = stopped(&mut stop) => return End::Stopping,
            }
        }
    }

    /// Sends everything that is behind its position.
    async fn catch_up(&mut self) -> Option<End> {
        loop {
            let Some(changes) = self.door.backend.changes_after(self.position, READ_AT_ONCE) else {
                return Some(End::TooFarBack);
            };
            if changes.is_empty() {
                return None;
            }
            for (position, record) in changes {
                let after = std::mem::replace(&mut self.position, position);
                let case = case(&self.door.backend, &record);
                let change =
                    json!({ "type": "change", "after": after, "position": position, "case": case });
                if !self.send(&change).await {
                    return Some(End::Gone);
                }
            }
        }
    }

    async fn say_alive(&mut self) -> Option<End> {
        if let Caller::Session(key, _) = &self.caller
            && !self.door.sessions.stands(key, &self.door.token)
        {
            return Some(End::LoggedOut);
        }
        let backend = &self.door.backend;
        let alive = json!({
            "type": "alive",
            "position": self.position,
            "at": backend.context().time(backend.now()),
            "condition": backend.condition(),
        });
        if self.send(&alive).await { None } else { Some(End::Gone) }
    }

    /// False: it does not take it.
    async fn send(&mut self, value: &Value) -> bool {
        let sent = self.socket.send(Message::Text(value.to_string().into()));
        matches!(tokio::time::timeout(SENT_WITHIN, sent).await, Ok(Ok(())))
    }
}
