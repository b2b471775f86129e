//! `[[sink]]`: each read by its kind, so that a mistake in it keeps its place.

use super::{categories, problem::did_you_mean, read::Document, used_ids::UsedIds};
use crate::{
    domain::Level,
    sinks::{Categories, Config, KINDS, ProfileConfig},
};

pub(super) fn read(document: &mut Document<'_>) -> Vec<Config> {
    let mut found = Vec::new();
    let mut ids = UsedIds::default();
    for index in document.indexes("sink") {
        let path = ["sink", index.as_str()];
        let Some(mut sink) = by_kind(document, &path) else { continue };
        if let Some(message) = ids.twice(sink.id().as_str()) {
            document.problem(&["sink", &index, "id"], message, None);
        }
        document.problems(&path, sink.problems());
        // On the installer's desk a file may not be there yet; `run` asks for it again and again.
        document.warnings(&path, sink.warnings());
        if let Config::Profile(profile) = &mut sink {
            read_profile(document, profile);
        }
        found.push(sink);
    }
    let late =
        |sink: &Config| !sink.levels().is_empty() && !sink.levels().contains(&Level::GridWorker);
    if !found.is_empty() && found.iter().all(late) {
        let message = "every sink has `levels`: nobody is told of a case when it opens";
        document.warning(&["sink", "0", "levels"], message.into());
    }
    found
}

/// The profile and the table of codes that a sink names: what is wrong is told with their own lines.
fn read_profile(document: &mut Document<'_>, sink: &mut ProfileConfig) {
    let mut table = Categories::default();
    if let Some(file) = sink.categories_file.clone() {
        let (read, bad) = categories::read(&file);
        table = read;
        for (line, message) in bad {
            document.foreign((&file, line), "", message, None);
        }
    }
    let wrong = sink.load(table);
    let file = sink.profile_file().to_owned();
    for (line, message) in wrong {
        document.foreign((&file, line), "", message, None);
    }
    for message in sink.profile().iter().flat_map(|profile| profile.warnings()) {
        document.foreign_warning((&file, 1), "", message);
    }
}

fn by_kind(document: &mut Document<'_>, path: &[&str]) -> Option<Config> {
    let at = [path, &["kind"]].concat();
    let kind = document.text_at(&at);
    let read_elsewhere = &["kind"];
    match kind.as_deref() {
        Some("answer") => document.section(path, read_elsewhere).map(Config::Answer),
        Some("http") => document.section(path, read_elsewhere).map(Config::Http),
        Some("jsonl") => document.section(path, read_elsewhere).map(Config::Jsonl),
        Some("mqtt") => document.section(path, read_elsewhere).map(Config::Mqtt),
        Some("profile") => {
            document.section(path, read_elsewhere).map(Box::new).map(Config::Profile)
        }
        Some("webhook") => {
            document.section(path, read_elsewhere).map(Box::new).map(Config::Webhook)
        }
        Some(other) => {
            let message = format!("unknown kind `{other}`; known are {}", KINDS.join(", "));
            document.problem(&at, message, did_you_mean(other, KINDS.iter().copied()));
            None
        }
        None => {
            document.problem(&at, format!("is missing; one of {}", KINDS.join(", ")), None);
            None
        }
    }
}
