//! Opens and closes the ways in which districts' platforms reply: a door of the web listener, and questions; each sink on its own.

use std::{path::PathBuf, time::Duration};

use tokio::task::JoinHandle;

use super::shared::Shared;
use crate::{
    base::{OwnRuntime, supervised},
    console::{self, PlatformDoor},
    domain::SinkId,
    sinks::{self, PlatformReplies, Poller, RepliesGiven, cases_part, replies_part},
    wire::backoff::backoff,
};

/// The first wait after a question that failed; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 1_000;
/// So many questions in a row that failed are told.
const FAILED_MAX: u32 = 3;
/// Answers in a row that are asked for at once, because there is more.
const PAGES_MAX: usize = 100;

/// What a sink's own questions are called in `/readyz`.
fn questions_part(sink: &SinkId) -> String {
    format!("platform {sink}, questions")
}

/// What this sink's profile is called in `/readyz`.
fn profile_part(sink: &SinkId) -> String {
    format!("platform {sink}, profile")
}

/// Opens what this sink's platform answers by: a door, questions, or neither.
pub(super) fn start(
    config: &sinks::Config,
    (shared, own): (&Shared, &OwnRuntime),
) -> Vec<JoinHandle<()>> {
    let sink = config.id();
    if let Some(file) = config.wrong_profile() {
        let why = format!(
            "the profile {} is wrong (gridpost check says where): the platform is told nothing, and all of it is owed",
            file.display()
        );
        tracing::error!(%sink, why);
        shared.readiness.not_ready(&profile_part(&sink), &why);
    }
    let given = RepliesGiven {
        maps: &shared.platforms.case_maps,
        envelopes: shared.envelopes.clone(),
        clock: shared.clock.clone(),
        meter: shared.registry.clone(),
        readiness: shared.readiness.clone(),
    };
    let Some(replies) = config.replies(given) else { return Vec::new() };
    if let Some((header, file)) = config.push_door() {
        let file = file.unwrap_or_else(|| shared.platforms.case_maps.token_file(&sink));
        open_door(&sink, (header, file), replies.clone(), shared);
    }
    let mut tasks = Vec::new();
    let (part, readiness) = (format!("early replies of {sink}"), shared.readiness.clone());
    let early = replies.clone();
    tasks.push(own.spawn(async move {
        let take = |_| {
            let early = early.clone();
            async move { early.take_early_ones().await }
        };
        supervised(&part, &readiness, take).await;
    }));
    if config.poller().is_some() {
        let (part, readiness) = (format!("questions to {sink}"), shared.readiness.clone());
        let (config, shared) = (config.clone(), shared.clone());
        tasks.push(own.spawn(async move {
            let ask = |_| {
                let (replies, shared) = (replies.clone(), shared.clone());
                let (poller, sink) = (config.poller(), config.id());
                async move {
                    if let Some(poller) = poller {
                        ask_for_ever(poller, &replies, &sink, &shared).await;
                    }
                }
            };
            supervised(&part, &readiness, ask).await;
        }));
    }
    tasks
}

/// What was said of this sink's platform is taken back, and its door closed.
pub(super) fn stop(sink: &SinkId, shared: &Shared) {
    shared.platforms.close(sink);
    shared.readiness.clear(&replies_part(sink));
    shared.readiness.clear(&questions_part(sink));
    shared.readiness.clear(&cases_part(sink));
    shared.readiness.clear(&profile_part(sink));
}

fn open_door(
    sink: &SinkId,
    (header, file): (Option<String>, PathBuf),
    replies: PlatformReplies,
    shared: &Shared,
) {
    let made = shared.platforms.case_maps.make_folder().map_err(|error| error.to_string());
    match made.and_then(|()| console::load_or_make_token(&file)) {
        Ok(token) => {
            let door = PlatformDoor { token: token.into(), header };
            shared.platforms.open(sink, door, replies);
        }
        // Its cases go out all the same (P6).
        Err(reason) => {
            tracing::error!(%sink, reason, "the platform cannot push its replies");
            shared.readiness.note(&replies_part(sink), &reason);
        }
    }
}

async fn ask_for_ever(
    mut poller: Poller,
    replies: &PlatformReplies,
    sink: &SinkId,
    shared: &Shared,
) {
    let mut failed = 0u32;
    loop {
        let mut wait = poller.every();
        match ask_all(&mut poller, replies).await {
            Ok(()) => {
                if failed >= FAILED_MAX {
                    tracing::info!(%sink, "the platform answers our questions for replies again");
                }
                failed = 0;
                shared.readiness.clear(&questions_part(sink));
            }
            Err(reason) => {
                failed = failed.saturating_add(1);
                if failed == FAILED_MAX {
                    tracing::warn!(%sink, reason, "the platform does not answer our questions for replies; asked for ever");
                }
                if failed >= FAILED_MAX {
                    shared.readiness.note(&questions_part(sink), &reason);
                }
                wait = wait.min(backoff(BACKOFF_MS_FIRST, failed));
            }
        }
        tokio::time::sleep(wait.max(Duration::from_millis(100))).await;
    }
}

/// Until there is nothing more behind an answer.
async fn ask_all(poller: &mut Poller, replies: &PlatformReplies) -> Result<(), String> {
    for _ in 0..PAGES_MAX {
        let answer = poller.ask(&replies.cursor()).await?;
        if !replies.polled(&answer).await? {
            break;
        }
    }
    Ok(())
}
