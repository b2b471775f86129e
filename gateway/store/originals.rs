//! What a snapshot was before heads were blurred: sealed at rest, and opened for one reason at a time (P10).

use std::{fs, path::Path};

use sha2::{Digest, Sha256};

use super::{
    Store, evidence,
    folder::DataFolder,
    format::hex,
    own_keys::{self, ORIGINALS_KEY},
    sealed::{seal, unseal},
};
use crate::domain::{Evidence, EvidenceId};

/// Of a file that holds one.
pub(super) const SEALED_EXTENSION: &str = "sealed";

/// Why there is none to be seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOriginal {
    /// Nothing was blurred in it, or it is no picture of this gateway.
    #[error("there is no original of this picture")]
    Unknown,
    /// Retention took it.
    #[error("its file is gone (retention)")]
    Gone,
    /// For people.
    #[error("it cannot be opened: {0}")]
    Sealed(String),
}

/// A sealed file cannot be put in the place of another.
fn about(original: EvidenceId) -> [u8; 16] {
    original.0.into_bytes()
}

impl Store {
    /// Seals what this blurred picture was before, synced and in its place; no record names it yet. Blocks on
    /// the disk.
    pub fn keep_original(&self, of: &Evidence, jpeg: &[u8]) -> Result<Evidence, String> {
        let id = of.id.of_original();
        let key = own_keys::originals_key(&self.inner.data_folder.root)?;
        let sealed = seal(&key, &about(id), jpeg)?;
        let text = |error: super::EvidenceError| error.to_string();
        let new = self.new_evidence(id, SEALED_EXTENSION).map_err(text)?;
        fs::write(&new.path, sealed).map_err(|error| format!("an original: {error}"))?;
        self.finish_evidence(new).map_err(text)?;
        Ok(Evidence {
            id,
            sha256: hex(&Sha256::digest(jpeg)),
            bytes: jpeg.len() as u64,
            original_of: Some(of.id),
            ..of.clone()
        })
    }

    /// Of a blurred picture, by the id of that: what is said of it, and its plain bytes. Blocks on the disk.
    /// Whoever calls has written down who asks and why.
    pub fn open_original(&self, picture: EvidenceId) -> Result<(Evidence, Vec<u8>), NoOriginal> {
        let (path, original) =
            self.evidence_path(picture.of_original()).ok_or(NoOriginal::Unknown)?;
        if original.original_of != Some(picture) {
            return Err(NoOriginal::Unknown);
        }
        let plain = open_file(&self.inner.data_folder, &path, &original);
        plain.map(|plain| (original, plain)).map_err(NoOriginal::Sealed)
    }

    /// What is said of the original of this picture, whether or not its file is still there.
    pub fn original_of(&self, picture: EvidenceId) -> Option<Evidence> {
        let described = self.described(picture.of_original())?;
        (described.original_of == Some(picture)).then_some(described)
    }
}

fn open_file(
    data_folder: &DataFolder,
    path: &Path,
    original: &Evidence,
) -> Result<Vec<u8>, String> {
    let key = own_keys::load(&data_folder.root, ORIGINALS_KEY)?;
    let key = key.ok_or_else(|| format!("the key keys/{ORIGINALS_KEY} is not in this folder"))?;
    let sealed = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let plain = unseal(&key, &about(original.id), &sealed)?;
    if hex(&Sha256::digest(&plain)) != original.sha256 {
        return Err("it is not what was recorded".into());
    }
    Ok(plain)
}

/// What `store check` finds of an original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// It opens, and is what was recorded.
    Right,
    /// Its key is not here: nobody can say.
    NoKey,
    /// For people.
    Wrong(String),
}

/// Opens one and compares it with what is recorded.
pub(super) fn check(data_folder: &DataFolder, original: &Evidence) -> Checked {
    let Some(path) = evidence::find(data_folder, original) else {
        return Checked::Wrong("its file is missing".into());
    };
    if own_keys::load(&data_folder.root, ORIGINALS_KEY) == Ok(None) {
        return Checked::NoKey;
    }
    match open_file(data_folder, &path, original) {
        Ok(_) => Checked::Right,
        Err(reason) => Checked::Wrong(format!("sealed original: {reason}")),
    }
}
