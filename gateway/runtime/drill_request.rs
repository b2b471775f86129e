//! `gridpost test-event` beside a running gateway: opens a drill, and says who got it when.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{request_file, shared::Shared};
use crate::{
    domain::{
        Answer, Body, DrillOrder, Envelope, Incident, Observation, Receipt, SinkId, SourceId,
    },
    rules::rain::POSTURE_SOURCE,
};

const WHAT: &str = "drill";
/// A junction that waits for the disk so long has other cares.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// How exactly it is known when a sink had it.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Beyond what is waited for sinks: until the request is seen, and the drill on disk.
pub(super) const ANSWER_SPARE: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct DrillRequest {
    order: DrillOrder,
    /// Of the configuration; the site itself where none is named.
    source: Option<SourceId>,
    wait_ms: u64,
}

/// Who got a drill, and when; all that is in none of the lists had it before anybody looked.
#[derive(Debug, Serialize, Deserialize)]
pub struct DrillReport {
    pub incident: Incident,
    /// Milliseconds after it was on disk.
    pub took_ms: BTreeMap<SinkId, u64>,
    /// Not within the time that was waited.
    pub waiting: Vec<SinkId>,
    /// With the answer.
    pub refused: BTreeMap<SinkId, String>,
    /// Why the gateway is not ready, as `/readyz` says.
    pub reasons: Vec<String>,
}

/// Asks the gateway that runs on this folder for a drill, and waits until every sink had it, or so long. The
/// error is one sentence.
pub fn ask_for_drill(
    data: &Path,
    pid: &str,
    order: DrillOrder,
    source: Option<SourceId>,
    wait: Duration,
) -> Result<DrillReport, String> {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let request = DrillRequest { order, source, wait_ms };
    let within = wait + ANSWER_SPARE;
    request_file::ask::<Result<DrillReport, String>>(data, pid, WHAT, &request, within)?
}

/// The running gateway's half; a thread of its own waits for the sinks.
pub(super) fn answer_drill(data: &Path, shared: &Shared) {
    let Some(request) = request_file::take::<DrillRequest>(data, WHAT) else { return };
    let (data, shared) = (PathBuf::from(data), shared.clone());
    let answering = move || {
        let by = request.by;
        let report = drill(&shared, request.slip);
        request_file::put(&data, WHAT, by, &report);
    };
    if let Err(error) = thread::Builder::new().name("drill".into()).spawn(answering) {
        tracing::warn!(%error, "a drill was asked for and cannot begin");
    }
}

fn drill(shared: &Shared, request: DrillRequest) -> Result<DrillReport, String> {
    let source = request.source.unwrap_or_else(|| SourceId::from(POSTURE_SOURCE));
    let order = request.order;
    tracing::info!(by = order.by, kind = order.kind.as_str(), %source, "a drill was asked for");
    let incident = open(shared, source, Body::Drill(order))?;
    wait_for_sinks(shared, incident, Duration::from_millis(request.wait_ms))
}

/// Who has it when, until all have it or so long.
pub(super) fn wait_for_sinks(
    shared: &Shared,
    incident: Incident,
    wait: Duration,
) -> Result<DrillReport, String> {
    let began = Instant::now();
    let mut took_ms = BTreeMap::new();
    let (mut before, _) = shared.store.owed(incident.id);
    loop {
        let (waiting, refused) = shared.store.owed(incident.id);
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let gone = before.iter().filter(|sink| !waiting.contains(sink));
        took_ms.extend(
            gone.filter(|sink| !refused.contains_key(*sink)).map(|sink| (sink.clone(), ms)),
        );
        if waiting.is_empty() || began.elapsed() > wait {
            let reasons = shared.readiness.reasons();
            return Ok(DrillReport { incident, took_ms, waiting, refused, reasons });
        }
        before = waiting;
        thread::sleep(LOOK_EVERY);
    }
}

/// The case that this opens, once it is on disk.
pub(super) fn open(shared: &Shared, source: SourceId, body: Body) -> Result<Incident, String> {
    let (sender, answer) = mpsc::sync_channel(1);
    let observation = Observation::of_gateway(source, shared.clock.now(), body);
    let receipt = Receipt::new(move |answer| {
        let _ = sender.try_send(answer);
    });
    let busy = || "the gateway is busy with its disk: try again".to_owned();
    let envelope = Envelope { observation, receipt };
    shared.envelopes.try_send(envelope).map_err(|_| busy())?;
    match answer.recv_timeout(TAKEN_WITHIN) {
        Ok(Answer::Changed(incident)) => Ok(*incident),
        Ok(Answer::Refused(reason)) => Err(reason),
        _ => Err(busy()),
    }
}
