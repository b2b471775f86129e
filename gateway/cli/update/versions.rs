//! The versions of the program on this box: a folder each, a link to the one that runs, and what became of an update.
//!
//! `current` is switched by a rename: at every moment it names a whole program. What is being tried stands in
//! `update.json`, written before the switch; without a confirmation the one before comes back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::{Sync, write_whole};

/// An update that is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probation {
    pub(super) version: String,
    /// To go back to.
    pub(super) before: String,
    /// The newest store that the version before can read.
    pub(super) before_reads: u32,
    pub(super) since: Timestamp,
    /// Without a break; none: it is not ready now.
    pub(super) ready_since: Option<Timestamp>,
    /// Parts that were not well before the update: they do not count against it.
    pub(super) ill_before: Vec<String>,
    /// Looks in a row at which no gateway ran.
    pub(super) away: u32,
}

/// The folder of versions.
pub(super) struct Versions {
    root: PathBuf,
}

impl Versions {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The one that `current` names. The error says what to do.
    pub(super) fn current(&self) -> Result<String, String> {
        let link = self.root.join("current");
        let target = fs::read_link(&link).map_err(|error| {
            format!("{}: {error}; updates need an installation by the package", link.display())
        })?;
        let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Ok(name.to_owned())
    }

    pub(super) fn program(&self, version: &str) -> PathBuf {
        self.root.join("versions").join(version).join("gridpost")
    }

    /// Writes a program beside the others; it does not run yet.
    pub(super) fn put(&self, version: &str, program: &[u8]) -> Result<(), String> {
        let path = self.program(version);
        let folder = path.parent().unwrap_or(&self.root).to_path_buf();
        let written = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            let new = folder.join("gridpost.new");
            let _ = fs::remove_file(&new);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o755).open(&new)?;
            file.write_all(program)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&folder)?.sync_all()
        };
        written().map_err(|error| format!("{}: {error}", folder.display()))
    }

    pub(super) fn remove(&self, version: &str) {
        let _ = fs::remove_dir_all(self.root.join("versions").join(version));
    }

    /// From now on `current` is this one, whatever happens.
    pub(super) fn switch(&self, version: &str) -> Result<(), String> {
        let (new, link) = (self.root.join("current.new"), self.root.join("current"));
        let switched = || -> io::Result<()> {
            let _ = fs::remove_file(&new);
            symlink(Path::new("versions").join(version), &new)?;
            fs::rename(&new, &link)?;
            File::open(&self.root)?.sync_all()
        };
        switched().map_err(|error| format!("{}: {error}", link.display()))
    }

    fn probation_file(&self) -> PathBuf {
        self.root.join("update.json")
    }

    /// What is being tried; one that was written and never switched to is none.
    pub(super) fn probation(&self) -> Result<Option<Probation>, String> {
        let path = self.probation_file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let probation: Probation = serde_json::from_slice(&text)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Some(probation)
            .filter(|probation| self.current().is_ok_and(|current| current == probation.version)))
    }

    pub(super) fn note(&self, probation: &Probation) -> Result<(), String> {
        let path = self.probation_file();
        let text = serde_json::to_vec(probation).map_err(|error| error.to_string())?;
        write_whole(&path, &text, Sync::Yes).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Nothing is being tried any more.
    pub(super) fn settle(&self) -> Result<(), String> {
        let path = self.probation_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `new` comes after `old`: numbers by their size, a `~` before everything.
pub(super) fn is_newer(new: &str, old: &str) -> bool {
    let parts = |version: &str| -> Vec<(i8, u64, String)> {
        let mut parts = Vec::new();
        let mut rest = version;
        while let Some(first) = rest.chars().next() {
            let digit = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            parts.push(match digit {
                true => (2, part.parse().unwrap_or(u64::MAX), String::new()),
                false if part.starts_with('~') => (0, 0, part.to_owned()),
                false => (3, 0, part.to_owned()),
            });
            rest = after;
        }
        // The end comes after a `~`, and before anything else.
        parts.push((1, 0, String::new()));
        parts
    };
    parts(new) > parts(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_people_count() {
        for (old, new) in [
            ("0.1.0", "0.1.1"),
            ("0.1.9", "0.1.10"),
            ("0.1.0~rc1", "0.1.0"),
            ("0.1.0~rc1", "0.1.0~rc2"),
            ("0.1.0", "0.1.0-1"),
            ("0.9.9", "1.0"),
            ("0.1", "0.1.0"),
        ] {
            assert!(is_newer(new, old), "{new} after {old}");
            assert!(!is_newer(old, new), "{old} after {new}");
            assert!(!is_newer(new, new), "{new}");
        }
    }

    #[test]
    fn a_probation_that_was_never_switched_to_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::at(folder.path());
        assert!(versions.current().unwrap_err().contains("package"));
        versions.put("0.1.0", b"old").unwrap();
        versions.switch("0.1.0").unwrap();
        versions.put("0.1.1", b"new").unwrap();
        let probation = Probation {
            version: "0.1.1".into(),
            before: "0.1.0".into(),
            before_reads: 2,
            since: Timestamp::UNIX_EPOCH,
            ready_since: None,
            ill_before: Vec::new(),
            away: 0,
        };
        versions.note(&probation).unwrap();
        // The power went before the switch.
        assert_eq!(versions.probation().unwrap(), None);
        assert_eq!(fs::read(folder.path().join("current/gridpost")).unwrap(), b"old");
        versions.switch("0.1.1").unwrap();
        assert_eq!(versions.probation().unwrap(), Some(probation));
        assert_eq!(fs::read(folder.path().join("current/gridpost")).unwrap(), b"new");
        versions.settle().unwrap();
        versions.settle().unwrap();
        assert_eq!(versions.probation().unwrap(), None);
        fs::write(folder.path().join("update.json"), "{").unwrap();
        assert!(versions.probation().unwrap_err().contains("update.json"));
    }
}
