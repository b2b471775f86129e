//! The three models that read plates, as the catalogue has them: what finds a plate, and two readers.

use std::path::{Path, PathBuf};

use crate::vision::catalog::{Catalog, PlatePart, PlateRole, right_file};

/// Its file, if it is there and is what the catalogue says; the error is one sentence.
pub(super) fn verify(part: &PlatePart, models: &Path) -> Result<PathBuf, String> {
    let path = models.join("cache").join(&part.file);
    right_file(&part.name, &path, &[&part.sha256], "gridpost models fetch --plates")?;
    Ok(path)
}

/// The part of this role.
pub(super) fn part(catalog: &Catalog, role: PlateRole) -> Result<&PlatePart, String> {
    let found = catalog.plates.iter().find(|part| part.role == role);
    found.ok_or_else(|| format!("the catalogue of models has no [[plate]] with role {role:?}"))
}

/// Why no plate can be read with what is in this models folder: a sentence a file. Empty: it can.
pub fn missing(models: &Path) -> Vec<String> {
    let catalog = match Catalog::read(models) {
        Ok(catalog) => catalog,
        Err(why) => return vec![why],
    };
    let roles = [PlateRole::Finder, PlateRole::Reader, PlateRole::SecondReader];
    let wrong = |role| part(&catalog, role).and_then(|part| verify(part, models)).err();
    roles.into_iter().filter_map(wrong).collect()
}
