//! Evidence that leaves the site, or that was hidden: packages and originals, each for a reason that is on disk
//! first; by the console, by a command beside a running gateway, and by one without.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{request_file, shared::Shared};
use crate::{
    base::{RealClock, lock},
    config::Config,
    console::{NoEvidence, PackageFile},
    domain::{Clock, Entry, EvidenceId, IdMint, IncidentId, NoMeter, Now},
    store::{self, Batch, ExportOrder, Exported, HoldOrder, NoExport, NoOriginal, Store},
};

const WHAT: &str = "evidence";
/// A large journal takes some seconds to read, and a slow card some more to write.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Of a reason.
pub(super) const REASON_CHARS_MAX: usize = 500;

/// Who wants it, as claimed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub by: String,
    pub why: String,
}

impl Wish {
    /// The reason in a sentence that somebody has written; the error says what was expected.
    pub fn new(by: &str, why: &str) -> Result<Self, String> {
        let why = why.trim();
        if why.is_empty() || why.chars().count() > REASON_CHARS_MAX {
            return Err(format!("a reason is needed, of 1 to {REASON_CHARS_MAX} characters"));
        }
        Ok(Self { by: by.into(), why: why.into() })
    }
}

/// Makes the package of an incident at `to`. Blocks on the disk.
pub(super) fn export(
    store: &Store,
    config: &Config,
    now: Now,
    (incident, wish): (IncidentId, &Wish),
    to: Option<&Path>,
) -> Result<(PathBuf, Exported), NoExport> {
    let export = IdMint::new(rand::random()).export(now);
    let order = ExportOrder {
        incident,
        export,
        by: wish.by.clone(),
        why: wish.why.clone(),
        site: config.site.id.as_str().into(),
        site_name: config.site.name.clone(),
        hold_days: config.evidence.hold_days,
        at: now.wall,
    };
    let own = || store.handed_out(&format!("{export}.zip"));
    let path = to.map_or_else(own, Path::to_path_buf);
    let made = store.export(&order, &path)?;
    tracing::info!(%incident, %export, by = wish.by, bytes = made.bytes, "an incident was exported");
    Ok((path, made))
}

/// The original of a blurred picture, once it is written down that it was opened. Blocks on the disk.
pub(super) fn original(
    store: &Store,
    now: Now,
    (picture, wish): (EvidenceId, &Wish),
) -> Result<Vec<u8>, NoOriginal> {
    let described = store.original_of(picture).ok_or(NoOriginal::Unknown)?;
    if store.evidence_path(described.id).is_none() {
        return Err(NoOriginal::Gone);
    }
    let read = Entry::EvidenceRead {
        evidence: described.id,
        by: wish.by.clone(),
        at: now.wall,
        reason: Some(wish.why.clone()),
    };
    let batch = Batch { entries: vec![read], receipts: Vec::new() };
    let written = store.commit_blocking(batch);
    written.map_err(|error| NoOriginal::Sealed(format!("it cannot be written down: {error}")))?;
    tracing::info!(%picture, by = wish.by, "an original was opened");
    store.open_original(picture).map(|(_, jpeg)| jpeg)
}

/// A package for the console: it has no name any more, and is gone when nobody reads it.
pub(super) fn file_of_package(
    store: &Store,
    config: &Config,
    now: Now,
    incident: IncidentId,
    wish: &Wish,
) -> Result<PackageFile, NoEvidence> {
    let (path, made) =
        export(store, config, now, (incident, wish), None).map_err(|error| match error {
            NoExport::Unknown => NoEvidence::Unknown,
            failed => NoEvidence::Failed(failed.to_string()),
        })?;
    let file = fs::File::open(&path);
    drop(fs::remove_file(&path));
    let file = file.map_err(|error| NoEvidence::Failed(error.to_string()))?;
    Ok(PackageFile { file, bytes: made.bytes })
}

/// Keeps the evidence of an incident; until when. Blocks on the disk.
pub(super) fn hold(
    store: &Store,
    config: &Config,
    now: Now,
    incident: IncidentId,
    wish: &Wish,
) -> Result<Timestamp, NoEvidence> {
    let order = HoldOrder {
        incident,
        by: wish.by.clone(),
        why: wish.why.clone(),
        days: config.evidence.hold_days,
        at: now.wall,
    };
    let held = store.hold(&order).map_err(|error| NoEvidence::Failed(error.to_string()))?;
    held.map(|hold| hold.until).ok_or(NoEvidence::Unknown)
}

impl From<NoOriginal> for NoEvidence {
    fn from(why: NoOriginal) -> Self {
        match why {
            NoOriginal::Unknown => Self::Unknown,
            NoOriginal::Gone => Self::Gone,
            NoOriginal::Sealed(_) => Self::Failed(why.to_string()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EvidenceAsked {
    Package(IncidentId, Wish),
    Original(EvidenceId, Wish),
}

/// Where the file lies for whoever asked, and what to say of it.
#[derive(Serialize, Deserialize)]
struct HandedOut {
    path: PathBuf,
    lines: Vec<String>,
}

/// `gridpost export`: makes the package at `to`, by the running gateway if there is one, else here. The lines
/// are for people.
pub fn export_to(
    config: &Config,
    incident: IncidentId,
    wish: &Wish,
    to: &Path,
) -> Result<Vec<String>, String> {
    let data = &config.data.path;
    must_be_free(to)?;
    if let Some(pid) = store::holder(data) {
        return fetch(data, &pid, &EvidenceAsked::Package(incident, wish.clone()), to);
    }
    offline(config, |store, now| {
        let made = export(store, config, now, (incident, wish), Some(to));
        made.map(|(_, made)| said(&made)).map_err(|error| error.to_string())
    })
}

/// `gridpost store original`: the same, of one picture.
pub fn original_to(
    config: &Config,
    picture: EvidenceId,
    wish: &Wish,
    to: &Path,
) -> Result<Vec<String>, String> {
    let data = &config.data.path;
    must_be_free(to)?;
    if let Some(pid) = store::holder(data) {
        return fetch(data, &pid, &EvidenceAsked::Original(picture, wish.clone()), to);
    }
    offline(config, |store, now| {
        let jpeg = original(store, now, (picture, wish)).map_err(|error| error.to_string())?;
        write_new(to, &jpeg)?;
        Ok(vec![opened_line(jpeg.len())])
    })
}

fn must_be_free(to: &Path) -> Result<(), String> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(format!("{}: is there already; nothing is written over", to.display())),
        Err(_) => Ok(()),
    }
}

fn offline(
    config: &Config,
    make: impl FnOnce(&Store, Now) -> Result<Vec<String>, String>,
) -> Result<Vec<String>, String> {
    let data = &config.data.path;
    if !data.is_dir() {
        return Err(format!("{}: no data folder is there yet", data.display()));
    }
    let opened = store::open_as_it_was(&config.data, Arc::new(NoMeter));
    let opened = opened.map_err(|error| error.to_string())?;
    let made = make(&opened.store, RealClock::start().now());
    let closed = opened.store.close_blocking().map_err(|error| error.to_string());
    made.and_then(|lines| closed.map(|()| lines))
}

fn fetch(data: &Path, pid: &str, asked: &EvidenceAsked, to: &Path) -> Result<Vec<String>, String> {
    let answer =
        request_file::ask::<Result<HandedOut, String>>(data, pid, WHAT, asked, ANSWER_WITHIN)?;
    let HandedOut { path, lines } = answer?;
    let copied = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
    let copied = copied.and_then(|bytes| write_new(to, &bytes));
    drop(fs::remove_file(&path));
    copied.map(|()| lines)
}

/// For its owner alone, and over nothing that is there.
fn write_new(to: &Path, bytes: &[u8]) -> Result<(), String> {
    use std::io::Write;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| format!("{}: {error}", to.display()))
}

fn said(made: &Exported) -> Vec<String> {
    let Exported { export, bytes, pieces, left_out, records_left_out, until, key } = made;
    let mut lines = vec![
        format!(
            "export {export}: {bytes} bytes, {pieces} files of evidence, {left_out} left out; it is in the journal"
        ),
        format!("its evidence is kept until {until}"),
        format!("signed by {key}; to prove it: gridpost verify FILE --key {key}"),
    ];
    if *records_left_out > 0 {
        lines.push(format!(
            "{records_left_out} records of it are not in the package: updates and repeated presses that say nothing new"
        ));
    }
    lines
}

fn opened_line(bytes: usize) -> String {
    format!("{bytes} bytes; that it was opened, by whom and why, is in the journal")
}

/// The running gateway's half.
pub(super) fn answer_evidence(data: &Path, shared: &Shared) {
    let Some(asked) = request_file::take::<EvidenceAsked>(data, WHAT) else { return };
    let (store, now) = (&shared.store, shared.clock.now());
    let answer = match &asked.slip {
        EvidenceAsked::Package(incident, wish) => {
            let config = lock(&shared.running).clone();
            let made = export(store, &config, now, (*incident, wish), None);
            made.map(|(path, made)| HandedOut { path, lines: said(&made) })
                .map_err(|error| error.to_string())
        }
        EvidenceAsked::Original(picture, wish) => original(store, now, (*picture, wish))
            .map_err(|error| error.to_string())
            .and_then(|jpeg| {
                let path = store.handed_out(&format!("{picture}.original.jpg"));
                write_new(&path, &jpeg)?;
                Ok(HandedOut { path, lines: vec![opened_line(jpeg.len())] })
            }),
    };
    request_file::put(data, WHAT, asked.by, &answer);
}
