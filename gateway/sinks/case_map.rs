//! Which case at a platform is which incident of ours: a file of its own for each sink, on disk before it is relied on.
//!
//! **S1** Before a request that may open a case goes out, a line says so; when the platform has
//! answered, another holds its id. A process that ends in between finds the first line and asks the
//! platform by our id before it opens anything. Each line is the whole state of one case, so a file
//! that ends in the middle of a line has lost that line alone, which was never relied on. The file
//! is written anew when most of it is old. A file that cannot be read is not an empty one: it is tried
//! again until it can, nothing is written over it meanwhile, and only what cannot wait goes on without it.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

mod case;

pub(super) use case::{Case, SAID_MAX};

use super::{
    early_replies::{EarlyReplies, EarlyReply, digest},
    profile::ToldStep,
};
use crate::{
    base::{Readiness, Sync, lock, write_whole},
    domain::{IncidentId, Meter, Metric, SinkId},
};

/// Cases of one platform that are remembered; the ones that were over first are forgotten first.
const CASES_MAX: usize = 50_000;
/// Replies that were dealt with, so that a list that is asked for again is no news.
const DONE_MAX: usize = 10_000;
/// A file below this is never written anew.
const SMALL_BYTES: u64 = 1024 * 1024;

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MapLine {
    /// The whole state of a case.
    Case { incident: IncidentId, case: Case },
    /// Where the next question for replies begins.
    Cursor(String),
    /// A reply that was dealt with.
    Done(String),
    /// A reply to a case that nobody knows yet.
    EarlyReply(EarlyReply),
    /// The one of this digest was dealt with.
    EarlyTaken(String),
    /// A reply to a case that nobody knows yet, as earlier versions wrote it.
    Early(Value),
    /// So many, from the first on, were dealt with, as earlier versions wrote it.
    EarlyGone(usize),
}

#[derive(Default)]
struct Inner {
    cases: HashMap<IncidentId, Case>,
    /// By the platform's id.
    by_id: HashMap<String, IncidentId>,
    /// In the order in which they were first heard of.
    order: VecDeque<IncidentId>,
    cursor: String,
    done: HashSet<String>,
    done_order: VecDeque<String>,
    early: EarlyReplies,
    file: Option<File>,
    bytes: u64,
    /// Bytes of the file when it was last written anew, or as it would have been when it was read.
    fresh_bytes: u64,
    /// Something is not in the file: it is written anew at the next chance.
    behind: bool,
    /// The file is there and has not been read yet; the rest is what happened meanwhile.
    unread: bool,
    busy: HashSet<IncidentId>,
}

/// The cases of one platform; shared by the lanes of its sink and by who takes its replies.
pub(super) struct CaseMap {
    path: PathBuf,
    sink: SinkId,
    inner: Mutex<Inner>,
    opened: Notify,
    meter: Arc<dyn Meter>,
    readiness: Readiness,
}

/// What is told in `/readyz` of the map of this sink's cases.
pub fn cases_part(sink: &SinkId) -> String {
    format!("platform {sink}, cases")
}

/// The maps of all platforms: each is read once.
pub struct CaseMaps {
    folder: PathBuf,
    meter: Arc<dyn Meter>,
    readiness: Readiness,
    maps: Mutex<BTreeMap<SinkId, Arc<CaseMap>>>,
}

impl CaseMaps {
    /// In `platforms/` of the data folder; nothing is read yet.
    pub fn new(data: &Path, meter: Arc<dyn Meter>, readiness: Readiness) -> Self {
        Self { folder: data.join("platforms"), meter, readiness, maps: Mutex::default() }
    }

    /// The map of this sink.
    pub(super) fn of(&self, sink: &SinkId) -> Arc<CaseMap> {
        let mut maps = lock(&self.maps);
        let map = maps.entry(sink.clone()).or_insert_with(|| {
            let path = self.folder.join(format!("{}.jsonl", file_name(sink.as_str())));
            Arc::new(CaseMap::open(
                path,
                sink.clone(),
                (self.meter.clone(), self.readiness.clone()),
            ))
        });
        map.clone()
    }

    /// The file of the token of this sink, unless its configuration names another.
    pub fn token_file(&self, sink: &SinkId) -> PathBuf {
        self.folder.join(format!("{}.token", file_name(sink.as_str())))
    }

    /// Makes the folder, closed to others.
    pub fn make_folder(&self) -> io::Result<()> {
        make_folder(&self.folder)
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// An id is the installer's word: whatever could lead elsewhere is written out.
fn file_name(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    id.chars().map(|c| if plain(c) { c.to_string() } else { format!("%{:x}", c as u32) }).collect()
}

/// Held while an incident is told to the platform: the other lane of the sink waits meanwhile.
pub(super) struct Busy {
    map: Arc<CaseMap>,
    incident: IncidentId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.map.inner).busy.remove(&self.incident);
    }
}

impl CaseMap {
    fn open(path: PathBuf, sink: SinkId, (meter, readiness): (Arc<dyn Meter>, Readiness)) -> Self {
        let inner = Mutex::new(Inner { unread: true, ..Inner::default() });
        let map = Self { path, sink, inner, opened: Notify::new(), meter, readiness };
        let _ = map.ready();
        map
    }

    /// What the file held is known. Where it could not be read, it is tried again now; the error is why
    /// it cannot be. Reads a file.
    pub(super) fn ready(&self) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        if !inner.unread {
            return Ok(());
        }
        self.read(&mut inner)?;
        drop(inner);
        // Replies may have waited for what was in it.
        self.opened.notify_one();
        Ok(())
    }

    /// The file is there, and what it holds is not known.
    pub(super) fn is_unread(&self) -> bool {
        lock(&self.inner).unread
    }

    /// Puts what happened meanwhile on top of what the file holds.
    fn read(&self, inner: &mut Inner) -> io::Result<()> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::error!(sink = %self.sink, %error, "the map of cases cannot be read; tried again, and only emergencies are told meanwhile");
                let note = format!(
                    "the map of cases cannot be read ({error}); tried again, and only emergencies are told meanwhile"
                );
                self.readiness.note(&cases_part(&self.sink), &note);
                return Err(error);
            }
        };
        let mut read = Inner::default();
        read.take_all(&bytes, &self.sink);
        let meanwhile = std::mem::replace(inner, read);
        inner.put_meanwhile(meanwhile);
        inner.forget_old(&self.sink);
        self.readiness.clear(&cases_part(&self.sink));
        Ok(())
    }

    /// Whose it is.
    pub(super) fn sink(&self) -> &SinkId {
        &self.sink
    }

    /// What is known of this incident there.
    pub(super) fn case(&self, incident: IncidentId) -> Option<Case> {
        lock(&self.inner).cases.get(&incident).cloned()
    }

    /// The incident of this id of the platform's.
    pub(super) fn by_id(&self, id: &str) -> Option<IncidentId> {
        lock(&self.inner).by_id.get(id).copied()
    }

    /// For who tells the platform of it; none: somebody does.
    pub(super) fn begin(self: &Arc<Self>, incident: IncidentId) -> Option<Busy> {
        let free = lock(&self.inner).busy.insert(incident);
        free.then(|| Busy { map: self.clone(), incident })
    }

    /// Changes a case, on disk too. The error is that it is in memory alone; it is on disk with the next
    /// change that can be written.
    pub(super) fn change(
        &self,
        incident: IncidentId,
        change: impl FnOnce(&mut Case),
    ) -> io::Result<()> {
        let _ = self.ready();
        let mut inner = lock(&self.inner);
        if !inner.cases.contains_key(&incident) {
            inner.order.push_back(incident);
        }
        let mut case = inner.cases.get(&incident).cloned().unwrap_or_default();
        let before = case.clone();
        change(&mut case);
        while case.replies.len() > case::REPLIES_MAX {
            case.replies.pop_front();
        }
        if case == before && !inner.behind {
            return Ok(());
        }
        inner.put(incident, case.clone());
        inner.forget_old(&self.sink);
        let opened = case.open && (!before.open || before.id != case.id);
        let written = self.write(&mut inner, &[MapLine::Case { incident, case }]);
        drop(inner);
        if opened {
            self.opened.notify_one();
        }
        written
    }

    /// A reply of this id was dealt with before.
    pub(super) fn is_done(&self, reply: &str) -> bool {
        lock(&self.inner).done.contains(reply)
    }

    /// It has been dealt with.
    pub(super) fn done(&self, reply: &str) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        inner.put_done(reply.to_owned());
        self.write(&mut inner, &[MapLine::Done(reply.to_owned())])
    }

    /// The platform has listed this step of ours as the reply of this id. Both in one write: a listing that is
    /// known no more would count as a reply, and a step that is still expected would swallow one.
    pub(super) fn told_is_listed(
        &self,
        incident: IncidentId,
        told: &ToldStep,
        reply: &str,
    ) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        inner.put_done(reply.to_owned());
        let mut lines = vec![MapLine::Done(reply.to_owned())];
        if let Some(mut case) = inner.cases.get(&incident).cloned() {
            case.told.retain(|one| one != told);
            inner.put(incident, case.clone());
            lines.push(MapLine::Case { incident, case });
        }
        self.write(&mut inner, &lines)
    }

    /// Where the next question for replies begins; empty at first.
    pub(super) fn cursor(&self) -> String {
        lock(&self.inner).cursor.clone()
    }

    /// What came before that is on disk.
    pub(super) fn set_cursor(&self, cursor: &str) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        if inner.cursor == cursor {
            return Ok(());
        }
        inner.cursor = cursor.to_owned();
        self.write(&mut inner, &[MapLine::Cursor(cursor.to_owned())])
    }

    /// Keeps a reply to a case that nobody knows; it is tried again when a case gets its id.
    pub(super) fn keep_early(&self, item: &Value, now: Timestamp) -> io::Result<()> {
        let Some(reply) = EarlyReply::new(item, now) else { return Ok(()) };
        let mut inner = lock(&self.inner);
        inner.early.put(reply.clone());
        self.write(&mut inner, &[MapLine::EarlyReply(reply)])
    }

    /// Waits until a case has got its id.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// The replies that came before anybody knew their case, but for those that are too old by now.
    pub(super) fn early(&self, now: Timestamp) -> Vec<Value> {
        lock(&self.inner).early.fresh(now)
    }

    /// These were dealt with. All of them are one write: the others stay where they are.
    pub(super) fn early_taken(&self, items: &[Value]) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let digests = items.iter().map(digest).filter(|digest| inner.early.take(digest));
        let lines: Vec<MapLine> = digests.map(MapLine::EarlyTaken).collect();
        match lines.is_empty() {
            true => Ok(()),
            false => self.write(&mut inner, &lines),
        }
    }

    /// Counts, for whoever has the map.
    pub(super) fn count(&self, metric: Metric) {
        self.meter.add(metric, self.sink.as_str(), 1);
    }

    /// Appends and syncs. Where that fails, all of it is written anew at the next chance.
    fn write(&self, inner: &mut Inner, lines: &[MapLine]) -> io::Result<()> {
        let grown = inner.bytes > SMALL_BYTES && inner.bytes > inner.fresh_bytes.saturating_mul(4);
        let written = match (inner.unread, inner.behind || grown) {
            // What the file holds would be lost for good.
            (true, _) => Err(io::Error::other("what it holds could not be read yet")),
            (false, true) => self.write_anew(inner),
            (false, false) => self.append(inner, lines),
        };
        if let Err(error) = &written {
            inner.behind = true;
            inner.file = None;
            tracing::error!(sink = %self.sink, %error, "the map of cases cannot be written");
        }
        written
    }

    fn append(&self, inner: &mut Inner, lines: &[MapLine]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        let file = match &mut inner.file {
            Some(file) => file,
            None => inner.file.insert(self.open_file()?),
        };
        file.write_all(&bytes)?;
        file.sync_data()?;
        inner.bytes += bytes.len() as u64;
        Ok(())
    }

    fn open_file(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            make_folder(folder)?;
        }
        let is_new = !self.path.exists();
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        if is_new {
            self.sync_folder()?;
        }
        Ok(file)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    fn write_anew(&self, inner: &mut Inner) -> io::Result<()> {
        let bytes = inner.written()?;
        if let Some(folder) = self.path.parent() {
            make_folder(folder)?;
        }
        inner.file = None;
        write_whole(&self.path, &bytes, Sync::Yes)?;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o600))?;
        self.sync_folder()?;
        inner.bytes = bytes.len() as u64;
        inner.fresh_bytes = inner.bytes;
        inner.behind = false;
        Ok(())
    }
}

impl Inner {
    fn put(&mut self, incident: IncidentId, case: Case) {
        let old = self.cases.get(&incident).and_then(|old| old.id.clone());
        if let Some(old) = old.filter(|old| case.id.as_ref() != Some(old)) {
            self.by_id.remove(&old);
        }
        if let Some(id) = &case.id {
            self.by_id.insert(id.clone(), incident);
        }
        self.cases.insert(incident, case);
    }

    /// What was told before the file could be read: nothing that either knows is lost.
    fn put_meanwhile(&mut self, meanwhile: Self) {
        let Self { cases, order, cursor, done_order, early, behind, busy, .. } = meanwhile;
        (self.busy, self.behind) = (busy, self.behind || behind || !order.is_empty());
        for (incident, now) in order.into_iter().filter_map(|id| Some((id, cases.get(&id)?))) {
            if !self.cases.contains_key(&incident) {
                self.order.push_back(incident);
            }
            let mut case = self.cases.get(&incident).cloned().unwrap_or_default();
            case.add(now);
            self.put(incident, case);
            // An emergency may have been opened twice: replies to either are its own.
            if let Some(id) = &now.id {
                self.by_id.insert(id.clone(), incident);
            }
        }
        if !cursor.is_empty() {
            self.cursor = cursor;
        }
        done_order.into_iter().for_each(|reply| self.put_done(reply));
        early.iter().for_each(|reply| self.early.put(reply.clone()));
    }

    fn put_done(&mut self, reply: String) {
        if self.done.insert(reply.clone()) {
            self.done_order.push_back(reply);
        }
        while self.done_order.len() > DONE_MAX {
            if let Some(old) = self.done_order.pop_front() {
                self.done.remove(&old);
            }
        }
    }

    /// Those that are over first; where none is, the oldest, and that is said.
    fn forget_old(&mut self, sink: &SinkId) {
        while self.order.len() > CASES_MAX {
            let over = |id: &IncidentId| self.cases.get(id).is_none_or(|case| case.over);
            let at = self.order.iter().position(over).unwrap_or_else(|| {
                tracing::warn!(%sink, "{CASES_MAX} cases are open at the platform; the oldest is forgotten here");
                0
            });
            let Some(incident) = self.order.remove(at) else { return };
            if let Some(id) = self.cases.remove(&incident).and_then(|case| case.id) {
                self.by_id.remove(&id);
            }
        }
    }

    /// All of it, as it is written anew.
    fn written(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut put = |line: &MapLine| -> io::Result<()> {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
            Ok(())
        };
        for incident in &self.order {
            let Some(case) = self.cases.get(incident) else { continue };
            put(&MapLine::Case { incident: *incident, case: case.clone() })?;
        }
        put(&MapLine::Cursor(self.cursor.clone()))?;
        self.done_order.iter().try_for_each(|id| put(&MapLine::Done(id.clone())))?;
        self.early.iter().try_for_each(|one| put(&MapLine::EarlyReply(one.clone())))?;
        Ok(bytes)
    }

    /// Line by line; what cannot be read costs itself, and is told.
    fn take_all(&mut self, bytes: &[u8], sink: &SinkId) {
        let mut unreadable = 0u64;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<MapLine>(line) {
                Ok(line) => self.take(line),
                Err(_) => unreadable += 1,
            }
        }
        self.forget_old(sink);
        self.bytes = bytes.len() as u64;
        // Most of what was found may be old: taken for fresh, a box that restarts often would never write it anew.
        self.fresh_bytes = self.written().map_or(self.bytes, |fresh| fresh.len() as u64);
        // A line that was cut off must not join the next one.
        self.behind = unreadable > 0 || bytes.last().is_some_and(|last| *last != b'\n');
        if unreadable > 0 {
            tracing::warn!(%sink, unreadable, "lines of the map of cases that cannot be read (the last may have been cut off by a power cut); the platform is asked where that matters");
        }
    }

    fn take(&mut self, line: MapLine) {
        match line {
            MapLine::Case { incident, case } => {
                if !self.cases.contains_key(&incident) {
                    self.order.push_back(incident);
                }
                self.put(incident, case);
            }
            MapLine::Cursor(cursor) => self.cursor = cursor,
            MapLine::Done(reply) => self.put_done(reply),
            MapLine::EarlyReply(reply) => self.early.put(reply),
            MapLine::EarlyTaken(digest) => {
                self.early.take(&digest);
            }
            MapLine::Early(item) => self.early.put(EarlyReply { since: None, item }),
            MapLine::EarlyGone(count) => self.early.take_first(count),
        }
    }
}
