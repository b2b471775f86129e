//! The data folder: its lock, its format version, and what lies where in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::getpid,
};

use super::{disk::Disk, error::OpenError, newer_words::WritableForms};

pub(super) const FORMAT_WORD: &str = "gridpost-store";
/// What lies in a data folder, up to the first dot.
const OUR_NAMES: &[&str] = &[
    "accounts",
    "apply",
    "cameras",
    "client-id",
    "devices",
    "drill",
    "evidence",
    "figures",
    "first-account",
    "format",
    "home-assistant",
    "holds",
    "in-hand",
    "index",
    "journal",
    "keys",
    "lock",
    "login-failures",
    "plate-keys",
    "platforms",
    "quarantine",
    "reserve",
    "retry",
    "run",
    "sessions",
    "site",
    "standing",
    "token",
    "tracks",
];
/// What comes behind the first dot of such a name: a folder's, a file's, and those of files on their way.
const OUR_ENDINGS: &[&str] =
    &["", ".d", ".done", ".json", ".json.new", ".done.new", ".lock", ".new"];

/// Whether a file or folder of this name in the data folder is the gateway's own.
pub fn is_own_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    OUR_NAMES.contains(&stem) && OUR_ENDINGS.contains(&&name[stem.len()..])
}

/// Names of everything in the data folder.
#[derive(Clone, Debug)]
pub(super) struct DataFolder {
    /// `[data] path`.
    pub(super) root: PathBuf,
}

impl DataFolder {
    /// Touches nothing.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }
    /// Segments.
    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }
    /// sled's.
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }
    /// Snapshots and clips.
    pub(super) fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }
    /// Lines of cases that are over.
    pub(super) fn figures(&self) -> PathBuf {
        self.root.join("figures")
    }
    /// Evidence that is being written; emptied at start.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("evidence").join("unfinished")
    }
    /// Bytes of the journal that could not be read.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }
    /// Which case at a district's platform is which incident; the sinks' own.
    pub(super) fn platforms(&self) -> PathBuf {
        self.root.join("platforms")
    }
    /// What was applied over the hand-written configuration, with its versions; the configuration's own.
    pub(super) fn site_d(&self) -> PathBuf {
        self.root.join("site.d")
    }
    /// The key of signed links.
    pub(super) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
    /// Keys of plates, a day and number of days each; never in a backup.
    pub(super) fn plate_keys(&self) -> PathBuf {
        self.root.join("plate-keys")
    }
    /// Evidence that is kept whatever its age.
    pub(super) fn holds(&self) -> PathBuf {
        self.root.join("holds.json")
    }
    /// Let go when there is no room left, for the presses.
    pub(super) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }
    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    pub(super) fn format(&self) -> PathBuf {
        self.root.join("format")
    }
}

/// No store was ever made there, whether or not the folder exists (an installer makes it, or systemd). One that
/// cannot be seen is none that is new.
pub fn is_new(root: &Path) -> bool {
    let folder = DataFolder::new(root);
    let absent = |path: PathBuf| {
        fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    absent(folder.journal()) && absent(folder.format())
}

/// Held as long as the folder is in use. The kernel lets go of it with the process, however
/// that ends, so there is nothing stale to clean up.
pub(super) struct Lock {
    /// The folder itself: it cannot be unlinked while it has files, as a lock file can.
    _folder: File,
    /// For the process id in it.
    _file: File,
}

/// Who holds the folder, if anybody does: the process id as it was written.
pub(super) fn holder(data_folder: &DataFolder) -> Option<String> {
    // A disk that cannot lock a folder says so of it; then the lock file alone tells.
    let free = |file: &File| match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => true,
        Err(error) => locks_no_folder(error),
    };
    let folder = File::open(&data_folder.root).ok()?;
    let mut file = File::open(data_folder.lock());
    if free(&folder) && file.as_ref().map_or(true, free) {
        return None;
    }
    Some(file.as_mut().map_or_else(|_| "of unknown id".into(), read_pid))
}

fn read_pid(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().into(),
        _ => "of unknown id".into(),
    }
}

/// Makes the folder if need be, takes its lock, and checks its version. Returns the format in which it is to be written.
pub(super) fn enter(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    written: &WritableForms,
) -> Result<(Lock, u32), OpenError> {
    let root = &data_folder.root;
    let new_folders = missing(root);
    // Pictures and names: nobody else's business on this box.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(OpenError::io("create the folder", root))?;
    keep_others_out(root);
    for folder in [data_folder.journal(), data_folder.unfinished(), data_folder.quarantine()] {
        fs::create_dir_all(&folder).map_err(OpenError::io("create the folder", &folder))?;
    }
    let lock = take_lock(data_folder)?;
    let format = check_format(data_folder, disk, written)?;
    disk.sync_folder(root).map_err(OpenError::io("sync the folder", root))?;
    // A name is on disk when the folder that holds it has been synced: each of those that are new.
    for folder in new_folders {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        disk.sync_folder(parent).map_err(OpenError::io("sync the folder", parent))?;
    }
    Ok((lock, format))
}

/// This folder and those above it that are not there yet.
fn missing(root: &Path) -> Vec<PathBuf> {
    let not_there = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    root.ancestors().take_while(not_there).map(Path::to_path_buf).collect()
}

/// Whether nobody but the gateway can miss it: it is empty, or a data folder with nothing else in it.
/// `/tmp` closed to others would be the end of this box.
fn is_ours_alone(root: &Path, mode: u32) -> bool {
    const STICKY: u32 = 0o1000;
    let Ok(mut entries) = fs::read_dir(root) else { return false };
    mode & STICKY == 0
        && entries.all(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let stem = name.split('.').next().unwrap_or_default();
                OUR_NAMES.contains(&stem) || name == "lost+found"
            })
        })
}

/// A folder that was made by hand, or by a umask, may be open to everybody on this box.
fn keep_others_out(root: &Path) {
    let Ok(found) = fs::metadata(root) else { return };
    let mode = found.permissions().mode();
    if mode & 0o007 == 0 {
        return;
    }
    if !is_ours_alone(root, mode) {
        tracing::warn!(folder = %root.display(), "IS OPEN to everybody on this box, and holds what is not the gateway's: give [data] path a folder of its own");
        return;
    }
    match fs::set_permissions(root, fs::Permissions::from_mode(mode & 0o770)) {
        Ok(()) => {
            tracing::warn!(folder = %root.display(), "was open to everybody on this box; it is not any more")
        }
        Err(error) => {
            tracing::error!(folder = %root.display(), %error, "IS OPEN to everybody on this box, and that cannot be changed")
        }
    }
}

/// NFS makes of it a lock of a range of bytes, for which a folder would have to be open for writing.
fn locks_no_folder(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    [Errno::BADF, Errno::NOLCK, Errno::OPNOTSUPP].contains(&error)
}

fn take_lock(data_folder: &DataFolder) -> Result<Lock, OpenError> {
    let root = &data_folder.root;
    let folder = File::open(root).map_err(OpenError::io("open the folder", root))?;
    let path = data_folder.lock();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(OpenError::io("open the lock file", &path))?;
    let folder_locked = match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(error) if locks_no_folder(error) => {
            tracing::warn!(folder = %root.display(), %error, "this disk locks no folder (NFS?): the file `lock` alone keeps a second gateway out");
            Ok(())
        }
        locked => locked,
    };
    let locked =
        folder_locked.and_then(|()| flock(&file, FlockOperation::NonBlockingLockExclusive));
    if let Err(error) = locked {
        if error == rustix::io::Errno::WOULDBLOCK {
            let pid = read_pid(&mut file);
            return Err(OpenError::Locked { path: data_folder.root.clone(), pid });
        }
        return Err(OpenError::io("lock", &path)(error.into()));
    }
    // Only for the message to a second gateway: on a full disk it goes without.
    let pid = getpid().as_raw_nonzero().to_string();
    if let Err(error) = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes())) {
        tracing::warn!(%error, "cannot write the process id into the lock file");
    }
    Ok(Lock { _folder: folder, _file: file })
}

/// A new folder gets the program's version; an older one is migrated, unless the program is being tried, and a newer
/// one refused. Returns the version that the folder has then.
fn check_format(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    written: &WritableForms,
) -> Result<u32, OpenError> {
    let path = data_folder.format();
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let format = written.format_of(None);
            write_format(data_folder, disk, format).map_err(OpenError::io("write", &path))?;
            Ok(format)
        }
        Err(error) => Err(OpenError::io("read", &path)(error)),
        Ok(text) => match read_format(data_folder, &text)? {
            found if found > written.own => {
                Err(OpenError::Newer { path: data_folder.root.clone(), found, known: written.own })
            }
            found => migrate(data_folder, disk, found, written),
        },
    }
}

/// The format version in the text of the file `format`.
pub(super) fn read_format(data_folder: &DataFolder, text: &str) -> Result<u32, OpenError> {
    text.trim()
        .strip_prefix(FORMAT_WORD)
        .and_then(|number| number.trim().parse().ok())
        .filter(|&number| number > 0)
        .ok_or_else(|| OpenError::Format {
            path: data_folder.root.clone(),
            text: text.trim().into(),
        })
}

/// Brings the folder up, one version a step; the new number is written last, so that a step
/// that was cut off is done again.
fn migrate(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    found: u32,
    written: &WritableForms,
) -> Result<u32, OpenError> {
    let (own, format) = (written.own, written.format_of(Some(found)));
    if format < own {
        tracing::info!(folder = %data_folder.root.display(), format, own, "an update is being tried: the data folder is written as the version before reads it, and migrated when the update is confirmed");
    }
    if found == format {
        return Ok(format);
    }
    // 1 → 2 → 3: the journal is read as it is; the index, which knew less, is rebuilt from it.
    write_format(data_folder, disk, format)
        .map_err(OpenError::io("write", data_folder.format()))?;
    tracing::info!(folder = %data_folder.root.display(), from = found, to = format, "the data folder was migrated");
    Ok(format)
}

/// From when this returns no program opens the folder that knows only older ones.
pub(super) fn write_format(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    format: u32,
) -> io::Result<()> {
    let path = data_folder.root.join("format.new");
    fs::remove_file(&path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let handle = disk.create(&path)?;
    disk.write_at(&handle, format!("{FORMAT_WORD} {format}\n").as_bytes(), 0)?;
    disk.sync_all(&handle)?;
    disk.rename(&path, &data_folder.format())?;
    disk.sync_folder(&data_folder.root)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_folder_with_what_is_not_the_gateways_is_left_as_it_is() {
        for (what, mode, names, closed) in [
            ("made by hand", 0o777, &[][..], true),
            ("a data folder", 0o755, &["format", "journal", "run.json", "lost+found"][..], true),
            ("with its token", 0o755, &["format", "journal", "token", "token.new"][..], true),
            ("with something else", 0o755, &["format", "journal", "photos"][..], false),
            ("the home of another", 0o755, &["photos"][..], false),
            ("/tmp", 0o1777, &[][..], false),
            ("/tmp, at the second start", 0o1777, &["format", "journal"][..], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("data");
            fs::create_dir(&root).unwrap();
            names.iter().for_each(|name| fs::write(root.join(name), "").unwrap());
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            keep_others_out(&root);
            let after = fs::metadata(&root).unwrap().permissions().mode() & 0o7777;
            assert_eq!(after, if closed { mode & 0o770 } else { mode }, "{what}");
        }
    }

    #[test]
    fn a_disk_that_locks_no_folder_is_no_second_gateway() {
        for error in [Errno::BADF, Errno::NOLCK, Errno::OPNOTSUPP] {
            assert!(locks_no_folder(error), "{error}");
        }
        for error in [Errno::WOULDBLOCK, Errno::IO, Errno::ACCESS, Errno::INTR] {
            assert!(!locks_no_folder(error), "{error}");
        }
    }
}
