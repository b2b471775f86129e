//! What can be asked of a data folder, running or not: is it sound, does the ledger hold, what is dead; and retry, backup, restore.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::RealClock;
use crate::{
    domain::{Class, Clock, NoMeter, SinkId},
    store::{self, Letter, Store, Sums},
};

/// What waits is shown up to here; the ledger counts all of it.
const LISTED_MAX: usize = 1000;
/// A running gateway looks for requests every few seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A request to a running gateway lies in its data folder, which is nobody else's.
const REQUEST: &str = "retry.json";
const ANSWER: &str = "retry.done";

/// What `gridpost store list` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Dead,
    Pending,
    Shed,
    Quarantine,
}

#[derive(Serialize, Deserialize)]
struct Request {
    /// Tells the answer to this one from that to another.
    by: u32,
    sink: Option<SinkId>,
    number: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    by: u32,
    count: usize,
    failed: Option<String>,
}

/// Sound or not, and what was found, a sentence each.
pub fn store_check(data: &Path) -> (bool, Vec<String>) {
    let report = store::check(data);
    (report.sound, report.lines)
}

/// One line a sink and kind, and whether the sum holds.
pub fn store_ledger(data: &Path) -> Result<Vec<String>, String> {
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
    format!(
        "{sink} {what}: accepted {} = delivered {} + pending {} + dead-lettered {} + shed {} + lost {}",
        sums.accepted, sums.delivered, sums.pending, sums.dead, sums.shed, sums.lost
    )
}

/// One line each.
pub fn store_list(data: &Path, what: Listed) -> Result<Vec<String>, String> {
    let told = |error: store::OpenError| error.to_string();
    let lines: Vec<String> = match what {
        Listed::Dead => store::letters(data).map_err(told)?.iter().map(letter_line).collect(),
        Listed::Pending => {
            store::pending(data, LISTED_MAX).map_err(told)?.iter().map(letter_line).collect()
        }
        Listed::Shed => store::shed(data)
            .map_err(told)?
            .iter()
            .map(|(sink, kind, number, reason)| {
                format!("{number} {sink} {}: {reason}", kind.as_str())
            })
            .collect(),
        Listed::Quarantine => store::quarantine(data)
            .map_err(told)?
            .iter()
            .map(|kept| format!("{} {}: {} {:?}", kept.at, kept.origin, kept.reason, kept.text))
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
pub fn store_retry(
    data: &Path,
    sink: Option<&str>,
    number: Option<u64>,
) -> Result<Vec<String>, String> {
    let sink = sink.map(SinkId::from);
    let count = match store::holder(data) {
        Some(pid) => ask(data, &pid, sink, number)?,
        None => {
            let config = store::Config::at(data);
            let opened = store::open_as_it_was(&config, std::sync::Arc::new(NoMeter))
                .map_err(|error| error.to_string())?;
            let now = RealClock::start().now().wall;
            let count = opened.store.retry(sink.as_ref(), number, now);
            opened.store.close_blocking().map_err(|error| error.to_string())?;
            count.map_err(|error| error.to_string())?
        }
    };
    Ok(vec![format!("{count} will be sent again")])
}

fn ask(data: &Path, pid: &str, sink: Option<SinkId>, number: Option<u64>) -> Result<usize, String> {
    let request = Request { by: std::process::id(), sink, number };
    let (whole, path) = (data.join("retry.new"), data.join(REQUEST));
    let text = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
    fs::write(&whole, text)
        .and_then(|()| fs::rename(&whole, &path))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let began = Instant::now();
    while began.elapsed() < ANSWER_WITHIN {
        let answer = fs::read(data.join(ANSWER)).ok();
        let answer = answer.and_then(|text| serde_json::from_slice::<Answer>(&text).ok());
        if let Some(answer) = answer.filter(|answer| answer.by == request.by) {
            let _ = fs::remove_file(data.join(ANSWER));
            return answer.failed.map_or(Ok(answer.count), Err);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = fs::remove_file(path);
    Err(format!("the running gateway (process {pid}) did not answer within {ANSWER_WITHIN:?}"))
}

/// The running gateway's half: answers a request that lies in its folder.
pub(super) fn answer_retry(data: &Path, store: &Store, clock: &dyn Clock) {
    let path = data.join(REQUEST);
    let Ok(text) = fs::read(&path) else { return };
    let _ = fs::remove_file(&path);
    let Ok(request) = serde_json::from_slice::<Request>(&text) else { return };
    let retried = store.retry(request.sink.as_ref(), request.number, clock.now().wall);
    let (count, failed) = match retried {
        Ok(count) => (count, None),
        Err(error) => (0, Some(error.to_string())),
    };
    tracing::info!(count, failed, "dead letters are sent again, as asked for");
    let whole = data.join("retry.done.new");
    let answer = serde_json::to_vec(&Answer { by: request.by, count, failed }).unwrap_or_default();
    if let Err(error) =
        fs::write(&whole, answer).and_then(|()| fs::rename(&whole, data.join(ANSWER)))
    {
        tracing::warn!(%error, "the answer to a retry could not be written");
    }
}

/// The lines of the check that every backup gets.
pub fn store_backup(data: &Path, to: &Path) -> Result<Vec<String>, String> {
    store::backup(data, to)
}

/// The same, and what to do next.
pub fn store_restore(from: &Path, data: &Path) -> Result<Vec<String>, String> {
    let mut lines = store::restore(from, data, RealClock::start().now().wall)?;
    lines.push(format!(
        "restored into {}; start the gateway on it, and never again on the folder it was copied from",
        data.display()
    ));
    Ok(lines)
}
