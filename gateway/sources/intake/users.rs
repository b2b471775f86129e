//! The file of users: who may connect, by which password.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Name → password.
pub(super) type Users = HashMap<String, String>;

/// The error names the file and the line.
pub(super) fn read(path: &PathBuf) -> Result<Users, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    parse(path, &text)
}

/// The same of a text.
pub(super) fn parse(path: &Path, text: &str) -> Result<Users, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let pair = line.trim().split_once(':').filter(|(name, _)| !name.is_empty());
            pair.map(|(name, password)| (name.to_owned(), password.to_owned()))
                .ok_or_else(|| format!("{}:{}: expected name:password", path.display(), number + 1))
        })
        .collect()
}
