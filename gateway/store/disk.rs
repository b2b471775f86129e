//! The few file operations that durability hangs on, behind one trait so that tests can make them fail.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// An open file that remembers its name (for messages, and for the faulty disk of the tests).
pub(super) struct Handle {
    /// For reading.
    pub(super) file: File,
    /// For messages.
    pub(super) path: PathBuf,
}

/// Every write, sync, rename and removal of the durable part goes through here. Reads do not:
/// what they return is checked by CRC anyway.
pub(super) trait Disk: Send + Sync {
    /// A new empty file; fails where one exists.
    fn create(&self, path: &Path) -> io::Result<Handle>;
    /// An existing file, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Handle>;
    fn write_at(&self, handle: &Handle, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync`: the bytes, and the size needed to find them.
    fn sync_data(&self, handle: &Handle) -> io::Result<()>;
    /// `fsync`: all of it.
    fn sync_all(&self, handle: &Handle) -> io::Result<()>;
    fn set_len(&self, handle: &Handle, len: u64) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in the folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The file system.
pub(super) struct RealDisk;

/// Adds the file's name; the kind (and with it "no space left") stays.
fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A file that was deleted or moved away takes writes and syncs, and nobody will ever read them: what
/// was written counts only under the name where the next start looks for it.
fn still_there(handle: &Handle) -> io::Result<()> {
    let held = handle.file.metadata().map_err(named(&handle.path))?;
    let named_there = fs::metadata(&handle.path).map_err(named(&handle.path))?;
    if (held.dev(), held.ino()) == (named_there.dev(), named_there.ino()) {
        return Ok(());
    }
    let text = format!("{}: another file stands under this name", handle.path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Handle> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        Ok(Handle { file: file.map_err(named(path))?, path: path.into() })
    }
    fn open(&self, path: &Path) -> io::Result<Handle> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(named(path))?;
        Ok(Handle { file, path: path.into() })
    }
    fn write_at(&self, handle: &Handle, bytes: &[u8], offset: u64) -> io::Result<()> {
        handle.file.write_all_at(bytes, offset).map_err(named(&handle.path))
    }
    fn sync_data(&self, handle: &Handle) -> io::Result<()> {
        handle.file.sync_data().map_err(named(&handle.path))?;
        still_there(handle)
    }
    fn sync_all(&self, handle: &Handle) -> io::Result<()> {
        handle.file.sync_all().map_err(named(&handle.path))
    }
    fn set_len(&self, handle: &Handle, len: u64) -> io::Result<()> {
        handle.file.set_len(len).map_err(named(&handle.path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(named(from))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(named(path))
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(named(folder))
    }
}
