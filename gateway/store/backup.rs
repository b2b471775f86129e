//! `gridpost store backup|restore`: a copy of a folder that may be in use, and a copy that becomes a folder again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Config, case_files, check,
    disk::{Disk, RealDisk},
    evidence,
    facts::{Fact, Forked},
    folder::{self, DataFolder},
    journal::{segment_path, segments},
    key_chest,
    open::open_as_it_was,
};
use crate::domain::NoMeter;

/// A journal that lets segments go while it is copied is begun anew, at most so often.
const TRIES_MAX: usize = 5;

/// Copies journal and evidence of `from` to `to`, which must be empty or not there. The
/// gateway may run: the journal only grows at its end, so that any copy of it is a state that a
/// power cut might have left. What is found is verified; the lines are for people. `passphrase`: the site's own
/// keys go along, sealed with it; without, originals cannot be opened from the copy.
pub fn backup(from: &Path, to: &Path, passphrase: Option<&str>) -> Result<Vec<String>, String> {
    let (source, target) = (DataFolder::new(from), DataFolder::new(to));
    if !source.journal().is_dir() {
        return Err(format!("{}: no gridpost data folder (no journal in it)", from.display()));
    }
    must_be_empty(to)?;
    let failed = |error: io::Error| format!("{}: the backup failed: {error}", to.display());
    let mut tries = 0;
    loop {
        make(&target).map_err(failed)?;
        match copy(&source, &target).and_then(|()| copy_keys(&source, &target)) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES_MAX => {
                tries += 1;
                fs::remove_dir_all(to).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let keys_line = key_chest::fill(from, to, passphrase)?;
    finish(&target).map_err(failed)?;
    let mut report = check(to);
    report.lines.push(keys_line);
    if report.sound { Ok(report.lines) } else { Err(report.lines.join("; ")) }
}

/// Makes a data folder of a backup. From then on its incidents continue at revisions which
/// the box that was backed up cannot have used, so that nothing is sent twice in effect. The target may hold the
/// `keys` of the folder that it follows: they stay, with every revocation since the backup. `passphrase`: of keys
/// that went along.
pub fn restore(
    from: &Path,
    to: &Path,
    at: Timestamp,
    passphrase: Option<&str>,
) -> Result<Vec<String>, String> {
    // Before anything is copied: a wrong passphrase costs no time.
    let keys = key_chest::open(from, passphrase)?;
    let mut report = check(from);
    if !report.sound {
        return Err(format!("{}: {}", from.display(), report.lines.join("; ")));
    }
    if let Some(pid) = folder::holder(&DataFolder::new(from)) {
        return Err(format!(
            "{}: process {pid} is using it; a folder in use is no backup: `gridpost store backup` makes one",
            from.display()
        ));
    }
    let failed = |error: io::Error| format!("{}: the restore failed: {error}", to.display());
    let (source, target) = (DataFolder::new(from), DataFolder::new(to));
    let keeps_keys = has_only_keys(&target);
    if !keeps_keys {
        must_be_empty(to)?;
    }
    make(&target).map_err(failed)?;
    copy(&source, &target).map_err(failed)?;
    if !keeps_keys {
        copy_keys(&source, &target).map_err(failed)?;
    }
    report.lines.push(key_chest::put_back(to, keys)?);
    finish(&target).map_err(failed)?;
    // Opened once for this note alone; the sinks stay who they were.
    let config = Config { min_free_bytes: 0, ..Config::at(to) };
    let opened = open_as_it_was(&config, Arc::new(NoMeter)).map_err(|error| error.to_string())?;
    let noted = opened.store.write_blocking(vec![Fact::Forked(Forked { at })], Vec::new());
    noted.and_then(|()| opened.store.close_blocking()).map_err(|error| error.to_string())?;
    Ok(report.lines.into_iter().chain(about_links(&source, keeps_keys)).collect())
}

/// The keys of signed links, and nothing else: whoever put them there wants them kept.
fn has_only_keys(target: &DataFolder) -> bool {
    let Ok(mut entries) = target.root.read_dir() else { return false };
    let is_keys =
        |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.path() == target.keys());
    target.keys().join("links.key").is_file() && entries.all(is_keys)
}

/// What somebody has to know who once revoked a link.
fn about_links(source: &DataFolder, keeps_keys: bool) -> Option<String> {
    let line = match keeps_keys {
        true => "links: the keys that were there stay, with all that was revoked since the backup",
        false => {
            "links: those that were revoked after the backup ARE GOOD AGAIN, until `gridpost links revoke --person NAME` or `--all`; put `keys` of the old folder into the new one before a restore, and they stay revoked"
        }
    };
    source.keys().join("links.key").is_file().then(|| line.to_owned())
}

fn must_be_empty(path: &Path) -> Result<(), String> {
    match path.read_dir().map(|mut files| files.next().is_some()) {
        Ok(true) => Err(format!("{}: not empty; choose a new folder", path.display())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

fn make(target: &DataFolder) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&target.root)?;
    for folder in [target.journal(), target.unfinished(), target.quarantine()] {
        fs::create_dir_all(folder)?;
    }
    Ok(())
}

/// The journal first: whatever it names is on disk already (P5). Evidence that leaves
/// meanwhile is named as gone in the journal's later part, which the copy does not have: such a
/// copy is begun anew.
fn copy(source: &DataFolder, target: &DataFolder) -> io::Result<()> {
    case_files::copy(source, target)?;
    let numbers = segments(&source.journal())?;
    for &number in &numbers {
        fs::copy(segment_path(&source.journal(), number), segment_path(&target.journal(), number))?;
    }
    let oldest = segments(&source.journal())?.first().copied();
    if oldest != numbers.first().copied() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "its oldest segment left meanwhile"));
    }
    for (_, path) in evidence::files(source)? {
        let Some(name) = path.file_name() else { continue };
        let to = target.evidence().join(name);
        // A piece never changes: the same file in both places costs no room.
        if fs::hard_link(&path, &to).is_err() {
            fs::copy(&path, &to)?;
        }
    }
    copy_platforms(source, target)?;
    // What waits at a broker waits for this one.
    let client_id = source.root.join("client-id");
    if client_id.exists() {
        fs::copy(client_id, target.root.join("client-id"))?;
    }
    copy_applied(&source.site_d(), &target.site_d())?;
    copy_applied(&source.site_d().join("versions"), &target.site_d().join("versions"))?;
    if source.holds().exists() {
        fs::copy(source.holds(), target.holds())?;
    }
    fs::copy(source.root.join("format"), target.root.join("format"))?;
    Ok(())
}

/// The files of a folder that are ours, into one that is closed to others; none where it is not there. Where
/// they are now.
fn copy_closed(
    from: &Path,
    to: &Path,
    is_ours: impl Fn(&Path) -> bool,
) -> io::Result<Vec<PathBuf>> {
    use std::os::unix::fs::DirBuilderExt;
    let Ok(files) = fs::read_dir(from) else { return Ok(Vec::new()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    let mut copies = Vec::new();
    for entry in files {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| is_ours(&path)) {
            let copy = to.join(name);
            fs::copy(&path, &copy)?;
            copies.push(copy);
        }
    }
    Ok(copies)
}

/// Which case at a platform is which incident, without the tokens; a line that is cut off costs itself.
fn copy_platforms(source: &DataFolder, target: &DataFolder) -> io::Result<()> {
    let is_map = |path: &Path| path.extension().is_some_and(|end| end == "jsonl");
    copy_closed(&source.platforms(), &target.platforms(), is_map).map(drop)
}

/// What was applied over the configuration: its files are written whole, and closed to others as they were.
fn copy_applied(from: &Path, to: &Path) -> io::Result<()> {
    let is_layer = |path: &Path| path.extension().is_some_and(|end| end == "toml");
    let is_ours = |path: &Path| (is_layer(path) || path.ends_with("noted")) && path.is_file();
    copy_closed(from, to, is_ours).map(drop)
}

/// The key of signed links and what of them was revoked: after a restore, links that are under way are good
/// as before. For their owner alone there too, whatever they are here: nobody else enters the folder meanwhile.
fn copy_keys(source: &DataFolder, target: &DataFolder) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let is_own = |path: &Path| key_chest::NOT_COPIED.iter().any(|name| path.ends_with(name));
    let is_whole = |path: &Path| path.extension().is_none_or(|end| end != "new") && !is_own(path);
    let copies = copy_closed(&source.keys(), &target.keys(), is_whole)?;
    let own = |copy: &PathBuf| fs::set_permissions(copy, fs::Permissions::from_mode(0o600));
    copies.iter().try_for_each(own)
}

/// Everything of it on disk, for a stick that is pulled out next.
fn finish(target: &DataFolder) -> io::Result<()> {
    let disk = RealDisk;
    let folders = [
        target.journal(),
        target.evidence(),
        target.figures(),
        target.keys(),
        target.site_d().join("versions"),
        target.site_d(),
        target.root.clone(),
    ];
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        let files: Vec<PathBuf> =
            folder.read_dir()?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
        for path in files.iter().filter(|path| path.is_file()) {
            disk.sync_all(&disk.open(path)?)?;
        }
        disk.sync_folder(&folder)?;
    }
    Ok(())
}
