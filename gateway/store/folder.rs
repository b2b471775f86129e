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

use super::{disk::Disk, error::OpenError, format::FORMAT_VERSION};

const FORMAT_WORD: &str = "gridpost-store";

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
    /// Evidence that is being written; emptied at start.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("evidence").join("unfinished")
    }
    /// Bytes of the journal that could not be read.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }
    /// Let go when there is no room left, for the presses.
    pub(super) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }
    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    fn format(&self) -> PathBuf {
        self.root.join("format")
    }
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
    let free = |file: &File| flock(file, FlockOperation::NonBlockingLockShared).is_ok();
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

/// Makes the folder if need be, takes its lock, and checks its version.
pub(super) fn enter(data_folder: &DataFolder, disk: &dyn Disk) -> Result<Lock, OpenError> {
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
    check_format(data_folder, disk)?;
    disk.sync_folder(root).map_err(OpenError::io("sync the folder", root))?;
    // A name is on disk when the folder that holds it has been synced: each of those that are new.
    for folder in new_folders {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        disk.sync_folder(parent).map_err(OpenError::io("sync the folder", parent))?;
    }
    Ok(lock)
}

/// This folder and those above it that are not there yet.
fn missing(root: &Path) -> Vec<PathBuf> {
    let not_there = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    root.ancestors().take_while(not_there).map(Path::to_path_buf).collect()
}

/// A folder that was made by hand, or by a umask, may be open to everybody on this box.
fn keep_others_out(root: &Path) {
    let Ok(found) = fs::metadata(root) else { return };
    let mode = found.permissions().mode();
    if mode & 0o007 == 0 {
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
    let locked = flock(&folder, FlockOperation::NonBlockingLockExclusive)
        .and_then(|()| flock(&file, FlockOperation::NonBlockingLockExclusive));
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

/// A new folder gets this version; an older one is migrated, a newer one refused.
fn check_format(data_folder: &DataFolder, disk: &dyn Disk) -> Result<(), OpenError> {
    let path = data_folder.format();
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(data_folder, disk).map_err(OpenError::io("write", &path))
        }
        Err(error) => Err(OpenError::io("read", &path)(error)),
        Ok(text) => match read_format(data_folder, &text)? {
            found if found > FORMAT_VERSION => Err(OpenError::Newer {
                path: data_folder.root.clone(),
                found,
                known: FORMAT_VERSION,
            }),
            found => migrate(data_folder, disk, found),
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
fn migrate(data_folder: &DataFolder, disk: &dyn Disk, found: u32) -> Result<(), OpenError> {
    if found == FORMAT_VERSION {
        return Ok(());
    }
    // 1 → 2: the journal is read as it is; the index, which knew less, is rebuilt from it.
    write_format(data_folder, disk).map_err(OpenError::io("write", data_folder.format()))?;
    tracing::info!(folder = %data_folder.root.display(), from = found, to = FORMAT_VERSION, "the data folder was migrated");
    Ok(())
}

fn write_format(data_folder: &DataFolder, disk: &dyn Disk) -> io::Result<()> {
    let path = data_folder.root.join("format.new");
    fs::remove_file(&path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let handle = disk.create(&path)?;
    disk.write_at(&handle, format!("{FORMAT_WORD} {FORMAT_VERSION}\n").as_bytes(), 0)?;
    disk.sync_all(&handle)?;
    disk.rename(&path, &data_folder.format())?;
    disk.sync_folder(&data_folder.root)
}
