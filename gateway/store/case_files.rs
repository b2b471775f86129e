//! Lines of cases that are over, by the month in which they were opened: figures need them for years, and the
//! journal's records of them leave.
//!
//! - `figures/2026-11.jsonl` in the data folder has a [`CaseLine`] a line; of two lines of one case the one of
//!   the higher revision counts. A line that cannot be read costs itself, and is counted.
//! - They are derived from what is synced in the journal. `figures/through` names the record up to which
//!   they are complete, and is written after they are synced: what a crash cut off is written again.
//! - Before a segment leaves the journal, the lines of its cases are on disk (`writer.rs`).
//! - Without `through`, or with one that does not fit the journal, all is written again from what the
//!   journal still has.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};

use super::{
    Config, OpenError, Store, check,
    disk::Disk,
    folder::DataFolder,
    journal::{Location, Reader},
    left::{Wanted, is_behind},
    recover::Checkpoint,
    shared::Shared,
    state::State,
};
use crate::{
    base::lock,
    domain::{CaseLine, CaseLines, IncidentId, Now},
};

/// Records that are read before their lines are written together.
const RECORDS_AT_ONCE: usize = 1_000;
/// A journal of years is written off in parts: whoever watches the disk has other things to do.
const CASES_AT_ONCE: usize = 10_000;
/// When the store closes somebody waits; the next start does the rest.
pub(super) const CASES_AT_CLOSE: usize = 1_000;
const THROUGH: &str = "through";
const ENDING: &str = ".jsonl";
/// What each line of a source that was not heard has in it.
const SILENCE: &str = "-silent\"";

/// The files of one data folder, as the writer's side has them.
pub(super) struct CaseFiles {
    folder: PathBuf,
    days: u32,
    max_bytes: u64,
    /// One pass at a time.
    through: Mutex<Through>,
}

/// Up to where the files are complete.
struct Through {
    /// All lines of cases up to this record are written.
    end: Option<Location>,
    /// The segment that the file names, which may be behind.
    noted: u64,
}

/// How much of what is missing is written at once.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// What lies in segments up to this one.
    UpTo(u64),
    /// So many cases.
    AtMost(usize),
}

/// Cases whose lines are not in the files: open ones, and those behind `through`, also where memory has no
/// room for them.
fn wanted(state: &State, through: Option<Location>, open_too: bool) -> Vec<Wanted> {
    let briefs = state.incidents.iter().filter(|(_, brief)| {
        (brief.finished || open_too) && (!brief.finished || is_behind(brief.location, through))
    });
    let mut wanted: Vec<Wanted> =
        briefs.map(|(&id, brief)| (id, brief.revision, brief.location)).collect();
    let (left, _) = state.left.lines();
    wanted.extend(left.iter().filter(|(.., at)| is_behind(*at, through)));
    wanted.sort_unstable_by_key(|(_, _, at)| (at.segment, at.offset));
    wanted
}

fn line_at(reader: &Reader, at: Location) -> Option<CaseLine> {
    let record = reader.read(at).ok()?.into_record()?;
    Some(CaseLine::of(&record.incident))
}

/// By which time a case has its file: one that cannot be right is of a month of its own.
fn counted(line: &CaseLine) -> Timestamp {
    line.counted_at().unwrap_or(line.opened_at)
}

/// The file of a case: by the month, in Greenwich, in which it was opened.
fn file_of(at: Timestamp) -> String {
    format!("{}{ENDING}", at.strftime("%Y-%m"))
}

/// The file of a case of which nothing is left but its id, which carries the time it was made.
fn file_by(id: IncidentId) -> String {
    let made = id.0.get_timestamp().map(|made| made.to_unix().0);
    let made = made.and_then(|seconds| i64::try_from(seconds).ok());
    let made = made.and_then(|seconds| Timestamp::from_second(seconds).ok());
    file_of(made.unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The first day of the month that a file is of.
fn month_of(path: &Path) -> Option<Date> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
    format!("{name}-01").parse().ok()
}

/// All files with their months, the oldest first.
fn months(folder: &Path) -> io::Result<Vec<(Date, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut all = Vec::new();
    for path in paths {
        let path = path?;
        all.extend(month_of(&path).map(|month| (month, path)));
    }
    all.sort();
    Ok(all)
}

/// Up to where the files are complete, if that place is in the journal.
pub(super) fn read_through(data_folder: &DataFolder) -> Option<Checkpoint> {
    let text = fs::read(data_folder.figures().join(THROUGH)).ok()?;
    let through: Checkpoint = serde_json::from_slice(&text).ok()?;
    through.find(&data_folder.journal()).map(|_| through)
}

impl Through {
    fn of(end: Option<Checkpoint>) -> Self {
        let end = end.map(|end| end.location);
        Self { noted: end.map_or(0, |end| end.segment), end }
    }
}

impl CaseFiles {
    /// Of this folder; the journal has been recovered.
    pub(super) fn open(data_folder: &DataFolder, config: &Config) -> Self {
        Self {
            folder: data_folder.figures(),
            days: config.figures_days,
            max_bytes: config.figures_max_bytes,
            through: Mutex::new(Through::of(read_through(data_folder))),
        }
    }

    /// Writes lines of cases that are over and have none yet; how many. Blocks on the disk.
    pub(super) fn catch_up(
        &self,
        shared: &Shared,
        disk: &dyn Disk,
        part: Part,
    ) -> io::Result<usize> {
        let mut through = lock(&self.through);
        let (mut missing, end) = {
            let state = lock(&shared.state);
            (wanted(&state, through.end, false), state.checkpoint.clone())
        };
        let Some(end) = end else { return Ok(0) };
        let all = missing.len();
        match part {
            Part::UpTo(segment) => missing.retain(|(.., at)| at.segment <= segment),
            Part::AtMost(most) => missing.truncate(most),
        }
        for records in missing.chunks(RECORDS_AT_ONCE) {
            self.write(shared, disk, records)?;
        }
        if missing.len() < all {
            through.end = missing.last().map(|(.., at)| *at).or(through.end);
            lock(&shared.state).left.lines_are_written(through.end);
            return Ok(missing.len());
        }
        if all > 0 || through.noted != end.location.segment {
            self.note_through(disk, &end)?;
            through.noted = end.location.segment;
        }
        through.end = Some(end.location);
        lock(&shared.state).left.lines_are_written(through.end);
        Ok(all)
    }

    fn write(&self, shared: &Shared, disk: &dyn Disk, records: &[Wanted]) -> io::Result<()> {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for &(id, _, at) in records {
            let line = line_at(&shared.reader, at);
            let name = line.as_ref().map_or_else(|| file_by(id), |line| file_of(counted(line)));
            let bytes = files.entry(name).or_default();
            match line {
                Some(line) => serde_json::to_writer(&mut *bytes, &line),
                // No reader takes it for a case, and each counts it.
                None => {
                    tracing::error!(incident = %id, "a case cannot be read back: the figures go without it");
                    serde_json::to_writer(&mut *bytes, &serde_json::json!({ "unreadable": id }))
                }
            }
            .map_err(io::Error::other)?;
            bytes.push(b'\n');
        }
        files.into_iter().try_for_each(|(name, bytes)| self.append(disk, &name, bytes))
    }

    /// At the end of a file, and synced. A line that was torn by a power cut gets its end first.
    fn append(&self, disk: &dyn Disk, name: &str, mut bytes: Vec<u8>) -> io::Result<()> {
        let path = self.folder.join(name);
        self.make_folder(disk)?;
        let (file, is_new) = match path.exists() {
            true => (disk.open(&path)?, false),
            false => (disk.create(&path)?, true),
        };
        let end = file.file.metadata()?.len();
        let mut last = [b'\n'];
        if end > 0 {
            std::os::unix::fs::FileExt::read_exact_at(&file.file, &mut last, end - 1)?;
        }
        if last != [b'\n'] {
            bytes.insert(0, b'\n');
        }
        disk.write_at(&file, &bytes, end)?;
        disk.sync_data(&file)?;
        if is_new { disk.sync_folder(&self.folder) } else { Ok(()) }
    }

    fn make_folder(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        fs::create_dir(&self.folder)?;
        self.folder.parent().map_or(Ok(()), |root| disk.sync_folder(root))
    }

    fn note_through(&self, disk: &dyn Disk, end: &Checkpoint) -> io::Result<()> {
        self.make_folder(disk)?;
        let new = self.folder.join("through.new");
        match disk.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&new)?;
        disk.write_at(&file, &serde_json::to_vec(end).map_err(io::Error::other)?, 0)?;
        disk.sync_all(&file)?;
        disk.rename(&new, &self.folder.join(THROUGH))?;
        disk.sync_folder(&self.folder)
    }

    /// Removes months that are over for longer than they are kept, and the oldest ones while all together
    /// are beyond their bound. To be called on a clock that has proved steady (P9); how many.
    pub(super) fn prune(&self, disk: &dyn Disk, now: Now) -> io::Result<usize> {
        let all = months(&self.folder)?;
        let bytes = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut total: u64 = all.iter().map(|(_, path)| bytes(path)).sum();
        let (mut removed, mut left) = (0, all.len());
        for (month, path) in &all {
            let large = total > self.max_bytes && left > 1;
            if !large && !self.is_old(*month, now) {
                continue;
            }
            let size = bytes(path);
            disk.remove(path)?;
            total = total.saturating_sub(size);
            (removed, left) = (removed + 1, left - 1);
            let reason = if large { "all together are beyond figures_max_bytes" } else { "old" };
            tracing::info!(%month, reason, "the lines of a month's cases were removed");
        }
        if removed > 0 {
            disk.sync_folder(&self.folder)?;
        }
        Ok(removed)
    }

    /// A month of a clock that was wrong is of no age: only the bound in bytes ends it.
    fn is_old(&self, month: Date, now: Now) -> bool {
        let end = month.checked_add(1.month()).ok();
        let end = end.and_then(|end| end.to_zoned(TimeZone::UTC).ok());
        let kept = SignedDuration::from_hours(24 * i64::from(self.days));
        end.is_some_and(|end| {
            let end = end.timestamp();
            Now::is_plausible(end) && now.wall.duration_since(end) > kept
        })
    }
}

/// Everything that is asked of the files and the records beside them.
struct Search<'s> {
    folder: PathBuf,
    reader: &'s Reader,
    from: Timestamp,
    until: Timestamp,
}

impl Search<'_> {
    /// One line a case. The records are read first: what leaves the journal meanwhile is in the files then.
    fn lines(&self, wanted: Vec<Wanted>) -> CaseLines {
        let mut cases: HashMap<IncidentId, CaseLine> = HashMap::new();
        let mut missed = Vec::new();
        for (id, revision, at) in wanted {
            match line_at(self.reader, at) {
                Some(line) => put(&mut cases, line),
                None => missed.push((id, revision)),
            }
        }
        let mut unreadable = self.files(&mut cases);
        for (id, revision) in missed {
            let there = cases.get(&id).is_some_and(|line| line.revision >= revision);
            unreadable += u64::from(!there);
        }
        let mut lines: Vec<CaseLine> = cases.into_values().collect();
        lines.retain(|line| {
            let in_time = line.counted_at().is_none_or(|at| (self.from..self.until).contains(&at));
            in_time || (line.kind.is_silence() && line.began_at < self.until)
        });
        lines.sort_unstable_by_key(|line| line.id);
        CaseLines { lines, unreadable }
    }

    /// Reads the months of these days whole, and of those before what tells of silence; how much of it
    /// cannot be read.
    fn files(&self, cases: &mut HashMap<IncidentId, CaseLine>) -> u64 {
        let (first, last) = (file_of(self.from), file_of(self.until));
        let mut unreadable = 0;
        let all = months(&self.folder).unwrap_or_else(|error| {
            tracing::error!(%error, "the figures of cases that are over cannot be listed");
            unreadable += 1;
            Vec::new()
        });
        for (month, path) in all {
            // Whose months cannot be right may be of any day.
            let of_no_time = month
                .to_zoned(TimeZone::UTC)
                .is_ok_and(|zoned| !Now::is_plausible(zoned.timestamp()));
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name > last && !of_no_time {
                continue;
            }
            match fs::read(&path) {
                Ok(bytes) => unreadable += take(&bytes, name < first && !of_no_time, cases),
                // It was removed by age just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(%error, name, "figures of cases that are over cannot be read");
                    unreadable += 1;
                }
            }
        }
        unreadable
    }
}

/// Takes the lines of a file; how many cannot be read.
fn take(bytes: &[u8], only_silence: bool, cases: &mut HashMap<IncidentId, CaseLine>) -> u64 {
    let mut unreadable = 0;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let text = std::str::from_utf8(line).ok();
        if only_silence && text.is_some_and(|text| !text.contains(SILENCE)) {
            continue;
        }
        match text.and_then(|text| serde_json::from_str(text).ok()) {
            Some(line) => put(cases, line),
            None => unreadable += 1,
        }
    }
    unreadable
}

/// The higher revision counts.
fn put(cases: &mut HashMap<IncidentId, CaseLine>, line: CaseLine) {
    match cases.get_mut(&line.id) {
        Some(known) if known.revision > line.revision => {}
        Some(known) => *known = line,
        None => {
            cases.insert(line.id, line);
        }
    }
}

/// How many lines there are in the files, and how many of them nobody can read; for `store check`.
pub(super) fn count(data_folder: &DataFolder) -> io::Result<(usize, u64)> {
    let (mut lines, mut unreadable) = (0, 0);
    for (_, path) in months(&data_folder.figures())? {
        let bytes = fs::read(path)?;
        lines += bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        unreadable += take(&bytes, false, &mut HashMap::new());
    }
    Ok((lines, unreadable))
}

/// Copies the files of one folder to another, for a backup. `through` goes first: what it claims is in
/// the files that are copied after it.
pub(super) fn copy(source: &DataFolder, target: &DataFolder) -> io::Result<()> {
    let (from, to) = (source.figures(), target.figures());
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&to)?;
    let files = months(&from)?.into_iter().map(|(_, path)| path);
    for path in std::iter::once(from.join(THROUGH)).chain(files) {
        let name = path.file_name().unwrap_or_default();
        match fs::copy(&path, to.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// As [`Store::case_lines`], of a folder that may be in use.
pub fn case_lines(path: &Path, from: Timestamp, until: Timestamp) -> Result<CaseLines, OpenError> {
    let data_folder = DataFolder::new(path);
    let through = read_through(&data_folder);
    let (state, _) = check::read(&data_folder, &mut |_, _, _| {})?;
    let reader = Reader::new(data_folder.journal());
    let search = Search { folder: data_folder.figures(), reader: &reader, from, until };
    let end = through.map(|through| through.location);
    let mut lines = search.lines(wanted(&state, end, true));
    lines.unreadable += state.left.lines().1;
    Ok(lines)
}

impl Store {
    /// One line for each case that was opened at or after `from` and before `until`, open or over, also
    /// of cases whose records have left the journal; and one for each silence of a source that began
    /// before `until`. Blocks on the disk.
    pub fn case_lines(&self, from: Timestamp, until: Timestamp) -> CaseLines {
        let shared = &self.inner.shared;
        let (wanted, lost) = {
            let through = lock(&shared.case_files.through).end;
            let state = lock(&shared.state);
            (wanted(&state, through, true), state.left.lines().1)
        };
        let folder = self.inner.data_folder.figures();
        let mut lines = Search { folder, reader: &shared.reader, from, until }.lines(wanted);
        lines.unreadable += lost;
        lines
    }

    /// Writes the lines of cases that are over by now, 10,000 at most. To be called every few minutes;
    /// blocks on the disk.
    pub fn keep_case_lines(&self) -> io::Result<usize> {
        let (shared, disk) = (&self.inner.shared, &*self.inner.disk);
        shared.case_files.catch_up(shared, disk, Part::AtMost(CASES_AT_ONCE))
    }
}

#[cfg(test)]
#[path = "tests_case_files.rs"]
mod tests;
