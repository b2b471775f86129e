//! Random replies at the desk: whatever comes in whatever order, each case keeps to the table, loses no step
//! and takes none twice. `GRIDPOST_SEED=n` replays one.

use std::collections::{BTreeMap, HashMap};

use jiff::SignedDuration;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Desk, Directory, Effects};
use crate::domain::{
    Answer, AskFor, Body, CaseStep, Entry, Fault, IdMint, Incident, IncidentId, Kind, Now,
    Observation, Press, Record, Reply, ReplyTo, SourceId, Stage, Stamp, What,
};

const ALL: [ReplyTo; 18] = [
    ReplyTo::Accepted,
    ReplyTo::Dispatched,
    ReplyTo::Handled,
    ReplyTo::Verified,
    ReplyTo::Closed,
    ReplyTo::Dismissed,
    ReplyTo::Reopened,
    ReplyTo::SelfHandled,
    ReplyTo::Merged,
    ReplyTo::Transferred,
    ReplyTo::SentBack,
    ReplyTo::AskExtend,
    ReplyTo::AskSuspend,
    ReplyTo::AskGiveBack,
    ReplyTo::AskWithdraw,
    ReplyTo::Granted,
    ReplyTo::Refused,
    ReplyTo::Resumed,
];

struct World {
    now: Now,
    desk: Desk,
    /// Every record, as the journal has them.
    records: BTreeMap<IncidentId, Vec<Record>>,
    /// Replies that had an effect.
    taken: Vec<Reply>,
    /// Starts so far: each process mints ids of its own.
    starts: u8,
}

fn directory() -> Directory {
    Directory { auto_close_after_s: 7_200, ..Directory::default() }
}

impl World {
    fn new() -> Self {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
        let desk = Desk::new(directory(), IdMint::new([0; 32]));
        Self { now, desk, records: BTreeMap::new(), taken: Vec::new(), starts: 0 }
    }

    fn latest(&self, id: IncidentId) -> &Incident {
        &self.records[&id].last().unwrap().incident
    }

    fn say(&mut self, source: &str, body: Body) -> Effects {
        // As the junction does it.
        if let Body::Reply(reply) = &body
            && !self.desk.knows(reply.incident)
            && let Some(records) = self.records.get(&reply.incident)
        {
            self.desk.recall(self.now, records.last().unwrap().clone());
        }
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: source.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.keep(&effects);
        effects
    }

    fn reply(&mut self, reply: &Reply) -> Effects {
        self.say("grid", Body::Reply(reply.clone()))
    }

    fn tick(&mut self) {
        let effects = self.desk.tick(self.now, Vec::new());
        self.keep(&effects);
    }

    fn keep(&mut self, effects: &Effects) {
        for entry in &effects.entries {
            match entry {
                Entry::Change(record) => {
                    let records = self.records.entry(record.incident.id).or_default();
                    if let Some(before) = records.last() {
                        follows(&before.incident, record, self.now);
                    }
                    records.push(Record::clone(record));
                }
                Entry::Reply { reply, .. } => self.taken.push(reply.clone()),
                _ => {}
            }
        }
    }

    /// The desk knows what the journal knows, and nothing else.
    fn restart(&mut self) {
        self.now.mono_ms = 1_000;
        self.starts += 1;
        self.desk = Desk::new(directory(), IdMint::new([self.starts; 32]));
        let latest = self.records.values().map(|records| records.last().unwrap());
        let open = |record: &&Record| !is_over(record.incident.stage) || record.incident.active;
        let live: Vec<Record> = latest.filter(open).cloned().collect();
        let id = |reply: &Reply| Some((reply.incident, reply.id.clone()?));
        let replies = self.taken.iter().filter_map(id).collect();
        let effects = self.desk.restore(self.now, live, &[], replies);
        self.keep(&effects);
        for records in self.records.values() {
            let Record { incident, .. } = records.last().unwrap();
            let goes_on = incident.kind == Kind::EmergencyButton && !is_over(incident.stage);
            assert!(!incident.active || goes_on, "active after a restart: {incident:?}");
        }
    }

    fn press(&mut self, source: &str, id: &str) -> IncidentId {
        let (id, via) = (Some(id.into()), "intake".into());
        let press = Press { id, via, ..Press::default() };
        let effects = self.say(source, Body::Press(press));
        changes(&effects)[0].incident.id
    }

    fn fault(&mut self, source: &str) -> IncidentId {
        let fault = Fault { kind: Kind::CameraSilent, broken: true, text: "no packets".into() };
        let effects = self.say(source, Body::Fault(fault));
        changes(&effects)[0].incident.id
    }

    fn pass(&mut self, hours: i64) {
        self.now.mono_ms += u64::try_from(hours).unwrap() * 3_600_000;
        self.now.wall += SignedDuration::from_hours(hours);
    }
}

fn changes(effects: &Effects) -> Vec<Record> {
    let change = |entry: &Entry| match entry {
        Entry::Change(record) => Some(Record::clone(record)),
        _ => None,
    };
    effects.entries.iter().filter_map(change).collect()
}

fn is_over(stage: Stage) -> bool {
    matches!(stage, Stage::Closed | Stage::Dismissed)
}

/// Where a step leads, said a second time and in another way than by the table.
fn leads(stage: Stage, asked: Option<AskFor>, step: ReplyTo) -> Option<Stage> {
    use ReplyTo as R;
    use Stage as S;
    match (step, stage) {
        (R::Reopened, S::Closed | S::Dismissed) => Some(S::Opened),
        (_, S::Closed | S::Dismissed) | (R::Reopened, _) => None,
        (R::Closed | R::Merged, _) => Some(S::Closed),
        (R::Dismissed, _) => Some(S::Dismissed),
        (R::Granted, _) => match asked? {
            AskFor::Extend | AskFor::Suspend => Some(stage),
            AskFor::GiveBack => Some(S::Accepted),
            AskFor::Withdraw => Some(S::Dismissed),
        },
        (R::Refused, _) => asked.map(|_| stage),
        (R::AskWithdraw | R::Resumed, _) => Some(stage),
        (R::AskExtend, _) => (stage != S::Opened).then_some(stage),
        (R::AskSuspend, S::Accepted | S::Dispatched) | (R::AskGiveBack, S::Dispatched) => {
            Some(stage)
        }
        (R::Accepted, S::Opened) => Some(S::Accepted),
        (R::Dispatched, S::Opened | S::Accepted)
        | (R::Transferred, S::Accepted | S::Dispatched)
        | (R::SentBack, S::Handled) => Some(S::Dispatched),
        (R::SelfHandled, S::Opened | S::Accepted)
        | (R::Handled, S::Opened | S::Accepted | S::Dispatched) => Some(S::Handled),
        (R::Verified, S::Opened | S::Accepted | S::Dispatched | S::Handled) => Some(S::Verified),
        _ => None,
    }
}

/// A record adds one step at most, the table has it, and all steps before are as they were.
fn follows(before: &Incident, record: &Record, now: Now) {
    let after = &record.incident;
    assert_eq!(after.revision, before.revision + 1, "{record:?}");
    let (old, new) = (&before.life.steps, &after.life.steps);
    assert!(new.starts_with(old) && new.len() <= old.len() + 1, "a step was lost: {record:?}");
    let Some(step) = new.get(old.len()) else {
        assert_eq!((after.stage, &after.life), (before.stage, &before.life), "{record:?}");
        return;
    };
    assert_eq!((step.revision, step.at), (after.revision, now.wall));
    let asked = before.life.asked.as_ref();
    let to = leads(before.stage, asked.map(|asked| asked.what), step.step);
    assert_eq!(Some(after.stage), to, "off the table, from {:?}: {record:?}", before.stage);
    match step.step {
        ReplyTo::Granted => {
            assert_ne!(asked.unwrap().by, step.by, "granted by who asked");
            assert!(!step.by.is_empty());
            let extends = asked.unwrap().what == AskFor::Extend;
            let by = |incident: &Incident| incident.deadline.as_ref().unwrap().finish_by;
            // Who is given back goes on, if he was suspended.
            let stood = before.life.suspended.is_some();
            assert!(stood || (by(after) > by(before)) == extends, "{record:?}");
        }
        ReplyTo::Verified | ReplyTo::SentBack if before.stage == Stage::Handled => {
            assert_ne!(before.life.handler(), Some(step.by.as_str()), "verified by the handler");
        }
        ReplyTo::Resumed => assert!(before.life.suspended.is_some()),
        ReplyTo::Merged => assert!(step.into.is_some_and(|into| into != after.id)),
        _ => {}
    }
    if is_over(after.stage) {
        assert!(after.life.asked.is_none() && after.life.suspended.is_none(), "{record:?}");
    }
    let urgent = after.severity == crate::domain::Severity::EMERGENCY;
    assert!(!urgent || after.life.suspended.is_none(), "an emergency suspended");
    let told = (step.step.what(), record.what);
    let withdrawn = told == (What::Granted, What::Dismissed);
    assert!(told.0 == told.1 || withdrawn, "{record:?}");
}

fn random_reply(world: &World, random: &mut StdRng, incident: IncidentId) -> Reply {
    let by = *["甲", "乙", "丙", " 甲", ""].choose(random).unwrap();
    let mut reply = Reply::new(incident, *ALL.choose(random).unwrap(), by);
    // What needs something before it would come too seldom.
    let life = world.records.get(&incident).map(|it| &it.last().unwrap().incident.life);
    match life {
        Some(life) if life.asked.is_some() && random.random_bool(0.3) => {
            reply.to = ReplyTo::Granted;
        }
        Some(life) if life.suspended.is_some() && random.random_bool(0.5) => {
            reply.to = ReplyTo::Resumed;
        }
        _ => {}
    }
    reply.id = random.random_bool(0.6).then(|| random.random::<u32>().to_string());
    reply.note = random.random_bool(0.2).then(|| "五分钟到".into());
    reply.department = random.random_bool(0.7).then(|| "城管".into());
    let hours = SignedDuration::from_hours(random.random_range(-2..200));
    reply.until = random.random_bool(0.9).then(|| world.now.wall + hours);
    let known: Vec<IncidentId> = world.records.keys().copied().collect();
    reply.into = random.random_bool(0.9).then(|| *known.choose(random).unwrap());
    if random.random_bool(0.3) {
        let at = world.records.get(&incident).map_or(1, |it| it.last().unwrap().incident.revision);
        reply.revision = Some(random.random_range(at.saturating_sub(2)..=at + 1));
    }
    reply
}

fn one_day(seed: u64, seen: &mut HashMap<ReplyTo, u32>) {
    println!("GRIDPOST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new();
    let mut sent: Vec<Reply> = Vec::new();
    let mut ids = vec![world.press("btn-1", "p"), world.press("btn-2", "p"), world.fault("cam-1")];
    for n in 0..500 {
        world.now.mono_ms += random.random_range(0..600_000);
        // The wall clock is set, forwards and back, as well as it goes.
        let minutes = if random.random_bool(0.03) { -90..90 } else { 0..10 };
        world.now.wall += SignedDuration::from_mins(random.random_range(minutes));
        match random.random_range(0..20) {
            0 => world.restart(),
            1 | 2 => world.tick(),
            3 if ids.len() < 12 => ids.push(world.fault(&format!("camera-{n}"))),
            4 if ids.len() < 12 => ids.push(world.press(&format!("button-{n}"), "p")),
            5..9 if !sent.is_empty() => {
                let reply = sent.choose(&mut random).unwrap().clone();
                let was_taken = reply.id.is_some() && world.taken.contains(&reply);
                let effects = world.reply(&reply);
                assert!(!was_taken || effects.entries.is_empty(), "twice: {effects:?}");
            }
            _ => {
                let stranger: IncidentId = IncidentId::new();
                let known = random.random_bool(0.98);
                let id = if known { *ids.choose(&mut random).unwrap() } else { stranger };
                let reply = random_reply(&world, &mut random, id);
                let before = world.taken.len();
                let effects = world.reply(&reply);
                let took = world.taken.len() > before;
                assert_eq!(took, !effects.entries.is_empty(), "{effects:?}");
                match &effects.answer {
                    Answer::Changed(shown) => {
                        assert_eq!(shown.life, world.latest(id).life, "{reply:?}");
                    }
                    Answer::Refused(why) => assert!(!took && !why.is_empty()),
                    Answer::NoSuchIncident => assert!(!known && !took),
                    other => panic!("{other:?}"),
                }
                sent.push(reply);
            }
        }
    }
    each_reply_that_was_taken_is_one_step(&world);
    let steps = world.records.keys().flat_map(|id| &world.latest(*id).life.steps);
    steps.for_each(|step| *seen.entry(step.step).or_default() += 1);
}

fn each_reply_that_was_taken_is_one_step(world: &World) {
    for id in world.records.keys() {
        let life = &world.latest(*id).life;
        assert_eq!(life.steps_left_out, 0, "more than the test can count");
        let replies = world.taken.iter().filter(|reply| reply.incident == *id).count();
        let by_person = |step: &&CaseStep| step.by != "gridpost";
        assert_eq!(life.steps.iter().filter(by_person).count(), replies);
        let mut ids: Vec<&str> = life.steps.iter().filter_map(|it| it.id.as_deref()).collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "one reply is two steps");
    }
}

#[test]
fn l1_no_replies_in_any_order_leave_the_table_lose_a_step_or_make_two_of_one() {
    let replay: Option<u64> = std::env::var("GRIDPOST_SEED").ok().and_then(|n| n.parse().ok());
    let seeds: Vec<u64> =
        replay.map_or_else(|| (0..60).map(|_| rand::random()).collect(), |n| vec![n]);
    let mut seen = HashMap::new();
    seeds.into_iter().for_each(|seed| one_day(seed, &mut seen));
    // A step that is seldom possible has more days to come.
    for _ in 0..1_000 {
        if replay.is_some() || ALL.iter().all(|step| seen.contains_key(step)) {
            return;
        }
        one_day(rand::random(), &mut seen);
    }
    let never: Vec<_> = ALL.iter().filter(|step| !seen.contains_key(step)).collect();
    panic!("never taken: {never:?}");
}

fn answered(effects: &Effects) -> Incident {
    match &effects.answer {
        Answer::Changed(incident) => Incident::clone(incident),
        other => panic!("{other:?}"),
    }
}

fn refused(effects: &Effects) -> &str {
    assert!(effects.entries.is_empty(), "{effects:?}");
    match &effects.answer {
        Answer::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn accepting_is_bound_to_what_was_shown_and_the_second_hears_that_he_is() {
    let mut world = World::new();
    let id = world.press("btn-1", "p1");
    let tap = |by: &str, revision| Reply {
        revision: Some(revision),
        ..Reply::new(id, ReplyTo::Accepted, by)
    };
    assert_eq!(
        refused(&world.reply(&tap("甲", 2))),
        "revision 2 has not been shown to anybody: it is at 1"
    );
    // Another press is no step: who was shown the first one may still accept.
    world.press("btn-1", "p2");
    assert_eq!(answered(&world.reply(&tap("甲", 1))).stage, Stage::Accepted);
    assert!(world.reply(&tap("甲", 1)).entries.is_empty(), "the same tap");
    assert_eq!(answered(&world.reply(&tap("甲", 1))).stage, Stage::Accepted);
    let second = world.reply(&tap("乙", 1));
    assert_eq!(
        refused(&second),
        "since revision 1 甲 has taken a step (accepted): look at it again"
    );
    let shown = world.latest(id).revision;
    let late = world.reply(&Reply { id: Some("x".into()), ..tap("乙", shown) });
    assert_eq!(refused(&late), "it is Accepted already: Accepted would be a step back");
    assert_eq!(world.latest(id).life.steps.len(), 1);
}

#[test]
fn a_case_that_was_closed_while_it_went_on_ends_at_a_restart_and_can_be_reopened_ever_after() {
    let mut world = World::new();
    let id = world.fault("cam-1");
    let say = |to| Reply::new(id, to, "甲");
    world.reply(&say(ReplyTo::Closed));
    assert!(world.latest(id).active, "a fault ends by itself");
    world.restart();
    assert!(!world.latest(id).active);
    assert_eq!(world.latest(id).stage, Stage::Closed);
    world.restart();
    world.pass(100);
    assert!(!world.desk.knows(id), "the store has it, and nobody else");
    assert_eq!(answered(&world.reply(&say(ReplyTo::Reopened))).stage, Stage::Opened);
    world.tick();
    assert_eq!(world.latest(id).stage, Stage::Opened, "not closed at once as an old one");
    world.pass(1);
    world.tick();
    assert_eq!(world.latest(id).stage, Stage::Opened);
    // Not before its time is over, which began again: two working days from a Sunday.
    world.pass(72);
    world.tick();
    assert_eq!(world.latest(id).stage, Stage::Opened);
    world.pass(2);
    world.tick();
    let closed = world.latest(id).life.steps.last().unwrap();
    assert_eq!((closed.step, closed.by.as_str()), (ReplyTo::Closed, "gridpost"));
}

#[test]
fn a_suspended_case_is_left_alone_until_its_day_and_has_the_time_left_that_it_had() {
    let mut world = World::new();
    let id = world.fault("cam-1");
    world.restart();
    let due = world.latest(id).deadline.clone().unwrap().finish_by;
    assert_eq!(due.to_string(), "2026-07-03T08:30:00Z", "two working days");
    world.reply(&Reply::new(id, ReplyTo::Accepted, "甲"));
    let until = Some(world.now.wall + SignedDuration::from_hours(72));
    world.reply(&Reply { until, ..Reply::new(id, ReplyTo::AskSuspend, "甲") });
    world.pass(20);
    world.tick();
    assert_eq!(world.latest(id).stage, Stage::Accepted, "somebody waits for an answer");
    world.reply(&Reply::new(id, ReplyTo::Granted, "乙"));
    world.pass(51);
    world.restart();
    world.tick();
    assert!(world.latest(id).life.suspended.is_some(), "an hour early");
    world.pass(1);
    world.tick();
    let life = &world.latest(id).life;
    let last = life.steps.last().unwrap();
    assert_eq!((last.step, last.by.as_str()), (ReplyTo::Resumed, "gridpost"));
    assert!(life.suspended.is_none());
    let later = world.latest(id).deadline.clone().unwrap().finish_by;
    // From Wednesday night to Friday morning was one day of work: Monday, after the weekend.
    assert_eq!(later.to_string(), "2026-07-06T18:00:00Z");
    let records = world.records[&id].len();
    let source = SourceId::from("cam-1");
    assert_eq!(world.latest(id).sources[0].id, source);
    // Somebody has taken it on: the gateway does not close it, however old it is.
    world.pass(1_000);
    world.tick();
    assert_eq!(world.records[&id].len(), records);
    assert_eq!(world.latest(id).stage, Stage::Accepted);
}

#[test]
fn cases_are_merged_into_one_that_is_open_and_as_urgent() {
    let mut world = World::new();
    let (fault, other, press) =
        (world.fault("cam-1"), world.fault("cam-2"), world.press("btn-1", "p"));
    let merge = |from, into| Reply { into, ..Reply::new(from, ReplyTo::Merged, "甲") };
    assert!(refused(&world.reply(&merge(fault, None))).contains("needs `into`"));
    assert!(refused(&world.reply(&merge(fault, Some(fault)))).contains("into itself"));
    assert!(refused(&world.reply(&merge(press, Some(fault)))).contains("less urgent"));
    let stranger = IncidentId::new();
    assert!(refused(&world.reply(&merge(fault, Some(stranger)))).contains("no open incident"));
    let merged = answered(&world.reply(&merge(fault, Some(press))));
    assert_eq!((merged.stage, merged.life.steps[0].into), (Stage::Closed, Some(press)));
    assert!(refused(&world.reply(&merge(other, Some(fault)))).contains("is closed"));
    assert_eq!(world.records[&fault].last().unwrap().what, What::Merged);
}

#[test]
fn who_is_unknown_to_the_site_grants_nothing_and_where_it_names_nobody_a_name_will_do() {
    use crate::domain::ReplyVia;
    let people = || -> std::collections::HashSet<String> {
        ["李建国", "王芳"].map(str::to_owned).into()
    };
    let strict = crate::incident::LifeConfig::default();
    let loose = crate::incident::LifeConfig { named_grants: false, ..strict.clone() };
    let nobody = std::collections::HashSet::<String>::new;
    for (life, people, by, via, may) in [
        (&strict, people(), "李建国", None, true),
        (&strict, people(), " 李建国\n", None, true),
        (&strict, people(), "李 建国", None, true),
        (&strict, people(), "李建", None, false),
        (&strict, people(), "李建国二", None, false),
        (&strict, people(), "district", None, false),
        (&strict, people(), "", None, false),
        // His name was made sure of at the log-in, or by the link that was made for him.
        (&strict, people(), "孙力", Some(ReplyVia::Account), true),
        (&strict, people(), "孙力", Some(ReplyVia::Link), true),
        // Who asked does not grant, whoever he is.
        (&strict, people(), "王芳", None, false),
        (&strict, nobody(), "李建", None, true),
        (&strict, nobody(), "", None, false),
        (&loose, people(), "李建", None, true),
        (&loose, people(), " ", None, false),
    ] {
        for to in [ReplyTo::Granted, ReplyTo::Refused] {
            let mut world = World::new();
            let directory = Directory { people: people.clone(), life: life.clone(), ..directory() };
            world.desk = Desk::new(directory, IdMint::new([0; 32]));
            let press = Body::Press(Press { id: Some("p".into()), ..Press::default() });
            world.say("btn-1", press);
            let id = *world.records.keys().next().unwrap();
            let ask = Reply::new(id, ReplyTo::AskWithdraw, "王芳");
            assert!(matches!(world.say("grid", Body::Reply(ask)).answer, Answer::Changed(_)));
            let reply = Reply { via, ..Reply::new(id, to, by) };
            let answer = world.say("grid", Body::Reply(reply)).answer;
            assert_eq!(matches!(answer, Answer::Changed(_)), may, "{by:?} {via:?}: {answer:?}");
            let left = world.latest(id).life.asked.is_some();
            assert_eq!(left, !may, "it still waits");
        }
    }
}
