//! `gridpost announce` beside a running gateway: a person's own words, and which speaker said them when.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    drill_request::{ANSWER_SPARE, DrillReport, open, wait_for_sinks},
    request_file,
    shared::Shared,
};
use crate::{
    domain::{AnnounceOrder, Body, Kind, SinkId, SourceId},
    store::Ledger,
};

const WHAT: &str = "announce";

#[derive(Serialize, Deserialize)]
struct AnnounceRequest {
    order: AnnounceOrder,
    wait_ms: u64,
}

/// Asks the gateway that runs on this folder to say something, and waits until every sink had it, or so
/// long. The error is one sentence.
pub fn ask_to_announce(
    data: &Path,
    pid: &str,
    order: AnnounceOrder,
    wait: Duration,
) -> Result<DrillReport, String> {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let request = AnnounceRequest { order, wait_ms };
    let within = wait + ANSWER_SPARE;
    request_file::ask::<Result<DrillReport, String>>(data, pid, WHAT, &request, within)?
}

/// Settled is also what was not said in time: that has not been said.
fn with_expired(mut report: DrillReport, before: &Ledger, after: &Ledger) -> DrillReport {
    let expired = |ledger: &Ledger, sink: &SinkId| {
        let kinds = ledger.sinks.get(sink);
        kinds.and_then(|kinds| kinds.get(&Kind::Announcement)).map_or(0, |sums| sums.expired)
    };
    for source in &report.incident.sources {
        let sink = SinkId::from(source.id.as_str());
        if expired(after, &sink) > expired(before, &sink) {
            report.took_ms.remove(&sink);
            report.refused.insert(sink, "it did not take it in time".into());
        }
    }
    report
}

/// The running gateway's half; a thread of its own waits for the speakers.
pub(super) fn answer_announce(data: &Path, shared: &Shared) {
    let Some(request) = request_file::take::<AnnounceRequest>(data, WHAT) else { return };
    let (data, shared) = (PathBuf::from(data), shared.clone());
    let answering = move || {
        let by = request.by;
        let AnnounceRequest { order, wait_ms } = request.slip;
        tracing::info!(by = order.by, "somebody asks for an announcement");
        let source = SourceId::from(order.by.as_str());
        let before = shared.store.ledger();
        let said = open(&shared, source, Body::Announce(order));
        let wait = Duration::from_millis(wait_ms);
        let report = said.and_then(|incident| wait_for_sinks(&shared, incident, wait));
        let report = report.map(|report| with_expired(report, &before, &shared.store.ledger()));
        request_file::put(&data, WHAT, by, &report);
    };
    if let Err(error) = thread::Builder::new().name("announce".into()).spawn(answering) {
        tracing::warn!(%error, "an announcement was asked for and cannot begin");
    }
}
