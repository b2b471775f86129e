//! The versions of the program on this box: a folder each, a link to the one that runs, and what became of an update.
//!
//! `current` is switched by a rename: at every moment it names a whole program. What is being tried stands in
//! `update.json`, written before the switch; without a confirmation the one before comes back. While one is being
//! tried `judge` names the one before, and the timer asks that one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::{Sync, lock_file, write_whole};

/// A program that is not whole yet.
const BEING_WRITTEN: &str = "gridpost.new";
/// A link to the version that looks how the one on trial does; `gridpost-update.service` runs it.
const JUDGE: &str = "judge";

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

    /// For as long as what is returned nobody else changes anything here. None: somebody else has held it all
    /// this time. The package's preinst takes the same lock.
    pub(super) fn lock(&self, within: Duration) -> Result<Option<File>, String> {
        let path = self.root.join("update.lock");
        lock_file(&self.root, &path, within).map_err(|error| {
            format!(
                "{}: {error}; updates need root, and an installation by the package",
                path.display()
            )
        })
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

    /// Writes a program beside the others; it does not run yet. What could not be written whole is gone again.
    pub(super) fn put(&self, version: &str, program: &[u8]) -> Result<(), String> {
        self.sweep();
        let path = self.program(version);
        let folder = path.parent().unwrap_or(&self.root).to_path_buf();
        let written = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            let new = folder.join(BEING_WRITTEN);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o755).open(&new)?;
            file.write_all(program)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&folder)?.sync_all()?;
            // The name of the folder too.
            File::open(self.root.join("versions"))?.sync_all()
        };
        written().map_err(|error| {
            self.sweep();
            format!("{}: {error}", folder.display())
        })
    }

    pub(super) fn remove(&self, version: &str) {
        let _ = fs::remove_dir_all(self.root.join("versions").join(version));
    }

    /// Removes all versions but these and the one that runs: each has tens of megabytes.
    pub(super) fn keep_only(&self, kept: &[&str]) {
        let Ok(current) = self.current() else { return };
        for name in self.names() {
            if name != current && !kept.contains(&name.as_str()) {
                self.remove(&name);
            }
        }
    }

    /// Removes what a full disk or a power cut left of a program that was being written.
    fn sweep(&self) {
        for name in self.names() {
            let folder = self.root.join("versions").join(name);
            let _ = fs::remove_file(folder.join(BEING_WRITTEN));
            // Only where nothing is in it.
            let _ = fs::remove_dir(&folder);
        }
    }

    fn names(&self) -> Vec<String> {
        let Ok(folders) = fs::read_dir(self.root.join("versions")) else { return Vec::new() };
        folders.flatten().filter_map(|folder| folder.file_name().into_string().ok()).collect()
    }

    /// From now on `current` is this one, whatever happens.
    pub(super) fn switch(&self, version: &str) -> Result<(), String> {
        let program = self.program(version);
        if !program.is_file() {
            return Err(format!("{}: no such program", program.display()));
        }
        self.link("current", version)
    }

    fn link(&self, name: &str, version: &str) -> Result<(), String> {
        let (new, link) = (self.root.join(format!("{name}.new")), self.root.join(name));
        let linked = || -> io::Result<()> {
            let _ = fs::remove_file(&new);
            symlink(Path::new("versions").join(version), &new)?;
            fs::rename(&new, &link)?;
            File::open(&self.root)?.sync_all()
        };
        linked().map_err(|error| format!("{}: {error}", link.display()))
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

    /// From now on it is being tried, once `current` names it, and the version before judges it.
    pub(super) fn note(&self, probation: &Probation) -> Result<(), String> {
        let path = self.probation_file();
        let text = serde_json::to_vec(probation).map_err(|error| error.to_string())?;
        write_whole(&path, &text, Sync::Yes)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        self.link(JUDGE, &probation.before)
    }

    /// Nothing is being tried any more, also after a power cut.
    pub(super) fn settle(&self) -> Result<(), String> {
        let told = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        for path in [self.probation_file(), self.root.join(JUDGE)] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(told(&path, error));
            }
        }
        let synced = File::open(&self.root).and_then(|root| root.sync_all());
        synced.map_err(|error| told(&self.root, error))
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
        assert_eq!(fs::read(folder.path().join("judge/gridpost")).unwrap(), b"old");
        // The power went before the switch.
        assert_eq!(versions.probation().unwrap(), None);
        assert_eq!(fs::read(folder.path().join("current/gridpost")).unwrap(), b"old");
        versions.switch("0.1.1").unwrap();
        assert_eq!(versions.probation().unwrap(), Some(probation));
        assert_eq!(fs::read(folder.path().join("current/gridpost")).unwrap(), b"new");
        versions.settle().unwrap();
        versions.settle().unwrap();
        assert_eq!(versions.probation().unwrap(), None);
        assert!(fs::symlink_metadata(folder.path().join("judge")).is_err());
        fs::write(folder.path().join("update.json"), "{").unwrap();
        assert!(versions.probation().unwrap_err().contains("update.json"));
    }

    #[test]
    fn what_is_not_whole_and_what_nobody_goes_back_to_leaves_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::at(folder.path());
        let names = || {
            let mut names = versions.names();
            names.sort();
            names
        };
        for version in ["0.1.0", "0.1.1", "0.1.2"] {
            versions.put(version, b"program").unwrap();
        }
        versions.switch("0.1.2").unwrap();
        // The power went while it was written.
        fs::create_dir(folder.path().join("versions/0.1.3")).unwrap();
        fs::write(folder.path().join("versions/0.1.3/gridpost.new"), b"pro").unwrap();
        // And this one cannot be written: a folder has its name.
        let taken = folder.path().join("versions/0.1.4/gridpost/in-the-way");
        fs::create_dir_all(&taken).unwrap();
        assert!(versions.put("0.1.4", b"program").unwrap_err().contains("0.1.4"));
        assert!(!folder.path().join("versions/0.1.4/gridpost.new").exists());
        assert_eq!(names(), ["0.1.0", "0.1.1", "0.1.2", "0.1.4"]);
        versions.keep_only(&["0.1.1"]);
        assert_eq!(names(), ["0.1.1", "0.1.2"]);
        assert!(versions.switch("0.1.0").unwrap_err().contains("no such program"));
        assert_eq!(versions.current().unwrap(), "0.1.2");
    }

    #[test]
    fn one_update_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::at(folder.path());
        let first = versions.lock(Duration::ZERO).unwrap();
        assert!(first.is_some());
        assert!(versions.lock(Duration::ZERO).unwrap().is_none());
        drop(first);
        assert!(versions.lock(Duration::ZERO).unwrap().is_some());
        let nowhere = Versions::at(&folder.path().join("none"));
        assert!(nowhere.lock(Duration::ZERO).unwrap_err().contains("package"));
    }
}
