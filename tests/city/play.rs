//! What happens in the city, second by second: cases, replies, restarts. Everything comes from one seed.

use std::{
    collections::{BTreeMap, BinaryHeap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gridpost::{
    domain::{
        Answer, Body, ClockError, Detail, Entry, Fault, Finding, IdMint, IncidentId, Kind, NoMeter,
        Now, Observation, Phase, Press, Record, Reply, Severity, Stamp, ThingReport,
    },
    figures::{FiguresQuery, figures},
    incident::{Desk, Directory, Effects},
    store::{self, Batch, Config, Opened, Store},
};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    count::Count,
    officers::{self, Seen, after, until_somebody_looks},
    town::{self, BUTTONS, CAMERAS},
    waits,
};
use crate::world::must_agree;

/// Reported in the reference year.
const CASES_A_YEAR: f64 = 30_528.0;
const DAY_MS: i64 = 86_400_000;
/// A Monday, at midnight of the site.
const BEGIN: &str = "2026-03-01T16:00:00Z";
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
enum Event {
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
    plan: Plan,
    random: StdRng,
    folder: tempfile::TempDir,
    data: PathBuf,
    lives: u32,
    store: Store,
    desk: Desk,
    directory: Directory,
    /// Milliseconds since the beginning; and when this process began.
    at_ms: i64,
    born_ms: i64,
    kept_ms: i64,
    heap: BinaryHeap<Planned>,
    planned: u64,
    happens: bool,
    /// Not written yet, and what it came of.
    entries: Vec<Entry>,
    unacknowledged: Vec<Observation>,
    seen: BTreeMap<IncidentId, Seen>,
    /// Ids of replies whose step is in the journal.
    steps: HashMap<(IncidentId, String), u32>,
    count: Count,
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
        let opened = store::open(&settings(&data, plan), &[], Arc::new(NoMeter)).unwrap();
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

    fn plan_in(&mut self, seconds: f64, event: Event) {
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

    fn something_happens(&mut self) {
        match self.random.random_range(0..100) {
            0..6 => {
                let source = town::button(self.random.random_range(0..BUTTONS));
                let id = Some(format!("{}", self.planned));
                let press = Press { id, via: "intake".into(), ..Press::default() };
                let stamp = Stamp::of_gateway(self.now());
                let body = Body::Press(press);
                let pressed = Observation { source: source.as_str().into(), stamp, body };
                // A button that has heard nothing says it again.
                if self.random.random_ratio(1, 5) {
                    let seconds = after(&mut self.random, 20.0);
                    self.plan_in(seconds, Event::Observed(Box::new(pressed.clone())));
                }
                self.observe(pressed);
            }
            6..14 => {
                let source = town::camera(self.random.random_range(0..CAMERAS));
                let kind = Kind::CameraSilent;
                let fault = |broken| Body::Fault(Fault { kind, broken, text: "no packets".into() });
                let stamp = Stamp::of_gateway(self.now());
                let source = source.as_str().into();
                let mended = Observation { source, stamp, body: fault(false) };
                let broken = Observation { body: fault(true), ..mended.clone() };
                let seconds = after(&mut self.random, 7_200.0);
                self.plan_in(seconds, Event::Observed(Box::new(mended)));
                self.observe(broken);
            }
            _ => self.somebody_is_seen(),
        }
    }

    fn somebody_is_seen(&mut self) {
        let now = self.now();
        let camera = town::camera(self.random.random_range(0..CAMERAS));
        let (kind, severity) = match self.random.random_range(0..10) {
            0..5 => (Kind::FireLane, Severity::ALERT),
            5..9 => (Kind::Loiter, Severity::NOTICE),
            _ => (Kind::Intrusion, Severity::try_from(4).unwrap()),
        };
        let finding = Finding {
            key: format!("{}/{camera}", kind.as_str()),
            phase: Phase::Begins,
            rule: Some(kind.as_str().into()),
            source: camera.as_str().into(),
            kind,
            severity,
            title: None,
            began_at: now.wall,
            at: now.wall,
            clock: ClockError { device: None, gateway: now.wall, error_ms: 0 },
            objects: Vec::new(),
            why: "a vehicle stood there for 180 s, longer than 120 s".into(),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        };
        let ends = Finding { phase: Phase::Ends, ..finding.clone() };
        let seconds = after(&mut self.random, 600.0);
        self.plan_in(seconds, Event::Ends(Box::new(ends)));
        let effects = self.desk.tick(now, vec![finding]);
        self.entries.extend(effects.entries);
    }

    fn somebody_looks(&mut self, id: IncidentId) {
        let now = self.now().wall;
        let Some(seen) = self.seen.get(&id).cloned() else { return };
        let other = self.seen.range(id..).nth(1).map(|(other, _)| *other);
        if let Some(reply) = officers::reply(&mut self.random, &seen, other, now) {
            self.send(reply);
        }
        let seconds = until_somebody_looks(&mut self.random, officers::tier(&seen));
        self.plan_in(seconds, Event::Looks(id));
    }

    /// On its way: seconds, and now and then hours; and now and then twice.
    fn send(&mut self, mut reply: Reply) {
        if self.random.random_ratio(9, 10) {
            reply.id = Some(format!("r{}", self.planned));
        }
        let mean = if self.random.random_ratio(1, 30) { 7_200.0 } else { 5.0 };
        let seconds = after(&mut self.random, mean);
        if self.random.random_ratio(1, 15) {
            let again = seconds + after(&mut self.random, 900.0);
            self.tally.again += 1;
            self.plan_in(again, Event::Arrives(Box::new(reply.clone())));
        }
        self.plan_in(seconds, Event::Arrives(Box::new(reply)));
    }

    fn says(&mut self, source: &str, body: Body) {
        let stamp = Stamp::of_gateway(self.now());
        self.observe(Observation { source: source.into(), stamp, body });
    }

    /// As the junction takes it.
    fn observe(&mut self, observation: Observation) {
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
            store::open(&config, &[], Arc::new(NoMeter)).unwrap();
        assert!(report.iter().all(|line| line.contains("index")), "{report:?}");
        self.store = store;
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

    /// Each open case is in the store, and waits for somebody who is named.
    pub(super) fn nothing_is_forgotten(&self) {
        let now = self.now().wall;
        for id in self.seen.keys() {
            let record = self.store.incident(*id);
            let record = record.unwrap_or_else(|| panic!("{id} is open and not in the store"));
            if let Err(why) = waits::for_whom(&record.incident, now) {
                panic!("nobody is waited for at {now}: {why}: {record:#?}");
            }
        }
    }

    pub(super) fn figures_are_those_of_our_count(&self) {
        let zone = town::zone();
        let begin: Timestamp = BEGIN.parse().unwrap();
        let now = self.now().wall;
        let day = |at: Timestamp| at.to_zoned(zone.clone()).date().to_string();
        let (from, until) = (day(begin), day(now + SignedDuration::from_hours(24)));
        let pairs = [("from", from.as_str()), ("until", until.as_str()), ("group", "township")];
        let query = FiguresQuery::parse(pairs, now.to_zoned(zone.clone()).date()).unwrap();
        let (from, until) = query.times(&zone).unwrap();
        let lines = self.store.case_lines(from, until);
        assert_eq!(lines.lines.len() as u64, self.cases(), "cases are missing in the figures");
        let table = figures(&lines, &query, &zone, now);
        let (counted, townships) = self.count.counted(now);
        must_agree(&serde_json::to_value(&table.total).unwrap(), &counted);
        assert_eq!((table.left_out.unreadable, table.left_out.times), (0, 0));
        for row in &table.rows {
            let name = row.group.as_ref().map(|group| group.name.clone()).unwrap_or_default();
            let of = townships.iter().find(|(n, _)| name == format!("第{n}镇"));
            assert_eq!(of.map(|(_, count)| *count), Some(row.counts.reported), "{name}");
        }
        assert_eq!(table.rows.len(), townships.len());
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
