//! Whether this program counts, or is being tried by `gridpost update`.
//!
//! The updater keeps each version in a folder of its own, `versions/<version>`, a link `current` to the one that runs,
//! and `update.json` while one is being tried (`cli/update/versions.rs`). A program that lies in such a folder reads
//! there whether it may do what the version before could not undo. One that lies elsewhere counts.

use std::{env, fs, io, path::Path};

use serde::Deserialize;

/// It may be taken back: what it writes must be read by the version before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The newest format of data folder that the version before reads, where that is known.
    pub before_reads: Option<u32>,
}

/// What is needed of `update.json`.
#[derive(Deserialize)]
struct Noted {
    before_reads: u32,
}

/// Of the program that runs. None: it counts.
pub fn trial() -> Option<Trial> {
    // One whose own file was replaced has no path any more: another one runs soon.
    trial_of(&env::current_exe().ok()?)
}

/// Of a program at this path. None: it counts.
fn trial_of(program: &Path) -> Option<Trial> {
    let folder = program.parent()?;
    let (version, versions) = (folder.file_name()?, folder.parent()?);
    let root = versions.parent().filter(|_| versions.file_name() == Some("versions".as_ref()))?;
    let current = fs::read_link(root.join("current")).ok()?;
    match fs::read(root.join("update.json")) {
        // Somebody has switched to another one, and this one ends soon.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (current.file_name() != Some(version)).then_some(Trial { before_reads: None })
        }
        // Also one that cannot be read: what both versions read is never wrong.
        noted => {
            let noted = noted.ok().and_then(|text| serde_json::from_slice::<Noted>(&text).ok());
            Some(Trial { before_reads: noted.map(|noted| noted.before_reads) })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_program_counts_unless_an_update_says_that_it_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (old, new) =
            (root.join("versions/0.1.0/gridpost"), root.join("versions/0.1.1/gridpost"));
        let switch = |version: &str| {
            let _ = fs::remove_file(root.join("current"));
            symlink(Path::new("versions").join(version), root.join("current")).unwrap();
        };
        // By hand, or from a build: nobody tries it.
        assert_eq!(trial_of(Path::new("/usr/local/bin/gridpost")), None);
        assert_eq!(trial_of(Path::new("gridpost")), None);
        assert_eq!(trial_of(Path::new("/")), None);
        assert_eq!(trial_of(&new), None, "no link: the updater has never been here");
        switch("0.1.0");
        assert_eq!(trial_of(&old), None);
        // The update, before it is switched to and after.
        fs::write(root.join("update.json"), r#"{"version":"0.1.1","before_reads":7,"away":0}"#)
            .unwrap();
        let tried = Some(Trial { before_reads: Some(7) });
        assert_eq!(trial_of(&old), tried);
        switch("0.1.1");
        assert_eq!(trial_of(&new), tried);
        // Cut off by a full disk, or a folder: nobody can say that it counts.
        fs::write(root.join("update.json"), "{").unwrap();
        assert_eq!(trial_of(&new), Some(Trial { before_reads: None }));
        // Taken back beneath it, while it runs on for a moment.
        switch("0.1.0");
        fs::remove_file(root.join("update.json")).unwrap();
        assert_eq!(trial_of(&new), Some(Trial { before_reads: None }));
        // Confirmed.
        switch("0.1.1");
        assert_eq!(trial_of(&new), None);
    }
}
