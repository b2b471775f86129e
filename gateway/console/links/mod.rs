//! Pages by which one person answers one case, for who has its link; a listener of their own, and nothing else on it.
//!
//! Messengers open links ahead of people, and so do robots: no GET or HEAD changes anything. Only the
//! form of the page does, by a POST that names the revision which the page has shown, so that a tap on
//! an old page changes nothing that was not seen, and the same tap twice is one.

mod answering;
mod config;
mod page;
mod words;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

use super::{
    Backend,
    body::PicturePlaces,
    evidence::{self, Looked},
    listener::{DoorRules, WebListener},
    proxies::Proxies,
    wrong_tokens::WrongTokens,
};
use crate::{
    base::{Readiness, lock},
    domain::{EvidenceId, Incident, Kind, Record},
    wire::{
        case_links::{BadLink, LINK_PATH, LinkOf},
        guests::{GuestHandle, Trust},
        tls::ServerTls,
    },
};

pub use config::LinksConfig;
use page::Page;

/// A bound listener that nobody serves yet.
pub struct LinkPages {
    listener: Arc<TcpListener>,
    tls: Option<ServerTls>,
    pictures: bool,
    proxies: Arc<Proxies>,
}

impl LinkPages {
    /// Binds the address.
    pub async fn bind(config: &LinksConfig) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("links: cannot listen on {}: {error}", config.listen))?;
        Self::on(Arc::new(listener), config)
    }

    /// As [`Self::bind`], on a listener that is there.
    pub fn on(listener: Arc<TcpListener>, config: &LinksConfig) -> Result<Self, String> {
        let tls = config.tls().server().map_err(|reason| format!("links: {reason}"))?;
        let proxies = Arc::new(config.proxies());
        Ok(Self { listener, tls, pictures: config.pictures, proxies })
    }

    /// The socket, for the next one on this address.
    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Serves until told to stop; what is being answered then is answered.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        readiness: Readiness,
        stop: watch::Receiver<bool>,
    ) {
        let app = router(backend, self.pictures);
        let Self { listener, tls, proxies, .. } = self;
        let rules = DoorRules::links();
        WebListener { rules, listener, tls, app, readiness, proxies }.serve(stop).await;
    }
}

/// What every page is made with.
struct PageDoor<B> {
    backend: B,
    wrong: WrongTokens,
    pictures: bool,
    places: PicturePlaces,
    fetched: Mutex<Fetched>,
}

/// Of which link (its mark) which picture was fetched before.
type Fetched = BTreeSet<(String, EvidenceId)>;

/// So many are remembered; forgetting them only means another record of each.
const FETCHED_MAX: usize = 10_000;

type Shared<B> = State<Arc<PageDoor<B>>>;

fn router<B: Backend>(backend: B, pictures: bool) -> Router {
    let door = PageDoor {
        backend,
        wrong: WrongTokens::of("links: a link that is no good"),
        pictures,
        places: PicturePlaces::new(),
        fetched: Mutex::default(),
    };
    let nothing = || async { words::said(StatusCode::NOT_FOUND, words::NOTHING_HERE) };
    let only = || async { words::said(StatusCode::METHOD_NOT_ALLOWED, words::NOTHING_HERE) };
    Router::new()
        .route(&format!("{LINK_PATH}{{code}}"), get(show::<B>).post(answering::take::<B>))
        .route(&format!("{LINK_PATH}{{code}}/picture"), get(picture::<B>))
        .fallback(nothing)
        .method_not_allowed_fallback(only)
        .with_state(Arc::new(door))
}

/// An open case, and whose link to it was opened.
struct OpenedCase {
    of: LinkOf,
    code: String,
    incident: Incident,
}

impl<B: Backend> PageDoor<B> {
    /// The case of a link, or the answer that says in plain words, and no more, why there is none.
    async fn open(
        &self,
        code: Result<Path<String>, PathRejection>,
        guest: Option<&GuestHandle>,
        peer: Option<&SocketAddr>,
    ) -> Result<OpenedCase, Response> {
        let code = code.map(|Path(code)| code).unwrap_or_default();
        // In a message a full stop or a bracket stands right behind it, and is taken for a part of it.
        let code = code.trim_end_matches(|sign: char| !sign.is_ascii_alphanumeric()).to_owned();
        let (backend, asked) = (self.backend.clone(), code.clone());
        let read = tokio::task::spawn_blocking(move || backend.link(&asked)).await;
        let read = read.unwrap_or(Err(BadLink::NoKeys));
        let (why, status, said) = match read {
            Ok(of) => match self.backend.incident(of.incident) {
                Some(Record { incident, .. }) if !incident.stage.is_over() => {
                    if let Some(guest) = guest {
                        guest.stands(Trust::Known);
                    }
                    return Ok(OpenedCase { of, code, incident });
                }
                // Whoever has a link of his own may open it as often as he likes.
                _ => {
                    self.backend.link_refused("closed");
                    return Err(words::said(StatusCode::GONE, words::CLOSED));
                }
            },
            // No fault of whoever has it: nobody waits for that.
            Err(BadLink::NoKeys) => {
                self.backend.link_refused("no-keys");
                return Err(words::said(StatusCode::SERVICE_UNAVAILABLE, words::NO_KEYS));
            }
            Err(BadLink::Expired) => ("expired", StatusCode::GONE, words::EXPIRED),
            Err(BadLink::Wrong) => ("wrong", StatusCode::NOT_FOUND, words::WRONG),
        };
        self.backend.link_refused(why);
        if let Some(peer) = peer {
            tokio::time::sleep(self.wrong.another(peer.ip())).await;
        }
        Err(words::said(status, said))
    }

    fn page<'p>(&self, opened: &'p OpenedCase) -> Page<'p> {
        let OpenedCase { of, code, incident } = opened;
        let (context, picture) = (self.backend.context(), self.shown(incident).is_some());
        Page { of, incident, context, code, picture }
    }

    /// The snapshot of the case, where the site shows it: no picture that came with a step, and none that a
    /// resident sent. Of a case with more steps than it lists nobody knows which is which.
    fn shown(&self, incident: &Incident) -> Option<EvidenceId> {
        if incident.kind == Kind::Report || incident.life.steps_left_out > 0 {
            return None;
        }
        let of_step = |id| incident.life.steps.iter().any(|step| step.evidence == Some(id));
        let mut pictures = incident
            .evidence
            .iter()
            .filter(|one| one.media_type == "image/jpeg" && one.original_of.is_none());
        pictures.find(|one| self.pictures && !of_step(one.id)).map(|one| one.id)
    }
}

type MaybeGuest = Option<Extension<GuestHandle>>;
type Peer = Option<Extension<SocketAddr>>;

async fn show<B: Backend>(
    State(door): Shared<B>,
    code: Result<Path<String>, PathRejection>,
    guest: MaybeGuest,
    peer: Peer,
) -> Response {
    match door.open(code, guest.as_deref(), peer.as_deref()).await {
        Ok(opened) => words::html(StatusCode::OK, door.page(&opened).text(None)),
        Err(refused) => refused,
    }
}

/// The snapshot, as the page shows it. That it was fetched is written down once, under the name of the link:
/// it says that its bytes have left, and not who saw them, since robots fetch pages ahead.
async fn picture<B: Backend>(
    State(door): Shared<B>,
    code: Result<Path<String>, PathRejection>,
    guest: MaybeGuest,
    peer: Peer,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let opened = match door.open(code, guest.as_deref(), peer.as_deref()).await {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    let Some(id) = door.shown(&opened.incident) else {
        return words::said(StatusCode::NOT_FOUND, words::NOTHING_HERE);
    };
    if method == Method::HEAD {
        return StatusCode::NO_CONTENT.into_response();
    }
    let by = format!("fetched by link of {}", opened.of.person);
    let fetched = (opened.of.mark.to_string(), id);
    let looked = match lock(&door.fetched).contains(&fetched) {
        true => Looked::Before,
        false => Looked::By(&by),
    };
    let mut answer =
        evidence::send(&door.backend, &id.to_string(), looked, (&method, &headers)).await;
    if answer.status().is_success() {
        let mut all = lock(&door.fetched);
        if all.len() >= FETCHED_MAX {
            all.clear();
        }
        all.insert(fetched);
    }
    words::keep_nowhere(answer.headers_mut());
    answer.headers_mut().remove(header::ETAG);
    answer
}

/// Takes the parts of a request that answering needs.
fn parts(request: Request) -> (HeaderMap, Body) {
    let (head, body) = request.into_parts();
    (head.headers, body)
}
