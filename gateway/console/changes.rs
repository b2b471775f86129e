//! `GET /api/v1/changes?after=<position>`: each change of an incident, in order, over one WebSocket a page.
//!
//! Nothing is queued for a page: it reads on in the journal from where it was, as fast as it takes it. Who is too far
//! behind, or comes from another run of the gateway, is told to read everything anew.

use std::{collections::HashMap, time::Duration};

use axum::{
    Extension,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket, close_code},
    },
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};
use tokio::{sync::watch, time::MissedTickBehavior};

use super::{
    Backend,
    caller::Caller,
    door::Door,
    fleet::drones,
    overview::{case, series},
    problem::problem,
    query::unknown,
    seen::Seen,
    socket::{self, Seats},
};
use crate::base::stopped;

/// Pages at once that are told of changes; each has one connection.
pub(super) const PAGES_MAX: usize = 64;
/// Changes that are read from the journal at a time.
const READ_AT_ONCE: usize = 64;
/// A sign of life, with the position of the journal.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Where drones are, while one flies.
const DRONES_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn serve<B: Backend>(
    State(door): State<Door<B>>,
    Extension(seats): Extension<Seats>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let wrong = |message: &str| problem(StatusCode::BAD_REQUEST, message);
    if let Some(message) = unknown(&query, &["after", "series"]) {
        return wrong(&message);
    }
    let Some(after) = query.get("after").and_then(|after| after.parse::<u64>().ok()) else {
        return wrong("after: expected the position of the journal that was read last");
    };
    let Ok(upgrade) = upgrade else { return wrong("expected a WebSocket") };
    let Some(seat) = seats.take() else {
        let full = format!("all {PAGES_MAX} places for pages are taken");
        return problem(StatusCode::SERVICE_UNAVAILABLE, &full);
    };
    let same_series = query.get("series").is_none_or(|of| of == series());
    socket::bounded(upgrade).on_upgrade(move |socket| async move {
        let _seat = seat;
        let seen = Seen::by(&door.backend, &caller);
        let page = FeedPage { socket, door, seen, caller, read: after, position: after };
        page.serve(same_series, seats.stop).await;
    })
}

/// Why a page is let go.
enum End {
    /// It has gone, or takes nothing.
    Gone,
    /// It has to read everything anew.
    TooFarBack,
    /// Its session is over, or its rights are others.
    LoggedOut,
    Stopping,
}

struct FeedPage<B> {
    socket: WebSocket,
    door: Door<B>,
    /// The site as he sees it.
    seen: Seen<B>,
    caller: Caller,
    /// Of the last change that was read.
    read: u64,
    /// Of the last change that was sent: between the two are those that are not for him.
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
            socket::close(&mut self.socket, code, word).await;
        }
    }

    async fn tell(&mut self, mut stop: watch::Receiver<bool>) -> End {
        let mut changed = self.door.backend.change_position();
        let mut accounts = self.door.accounts.changes();
        let mut alive = tokio::time::interval(ALIVE_EVERY);
        let mut drones = tokio::time::interval(DRONES_EVERY);
        drones.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told_flying = false;
        loop {
            changed.borrow_and_update();
            accounts.borrow_and_update();
            if !self.door.stands(&self.caller) {
                return End::LoggedOut;
            }
            match self.catch_up().await {
                None => {}
                Some(end) => return end,
            }
            tokio::select! {
                told = changed.changed() => if told.is_err() {
                    return End::Stopping;
                },
                // Another list of accounts: perhaps this one is not on it any more.
                _ = accounts.changed() => {}
                _ = alive.tick() => if let Some(end) = self.say_alive().await {
                    return end;
                },
                _ = drones.tick() => match self.say_drones(told_flying).await {
                    Ok(flying) => told_flying = flying,
                    Err(end) => return end,
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
            let Some(changes) = self.door.backend.changes_after(self.read, READ_AT_ONCE) else {
                return Some(End::TooFarBack);
            };
            if changes.is_empty() {
                return None;
            }
            for (position, record) in changes {
                self.read = position;
                if !self.seen.shows(&record) {
                    continue;
                }
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
        if !self.door.stands(&self.caller) {
            return Some(End::LoggedOut);
        }
        let backend = &self.door.backend;
        let alive = json!({
            "type": "alive",
            "position": self.position,
            "at": backend.context().time(backend.now()),
            "condition": self.seen.condition(),
        });
        if self.send(&alive).await { None } else { Some(End::Gone) }
    }

    /// Where drones are, while one flies and once more when none does; gives whether one does.
    async fn say_drones(&mut self, told_flying: bool) -> Result<bool, End> {
        let backend = &self.seen;
        let Some(views) = backend.drone_views().await else { return Err(End::Stopping) };
        let flying = views.iter().any(|drone| drone.flying);
        if !flying && !told_flying {
            return Ok(false);
        }
        let drones = drones(&backend.context(), &views);
        let said = self.send(&json!({ "type": "drones", "drones": drones })).await;
        if said { Ok(flying) } else { Err(End::Gone) }
    }

    /// False: it does not take it.
    async fn send(&mut self, value: &Value) -> bool {
        socket::send(&mut self.socket, Message::Text(value.to_string().into())).await
    }
}
