//! `GET /api/v1/incidents/<id>/link?for=NAME`: the link by which this person answers this case; that it was asked for is written down.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Backend, problem::problem, seen::Seen};
use crate::wire::case_links::NoLink;

pub(super) async fn make<B: Backend>(
    backend: Seen<B>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(key) = query.keys().find(|key| key.as_str() != "for") {
        return problem(StatusCode::BAD_REQUEST, &format!("{key}: known is for"));
    }
    let Some(person) = query.get("for").map(|name| name.trim()).filter(|name| !name.is_empty())
    else {
        return problem(StatusCode::BAD_REQUEST, "for: expected the name of a person");
    };
    let Some(record) = id.parse().ok().and_then(|id| backend.incident(id)) else {
        return problem(StatusCode::NOT_FOUND, "no such incident");
    };
    if record.incident.stage.is_over() {
        return problem(StatusCode::CONFLICT, "the case is over: its links have ended");
    }
    let Some(made) = backend.make_link(record.incident.id, person).await else {
        let message = "that it was asked for cannot be written down";
        return problem(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    match made {
        Ok((link, until)) => {
            let until = backend.context().time(until);
            let body = json!({ "link": link, "for": person, "until": until });
            let mut answer = Json(body).into_response();
            let no_store = HeaderValue::from_static("no-store");
            answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
            answer
        }
        Err(why) => {
            let status = match why {
                NoLink::Unknown => StatusCode::UNPROCESSABLE_ENTITY,
                NoLink::Off => StatusCode::NOT_FOUND,
                NoLink::Clock | NoLink::Key(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            problem(status, &why.to_string())
        }
    }
}
