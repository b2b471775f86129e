//! Updates that pile up: bounded for each sink, whatever comes in whatever order, and each sink ends with the newest.
//!
//! `GRIDPOST_SEED=<number>` replays one run; `GRIDPOST_RUNS=<number>` makes more of them.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::tempdir;

use super::{
    disk::RealDisk,
    fake_disk::FakeDisk,
    open::open_with,
    superseded::{UPDATES_OWED_MAX, may_yield},
    tests::{change, deliver, due, new_store, noon, put, record, reopen, settled, sink, tuning},
    *,
};
use crate::domain::{NoMeter, Outcome, Severity, What};

const SINKS: [&str; 2] = ["a", "b"];
const KEPT: u64 = UPDATES_OWED_MAX as u64;

fn revisions(store: &Store, name: &str, lane: Lane) -> Vec<u32> {
    due(store, name, lane).iter().map(|due| due.record.incident.revision).collect()
}

#[test]
fn p2_p4_p11_of_updates_that_pile_up_the_newest_are_owed_and_the_first_and_every_step() {
    let (folder, store) = new_store(&SINKS);
    let (id, other) = (IncidentId::new(), IncidentId::new());
    let severity = Severity::EMERGENCY;
    put(&store, vec![change(record(id, 1, severity)), change(record(other, 1, severity))]);
    // Sink `b` has it in hand while all the others come.
    let in_hand = store.try_next_due(&sink("b"), Lane::Emergency).unwrap();
    assert_eq!(in_hand.record.incident.id, id);
    for revision in 2..=200 {
        let mut next = record(id, revision, severity);
        match revision {
            50 => next.what = What::Accepted,
            60 => drop(next.incident.detail.insert("news".into(), vec![1].into())),
            _ => {}
        }
        put(&store, vec![change(next)]);
    }
    let newest = (200 - UPDATES_OWED_MAX as u32)..=200;
    let owed: Vec<u32> = [1, 50, 60].into_iter().chain(newest).collect();
    let of = |all: &[u32]| {
        let mut all = all.to_vec();
        all.sort_unstable();
        all
    };
    let mut both = owed.clone();
    both.push(1);
    assert_eq!(of(&revisions(&store, "a", Lane::Emergency)), of(&both));
    store.release(&sink("b"), in_hand.seq);
    assert_eq!(of(&revisions(&store, "b", Lane::Emergency)), of(&both));
    let sums = store.ledger().of(&sink("a"));
    let pending = both.len() as u64;
    let superseded = 201 - pending;
    assert_eq!(sums, Sums { accepted: 201, pending, superseded, ..Sums::default() });
    // Nobody else may say so of what is more than an update.
    let opened = due(&store, "a", Lane::Emergency)[0].seq;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(store.settle(settled("a", opened, Outcome::Superseded)));
    assert_eq!(refused, Err(SettleError::EmergencyKept));
    let ledger = store.ledger();
    store.close_blocking().unwrap();
    for index in ["kept", "deleted"] {
        if index == "deleted" {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let store = reopen(folder.path(), &SINKS).store;
        assert_eq!(store.ledger(), ledger, "{index}");
        store.close_blocking().unwrap();
    }
    assert!(check(folder.path()).sound, "{:?}", check(folder.path()));
    assert_eq!(read_ledger(folder.path()).unwrap(), ledger);
}

#[test]
fn p2_a_sink_that_is_owed_nothing_new_keeps_the_newest_that_it_is_owed() {
    let (_folder, store) = new_store(&SINKS);
    let id = IncidentId::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let updates = |from: u32, to: u32| {
        for revision in from..=to {
            put(&store, vec![change(record(id, revision, Severity::ALERT))]);
        }
    };
    updates(1, 100);
    runtime.block_on(store.set_sinks(vec![sink("b").into()]));
    updates(101, 200);
    let of_a = revisions(&store, "a", Lane::Bulk);
    assert!(of_a.contains(&1) && of_a.contains(&100) && !of_a.contains(&101), "{of_a:?}");
    assert_eq!(revisions(&store, "b", Lane::Bulk).last(), Some(&200));
}

/// As a button gone mad leaves it while a sink is away, with bounds on disk that are reached soon.
#[test]
fn p11_very_many_updates_take_bounded_room_in_the_queue_and_on_disk() {
    const UPDATES: u32 = 20_000;
    let folder = tempdir().unwrap();
    let config = Config {
        min_free_bytes: 0,
        segment_bytes: 256 << 10,
        max_bytes: 1 << 20,
        ..Config::at(folder.path())
    };
    let sinks = SINKS.map(|name| sink(name).into());
    let disk = || tuning(Arc::new(RealDisk));
    let store = open_with(&config, &sinks, Arc::new(NoMeter), disk()).unwrap().store;
    let id = IncidentId::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for revision in 1..=UPDATES {
        let entries = vec![change(record(id, revision, Severity::EMERGENCY))];
        runtime.block_on(store.commit(Batch { entries, receipts: Vec::new() }));
    }
    put(&store, vec![]);
    let piled = store.ledger().of(&sink("a")).pending;
    // What was in the writer's queue when the last came is not counted yet.
    let queued = 2 * super::writer::QUEUE_BATCHES as u64;
    assert!(piled <= KEPT + 2 + queued, "{piled} are owed");
    for revision in UPDATES + 1..=UPDATES + 100 {
        put(&store, vec![change(record(id, revision, Severity::EMERGENCY))]);
    }
    let sums = store.ledger().of(&sink("a"));
    assert_eq!(sums.pending, KEPT + 2, "{sums:?}");
    let bytes = store.space().journal_bytes;
    println!("{UPDATES} updates: {piled} owed at the end of the flood, {bytes} bytes of journal");
    assert!(bytes <= config.max_bytes + 2 * config.segment_bytes, "{bytes} bytes");
    deliver(&store, "b", due(&store, "b", Lane::Emergency)[0].seq);
    let ledger = store.ledger();
    store.close_blocking().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open_with(&config, &sinks, Arc::new(NoMeter), disk()).unwrap().store;
    assert_eq!(store.ledger(), ledger);
    assert_eq!(revisions(&store, "a", Lane::Emergency).first(), Some(&1));
    assert_eq!(revisions(&store, "a", Lane::Emergency).last(), Some(&(UPDATES + 100)));
}

/// What was made of an incident, and what each sink got of it.
struct Case {
    id: IncidentId,
    severity: Severity,
    /// Revision, and whether a newer one may stand for it.
    made: Vec<(u32, bool)>,
    got: BTreeMap<&'static str, Vec<u32>>,
}

struct Model {
    seed: u64,
    rng: StdRng,
    cases: Vec<Case>,
}

#[test]
fn p2_p4_whatever_the_sequence_each_sink_ends_with_the_newest_the_first_and_every_step() {
    let env = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = env("GRIDPOST_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 40));
    let runs = env("GRIDPOST_SEED").map_or(env("GRIDPOST_RUNS").unwrap_or(12), |_| 1);
    let mut superseded = 0;
    for seed in first..first + runs {
        println!("GRIDPOST_SEED={seed}");
        superseded += Model::new(seed).run();
    }
    assert!(superseded > 0, "nothing was superseded: nothing is proved");
}

impl Model {
    fn new(seed: u64) -> Self {
        let severities = [Severity::EMERGENCY, Severity::NOTICE];
        let case = |severity| Case {
            id: IncidentId::new(),
            severity,
            made: Vec::new(),
            got: SINKS.iter().map(|&name| (name, Vec::new())).collect(),
        };
        let cases = severities.into_iter().map(case).collect();
        Self { seed, rng: StdRng::seed_from_u64(seed), cases }
    }

    fn open(&self, folder: &Path, disk: Arc<FakeDisk>) -> Store {
        let sinks = SINKS.map(|name| sink(name).into());
        let config = Config {
            min_free_bytes: 0,
            segment_bytes: 16 << 10,
            max_bytes: 96 << 10,
            ..Config::at(folder)
        };
        open_with(&config, &sinks, Arc::new(NoMeter), tuning(disk)).unwrap().store
    }

    /// How many were superseded.
    fn run(&mut self) -> u64 {
        let folder = tempdir().unwrap();
        for _ in 0..5 {
            self.live(folder.path());
        }
        let store = self.open(folder.path(), Arc::new(FakeDisk::new(1)));
        self.survivors(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for name in SINKS {
            for lane in [Lane::Emergency, Lane::Bulk] {
                while let Some(due) = store.try_next_due(&sink(name), lane) {
                    self.got(name, &due.record);
                    let done = settled(name, due.seq, Outcome::Delivered);
                    runtime.block_on(store.settle(done)).unwrap();
                }
            }
        }
        store.commit_blocking(Batch::default()).unwrap();
        let seed = self.seed;
        for case in &self.cases {
            for (name, got) in &case.got {
                let newest = case.made.last().map(|(revision, _)| revision);
                assert_eq!(got.iter().max(), newest, "seed {seed}: {name} ends with the newest");
                let missing = case.made.iter().find(|(revision, may_yield)| {
                    (!may_yield || *revision == 1) && !got.contains(revision)
                });
                assert_eq!(missing, None, "seed {seed}: {name} never got it");
            }
        }
        let ledger = store.ledger();
        assert!(ledger.holds(), "seed {seed}: {ledger:?}");
        let sums = SINKS.map(|name| ledger.of(&sink(name)));
        assert!(sums.iter().all(|sums| (sums.pending, sums.lost) == (0, 0)), "seed {seed}");
        store.close_blocking().unwrap();
        let report = check(folder.path());
        assert!(report.sound, "seed {seed}: {report:?}");
        assert_eq!(read_ledger(folder.path()).unwrap(), ledger, "seed {seed}");
        sums.iter().map(|sums| sums.superseded).sum()
    }

    fn live(&mut self, folder: &Path) {
        let disk = Arc::new(FakeDisk::new(self.rng.random()));
        let store = self.open(folder, disk.clone());
        self.survivors(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        disk.die_after(self.rng.random_range(50..600));
        let eager = self.rng.random_bool(0.3);
        // What each sink was given in this life, by incident: in the order of revisions.
        let mut given: BTreeMap<(&str, IncidentId), u32> = BTreeMap::new();
        for _ in 0..self.rng.random_range(50..250) {
            if self.rng.random_bool(0.8) {
                let entries = vec![change(self.next_change())];
                runtime.block_on(store.commit(Batch { entries, receipts: Vec::new() }));
                if self.rng.random_bool(0.3) && store.is_available().is_ok() {
                    // The writer has its turn: what is pending is known.
                    let _ = store.commit_blocking(Batch::default());
                }
                continue;
            }
            // One of them is slower.
            let name = SINKS[usize::from(!eager && self.rng.random_bool(0.2))];
            let lane = [Lane::Emergency, Lane::Bulk][self.rng.random_range(0..2)];
            for _ in 0..self.rng.random_range(1..4) {
                let Some(due) = store.try_next_due(&sink(name), lane) else { break };
                let incident = &due.record.incident;
                if self.rng.random_bool(0.3) {
                    store.release(&sink(name), due.seq);
                    break;
                }
                let before = given.insert((name, incident.id), incident.revision);
                assert!(before < Some(incident.revision), "seed {}: order", self.seed);
                self.got(name, &due.record);
                let done = settled(name, due.seq, Outcome::Delivered);
                runtime.block_on(store.settle(done)).unwrap();
            }
            assert!(store.ledger().holds(), "seed {}", self.seed);
        }
        disk.die_after(self.rng.random_range(1..4));
        drop(store.close_blocking());
        drop(store);
        disk.cut();
        if self.rng.random_bool(0.3) {
            fs::remove_dir_all(folder.join("index")).unwrap();
        }
    }

    fn next_change(&mut self) -> Record {
        let at = self.rng.random_range(0..self.cases.len());
        let case = &mut self.cases[at];
        let revision = case.made.last().map_or(0, |(revision, _)| *revision) + 1;
        let mut record = record(case.id, revision, case.severity);
        match self.rng.random_range(0..20) {
            0 if revision > 1 => record.what = What::Accepted,
            1 => drop(record.incident.detail.insert("news".into(), vec![revision].into())),
            _ => {}
        }
        record.incident.changed_at = noon();
        case.made.push((revision, may_yield(&record)));
        record
    }

    fn got(&mut self, name: &'static str, record: &Record) {
        let incident = &record.incident;
        let case = self.cases.iter_mut().find(|case| case.id == incident.id).unwrap();
        case.got.get_mut(name).unwrap().push(incident.revision);
    }

    /// What a power cut took was never acknowledged, and nobody got it.
    fn survivors(&mut self, store: &Store) {
        for case in &mut self.cases {
            let newest = store.incident(case.id).map_or(0, |record| record.incident.revision);
            case.made.retain(|(revision, _)| *revision <= newest);
            let early = case.got.values().flatten().find(|revision| **revision > newest);
            assert_eq!(early, None, "seed {}: got what was not on disk", self.seed);
        }
    }
}
