//! 邹全办: a public page on which residents report; a listener of its own with no other route.
//!
//! Nobody is known here and nothing is believed. Bytes, time, memory, forms at once, reports an hour are
//! bounded before anything is read; a picture is opened by a child process alone (`media/foreign_picture.rs`).
//! The sender's address goes to no disk and no log. A report is acknowledged when it is on disk, and not before.

mod config;
mod form;
mod number;
mod page;
mod senders;
mod sent_before;
mod take;
mod upload;
mod words;

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::{Extensions, HeaderValue, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch};

pub use config::{Config, NamedPlace};
use form::ReportForm;
use number::Number;
use page::{POLICY, ReportSite, Shown};
use senders::Senders;
use sent_before::SentBefore;
use upload::Room;
use words::{Language, Trouble, reason, stage};

use super::listener::{DoorRules, WebListener};
use crate::{
    base::Readiness,
    domain::{Grid, Incident, IncidentId, Record, ReplyTo, ResidentReport},
    media::CleanPicture,
    wire::tls::ServerTls,
};

/// A wrong look-up number is answered so much later, after the first few of an address.
const GUESS_WAITS: Duration = Duration::from_secs(2);
/// Cases that were merged into each other are followed so far.
const MERGED_MAX: usize = 8;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is on disk, or was before.
    Stored,
    /// It is not, and nothing of it will be.
    NotStored,
    /// Likewise, for as many are open as people can answer.
    TooManyOpen,
    /// The disk is slow: it may be, and the same one again is not a second one.
    Unsure,
}

/// What the page needs of the gateway; the runtime makes it.
pub trait ReportBackend: Clone + Send + Sync + 'static {
    /// The case of the report with this look-up number, by its SHA-256; may block on the disk.
    fn reported(&self, number_sha256: &str) -> Option<Record>;
    /// The latest state of a case; may block on the disk.
    fn case(&self, id: IncidentId) -> Option<Record>;
    /// As many are open as people can answer: no more are taken for now.
    fn is_full(&self) -> bool;
    /// Takes a report; answers when it is on disk.
    fn keep(
        &self,
        report: ResidentReport,
        picture: Option<CleanPicture>,
    ) -> impl Future<Output = Kept> + Send;
    /// Counts what became of one.
    fn count(&self, outcome: &'static str);
    /// As the site's clock shows it, to the minute.
    fn minute(&self, at: Timestamp) -> String;
}

/// A place of the list that residents choose from.
#[derive(Clone, Debug)]
pub struct ListedPlace {
    /// What a form sends for it.
    pub value: String,
    /// What is shown.
    pub name: String,
    /// Under which heading; empty for none.
    pub under: String,
    /// Who answers for it.
    pub grid: Option<Grid>,
    /// It is a place by itself, and not only a grid.
    pub is_named: bool,
}

/// A bound listener of the page that nobody serves yet.
pub struct Reports {
    listener: Arc<TcpListener>,
    tls: Option<ServerTls>,
    config: Config,
    site_name: String,
    places: Vec<ListedPlace>,
}

/// What its handlers share.
struct Office<B> {
    backend: B,
    site: ReportSite,
    places: Vec<ListedPlace>,
    senders: Arc<Senders>,
    room: Room,
    sent_before: SentBefore,
    began: Instant,
}

impl Reports {
    /// Binds it.
    pub async fn bind(
        config: &Config,
        site_name: &str,
        places: Vec<ListedPlace>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("reports: cannot listen on {}: {error}", config.listen))?;
        Self::on(Arc::new(listener), config, site_name, places)
    }

    /// As [`Self::bind`], on a listener that is there: another page may serve it until now.
    pub fn on(
        listener: Arc<TcpListener>,
        config: &Config,
        site_name: &str,
        places: Vec<ListedPlace>,
    ) -> Result<Self, String> {
        let tls = config.tls().server().map_err(|reason| format!("reports: {reason}"))?;
        let (config, site_name) = (config.clone(), site_name.to_owned());
        Ok(Self { listener, tls, config, site_name, places })
    }

    /// Its socket.
    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Serves until told to stop; what is being answered then is answered.
    pub async fn serve<B: ReportBackend>(
        self,
        backend: B,
        readiness: Readiness,
        stop: watch::Receiver<bool>,
    ) {
        let Self { listener, tls, config, site_name, places } = self;
        let shown = |one: &ListedPlace| (one.value.clone(), one.name.clone(), one.under.clone());
        let rules = DoorRules::public("reports");
        let proxies = Arc::new(config.proxies());
        let office = Office {
            backend,
            site: ReportSite {
                name: site_name,
                emergency_phone: config.emergency_phone.clone(),
                places: places.iter().map(shown).collect(),
            },
            places,
            senders: Senders::new(config.address_hourly_max, config.hourly_max, 0),
            room: Room::new(),
            sent_before: SentBefore::default(),
            began: Instant::now(),
        };
        let app = router(Arc::new(office));
        WebListener { listener, tls, app, readiness, rules, proxies }.serve(stop).await;
    }
}

fn router<B: ReportBackend>(office: Arc<Office<B>>) -> Router {
    let lost = office.clone();
    Router::new()
        .route("/", get(form_page::<B>).post(take::take::<B>))
        .route("/r", get(typed::<B>))
        .route("/r/{number}", get(followed::<B>))
        .fallback(move || async move {
            let text = Trouble::NoSuchPage.words(Language::Zh);
            (StatusCode::NOT_FOUND, Html(lost.site.trouble(Language::Zh, text)))
        })
        .layer(middleware::map_response(|mut response: Response| async {
            let policy = HeaderValue::from_str(&POLICY);
            let fixed = [
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::X_FRAME_OPTIONS, "DENY"),
            ];
            let headers = response.headers_mut();
            headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
            for (name, value) in fixed {
                headers.insert(name, HeaderValue::from_static(value));
            }
            response
        }))
        .with_state(office)
}

/// Who sends; the listener knows whose word of that counts.
fn sender(extensions: &Extensions) -> IpAddr {
    let from = extensions.get::<SocketAddr>();
    from.map_or(IpAddr::from([0, 0, 0, 0]), |from| from.ip().to_canonical())
}

impl<B: ReportBackend> Office<B> {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The page shows another list by now: what was chosen is not among it, and is not guessed.
    fn place_left(&self, form: &ReportForm) -> Option<Trouble> {
        let is_listed = self.places.iter().any(|place| place.value == form.listed);
        (!form.listed.is_empty() && !is_listed).then_some(Trouble::PlaceLeft)
    }

    /// Of a case that was merged, the one that goes on, and whether it was.
    fn goes_on(&self, incident: &Incident) -> (Incident, bool) {
        let mut case = incident.clone();
        let mut merged = false;
        for _ in 0..MERGED_MAX {
            let last = case.life.round().last().filter(|step| step.step == ReplyTo::Merged);
            let into = last.and_then(|step| step.into).and_then(|into| self.backend.case(into));
            let Some(into) = into else { break };
            (case, merged) = (into.incident, true);
        }
        (case, merged)
    }

    /// How far it is.
    fn shown(&self, incident: &Incident, language: Language) -> Shown {
        let (case, merged) = self.goes_on(incident);
        let over =
            case.life.round().last().filter(|_| case.stage == crate::domain::Stage::Dismissed);
        let refused = incident.detail.get("picture_refused");
        let refused = refused.and_then(|refused| refused[language.code()].as_str());
        // The latest step of a person; what a limit tells is none.
        let changed_at = case.life.last_taken().map_or(incident.opened_at, |step| step.at);
        Shown {
            stage: stage(case.stage, language),
            reason: over.map(|step| reason(step.reason, language)),
            received_at: self.backend.minute(incident.opened_at),
            changed_at: self.backend.minute(changed_at.max(incident.opened_at)),
            merged,
            picture_refused: refused.map(str::to_owned),
        }
    }

    /// The page of a number, whoever has it; one that is none is answered slowly where an address goes on
    /// guessing.
    async fn look_up(self: Arc<Self>, typed: &str, language: Language, from: IpAddr) -> Response {
        let number = Number::read(typed);
        let office = self.clone();
        let found = tokio::task::spawn_blocking(move || {
            let number = number?;
            let record = office.backend.reported(&number.sha256())?;
            let shown = office.shown(&record.incident, language);
            Some(office.site.status(language, &number, &shown))
        });
        match found.await {
            Ok(Some(page)) => Html(page).into_response(),
            _ => {
                if !self.senders.guesses(from, self.now_ms()) {
                    tokio::time::sleep(GUESS_WAITS).await;
                }
                let page = self.site.trouble(language, Trouble::NoSuchNumber.words(language));
                (StatusCode::NOT_FOUND, Html(page)).into_response()
            }
        }
    }
}

fn new_nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn language_of(query: &HashMap<String, String>) -> Language {
    Language::of(query.get("lang").map_or("", String::as_str))
}

async fn form_page<B: ReportBackend>(
    State(office): State<Arc<Office<B>>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let form = ReportForm { language: language_of(&query), ..ReportForm::default() };
    Html(office.site.form(&form, &new_nonce(), None)).into_response()
}

async fn typed<B: ReportBackend>(
    State(office): State<Arc<Office<B>>>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let language = language_of(&query);
    let from = sender(request.extensions());
    office.look_up(query.get("n").map_or("", String::as_str), language, from).await
}

async fn followed<B: ReportBackend>(
    State(office): State<Arc<Office<B>>>,
    Path(number): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let language = language_of(&query);
    let from = sender(request.extensions());
    office.look_up(&number, language, from).await
}

#[cfg(test)]
mod tests;
