//! What happens in the city, second by second: cases, replies, restarts. Everything comes from one seed.

use std::{
    collections::{BTreeMap, BinaryHeap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gridpost::{
    domain::{
        Answer, Body, Entry, Finding, IdMint, IncidentId, NoMeter, Now, Observation, Record, Reply,
        Stamp,
    },
    incident::{Desk, Directory, Effects},
    store::{self, Batch, Config, Opened, Store},
};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    count::Count,
    officers::{self, Seen, after, until_somebody_looks},
    told::{self, Told},
    town,
};

/// Reported in the reference year.
const CASES_A_YEAR: f64 = 30_528.0;
const DAY_MS: i64 = 86_400_000;
/// A Monday, at midnight of the site.
pub(super) const BEGIN: &str = "2026-03-01T16:00:00Z";
/// The desk's time passes at least so often.
const TICK_MS: i64 = 60_000;
/// Lines of what is over are written so often.
const KEEP_LINES_MS: i64 = 6 * 3_600_000;
/// Nothing new comes any more, and people go on with what is open.
const DRAIN_DAYS: i64 = 14;

/// What is played.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) days: u64,
    /// Times the rate of the reference year.
    pub(super) rate: u64,
    pub(super) seed: u64,
    /// Bytes: of memory, of the journal, of a segment.
    pub(super) bounds: (u64, u64, u64),
    /// Two are told of everything.
    pub(super) are_told: bool,
}

/// What came to pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) taken: u64,
    pub(super) refused: u64,
    pub(super) again: u64,
    pub(super) stops: u64,
    pub(super) kills: u64,
}

/// What a gateway left: `data` in the folder, and the time that it was.
pub(super) struct Kept {
    pub(super) folder: tempfile::TempDir,
    pub(super) wall: Timestamp,
    pub(super) cases: u64,
    pub(super) open: u64,
}

#[derive(Clone)]
pub(super) enum Event {
    Happens,
    Looks(IncidentId),
    Reopens(IncidentId),
    Arrives(Box<Reply>),
    Observed(Box<Observation>),
    Ends(Box<Finding>),
    Restart,
}

/// By time, and of one time in the order in which they were planned.
struct Planned(i64, u64, Event);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.0, other.1).cmp(&(self.0, self.1))
    }
}

/// The city, its gateway, and what we know of both.
pub(super) struct Play {
    pub(super) plan: Plan,
    pub(super) random: StdRng,
    pub(super) folder: tempfile::TempDir,
    pub(super) data: PathBuf,
    pub(super) lives: u32,
    pub(super) store: Store,
    pub(super) desk: Desk,
    pub(super) directory: Directory,
    /// Milliseconds since the beginning; and when this process began.
    pub(super) at_ms: i64,
    pub(super) born_ms: i64,
    pub(super) kept_ms: i64,
    heap: BinaryHeap<Planned>,
    pub(super) planned: u64,
    pub(super) happens: bool,
    /// Not written yet, and what it came of.
    pub(super) entries: Vec<Entry>,
    pub(super) unacknowledged: Vec<Observation>,
    pub(super) seen: BTreeMap<IncidentId, Seen>,
    /// Ids of replies whose step is in the journal.
    pub(super) steps: HashMap<(IncidentId, String), u32>,
    pub(super) count: Count,
    pub(super) told: Told,
    pub(super) tally: Tally,
}

fn settings(path: &Path, plan: Plan) -> Config {
    let (memory_max_bytes, max_bytes, segment_bytes) = plan.bounds;
    let min_free_bytes = 1 << 20;
    Config { memory_max_bytes, max_bytes, segment_bytes, min_free_bytes, ..Config::at(path) }
}

fn is_of_persons(observation: &Observation) -> bool {
    matches!(observation.body, Body::Press(_) | Body::Reply(_))
}

impl Play {
    pub(super) fn begin(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data-0");
        let opened = store::open(
            &settings(&data, plan),
            &told::subscribers(plan.are_told),
            Arc::new(NoMeter),
        )
        .unwrap();
        let directory = town::directory();
        let mut play = Self {
            plan,
            random: StdRng::seed_from_u64(plan.seed),
            folder,
            data,
            lives: 0,
            store: opened.store,
            desk: Desk::new(directory.clone(), IdMint::new([0; 32])),
            directory,
            at_ms: 0,
            born_ms: 0,
            kept_ms: 0,
            heap: BinaryHeap::new(),
            planned: 0,
            happens: true,
            entries: Vec::new(),
            unacknowledged: Vec::new(),
            seen: BTreeMap::new(),
            steps: HashMap::new(),
            count: Count::default(),
            told: Told::default(),
            tally: Tally::default(),
        };
        play.plan_in(0.0, Event::Happens);
        play.plan_restart();
        play
    }

    pub(super) fn now(&self) -> Now {
        let begin: Timestamp = BEGIN.parse().unwrap();
        let mono_ms = u64::try_from(self.at_ms - self.born_ms).unwrap() + 1_000;
        Now { wall: begin + SignedDuration::from_millis(self.at_ms), mono_ms }
    }

    pub(super) fn cases(&self) -> u64 {
        self.count.cases()
    }

    pub(super) fn open(&self) -> u64 {
        self.seen.len() as u64
    }

    pub(super) fn plan_in(&mut self, seconds: f64, event: Event) {
        self.planned += 1;
        let at_ms = self.at_ms + (seconds * 1000.0) as i64 + 1;
        self.heap.push(Planned(at_ms, self.planned, event));
    }

    fn plan_restart(&mut self) {
        let mean = (self.plan.days as f64 / 10.0).max(0.4) * 86_400.0;
        let seconds = after(&mut self.random, mean);
        self.plan_in(seconds, Event::Restart);
    }

    /// All days of the plan.
    pub(super) fn happen(&mut self) {
        self.go_until(self.plan.days as i64 * DAY_MS);
    }

    /// Two weeks in which nothing new comes.
    pub(super) fn drain(&mut self) {
        self.happens = false;
        self.go_until(self.at_ms + DRAIN_DAYS * DAY_MS);
    }

    fn go_until(&mut self, end_ms: i64) {
        let mut tick_ms = self.at_ms;
        while self.at_ms < end_ms {
            tick_ms += TICK_MS;
            while self.heap.peek().is_some_and(|next| next.0 < tick_ms) {
                let Some(Planned(at_ms, _, event)) = self.heap.pop() else { break };
                self.at_ms = self.at_ms.max(at_ms);
                self.take(event);
            }
            // A restart took longer.
            tick_ms = tick_ms.max(self.at_ms);
            self.at_ms = tick_ms;
            // As often as there is something to tell: a running desk does it every quarter of a second.
            loop {
                let before = self.entries.len();
                let effects = self.desk.tick(self.now(), Vec::new());
                self.entries.extend(effects.entries);
                if self.entries.len() == before {
                    break;
                }
            }
            self.commit();
            if self.plan.are_told {
                let part = self.at_ms as f64 / (self.plan.days as i64 * DAY_MS) as f64;
                let at = self.now().wall;
                self.told.deliver(&self.store, &mut self.random, (part, at));
            }
            if self.at_ms - self.kept_ms >= KEEP_LINES_MS {
                self.kept_ms = self.at_ms;
                self.store.keep_case_lines().unwrap();
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Happens => {
                if self.happens {
                    self.something_happens();
                    let mean = 365.0 * 86_400.0 / (CASES_A_YEAR * self.plan.rate as f64);
                    let seconds = after(&mut self.random, mean);
                    self.plan_in(seconds, Event::Happens);
                }
            }
            Event::Looks(id) => self.somebody_looks(id),
            Event::Reopens(id) => {
                let reply = officers::reopen(&mut self.random, id);
                self.send(reply);
            }
            Event::Arrives(reply) => self.says("grid", Body::Reply(*reply)),
            Event::Observed(mut observation) => {
                observation.stamp = Stamp::of_gateway(self.now());
                self.observe(*observation);
            }
            Event::Ends(finding) => {
                let now = self.now();
                let mut finding = *finding;
                finding.at = now.wall;
                let effects = self.desk.tick(now, vec![finding]);
                self.entries.extend(effects.entries);
            }
            Event::Restart => {
                self.restart();
                self.plan_restart();
            }
        }
    }

    fn says(&mut self, source: &str, body: Body) {
        let stamp = Stamp::of_gateway(self.now());
        self.observe(Observation { source: source.into(), stamp, body });
    }

    /// As the junction takes it.
    pub(super) fn observe(&mut self, observation: Observation) {
        let now = self.now();
        match &observation.body {
            Body::Reply(reply) if !self.desk.knows(reply.incident) => {
                if let Some(record) = self.store.recall(reply.incident) {
                    self.desk.recall(now, record);
                }
            }
            Body::Press(press) => {
                let marks = self.desk.press_to_recall(now, &observation.source, press);
                if !marks.is_empty() {
                    self.desk.recall_press(now, &self.store.presses_taken(&marks));
                }
            }
            _ => {}
        }
        let Effects { entries, answer, repeated, .. } =
            self.desk.apply(now, &observation, Vec::new());
        if let Body::Reply(reply) = &observation.body {
            match answer {
                Answer::Changed(_) => self.tally.taken += 1,
                Answer::Refused(_) => self.tally.refused += 1,
                Answer::NoSuchIncident => {
                    let known = self.seen.contains_key(&reply.incident);
                    assert!(!known, "an open case is not known any more: {reply:?}");
                    self.tally.refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        if let Body::Press(press) = &observation.body {
            let calls = entries.iter().any(
                |entry| matches!(entry, Entry::Press { incident, stale, .. } if incident.is_some() || *stale),
            );
            assert!(calls || repeated || entries.is_empty(), "a press that is nothing: {press:?}");
        }
        self.entries.extend(entries);
        self.unacknowledged.push(observation);
    }

    /// On disk: only from here on does anybody know of it.
    fn commit(&mut self) {
        self.unacknowledged.clear();
        if self.entries.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        let known: Vec<Record> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Change(record) => Some(Record::clone(record)),
                _ => None,
            })
            .collect();
        self.store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
        known.iter().for_each(|record| self.hear(record));
    }

    fn hear(&mut self, record: &Record) {
        let incident = &record.incident;
        let id = incident.id;
        self.tally.records += 1;
        self.count.hear(record);
        if self.plan.are_told {
            self.told.written(record);
        }
        let step = incident.life.steps.iter().rfind(|step| step.revision == incident.revision);
        if let Some(reply) = step.and_then(|step| step.id.clone()) {
            let times = self.steps.entry((id, reply)).or_default();
            *times += 1;
            assert_eq!(*times, 1, "one reply made two steps: {record:?}");
        }
        let was_open = self.seen.contains_key(&id);
        if incident.stage.is_over() {
            self.seen.remove(&id);
            if was_open && let Some(seconds) = officers::reopened_after(&mut self.random) {
                self.plan_in(seconds, Event::Reopens(id));
            }
            return;
        }
        let seen = Seen::of(incident);
        if !was_open {
            let seconds = until_somebody_looks(&mut self.random, officers::tier(&seen));
            self.plan_in(seconds, Event::Looks(id));
        }
        self.seen.insert(id, seen);
    }

    /// Stopped in good order; or killed, before or after the disk had what was under way.
    fn restart(&mut self) {
        let again = match self.random.random_range(0..4) {
            0 | 1 => {
                self.commit();
                self.store.close_blocking().unwrap();
                self.tally.stops += 1;
                Vec::new()
            }
            lost => {
                self.tally.kills += 1;
                let mut again = std::mem::take(&mut self.unacknowledged);
                if lost == 2 {
                    self.entries.clear();
                } else {
                    again.retain(is_of_persons);
                    self.commit();
                }
                self.kill();
                again
            }
        };
        let config = settings(&self.data, self.plan);
        let Opened { store, restored, report } =
            store::open(&config, &told::subscribers(self.plan.are_told), Arc::new(NoMeter))
                .unwrap();
        assert!(report.iter().all(|line| line.contains("index")), "{report:?}");
        self.store = store;
        if self.plan.are_told {
            self.told.adds_up(&self.store);
        }
        // Some minutes without a gateway, and sometimes hours.
        let mean = if self.random.random_ratio(1, 5) { 4.0 * 3_600.0 } else { 120.0 };
        self.at_ms += (after(&mut self.random, mean) * 1000.0) as i64;
        self.born_ms = self.at_ms;
        let now = self.now();
        self.desk = Desk::new(self.directory.clone(), IdMint::new(self.random.random()));
        let older = restored.older_presses;
        let effects = self.desk.restore(now, restored.live, &restored.presses, restored.replies);
        if older {
            self.desk.restored_in_part(now);
        }
        self.entries.extend(effects.entries);
        self.commit();
        let unknown = self.seen.keys().filter(|id| !self.desk.knows(**id)).count();
        assert_eq!(unknown, 0, "open cases of which the desk knows nothing after a restart");
        for observation in again {
            let stamp = Stamp::of_gateway(self.now());
            self.observe(Observation { stamp, ..observation });
        }
    }

    /// The folder as a killed process leaves it: nothing is closed, and the index is wherever it was.
    fn kill(&mut self) {
        self.lives += 1;
        let next = self.folder.path().join(format!("data-{}", self.lives));
        copy(&self.data, &next);
        self.store.close_blocking().unwrap();
        fs::remove_dir_all(&self.data).unwrap();
        self.data = next;
    }

    /// A copy of all that a process leaves which is killed now.
    pub(super) fn as_it_lies(&mut self) -> Kept {
        self.commit();
        let folder = tempfile::tempdir().unwrap();
        copy(&self.data, &folder.path().join("data"));
        Kept { folder, wall: self.now().wall, cases: self.cases(), open: self.open() }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            // sled removes what it has written anew.
            false => drop(fs::copy(&path, &target)),
        }
    }
}
