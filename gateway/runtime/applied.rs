//! What was applied over the hand-written file, in a running gateway: said, journaled, and asked for by a command.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{console_backend::ReloadAsked, one_entry::written, request_file, shared::Shared};
use crate::{
    config::{Config, Version, note, unnoted},
    console::Reloaded,
    domain::{Body, Entry, Envelope, Fault, Kind, Observation, REASON_CHARS_MAX, clean_cut},
    store::Store,
};

const WHAT: &str = "apply";
/// How often a request is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Listeners and cameras are started within it; a file that is being written is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The part of `/readyz`.
const PART: &str = "site.d";
/// And of the list of vehicles, of which so many wrong lines are named.
const LIST_PART: &str = "vehicles";
const LINES_MAX: usize = 10;

#[derive(Serialize, Deserialize)]
struct ReloadRequest {
    confirmed: bool,
}

/// What became of a reload that a command asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadAnswer {
    /// False: everything goes on as it was.
    pub applied: bool,
    /// As `POST /api/v1/reload` answers.
    pub body: Value,
}

/// Asks the gateway that runs on this folder to read its configuration anew. The error is one sentence.
pub fn ask_for_reload(data: &Path, pid: &str, confirmed: bool) -> Result<ReloadAnswer, String> {
    request_file::ask(data, pid, WHAT, &ReloadRequest { confirmed }, ANSWER_WITHIN)
}

/// Answers such requests, for ever.
pub(super) async fn serve(data: PathBuf, reloads: mpsc::Sender<ReloadAsked>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(asked) = request_file::take::<ReloadRequest>(&data, WHAT) else { continue };
        let (answer, taken) = oneshot::channel();
        let confirmed = asked.slip.confirmed;
        tracing::info!("a reload was asked for by a command");
        if reloads.send(ReloadAsked { confirmed, answer }).await.is_err() {
            return;
        }
        let reloaded = taken.await.unwrap_or(Reloaded::Stopping);
        let (applied, body) = match reloaded {
            Reloaded::Done(body) => (true, body),
            Reloaded::Wrong(body) | Reloaded::Refused(body) => (false, body),
            Reloaded::Stopping => (false, serde_json::json!({ "error": "the gateway stops" })),
        };
        request_file::put(&data, WHAT, asked.by, &ReloadAnswer { applied, body });
    }
}

/// Says in `/readyz`, in the log and to the grid what of it is not in effect: whoever applied it thinks that it is.
pub(super) async fn say(shared: &Shared, config: &Config) {
    let why = &config.in_effect.set_aside;
    match why {
        Some(why) => {
            tracing::error!(why, "site.d: WHAT WAS APPLIED IS NOT IN EFFECT");
            shared.readiness.not_ready(PART, why);
        }
        None => shared.readiness.clear(PART),
    }
    say_lines(shared, config);
    let text = why
        .as_ref()
        .map_or("all of it is in effect".to_owned(), |why| clean_cut(why, REASON_CHARS_MAX));
    let fault =
        Fault { kind: Kind::DeviceFault, broken: why.is_some(), text: format!("{PART}: {text}") };
    let said = Observation::of_gateway(PART.into(), shared.clock.now(), Body::Fault(fault));
    let _ = shared.envelopes.send(Envelope::unacknowledged(said)).await;
}

/// Says which lines of the list of vehicles do not count, at a start; a reload with such a list is refused.
fn say_lines(shared: &Shared, config: &Config) {
    let wrong = config.vehicles.as_ref().map(|vehicles| vehicles.wrong_lines.as_slice());
    let Some(lines) = wrong.filter(|lines| !lines.is_empty()) else {
        return shared.readiness.clear(LIST_PART);
    };
    let first: Vec<String> = lines.iter().take(LINES_MAX).map(usize::to_string).collect();
    let more = if lines.len() > LINES_MAX { ", …" } else { "" };
    let (count, first) = (lines.len(), first.join(", "));
    let text = format!("{count} lines of the list are wrong and do not count: {first}{more}");
    tracing::error!(text, "vehicles: the other lines count");
    shared.readiness.note(LIST_PART, &text);
}

/// Writes into the journal who applied what, where it does not know yet.
pub(super) async fn note_all(shared: &Shared, data: &Path) {
    for version in unnoted(data) {
        let number = version.version;
        tracing::info!(version = number, by = version.by, why = version.why, "applied");
        if !write(&shared.store, version).await {
            tracing::warn!(
                version = number,
                "who applied it is not in the journal yet; it is written later"
            );
            return;
        }
        if let Err(error) = note(data, number) {
            tracing::warn!(%error, "what the journal knows of versions is not noted: it is written again");
        }
    }
}

async fn write(store: &Store, version: Version) -> bool {
    let Version { version, at, by, why, changes } = version;
    let entry = Entry::Applied { version, by, why, changes, at };
    written(store, entry).await
}
