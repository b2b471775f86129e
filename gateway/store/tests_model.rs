//! Random accepts, deliveries, faults, power cuts and restarts against a simple model (P1, P2, P4).
//!
//! `GRIDPOST_SEED=<number>` replays one run; `GRIDPOST_RUNS=<number>` makes more of them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::tempdir;

use super::{
    fake_disk::{EIO, ENOSPC, FakeDisk, Op},
    open::open_with,
    tests::{KIND, change, press, record, settled, sink, tuning},
    *,
};
use crate::domain::{NoMeter, Outcome, Severity, Stage};

const SINKS: [&str; 2] = ["a", "b"];
const LIVES: usize = 6;

/// One batch as it was handed over, in order.
struct Sent {
    events: Vec<String>,
}

struct Model {
    seed: u64,
    rng: StdRng,
    sent: Vec<Sent>,
    /// Numbers of batches that were acknowledged.
    acked: Arc<Mutex<Vec<usize>>>,
    /// What each receiver got, how often.
    got: BTreeMap<&'static str, HashMap<String, u32>>,
    /// Revision last made, by incident.
    incidents: Vec<(IncidentId, u32, Severity)>,
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn p1_p2_p4_whatever_happens_the_store_agrees_with_the_model() {
    let runs = env("GRIDPOST_RUNS").unwrap_or(12);
    let first = env("GRIDPOST_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 40));
    for seed in first..first + if env("GRIDPOST_SEED").is_some() { 1 } else { runs } {
        println!("GRIDPOST_SEED={seed}");
        run(seed);
    }
}

fn run(seed: u64) {
    let folder = tempdir().unwrap();
    let mut model = Model {
        seed,
        rng: StdRng::seed_from_u64(seed),
        sent: Vec::new(),
        acked: Arc::default(),
        got: SINKS.iter().map(|&name| (name, HashMap::new())).collect(),
        incidents: Vec::new(),
    };
    for life in 0..LIVES {
        model.live(folder.path(), life);
    }
    model.last_life(folder.path());
}

impl Model {
    fn open(&mut self, folder: &Path, disk: Arc<FakeDisk>) -> Store {
        let sinks = SINKS.map(|name| sink(name).into());
        let config = Config { max_bytes: 48 << 10, min_free_bytes: 0, ..Config::at(folder) };
        let opened = open_with(&config, &sinks, Arc::new(NoMeter), tuning(disk)).unwrap();
        let damage = opened.report.iter().find(|line| {
            line.contains("damaged") || line.contains("missing") || line.contains("gone")
        });
        assert_eq!(damage, None, "seed {}: a power cut is no damage", self.seed);
        opened.store
    }

    /// Opens, works, and loses power.
    fn live(&mut self, folder: &Path, life: usize) {
        let disk = Arc::new(FakeDisk::new(self.rng.random()));
        let store = self.open(folder, disk.clone());
        if life > 0 {
            self.compare(&store);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        disk.die_after(self.rng.random_range(5..300));
        for _ in 0..self.rng.random_range(20..120) {
            match self.rng.random_range(0..10) {
                0..5 => self.send(&store, &runtime),
                5..7 => self.deliver(&store, &runtime),
                7 if self.rng.random_bool(0.3) => {
                    // An answer only comes if the disk works.
                    let _ = store.retry(None, None, super::tests::noon());
                }
                7 => self.deliver(&store, &runtime),
                8 => {
                    let op =
                        [Op::Write, Op::Sync, Op::Create, Op::Folder][self.rng.random_range(0..4)];
                    let errno = [ENOSPC, EIO][self.rng.random_range(0..2)];
                    disk.fail(op, self.rng.random_range(1..4), errno);
                }
                _ => assert!(store.ledger().holds(), "seed {}", self.seed),
            }
            if self.rng.random_bool(0.2) {
                std::thread::yield_now();
            }
        }
        disk.die_after(self.rng.random_range(1..4));
        drop(store.close_blocking());
        drop(store);
        disk.cut();
        self.harm_index(folder);
    }

    fn harm_index(&mut self, folder: &Path) {
        let index = folder.join("index");
        match self.rng.random_range(0..4) {
            0 => fs::remove_dir_all(&index).unwrap(),
            1 if index.join("db").exists() => {
                let mut bytes = fs::read(index.join("db")).unwrap();
                if !bytes.is_empty() {
                    let at = self.rng.random_range(0..bytes.len());
                    bytes[at] ^= 1 << self.rng.random_range(0..8);
                    fs::write(index.join("db"), bytes).unwrap();
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, store: &Store, runtime: &tokio::runtime::Runtime) {
        let number = self.sent.len();
        let mut entries = Vec::new();
        let mut events = Vec::new();
        if self.rng.random_bool(0.1) {
            entries.push(press(&number.to_string()));
        }
        for _ in 0..self.rng.random_range(0..4) {
            let record = self.next_change();
            events.push(record.event_id());
            entries.push(change(record));
        }
        self.sent.push(Sent { events });
        let acked = Arc::clone(&self.acked);
        let note = move |answer| {
            if matches!(answer, Answer::Stored) {
                acked.lock().unwrap().push(number);
            }
        };
        let receipts = vec![(Receipt::new(note), Answer::Stored)];
        runtime.block_on(store.commit(Batch { entries, receipts }));
    }

    fn next_change(&mut self) -> Record {
        let old = if self.incidents.is_empty() || self.rng.random_bool(0.5) {
            let severity = [Severity::EMERGENCY, Severity::ALERT, Severity::NOTICE];
            self.incidents.push((IncidentId::new(), 0, severity[self.rng.random_range(0..3)]));
            self.incidents.len() - 1
        } else {
            self.rng.random_range(0..self.incidents.len())
        };
        let (id, revision, severity) = &mut self.incidents[old];
        *revision += 1;
        let mut record = record(*id, *revision, *severity);
        if self.rng.random_bool(0.5) {
            record.incident.stage = Stage::Closed;
        }
        record
    }

    fn deliver(&mut self, store: &Store, runtime: &tokio::runtime::Runtime) {
        let name = SINKS[self.rng.random_range(0..2)];
        let lane = if self.rng.random_bool(0.5) { Lane::Emergency } else { Lane::Bulk };
        for _ in 0..self.rng.random_range(1..8) {
            let Some(due) = store.try_next_due(&sink(name), lane) else { return };
            if self.rng.random_bool(0.2) {
                store.release(&sink(name), due.seq);
                return;
            }
            let refused = self.rng.random_bool(0.1);
            if refused {
                let dead = Outcome::Dead { answer: "422".into() };
                let taken = runtime.block_on(store.settle(settled(name, due.seq, dead)));
                assert_eq!(taken.is_err(), due.class == Class::Emergency, "seed {}", self.seed);
                if taken.is_ok() {
                    continue;
                }
            }
            *self.got.get_mut(name).unwrap().entry(due.record.event_id()).or_default() += 1;
            runtime.block_on(store.settle(settled(name, due.seq, Outcome::Delivered))).unwrap();
        }
    }

    /// Events that this sink refused and that could be sent again.
    fn dead(store: &Store, name: &str) -> HashSet<String> {
        let state = lock(&store.inner.shared.state);
        let letters = state.dead.values().filter(|l| l.answers.contains_key(&sink(name)));
        let read = |letter: &super::dead::DeadLetter| {
            let fact = store.inner.shared.reader.read(letter.location).unwrap();
            fact.into_record().unwrap().event_id()
        };
        letters.map(read).collect()
    }

    /// After a power cut: what is there is a prefix of what was handed over, whole batches,
    /// and nothing acknowledged is missing. What did not survive is forgotten by the model.
    fn compare(&mut self, store: &Store) {
        let seed = self.seed;
        let ledger = store.ledger();
        assert!(ledger.holds(), "seed {seed}: {ledger:?}");
        let there = ledger.accepted.get(&KIND).copied().unwrap_or(0) as usize;
        let (mut batches, mut events) = (0, 0);
        let needed = self.acked.lock().unwrap().iter().max().map_or(0, |&number| number + 1);
        while batches < self.sent.len() && (events < there || batches < needed) {
            events += self.sent[batches].events.len();
            batches += 1;
        }
        assert_eq!(
            events,
            there,
            "seed {seed}: whole batches, and every acknowledged one ({needed} of {})",
            self.sent.len()
        );
        self.sent.truncate(batches);
        let survivors: HashSet<&String> = self.sent.iter().flat_map(|sent| &sent.events).collect();
        for name in SINKS {
            let pending: HashSet<String> = [Lane::Emergency, Lane::Bulk]
                .into_iter()
                .flat_map(|lane| super::tests::due(store, name, lane))
                .map(|due| due.record.event_id())
                .collect();
            assert_eq!(pending.len() as u64, ledger.of(&sink(name)).pending, "seed {seed}");
            let dead = Self::dead(store, name);
            assert_eq!(dead.len() as u64, ledger.of(&sink(name)).dead, "seed {seed}");
            for event in &survivors {
                let got = self.got[name].contains_key(*event);
                let kept = pending.contains(*event) || dead.contains(*event);
                assert!(got || kept, "seed {seed}: {event} is lost to {name}");
            }
            let strangers = pending.iter().find(|event| !survivors.contains(event));
            assert_eq!(strangers, None, "seed {seed}");
            let early = self.got[name].keys().find(|event| !survivors.contains(event));
            assert_eq!(early, None, "seed {seed}: {name} got what was not on disk");
        }
        // Revisions that were never written are given again.
        for (id, revision, _) in &mut self.incidents {
            let id = id.to_string();
            let of = survivors.iter().filter(|event| event.starts_with(&id));
            *revision = of.count() as u32;
        }
        self.incidents.retain(|(_, revision, _)| *revision > 0);
    }

    /// No more faults: everything arrives, and the offline check agrees.
    fn last_life(&mut self, folder: &Path) {
        let seed = self.seed;
        let store = self.open(folder, Arc::new(FakeDisk::new(1)));
        self.compare(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        store.retry(None, None, super::tests::noon()).unwrap();
        for name in SINKS {
            for lane in [Lane::Emergency, Lane::Bulk] {
                while let Some(due) = store.try_next_due(&sink(name), lane) {
                    *self.got.get_mut(name).unwrap().entry(due.record.event_id()).or_default() += 1;
                    let done = settled(name, due.seq, Outcome::Delivered);
                    runtime.block_on(store.settle(done)).unwrap();
                }
            }
        }
        store.commit_blocking(Batch::default()).unwrap();
        let ledger = store.ledger();
        for name in SINKS {
            let sums = ledger.of(&sink(name));
            assert_eq!((sums.pending, sums.dead, sums.lost), (0, 0, 0), "seed {seed}");
            assert_eq!(sums.accepted as usize, self.got[name].len(), "seed {seed}");
        }
        store.close_blocking().unwrap();
        let report = check(folder);
        assert!(report.sound, "seed {seed}: {report:?}");
        assert_eq!(read_ledger(folder).unwrap(), ledger, "seed {seed}");
    }
}
