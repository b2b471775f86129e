//! Signed links: for whom they may be, by the configuration, and taking them back.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use super::shared::Shared;
use crate::{
    base::Readiness,
    config::Config,
    wire::case_links::{self, CaseLinks, LinkSettings, NoLink},
};

/// In `/readyz`.
const PART: &str = "links";
/// How often the keys on disk are looked at: what is made after a revocation is good within it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Those of this configuration. A key that cannot be read or made is noted: texts then go without.
pub(super) fn start(config: &Config, readiness: &Readiness) -> Arc<CaseLinks> {
    let links = CaseLinks::at(&config.data.path);
    configure(&links, config, readiness);
    links
}

/// Takes another configuration: whom it does not name any more has no link from now on.
pub(super) fn configure(links: &CaseLinks, config: &Config, readiness: &Readiness) {
    let settings = config
        .links
        .as_ref()
        .map(|links| LinkSettings { url: links.url.to_string(), valid_h: links.valid_h });
    say(links.configure(settings, link_people(config)), readiness);
}

/// Whether there are keys; in the log once, whoever looks.
fn say(keys: Result<(), NoLink>, readiness: &Readiness) {
    match keys {
        Ok(()) => readiness.clear(PART),
        Err(why) => {
            let text = format!("none are made, and none are good: {why}");
            if !readiness.notes().contains(&format!("{PART}: {text}")) {
                tracing::error!(%why, "links: none are made, and none are good");
            }
            readiness.note(PART, &text);
        }
    }
}

/// Keeps the keys in memory as they are on disk, for ever: who makes a link for an emergency's text reads none.
pub(super) async fn watch(shared: Shared) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let links = shared.links.clone();
        // What panics there is seen by the next look.
        if let Ok(keys) = tokio::task::spawn_blocking(move || links.refresh()).await {
            say(keys, &shared.readiness);
        }
    }
}

/// Everybody who may have a link, by name: of the duty list, `[[life.contact]]`, `[routing]`, and the heads
/// and workers of the grids.
pub fn link_people(config: &Config) -> BTreeSet<String> {
    config.people().map(str::to_owned).collect()
}

/// Takes back every link of this person, or of all: those that were made until now. The error is a sentence.
pub fn revoke_links(data: &Path, person: Option<&str>) -> Result<(), String> {
    match person {
        Some(person) => case_links::revoke(data, person),
        None => case_links::revoke_all(data),
    }
}
