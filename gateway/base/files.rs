//! Small files: there whole or not at all, for their owner alone, or locked.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
    time::{Duration, Instant},
};

/// How often somebody who waits for a lock tries again.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// Whether the content must have reached the disk before the new name stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// After a power cut the file holds the old content or the new one, never a part. The folder
    /// is not synced: the old content may be back.
    Yes,
    /// For what is worth nothing after a restart: a sync wears out a memory card, makes the
    /// journal's own syncs wait, and on a disk that hangs holds up whoever writes.
    No,
}

/// Replaces the file at `path` by one with these bytes: written under another name (`.new`), then
/// renamed, so that a reader never finds a part.
pub fn write_whole(path: &Path, bytes: &[u8], sync: Sync) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    if sync == Sync::Yes {
        // Without it a power cut may leave the new name with nothing in it.
        file.sync_all()?;
    }
    fs::rename(&new, path)
}

/// As [`write_whole`] with [`Sync::Yes`], for what may hold secrets, and must be the new one after a power
/// cut: nobody but the owner reads it at any time, and the folder is synced too.
pub fn write_whole_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    // One that was left there may have been open to others.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    give_to_owner_of(path.parent().unwrap_or(Path::new(".")), &file)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Puts these bytes where the path says, over what is there; one that is made is its owner's alone. For what
/// somebody asked for by name and can ask for again: a reader may find a part.
pub fn write_for_owner(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Whoever owns the folder owns the file, which nobody else may read: a command that root runs makes it for
/// the gateway. The error: somebody else runs it, for whom the owner of the folder could not read it.
pub fn give_to_owner_of(folder: &Path, file: &File) -> io::Result<()> {
    let (owner, own) = (fs::metadata(folder)?, file.metadata()?);
    if owner.uid() == own.uid() {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid())).map_err(|error| {
        let message = format!(
            "it would be of user {} in a folder of user {}, who could not read it: run this as that user or as root ({error})",
            own.uid(),
            owner.uid()
        );
        io::Error::new(error.kind(), message)
    })
}

/// Locks a file that is nobody's but the owner's of the folder `data`; it is made if it is not there, and the
/// lock lasts as long as what is returned. None: somebody else has held it all this time.
pub fn lock_file(data: &Path, path: &Path, within: Duration) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // Root may come first, and the gateway's own user after him.
    give_to_owner_of(data, &file)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() > within => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_reads_a_secret_whatever_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        for left in ["a.toml", "a.toml.new"] {
            let left = folder.path().join(left);
            fs::write(&left, b"a longer text than the new one").unwrap();
            fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
        }
        write_whole_secret(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_old_content_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write_whole(&path, b"one", Sync::Yes).unwrap();
        write_whole(&path, b"two", Sync::No).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write_whole(&path, b"one", Sync::Yes).unwrap();
        // The other name is taken by a folder.
        fs::create_dir(folder.path().join("state.json.new")).unwrap();
        assert!(write_whole(&path, b"two", Sync::Yes).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
}
