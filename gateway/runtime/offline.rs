//! What can be asked of the models without running: which there are, and whether one loads.

use std::path::Path;

use super::sight::load;
use crate::vision::{self, Catalog};

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
