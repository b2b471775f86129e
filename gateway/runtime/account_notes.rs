//! Accounts, in a running gateway: what commands and the page changed of them goes into the journal, and their file is watched.

use std::time::Duration;

use super::{one_entry::written, shared::Shared};
use crate::{console::Accounts, domain::Entry};

/// How often the file is looked at; an open page whose account has gone is closed within it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// In `/readyz`.
const PART: &str = "accounts";

/// Looks after them, for ever.
pub(super) async fn keep(accounts: Accounts, shared: Shared) {
    let mut told = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let problem = accounts.problem();
        if problem != told {
            match &problem {
                Some(why) => {
                    let text = format!("nobody can log in by name: {why}");
                    shared.readiness.note(PART, &text);
                }
                None => shared.readiness.clear(PART),
            }
            told = problem;
        }
        note_all(&accounts, &shared).await;
    }
}

/// What cannot be written is written later: it stays in the file of accounts until then.
async fn note_all(accounts: &Accounts, shared: &Shared) {
    let notes = accounts.unnoted();
    let mut known = Vec::new();
    for note in notes {
        tracing::info!(what = ?note.what, who = note.who, by = note.by, "accounts");
        if !written(&shared.store, Entry::Access(note.clone())).await {
            break;
        }
        known.push(note);
    }
    if known.is_empty() {
        return;
    }
    let own = accounts.clone();
    let noted = tokio::task::spawn_blocking(move || own.noted(&known)).await;
    if let Ok(Err(error)) = noted {
        tracing::warn!(%error, "what the journal knows of accounts is not noted: it is written again");
    }
}
