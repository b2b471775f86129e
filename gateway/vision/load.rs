//! From the catalogue to a detector that runs.

use std::path::Path;

use super::{Catalog, Config, Detector, choose};

/// Reads the catalogue, verifies the model's file, chooses its variant and loads it on the
/// providers that the configuration names; the log says which one runs it. The error is one sentence.
pub fn load(config: &Config, models: &Path, library: Option<&Path>) -> Result<Detector, String> {
    let catalog = Catalog::read(models)?;
    let spec = catalog.get(config.name.as_deref())?;
    let library = config.library.as_deref().or(library);
    let spec = choose(config, spec, models, library)?;
    let detector = Detector::load_on(&spec, models, library, config.threads, &config.providers)
        .map_err(|error| error.to_string())?;
    match detector.unmet() {
        Some(why) => tracing::warn!(why, "detector: not the provider that was wished"),
        None => tracing::info!(provider = detector.provider().name(), "detector: who runs it"),
    }
    Ok(detector)
}
