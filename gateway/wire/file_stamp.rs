//! Secrets and certificates are renewed while we run: whether their files are there, and whether they changed since they were read.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Passwords of a district's users, or a chain of certificates, are far smaller.
const FILE_BYTES_MAX: u64 = 4 << 20;

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

/// A file of secrets or certificates. What is no regular file is an error and not waited for: who opens
/// a pipe waits for its other end, and a device may never end.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)? as u64;
    match read > FILE_BYTES_MAX {
        true => Err(io::Error::other(format!("is larger than {FILE_BYTES_MAX} bytes"))),
        false => Ok(bytes),
    }
}

/// The same as a text.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_file(path)?).map_err(|_| io::Error::other("is not UTF-8"))
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
    fn a_pipe_a_device_a_folder_and_what_is_too_large_are_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let why = read_file(path).unwrap_err().to_string();
            assert!(why.contains("no regular file"), "{}: {why}", path.display());
        }
        File::create(&large).unwrap().set_len(FILE_BYTES_MAX).unwrap();
        assert_eq!(read_file(&large).unwrap().len() as u64, FILE_BYTES_MAX);
        File::create(&large).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(read_file(&large).unwrap_err().to_string().contains("larger"));
        fs::write(&large, [0xff, 0xfe]).unwrap();
        assert!(read_text(&large).unwrap_err().to_string().contains("UTF-8"));
        assert_eq!(
            read_file(&folder.path().join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

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
