//! From the catalogue to a detector that runs.

use std::path::Path;

use super::{Catalog, Config, Detector, choose, pick};

/// Reads the catalogue, picks the model, verifies its file, chooses its variant and loads it on the
/// providers that the configuration names; the log says which model looks and who runs it. The error
/// is one sentence.
pub fn load(config: &Config, models: &Path, library: Option<&Path>) -> Result<Detector, String> {
    let catalog = Catalog::read(models)?;
    let pick = pick(config, &catalog, models)?;
    let library = config.library.as_deref().or(library);
    let spec = choose(config, &pick.spec, models, library)?;
    let mut detector = Detector::load_on(&spec, models, library, config.threads, &config.providers)
        .map_err(|error| error.to_string())?;
    let model = detector.model();
    for reason in &pick.passed_over {
        tracing::warn!(
            reason,
            model,
            "detector: the file of a better model is wrong, this one looks"
        );
    }
    detector.pass_over(&pick.passed_over);
    match detector.unmet() {
        Some(why) => tracing::warn!(why, "detector: not the provider that was wished"),
        None => tracing::info!(provider = detector.provider().name(), "detector: who runs it"),
    }
    tracing::info!(model, "detector: what looks");
    Ok(detector)
}
