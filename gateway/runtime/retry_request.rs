//! `gridpost store retry` beside a running gateway.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::request_file::{self, ANSWER_WITHIN};
use crate::{
    domain::{Clock, SinkId},
    store::Store,
};

const WHAT: &str = "retry";

#[derive(Serialize, Deserialize)]
struct RetryRequest {
    sink: Option<SinkId>,
    number: Option<u64>,
}

/// Asks the gateway that runs on this folder, and waits for its answer: how many records will be
/// sent again. The error is one sentence.
pub fn ask_for_retry(
    data: &Path,
    pid: &str,
    sink: Option<SinkId>,
    number: Option<u64>,
) -> Result<usize, String> {
    let request = RetryRequest { sink, number };
    request_file::ask::<Result<usize, String>>(data, pid, WHAT, &request, ANSWER_WITHIN)?
}

/// The running gateway's half.
pub(super) fn answer_retry(data: &Path, store: &Store, clock: &dyn Clock) {
    let Some(asked) = request_file::take::<RetryRequest>(data, WHAT) else { return };
    let RetryRequest { sink, number } = asked.slip;
    let retried = store.retry(sink.as_ref(), number, clock.now().wall);
    let retried = retried.map_err(|error| error.to_string());
    tracing::info!(?retried, "dead letters are sent again, as asked for");
    request_file::put(data, WHAT, asked.by, &retried);
}
