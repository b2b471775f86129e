//! What this gateway calls itself at brokers: a name with a part that nobody can guess. Who connects under the same
//! client id throws the other out and has the other's session, with all that waits in it.

use std::{fs, io, path::Path, sync::Arc};

use super::{Readiness, write_whole_secret};

/// In the data folder; the same over restarts, since a broker keeps what came meanwhile under the id.
const FILE: &str = "client-id";
/// In `/readyz`.
const PART: &str = "client ids";
/// Bytes of chance, twice as many characters.
const CHANCE_BYTES: usize = 8;

/// The part that is chance; empty in a data folder that is older than it, whose sessions go on.
#[derive(Clone, Debug, Default)]
pub struct ClientIds(Arc<str>);

impl ClientIds {
    /// Reads it; where there is none in a data folder that is new (`is_new`), it is made. Never fails: what
    /// cannot be read or written is told, in `/readyz` too, and the names are then those that anybody can
    /// guess. What waits at a broker under the others waits until a start that can read it.
    pub fn open(data: &Path, is_new: bool, readiness: &Readiness) -> Self {
        let file = data.join(FILE);
        let tell = |why: String| {
            tracing::warn!(file = %file.display(), why, "the client ids at brokers are not those of before, or can be guessed");
            let note = format!(
                "{}: {why}: what waits at a broker under our own client ids waits until a start that can read it",
                file.display()
            );
            readiness.note(PART, &note);
            Self::default()
        };
        match fs::read_to_string(&file) {
            Ok(found) if is_chance(found.trim()) => Self(found.trim().into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_new => Self::default(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tell(format!("cannot be read: {error}"))
            }
            Ok(_) if !is_new => {
                tell("is no client id: expected 16 digits and letters a to f".into())
            }
            _ => {
                let bytes: [u8; CHANCE_BYTES] = rand::random();
                let chance: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                match write_whole_secret(&file, chance.as_bytes()) {
                    Ok(()) => Self(chance.into()),
                    Err(error) => tell(format!("cannot be written: {error}")),
                }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(data: &Path, is_new: bool) -> (String, Vec<String>) {
        let readiness = Readiness::default();
        (ClientIds::open(data, is_new, &readiness).of("a"), readiness.notes())
    }

    #[test]
    fn ids_are_chance_stay_and_those_of_an_older_folder_stay_too() {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path(), folder.path().join(FILE));
        let older = open(data, false);
        assert_eq!(older, ("a".into(), Vec::new()), "what stands at a broker under it goes on");
        assert!(!file.exists());
        fs::write(&file, "0123").unwrap();
        let (made, notes) = open(data, true);
        assert_eq!((made.len(), &made[..2]), (2 + CHANCE_BYTES * 2, "a-"));
        assert!(notes.is_empty());
        assert_eq!(open(data, false).0, made);
        assert_eq!(open(data, true).0, made);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(open(other.path(), true).0, made);
        let (name, notes) = open(&other.path().join("none"), true);
        assert_eq!((name.as_str(), notes.len()), ("a", 1), "{notes:?}");
    }

    /// Other ids are another session at the broker: that is never in silence, and the file is left alone.
    #[test]
    fn an_id_that_cannot_be_read_is_told_and_is_there_again_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path(), folder.path().join(FILE));
        let (made, _) = open(data, true);
        let kept = data.join("kept");
        for is_new in [false, true] {
            fs::rename(&file, &kept).unwrap();
            fs::create_dir(&file).unwrap();
            let (name, notes) = open(data, is_new);
            assert_eq!(name, "a");
            assert!(notes[0].contains("cannot be read"), "{notes:?}");
            fs::remove_dir(&file).unwrap();
            fs::rename(&kept, &file).unwrap();
            assert_eq!(open(data, is_new), (made.clone(), Vec::new()));
        }
        for broken in [&b"0123"[..], b"", b"\xff\xfe"] {
            fs::write(&file, broken).unwrap();
            let (name, notes) = open(data, false);
            assert_eq!((name.as_str(), notes.len()), ("a", 1), "{broken:?} {notes:?}");
            assert_eq!(fs::read(&file).unwrap(), broken);
        }
    }
}
