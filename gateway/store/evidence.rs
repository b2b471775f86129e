//! Evidence files: written aside, synced, renamed, and only then named by a record (P5).
//!
//! The file and its folder are synced before the record that names the file goes to the journal. So
//! a record never names a file that a power cut could take away.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    disk::Disk, error::EvidenceError, folder::DataFolder, format::hex, originals::SEALED_EXTENSION,
};
use crate::domain::{Evidence, EvidenceId};

/// A piece of evidence on its way to disk. Dropped unfinished, its file is removed.
#[derive(Debug)]
pub struct NewEvidence {
    /// Write the whole file here, then hand it to `finish_evidence`.
    pub path: PathBuf,
    id: EvidenceId,
    finished_path: PathBuf,
}

impl NewEvidence {
    /// Under which it is recorded.
    pub fn id(&self) -> EvidenceId {
        self.id
    }
}

impl Drop for NewEvidence {
    fn drop(&mut self) {
        // Gone already when it was finished.
        drop(fs::remove_file(&self.path));
    }
}

/// A place for a new file; refused when less than `min_free_bytes` is free.
pub(super) fn begin(
    data_folder: &DataFolder,
    min_free_bytes: u64,
    id: EvidenceId,
    extension: &str,
) -> Result<NewEvidence, EvidenceError> {
    let folder = data_folder.unfinished();
    // Where free space cannot be asked for, writing itself will tell.
    if let Ok(free_bytes) = free_bytes(&folder)
        && free_bytes < min_free_bytes
    {
        return Err(EvidenceError::LowSpace { free_bytes, min_free_bytes });
    }
    let name = format!("{id}.{extension}");
    Ok(NewEvidence {
        path: folder.join(&name),
        id,
        finished_path: data_folder.evidence().join(name),
    })
}

/// File synced, renamed, folder synced: from here on a record may name it. Returns the
/// lower-case hex sha256 and the bytes.
pub(super) fn finish(disk: &dyn Disk, new: NewEvidence) -> Result<(String, u64), EvidenceError> {
    let fail = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| EvidenceError::Io { path, action, source }
    };
    let handle = disk.open(&new.path).map_err(fail("open", &new.path))?;
    let hashed = sha256(&handle.file).map_err(fail("read", &new.path))?;
    disk.sync_all(&handle).map_err(fail("sync", &new.path))?;
    disk.rename(&new.path, &new.finished_path).map_err(fail("rename", &new.path))?;
    let folder = new.finished_path.parent().unwrap_or(Path::new("."));
    disk.sync_folder(folder).map_err(fail("sync", folder))?;
    Ok(hashed)
}

/// Lower-case hex, and bytes.
pub(super) fn sha256(mut file: &File) -> io::Result<(String, u64)> {
    let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((hex(&hash.finalize()), bytes)),
            n => {
                hash.update(&chunk[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// The file of a piece, whatever its extension.
pub(super) fn find(data_folder: &DataFolder, evidence: &Evidence) -> Option<PathBuf> {
    let extension = match evidence.media_type.as_str() {
        _ if evidence.original_of.is_some() => SEALED_EXTENSION,
        "image/jpeg" => "jpg",
        "video/mp4" => "mp4",
        _ => "bin",
    };
    let path = data_folder.evidence().join(format!("{}.{extension}", evidence.id));
    if path.is_file() {
        return Some(path);
    }
    files(data_folder).ok()?.into_iter().find(|(id, _)| *id == evidence.id).map(|(_, path)| path)
}

/// All finished pieces.
pub(super) fn files(data_folder: &DataFolder) -> io::Result<Vec<(EvidenceId, PathBuf)>> {
    let mut files = Vec::new();
    for entry in data_folder.evidence().read_dir()? {
        let path = entry?.path();
        let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        files.extend(id.filter(|_| path.is_file()).map(|id| (id, path)));
    }
    Ok(files)
}

/// Bytes of all finished pieces.
pub(super) fn bytes(files: &[(EvidenceId, PathBuf)]) -> u64 {
    files.iter().filter_map(|(_, path)| fs::metadata(path).ok()).map(|file| file.len()).sum()
}

/// Removes what was being written when the power failed; no record names it. Returns how many files.
pub(super) fn clear_unfinished(data_folder: &DataFolder) -> io::Result<usize> {
    let mut removed = 0;
    for entry in data_folder.unfinished().read_dir()? {
        fs::remove_file(entry?.path())?;
        removed += 1;
    }
    Ok(removed)
}

/// Free bytes of the file system, for anybody.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
