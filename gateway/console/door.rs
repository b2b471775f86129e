//! Who may use the API: whoever has the token, or a browser with a session, from our own page alone.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Backend,
    body::{BODY_BYTES_MAX, with_body},
    problem::problem,
    sessions::{SessionKey, Sessions, cookie_name, key_of, set_cookie},
    token,
    wrong_tokens::WrongTokens,
};
use crate::wire::guests::{GuestHandle, Trust};

/// What the door knows: the token, who is logged in, who guessed wrong, and who counts that.
#[derive(Clone)]
pub(super) struct Door<B> {
    pub(super) token: Arc<str>,
    pub(super) tls: bool,
    pub(super) sessions: Sessions,
    pub(super) wrong: Arc<WrongTokens>,
    pub(super) backend: B,
}

/// Who asks.
#[derive(Clone)]
pub(super) enum Caller {
    /// Has the token itself.
    Token,
    /// At a browser; his name, if he has said it.
    Session(SessionKey, Option<Arc<str>>),
}

impl Caller {
    /// As it is written down that he looked at evidence.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Token => "api",
            Self::Session(_, by) => by.as_deref().unwrap_or("console"),
        }
    }
}

/// Lets through who may, with a [`Caller`]; to all others it says nothing more than that.
pub(super) async fn only_who_may<B: Backend>(
    State(door): State<Door<B>>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let given = headers.get(header::AUTHORIZATION);
    let upgrade = headers.contains_key(header::SEC_WEBSOCKET_KEY);
    let caller = if token::carries(given.and_then(|value| value.to_str().ok()), &door.token) {
        // A page of somebody else has no token: what it sends bears its origin all the same.
        if upgrade && headers.contains_key(header::ORIGIN) && !is_of_ours(headers, &door.backend) {
            return foreign();
        }
        Some(Caller::Token)
    } else if given.is_none()
        && let Some(key) = key_of(headers, cookie_name(door.tls))
        && let Some(by) = door.sessions.used(&key, &door.token)
    {
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        // A browser that says so names whose page it is, for what only reads too.
        if !is_word_of_ours(headers) {
            return foreign();
        }
        if (changes || upgrade) && !is_of_ours(headers, &door.backend) {
            return foreign();
        }
        // A reply may come as a form with a picture: its origin was looked at.
        let may_be_form = request.uri().path().ends_with("/replies");
        let fits = is_json(headers) || (may_be_form && is_form(headers));
        if changes && !fits && *request.method() != Method::DELETE {
            return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json");
        }
        Some(Caller::Session(key, by))
    } else {
        None
    };
    if let Some(caller) = caller {
        // Who may be here is no stranger any more, and keeps the place.
        if let Some(guest) = request.extensions().get::<GuestHandle>() {
            guest.stands(Trust::Listed);
        }
        let at_browser = matches!(caller, Caller::Session(..));
        request.extensions_mut().insert(caller);
        let mut answer = next.run(request).await;
        // A desk is shared: nothing stays in its browser when he leaves.
        if at_browser {
            let none = header::HeaderValue::from_static("no-store");
            answer.headers_mut().insert(header::CACHE_CONTROL, none);
        }
        return answer;
    }
    // None at all is no guess.
    if given.is_some() {
        door.refused(request.extensions().get::<SocketAddr>().copied()).await;
    }
    let mut answer = problem(StatusCode::UNAUTHORIZED, "bearer token missing or wrong");
    let how = header::HeaderValue::from_static("Bearer");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    answer
}

impl<B: Backend> Door<B> {
    /// Counts and tells a wrong token, and waits where an address goes on guessing.
    async fn refused(&self, peer: Option<SocketAddr>) {
        self.backend.token_refused();
        if let Some(peer) = peer {
            tokio::time::sleep(self.wrong.another(peer.ip())).await;
        }
    }
}

fn foreign() -> Response {
    problem(StatusCode::FORBIDDEN, "it comes from another page than the gateway's own")
}

/// A form with a picture.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// What the browser itself says of the page that asks, where it says it: ours, or none but the officer's
/// own typing.
fn is_word_of_ours(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next().unwrap_or("").trim() == "application/json")
}

/// Whether a browser sent it from our own page: by its origin, and by its own word where it gives that.
fn is_of_ours<B: Backend>(headers: &HeaderMap, backend: &B) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let public = backend.context().public_url;
    is_same_page(
        text(header::ORIGIN),
        text(header::HeaderName::from_static("sec-fetch-site")),
        text(header::HOST),
        public.as_deref(),
    )
}

fn is_same_page(
    origin: Option<&str>,
    site: Option<&str>,
    host: Option<&str>,
    public_url: Option<&str>,
) -> bool {
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = origin else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let same = |other: &str| authority.eq_ignore_ascii_case(other);
    let public = public_url.and_then(|url| url.split_once("://")?.1.split('/').next());
    host.is_some_and(same) || public.is_some_and(same)
}

/// Logging in, saying who one is, and logging out.
pub(super) fn routes<B: Backend>(door: &Door<B>) -> Router<B> {
    let own = put(named::<B>).delete(log_out::<B>);
    let inside = Router::new()
        .route("/api/v1/session", own)
        .layer(middleware::from_fn_with_state(door.clone(), only_who_may::<B>));
    let outside = Router::new()
        .route("/api/v1/session", get(who::<B>).post(log_in::<B>))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(with_body));
    Router::new().merge(inside.with_state(door.clone())).merge(outside.with_state(door.clone()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    token: String,
}

async fn log_in<B: Backend>(State(door): State<Door<B>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    if headers.contains_key(header::ORIGIN) && !is_of_ours(headers, &door.backend) {
        return foreign();
    }
    if !is_json(headers) {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json");
    }
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let Ok(LogIn { token: given }) = serde_json::from_slice(&body) else {
        return problem(StatusCode::BAD_REQUEST, "expected {\"token\": …}");
    };
    if !token::carries(Some(&format!("Bearer {given}")), &door.token) {
        door.refused(parts.extensions.get::<SocketAddr>().copied()).await;
        return problem(StatusCode::UNAUTHORIZED, "wrong token");
    }
    if let Some(guest) = parts.extensions.get::<GuestHandle>() {
        guest.stands(Trust::Listed);
    }
    match door.sessions.open(&door.token) {
        Ok(value) => {
            let headers = [
                (header::SET_COOKIE, set_cookie(door.tls, &value)),
                (header::CACHE_CONTROL, "no-store".into()),
            ];
            (headers, Json(json!({ "by": null }))).into_response()
        }
        Err(reason) => problem(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

/// Whether this browser has a session, and who sits there: no error where it has none, since every page asks.
async fn who<B: Backend>(State(door): State<Door<B>>, headers: HeaderMap) -> Response {
    let key = key_of(&headers, cookie_name(door.tls));
    let session = key.and_then(|key| door.sessions.used(&key, &door.token));
    let by = session.as_ref().and_then(|by| by.as_deref());
    let none = [(header::CACHE_CONTROL, "no-store")];
    (none, Json(json!({ "open": session.is_some(), "by": by }))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    by: String,
}

async fn named<B: Backend>(
    State(door): State<Door<B>>,
    axum::Extension(caller): axum::Extension<Caller>,
    body: Bytes,
) -> Response {
    let Ok(Named { by }) = serde_json::from_slice(&body) else {
        return problem(StatusCode::BAD_REQUEST, "expected {\"by\": …}");
    };
    if let Caller::Session(key, _) = caller {
        door.sessions.named(&key, &by);
    }
    Json(json!({ "by": by })).into_response()
}

async fn log_out<B: Backend>(
    State(door): State<Door<B>>,
    axum::Extension(caller): axum::Extension<Caller>,
) -> Response {
    if let Caller::Session(key, _) = caller {
        door.sessions.end(&key);
    }
    let ended = [(header::SET_COOKIE, set_cookie(door.tls, ""))];
    (ended, StatusCode::NO_CONTENT).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_may_change_anything_with_a_cookie() {
        let same = |origin, site, host, public| is_same_page(origin, site, host, public);
        let (ours, host) = (Some("http://box:8686"), Some("box:8686"));
        assert!(same(ours, Some("same-origin"), host, None));
        assert!(same(ours, None, host, None), "plain http says no more");
        assert!(same(Some("https://room.example"), None, host, Some("https://room.example/grid")));
        for (origin, site) in [
            (None, None),
            (None, Some("same-origin")),
            (Some("null"), None),
            (Some("http://evil.example"), None),
            (Some("http://box:8687"), Some("same-site")),
            (Some("http://box:8686.evil.example"), None),
            (ours, Some("cross-site")),
            (ours, Some("none")),
        ] {
            assert!(!same(origin, site, host, None), "{origin:?} {site:?}");
        }
    }
}
