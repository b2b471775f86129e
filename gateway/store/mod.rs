//! The point of no loss: a journal of our own is the truth, everything else here is derived from it.
//!
//! `format` (the numbered invariants J1–J13) → `journal` (append, sync) → `writer` (one thread,
//! group commit, receipts) → `state` (what the journal adds up to) → `index` (the same in sled,
//! for a quick start). `recover` reads it all back at start, `check` offline.

mod backup;
mod case_files;
mod changes;
mod check;
mod config;
mod dead;
mod deliver;
mod disk;
mod disk_space;
mod due;
mod error;
mod evidence;
mod facts;
mod folder;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod gauges;
mod holds;
mod index;
mod journal;
mod keep;
mod key_chest;
mod ledger;
mod left;
mod list;
mod memory;
mod newer_words;
mod older_words;
mod on_disk;
mod open;
mod originals;
mod own_keys;
mod package;
mod plates;
mod recover;
mod restored;
mod retain;
mod room;
mod scrub;
mod sealed;
mod seen_marks;
mod shared;
mod state;
mod superseded;
mod tidy;
mod track_folder;
mod track_read;
mod tracks;
mod writer;

#[cfg(test)]
mod fake_disk;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_deliver;
#[cfg(test)]
mod tests_disk_space;
#[cfg(test)]
mod tests_faults;
#[cfg(test)]
mod tests_holds;
#[cfg(test)]
mod tests_left;
#[cfg(test)]
mod tests_memory;
#[cfg(test)]
mod tests_model;
#[cfg(test)]
mod tests_newer_words;
#[cfg(test)]
mod tests_retention;
#[cfg(test)]
mod tests_scrub;
#[cfg(test)]
mod tests_superseded;
#[cfg(test)]
mod tests_words;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering, mpsc::RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::mpsc;

pub use self::{
    backup::{backup, restore},
    case_files::case_lines,
    changes::OpenCases,
    check::{CheckReport, check, read_ledger},
    config::Config,
    disk_space::{SpaceCheck, SpaceLevel},
    due::{Lane, SetAside},
    error::{EvidenceError, OpenError, SettleError, Unavailable},
    evidence::NewEvidence,
    folder::{is_new, is_own_name},
    holds::{Hold, HoldOrder},
    keep::{EvidenceConfig, KeepOverride},
    ledger::{Ledger, Sums, ledger_text},
    list::{Letter, incidents, letters, pending, quarantine, shed},
    open::{Opened, Restored, open, open_as_it_was},
    originals::NoOriginal,
    own_keys::site_key,
    package::{ExportOrder, Exported, NoExport, verify},
    tidy::Tidied,
    track_read::{KeptTracks, kept_tracks},
    tracks::{TrackLog, TracksConfig},
};
use self::{
    disk::Disk,
    facts::{Carried, Fact},
    folder::DataFolder,
    keep::KeepRules,
    shared::Shared,
    state::Brief,
    tidy::SteadyClock,
    writer::WriteJob,
};
use crate::{
    base::{Tried, lock},
    domain::{
        Answer, Class, Entry, Evidence, EvidenceId, IncidentId, Kind, Mark, Quarantined,
        REASON_CHARS_MAX, Receipt, Record, SinkId, clean_cut,
    },
};

/// How often a thread that waits for the disk checks whether the store can still write.
const TROUBLE_POLL: Duration = Duration::from_millis(100);

/// Of the cases for which memory has no room, a list looks at so many.
const OLDER_LOOKED_MAX: usize = 200_000;

/// Entries that are written together or not at all, and what to answer once they are on disk.
#[derive(Debug, Default)]
pub struct Batch {
    /// In this order.
    pub entries: Vec<Entry>,
    /// Each with the answer that it gets.
    pub receipts: Vec<(Receipt, Answer)>,
}

/// A record on its way to a sink; give it back with `settle` or `release`. Its twin is
/// `sinks::Due`: the two rooms do not know each other, `runtime/outbox.rs` turns one into the other.
#[derive(Clone, Debug)]
pub struct Due {
    /// Journal sequence number of the change: [`crate::domain::Settled::change`].
    pub seq: u64,
    /// The most urgent class its incident ever had; may be above the record's own.
    pub class: Class,
    /// How often it was tried since the start.
    pub tried: Tried,
    /// As the sink is to get it.
    pub record: Record,
}

/// A file on its way to a sink; give it back with `settle` or `release`. Its twin is `sinks::Piece`.
#[derive(Clone, Debug)]
pub struct DuePiece {
    /// Journal sequence number under which it is owed: [`crate::domain::Settled::change`].
    pub seq: u64,
    /// Whose evidence.
    pub incident: IncidentId,
    /// How often it was tried since the start.
    pub tried: Tried,
    /// What the records say of it.
    pub evidence: Evidence,
    /// `None`: the file is gone.
    pub path: Option<PathBuf>,
}

/// A sink as the store sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// As in the configuration.
    pub id: SinkId,
    /// Snapshots and clips are owed to it too, and not only records.
    pub evidence: bool,
}

impl From<SinkId> for Subscriber {
    fn from(id: SinkId) -> Self {
        Self { id, evidence: false }
    }
}

/// Which incidents a list shows. Its twin is `console::Filter`.
#[derive(Clone, Debug)]
pub struct IncidentFilter {
    /// Only active ones, or only others.
    pub active: Option<bool>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Changed at or after this.
    pub since: Option<Timestamp>,
    /// At most so many, newest first.
    pub limit: usize,
}

impl Default for IncidentFilter {
    fn default() -> Self {
        Self { active: None, kind: None, since: None, limit: 100 }
    }
}

/// Disk space that the store takes and leaves, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Of all segments.
    pub journal_bytes: u64,
    /// Of the file system; `None` where it cannot be asked.
    pub free_bytes: Option<u64>,
    /// As configured.
    pub min_free_bytes: u64,
    /// Of all snapshots and clips.
    pub evidence_bytes: u64,
}

/// A cheap handle; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: mpsc::Sender<WriteJob>,
    shared: Arc<Shared>,
    data_folder: DataFolder,
    disk: Arc<dyn Disk>,
    config: Config,
    /// Taken by whoever closes.
    thread: Mutex<Option<JoinHandle<bool>>>,
    steady: Mutex<SteadyClock>,
    keep: Mutex<KeepRules>,
    exporting: Mutex<()>,
}

impl Store {
    /// Strictly first in, first out; waits while the queue is full (back-pressure). Receipts
    /// are settled only after the batch *and everything before it* is synced; an empty batch
    /// waits its turn the same way. If the disk fails, receipts answer `Lost`, and the
    /// entries are kept and written when it works again. Must not be cancelled while it waits:
    /// then the batch was never taken.
    pub async fn commit(&self, batch: Batch) {
        if let Some(job) = self.job(batch) {
            // A closed store drops the job, and so the receipts answer `Lost`.
            drop(self.inner.queue.send(job).await);
        }
    }

    /// As [`Self::commit`], and waits until it is on disk. While the disk fails it does not wait:
    /// the batch is then written later, or never if the process ends. Never from async code.
    pub fn commit_blocking(&self, batch: Batch) -> Result<(), Unavailable> {
        let facts = self.facts(batch.entries);
        self.write_blocking(facts, batch.receipts)
    }

    fn write_blocking(
        &self,
        facts: Vec<Fact>,
        mut receipts: Vec<(Receipt, Answer)>,
    ) -> Result<(), Unavailable> {
        let (answers, answered) = std::sync::mpsc::sync_channel(1);
        let receipt = Receipt::new(move |answer| drop(answers.try_send(answer)));
        receipts.push((receipt, Answer::Stored));
        if let Some(mut job) = refuse_too_large(WriteJob::new(facts, receipts)) {
            self.supersede(&mut job);
            drop(self.inner.queue.blocking_send(job));
        }
        let answer = loop {
            match answered.recv_timeout(TROUBLE_POLL) {
                Err(RecvTimeoutError::Timeout) if self.is_available().is_ok() => {}
                answer => break answer,
            }
        };
        match answer {
            Ok(Answer::Stored) => Ok(()),
            Ok(Answer::Refused(reason)) => Err(Unavailable(reason)),
            _ => Err(Unavailable(self.is_available().err().unwrap_or(
                "it was not written; it is closed, or the disk failed just now".into(),
            ))),
        }
    }

    fn job(&self, batch: Batch) -> Option<WriteJob> {
        let facts = self.facts(batch.entries);
        let mut job = refuse_too_large(WriteJob::new(facts, batch.receipts))?;
        self.supersede(&mut job);
        Some(job)
    }

    /// A settlement that is not owed (any more) is left out here, so that none is written twice.
    fn facts(&self, entries: Vec<Entry>) -> Vec<Fact> {
        let fact = |entry| match entry {
            Entry::Settled(settled) => self.begin_settling(settled).ok(),
            Entry::Quarantine(payload) => Some(Fact::Entry(self.bounded(payload))),
            entry => Some(Fact::Entry(entry)),
        };
        entries.into_iter().filter_map(fact).collect()
    }

    /// Beyond its bound the quarantine keeps what was wrong, and not the bytes.
    fn bounded(&self, mut payload: Quarantined) -> Entry {
        let used = lock(&self.inner.shared.state).quarantined_bytes();
        payload.reason = clean_cut(&payload.reason, REASON_CHARS_MAX);
        payload.origin = clean_cut(&payload.origin, REASON_CHARS_MAX);
        let bytes = state::quarantined_bytes(&payload);
        if used.saturating_add(bytes) > self.inner.config.quarantine_max_bytes {
            payload.reason.push_str(" (the quarantine is full: the payload itself was not kept)");
            (payload.text, payload.hex) = Default::default();
        }
        Entry::Quarantine(payload)
    }

    /// The latest state of incidents, newest first. Reads from disk: a few microseconds each, and those for
    /// which memory has no room from the index, some ten microseconds each that is looked at.
    pub fn incidents(&self, filter: &IncidentFilter) -> Vec<Record> {
        let fits = |brief: &Brief| {
            filter.active.is_none_or(|active| active == brief.active)
                && filter.kind.is_none_or(|kind| kind == brief.kind)
                && filter.since.is_none_or(|since| since <= brief.changed_at)
        };
        let (mut locations, older) = {
            let state = lock(&self.inner.shared.state);
            let briefs = state.by_age.values().rev().filter_map(|id| state.incidents.get(id));
            let found = briefs.filter(|brief| fits(brief)).take(filter.limit);
            let found: Vec<journal::Location> = found.map(|brief| brief.location).collect();
            (found, state.has_older)
        };
        let missing = filter.limit - locations.len();
        if let Some(on_disk) = self.inner.shared.on_disk().filter(|_| older && missing > 0) {
            let in_memory =
                |id: &IncidentId| lock(&self.inner.shared.state).incidents.contains_key(id);
            let briefs = on_disk.newest_first().take(OLDER_LOOKED_MAX);
            let found = briefs.filter(|(id, brief)| fits(brief) && !in_memory(id)).take(missing);
            locations.extend(found.map(|(_, brief)| brief.location));
        }
        locations.into_iter().filter_map(|location| self.record_at(location)).collect()
    }

    /// How many reports of residents are neither closed nor dismissed, of those that memory has.
    pub fn open_reports(&self) -> usize {
        lock(&self.inner.shared.state).open_reports
    }

    /// The latest state of one incident.
    pub fn incident(&self, id: IncidentId) -> Option<Record> {
        let location = self.location_of(id)?;
        self.record_at(location).or_else(|| {
            // Its segment may just have left, and it was written again elsewhere.
            self.record_at(self.location_of(id).filter(|now| *now != location)?)
        })
    }

    fn location_of(&self, id: IncidentId) -> Option<journal::Location> {
        self.brief_of(id).map(|brief| brief.location)
    }

    fn brief_of(&self, id: IncidentId) -> Option<Brief> {
        let (brief, trace, older) = {
            let state = lock(&self.inner.shared.state);
            let brief = state.incidents.get(&id).or_else(|| state.left.find(id));
            (brief.cloned(), state.left.trace(id), state.has_older)
        };
        // The index has not been told of it: its record tells the rest.
        let untold = || {
            let trace = trace.filter(|trace| trace.revision.is_some())?;
            Some(trace.brief(&self.record_at(trace.location)?))
        };
        let on_disk = || self.inner.shared.on_disk().filter(|_| older)?.brief(id);
        brief.or_else(untold).or_else(on_disk)
    }

    /// The latest state of an incident that is to go on: as [`Self::incident`], and in a folder that came
    /// from a backup at a revision that the other box cannot have used.
    pub fn recall(&self, id: IncidentId) -> Option<Record> {
        let location = self.location_of(id)?;
        let forked = lock(&self.inner.shared.state).forked;
        let mut record = self.record_at(location)?;
        let at = |location: journal::Location| (location.segment, location.offset);
        if forked.is_some_and(|forked| at(location) < at(forked)) {
            record.incident.revision += open::FORK_REVISIONS;
        }
        Some(record)
    }

    /// Of these marks of presses, those that were taken, and when, by our clock of then. Older ones than
    /// [`Restored::presses`] too, for 7 days. Reads from disk: some ten microseconds each.
    pub fn presses_taken(&self, marks: &[Mark]) -> Vec<(Mark, Timestamp)> {
        let waiting: Vec<(Mark, Timestamp)> = {
            let state = lock(&self.inner.shared.state);
            let newest = |mark: &Mark| state.marks.iter().rev().find(|seen| seen.mark == *mark);
            marks.iter().filter_map(newest).map(|seen| (seen.mark, seen.at)).collect()
        };
        let on_disk = self.inner.shared.on_disk();
        let rest = marks.iter().filter(|mark| waiting.iter().all(|(one, _)| one != *mark));
        let rest =
            rest.filter_map(|mark| Some((*mark, on_disk.as_ref()?.seen_marks.taken(*mark)?)));
        let rest: Vec<(Mark, Timestamp)> = rest.collect();
        waiting.into_iter().chain(rest).collect()
    }

    fn record_at(&self, location: journal::Location) -> Option<Record> {
        match self.inner.shared.reader.read(location) {
            Ok(fact) => fact.into_record(),
            Err(error) => {
                tracing::error!(%error, "an incident cannot be read back");
                None
            }
        }
    }

    /// What became of every record (P4).
    pub fn ledger(&self) -> Ledger {
        lock(&self.inner.shared.state).ledger.clone()
    }

    /// Migrates the data folder once the update that is being tried counts: from then on records are written in this
    /// version's own form, and no older version opens the folder. To be called every few seconds; blocks on the disk.
    pub fn migrate_when_confirmed(&self) -> std::io::Result<()> {
        let Inner { shared, data_folder, disk, .. } = &*self.inner;
        let Some(format) = shared.form.due() else { return Ok(()) };
        // First the word to older programs, then records that they cannot read.
        folder::write_format(data_folder, &**disk, format)?;
        shared.form.raise(format);
        tracing::info!(
            format,
            "the update is confirmed: the data folder was migrated, and there is no way back but a backup"
        );
        Ok(())
    }

    /// Whether the store can write now. The error is the reason, for people.
    pub fn is_available(&self) -> Result<(), String> {
        self.inner.shared.trouble().map_or(Ok(()), Err)
    }

    /// Returns when the writer has ended though nobody closed the store: nothing is written any more.
    pub async fn writer_ended(&self) {
        let _ = self.inner.shared.writer_ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Asks the file system.
    pub fn space(&self) -> Space {
        Space {
            journal_bytes: self.inner.shared.journal_bytes(),
            free_bytes: evidence::free_bytes(&self.inner.data_folder.root).ok(),
            min_free_bytes: self.inner.config.min_free_bytes,
            evidence_bytes: self.inner.shared.disk_space.shares.all_bytes.load(Ordering::Relaxed),
        }
    }

    /// Synced and in its place (P5): sha256 in lower-case hex, and bytes. Blocks on the disk.
    pub fn finish_evidence(&self, new: NewEvidence) -> Result<(String, u64), EvidenceError> {
        let (sha256, bytes) = evidence::finish(&*self.inner.disk, new)?;
        self.inner.shared.disk_space.shares.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok((sha256, bytes))
    }

    /// Removes a finished piece that no record names: what it was made for was not taken. Blocks on the disk.
    pub fn drop_evidence(&self, piece: &Evidence) -> std::io::Result<()> {
        if lock(&self.inner.shared.state).evidence.contains_key(&piece.id) {
            return Ok(());
        }
        let Some(path) = evidence::find(&self.inner.data_folder, piece) else { return Ok(()) };
        let bytes = std::fs::metadata(&path)?.len();
        self.inner.disk.remove(&path)?;
        self.inner.shared.disk_space.shares.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// What the records say of a piece of evidence.
    fn described(&self, id: EvidenceId) -> Option<Evidence> {
        let of = |record: Record| record.incident.evidence.into_iter().find(|piece| piece.id == id);
        let place = || lock(&self.inner.shared.state).evidence.get(&id).map(|piece| piece.location);
        let Some(location) = place() else {
            // Memory has no room for it, and somebody holds it: its case says what it is.
            return of(self.incident(self.inner.shared.holds.incident_of(id)?)?);
        };
        let read = |location| self.inner.shared.reader.read(location).ok();
        // Its segment may just have left, and it was written again elsewhere.
        match read(location).or_else(|| read(place()?))? {
            Fact::Entry(Entry::Evidence { evidence, .. })
            | Fact::Carried(Carried::Piece { evidence, .. }) => Some(evidence),
            fact => of(fact.into_record()?),
        }
    }

    /// The file of a piece of evidence and what the records say of it.
    pub fn evidence_path(&self, id: EvidenceId) -> Option<(PathBuf, Evidence)> {
        let described = self.described(id)?;
        let path = evidence::find(&self.inner.data_folder, &described)?;
        Some((path, described))
    }

    /// Whose piece it is.
    pub fn incident_of(&self, id: EvidenceId) -> Option<IncidentId> {
        let known = lock(&self.inner.shared.state).evidence.get(&id).map(|entry| entry.incident);
        known.or_else(|| self.inner.shared.holds.incident_of(id))
    }

    /// Writes what is queued, syncs, and waits for the writer's end; later commits are lost
    /// to their senders. The error says that something could not be written.
    pub async fn close(&self) -> Result<(), Unavailable> {
        let store = self.clone();
        let closed = tokio::task::spawn_blocking(move || store.close_blocking()).await;
        closed.unwrap_or_else(|_| Err(Unavailable("the writer panicked".into())))
    }

    /// As [`Self::close`]. Never from async code.
    pub fn close_blocking(&self) -> Result<(), Unavailable> {
        self.inner.shared.close();
        // Wakes a writer that waits for work; with a full queue it does not wait.
        drop(self.inner.queue.try_send(WriteJob::default()));
        let Some(thread) = lock(&self.inner.thread).take() else { return Ok(()) };
        match thread.join() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unavailable(self.is_available().err().unwrap_or_default())),
            Err(_) => Err(Unavailable("the writer panicked".into())),
        }
    }
}

/// Who holds this data folder, if anybody does: the process id as it was written.
pub fn holder(path: &std::path::Path) -> Option<String> {
    folder::holder(&DataFolder::new(path))
}

/// Of the data folders that this program writes.
pub const FORMAT: u32 = format::FORMAT_VERSION;

/// The format of a data folder; None: there is none yet, or it cannot be read.
pub fn format_of(path: &std::path::Path) -> Option<u32> {
    let text = std::fs::read_to_string(DataFolder::new(path).format()).ok()?;
    text.strip_prefix(folder::FORMAT_WORD)?.trim().parse().ok()
}

/// What is too large for a record can never be kept: sending it again would not help.
fn refuse_too_large(job: Result<WriteJob, (String, Vec<(Receipt, Answer)>)>) -> Option<WriteJob> {
    let (reason, receipts) = match job {
        Ok(job) => return Some(job),
        Err(refused) => refused,
    };
    tracing::error!(reason, "an entry cannot be kept and was refused");
    for (receipt, _) in receipts {
        receipt.settle(Answer::Refused(reason.clone()));
    }
    None
}
