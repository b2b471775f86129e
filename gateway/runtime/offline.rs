//! What can be asked of a data folder without running: is it sound, and does the ledger's sum hold.

use std::path::Path;

use super::sight::load;
use crate::{
    store,
    vision::{self, Catalog},
};

/// Sound or not, and what was found, a sentence each.
pub fn store_check(data: &Path) -> (bool, Vec<String>) {
    let report = store::check(data);
    (report.sound, report.lines)
}

/// One line a sink and kind, and whether the sum holds.
pub fn store_ledger(data: &Path) -> Result<Vec<String>, String> {
    let ledger = store::read_ledger(data).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for (sink, kinds) in &ledger.sinks {
        for (kind, sums) in kinds {
            lines.push(format!(
                "{sink} {}: accepted {} = delivered {} + pending {} + dead-lettered {} + shed {} + lost {}",
                kind.as_str(),
                sums.accepted,
                sums.delivered,
                sums.pending,
                sums.dead,
                sums.shed,
                sums.lost
            ));
        }
    }
    lines.push(if ledger.holds() { "the sums hold".into() } else { "THE SUMS DO NOT HOLD".into() });
    Ok(lines)
}

/// One line a model: name, title, licence, and whether its file is what it should be.
pub fn models_list(models: &Path) -> Result<Vec<String>, String> {
    let catalog = Catalog::read(models)?;
    Ok(catalog
        .models
        .iter()
        .map(|model| {
            let state = match model.verify(models) {
                Ok(_) => "here, hash right".to_owned(),
                Err(_) if !model.path(models).exists() => "not fetched".to_owned(),
                Err(reason) => reason,
            };
            let default = if model.default { " (default)" } else { "" };
            format!("{}{default}: {}; {}; {state}", model.name, model.title, model.licence)
        })
        .collect())
}

/// Loads it for real; the error is one sentence.
pub fn models_verify(
    models: &Path,
    name: Option<String>,
    library: Option<&Path>,
) -> Result<String, String> {
    let config = vision::Config { name, ..vision::Config::default() };
    load(&config, models, library).map(|_| "the model loads and answers".into())
}
