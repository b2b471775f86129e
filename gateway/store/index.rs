//! The index: the state kept in sled for a quick start. Derived from the journal; no promise rests on it (J11).
//!
//! **I4** sled holds nothing that the journal does not, or did not. It may be deleted at any time: the
//! next start takes longer, and only of presses whose segments have left, no more are known than the newest
//! 30,000. Cases and presses that memory has no room for are looked up in it (`on_disk.rs`).

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    dead::DeadLetter,
    due::Pending,
    journal::Location,
    ledger::Ledger,
    left::Trace,
    on_disk::OnDisk,
    recover::Checkpoint,
    room::EvidenceEntry,
    seen_marks::{SeenMark, SeenMarks},
    shared::Shared,
    state::{Brief, HeldReport, Key, State},
};
use crate::{
    base::lock,
    domain::{EvidenceId, IncidentId, SeenPress, SinkId},
};

/// The index may lag behind by this: what changes again meanwhile is written once.
const LAG: Duration = Duration::from_millis(200);
/// After an error the index is dropped; it is built anew after this.
const REBUILD_AFTER: Duration = Duration::from_secs(10);
/// Of the layout of the index; one of another number is rebuilt.
const INDEX_VERSION: u32 = 4;
const META: &[u8] = b"m";
const EVIDENCE: &[u8] = b"e";
/// The first prefix behind it.
const BEHIND_EVIDENCE: &[u8] = b"f";
/// Marks that wait between two writes in a flood; room for more is given back.
const MARKS_KEPT_ROOM: usize = 1_024;

/// What is not a list: written with every batch, so that a batch is all or nothing.
#[derive(Serialize, Deserialize)]
struct Meta {
    version: u32,
    /// The newest format that the program knows which wrote it: another one may have read records otherwise.
    knows: u32,
    checkpoint: Checkpoint,
    ledger: Ledger,
    sinks: Vec<SinkId>,
    carriers: Vec<SinkId>,
    forked: Option<Location>,
    quarantined: BTreeMap<u64, u64>,
    latest: Option<jiff::Timestamp>,
    standing: u64,
    /// See [`Index::is_whole`].
    is_whole: bool,
    /// Sum of the hashes of all other pairs: sled after a power failure is not believed.
    digest: String,
}

/// Why the index is worth nothing, for the log.
pub(super) type IndexError = String;

/// An open index and the sum of its pairs.
pub(super) struct Index {
    db: sled::Db,
    seen_marks: SeenMarks,
    /// It was begun with all that the journal holds, and not with what memory still had.
    is_whole: bool,
    digest: u128,
    /// Seq of the checkpoint in it; 0 while it holds none.
    written: u64,
}

fn open_db(path: &Path, cache_bytes: u64) -> Result<sled::Db, IndexError> {
    let started = Instant::now();
    loop {
        let opened = guarded(|| sled::Config::new().path(path).cache_capacity(cache_bytes).open());
        match opened {
            // sled lets go of its lock in a thread of its own, a moment after it was dropped.
            Err(problem) if problem.contains("lock") && started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

/// Cases that are read and written together while it is built.
const TOLD_AT_ONCE: usize = 5_000;

/// The data folder is ours alone (it has a lock of its own), so a held index lock is our own
/// last one on its way out.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// sled has asserts of its own; one of them must not take the gateway down.
pub(super) fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked".into()),
    }
}

/// Reads the state back, into one that is empty. The error says why the index is worth nothing.
pub(super) fn load(path: &Path, begun: State) -> Result<(Index, State), IndexError> {
    let mut state = begun;
    let db = open_db(path, state.bounds.cache_bytes)?;
    let seen_marks = SeenMarks::open(&db)?;
    let (mut digest, mut meta) = (0u128, None);
    // Evidence last, behind the cases: which pieces are needed is known by them.
    let mut pairs =
        db.range(..EVIDENCE).chain(db.range(BEHIND_EVIDENCE..)).chain(db.scan_prefix(EVIDENCE));
    while let Some(pair) = guarded(|| pairs.next().transpose())? {
        let (key, value) = pair;
        if key == META {
            meta = Some(json::<Meta>(&value)?);
            continue;
        }
        digest = digest.wrapping_add(pair_hash(&key, &value));
        put(&mut state, &key, &value)?;
    }
    let meta = meta.ok_or("it is empty")?;
    if meta.version != INDEX_VERSION {
        return Err(format!("it has version {}, expected {INDEX_VERSION}", meta.version));
    }
    if meta.knows != state.knows {
        return Err(format!("it is of a version that knows format {}", meta.knows));
    }
    if meta.digest != format!("{digest:032x}") {
        return Err("it does not add up".into());
    }
    state.checkpoint = Some(meta.checkpoint);
    state.ledger = meta.ledger;
    state.sinks = meta.sinks;
    state.carriers = meta.carriers;
    state.forked = meta.forked;
    state.quarantined = meta.quarantined;
    state.latest = meta.latest;
    state.standing = meta.standing;
    if !meta.is_whole {
        return Err("it was built while the gateway ran, of what memory held".into());
    }
    state.touched.clear();
    state.left.are_indexed();
    let written = state.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.seq);
    Ok((Index { db, seen_marks, is_whole: true, digest, written }, state))
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, IndexError> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn pair_hash(key: &[u8], value: &[u8]) -> u128 {
    let hash = Sha256::new().chain_update((key.len() as u64).to_le_bytes());
    let hash = hash.chain_update(key).chain_update(value).finalize();
    u128::from_le_bytes(hash[..16].try_into().expect("16 of 32 bytes"))
}

impl Key {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Due(seq) => [b"d", &seq.to_be_bytes()[..]].concat(),
            Self::Press(seq) => [b"p", &seq.to_be_bytes()[..]].concat(),
            Self::Reply(seq) => [b"r", &seq.to_be_bytes()[..]].concat(),
            Self::Incident(id) => [b"i", &id.0.as_bytes()[..]].concat(),
            Self::Evidence(id) => [EVIDENCE, &id.0.as_bytes()[..]].concat(),
            Self::Dead(seq) => [b"x", &seq.to_be_bytes()[..]].concat(),
            Self::Gauge(seq) => [b"g", &seq.to_be_bytes()[..]].concat(),
            Self::Unread(seq) => [b"u", &seq.to_be_bytes()[..]].concat(),
        }
    }
}

/// A value copied out of the state, so that it is serialised without holding the lock.
enum StateValue {
    Due(Pending),
    Incident(Brief),
    Press(Location),
    Reply(Location),
    Evidence(EvidenceEntry),
    Dead(DeadLetter),
    Gauge(HeldReport),
    Unread(Location),
}

impl StateValue {
    fn of(state: &State, key: Key) -> Option<Self> {
        match key {
            Key::Due(seq) => state.due.pending.get(&seq).cloned().map(Self::Due),
            Key::Incident(id) => state.incidents.get(&id).cloned().map(Self::Incident),
            Key::Press(seq) => state.presses.get(&seq).copied().map(Self::Press),
            Key::Reply(seq) => state.replies.get(&seq).copied().map(Self::Reply),
            Key::Evidence(id) => state.evidence.get(&id).cloned().map(Self::Evidence),
            Key::Dead(seq) => state.dead.get(&seq).cloned().map(Self::Dead),
            Key::Gauge(seq) => state.gauges.get(&seq).copied().map(Self::Gauge),
            Key::Unread(seq) => state.unread.get(&seq).copied().map(Self::Unread),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Due(value) => serde_json::to_vec(value),
            Self::Incident(value) => serde_json::to_vec(value),
            Self::Press(value) => serde_json::to_vec(value),
            Self::Reply(value) => serde_json::to_vec(value),
            Self::Evidence(value) => serde_json::to_vec(value),
            Self::Dead(value) => serde_json::to_vec(value),
            Self::Gauge(value) => serde_json::to_vec(value),
            Self::Unread(value) => serde_json::to_vec(value),
        }
        .expect("plain structs with string keys are always JSON")
    }
}

/// A case in the index.
pub(super) fn read_brief(key: &[u8], value: &[u8]) -> Option<(IncidentId, Brief)> {
    let id = uuid::Uuid::from_slice(key.strip_prefix(b"i")?).ok()?;
    Some((IncidentId(id), json(value).ok()?))
}

fn put(state: &mut State, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
    let (&tag, id) = key.split_first().ok_or("an empty key")?;
    let seq = || id.try_into().map(u64::from_be_bytes).map_err(|_| "a bad key".to_owned());
    let uuid = || uuid::Uuid::from_slice(id).map_err(|error| error.to_string());
    match tag {
        b'd' => state.due.insert(seq()?, json(value)?),
        b'i' => state.put_brief(IncidentId(uuid()?), json(value)?),
        b'e' => state.put_piece(EvidenceId(uuid()?), json(value)?),
        b'x' => state.put_letter(seq()?, json(value)?),
        b'p' => state.press(seq()?, json(value)?),
        b'r' => state.reply(seq()?, json(value)?),
        b'g' => state.report(seq()?, json(value)?),
        b'u' => state.keep_unread(seq()?, json(value)?),
        _ => return Err(format!("an unknown key, tag {tag}")),
    }
    Ok(())
}

/// What changed, copied out under the lock.
struct Work {
    values: Vec<(Key, Option<StateValue>)>,
    marks: Vec<SeenMark>,
    /// Cases of these segments and older ones are not there any more.
    gone_through: Option<u64>,
    meta: Meta,
}

impl Work {
    /// `None`: nothing has changed since `written`.
    fn take(state: &mut State, written: u64) -> Option<Self> {
        let checkpoint = state.checkpoint.clone()?;
        if checkpoint.seq == written && state.touched.is_empty() {
            return None;
        }
        let touched = std::mem::take(&mut state.touched);
        let leaving = state.left.take().into_iter();
        let leaving =
            leaving.map(|(id, brief)| (Key::Incident(id), Some(StateValue::Incident(brief))));
        let touched = touched.into_iter().map(|key| (key, StateValue::of(state, key)));
        // What left and came back is touched after it left.
        let values = leaving.chain(touched).collect();
        let gone_through = state.gone_through.take();
        // They stay in the state until they are written, so that each is found at any time.
        let marks = state.marks.iter().copied().collect();
        Some(Self { values, marks, gone_through, meta: Meta::of(state, checkpoint) })
    }
}

impl Meta {
    /// Not of an index yet.
    fn of(state: &State, checkpoint: Checkpoint) -> Self {
        Self {
            version: INDEX_VERSION,
            knows: state.knows,
            checkpoint,
            ledger: state.ledger.clone(),
            sinks: state.sinks.clone(),
            carriers: state.carriers.clone(),
            forked: state.forked,
            quarantined: state.quarantined.clone(),
            latest: state.latest,
            standing: state.standing,
            is_whole: !state.left.has_untold(),
            digest: String::new(),
        }
    }
}

impl Index {
    fn write(&mut self, work: Work) -> Result<(), IndexError> {
        let Work { values, marks, gone_through, mut meta } = work;
        self.seen_marks.write(&marks)?;
        let mut pairs: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for key in gone_through.map(|through| self.gone(through)).transpose()?.unwrap_or_default() {
            pairs.insert(key, None);
        }
        for (key, value) in values {
            pairs.insert(key.bytes(), value.map(|value| value.bytes()));
        }
        meta.is_whole &= self.is_whole;
        let (db, mut digest, written) = (&self.db, self.digest, meta.checkpoint.seq);
        guarded(|| {
            let mut batch = sled::Batch::default();
            for (key, value) in pairs {
                if let Some(old) = db.get(&key)? {
                    digest = digest.wrapping_sub(pair_hash(&key, &old));
                }
                match value {
                    Some(value) => {
                        digest = digest.wrapping_add(pair_hash(&key, &value));
                        batch.insert(key, value);
                    }
                    None => batch.remove(key),
                }
            }
            meta.digest = format!("{digest:032x}");
            batch.insert(META, serde_json::to_vec(&meta).expect("plain struct"));
            db.apply_batch(batch)
        })?;
        self.digest = digest;
        self.written = written;
        Ok(())
    }
}

impl Index {
    /// Writes what has changed, and the cases that found no room to wait for it.
    fn keep_up(&mut self, shared: &Shared, stop: &Mutex<bool>) -> Result<(), IndexError> {
        let Some(work) = Work::take(&mut lock(&shared.state), self.written) else { return Ok(()) };
        let newest = work.marks.last().copied();
        self.write(work)?;
        let has_untold = {
            let mut state = lock(&shared.state);
            state.left.is_indexed();
            state.left.has_untold()
        };
        forget_marks(shared, newest);
        if has_untold { self.tell(shared, stop) } else { Ok(()) }
    }

    /// Writes the cases that had no room to wait for it, by their records: without them it is not whole. All
    /// that memory has comes behind, and is newer.
    fn tell(&mut self, shared: &Shared, stop: &Mutex<bool>) -> Result<(), IndexError> {
        let is_whole = std::mem::replace(&mut self.is_whole, false);
        loop {
            let (untold, meta) = {
                let state = lock(&shared.state);
                (
                    state.left.untold(TOLD_AT_ONCE),
                    state.checkpoint.clone().map(|checkpoint| Meta::of(&state, checkpoint)),
                )
            };
            let Some(meta) = meta.filter(|_| !untold.is_empty()) else { break };
            if *lock(stop) {
                return Ok(());
            }
            // One that cannot be read is in no list, as one of a segment that has left.
            let brief = |&(id, trace): &(IncidentId, Trace)| {
                let record = shared.reader.read(trace.location).ok()?.into_record()?;
                Some((Key::Incident(id), Some(StateValue::Incident(trace.brief(&record)))))
            };
            let values = untold.iter().filter_map(brief).collect();
            self.write(Work { values, marks: Vec::new(), gone_through: None, meta })?;
            lock(&shared.state).left.are_told(&untold);
        }
        // What memory has is not in it yet.
        (self.is_whole, self.written) = (is_whole, 0);
        Ok(())
    }

    /// Keys of cases whose segment has left, those that memory had no room for.
    fn gone(&self, through: u64) -> Result<Vec<Vec<u8>>, IndexError> {
        let mut gone = Vec::new();
        let mut pairs = self.db.scan_prefix(b"i");
        while let Some((key, value)) = guarded(|| pairs.next().transpose())? {
            if read_brief(&key, &value).is_none_or(|(_, brief)| brief.location.segment <= through) {
                gone.push(key.to_vec());
            }
        }
        Ok(gone)
    }

    /// For lookups.
    pub(super) fn on_disk(&self) -> OnDisk {
        OnDisk::new(self.db.clone(), self.seen_marks.clone())
    }
}

/// The thread that keeps the index up with the state.
pub(super) struct Indexer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Indexer {
    /// `index`: the one that was loaded; without it a new one is built.
    pub(super) fn start(
        path: PathBuf,
        index: Option<Index>,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let seen = Arc::clone(&stop);
        shared.set_on_disk(index.as_ref().map(Index::on_disk));
        let thread = thread::Builder::new()
            .name("store-index".into())
            .spawn(move || run(&path, index, &shared, &seen))?;
        Ok(Self { stop, thread })
    }

    /// Writes what is left and ends.
    pub(super) fn stop(self) {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        if self.thread.join().is_err() {
            tracing::warn!("the index thread panicked; the index will be rebuilt");
        }
    }
}

fn run(path: &Path, mut index: Option<Index>, shared: &Shared, stop: &(Mutex<bool>, Condvar)) {
    let (mut rebuild_at, mut at_start) = (Instant::now(), index.is_none());
    loop {
        let (stopped, _) = stop
            .1
            .wait_timeout_while(lock(&stop.0), LAG, |stopped| !*stopped)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let last = *stopped;
        drop(stopped);
        if index.is_none() && (last || rebuild_at <= Instant::now()) {
            index = build(path, shared, at_start);
            at_start = false;
            if let Some(open) = &mut index
                && let Err(problem) = open.tell(shared, &stop.0)
            {
                tracing::warn!(%problem, "the index failed as it was built; it is built anew");
                shared.set_on_disk(None);
                index = None;
            }
        }
        if let Some(open) = &mut index
            && let Err(problem) = open.keep_up(shared, &stop.0)
        {
            tracing::warn!(%problem, "the index failed; it is dropped and built anew");
            shared.set_on_disk(None);
            index = None;
        }
        if index.is_none() {
            lock(&shared.state).has_no_index();
            rebuild_at = Instant::now() + REBUILD_AFTER;
        }
        if last {
            break;
        }
    }
    shared.set_on_disk(None);
    if let Some(index) = index
        && let Err(problem) = guarded(|| index.db.flush())
    {
        tracing::warn!(%problem, "the index could not be flushed; it may be rebuilt at the next start");
    }
}

/// The index has all marks up to this one.
fn forget_marks(shared: &Shared, newest: Option<SeenMark>) {
    let Some(newest) = newest else { return };
    let mut state = lock(&shared.state);
    while state.marks.front().is_some_and(|mark| mark.seq <= newest.seq) {
        state.marks.pop_front();
    }
    if state.marks.is_empty() {
        state.marks.shrink_to(MARKS_KEPT_ROOM);
    }
}

/// An empty index, and everything marked as to be written.
fn build(path: &Path, shared: &Shared, at_start: bool) -> Option<Index> {
    let cache_bytes = lock(&shared.state).bounds.cache_bytes;
    let made = match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => {
            open_db(path, cache_bytes).and_then(|db| SeenMarks::open(&db).map(|marks| (db, marks)))
        }
    };
    match made {
        Ok((db, seen_marks)) => {
            let (presses, is_whole) = {
                let mut state = lock(&shared.state);
                state.touched = state.keys();
                let all_known = !state.has_older && state.presses.len() < state.bounds.presses;
                // At a start all was read, and what memory has no room for is on its way.
                let all_read = at_start && state.left.is_whole();
                (state.presses.clone(), all_read || all_known)
            };
            note_marks_again(shared, presses);
            let index = Index { db, seen_marks, is_whole, digest: 0, written: 0 };
            shared.set_on_disk(Some(index.on_disk()));
            Some(index)
        }
        Err(problem) => {
            tracing::warn!(%problem, path = %path.display(), "no index for now; the next start will take longer");
            None
        }
    }
}

/// Marks of all presses that are remembered, from the journal: they were in the index that is gone.
fn note_marks_again(shared: &Shared, presses: BTreeMap<u64, Location>) {
    let waiting = lock(&shared.state).marks.front().map_or(u64::MAX, |mark| mark.seq);
    let older = presses.into_iter().take_while(|(seq, _)| *seq < waiting);
    let read = |(seq, location)| Some((seq, shared.reader.read(location).ok()?.into_press()?));
    let older: Vec<(u64, SeenPress)> = older.filter_map(read).collect();
    let mut state = lock(&shared.state);
    let newer = std::mem::take(&mut state.marks);
    for (seq, SeenPress { source, press, taken_at, .. }) in older {
        state.note_marks(seq, &source, &press, taken_at);
    }
    state.marks.extend(newer);
}

/// Damages an index as a bug would: something that is due is not in it.
#[cfg(test)]
pub(super) fn lose_one_due(path: &Path) {
    let db = open_db(path, super::memory::Bounds::default().cache_bytes).expect("a good index");
    let (key, _) = db.scan_prefix(b"d").next().expect("something is due").expect("readable");
    db.remove(key).expect("writable");
    db.flush().expect("writable");
}
