//! `/api/v1/session` and the first account: logging in by token or by name, saying who one is, logging out.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Backend,
    accounts::{Account, AccountProblem, Busy, Doer, NewAccount, in_turn},
    body::BODY_BYTES_MAX,
    caller::Caller,
    door::{self, Door},
    problem::problem,
    sessions::{Seat, cookie_name, key_of, set_cookie},
    token,
};
use crate::{
    domain::{AccessEvent, AccountRole},
    wire::guests::{GuestHandle, Trust},
};

/// Under this name guesses of the one-time code are counted; no account may have it.
const FIRST: &str = "gridpost";

/// Either the token of the site, or name and password of an account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    token: Option<String>,
    name: Option<String>,
    password: Option<String>,
}

/// The first account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstAccount {
    /// As `gridpost user init` has printed it.
    code: String,
    name: String,
    password: String,
}

/// Who sits at a session that the token opened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionName {
    by: String,
}

/// What a log-in is read from: our own page, or no page at all, as JSON.
pub(super) async fn read<B: Backend, T: serde::de::DeserializeOwned>(
    door: &Door<B>,
    request: Request,
    expected: &str,
) -> Result<(Parts, T), Response> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let is_ours = || door::is_of_ours(headers, &parts.extensions, &door.backend);
    if headers.contains_key(header::ORIGIN) && !is_ours() {
        return Err(door::foreign());
    }
    if !door::is_json(headers) {
        let message = "expected application/json";
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice(&body) {
        Ok(read) => Ok((parts, read)),
        Err(_) => Err(problem(StatusCode::BAD_REQUEST, expected)),
    }
}

pub(super) fn peer(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<SocketAddr>().copied()
}

fn address(peer: Option<SocketAddr>) -> IpAddr {
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip())
}

pub(super) async fn log_in<B: Backend>(State(door): State<Door<B>>, request: Request) -> Response {
    const EXPECTED: &str = "expected {\"token\": …}, or {\"name\": …, \"password\": …}";
    let (parts, given) = match read::<B, LogIn>(&door, request, EXPECTED).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    match given {
        LogIn { token: Some(token), name: None, password: None } => {
            by_token(&door, &parts, &token).await
        }
        LogIn { token: None, name: Some(name), password: Some(password) } => {
            by_name(&door, &parts, &name, password).await
        }
        _ => problem(StatusCode::BAD_REQUEST, EXPECTED),
    }
}

async fn by_token<B: Backend>(door: &Door<B>, parts: &Parts, given: &str) -> Response {
    let note = |what| door.audit.note(&door.backend, what, ("token", ""), peer(parts));
    if !token::carries(Some(&format!("Bearer {given}")), &door.token) {
        note(AccessEvent::LogInFailed).await;
        door.refused(peer(parts)).await;
        return problem(StatusCode::UNAUTHORIZED, "wrong token");
    }
    note(AccessEvent::LoggedIn).await;
    let opened = door.sessions.open(&door.token);
    seated(door, parts, opened, &json!({ "by": null }), false).await
}

/// What is answered to who may not try now: how long he has to wait, or where too many of his network try
/// already, slowly that it is busy.
async fn not_now<B: Backend>(
    door: &Door<B>,
    wait_s: Option<i64>,
    peer: Option<SocketAddr>,
) -> Response {
    let Some(wait_s) = wait_s else {
        door.refused(peer).await;
        return busy();
    };
    let error = format!("too many wrong passwords: try again in {wait_s} s");
    let body = Json(json!({ "error": error, "wait_s": wait_s }));
    let after = [(header::RETRY_AFTER, wait_s.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, after, body).into_response()
}

pub(super) fn busy() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "too many log in at once: try again in a moment")
}

/// Of an account and its password, counted by account and address; `Err` is the answer. It goes on to its end
/// when whoever asked hangs up: else he would have his place again while the hash is still made, and neither
/// the wait nor the line in the journal.
pub(super) async fn proved<B: Backend>(
    door: &Door<B>,
    (name, password): (&str, String),
    peer: Option<SocketAddr>,
) -> Result<Arc<Account>, Response> {
    let (door, name) = (door.clone(), name.to_owned());
    let proving = tokio::spawn(async move { proof(&door, &name, password, peer).await });
    match proving.await {
        Ok(proved) => proved,
        Err(_) => Err(busy()),
    }
}

async fn proof<B: Backend>(
    door: &Door<B>,
    name: &str,
    password: String,
    peer: Option<SocketAddr>,
) -> Result<Arc<Account>, Response> {
    // Until it is answered it counts among those of its network.
    let trying = match door.failures.begin(name, address(peer), door.backend.now()) {
        Ok(trying) => trying,
        Err(why) => return Err(not_now(door, why.wait_s, peer).await),
    };
    match door.accounts.log_in(name, password).await {
        Err(Busy) => {
            trying.take_back();
            door.refused(peer).await;
            Err(busy())
        }
        Ok(None) => {
            door.audit.note(&door.backend, AccessEvent::LogInFailed, (name, ""), peer).await;
            door.refused(peer).await;
            Err(problem(StatusCode::UNAUTHORIZED, "wrong name or password"))
        }
        Ok(Some(account)) => {
            trying.forgive();
            Ok(account)
        }
    }
}

async fn by_name<B: Backend>(
    door: &Door<B>,
    parts: &Parts,
    name: &str,
    password: String,
) -> Response {
    let account = match proved(door, (name, password), peer(parts)).await {
        Ok(account) => account,
        Err(refused) => return refused,
    };
    let names = (account.name.as_str(), "");
    door.audit.note(&door.backend, AccessEvent::LoggedIn, names, peer(parts)).await;
    open(door, parts, &account).await
}

/// A session of this account, in place of the one that this browser had.
pub(super) async fn open<B: Backend>(door: &Door<B>, parts: &Parts, account: &Account) -> Response {
    let opened = door.sessions.open_account(account);
    let said = said_of(account);
    seated(door, parts, opened, &said, account.is_wall()).await
}

fn said_of(account: &Account) -> Value {
    let Account { name, roles, grids, .. } = account;
    json!({ "by": name, "account": { "name": name, "roles": roles, "grids": grids } })
}

async fn seated<B: Backend>(
    door: &Door<B>,
    parts: &Parts,
    opened: Result<String, String>,
    said: &Value,
    lasting: bool,
) -> Response {
    let value = match opened {
        Ok(value) => value,
        Err(reason) => return problem(StatusCode::SERVICE_UNAVAILABLE, &reason),
    };
    let tls = door.speaks_tls(&parts.extensions);
    if let Some(old) = key_of(&parts.headers, cookie_name(tls)) {
        door.sessions.end(&old);
    }
    door.sessions.write().await;
    if let Some(guest) = parts.extensions.get::<GuestHandle>() {
        guest.stands(Trust::Listed);
    }
    let headers = [
        (header::SET_COOKIE, set_cookie(tls, &value, lasting)),
        (header::CACHE_CONTROL, "no-store".into()),
    ];
    (headers, Json(said)).into_response()
}

/// Whether this browser has a session, and who sits there: no error where it has none, since every page asks.
pub(super) async fn who<B: Backend>(State(door): State<Door<B>>, request: Request) -> Response {
    let name = cookie_name(door.speaks_tls(request.extensions()));
    let key = key_of(request.headers(), name);
    let seat = key.and_then(|key| door.sessions.used(&key, &door.token, &door.accounts));
    let mut said = match &seat {
        None => json!({ "by": null }),
        Some(Seat::Token(by)) => json!({ "by": by.as_deref() }),
        Some(Seat::Account(account)) => said_of(account),
    };
    said["open"] = seat.is_some().into();
    // What a page that nobody is logged in at shows: fields for a name, or for the one-time code.
    if door.accounts.expects_first(door.backend.now()) {
        said["first"] = true.into();
    } else if !door.accounts.has_none() {
        said["accounts"] = true.into();
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(said)).into_response()
}

pub(super) async fn named<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Response {
    let Ok(SessionName { by }) = serde_json::from_slice(&body) else {
        return problem(StatusCode::BAD_REQUEST, "expected {\"by\": …}");
    };
    match caller {
        Caller::Session(key, _) => door.sessions.named(&key, &by),
        Caller::Account(_, account) if by != account.name => {
            let message = format!("you are logged in as {}", account.name);
            return problem(StatusCode::CONFLICT, &message);
        }
        _ => {}
    }
    Json(json!({ "by": by })).into_response()
}

pub(super) async fn log_out<B: Backend>(
    State(door): State<Door<B>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let peer = request.extensions().get::<SocketAddr>().copied();
    if let Caller::Session(key, _) | Caller::Account(key, _) = &caller {
        door.sessions.end(key);
        door.sessions.write().await;
        let who = caller.account().map_or("token", |account| account.name.as_str());
        door.audit.note(&door.backend, AccessEvent::LoggedOut, (who, ""), peer).await;
    }
    let tls = door.speaks_tls(request.extensions());
    let ended = [(header::SET_COOKIE, set_cookie(tls, "", false))];
    (ended, StatusCode::NO_CONTENT).into_response()
}

/// The first account commands and installs: there is nobody else who could give it more.
pub(super) async fn first<B: Backend>(State(door): State<Door<B>>, request: Request) -> Response {
    const EXPECTED: &str = "expected {\"code\": …, \"name\": …, \"password\": …}";
    let (parts, given) = match read::<B, FirstAccount>(&door, request, EXPECTED).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let FirstAccount { code, name, password } = given;
    let now = door.backend.now();
    let peer = peer(&parts);
    let trying = match door.failures.begin(FIRST, address(peer), now) {
        Ok(trying) => trying,
        Err(why) => return not_now(&door, why.wait_s, peer).await,
    };
    if !door.accounts.is_first_code(&code, now) {
        let who = ("one-time code", "");
        door.audit.note(&door.backend, AccessEvent::LogInFailed, who, peer).await;
        door.refused(peer).await;
        return problem(StatusCode::UNAUTHORIZED, "the code is wrong, used, or older than 15 min");
    }
    trying.forgive();
    let roles = [AccountRole::Commander, AccountRole::Installer].into();
    let new = NewAccount { name, roles, grids: Default::default(), password: Some(password) };
    let doer = Doer {
        by: "one-time code".into(),
        from: peer.map(|peer| peer.ip().to_string()),
        at: now,
        may_lock_out: false,
    };
    let (accounts, name) = (door.accounts.clone(), new.name.clone());
    match in_turn(move || accounts.add_first(&code, new, &doer)).await {
        Err(Busy) => busy(),
        Ok(Err(why)) => refusal(&why),
        Ok(Ok(())) => match door.accounts.account(&name) {
            Some(account) => open(&door, &parts, &account).await,
            None => problem(StatusCode::SERVICE_UNAVAILABLE, "the account cannot be read"),
        },
    }
}

/// What a change of accounts is answered that was not made.
pub(super) fn refusal(why: &AccountProblem) -> Response {
    let status = match why {
        AccountProblem::Unknown(_) => StatusCode::NOT_FOUND,
        AccountProblem::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        AccountProblem::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &why.to_string())
}
