//! Who may use the web: whoever has a token, or a browser with a session, from our own page alone; each what his role opens.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{Extensions, HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::{
    Backend,
    accounts::{Accounts, Failures, Walls},
    audit::Audit,
    caller::Caller,
    problem::problem,
    proxies::Arrival,
    route_table::{BodyShape, Route, Who},
    sessions::{Seat, SessionKey, Sessions, cookie_name, key_of},
    token,
    wrong_tokens::WrongTokens,
};
use crate::{
    domain::SpeaksFor,
    wire::guests::{GuestHandle, Trust},
};

/// What the door knows: the token, who has an account, who is logged in, who guessed wrong, and who counts that.
#[derive(Clone)]
pub(super) struct Door<B> {
    pub(super) token: Arc<str>,
    /// In whose names replies with it are taken.
    pub(super) speaks_for: Arc<SpeaksFor>,
    pub(super) tls: bool,
    /// It listens where nobody but this machine comes.
    pub(super) on_loopback: bool,
    pub(super) accounts: Accounts,
    pub(super) sessions: Sessions,
    pub(super) failures: Failures,
    pub(super) walls: Walls,
    pub(super) audit: Audit,
    pub(super) wrong: Arc<WrongTokens>,
    pub(super) backend: B,
}

/// Lets through who may, with a [`Caller`]; to all others it says nothing more than that.
pub(super) async fn only_who_may<B: Backend>(
    State((door, route)): State<(Door<B>, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let (roles, scope) = match route.who {
        Who::Anybody | Who::Platform => return next.run(request).await,
        Who::OpenOnLoopback(..) if door.is_at_machine(request.extensions()) => {
            return next.run(request).await;
        }
        Who::OpenOnLoopback(roles, scope) | Who::Inside(roles, scope) => (roles, scope),
    };
    let headers = request.headers();
    let given = headers.contains_key(header::AUTHORIZATION);
    let Some(caller) = door.caller(headers, request.extensions()) else {
        // None at all is no guess.
        if given {
            door.refused(request.extensions().get::<SocketAddr>().copied()).await;
        }
        let mut answer = problem(StatusCode::UNAUTHORIZED, "bearer token missing or wrong");
        let how = header::HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        return answer;
    };
    if let Some(refused) = door.is_foreign(&caller, route, &request) {
        return refused;
    }
    // Who may be here is no stranger any more, and keeps the place.
    if let Some(guest) = request.extensions().get::<GuestHandle>() {
        guest.stands(Trust::Listed);
    }
    if !caller.may(roles, scope) {
        let why = match caller {
            Caller::Holder(_) => "this token's scopes do not open it",
            _ => "the role of this account does not open it",
        };
        return problem(StatusCode::FORBIDDEN, why);
    }
    let at_browser = caller.is_at_browser();
    request.extensions_mut().insert(caller.voice(&door.speaks_for));
    request.extensions_mut().insert(caller);
    let mut answer = next.run(request).await;
    // A desk is shared: nothing stays in its browser when he leaves.
    if at_browser {
        let none = header::HeaderValue::from_static("no-store");
        answer.headers_mut().insert(header::CACHE_CONTROL, none);
    }
    answer
}

impl<B: Backend> Door<B> {
    /// Whether his browser speaks TLS: with us, or with the proxy that says so.
    pub(super) fn speaks_tls(&self, extensions: &Extensions) -> bool {
        let told = extensions.get::<Arrival>().and_then(|arrival| arrival.https);
        told.unwrap_or(self.tls)
    }

    /// Whether it comes from this machine: who comes by a proxy on it may be anywhere.
    pub(super) fn is_at_machine(&self, extensions: &Extensions) -> bool {
        self.on_loopback && !extensions.get::<Arrival>().is_some_and(|arrival| arrival.proxied)
    }

    /// Who asks, by a token or else by the cookie.
    pub(super) fn caller(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<Caller> {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let given = given.to_str().ok()?;
            if token::carries(Some(given), &self.token) {
                return Some(Caller::Token);
            }
            let holder = self.accounts.holder(token::bearer(given)?, self.backend.now())?;
            return Some(Caller::Holder(Arc::new(holder)));
        }
        let key = key_of(headers, cookie_name(self.speaks_tls(extensions)))?;
        Some(Self::seated(key, self.sessions.used(&key, &self.token, &self.accounts)?))
    }

    fn seated(key: SessionKey, seat: Seat) -> Caller {
        match seat {
            Seat::Token(by) => Caller::Session(key, by),
            Seat::Account(account) => Caller::Account(key, account),
        }
    }

    /// Whether he may still be here, as he was let in; an open page alone does not use a session.
    pub(super) fn stands(&self, caller: &Caller) -> bool {
        match caller {
            Caller::Token => true,
            Caller::Holder(holder) => self.accounts.is_good(holder, self.backend.now()),
            Caller::Session(key, _) | Caller::Account(key, _) => {
                self.sessions.stands(key, &self.token, &self.accounts)
            }
        }
    }

    /// What is answered to a page of somebody else, and to what is no JSON.
    fn is_foreign(&self, caller: &Caller, route: &Route, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let upgrade = headers.contains_key(header::SEC_WEBSOCKET_KEY);
        if !caller.is_at_browser() {
            // A page of somebody else has no token: what it sends bears its origin all the same.
            let bears = upgrade && headers.contains_key(header::ORIGIN);
            return (bears && !is_of_ours(headers, request.extensions(), &self.backend))
                .then(foreign);
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        // A browser that says so names whose page it is, for what only reads too.
        if !is_word_of_ours(headers) {
            return Some(foreign());
        }
        if (changes || upgrade) && !is_of_ours(headers, request.extensions(), &self.backend) {
            return Some(foreign());
        }
        // A reply may come as a form with a picture: its origin was looked at.
        let may_be_form =
            matches!(route.takes, BodyShape::JsonOrForm(_)) || route.path.ends_with("/replies");
        let fits = is_json(headers) || (may_be_form && is_form(headers));
        (changes && !fits && *request.method() != Method::DELETE)
            .then(|| problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json"))
    }

    /// Counts and tells a wrong token or password, and waits where an address goes on guessing.
    pub(super) async fn refused(&self, peer: Option<SocketAddr>) {
        self.backend.token_refused();
        if let Some(peer) = peer {
            tokio::time::sleep(self.wrong.another(peer.ip())).await;
        }
    }
}

pub(super) fn foreign() -> Response {
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

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next().unwrap_or("").trim() == "application/json")
}

/// Whether a browser sent it from our own page: by its origin, and by its own word where it gives that.
pub(super) fn is_of_ours<B: Backend>(
    headers: &HeaderMap,
    extensions: &Extensions,
    backend: &B,
) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let public = backend.context().public_url;
    let arrival = extensions.get::<Arrival>();
    let origin = text(header::ORIGIN);
    // A page without TLS beside one with it is somebody's on the way.
    let by_tls = arrival.is_some_and(|arrival| arrival.https == Some(true));
    if by_tls && origin.is_some_and(|origin| !origin.starts_with("https://")) {
        return false;
    }
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    // A proxy may ask us under a name of its own, and say by which one the browser knows it.
    let named = arrival.and_then(|arrival| arrival.host.as_deref());
    let is = |host| is_same_page(origin, site, host, public.as_deref());
    is(text(header::HOST)) || (named.is_some() && is(named))
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
