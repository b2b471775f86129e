//! The handler of each address of the table; health, incidents, devices and reload are here.

use std::collections::HashMap;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post, put},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Backend, Filter, Reloaded, account_routes, alarms, announce,
    body::{BODY_BYTES_MAX, PICTURE_BODY_BYTES_MAX, with_body, with_picture_body},
    caller::Caller,
    camera_desk,
    changes::{self, PAGES_MAX},
    door::{self, Door},
    entrance, evidence, figures, fleet, link,
    live::{self, VIEWERS_MAX},
    map, overview, package, page, platform, presence,
    problem::{problem, stopping},
    query::{time, unknown},
    replies,
    route_list::ROUTES,
    route_table::{BodyShape, Route, RouteId, Who},
    rules,
    seen::Seen,
    socket::Seats,
    token_routes, weather,
};
use crate::domain::{DEVICE_STATES, DeviceState, Kind, Record};

/// Incidents in one answer.
const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

/// Built from the table: what has no line there is not there.
pub(super) fn router<B: Backend>(door: Door<B>, stop: watch::Receiver<bool>) -> Router {
    let viewers = Seats::of(VIEWERS_MAX, stop.clone());
    let pages = Seats::of(PAGES_MAX, stop);
    let guarded = |route: &'static Route| {
        let handled = bounded(route, handler(route.id, &door, (&pages, &viewers)));
        let guard = middleware::from_fn_with_state((door.clone(), route), door::only_who_may::<B>);
        handled.layer(guard)
    };
    let router =
        ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, guarded(route)));
    router.fallback(|| async { problem(StatusCode::NOT_FOUND, "no such address") }).layer(
        middleware::map_response(|mut response: Response| async {
            let sniff = header::HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
            response
        }),
    )
}

/// The body is there whole before anything is done with it, and no larger than its route takes.
fn bounded(route: &Route, handled: MethodRouter) -> MethodRouter {
    if matches!(route.takes, BodyShape::JsonOrForm(_)) {
        return handled
            .layer(DefaultBodyLimit::max(PICTURE_BODY_BYTES_MAX))
            .layer(middleware::from_fn(with_picture_body));
    }
    let handled = handled.layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    match route.who {
        // It reads the body once the platform has shown its token.
        Who::Platform => handled,
        Who::Anybody | Who::OpenOnLoopback(..) if !route.changes() => handled,
        _ => handled.layer(middleware::from_fn(with_body)),
    }
}

fn handler<B: Backend>(
    id: RouteId,
    door: &Door<B>,
    (pages, viewers): (&Seats, &Seats),
) -> MethodRouter {
    let backend = door.backend.clone();
    let at_door = |handled: MethodRouter<Door<B>>| handled.with_state(door.clone());
    let of_site = |handled: MethodRouter<B>| handled.with_state(backend.clone());
    match id {
        RouteId::Page => get(page::index),
        RouteId::Asset => get(page::asset),
        RouteId::Health => get(|| async { "ok\n" }),
        RouteId::Ready => at_door(get(readyz::<B>)),
        RouteId::Metrics => of_site(get(metrics::<B>)),
        RouteId::Incidents => of_site(get(incidents::<B>)),
        RouteId::Incident => of_site(get(incident::<B>)),
        RouteId::IncidentLink => of_site(get(link::make::<B>)),
        RouteId::IncidentReplies => of_site(post(replies::take_of_incident::<B>)),
        RouteId::Figures => of_site(get(figures::json::<B>)),
        RouteId::FiguresCsv => of_site(get(figures::csv::<B>)),
        RouteId::FiguresXlsx => of_site(get(figures::xlsx::<B>)),
        RouteId::Rules => of_site(get(rules::list::<B>)),
        RouteId::Devices => of_site(get(devices::<B>)),
        RouteId::Evidence => of_site(get(evidence::serve::<B>)),
        RouteId::Package => of_site(get(package::export::<B>)),
        RouteId::Hold => of_site(post(package::hold::<B>)),
        RouteId::Original => of_site(get(package::original::<B>)),
        RouteId::Replies => of_site(post(replies::take::<B>)),
        RouteId::Announce => of_site(post(announce::take::<B>)),
        RouteId::Reload => of_site(post(reload::<B>)),
        RouteId::Rain => of_site(get(weather::rain::<B>)),
        RouteId::Postures => of_site(get(weather::postures::<B>)),
        RouteId::OrderPosture => of_site(post(weather::order::<B>)),
        RouteId::Console => of_site(get(overview::serve::<B>)),
        RouteId::Changes => at_door(get(changes::serve::<B>)).layer(Extension(pages.clone())),
        RouteId::Alarms => of_site(get(alarms::serve::<B>)),
        RouteId::Map => of_site(get(map::serve::<B>)),
        RouteId::MapGround => of_site(get(map::ground::<B>)),
        RouteId::Fleet => of_site(get(fleet::serve::<B>)),
        RouteId::Presence => of_site(get(presence::serve::<B>)),
        RouteId::Cameras => of_site(get(camera_desk::list::<B>)),
        RouteId::FindCameras => at_door(post(camera_desk::find::<B>)),
        RouteId::AddCamera => of_site(post(camera_desk::add::<B>)),
        RouteId::AddButton => of_site(post(camera_desk::add_button::<B>)),
        RouteId::Still => of_site(get(camera_desk::still::<B>)),
        RouteId::Live => at_door(get(live::serve::<B>)).layer(Extension(viewers.clone())),
        RouteId::TryRule => of_site(post(camera_desk::try_rule::<B>)),
        RouteId::ApplyRule => of_site(post(camera_desk::apply_rule::<B>)),
        RouteId::UndoApplied => of_site(post(camera_desk::undo_applied::<B>)),
        RouteId::Session => at_door(get(entrance::who::<B>)),
        RouteId::LogIn => at_door(post(entrance::log_in::<B>)),
        RouteId::NameSession => at_door(put(entrance::named::<B>)),
        RouteId::LogOut => at_door(delete(entrance::log_out::<B>)),
        RouteId::FirstAccount => at_door(post(entrance::first::<B>)),
        RouteId::Password => at_door(post(account_routes::own_password::<B>)),
        RouteId::Accounts => at_door(get(account_routes::list::<B>)),
        RouteId::AddAccount => at_door(post(account_routes::add::<B>)),
        RouteId::ChangeAccount => at_door(patch(account_routes::change::<B>)),
        RouteId::RemoveAccount => at_door(delete(account_routes::remove::<B>)),
        RouteId::AddToken => at_door(post(token_routes::add::<B>)),
        RouteId::RemoveToken => at_door(delete(token_routes::remove::<B>)),
        RouteId::BeginWall => at_door(post(account_routes::begin_wall::<B>)),
        RouteId::ClaimWall => at_door(post(account_routes::claim_wall::<B>)),
        RouteId::ConfirmWall => at_door(post(account_routes::confirm_wall::<B>)),
        RouteId::Platform => {
            let shown = (door.wrong.clone(), backend.clone());
            let guard = middleware::from_fn_with_state(shown, platform::only_with_its_token::<B>);
            of_site(post(platform::take::<B>)).layer(guard)
        }
    }
}

/// The status is for everybody; beyond loopback the reasons are for whoever may read figures.
async fn readyz<B: Backend>(State(door): State<Door<B>>, request: Request) -> Response {
    let (headers, extensions) = (request.headers(), request.extensions());
    let reasons = door.backend.ready();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = json!({ "ready": reasons.is_empty() });
    let told = door.is_at_machine(extensions)
        || door.caller(headers, extensions).is_some_and(|caller| may_know(&caller));
    if told {
        answer["reasons"] = json!(reasons);
        answer["notes"] = json!(door.backend.notes());
        answer["model"] = json!(door.backend.model());
    }
    (status, Json(answer)).into_response()
}

fn may_know(caller: &Caller) -> bool {
    let metrics = ROUTES.iter().find(|route| route.id == RouteId::Metrics).map(|route| route.who);
    match metrics {
        Some(Who::OpenOnLoopback(roles, scope)) => caller.may(roles, scope),
        _ => false,
    }
}

async fn metrics<B: Backend>(State(backend): State<B>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], backend.metrics()).into_response()
}

async fn incidents<B: Backend>(
    backend: Seen<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match filter(&query) {
        Ok(filter) => {
            let list: Vec<Value> =
                backend.incidents(&filter).iter().map(|record| shown(&backend, record)).collect();
            Json(json!({ "incidents": list })).into_response()
        }
        Err(message) => problem(StatusCode::BAD_REQUEST, &message),
    }
}

fn filter(query: &HashMap<String, String>) -> Result<Filter, String> {
    let mut filter = Filter { limit: LIST_DEFAULT, ..Filter::default() };
    for (key, value) in query {
        let expected = |what: &str| format!("{key}={value}: expected {what}");
        match key.as_str() {
            "active" => filter.active = Some(value.parse().map_err(|_| expected("true or false"))?),
            "kind" => {
                let kind = serde_json::from_value::<Kind>(Value::from(value.as_str()));
                filter.kind = Some(kind.map_err(|_| expected("a kind such as emergency-button"))?);
            }
            "since" => {
                filter.since = Some(time(value).ok_or_else(|| expected("a time in RFC 3339"))?);
            }
            "limit" => {
                let limit: usize = value.parse().map_err(|_| expected("a number"))?;
                filter.limit = limit.min(LIST_MAX);
            }
            _ => return Err(format!("{key}: known are active, kind, since, limit")),
        }
    }
    Ok(filter)
}

fn shown<B: Backend>(backend: &B, record: &Record) -> Value {
    overview::with_words(&backend.context().data(record.what, &record.incident))
}

/// All devices, or those of a state: `?state=silent`.
async fn devices<B: Backend>(
    backend: Seen<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(message) = unknown(&query, &["state"]) {
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let state = query.get("state");
    if let Some(state) = state.filter(|state| !DEVICE_STATES.contains(&state.as_str())) {
        let message = format!("state={state}: expected one of {}", DEVICE_STATES.join(", "));
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let table = backend.devices();
    let wanted = |states: &[&str]| state.is_none_or(|state| states.contains(&state.as_str()));
    let shown = |device: &DeviceState| {
        let states = device.states();
        wanted(&states).then(|| {
            let mut value = json!(device);
            value["states"] = json!(states);
            value
        })
    };
    let devices: Vec<Value> = table.devices.iter().filter_map(shown).collect();
    Json(json!({ "at": table.at, "devices": devices })).into_response()
}

async fn incident<B: Backend>(backend: Seen<B>, Path(id): Path<String>) -> Response {
    let found = id.parse().ok().and_then(|id| backend.incident(id));
    match found {
        Some(record) => Json(shown(&backend, &record)).into_response(),
        None => problem(StatusCode::NOT_FOUND, "no such incident"),
    }
}

/// 422 with every problem where the file is wrong, 409 where it asks for what needs a restart, or would
/// take away whole parts without `?confirm=true`.
async fn reload<B: Backend>(
    backend: Seen<B>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(message) = unknown(&query, &["confirm"]) {
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let confirmed = match query.get("confirm").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let message = format!("confirm={other}: expected true or false");
            return problem(StatusCode::BAD_REQUEST, &message);
        }
    };
    let (status, body) = match backend.reload(confirmed).await {
        Reloaded::Done(body) => (StatusCode::OK, body),
        Reloaded::Wrong(body) => (StatusCode::UNPROCESSABLE_ENTITY, body),
        Reloaded::Refused(body) => (StatusCode::CONFLICT, body),
        Reloaded::Stopping => return stopping(),
    };
    (status, Json(body)).into_response()
}
