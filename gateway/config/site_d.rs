//! What was applied for a person: `site.d/*.toml` in the data folder, laid over the hand-written file.
//!
//! The gateway writes one file there, `applied.toml`, which is laid last; its first line says which
//! version it is, of when, by whom and why. `versions/` holds the latest of them, each the whole of
//! that file as it was. Other `*.toml` there are an installer's, and laid in the order of their names.
//! The hand-written file is never written.

mod apply;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fall_back;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{problem::Problem, read::Layer};

pub use apply::{Change, Changes, Refusal, Undo, apply, note, seen, try_out, undo, unnoted};

/// In the data folder.
const FOLDER: &str = "site.d";
/// What the gateway itself writes.
const APPLIED: &str = "applied.toml";
/// Of the file that it writes, as it was.
const VERSIONS: &str = "versions";
/// A larger file is no configuration.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// What the first line begins with; a JSON object follows.
const HEAD: &str = "# gridpost ";
/// Others may change it.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Others may read it, too.
const OPEN_TO_OTHERS: u32 = 0o066;

/// One state of what was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// 1, 2, 3 …; 0: nothing was ever applied.
    pub version: u32,
    /// When it was applied, gateway time.
    pub at: Timestamp,
    /// By whom, as claimed.
    pub by: String,
    /// For people.
    pub why: String,
    /// Names of what it changed, never a value.
    pub changes: Vec<String>,
}

/// The files of one data folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What lies in `site.d`.
#[derive(Default)]
pub(super) struct Found {
    /// In the order in which they are laid.
    pub(super) layers: Vec<Layer>,
    /// Files that cannot be read, or are none of ours.
    pub(super) problems: Vec<Problem>,
    /// The version that is in effect.
    pub(super) applied: Option<Version>,
    /// Its number, also where `applied.toml` does not say it any more (0: none).
    pub(super) current: u32,
}

impl Folder {
    /// Of this data folder; touches nothing.
    pub(super) fn of(data: &Path) -> Self {
        Self { path: data.join(FOLDER) }
    }

    fn applied(&self) -> PathBuf {
        self.path.join(APPLIED)
    }

    fn version_file(&self, version: u32) -> PathBuf {
        self.path.join(VERSIONS).join(format!("{version:06}.toml"))
    }

    /// Reads everything that is there; what cannot be read is a problem of its own file.
    pub(super) fn read(&self) -> Found {
        let mut found = Found::default();
        let names = match self.names() {
            Ok(names) => names,
            Err(problem) => {
                found.problems.push(problem);
                return found;
            }
        };
        let (own, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name == APPLIED);
        for name in others.iter().chain(&own) {
            let path = self.path.join(name);
            // What begins with a dot is an editor's or a tool's.
            let is_hidden = name.starts_with('.');
            if is_hidden || name == VERSIONS || name == "lock" || name.ends_with(".new") {
                continue;
            }
            if !name.ends_with(".toml") {
                let message = "is no *.toml, and not read: take it away".to_owned();
                found.problems.push(problem_of(&path, message, true));
                continue;
            }
            match read_file(&path) {
                Ok((text, mode)) => {
                    if mode & WRITABLE_BY_OTHERS != 0 {
                        let message = format!("has mode {mode:o}: others may change it; chmod 600");
                        found.problems.push(problem_of(&path, message, true));
                    }
                    if name == APPLIED {
                        found.applied = version_of(&text);
                        found.problems.extend(self.hand_edited(&text, found.applied.as_ref()));
                    }
                    found.layers.push(Layer { file: path.display().to_string(), text });
                }
                Err(message) => found.problems.push(problem_of(&path, message, false)),
            }
        }
        found.current = self.number_of(found.applied.as_ref(), !own.is_empty());
        if own.is_empty() && found.current > 0 {
            let message = lost(found.current);
            found.problems.push(problem_of(&self.applied(), message, false));
        }
        found
    }

    /// Sorted; none where there is no such folder.
    fn names(&self) -> Result<Vec<String>, Problem> {
        let failed =
            |error: io::Error| problem_of(&self.path, format!("cannot be read: {error}"), false);
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            // Whoever may not enter the data folder checks the hand-written file alone.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let message = format!("cannot be looked at: {error}; checked without it");
                return Err(problem_of(&self.path, message, true));
            }
            Err(error) => return Err(failed(error)),
            Ok(about) if !about.is_dir() => {
                return Err(problem_of(&self.path, "is no folder".into(), false));
            }
            Ok(_) => {}
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Only the beginning of what was last written: a disk lost the rest, or all of it.
    fn is_torn(&self, text: &str, version: Option<&Version>) -> bool {
        let kept = fs::read_to_string(self.version_file(self.number_of(version, true)));
        kept.is_ok_and(|kept| kept.starts_with(text) && kept != text)
    }

    /// A warning where `applied.toml` is not what was last written; an error where it is a part of it.
    fn hand_edited(&self, text: &str, version: Option<&Version>) -> Option<Problem> {
        let path = self.applied();
        if self.is_torn(text, version) {
            let number = self.number_of(version, true);
            return Some(problem_of(&path, torn(number), false));
        }
        let Some(version) = version else {
            let message = "its first line does not say which version it is: it was not written by gridpost, or changed by hand";
            return Some(problem_of(&path, message.into(), true));
        };
        let kept = fs::read_to_string(self.version_file(version.version)).ok()?;
        (kept != text).then(|| {
            let message = format!(
                "was changed by hand since version {}; put such keys into a file of their own beside it",
                version.version
            );
            problem_of(&path, message, true)
        })
    }

    /// Numbers of the versions that are kept, the oldest first.
    fn kept(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(self.path.join(VERSIONS)) else { return Vec::new() };
        let number = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_suffix(".toml")?.parse().ok()
        };
        let mut kept: Vec<u32> = entries.filter_map(number).filter(|number| *number > 0).collect();
        kept.sort_unstable();
        kept
    }

    /// The number that is in effect: of `applied.toml`, or the latest that is kept where that is gone.
    fn current(&self) -> u32 {
        let text = read_file(&self.applied()).ok();
        let version = text.and_then(|(text, _)| version_of(&text));
        self.number_of(version.as_ref(), self.is_there())
    }

    /// As [`Self::current`], of an `applied.toml` that says this, or is not there.
    fn number_of(&self, version: Option<&Version>, is_there: bool) -> u32 {
        if let Some(version) = version {
            return version.version;
        }
        let last = self.kept().last().copied().unwrap_or(0);
        // The first of all may have been cut off before it was in its place.
        let was_there = is_there || last > 1 || self.noted().exists();
        if was_there { last } else { 0 }
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(self.applied()).is_ok()
    }

    /// What was applied is gone: the version that was in effect.
    fn lost(&self) -> Option<u32> {
        let current = self.current();
        (current > 0 && !self.is_there()).then_some(current)
    }

    /// `applied.toml`, as layers and problems name it.
    pub(super) fn applied_name(&self) -> String {
        self.applied().display().to_string()
    }

    /// Whether it is a file of this folder, or the folder.
    pub(super) fn holds(&self, file: &str) -> bool {
        Path::new(file).starts_with(&self.path)
    }

    /// The version in effect, as it was kept, and earlier ones, the newest first: each as the one layer
    /// that it would be.
    pub(super) fn versions_of_applied(&self) -> impl Iterator<Item = (Version, Layer)> {
        let current = self.current();
        let kept = self.kept().into_iter().rev().filter(move |number| *number <= current);
        kept.filter_map(|number| {
            let path = self.version_file(number);
            let (text, _) = read_file(&path).ok()?;
            let version = version_of(&text)?;
            Some((version, Layer { file: path.display().to_string(), text }))
        })
    }
}

/// What is said of one of which a part is gone.
fn torn(current: u32) -> String {
    format!(
        "is cut off: only the beginning of version {current} is there; `gridpost config undo --to {current}` writes it anew as it was"
    )
}

/// What is said of an `applied.toml` that is gone.
fn lost(current: u32) -> String {
    format!(
        "is gone, and version {current} was applied; `gridpost config undo --to {current}` writes it anew as it was"
    )
}

/// Whether this file's mode lets others read it.
pub(super) fn is_open_to_others(file: &str) -> Option<u32> {
    let mode = fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & OPEN_TO_OTHERS != 0).then_some(mode)
}

/// All versions that are kept, the oldest first, and the number of the one in effect (0: none).
pub fn versions(data: &Path) -> (Vec<Version>, u32) {
    let folder = Folder::of(data);
    let current = folder.current();
    let read = |number: u32| version_of(&read_file(&folder.version_file(number)).ok()?.0);
    // One beyond the current was written and never came into effect.
    let kept = folder.kept().into_iter().filter(|number| *number <= current);
    (kept.filter_map(read).collect(), current)
}

/// Whether this text stands in the hand-written file, or in any file or kept version of `site.d`. What cannot be
/// read may name it.
pub fn is_named(file: &Path, data: &Path, text: &str) -> bool {
    let folder = Folder::of(data);
    let layers = folder.names().unwrap_or_default();
    let layers = layers.iter().filter(|name| name.ends_with(".toml"));
    let mut all: Vec<PathBuf> = layers.map(|name| folder.path.join(name)).collect();
    all.extend(folder.kept().into_iter().map(|number| folder.version_file(number)));
    all.push(file.into());
    all.iter().any(|path| fs::read_to_string(path).map_or(true, |read| read.contains(text)))
}

/// Text and mode of a file; the error says what is wrong with it.
fn read_file(path: &Path) -> Result<(String, u32), String> {
    let about = fs::symlink_metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !about.is_file() {
        return Err("is no regular file".into());
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(format!("has {} bytes; expected at most {FILE_BYTES_MAX}", about.len()));
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    Ok((text, about.permissions().mode() & 0o777))
}

/// What the first line says.
fn version_of(text: &str) -> Option<Version> {
    serde_json::from_str(text.lines().next()?.strip_prefix(HEAD)?).ok()
}

fn problem_of(path: &Path, message: String, warning: bool) -> Problem {
    let file = path.display().to_string();
    Problem { file, line: 0, key: String::new(), message, hint: None, warning }
}
