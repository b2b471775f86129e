//! What this gateway calls itself at brokers: a name with a part that nobody can guess. Who connects under the same
//! client id throws the other out and has the other's session, with all that waits in it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

/// In the data folder; the same over restarts, since a broker keeps what came meanwhile under the id.
const FILE: &str = "client-id";
/// Bytes of chance, twice as many characters.
const CHANCE_BYTES: usize = 8;

/// The part that is chance; empty in a data folder that is older than it, whose sessions go on.
#[derive(Clone, Debug, Default)]
pub struct ClientIds(Arc<str>);

impl ClientIds {
    /// Reads it; where there is none and nothing was ever stored here (`is_new`), it is made. Never fails: what
    /// cannot be read or written is told, and the names are then those that anybody can guess.
    pub fn open(data: &Path, is_new: bool) -> Self {
        let file = data.join(FILE);
        let found = fs::read_to_string(&file).unwrap_or_default();
        if is_chance(found.trim()) {
            return Self(found.trim().into());
        }
        if !is_new {
            return Self::default();
        }
        let bytes: [u8; CHANCE_BYTES] = rand::random();
        let chance: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match write(&file, &chance) {
            Ok(()) => Self(chance.into()),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "cannot be written: the client ids at brokers can be guessed");
                Self::default()
            }
        }
    }

    /// The whole id of the client that is called so.
    pub fn of(&self, name: &str) -> String {
        match self.0.is_empty() {
            true => name.to_owned(),
            false => format!("{name}-{}", self.0),
        }
    }
}

fn is_chance(text: &str) -> bool {
    text.len() == CHANCE_BYTES * 2 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // What a start that was cut off has left is no id.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn ids_are_chance_stay_and_those_of_an_older_folder_stay_too() {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path(), folder.path().join(FILE));
        assert_eq!(
            ClientIds::open(data, false).of("a"),
            "a",
            "what stands at a broker under it goes on"
        );
        assert!(!file.exists());
        fs::write(&file, "0123").unwrap();
        let made = ClientIds::open(data, true).of("a");
        assert_eq!((made.len(), &made[..2]), (2 + CHANCE_BYTES * 2, "a-"));
        assert_eq!(ClientIds::open(data, false).of("a"), made);
        assert_eq!(ClientIds::open(data, true).of("a"), made);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(ClientIds::open(other.path(), true).of("a"), made);
        assert_eq!(ClientIds::open(&other.path().join("none"), true).of("a"), "a");
    }
}
