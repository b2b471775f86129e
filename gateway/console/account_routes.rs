//! `/api/v1/accounts`, one's own password, and screens on walls: for whoever may change accounts, and for oneself.

use std::{net::SocketAddr, time::Instant};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    Backend,
    accounts::{
        AccountChange, AccountProblem, Busy, Doer, NewAccount, ShownAccount, ShownToken,
        WALL_CODE_GOOD_FOR, WallState, in_turn,
    },
    body::BODY_BYTES_MAX,
    caller::Caller,
    door::Door,
    entrance::{self, busy, open, proved, refusal},
    problem::problem,
};
use crate::domain::AccountRole;

/// All of them.
#[derive(serde::Serialize, JsonSchema)]
pub(super) struct AllAccounts {
    accounts: Vec<ShownAccount>,
    tokens: Vec<ShownToken>,
}

/// Another account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedAccount {
    name: String,
    /// At least one.
    roles: std::collections::BTreeSet<AccountRole>,
    /// Codes, of a worker.
    #[serde(default)]
    grids: std::collections::BTreeSet<String>,
    /// Of at least 10 characters.
    password: String,
}

/// Another password of one's own account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnPassword {
    old: String,
    new: String,
}

/// What a screen alone knows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WallSecret {
    secret: String,
}

/// The code that a screen shows, and what it is called from now on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WallConfirmed {
    code: String,
    name: String,
}

pub(super) type PeerAddress = Option<Extension<SocketAddr>>;

pub(super) fn doer<B: Backend>(door: &Door<B>, caller: &Caller, peer: &PeerAddress) -> Doer {
    let by = match caller {
        Caller::Token | Caller::Session(..) => "token".into(),
        other => other.name().into_owned(),
    };
    let from = peer.as_ref().map(|Extension(peer)| peer.ip().to_canonical().to_string());
    Doer { by, from, at: door.backend.now(), may_lock_out: false }
}

#[allow(clippy::result_large_err, reason = "the error is the answer")]
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Response> {
    serde_json::from_slice(body)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, &format!("not understood: {error}")))
}

/// Nothing is said but that it is done; or why not.
pub(super) async fn done(
    work: impl FnOnce() -> Result<(), AccountProblem> + Send + 'static,
) -> Response {
    match in_turn(work).await {
        Err(Busy) => busy(),
        Ok(Err(why)) => refusal(&why),
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
    }
}

pub(super) async fn list<B: Backend>(State(door): State<Door<B>>) -> Response {
    let both = door.accounts.list().and_then(|accounts| Ok((accounts, door.accounts.tokens()?)));
    match both {
        Ok((accounts, tokens)) => Json(AllAccounts { accounts, tokens }).into_response(),
        Err(why) => refusal(&why),
    }
}

pub(super) async fn add<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    body: Bytes,
) -> Response {
    let asked: AskedAccount = match read(&body) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    if asked.roles.contains(&AccountRole::Wall) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "roles: a wall is paired by its code");
    }
    let AskedAccount { name, roles, grids, password } = asked;
    let new = NewAccount { name, roles, grids, password: Some(password) };
    let (accounts, doer) = (door.accounts.clone(), doer(&door, &caller, &peer));
    done(move || accounts.add(new, &doer)).await
}

pub(super) async fn change<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let change: AccountChange = match read(&body) {
        Ok(change) => change,
        Err(refused) => return refused,
    };
    let (accounts, doer) = (door.accounts.clone(), doer(&door, &caller, &peer));
    done(move || accounts.change(&name, &change, &doer)).await
}

pub(super) async fn remove<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    Path(name): Path<String>,
) -> Response {
    let (accounts, doer) = (door.accounts.clone(), doer(&door, &caller, &peer));
    done(move || accounts.remove(&name, &doer)).await
}

/// With it all of one's sessions end, and this browser has a new one.
pub(super) async fn own_password<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let OwnPassword { old, new } = match read(&body) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let Some(account) = caller.account() else {
        return problem(StatusCode::CONFLICT, "a token has no password: it is of accounts alone");
    };
    let from = peer.as_ref().map(|Extension(peer)| *peer);
    if let Err(refused) = proved(&door, (&account.name, old), from).await {
        // 401 would say that the session is over.
        return match refused.status() {
            StatusCode::UNAUTHORIZED => problem(StatusCode::FORBIDDEN, "the old password is wrong"),
            _ => refused,
        };
    }
    let (accounts, doer) = (door.accounts.clone(), doer(&door, &caller, &peer));
    let name = account.name.clone();
    let change = AccountChange { password: Some(new), ..AccountChange::default() };
    let answer = done(move || accounts.change(&name, &change, &doer)).await;
    if !answer.status().is_success() {
        return answer;
    }
    again(&door, &parts, &account.name).await
}

async fn again<B: Backend>(door: &Door<B>, parts: &Parts, name: &str) -> Response {
    match door.accounts.account(name) {
        Some(account) => open(door, parts, &account).await,
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "the account cannot be read"),
    }
}

/// A screen asks for a code to show, and for what it alone knows.
pub(super) async fn begin_wall<B: Backend>(State(door): State<Door<B>>) -> Response {
    match door.walls.begin(Instant::now()) {
        Ok((code, secret)) => {
            let good_s = WALL_CODE_GOOD_FOR.as_secs();
            let told = json!({ "code": code, "secret": secret, "good_s": good_s });
            ([(axum::http::header::CACHE_CONTROL, "no-store")], Json(told)).into_response()
        }
        Err(why) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

/// 202: nobody has confirmed it yet. 200: it is a wall, with its session. 410: its code is good no more.
pub(super) async fn claim_wall<B: Backend>(
    State(door): State<Door<B>>,
    request: Request,
) -> Response {
    let asked = entrance::read::<B, WallSecret>(&door, request, "expected {\"secret\": …}").await;
    let (parts, WallSecret { secret }) = match asked {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    match door.walls.ask(&secret, Instant::now()) {
        WallState::Waits => StatusCode::ACCEPTED.into_response(),
        WallState::Granted(name) => again(&door, &parts, &name).await,
        WallState::Gone => problem(StatusCode::GONE, "the code is good no more: ask for another"),
    }
}

/// The screen that shows this code is a wall from now on.
pub(super) async fn confirm_wall<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    peer: PeerAddress,
    body: Bytes,
) -> Response {
    let WallConfirmed { code, name } = match read(&body) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    if !door.walls.waits(&code, Instant::now()) {
        return problem(StatusCode::NOT_FOUND, "no screen shows this code");
    }
    let (accounts, doer) = (door.accounts.clone(), doer(&door, &caller, &peer));
    let walls = door.walls.clone();
    let roles = [AccountRole::Wall].into();
    let new = NewAccount { name, roles, grids: Default::default(), password: None };
    done(move || {
        let name = new.name.trim().to_owned();
        accounts.add(new, &doer)?;
        if walls.grant(&code, &name, Instant::now()) {
            return Ok(());
        }
        accounts.remove(&name, &doer)?;
        Err(AccountProblem::Unknown("the screen has gone meanwhile".into()))
    })
    .await
}
