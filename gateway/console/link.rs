//! `GET /api/v1/incidents/<id>/link?for=NAME`: the link by which this person answers this case; who asked for it is written down.
//!
//! Who verifies is not who handled, and who grants is not who asked, by their names. An account that got the
//! links of others would have their names too, and be both: it gets its own alone; and so does a program that
//! speaks for some.

use std::collections::HashMap;

use axum::{
    Extension, Json,
    extract::{Path, Query},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Backend,
    caller::{Caller, Voice},
    problem::problem,
    query::unknown,
    seen::Seen,
};
use crate::wire::case_links::NoLink;

pub(super) async fn make<B: Backend>(
    backend: Seen<B>,
    (Extension(caller), Extension(voice)): (Extension<Caller>, Extension<Voice>),
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(message) = unknown(&query, &["for"]) {
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let Some(person) = query.get("for").map(|name| name.trim()).filter(|name| !name.is_empty())
    else {
        return problem(StatusCode::BAD_REQUEST, "for: expected the name of a person");
    };
    let account = caller.account().map(|account| account.name.as_str());
    if !may_ask(account, person) {
        let message =
            "for: an account asks for its own link alone; the gateway sends each person his";
        return problem(StatusCode::FORBIDDEN, message);
    }
    // By the link it would be that person, and not a program any more.
    if let Some(through) = voice.through(person).filter(|through| !through.speaks_for) {
        let (sender, names) = (through.sender, through.names);
        let message = format!(
            "for: {sender} speaks for {names} alone (speaks_for), and gets no link of anybody else"
        );
        return problem(StatusCode::FORBIDDEN, &message);
    }
    let Some(record) = id.parse().ok().and_then(|id| backend.incident(id)) else {
        return problem(StatusCode::NOT_FOUND, "no such incident");
    };
    if record.incident.stage.is_over() {
        return problem(StatusCode::CONFLICT, "the case is over: its links have ended");
    }
    let Some(made) = backend.make_link(record.incident.id, person, &caller.name()).await else {
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

/// Whoever has no account is not known by a name: whatever he sends is as he claims, by a link or without one.
fn may_ask(account: Option<&str>, person: &str) -> bool {
    account.is_none_or(|own| own == person)
}

#[cfg(test)]
mod tests {
    use super::may_ask;
    use crate::domain::plain_name;

    #[test]
    fn l7_an_account_gets_no_link_by_which_a_case_would_see_another_person() {
        let names =
            ["李建国", " 李建国", "李 建国", "李建国\u{200b}", "王芳", "li", "Li", "li\n", ""];
        for own in names {
            assert!(may_ask(Some(own), own));
            for person in names {
                let is_one = plain_name(own) == plain_name(person);
                assert!(is_one || !may_ask(Some(own), person), "{own:?} asks for {person:?}");
                assert!(may_ask(None, person));
            }
        }
    }
}
