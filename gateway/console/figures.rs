//! `GET /api/v1/figures`, `.csv` and `.xlsx`: what a district counts of its cases, computed when it is asked for.

use std::collections::HashMap;

use axum::{
    Json,
    extract::Query,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

use super::{Backend, problem::problem, seen::Seen};
use crate::figures::{Figures, FiguresQuery, csv_text, figures, workbook};

/// The cases of a year take tens of megabytes while they are counted: one table at a time, whoever asks.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// What is wrong, and whose fault it is.
type Wrong = (StatusCode, String);

/// Keys of the address, and their values.
type Pairs = HashMap<String, String>;

pub(super) async fn json<B: Backend>(backend: Seen<B>, Query(pairs): Query<Pairs>) -> Response {
    match make(backend, pairs, table).await {
        Ok((_, figures)) => Json(figures).into_response(),
        Err((status, message)) => problem(status, &message),
    }
}

pub(super) async fn csv<B: Backend>(backend: Seen<B>, Query(pairs): Query<Pairs>) -> Response {
    let made = make(backend, pairs, |backend, query| csv_text(&table(backend, query)?));
    file(
        made.await.map(|(query, text)| (query, text.into_bytes())),
        "text/csv; charset=utf-8",
        "csv",
    )
}

pub(super) async fn xlsx<B: Backend>(backend: Seen<B>, Query(pairs): Query<Pairs>) -> Response {
    if let Some(key) = ["by", "group"].into_iter().find(|key| pairs.contains_key(*key)) {
        let message = format!("{key}: the spreadsheet has a sheet for each; leave it out");
        return problem(StatusCode::BAD_REQUEST, &message);
    }
    let made = make(backend, pairs, |backend, query| {
        let zone = backend.context().timezone;
        let (from, until) = query.times(&zone)?;
        workbook(&backend.case_lines(from, until), query, &zone, backend.now())
    });
    let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    file(made.await, media_type, "xlsx")
}

fn table<B: Backend>(backend: &B, query: &FiguresQuery) -> Result<Figures, String> {
    let zone = backend.context().timezone;
    let (from, until) = query.times(&zone)?;
    Ok(figures(&backend.case_lines(from, until), query, &zone, backend.now()))
}

/// Reads the query, and makes something of it where it may take its time.
async fn make<B: Backend, T: Send + 'static>(
    backend: B,
    pairs: Pairs,
    made: fn(&B, &FiguresQuery) -> Result<T, String>,
) -> Result<(FiguresQuery, T), Wrong> {
    let today = backend.now().to_zoned(backend.context().timezone).date();
    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let query =
        FiguresQuery::parse(pairs, today).map_err(|message| (StatusCode::BAD_REQUEST, message))?;
    let gone = || (StatusCode::SERVICE_UNAVAILABLE, "the gateway stops".to_owned());
    let turn = ONE_AT_A_TIME.acquire().await.map_err(|_| gone())?;
    // The turn ends with the work, also where nobody waits for the answer any more.
    let work = move || {
        let _turn = turn;
        made(&backend, &query)
    };
    let thing = tokio::task::spawn_blocking(work).await.map_err(|_| gone())?;
    thing.map(|thing| (query, thing)).map_err(|message| (StatusCode::BAD_REQUEST, message))
}

/// A file to keep, named by its first day.
fn file(made: Result<(FiguresQuery, Vec<u8>), Wrong>, media_type: &str, ending: &str) -> Response {
    match made {
        Ok((query, bytes)) => {
            let name = format!("attachment; filename=\"figures-{}.{ending}\"", query.from);
            let headers = [
                (header::CONTENT_TYPE, media_type.to_owned()),
                (header::CONTENT_DISPOSITION, name),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            (headers, bytes).into_response()
        }
        Err((status, message)) => problem(status, &message),
    }
}
