//! `POST /api/v1/platform/<id>`: a district's platform pushes its replies, with a token of its own.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Backend,
    body::with_body,
    problem::{not_stored, problem},
    token,
    wrong_tokens::WrongTokens,
};
use crate::wire::guests::{GuestHandle, Trust};

/// What a platform must show.
#[derive(Clone, Debug)]
pub struct PlatformDoor {
    /// Its token.
    pub token: Arc<str>,
    /// The header it comes in; none: `Authorization: Bearer`.
    pub header: Option<String>,
}

/// What a platform is answered.
#[derive(Debug)]
pub enum PlatformAnswer {
    /// All of it is on disk; JSON.
    Taken(Vec<u8>),
    /// It cannot be read; it is kept.
    Unreadable(String),
    /// It is not on disk: it must come again.
    Later,
}

/// Who asks at a door that is not there is told the same as who has a wrong token.
pub(super) async fn only_with_its_token<B: Backend>(
    State((wrong, backend)): State<(Arc<WrongTokens>, B)>,
    request: Request,
    next: Next,
) -> Response {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default();
    let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
    let shown = backend.platform(&id).map(|door| shows(request.headers(), &door));
    if shown == Some(true) {
        if let Some(guest) = request.extensions().get::<GuestHandle>() {
            guest.stands(Trust::Listed);
        }
        return with_body(request, next).await;
    }
    backend.token_refused();
    if let Some(peer) = request.extensions().get::<SocketAddr>() {
        tokio::time::sleep(wrong.another(peer.ip())).await;
    }
    problem(StatusCode::UNAUTHORIZED, "the platform's token is missing or wrong")
}

fn shows(headers: &HeaderMap, door: &PlatformDoor) -> bool {
    let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match &door.header {
        Some(name) => {
            let bearer = given(name).map(|given| format!("Bearer {given}"));
            token::carries(bearer.as_deref(), &door.token)
        }
        None => token::carries(given(header::AUTHORIZATION.as_str()), &door.token),
    }
}

pub(super) async fn take<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    match backend.platform_pushed(&id, &body).await {
        PlatformAnswer::Taken(answer) => {
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        PlatformAnswer::Unreadable(reason) => problem(StatusCode::BAD_REQUEST, &reason),
        PlatformAnswer::Later => not_stored(),
    }
}
