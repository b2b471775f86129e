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

pub(super) fn check_rules(
    document: &mut Document<'_>,
    rules: &Items<rules::Config>,
    cameras: &Items<camera::Config>,
    drones: &Items<drone::Config>,
    labels: &[String],
) {
    let mut ids = UsedIds::default();
    let cameras = cameras.iter().map(|(_, camera)| camera.id.as_str());
    let watched = cameras.chain(drones.iter().map(|(_, drone)| drone.id.as_str()));
    let watched: Vec<&str> = watched.collect();
    for (index, rule) in rules {
        if let Some(message) = ids.twice(&rule.id) {
            document.problem(&["rule", index, "id"], message, None);
        }
        document.problems(&["rule", index], rule.problems());
        let unknown = |label: &&String| !labels.is_empty() && !labels.contains(label);
        for label in rule.labels.iter().filter(unknown) {
            let hint = did_you_mean(label, labels.iter().map(String::as_str));
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
