//! Whether files changed since they were read: secrets and certificates are renewed while we run.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Inode, length, and change time in seconds and nanoseconds: `cp -p`, `mv` and a symlink that is
/// turned round all change one of them, also when the modification time stays.
type Mark = (u64, u64, i64, i64);

/// How some files stood at one moment; take it before reading them, so that a change that comes
/// while they are read is seen the next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<Option<Mark>>);

impl Stamp {
    pub fn of<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        Self(files.into_iter().map(|path| mark(path)).collect())
    }
}

/// None: it is not there, or cannot be looked at.
fn mark(path: &Path) -> Option<Mark> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.ino(), about.len(), about.ctime(), about.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_a_rewritten_and_a_missing_file_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (file, next) = (folder.path().join("a"), folder.path().join("b"));
        let missing = Stamp::of([&file]);
        std::fs::write(&file, "one").unwrap();
        let first = Stamp::of([&file]);
        assert_ne!(missing, first);
        assert_eq!(first, Stamp::of([&file]), "nothing changed");
        std::fs::write(&next, "two").unwrap();
        std::fs::rename(&next, &file).unwrap();
        let replaced = Stamp::of([&file]);
        assert_ne!(first, replaced);
        std::fs::write(&file, "three").unwrap();
        assert_ne!(replaced, Stamp::of([&file]));
    }
}
