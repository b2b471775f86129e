//! The three models that read plates, as the catalogue has them: what finds a plate, and two readers.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::vision::catalog::{Catalog, right_file};

/// What one of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlateRole {
    /// A vehicle's part of the picture in, four corners of its plate out.
    Finder,
    /// The strip between the corners in, a plate out: fast, and blind for 警, 学, 挂 and 应急.
    Reader,
    /// Reads any Chinese text: special plates, and those in two rows.
    SecondReader,
}

/// `[[plate]]` of the catalogue. None is a default: a site fetches them by its own decision.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatePart {
    /// For messages.
    pub name: String,
    /// What it does; each role is there once.
    pub role: PlateRole,
    /// Relative to `cache/` beside the catalogue.
    pub file: PathBuf,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// SPDX id, as the package declares it.
    #[serde(default)]
    pub licence: String,
    /// What a site should know of it before it fetches it.
    #[serde(default)]
    pub note: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
    /// What a reader knows, in the order of its output; empty: it stands in the file itself.
    #[serde(default)]
    pub characters: String,
}

impl PlatePart {
    /// Its file, if it is there and is what the catalogue says; the error is one sentence.
    pub(super) fn verify(&self, models: &Path) -> Result<PathBuf, String> {
        let path = models.join("cache").join(&self.file);
        right_file(&self.name, &path, &[&self.sha256], "gridpost models fetch --plates")?;
        Ok(path)
    }
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
    let wrong = |role| part(&catalog, role).and_then(|part| part.verify(models)).err();
    roles.into_iter().filter_map(wrong).collect()
}
