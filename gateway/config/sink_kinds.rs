//! `[[sink]]`: each read by its kind, so that a mistake in it keeps its place.

use super::{DutyConfig, categories, problem::did_you_mean, read::Document, used_ids::UsedIds};
use crate::{
    domain::{DutyRole, Level},
    sinks::{Categories, Config, KINDS, ProfileConfig},
};

/// As the file writes them.
const ROLES: [(DutyRole, &str); 4] = [
    (DutyRole::Lead, "lead"),
    (DutyRole::Officer, "officer"),
    (DutyRole::Auxiliary, "auxiliary"),
    (DutyRole::Worker, "worker"),
];

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
    if let Some(message) = some_role_is_told_nowhere(&found) {
        document.warning(&["sink", "0", "roles"], message);
    }
    found
}

/// Every sink is for some roles, and there is one for which none is: where only those are on duty, nobody is told.
fn some_role_is_told_nowhere(sinks: &[Config]) -> Option<String> {
    if sinks.is_empty() || sinks.iter().any(|sink| sink.roles().is_empty()) {
        return None;
    }
    let told = |role: &&(DutyRole, &str)| sinks.iter().any(|sink| sink.roles().contains(&role.0));
    let untold: Vec<&str> = ROLES.iter().filter(|role| !told(role)).map(|role| role.1).collect();
    (!untold.is_empty()).then(|| {
        let untold = untold.join(", ");
        format!("every sink has `roles`, and none {untold}: while nobody else is on duty, nobody is told of a case")
    })
}

/// `roles` count by the duty list: without one they hold nothing back.
pub(super) fn check_roles(
    document: &mut Document<'_>,
    sinks: &[Config],
    duty: Option<&DutyConfig>,
) {
    let has_roster = duty.is_some_and(|duty| duty.roster.is_some());
    let some = sinks.iter().enumerate().filter(|(_, sink)| !sink.roles().is_empty());
    for (index, _) in some.filter(|_| !has_roster) {
        let message = "count by the duty list, and [duty] roster is not in this file: every case is told there";
        document.warning(&["sink", &index.to_string(), "roles"], message.into());
    }
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

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn a_role_that_is_told_nowhere_and_roles_without_a_list_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("duty.csv");
        std::fs::write(&list, "name,role,days,hours\n王,民警,daily,00:00-24:00\n").unwrap();
        let told = |duty: bool, roles: &[&str]| {
            let duty = if duty { format!("[duty]\nroster = {list:?}\n") } else { String::new() };
            let sinks = roles.iter().enumerate().map(|(n, roles)| {
                format!("[[sink]]\nid = \"s{n}\"\nkind = \"jsonl\"\npath = \"{n}\"\n{roles}\n")
            });
            let text = format!("[site]\nid = \"x\"\n{duty}{}", sinks.collect::<String>());
            let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            let all = problems.iter().map(ToString::to_string);
            all.filter(|one| one.contains(".roles: ")).collect::<Vec<_>>()
        };
        let (officer, rest) =
            ("roles = [\"officer\"]", "roles = [\"lead\", \"auxiliary\", \"worker\"]");
        assert_eq!(told(true, &[officer, ""]), Vec::<String>::new());
        assert_eq!(told(true, &[officer, rest]), Vec::<String>::new());
        let one = &told(true, &[officer, officer])[0];
        assert!(
            one.contains(
                "warning: sink[1].roles: every sink has `roles`, and none lead, auxiliary, worker"
            ),
            "{one}"
        );
        let without = told(false, &["", rest]);
        assert!(
            without.len() == 1 && without[0].contains("sink[2].roles: count by the duty list"),
            "{without:?}"
        );
    }
}
