//! The data folder: its lock, its format version, and what lies where in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::DirBuilderExt,
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
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }
    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }
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
    _file: File,
}

/// Who holds the folder, if anybody does: the process id as it was written.
pub(super) fn holder(layout: &Layout) -> Option<String> {
    let mut file = File::open(layout.lock()).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    Some(read_pid(&mut file))
}

fn read_pid(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().into(),
        _ => "of unknown id".into(),
    }
}

/// Makes the folder if need be, takes its lock, and checks its version.
pub(super) fn enter(layout: &Layout, disk: &dyn Disk) -> Result<Lock, OpenError> {
    let root = &layout.root;
    let fresh = !root.exists();
    // Pictures and names: nobody else's business on this box.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(OpenError::io("create the folder", root))?;
    for folder in [layout.journal(), layout.unfinished(), layout.quarantine()] {
        fs::create_dir_all(&folder).map_err(OpenError::io("create the folder", &folder))?;
    }
    let lock = take_lock(layout)?;
    check_format(layout, disk)?;
    disk.sync_folder(root).map_err(OpenError::io("sync the folder", root))?;
    if fresh && let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_folder(parent).map_err(OpenError::io("sync the folder", parent))?;
    }
    Ok(lock)
}

fn take_lock(layout: &Layout) -> Result<Lock, OpenError> {
    let path = layout.lock();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(OpenError::io("open the lock file", &path))?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error == rustix::io::Errno::WOULDBLOCK {
            let pid = read_pid(&mut file);
            return Err(OpenError::Locked { path: layout.root.clone(), pid });
        }
        return Err(OpenError::io("lock", &path)(error.into()));
    }
    // Only for the message to a second gateway: on a full disk it goes without.
    let pid = getpid().as_raw_nonzero().to_string();
    if let Err(error) = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes())) {
        tracing::warn!(%error, "cannot write the process id into the lock file");
    }
    Ok(Lock { _file: file })
}

/// A new folder gets this version; an older one is migrated, a newer one refused.
fn check_format(layout: &Layout, disk: &dyn Disk) -> Result<(), OpenError> {
    let path = layout.format();
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(layout, disk).map_err(OpenError::io("write", &path))
        }
        Err(error) => Err(OpenError::io("read", &path)(error)),
        Ok(text) => match read_format(layout, &text)? {
            found if found > FORMAT_VERSION => {
                Err(OpenError::Newer { path: layout.root.clone(), found, known: FORMAT_VERSION })
            }
            found => migrate(layout, disk, found),
        },
    }
}

pub(super) fn read_format(layout: &Layout, text: &str) -> Result<u32, OpenError> {
    text.trim()
        .strip_prefix(FORMAT_WORD)
        .and_then(|number| number.trim().parse().ok())
        .filter(|&number| number > 0)
        .ok_or_else(|| OpenError::Format { path: layout.root.clone(), text: text.trim().into() })
}

/// Brings the folder up, one version a step; the new number is written last, so that a step
/// that was cut off is done again.
fn migrate(layout: &Layout, disk: &dyn Disk, found: u32) -> Result<(), OpenError> {
    if found == FORMAT_VERSION {
        return Ok(());
    }
    // 1 → 2: the journal is read as it is; the index, which knew less, is rebuilt from it.
    write_format(layout, disk).map_err(OpenError::io("write", layout.format()))?;
    tracing::info!(folder = %layout.root.display(), from = found, to = FORMAT_VERSION, "the data folder was migrated");
    Ok(())
}

fn write_format(layout: &Layout, disk: &dyn Disk) -> io::Result<()> {
    let path = layout.root.join("format.new");
    fs::remove_file(&path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let handle = disk.create(&path)?;
    disk.write_at(&handle, format!("{FORMAT_WORD} {FORMAT_VERSION}\n").as_bytes(), 0)?;
    disk.sync_all(&handle)?;
    disk.rename(&path, &layout.format())?;
    disk.sync_folder(&layout.root)
}
