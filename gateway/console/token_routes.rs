//! `/api/v1/tokens`: API tokens of programs, for whoever may change accounts. A token is in one answer and nowhere else.

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Backend,
    account_routes::{PeerAddress, doer, done, read},
    accounts::{Busy, NewToken, in_turn},
    caller::Caller,
    door::Door,
    entrance::{busy, refusal},
    problem::problem,
};
use crate::domain::{SpeaksFor, TokenScope};

/// A token that is good for longer is one that nobody remembers.
const DAYS_MAX: u32 = 3_650;

/// Another API token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedToken {
    /// Of the program; each once.
    name: String,
    /// What it opens; at least one.
    scopes: BTreeSet<TokenScope>,
    /// It opens nothing more after so many days, 1 to 3650; absent: it never ends by itself.
    #[serde(default)]
    days: Option<u32>,
    /// In whose names its replies are taken: names, how names begin (`城管*`), or `*` for anybody. Default anybody.
    #[serde(default)]
    speaks_for: SpeaksFor,
}

/// A token that was made.
#[derive(Serialize, JsonSchema)]
pub(super) struct MadeToken {
    /// As it was asked for, without spaces around it.
    name: String,
    /// The token itself: in this answer alone.
    token: String,
    /// RFC 3339; null: never.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
}

pub(super) async fn add<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    body: Bytes,
) -> Response {
    let AskedToken { name, scopes, days, speaks_for } = match read(&body) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        let message = format!("days: expected 1 to {DAYS_MAX}, or none");
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &message);
    }
    let doer = doer(&door, &caller, &peer);
    let span = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
    // A time that is beyond all calendars makes none that never ends.
    let expires_at = match span.map(|span| doer.at.checked_add(span)).transpose() {
        Ok(expires_at) => expires_at,
        Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    let (accounts, named) = (door.accounts.clone(), name.clone());
    let new = NewToken { name: named, scopes, expires_at, speaks_for };
    match in_turn(move || accounts.add_token(new, &doer)).await {
        Err(Busy) => busy(),
        Ok(Err(why)) => refusal(&why),
        Ok(Ok(token)) => {
            let name = name.trim().to_owned();
            let made = Json(MadeToken { name, token, expires_at });
            ([(header::CACHE_CONTROL, "no-store")], made).into_response()
        }
    }
}

pub(super) async fn remove<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    Path(name): Path<String>,
) -> Response {
    let (accounts, doer) = (door.accounts.clone(), doer(&door, &caller, &peer));
    done(move || accounts.remove_token(&name, &doer)).await
}
