//! A command beside a running gateway: its request lies in the data folder, which is nobody else's, and the
//! answer beside it.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::base::{Sync, lock_file, write_whole};

/// A running gateway looks for requests every few seconds.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// What is asked or answered, and the process that asks: tells the answer to this request from that to
/// another.
#[derive(Serialize, Deserialize)]
pub(super) struct Slip<T> {
    pub(super) by: u32,
    pub(super) slip: T,
}

/// Asks the gateway that runs on this folder for `what`, and waits for its answer. The error is one sentence.
pub(super) fn ask<A: DeserializeOwned>(
    data: &Path,
    pid: &str,
    what: &str,
    request: &impl Serialize,
    within: Duration,
) -> Result<A, String> {
    let by = std::process::id();
    let _turn = turn(data, what, within)?;
    let began = Instant::now();
    let path = data.join(format!("{what}.json"));
    let text =
        serde_json::to_vec(&Slip { by, slip: request }).map_err(|error| error.to_string())?;
    write_whole(&path, &text, Sync::No).map_err(|error| format!("{}: {error}", path.display()))?;
    let answer = data.join(format!("{what}.done"));
    while began.elapsed() < within {
        let text = fs::read(&answer).ok();
        let slip = text.and_then(|text| serde_json::from_slice::<Slip<A>>(&text).ok());
        if let Some(slip) = slip.filter(|slip| slip.by == by) {
            let _ = fs::remove_file(&answer);
            return Ok(slip.slip);
        }
        std::thread::sleep(POLL_EVERY);
    }
    let _ = fs::remove_file(path);
    Err(format!("the running gateway (process {pid}) did not answer within {within:?}"))
}

/// Two commands that ask for the same at once would write over each other's request: the second waits until
/// the first has its answer.
fn turn(data: &Path, what: &str, within: Duration) -> Result<File, String> {
    let path = data.join(format!("{what}.lock"));
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    lock_file(data, &path, within).map_err(failed)?.ok_or_else(|| {
        format!("another command of this kind has waited for its answer for {within:?}: try again")
    })
}

/// The running gateway's half: a request that lies in its folder.
pub(super) fn take<Q: DeserializeOwned>(data: &Path, what: &str) -> Option<Slip<Q>> {
    let path = data.join(format!("{what}.json"));
    let text = fs::read(&path).ok()?;
    let _ = fs::remove_file(&path);
    serde_json::from_slice(&text).ok()
}

/// And its answer to the process that asked.
pub(super) fn put(data: &Path, what: &str, by: u32, answer: &impl Serialize) {
    let answer = serde_json::to_vec(&Slip { by, slip: answer }).unwrap_or_default();
    if let Err(error) = write_whole(&data.join(format!("{what}.done")), &answer, Sync::No) {
        tracing::warn!(%error, what, "the answer to a request could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_ask_at_once_are_both_answered_each_with_his_own() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let within = Duration::from_secs(30);
        let answers = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..6)
                .map(|n| scope.spawn(move || ask::<u32>(data, "1", "apply", &n, within)))
                .collect();
            let mut served = 0;
            let began = Instant::now();
            while served < 6 && began.elapsed() < within {
                match take::<u32>(data, "apply") {
                    Some(slip) => {
                        put(data, "apply", slip.by, &(slip.slip + 100));
                        served += 1;
                    }
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            }
            asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let expected: Vec<Result<u32, String>> = (100..106).map(Ok).collect();
        assert_eq!(answers, expected);
    }
}
