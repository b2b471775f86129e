//! What is wrong with the model, and with rules: their labels are the model's, their cameras are there.

use std::path::Path;

use super::{problem::did_you_mean, read::Document, sections::Items, used_ids::UsedIds};
use crate::{
    rules,
    sources::{camera, drone},
    vision,
};

/// The labels that the model knows; none where that cannot be told.
pub(super) fn check_model(
    document: &mut Document<'_>,
    model: Option<&vision::Config>,
    models_dir: &Path,
) -> Vec<String> {
    let Some(model) = model else { return Vec::new() };
    let labels = model.labels(models_dir).unwrap_or_else(|message| {
        document.problem(&["model", "name"], message, None);
        Vec::new()
    });
    if let Some(message) = model.variant_problem(models_dir) {
        document.problem(&["model", "variant"], message, None);
    }
    labels
}

/// What people call what models know by another name.
const CALLED: [(&str, &[&str]); 5] = [
    ("person", &["people", "persons", "human", "man", "woman", "pedestrian", "人", "行人"]),
    ("car", &["vehicle", "vehicles", "cars", "auto", "车", "汽车"]),
    ("truck", &["lorry", "van", "卡车"]),
    ("motorcycle", &["motorbike", "moped", "scooter", "摩托车"]),
    ("bicycle", &["bike", "cycle", "自行车"]),
];

/// `did you mean …?` for a label, by what it is called and then by its letters.
fn label_meant(typed: &str, labels: &[String]) -> Option<String> {
    let typed = typed.trim().to_lowercase();
    let called = CALLED.iter().find(|(_, names)| names.contains(&typed.as_str()));
    match called.filter(|(label, _)| labels.iter().any(|known| known == label)) {
        Some((label, _)) => Some(format!("did you mean `{label}`?")),
        None => did_you_mean(&typed, labels.iter().map(String::as_str)),
    }
}

pub(super) fn check_rules(
    document: &mut Document<'_>,
    rules: &Items<rules::Config>,
    cameras: &Items<camera::Config>,
    drones: &Items<drone::Config>,
    labels: &[String],
) {
    let mut ids = UsedIds::default();
    let watched = cameras.iter().map(|(_, camera)| camera.id.as_str());
    let watched = watched.chain(drones.iter().map(|(_, drone)| drone.id.as_str()));
    let watched: Vec<&str> = watched.collect();
    for (index, rule) in rules {
        if let Some(message) = ids.twice(&rule.id) {
            document.problem(&["rule", index, "id"], message, None);
        }
        document.problems(&["rule", index], rule.problems());
        for (key, message) in rule.doubts(vision::BEGIN_SCORE) {
            document.warning(&["rule", index, key], message);
        }
        let watches =
            |id: &str| rule.cameras.is_empty() || rule.cameras.iter().any(|one| one == id);
        for (_, camera) in cameras.iter().filter(|(_, one)| watches(&one.id)) {
            if rule.is_masked_out(&camera.mask) {
                let message = format!(
                    "`mask` of camera `{}` covers all of it: nothing there is ever told",
                    camera.id
                );
                document.warning(&["rule", index, "zone"], message);
            }
        }
        let unknown = |label: &&String| !labels.is_empty() && !labels.contains(label);
        for label in rule.labels.iter().filter(unknown) {
            let hint = label_meant(label, labels);
            let message = format!("the model does not know `{label}`");
            document.problem(&["rule", index, "labels"], message, hint);
        }
        for id in rule.cameras.iter().filter(|id| !watched.contains(&id.as_str())) {
            let hint = did_you_mean(id, watched.iter().copied());
            let message = format!("no camera or drone is called `{id}`");
            document.problem(&["rule", index, "cameras"], message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    /// What is said of a rule with these keys before a camera with these.
    fn said(rule: &str, camera: &str) -> Vec<String> {
        let text = format!(
            "[site]\nid = \"x\"\n[[camera]]\nid = \"gate\"\nurl = \"rtsp://h/1\"\n{camera}\n[[rule]]\nid = \"r\"\n{rule}\n"
        );
        let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        problems.iter().map(ToString::to_string).collect()
    }

    const LINE: &str = "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]";
    const LOWER: &str = "[[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]";

    #[test]
    fn what_a_rule_says_and_does_not_do_is_told() {
        let masks = |all: &str| format!("mask = [{all}]");
        let zone = format!("kind = \"intrusion\"\nzone = {LOWER}");
        let halves = "[[0.0, 0.4], [0.6, 0.4], [0.6, 1.0], [0.0, 1.0]], [[0.5, 0.4], [1.0, 0.4], [1.0, 1.0], [0.5, 1.0]]";
        let over = "warning: rule[1].zone: `mask` of camera `gate` covers all of it";
        for (rule, camera, part) in [
            (format!("{LINE}\nzone = {LOWER}"), String::new(), "warning: rule[1].zone: kind = \"line\" has none"),
            (format!("{LINE}\ndwell_s = 3"), String::new(), "warning: rule[1].dwell_s: kind = \"line\" has none"),
            ("kind = \"intrusion\"\ncount = 3".into(), String::new(), "warning: rule[1].count: only kind"),
            ("kind = \"intrusion\"\ndirection = \"left-to-right\"".into(), String::new(), "warning: rule[1].direction: only kinds line"),
            ("kind = \"intrusion\"\nmin_score = 1.0".into(), String::new(), "warning: rule[1].min_score: 1: models are seldom"),
            ("kind = \"intrusion\"\nmin_score = 0.1".into(), String::new(), "warning: rule[1].min_score: 0.1: nobody is followed"),
            ("kind = \"intrusion\"\nmin_size = 0.9".into(), String::new(), "warning: rule[1].min_size: 0.9: what fills"),
            ("kind = \"line\"\nline = [[0.5, 0.5], [0.5, 0.5]]".into(), String::new(), "error: rule[1].line: its two points are one"),
            ("kind = \"intrusion\"\nzone = [[0.5, 0.5], [0.5001, 0.5], [0.5001, 0.5001], [0.5, 0.5001]]".into(), String::new(), "or in one pixel"),
            (zone.clone(), masks(LOWER), over),
            (zone.clone(), masks(halves), over),
            ("kind = \"loiter\"".into(), masks("[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]"), over),
        ] {
            let said = said(&rule, &camera);
            assert_eq!(said.len(), 1, "{rule} {camera}: {said:?}");
            assert!(said[0].contains(part), "{part}: {said:?}");
        }
        for (rule, camera) in [
            (zone.clone(), masks("[[0.0, 0.5], [0.99, 0.5], [0.99, 1.0], [0.0, 1.0]]")),
            (format!("{LINE}\ndirection = \"left-to-right\""), masks(LOWER)),
            ("kind = \"crowd\"\ncount = 3".into(), String::new()),
            ("kind = \"intrusion\"\nmin_score = 0.45\nmin_size = 0.5".into(), String::new()),
            ("kind = \"intrusion\"\nmin_score = 0.9".into(), String::new()),
        ] {
            assert_eq!(said(&rule, &camera), Vec::<String>::new(), "{rule} {camera}");
        }
    }

    #[test]
    fn a_label_is_suggested_by_what_people_call_it() {
        let labels: Vec<String> = ["apple", "person", "car", "bus"].map(Into::into).into();
        let meant = |typed: &str| super::label_meant(typed, &labels).unwrap_or_default();
        for (typed, label) in [
            ("people", "person"),
            ("人", "person"),
            ("Pedestrian ", "person"),
            ("vehicle", "car"),
            ("persn", "person"),
            ("Car", "car"),
        ] {
            assert!(meant(typed).contains(&format!("`{label}`")), "{typed}: {}", meant(typed));
        }
        // The model knows no such thing.
        assert_eq!(meant("motorbike"), "");
    }
}
