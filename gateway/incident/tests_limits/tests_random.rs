//! Random days: whoever replies what, whenever the process is killed and the clock is set, a second reckoning of
//! all limits, made in another way, tells at the same moments. `GRIDPOST_SEED=n` replays one.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{World, at};
use crate::domain::{
    AskFor, Body, Incident, IncidentId, Kind, Level, LimitStep, Now, Phase, Record, Reply, ReplyTo,
    Stage, What,
};

const MINUTE: i64 = 60_000;

/// One limit as this reckoning has it: all on the monotonic clock.
#[derive(Clone, Debug)]
struct Reckoned {
    step: LimitStep,
    /// By the wall, for the next process.
    since: jiff::Timestamp,
    began_ms: i64,
    /// For how long it stood, with its case.
    stood_ms: i64,
    length_ms: i64,
    /// After its beginning; none: the whole ladder was told.
    next_ms: Option<i64>,
    warned: bool,
    rung: usize,
}

impl Reckoned {
    fn new(step: LimitStep, now: Now, minutes: i64) -> Self {
        let length_ms = minutes * MINUTE;
        Self {
            step,
            since: now.wall,
            began_ms: now.mono(),
            stood_ms: 0,
            length_ms,
            next_ms: Some(length_ms * 4 / 5),
            warned: false,
            rung: 0,
        }
    }

    fn age_ms(&self, now: Now) -> i64 {
        now.mono() - self.began_ms - self.stood_ms
    }

    fn is_due(&self, now: Now) -> bool {
        self.due_ms().is_some_and(|due| due <= now.mono())
    }

    /// 80 % of it are over, and it has not passed.
    fn warns(&self, now: Now) -> bool {
        !self.warned && self.age_ms(now) < self.length_ms
    }

    /// How far up it is told next: the whole case where its steps have come to.
    fn tells(&self, reached: Option<usize>) -> usize {
        self.rung.max(reached.filter(|_| self.step == LimitStep::Finish).unwrap_or(0)).min(3)
    }

    fn due_ms(&self) -> Option<i64> {
        Some(self.began_ms + self.stood_ms + self.next_ms?)
    }
}

#[derive(Debug, Default)]
struct Case {
    runs: Vec<Reckoned>,
    stands_since_ms: Option<i64>,
    reached: Option<usize>,
}

fn minutes(urgent: bool, step: LimitStep) -> i64 {
    match (step, urgent) {
        (LimitStep::Accept, true) => 3,
        (LimitStep::Dispatch | LimitStep::Verify | LimitStep::Answer, true) => 10,
        (LimitStep::Handle, true) => 20,
        (LimitStep::Finish, true) => 30,
        (LimitStep::Accept, false) => 15,
        (LimitStep::Dispatch | LimitStep::Answer, false) => 30,
        (LimitStep::Handle | LimitStep::Verify, false) => 60,
        (LimitStep::Finish, false) => 120,
    }
}

#[derive(Default)]
struct Reckoning {
    cases: BTreeMap<IncidentId, Case>,
    told: BTreeMap<&'static str, u32>,
}

impl Reckoning {
    fn take(&mut self, now: Now, before: Option<&Incident>, record: &Record) {
        let incident = &record.incident;
        let urgent = incident.kind == Kind::EmergencyButton;
        let case = self.cases.entry(incident.id).or_default();
        *self.told.entry(record.what.as_str()).or_default() += 1;
        let Some(before) = before else {
            let both = [LimitStep::Accept, LimitStep::Finish];
            case.runs = both.map(|step| Reckoned::new(step, now, minutes(urgent, step))).into();
            return;
        };
        let steps = incident.life.steps.len() > before.life.steps.len();
        match record.what {
            What::Limit | What::Escalated | What::Lapsed => {
                assert!(before.life.suspended.is_none(), "told while suspended: {record:?}");
                assert!(!before.stage.is_over(), "told after its close: {record:?}");
                case.fire(now, before, record);
            }
            _ if steps => case.step(now, before, incident, urgent),
            _ => {}
        }
    }

    fn restart(&mut self, now: Now) {
        for case in self.cases.values_mut() {
            let stands = case.stands_since_ms.is_some();
            for run in &mut case.runs {
                run.began_ms = now.mono_of(run.since);
            }
            assert!(!stands || case.stands_since_ms.is_some());
        }
    }

    fn nothing_is_missed(&self, world: &World) {
        for (id, case) in &self.cases {
            let suspended = world.latest(*id).life.suspended.is_some();
            let due = case.runs.iter().filter_map(Reckoned::due_ms).min();
            let late = due.is_some_and(|due| due <= world.now.mono());
            assert!(suspended || !late, "missed, at {:?}: {case:#?}", world.now);
        }
    }
}

impl Case {
    fn fire(&mut self, now: Now, before: &Incident, record: &Record) {
        let first = self.runs.iter().filter_map(Reckoned::due_ms).min().expect("nothing is due");
        assert!(first <= now.mono(), "told too early: {record:?} {self:#?}");
        let at = self.runs.iter().position(|run| run.due_ms() == Some(first)).unwrap();
        let run = &mut self.runs[at];
        let deadline = record.incident.deadline.as_ref().unwrap();
        let waits = before.life.asked.is_some();
        if run.warns(now) {
            assert_eq!(record.what, What::Limit, "{run:?}");
            // Whatever else has come so far is told with it.
            for run in self.runs.iter_mut().filter(|run| run.is_due(now) && run.warns(now)) {
                (run.warned, run.next_ms) = (true, Some(run.length_ms));
            }
        } else if run.step == LimitStep::Dispatch && !waits {
            assert_eq!((record.what, record.incident.stage), (What::Lapsed, Stage::Opened));
            self.runs.retain(|run| run.step != LimitStep::Dispatch);
            let urgent = record.incident.kind == Kind::EmergencyButton;
            let again = minutes(urgent, LimitStep::Accept);
            self.runs.push(Reckoned::new(LimitStep::Accept, now, again));
        } else {
            assert_eq!(record.what, What::Escalated, "{run:?}");
            let escalation = deadline.escalation.as_ref().unwrap();
            let rung = run.tells(self.reached);
            assert_eq!((escalation.for_step, escalation.level), (run.step, Level::LADDER[rung]));
            self.reached = self.reached.max(Some(rung));
            let urgent = record.incident.kind == Kind::EmergencyButton;
            let more = minutes(urgent, LimitStep::Accept) * MINUTE;
            let mut also = Vec::new();
            for (n, run) in self.runs.iter_mut().enumerate() {
                let lapses = run.step == LimitStep::Dispatch && !waits;
                let same = run.is_due(now) && !run.warns(now) && !lapses;
                if n != at && !(same && run.tells(self.reached) == rung) {
                    continue;
                }
                also.extend((n != at).then_some(run.step));
                let age_ms = run.age_ms(now);
                (run.warned, run.rung) = (true, rung + 1);
                run.next_ms = (rung < 3).then_some(age_ms + more);
            }
            also.sort();
            let mut told = escalation.also_for.clone();
            told.sort();
            assert_eq!(told, also, "{record:?}");
        }
    }

    fn step(&mut self, now: Now, before: &Incident, after: &Incident, urgent: bool) {
        let begin = |step| Reckoned::new(step, now, minutes(urgent, step));
        let step = after.life.steps.last().unwrap().step;
        if after.stage.is_over() {
            self.runs.clear();
            self.stands_since_ms = None;
            return;
        }
        if step == ReplyTo::Reopened {
            self.runs = vec![begin(LimitStep::Accept), begin(LimitStep::Finish)];
            // A round of its own: it begins at the foot of the ladder.
            self.reached = None;
            return;
        }
        if after.life.suspended.is_none()
            && let Some(since) = self.stands_since_ms.take()
        {
            // One that began meanwhile has stood since then.
            let stood = |run: &Reckoned| now.mono() - since.max(run.began_ms);
            self.runs.iter_mut().for_each(|run| run.stood_ms += stood(run));
        }
        if after.life.suspended.is_some() && self.stands_since_ms.is_none() {
            self.stands_since_ms = Some(now.mono());
        }
        let is_spent = |run: &Reckoned| run.step == LimitStep::Dispatch && run.next_ms.is_none();
        let anew = matches!(step, ReplyTo::Transferred | ReplyTo::SentBack)
            || (step == ReplyTo::Refused && self.runs.iter().any(is_spent));
        if after.stage != before.stage || anew {
            self.runs.retain(|run| matches!(run.step, LimitStep::Finish | LimitStep::Answer));
            let next = match after.stage {
                Stage::Accepted => Some(LimitStep::Dispatch),
                Stage::Dispatched => Some(LimitStep::Handle),
                Stage::Handled => Some(LimitStep::Verify),
                _ => None,
            };
            self.runs.extend(next.map(begin));
        }
        let asks = self.runs.iter().any(|run| run.step == LimitStep::Answer);
        match (after.life.asked.is_some(), asks) {
            (true, false) => self.runs.push(begin(LimitStep::Answer)),
            (false, true) => self.runs.retain(|run| run.step != LimitStep::Answer),
            _ => {}
        }
        // Everybody was told, somebody acted, and nothing new runs: the last level is told again.
        if self.runs.iter().all(|run| run.next_ms.is_none()) {
            let finish = self.runs.iter_mut().find(|run| run.step == LimitStep::Finish);
            let finish = finish.expect("an open case has its whole limit");
            finish.next_ms = Some(finish.age_ms(now) + minutes(urgent, LimitStep::Accept) * MINUTE);
        }
    }
}

const STEPS: [ReplyTo; 15] = [
    ReplyTo::Accepted,
    ReplyTo::Accepted,
    ReplyTo::Dispatched,
    ReplyTo::Dispatched,
    ReplyTo::Handled,
    ReplyTo::Verified,
    ReplyTo::Closed,
    ReplyTo::Reopened,
    ReplyTo::Transferred,
    ReplyTo::SentBack,
    ReplyTo::AskSuspend,
    ReplyTo::AskGiveBack,
    ReplyTo::AskWithdraw,
    ReplyTo::Refused,
    ReplyTo::Resumed,
];

struct Day {
    random: StdRng,
    world: World,
    reckoning: Reckoning,
    ids: Vec<IncidentId>,
}

impl Day {
    /// What the journal got since.
    fn keep(&mut self, counts: &BTreeMap<IncidentId, usize>) {
        for (id, records) in &self.world.records {
            let known = counts.get(id).copied().unwrap_or(0);
            for n in known..records.len() {
                let before = n.checked_sub(1).map(|n| &records[n].incident);
                self.reckoning.take(self.world.now, before, &records[n]);
            }
        }
    }

    fn counts(&self) -> BTreeMap<IncidentId, usize> {
        self.world.records.iter().map(|(id, records)| (*id, records.len())).collect()
    }

    fn step(&mut self, n: usize) {
        let ms = match self.random.random_range(0..4) {
            0 => self.random.random_range(0..20 * MINUTE),
            1 => self.random.random_range(0..3 * MINUTE),
            _ => self.random.random_range(0..10_000),
        };
        self.world.now.mono_ms += u64::try_from(ms).unwrap();
        self.world.now.wall += SignedDuration::from_millis(ms);
        if self.random.random_bool(0.02) {
            let hours = self.random.random_range(-5..5);
            self.world.now.wall += SignedDuration::from_hours(hours);
        }
        let counts = self.counts();
        match self.random.random_range(0..10) {
            0 if self.ids.len() < 8 => {
                let id = if self.random.random_bool(0.5) {
                    self.world.press(&format!("btn-{n}"))
                } else {
                    let key = format!("car-{n}");
                    self.world.sees(&key, Kind::FireLane, 2, Phase::Begins)[0].incident.id
                };
                self.ids.push(id);
                self.keep(&counts);
            }
            1 if self.random.random_bool(0.3) => {
                self.world.restart();
                self.keep(&counts);
                self.reckoning.restart(self.world.now);
                // A suspension that began before this process.
                for (id, case) in &mut self.reckoning.cases {
                    let suspended = self.world.records[id].last().unwrap().incident.life.suspended;
                    case.stands_since_ms =
                        suspended.map(|(since, _)| self.world.now.mono_of(since));
                }
            }
            2..5 if !self.ids.is_empty() => {
                let id = *self.ids.choose(&mut self.random).unwrap();
                let reply = self.reply(id);
                self.world.say("grid", Body::Reply(reply), Vec::new());
                self.keep(&counts);
            }
            _ => self.tick(),
        }
    }

    fn reply(&mut self, id: IncidentId) -> Reply {
        let by = *["甲", "乙", "丙"].choose(&mut self.random).unwrap();
        let mut reply = Reply::new(id, *STEPS.choose(&mut self.random).unwrap(), by);
        let life = &self.world.latest(id).life;
        if life.asked.is_some() && self.random.random_bool(0.4) {
            let extends = life.asked.as_ref().is_some_and(|it| it.what == AskFor::Extend);
            reply.to = if extends { ReplyTo::Refused } else { ReplyTo::Granted };
        }
        // A suspension is possible at two stages alone: it is asked for there, and soon granted by another.
        let works = matches!(self.world.latest(id).stage, Stage::Accepted | Stage::Dispatched);
        match &life.asked {
            Some(asked) if asked.what == AskFor::Suspend && self.random.random_bool(0.5) => {
                reply.to = ReplyTo::Granted;
                reply.by = if asked.by == "甲" { "乙".into() } else { "甲".into() };
            }
            None if works && self.random.random_bool(0.2) => reply.to = ReplyTo::AskSuspend,
            _ => {}
        }
        reply.department = Some("城管".into());
        let minutes = self.random.random_range(1..400);
        reply.until = Some(self.world.now.wall + SignedDuration::from_mins(minutes));
        reply
    }

    /// As often as there is something to tell.
    fn tick(&mut self) {
        for _ in 0..100 {
            let counts = self.counts();
            self.world.tick();
            self.keep(&counts);
            if counts == self.counts() {
                return self.reckoning.nothing_is_missed(&self.world);
            }
        }
        panic!("it never ends: {:?}", self.reckoning.told);
    }
}

#[test]
fn l2_no_limit_is_told_twice_missed_early_or_after_somebody_acted_whatever_happens() {
    let replay: Option<u64> = std::env::var("GRIDPOST_SEED").ok().and_then(|n| n.parse().ok());
    let seeds: Vec<u64> =
        replay.map_or_else(|| (0..40).map(|_| rand::random()).collect(), |n| vec![n]);
    let mut told = BTreeMap::<&str, u32>::new();
    for seed in seeds {
        println!("GRIDPOST_SEED={seed}");
        let mut day = Day {
            random: StdRng::seed_from_u64(seed),
            world: World::new(""),
            reckoning: Reckoning::default(),
            ids: Vec::new(),
        };
        assert_eq!(day.world.now.wall, at("2026-07-01T14:00:00"));
        (0..400).for_each(|n| day.step(n));
        day.tick();
        for (what, count) in day.reckoning.told {
            *told.entry(what).or_default() += count;
        }
    }
    for what in ["limit", "escalated", "lapsed", "resumed", "granted", "reopened", "sent-back"] {
        assert!(replay.is_some() || told.contains_key(what), "never {what}: {told:?}");
    }
}
