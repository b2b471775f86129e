//! The key of links and what was revoked: two small files in `keys/` of the data folder, for their owner alone.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
};

use rand::{TryRngCore, rngs::OsRng};

use crate::wire::file_stamp::FileStamp;

const KEY_BYTES: usize = 32;

/// The key, and how often the links of each person were revoked.
pub(super) struct Keys {
    pub(super) key: [u8; KEY_BYTES],
    revoked: BTreeMap<String, u32>,
    files: [PathBuf; 2],
    stamp: FileStamp,
}

impl Keys {
    /// Reads both files; the key is made where there is none. The error names the file.
    pub(super) fn load_or_make(data: &Path) -> Result<Self, String> {
        let files = paths(data);
        let stamp = FileStamp::of(&files);
        let key = match fs::read_to_string(&files[0]) {
            Ok(text) => parse_key(&text).ok_or_else(|| {
                format!("{}: expected {KEY_BYTES} bytes in hex", files[0].display())
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_key(data)?;
                return Self::load_or_make(data);
            }
            Err(error) => return Err(format!("{}: {error}", files[0].display())),
        };
        let revoked = read_revoked(&files[1])?;
        Ok(Self { key, revoked, files, stamp })
    }

    /// Whether nobody has written another key or revoked anything since they were read.
    pub(super) fn are_as_on_disk(&self) -> bool {
        FileStamp::of(&self.files) == self.stamp
    }

    /// Part of what is signed: it rises when the links of this person are revoked.
    pub(super) fn revoked(&self, person: &str) -> u32 {
        self.revoked.get(person).copied().unwrap_or_default()
    }
}

fn paths(data: &Path) -> [PathBuf; 2] {
    ["links.key", "links.revoked"].map(|name| data.join("keys").join(name))
}

fn parse_key(text: &str) -> Option<[u8; KEY_BYTES]> {
    let text = text.trim();
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

/// A file that cannot be read revokes everybody: nothing that was taken back comes to life.
fn read_revoked(path: &Path) -> Result<BTreeMap<String, u32>, String> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            format!("{}: {error}; `gridpost links revoke --all` makes both anew", path.display())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn make_key(data: &Path) -> Result<(), String> {
    let path = &paths(data)[0];
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut bytes = [0u8; KEY_BYTES];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| told(&error))?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    write_private(path, text.as_bytes()).map_err(|error| told(&error))
}

/// Whole or not at all, on disk, and for its owner alone from its first byte on. Whoever owns the data folder
/// owns it, also where an administrator has revoked something: the gateway must be able to read it.
pub(in crate::wire) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let data = fs::metadata(folder.parent().unwrap_or(Path::new(".")))?;
    let give = |path: &Path| {
        let about = fs::metadata(path)?;
        match (about.uid(), about.gid()) == (data.uid(), data.gid()) {
            true => Ok(()),
            false => chown(path, Some(data.uid()), Some(data.gid())),
        }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    give(folder)?;
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    give(&new)?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

/// No link that this person was ever given is good any more; a running gateway knows it at the next one
/// that is opened, and within a second for those that it makes.
pub fn revoke(data: &Path, person: &str) -> Result<(), String> {
    let path = &paths(data)[1];
    let mut revoked = read_revoked(path)?;
    let times = revoked.entry(person.to_owned()).or_default();
    *times = times.saturating_add(1);
    let bytes = serde_json::to_vec_pretty(&revoked).map_err(|error| error.to_string())?;
    write_private(path, &bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// No link that was ever made is good any more: there is another key.
pub fn revoke_all(data: &Path) -> Result<(), String> {
    let path = &paths(data)[1];
    make_key(data)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}
