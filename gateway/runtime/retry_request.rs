//! `gridpost store retry` beside a running gateway: a request lies in its data folder, and the answer beside it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Sync, write_whole},
    domain::{Clock, SinkId},
    store::Store,
};

/// A running gateway looks for requests every few seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(50);
/// A request to a running gateway lies in its data folder, which is nobody else's.
const REQUEST: &str = "retry.json";
const ANSWER: &str = "retry.done";

#[derive(Serialize, Deserialize)]
struct RetryRequest {
    /// The process that asks: tells the answer to this request from that to another.
    by: u32,
    sink: Option<SinkId>,
    number: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct RetryAnswer {
    by: u32,
    count: usize,
    failed: Option<String>,
}

/// Asks the gateway that runs on this folder, and waits for its answer: how many records will be
/// sent again. The error is one sentence.
pub fn ask_for_retry(
    data: &Path,
    pid: &str,
    sink: Option<SinkId>,
    number: Option<u64>,
) -> Result<usize, String> {
    let request = RetryRequest { by: std::process::id(), sink, number };
    let path = data.join(REQUEST);
    let text = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
    write_whole(&path, &text, Sync::No).map_err(|error| format!("{}: {error}", path.display()))?;
    let began = Instant::now();
    while began.elapsed() < ANSWER_WITHIN {
        let answer = fs::read(data.join(ANSWER)).ok();
        let answer = answer.and_then(|text| serde_json::from_slice::<RetryAnswer>(&text).ok());
        if let Some(answer) = answer.filter(|answer| answer.by == request.by) {
            let _ = fs::remove_file(data.join(ANSWER));
            return answer.failed.map_or(Ok(answer.count), Err);
        }
        std::thread::sleep(POLL_EVERY);
    }
    let _ = fs::remove_file(path);
    Err(format!("the running gateway (process {pid}) did not answer within {ANSWER_WITHIN:?}"))
}

/// The running gateway's half: answers a request that lies in its folder.
pub(super) fn answer_retry(data: &Path, store: &Store, clock: &dyn Clock) {
    let path = data.join(REQUEST);
    let Ok(text) = fs::read(&path) else { return };
    let _ = fs::remove_file(&path);
    let Ok(request) = serde_json::from_slice::<RetryRequest>(&text) else { return };
    let retried = store.retry(request.sink.as_ref(), request.number, clock.now().wall);
    let (count, failed) = match retried {
        Ok(count) => (count, None),
        Err(error) => (0, Some(error.to_string())),
    };
    tracing::info!(count, failed, "dead letters are sent again, as asked for");
    let answer = RetryAnswer { by: request.by, count, failed };
    let answer = serde_json::to_vec(&answer).unwrap_or_default();
    if let Err(error) = write_whole(&data.join(ANSWER), &answer, Sync::No) {
        tracing::warn!(%error, "the answer to a retry could not be written");
    }
}
