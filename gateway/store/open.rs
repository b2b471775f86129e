//! Opening a store: lock, version, index or journal, and a word about everything that was found.

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    Config, Inner, OpenError, Store, Subscriber,
    disk::{Disk, RealDisk},
    evidence,
    folder::{self, Layout},
    format::{self, SEGMENT_HEADER_BYTES},
    index::{self, Index, Indexer},
    journal::{Journal, Reader, segment_path},
    recover::{Checkpoint, Ground, Recovered, recover},
    room::Gauge,
    shared::{Ending, Shared},
    state::{Brief, State},
    tidy::SteadyClock,
    writer::{QUEUE_BATCHES, Writer},
};
use crate::domain::{Class, EvidenceId, IncidentId, Meter, Record, SeenPress, SeenReport};

/// Live incidents that are restored besides all emergencies.
const LIVE_MAX: usize = 10_000;
/// A box restored from a backup continues an incident so many revisions later: those between
/// may have been used by the box that the backup was taken of, and a receiver knows them.
pub(super) const FORK_REVISIONS: u32 = 1000;
/// With an index, this much of the newest journal is still looked through for damage at
/// start (a fraction of a second); `check` looks through all of it.
const SCRUB_BYTES: u64 = 64 << 20;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A store, and what it remembers.
pub struct Opened {
    pub store: Store,
    pub restored: Restored,
    /// What recovery found and did, a sentence each; already logged.
    pub report: Vec<String>,
}

/// What the middle of the gateway must know again after a restart.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Last whole state of incidents that are neither closed nor dismissed, oldest first: all
    /// emergencies, and the newest 10,000 others.
    pub live: Vec<Record>,
    /// Oldest first, at most 100,000. None is left out by age: only the desk knows the time.
    pub presses: Vec<SeenPress>,
    /// Replies already taken, oldest first, at most 100,000.
    pub replies: Vec<(IncidentId, String)>,
    /// Reports of gauges of the last 25 h, oldest first, at most 200,000.
    pub reports: Vec<SeenReport>,
    /// The latest time that any record carries.
    pub latest: Option<Timestamp>,
}

/// What tests shrink or break.
pub(super) struct Tuning {
    pub(super) retry: (Duration, Duration),
    pub(super) disk: Arc<dyn Disk>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { retry: (RETRY_FIRST, RETRY_MAX), disk: Arc::new(RealDisk) }
    }
}

/// Opens (or makes) the store of this folder. From here on, changes are owed to `sinks`; what
/// is still owed to others stays pending until they are configured again. A sink seen for the
/// first time is owed only what comes from now on.
pub fn open(
    config: &Config,
    sinks: &[Subscriber],
    meter: Arc<dyn Meter>,
) -> Result<Opened, OpenError> {
    open_with(config, sinks, meter, Tuning::default())
}

pub(super) fn open_with(
    config: &Config,
    sinks: &[Subscriber],
    meter: Arc<dyn Meter>,
    tuning: Tuning,
) -> Result<Opened, OpenError> {
    begin(config, Some(sinks), meter, tuning)
}

/// Opens it for the same sinks as before: for commands that write a word into a folder that
/// no gateway is using.
pub fn open_as_it_was(config: &Config, meter: Arc<dyn Meter>) -> Result<Opened, OpenError> {
    begin(config, None, meter, Tuning::default())
}

fn begin(
    config: &Config,
    sinks: Option<&[Subscriber]>,
    meter: Arc<dyn Meter>,
    tuning: Tuning,
) -> Result<Opened, OpenError> {
    let began = Instant::now();
    let layout = Layout::new(&config.path);
    let lock = folder::enter(&layout, &*tuning.disk)?;
    let unfinished = layout.unfinished();
    evidence::clear_unfinished(&layout).map_err(OpenError::io("clear", &unfinished))?;

    let (index, mut state, mut found) = read_all(&layout, &*tuning.disk)?;
    drop_retired(&layout, &*tuning.disk, &mut state, &mut found);
    // Looked through once: for what is missing, and for the room that it takes.
    let files = evidence::files(&layout).ok();
    found.told.extend(files.iter().flat_map(|files| missing_evidence(files, &state)));
    for line in &found.told {
        tracing::warn!(folder = %layout.root.display(), "{line}");
    }
    tracing::info!(
        records = found.records,
        indexed = index.is_some(),
        pending = state.due.pending.len(),
        ms = began.elapsed().as_millis(),
        "store opened"
    );

    let sinks = sinks.map_or_else(|| state.subscribers(), <[Subscriber]>::to_vec);
    let reader = Reader::new(layout.journal());
    let restored = restore(&state, &reader);
    let Tuning { retry, disk } = tuning;
    let Recovered { end, sizes, sealed, told, .. } = found;
    let journal =
        Journal::new(layout.journal(), Arc::clone(&disk), config.segment_bytes, end, sizes, sealed);
    let gauge = Gauge::new(config);
    gauge.evidence_bytes.store(evidence::bytes(&files.unwrap_or_default()), Ordering::Relaxed);
    let shared = Arc::new(Shared::new(state, reader, meter, gauge));
    shared.journal_bytes.store(journal.bytes(), Ordering::Relaxed);
    shared.announce();
    let start = OpenError::io("start a thread for", &layout.root);
    let indexer = match Indexer::start(layout.index(), index, Arc::clone(&shared)) {
        Ok(indexer) => indexer,
        Err(error) => return Err(start(error)),
    };
    let (queue, receiver) = mpsc::channel(QUEUE_BATCHES);
    let writer = Writer {
        journal,
        shared: Arc::clone(&shared),
        queue: receiver,
        reserve: layout.reserve(),
        disk: Arc::clone(&disk),
        retry,
        kept: VecDeque::new(),
        indexer: Some(indexer),
        sinks,
        _lock: lock,
    };
    let thread = thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || {
            let _told = Ending(Arc::clone(&writer.shared));
            writer.run()
        })
        .map_err(start)?;
    let inner = Inner {
        queue,
        shared,
        layout,
        disk,
        config: config.clone(),
        thread: Mutex::new(Some(thread)),
        steady: Mutex::new(SteadyClock::default()),
    };
    Ok(Opened { store: Store { inner: Arc::new(inner) }, restored, report: told })
}

/// The index and what came after it, or the whole journal.
fn read_all(
    layout: &Layout,
    disk: &dyn Disk,
) -> Result<(Option<Index>, State, Recovered), OpenError> {
    let journal = layout.journal();
    let ground =
        Ground { journal: journal.clone(), quarantine: layout.quarantine(), repair: Some(disk) };
    let failed = || OpenError::io("read the journal in", &journal);
    let (mut floor, mut index_told) = (0, None);
    match index::load(&layout.index()) {
        Ok((index, mut state)) => {
            let checkpoint = state.checkpoint.clone();
            let place = checkpoint.as_ref().and_then(|c| Some((c, c.find(&journal)?)));
            if let Some((checkpoint, hash)) = place {
                let told = scrub(layout, checkpoint);
                let mut found = recover(
                    &ground,
                    Some((checkpoint, hash)),
                    checkpoint.seq,
                    &mut |seq, location, fact| state.apply(seq, location, &fact),
                )
                .map_err(failed())?;
                found.damaged += told.len();
                found.told.extend(told);
                state.checkpoint = Checkpoint::of(&found.end);
                return Ok((Some(index), state, found));
            }
            floor = checkpoint.map_or(0, |checkpoint| checkpoint.seq);
            index_told = Some("it does not fit the journal".to_owned());
        }
        Err(_) if !layout.index().exists() => {}
        Err(problem) => index_told = Some(problem),
    }
    let mut state = State::default();
    let mut found = recover(&ground, None, floor, &mut |seq, location, fact| {
        state.apply(seq, location, &fact);
    })
    .map_err(failed())?;
    if let Some(problem) = index_told.filter(|_| found.records > 0) {
        found.told.push(format!("the index was rebuilt from the journal: {problem}"));
    }
    let lost = state.ledger.balance();
    if lost > 0 {
        found.damaged += 1;
        found.told.push(format!(
            "{lost} deliveries can never be made: the disk destroyed their records (ledger: lost)"
        ));
    }
    state.checkpoint = Checkpoint::of(&found.end);
    Ok((None, state, found))
}

/// Looks through the newest part of what the index spares us reading.
fn scrub(layout: &Layout, checkpoint: &Checkpoint) -> Vec<String> {
    let (mut told, mut left) = (Vec::new(), SCRUB_BYTES);
    for number in (1..=checkpoint.location.segment).rev() {
        let path = segment_path(&layout.journal(), number);
        let Ok(mut bytes) = fs::read(&path) else { break };
        if number == checkpoint.location.segment {
            let location = checkpoint.location;
            bytes.truncate((location.offset + u64::from(location.len)) as usize);
        }
        let (_, damage) = format::walk(&bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), 0);
        told.extend(damage.iter().map(|damage| {
            format!(
                "{}: bytes {}..{} (after record {}) are damaged: {}; the rest is served",
                path.display(),
                damage.from,
                damage.to,
                damage.after_seq,
                damage.reason
            )
        }));
        left = left.saturating_sub(bytes.len() as u64);
        if left == 0 {
            break;
        }
    }
    told
}

/// A crash between `Retired` and the removal left segments behind that nothing needs (J7).
fn drop_retired(layout: &Layout, disk: &dyn Disk, state: &mut State, found: &mut Recovered) {
    let leaving: Vec<u64> =
        found.sizes.range(..=found.retired_through).map(|(&number, _)| number).collect();
    for number in leaving {
        if let Err(error) = disk.remove(&segment_path(&layout.journal(), number)) {
            tracing::warn!(%error, segment = number, "a retired segment cannot be removed; it will be tried again");
            return;
        }
        found.sizes.remove(&number);
    }
    if let Some((&oldest, _)) = found.sizes.first_key_value() {
        state.forget_segments(oldest - 1);
    }
}

/// Records that name files which are not there (P5).
fn missing_evidence(files: &[(EvidenceId, PathBuf)], state: &State) -> Vec<String> {
    let there: std::collections::HashSet<_> = files.iter().map(|(id, _)| *id).collect();
    let missing = state.evidence.keys().filter(|id| !there.contains(id));
    missing
        .map(|id| format!("evidence {id}: its file is missing; its records are served"))
        .collect()
}

fn restore(state: &State, reader: &Reader) -> Restored {
    let mut others = 0;
    let mut wanted = |brief: &&Brief| {
        if brief.finished || brief.top == Class::Emergency {
            return !brief.finished;
        }
        others += 1;
        others <= LIVE_MAX
    };
    let newest_first = state.by_age.values().rev().filter_map(|id| state.incidents.get(id));
    let forked = state.forked.map(|at| (at.segment, at.offset));
    let mut live: Vec<Record> = newest_first
        .filter(|brief| wanted(brief))
        .filter_map(|brief| match reader.read(brief.location) {
            Ok(fact) => {
                let mut record = fact.into_record()?;
                // Not changed since this folder came from a backup.
                if forked.is_some_and(|at| (brief.location.segment, brief.location.offset) < at) {
                    record.incident.revision += FORK_REVISIONS;
                }
                Some(record)
            }
            Err(error) => {
                tracing::error!(%error, "a live incident cannot be read back");
                None
            }
        })
        .collect();
    live.reverse();
    Restored {
        live,
        presses: state.presses.values().map(|held| held.value.clone()).collect(),
        replies: state.replies.values().map(|held| held.value.clone()).collect(),
        reports: state.gauges.values().map(|held| held.value.clone()).collect(),
        latest: state.latest,
    }
}
