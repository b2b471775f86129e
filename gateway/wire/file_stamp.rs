//! Secrets and certificates are renewed while we run: whether their files are there, and whether they changed since they were read.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Inode, length, and change time in seconds and nanoseconds: `cp -p`, `mv` and a symlink that is
/// turned round all change one of them, also when the modification time stays.
type FileMark = (u64, u64, i64, i64);

/// How some files stood at one moment; take it before reading them, so that a change that comes
/// while they are read is seen the next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp(Vec<Option<FileMark>>);

impl FileStamp {
    pub fn of<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        Self(files.into_iter().map(|path| mark(path)).collect())
    }
}

/// A warning as (key, message) where the file that a key names is not there. On the installer's
/// desk that is normal; it is asked for again whenever it is needed.
pub fn missing(key: &'static str, file: Option<&Path>) -> Option<(&'static str, String)> {
    let path = file.filter(|path| !path.is_file())?;
    Some((key, format!("{} is not there", path.display())))
}

/// None: it is not there, or cannot be looked at.
fn mark(path: &Path) -> Option<FileMark> {
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
        let missing = FileStamp::of([&file]);
        std::fs::write(&file, "one").unwrap();
        let first = FileStamp::of([&file]);
        assert_ne!(missing, first);
        assert_eq!(first, FileStamp::of([&file]), "nothing changed");
        std::fs::write(&next, "two").unwrap();
        std::fs::rename(&next, &file).unwrap();
        let replaced = FileStamp::of([&file]);
        assert_ne!(first, replaced);
        std::fs::write(&file, "three").unwrap();
        assert_ne!(replaced, FileStamp::of([&file]));
    }
}
