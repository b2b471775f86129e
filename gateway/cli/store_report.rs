//! What `gridpost store …` says of a data folder, running or not: is it sound, does the ledger hold, what is dead.

use std::{path::Path, sync::Arc};

use jiff::tz::TimeZone;

use super::clock_of;
use crate::{
    base::RealClock,
    domain::{Class, Clock, NoMeter, SinkId},
    runtime::ask_for_retry,
    store::{self, Letter, Sums},
};

/// What waits is shown up to here; the ledger counts all of it.
const LISTED_MAX: usize = 1000;
/// What `gridpost store list` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    Dead,
    Pending,
    Shed,
    Quarantine,
}

/// Sound or not, and what was found, a sentence each.
pub(super) fn check(data: &Path) -> (bool, Vec<String>) {
    let report = store::check(data);
    (report.sound, report.lines)
}

/// One line a sink and kind, and whether the sum holds.
pub(super) fn ledger(data: &Path) -> Result<Vec<String>, String> {
    let ledger = store::read_ledger(data).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for (sink, kinds) in &ledger.sinks {
        for (kind, sums) in kinds {
            lines.push(sums_line(sink, kind.as_str(), sums));
        }
    }
    for (sink, sums) in &ledger.evidence {
        lines.push(sums_line(sink, "(evidence files)", sums));
    }
    lines.push(if ledger.holds() { "the sums hold".into() } else { "THE SUMS DO NOT HOLD".into() });
    Ok(lines)
}

fn sums_line(sink: &SinkId, what: &str, sums: &Sums) -> String {
    // Of speakers alone.
    let expired = match sums.expired {
        0 => String::new(),
        expired => format!(" + expired {expired}"),
    };
    format!(
        "{sink} {what}: accepted {} = delivered {} + pending {} + dead-lettered {} + shed {} + superseded {}{expired} + lost {}",
        sums.accepted,
        sums.delivered,
        sums.pending,
        sums.dead,
        sums.shed,
        sums.superseded,
        sums.lost
    )
}

/// One line each.
pub(super) fn list(data: &Path, what: ListKind, zone: &TimeZone) -> Result<Vec<String>, String> {
    let text = |error: store::OpenError| error.to_string();
    let lines: Vec<String> = match what {
        ListKind::Dead => store::letters(data).map_err(text)?.iter().map(letter_line).collect(),
        ListKind::Pending => {
            store::pending(data, LISTED_MAX).map_err(text)?.iter().map(letter_line).collect()
        }
        ListKind::Shed => store::shed(data)
            .map_err(text)?
            .iter()
            .map(|(sink, kind, number, reason)| {
                format!("{number} {sink} {}: {reason}", kind.as_str())
            })
            .collect(),
        ListKind::Quarantine => store::quarantine(data)
            .map_err(text)?
            .iter()
            .map(|payload| {
                let at = clock_of(payload.at, zone);
                format!("{at} {}: {} {:?}", payload.origin, payload.reason, payload.text)
            })
            .collect(),
    };
    Ok(if lines.is_empty() { vec!["none".into()] } else { lines })
}

fn letter_line(letter: &Letter) -> String {
    let what = match (&letter.evidence, &letter.record) {
        (Some(evidence), _) => format!("evidence {evidence}"),
        (None, Some(record)) => {
            format!("{} {} {}", record.event_id(), record.what.as_str(), record.incident.title.zh)
        }
        (None, None) => "(its record cannot be read)".into(),
    };
    let class = match letter.class {
        Class::Emergency => "emergency",
        Class::Alert => "alert",
        Class::Notice => "notice",
    };
    let (number, sink, kind) = (letter.seq, &letter.sink, letter.kind.as_str());
    let answer = if letter.answer.is_empty() { "" } else { ": " };
    format!("{number} {sink} {class} {kind} {what}{answer}{}", letter.answer)
}

/// By the running gateway if there is one, else here.
pub(super) fn retry(
    data: &Path,
    sink: Option<&str>,
    number: Option<u64>,
) -> Result<Vec<String>, String> {
    let sink = sink.map(SinkId::from);
    let count = match store::holder(data) {
        Some(pid) => ask_for_retry(data, &pid, sink, number)?,
        None => {
            let config = store::Config::at(data);
            let opened = store::open_as_it_was(&config, Arc::new(NoMeter))
                .map_err(|error| error.to_string())?;
            let now = RealClock::start().now().wall;
            let count = opened.store.retry(sink.as_ref(), number, now);
            opened.store.close_blocking().map_err(|error| error.to_string())?;
            count.map_err(|error| error.to_string())?
        }
    };
    Ok(vec![format!("{count} will be sent again")])
}

/// The lines of the check that every backup gets.
pub(super) fn backup(
    data: &Path,
    to: &Path,
    passphrase: Option<&str>,
) -> Result<Vec<String>, String> {
    store::backup(data, to, passphrase)
}

/// The same, and what to do next.
pub(super) fn restore(
    from: &Path,
    data: &Path,
    passphrase: Option<&str>,
) -> Result<Vec<String>, String> {
    let mut lines = store::restore(from, data, RealClock::start().now().wall, passphrase)?;
    lines.push(format!(
        "restored into {}; start the gateway on it, and never again on the folder it was copied from",
        data.display()
    ));
    Ok(lines)
}
