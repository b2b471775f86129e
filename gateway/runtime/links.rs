//! Signed links: for whom they may be, by the configuration, and taking them back.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use crate::{
    base::Readiness,
    config::Config,
    wire::case_links::{self, CaseLinks, LinkSettings},
};

/// In `/readyz`.
const PART: &str = "links";

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
    match links.configure(settings, link_people(config)) {
        Ok(()) => readiness.clear(PART),
        Err(why) => {
            tracing::error!(%why, "links: none are made, and none are good");
            readiness.note(PART, &format!("none are made, and none are good: {why}"));
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
