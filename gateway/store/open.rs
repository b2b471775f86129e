//! Opening a store: lock, version, index or journal, and a sentence about everything that was found.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    Config, Inner, OpenError, Store, Subscriber,
    case_files::{self, CaseFiles},
    disk::{Disk, RealDisk},
    disk_space::DiskSpace,
    evidence,
    folder::{self, DataFolder},
    holds::Holds,
    index::{self, Index, Indexer},
    journal::{Journal, Reader, segment_path},
    keep::{EvidenceConfig, KeepRules},
    left::{Left, Trace},
    memory::Bounds,
    newer_words::{WritableForms, WrittenForm},
    recover::{Checkpoint, Recovered, RecoveryTarget, recover},
    restored::restore,
    scrub::scrub,
    shared::{Ending, Shared},
    state::State,
    tidy::SteadyClock,
    writer::{QUEUE_BATCHES, Writer},
};
use crate::domain::{EvidenceId, IncidentId, Meter, Record, SeenPress, SeenReport};

/// A box restored from a backup continues an incident so many revisions later: those between
/// may have been used by the box that the backup was taken of, and a receiver knows them.
pub(super) const FORK_REVISIONS: u32 = 1000;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A store, and what it remembers.
pub struct Opened {
    /// Ready for commits.
    pub store: Store,
    /// What rules and desk need again.
    pub restored: Restored,
    /// What recovery found and did, a sentence each; already logged.
    pub report: Vec<String>,
}

/// What rules and desk must know again after a restart.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Last whole state of incidents that are neither closed nor dismissed, or still active, oldest
    /// first: all emergencies, and of others the newest, within bounds that are told when they are met
    /// (`restored.rs`).
    pub live: Vec<Record>,
    /// Oldest first, at most 30,000. None is left out by age: only the desk knows the time.
    pub presses: Vec<SeenPress>,
    /// There may be older ones: [`Store::presses_taken`] knows them.
    pub older_presses: bool,
    /// Replies already taken, oldest first, at most 30,000.
    pub replies: Vec<(IncidentId, String)>,
    /// Reports of gauges of the last 25 h, oldest first, at most 200,000.
    pub reports: Vec<SeenReport>,
    /// The latest time that any record carries.
    pub latest: Option<Timestamp>,
}

/// What tests shrink or break.
pub(super) struct Tuning {
    /// First and longest wait between tries while the disk fails.
    pub(super) retry: (Duration, Duration),
    /// The real one, or one that fails.
    pub(super) disk: Arc<dyn Disk>,
    /// Formats and words.
    pub(super) written: WritableForms,
}

impl Default for Tuning {
    fn default() -> Self {
        let retry = (RETRY_FIRST, RETRY_MAX);
        Self { retry, disk: Arc::new(RealDisk), written: WritableForms::default() }
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

/// As [`open`], with what tests change.
pub(super) fn open_with(
    config: &Config,
    sinks: &[Subscriber],
    meter: Arc<dyn Meter>,
    tuning: Tuning,
) -> Result<Opened, OpenError> {
    begin(config, Some(sinks), meter, tuning)
}

/// Opens it for the same sinks as before: for commands that write a record into a folder that
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
    let data_folder = DataFolder::new(&config.path);
    let Tuning { retry, disk, written } = tuning;
    let (lock, format) = folder::enter(&data_folder, &*disk, &written)?;
    let knows = written.own;
    let form = WrittenForm::new(written, format);
    let unfinished = data_folder.unfinished();
    evidence::clear_unfinished(&data_folder).map_err(OpenError::io("clear", &unfinished))?;

    let bounds = Bounds::within(config.memory_max_bytes);
    let (index, mut state, found, evidence_bytes) =
        read_and_log(&data_folder, &*disk, (bounds, knows))?;
    let sinks = sinks.map_or_else(|| state.subscribers(), <[Subscriber]>::to_vec);
    let reader = Reader::new(data_folder.journal());
    let Recovered { end, sizes, sealed, mut notes, .. } = found;
    let restored = restore(&state, &reader, &mut notes);
    // What was read back is in the incidents: who watched a process before reads everything anew.
    state.changes.begin(end.seq);
    let folder = data_folder.journal();
    let journal = Journal::new(folder, Arc::clone(&disk), config.segment_bytes, end, sizes, sealed);
    let disk_space = DiskSpace::new(config);
    disk_space.shares.all_bytes.store(evidence_bytes, Ordering::Relaxed);
    let case_files = CaseFiles::open(&data_folder, config);
    let holds = Holds::read(&data_folder);
    let shared = Arc::new(Shared::new(state, reader, meter, disk_space, case_files, holds, form));
    shared.journal_bytes.store(journal.bytes(), Ordering::Relaxed);
    shared.announce();
    let (queue, receiver) = mpsc::channel(QUEUE_BATCHES);
    let writer = Writer {
        journal,
        shared: Arc::clone(&shared),
        queue: receiver,
        reserve: data_folder.reserve(),
        disk: Arc::clone(&disk),
        retry,
        unwritten: VecDeque::new(),
        indexer: None,
        sinks,
        kept: None,
        _lock: lock,
    };
    let thread = start_threads(&data_folder, writer, index)?;
    let inner = Inner {
        exporting: Mutex::default(),
        keep: Mutex::new(KeepRules::of(&EvidenceConfig::default(), config.evidence_days)),
        queue,
        shared,
        data_folder,
        disk,
        config: config.clone(),
        thread: Mutex::new(Some(thread)),
        steady: Mutex::new(SteadyClock::default()),
    };
    Ok(Opened { store: Store { inner: Arc::new(inner) }, restored, report: notes })
}

/// Reads everything back and logs what was found: index, state, findings, and bytes of evidence.
fn read_and_log(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    (bounds, knows): (Bounds, u32),
) -> Result<(Option<Index>, State, Recovered, u64), OpenError> {
    let began = Instant::now();
    let (index, mut state, mut found) = read_all(data_folder, disk, (bounds, knows))?;
    drop_retired(data_folder, disk, &mut state, &mut found);
    // Listed once: for what is missing, and for the space that it takes.
    let files = evidence::files(data_folder).ok();
    found.notes.extend(files.iter().flat_map(|files| missing_evidence(files, &state)));
    for line in &found.notes {
        tracing::warn!(folder = %data_folder.root.display(), "{line}");
    }
    tracing::info!(
        records = found.records,
        indexed = index.is_some(),
        pending = state.due.pending.len(),
        ms = began.elapsed().as_millis(),
        "store opened"
    );
    Ok((index, state, found, evidence::bytes(&files.unwrap_or_default())))
}

/// Starts the thread of the index and that of the writer, and returns the writer's.
fn start_threads(
    data_folder: &DataFolder,
    mut writer: Writer,
    index: Option<Index>,
) -> Result<JoinHandle<bool>, OpenError> {
    let failed = || OpenError::io("start a thread for", &data_folder.root);
    let shared = Arc::clone(&writer.shared);
    let indexer = Indexer::start(data_folder.index(), index, shared).map_err(failed())?;
    writer.indexer = Some(indexer);
    thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || {
            let _ending = Ending(Arc::clone(&writer.shared));
            writer.run()
        })
        .map_err(failed())
}

/// The index and what came after it, or the whole journal. `knows`: the newest format that this program knows.
fn read_all(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    (bounds, knows): (Bounds, u32),
) -> Result<(Option<Index>, State, Recovered), OpenError> {
    let journal = data_folder.journal();
    let target = RecoveryTarget {
        journal: journal.clone(),
        quarantine: data_folder.quarantine(),
        repair: Some(disk),
    };
    let failed = || OpenError::io("read the journal in", &journal);
    let (mut floor, mut index_problem) = (0, None);
    let through = case_files::read_through(data_folder).map(|through| through.location);
    let begun = || State { bounds, knows, left: Left::lined(through), ..State::default() };
    match index::load(&data_folder.index(), begun()) {
        Ok((index, mut state)) => {
            let checkpoint = state.checkpoint.clone();
            let place = checkpoint.as_ref().and_then(|c| Some((c, c.find(&journal)?)));
            let readable = state.is_readable_now(&Reader::new(journal.clone()));
            if let Some((checkpoint, hash)) = place.filter(|_| !readable) {
                let notes = scrub(&journal, checkpoint);
                let on_disk = index.on_disk();
                let mut found = recover(
                    &target,
                    Some((checkpoint, hash)),
                    checkpoint.seq,
                    &mut |seq, location, fact| {
                        let missing = state.is_missing(&fact);
                        let trace = |id| Some((id, Trace::of(&on_disk.brief(id)?)));
                        state.older = missing.and_then(trace).into_iter().collect();
                        state.apply(seq, location, &fact);
                    },
                )
                .map_err(failed())?;
                found.damaged += notes.len();
                found.notes.extend(notes);
                state.older.clear();
                state.checkpoint = Checkpoint::of(&found.end);
                return Ok((Some(index), state, found));
            }
            floor = checkpoint.map_or(0, |checkpoint| checkpoint.seq);
            index_problem = Some(match readable {
                true => "the version before could not read all records".to_owned(),
                false => "it does not fit the journal".to_owned(),
            });
        }
        Err(_) if !data_folder.index().exists() => {}
        Err(problem) => index_problem = Some(problem),
    }
    let mut state = begun();
    let mut found = recover(&target, None, floor, &mut |seq, location, fact| {
        state.apply(seq, location, &fact);
    })
    .map_err(failed())?;
    if let Some(problem) = index_problem.filter(|_| found.records > 0) {
        found.notes.push(format!("the index was rebuilt from the journal: {problem}"));
    }
    let lost = state.ledger.balance();
    if lost > 0 {
        found.damaged += 1;
        found.notes.push(format!(
            "{lost} deliveries can never be made: the disk destroyed their records (ledger: lost)"
        ));
    }
    state.checkpoint = Checkpoint::of(&found.end);
    Ok((None, state, found))
}

/// A crash between `Retired` and the removal left segments behind that nothing needs (J7).
fn drop_retired(
    data_folder: &DataFolder,
    disk: &dyn Disk,
    state: &mut State,
    found: &mut Recovered,
) {
    let leaving: Vec<u64> =
        found.sizes.range(..=found.retired_through).map(|(&number, _)| number).collect();
    for number in leaving {
        if let Err(error) = disk.remove(&segment_path(&data_folder.journal(), number)) {
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
