//! Limits at the desk: what passes is told once, to the right level, and never after somebody acted; over
//! restarts and clocks that are set. `GRIDPOST_SEED=n` replays a random day.

mod tests_at_once;
mod tests_days;
mod tests_due;
mod tests_nobody;
mod tests_random;
mod tests_reopened;
mod tests_suspended;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Desk, Directory, Effects, LifeConfig, Limits};
use crate::domain::{
    Answer, Body, Calendar, ClockError, Deadline, Detail, Entry, Fault, Finding, Grid, GridWorker,
    IdMint, Incident, IncidentId, Kind, Level, Light, LimitStep, Now, Observation, Phase, Press,
    Record, Reply, ReplyTo, Severity, SourceId, SourceInfo, SourceKind, Stage, Stamp, ThingReport,
    What,
};

const DAY_S: u64 = 86_400;

struct World {
    now: Now,
    desk: Desk,
    config: LifeConfig,
    records: BTreeMap<IncidentId, Vec<Record>>,
    starts: u8,
}

fn life(text: &str) -> LifeConfig {
    toml::from_str(text).unwrap()
}

fn directory(config: &LifeConfig) -> Directory {
    let worker = GridWorker { name: "周敏".into(), phone: Some("138-0000-0001".into()) };
    let grid = Grid {
        code: "G1".into(),
        name: "桥北第一网格".into(),
        community: Some("桥北社区".into()),
        township: Some("城关镇".into()),
        head: Some("李建国".into()),
        head_phone: Some("138-0000-0002".into()),
        workers: vec![worker],
        outside_m: None,
    };
    let info = SourceInfo {
        id: "lane".into(),
        kind: SourceKind::Camera,
        name: "3号楼消防通道".into(),
        place: None,
        grid: Some(Arc::new(grid)),
        contact: None,
        note: None,
    };
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    Directory {
        sources: [(info.id.clone(), info)].into(),
        auto_close_after_s: DAY_S,
        life: config.clone(),
        limits: Limits::new(config, Calendar::default(), zone),
        ..Directory::default()
    }
}

impl World {
    /// A Wednesday, 14:00 at the site.
    fn new(config: &str) -> Self {
        let now = Now { wall: at("2026-07-01T14:00:00"), mono_ms: 1_000 };
        let config = life(config);
        let desk = Desk::new(directory(&config), IdMint::new([0; 32]));
        Self { now, desk, config, records: BTreeMap::new(), starts: 0 }
    }

    fn keep(&mut self, effects: Effects) -> Vec<Record> {
        let mut new = Vec::new();
        for entry in effects.entries {
            let Entry::Change(record) = entry else { continue };
            let records = self.records.entry(record.incident.id).or_default();
            let next = records.last().map_or(1, |before| before.incident.revision + 1);
            assert_eq!(record.incident.revision, next, "{record:?}");
            records.push(Record::clone(&record));
            new.push(*record);
        }
        new
    }

    fn say(&mut self, source: &str, body: Body, findings: Vec<Finding>) -> (Vec<Record>, Answer) {
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: source.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, findings);
        let mut effects = effects;
        let answer = std::mem::replace(&mut effects.answer, Answer::Stored);
        (self.keep(effects), answer)
    }

    fn press(&mut self, source: &str) -> IncidentId {
        let (id, via) = (Some(self.now.mono_ms.to_string()), "intake".into());
        let press = Press { id, via, ..Press::default() };
        self.say(source, Body::Press(press), Vec::new()).0[0].incident.id
    }

    fn fault(&mut self, broken: bool) -> Vec<Record> {
        let fault = Fault { kind: Kind::CameraSilent, broken, text: "no packets".into() };
        self.say("cam-1", Body::Fault(fault), Vec::new()).0
    }

    /// Something that a camera sees in the lane.
    fn sees(&mut self, key: &str, kind: Kind, severity: u8, phase: Phase) -> Vec<Record> {
        let at = self.now.wall;
        let finding = Finding {
            key: if key.contains('/') { key.into() } else { format!("rule/{key}") },
            phase,
            rule: None,
            source: "lane".into(),
            kind,
            severity: Severity::try_from(severity).unwrap(),
            title: None,
            began_at: at,
            at,
            clock: ClockError { device: None, gateway: at, error_ms: 0 },
            objects: Vec::new(),
            why: "a car".into(),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        };
        let frame =
            crate::domain::TrackFrame { tracks: Vec::new(), picture: None, vehicles: Vec::new() };
        self.say("lane", Body::Tracks(frame), vec![finding]).0
    }

    fn car(&mut self) -> IncidentId {
        self.sees("car", Kind::FireLane, 2, Phase::Begins)[0].incident.id
    }

    fn step(&mut self, id: IncidentId, to: ReplyTo, by: &str) -> Incident {
        self.reply(&Reply { department: Some("城管".into()), ..Reply::new(id, to, by) })
    }

    fn reply(&mut self, reply: &Reply) -> Incident {
        match self.say("grid", Body::Reply(reply.clone()), Vec::new()).1 {
            Answer::Changed(incident) => *incident,
            other => panic!("{reply:?}: {other:?}"),
        }
    }

    /// Lets time pass on both clocks, a tick at its end.
    fn pass(&mut self, seconds: i64) -> Vec<Record> {
        self.now.mono_ms += u64::try_from(seconds).unwrap() * 1_000;
        self.now.wall += SignedDuration::from_secs(seconds);
        self.tick()
    }

    fn tick(&mut self) -> Vec<Record> {
        let effects = self.desk.tick(self.now, Vec::new());
        self.keep(effects)
    }

    /// What is told while time passes, minute by minute: minute, what, level.
    fn told(&mut self, minutes: i64) -> Vec<(i64, &'static str, Option<Level>)> {
        let mut told = Vec::new();
        for minute in 1..=minutes {
            for record in self.pass(60) {
                let deadline = record.incident.deadline.as_ref().unwrap();
                let level = deadline.escalation.as_ref().map(|it| it.level);
                told.push((minute, record.what.as_str(), level));
            }
        }
        told
    }

    fn latest(&self, id: IncidentId) -> &Incident {
        &self.records[&id].last().unwrap().incident
    }

    fn deadline(&self, id: IncidentId) -> &Deadline {
        self.latest(id).deadline.as_ref().unwrap()
    }

    /// The process is killed; the desk knows what the journal knows.
    fn restart(&mut self) -> Vec<Record> {
        self.now.mono_ms = 500;
        self.starts += 1;
        self.desk = Desk::new(directory(&self.config), IdMint::new([self.starts; 32]));
        let latest = self.records.values().map(|records| records.last().unwrap());
        let open = |it: &&Record| !it.incident.stage.is_over() || it.incident.active;
        let live: Vec<Record> = latest.filter(open).cloned().collect();
        let effects = self.desk.restore(self.now, live, &[], Vec::new());
        self.keep(effects)
    }
}

fn at(text: &str) -> Timestamp {
    format!("{text}+08:00").parse().unwrap()
}

#[test]
fn l2_a_car_in_the_fire_lane_climbs_the_ladder_until_somebody_acts_and_not_after() {
    use Level::{Community, GridHead};
    let mut world = World::new("");
    let id = world.car();
    assert_eq!(world.deadline(id).accept_by, at("2026-07-01T14:15:00"));
    assert_eq!(world.deadline(id).finish_by, at("2026-07-01T16:00:00"));
    let told = world.told(31);
    assert_eq!(
        told,
        [
            (12, "limit", None),
            (15, "escalated", Some(GridHead)),
            (30, "escalated", Some(Community))
        ]
    );
    let escalation = world.deadline(id).escalation.clone().unwrap();
    assert_eq!(
        (escalation.urge.as_str(), escalation.for_step),
        ("督办（黄牌）", LimitStep::Accept)
    );
    assert_eq!(escalation.name.as_deref(), Some("桥北社区"));
    let head = world.records[&id].iter().find(|it| it.what == What::Escalated).unwrap();
    let head = head.incident.deadline.as_ref().unwrap().escalation.as_ref().unwrap();
    assert_eq!(
        (head.urge.as_str(), head.name.as_deref(), head.phone.as_deref()),
        ("催办", Some("李建国"), Some("138-0000-0002"))
    );
    let step = world.latest(id).life.steps.last().unwrap();
    assert_eq!((step.step, step.by.as_str()), (ReplyTo::Escalated, "gridpost"));
    assert_eq!(step.note.as_deref(), Some("督办（黄牌）：社区 桥北社区，受理超时"));
    // He was shown the first record: what was told since is no step of anybody.
    let tap = Reply { revision: Some(1), ..Reply::new(id, ReplyTo::Accepted, "李建国") };
    let accepted = world.reply(&tap);
    let deadline = accepted.deadline.unwrap();
    assert_eq!((deadline.light(), deadline.reached), (Light::Green, Some(Community)));
    assert!(deadline.escalation.is_none());
    assert_eq!(world.told(20), [], "somebody has it");
    world.step(id, ReplyTo::Dispatched, "李建国");
    assert_eq!(world.told(20), []);
    world.step(id, ReplyTo::AskGiveBack, "城管");
    world.step(id, ReplyTo::Granted, "李建国");
    let run = world.deadline(id).of_step().unwrap();
    assert_eq!((run.step, run.light), (LimitStep::Dispatch, Light::Green));
    assert_eq!(run.since, world.now.wall, "its clock begins again");
    for (to, by) in [
        (ReplyTo::Dispatched, "李建国"),
        (ReplyTo::Handled, "王芳"),
        (ReplyTo::SentBack, "李建国"),
        (ReplyTo::Handled, "王芳"),
        (ReplyTo::Verified, "李建国"),
    ] {
        world.step(id, to, by);
        assert_eq!(world.told(1), [], "{to:?}");
    }
    // 14:00 + 31 + 40 + 5 minutes: the whole case still has its limit.
    assert_eq!(world.told(20), [(20, "limit", None)], "four fifths of two hours");
    world.step(id, ReplyTo::Closed, "李建国");
    assert!(world.deadline(id).runs.is_empty());
    assert_eq!(world.told(600), []);
}

#[test]
fn l2_nobody_acts_and_each_level_is_told_once_the_whole_case_too() {
    use Level::{Community, Department, GridHead, Township};
    let mut world = World::new("");
    let id = world.press("btn-1");
    // At the third minute the first light has passed unseen, and is not told any more.
    let expected = [
        (3, "escalated", Some(GridHead)),
        (6, "escalated", Some(Community)),
        (9, "escalated", Some(Township)),
        (12, "escalated", Some(Department)),
        // The whole case does not begin at the foot of the ladder again.
        (24, "limit", Some(Department)),
        (30, "escalated", Some(Department)),
    ];
    assert_eq!(world.told(3_000), expected);
    assert_eq!(world.latest(id).stage, Stage::Opened, "an emergency is never closed by itself");
}

/// After the last level no step leaves an open case of which nobody is ever told again.
#[test]
fn l2_whatever_is_answered_after_the_last_level_an_open_case_is_told_of_again() {
    use Level::Department;
    let mut world = World::new("");
    let id = world.press("btn-1");
    assert_eq!(world.told(60).last(), Some(&(30, "escalated", Some(Department))));
    for to in [ReplyTo::Accepted, ReplyTo::Handled] {
        world.step(id, to, "");
    }
    // From here on only the whole case has a limit.
    world.step(id, ReplyTo::Verified, "王芳");
    assert!(world.deadline(id).escalation.is_none());
    // Once, since nobody answered since.
    assert_eq!(world.told(600), [(3, "escalated", Some(Department))]);
    world.step(id, ReplyTo::Closed, "王芳");
    assert_eq!(world.told(600), []);
}

#[test]
fn l2_what_was_accepted_and_nobody_was_sent_is_open_again() {
    let mut world = World::new("");
    let id = world.car();
    world.told(1);
    world.step(id, ReplyTo::Accepted, "李建国");
    let told = world.told(46);
    assert_eq!(
        told,
        [
            (24, "limit", None),
            (30, "lapsed", None),
            (42, "limit", None),
            (45, "escalated", Some(Level::GridHead))
        ]
    );
    let incident = world.latest(id);
    assert_eq!(incident.stage, Stage::Opened);
    assert!(incident.life.accepted().is_none() && incident.life.was_accepted());
    assert_eq!(world.deadline(id).accept_by, at("2026-07-01T14:46:00"));
    // While something is asked it does not lapse: somebody waits. Nobody answers: that climbs too.
    world.step(id, ReplyTo::Accepted, "李建国");
    world.step(id, ReplyTo::AskWithdraw, "李建国");
    let told = world.told(32);
    assert!(told.iter().all(|(_, what, _)| *what != "lapsed"), "{told:?}");
    let steps: Vec<LimitStep> = escalated_for(&world, id);
    assert!(
        steps.contains(&LimitStep::Answer) && steps.contains(&LimitStep::Dispatch),
        "{steps:?}"
    );
    world.step(id, ReplyTo::Refused, "王芳");
    let told = world.told(40);
    assert!(told.iter().any(|(_, what, _)| *what == "lapsed"), "{told:?}");
}

fn escalated_for(world: &World, id: IncidentId) -> Vec<LimitStep> {
    let told = world.records[&id].iter().filter(|record| record.what == What::Escalated);
    let told = told.map(|it| it.incident.deadline.as_ref().unwrap().escalation.as_ref().unwrap());
    told.flat_map(|it| it.also_for.iter().copied().chain([it.for_step])).collect()
}

#[test]
fn l2_suspended_the_clock_stands_and_extended_it_has_longer() {
    let mut world = World::new("");
    let id = world.sees("x", Kind::Loiter, 3, Phase::Begins)[0].incident.id;
    assert_eq!(world.deadline(id).finish_by, at("2026-07-03T14:00:00"), "two working days");
    world.step(id, ReplyTo::Accepted, "甲");
    world.step(id, ReplyTo::Dispatched, "甲");
    let handle_by = world.deadline(id).of_step().unwrap().by;
    assert_eq!(handle_by, at("2026-07-02T14:00:00"));
    world.told(60);
    let until = Some(at("2026-07-06T15:00:00"));
    world.reply(&Reply { until, ..Reply::new(id, ReplyTo::AskSuspend, "甲") });
    world.step(id, ReplyTo::Granted, "乙");
    // From Wednesday 15:00 to Monday 15:00, with a restart: nothing but the end.
    world.told(24 * 60);
    world.restart();
    let told = world.told(4 * 24 * 60);
    assert_eq!(told, [(4 * 24 * 60, "resumed", None)]);
    // Wednesday 15:00 to Friday 14:00 were 3 + 7.5 + 3.5 working hours; so many are left.
    assert_eq!(world.deadline(id).finish_by, at("2026-07-08T12:00:00"));
    assert_eq!(world.deadline(id).of_step().unwrap().by, at("2026-07-07T12:00:00"));
    let until = Some(at("2026-07-10T12:00:00"));
    world.reply(&Reply { until, ..Reply::new(id, ReplyTo::AskExtend, "甲") });
    world.step(id, ReplyTo::Granted, "乙");
    assert_eq!(world.deadline(id).finish_by, at("2026-07-10T12:00:00"));
    assert_eq!(world.deadline(id).of_step().unwrap().by, at("2026-07-10T12:00:00"));
    let minutes = (at("2026-07-10T11:59:00").duration_since(world.now.wall)).as_mins();
    let told = world.told(minutes);
    assert_eq!(told.iter().map(|it| it.1).collect::<Vec<_>>(), ["limit"], "{told:?}");
    let told = world.told(1);
    assert_eq!(told.iter().map(|it| it.1).collect::<Vec<_>>(), ["escalated"], "{told:?}");
}

#[test]
fn l2_rows_of_the_site_count_before_the_defaults_and_the_first_that_fits_wins() {
    let rows = r#"
[[limit]]
kinds = ["fire-lane"]
postures = ["flood"]
accept = "1min"
[[limit]]
kinds = ["fire-lane"]
severities = [2]
accept = "5min"
finish = "1d"
[[limit]]
tiers = ["small"]
accept = "7min"
[[limit]]
kinds = ["loiter"]
escalates = false
[[contact]]
level = "grid-head"
grids = ["G2"]
name = "别人"
[[contact]]
level = "grid-head"
communities = ["桥北社区"]
name = "社区值班"
phone = "110"
"#;
    let mut world = World::new(rows);
    let minutes =
        |world: &World, id| world.deadline(id).accept_by.duration_since(world.now.wall).as_mins();
    let car = world.car();
    assert_eq!(minutes(&world, car), 5);
    assert_eq!(world.deadline(car).finish_by, at("2026-07-02T14:00:00"));
    let line = world.sees("line", Kind::Line, 2, Phase::Begins)[0].incident.id;
    assert_eq!(minutes(&world, line), 7);
    assert_eq!(world.deadline(line).finish_by, at("2026-07-01T16:00:00"), "as by default");
    world.sees("loiter", Kind::Loiter, 3, Phase::Begins);
    world.sees("posture/flood", Kind::Posture, 3, Phase::Begins);
    let other = world.sees("other", Kind::FireLane, 2, Phase::Begins)[0].incident.id;
    assert_eq!(minutes(&world, other), 1);
    let told = world.told(5);
    assert!(told.contains(&(5, "escalated", Some(Level::GridHead))), "{told:?}");
    let escalation = world.deadline(car).escalation.clone().unwrap();
    assert_eq!(
        (escalation.name.as_deref(), escalation.phone.as_deref()),
        (Some("社区值班"), Some("110"))
    );
    let loiter = world.records.values().find(|it| it[0].incident.kind == Kind::Loiter).unwrap();
    let id = loiter[0].incident.id;
    world.told(60 * 24);
    assert_eq!(world.records[&id].len(), 1, "nobody is to be told of it");
}

#[test]
fn l2_the_defaults_are_those_of_the_contract() {
    let world = World::new("");
    let minutes = |kind: Kind, severity: u8| {
        let mut world = World::new("");
        let id = world.sees("x", kind, severity, Phase::Begins)[0].incident.id;
        let deadline = world.deadline(id);
        let since = |at: Timestamp| at.duration_since(world.now.wall).as_mins();
        (deadline.tier, since(deadline.accept_by), since(deadline.finish_by))
    };
    use crate::domain::Tier::{Complex, Slow, Small, Urgent};
    assert_eq!(minutes(Kind::Intrusion, 1), (Urgent, 3, 30));
    assert_eq!(minutes(Kind::EmergencyButton, 2), (Urgent, 3, 30));
    assert_eq!(minutes(Kind::Intrusion, 2), (Small, 15, 120));
    assert_eq!(minutes(Kind::Intrusion, 3), (Slow, 120, 2 * 24 * 60));
    // Seven working days from a Wednesday: the Friday of the next week.
    assert_eq!(minutes(Kind::Intrusion, 4), (Complex, 24 * 60, 9 * 24 * 60));
    drop(world);
}

#[test]
fn l2_what_mends_itself_calls_nobody_and_what_becomes_urgent_is_hurried() {
    let mut world = World::new("");
    world.fault(true);
    world.pass(60);
    world.fault(false);
    assert_eq!(world.told(24 * 60), [], "a camera that works again");
    // Not before its time is over (two working days), and marked.
    let mut world = World::new("");
    let id = world.fault(true)[0].incident.id;
    world.fault(false);
    let told = world.told(2 * 24 * 60);
    assert_eq!(told, [(2 * 24 * 60, "closed", None)]);
    let step = world.latest(id).life.steps.last().unwrap();
    assert_eq!((step.step, step.by.as_str()), (ReplyTo::Closed, "gridpost"));
    // It rises: the limits of what it is now, from now on.
    let mut world = World::new("");
    let id = world.sees("x", Kind::Waterside, 3, Phase::Begins)[0].incident.id;
    world.pass(60);
    world.sees("x", Kind::Waterside, 2, Phase::Continues);
    world.tick();
    let told = world.told(15);
    assert_eq!(told.last(), Some(&(15, "escalated", Some(Level::GridHead))), "{told:?}");
    assert_eq!(world.deadline(id).finish_by, at("2026-07-01T16:01:00"));
    // Also between two levels.
    world.sees("x", Kind::Waterside, 1, Phase::Continues);
    world.tick();
    let told = world.told(3);
    assert_eq!(told.last(), Some(&(3, "escalated", Some(Level::Community))), "{told:?}");
    // And where all levels were told: it was no emergency then.
    let mut world = World::new("");
    world.sees("x", Kind::Waterside, 2, Phase::Begins);
    let told = world.told(24 * 60);
    assert_eq!(told.last(), Some(&(120, "escalated", Some(Level::Department))), "{told:?}");
    world.sees("x", Kind::Waterside, 1, Phase::Continues);
    world.tick();
    let told = world.told(60);
    assert_eq!(told.last(), Some(&(3, "escalated", Some(Level::Department))), "{told:?}");
}

#[test]
fn l2_the_gateway_closes_only_notices_that_nobody_took_on_and_never_before_their_time() {
    for (severity, accepts, closes) in
        [(1, false, false), (2, false, false), (3, false, true), (4, false, true), (3, true, false)]
    {
        let mut world = World::new("[[limit]]\nescalates = false\n");
        let id = world.sees("x", Kind::Crowd, severity, Phase::Begins)[0].incident.id;
        world.sees("x", Kind::Crowd, severity, Phase::Ends);
        if accepts {
            world.step(id, ReplyTo::Accepted, "甲");
            world.step(id, ReplyTo::Handled, "甲");
        }
        let finish_by = world.deadline(id).finish_by;
        while world.now.wall < finish_by - SignedDuration::from_mins(1) {
            world.pass(60);
        }
        assert!(!world.latest(id).stage.is_over(), "{severity}: before its time");
        world.told(2 * 24 * 60);
        assert_eq!(world.latest(id).stage.is_over(), closes, "{severity} {accepts}");
    }
}

#[test]
fn l2_a_restart_forgets_no_limit_and_tells_none_twice_and_a_clock_that_is_set_moves_none() {
    let mut world = World::new("");
    let id = world.car();
    assert_eq!(world.told(13), [(12, "limit", None)]);
    world.restart();
    assert_eq!(world.told(1), []);
    assert_eq!(world.told(1), [(1, "escalated", Some(Level::GridHead))]);
    world.restart();
    assert_eq!(world.told(14), []);
    // It was off for a day: each level has its time again, and nobody is told of all at once.
    world.now.wall += SignedDuration::from_hours(24);
    world.restart();
    let (community, township) = (Some(Level::Community), Some(Level::Township));
    let expected = [(1, "escalated", community), (16, "escalated", township)];
    assert_eq!(world.told(16), expected);
    assert_eq!(world.records[&id].last().unwrap().what, What::Escalated);
    // The clock is set by hours, both ways: what runs runs on.
    for hours in [-30, 50] {
        let mut world = World::new("");
        world.car();
        world.told(5);
        world.now.wall += SignedDuration::from_hours(hours);
        assert_eq!(
            world.told(10),
            [(7, "limit", None), (10, "escalated", Some(Level::GridHead))],
            "{hours}"
        );
    }
    // A box that boots in 1970: the limit runs all the same, from its start on.
    let mut world = World::new("");
    world.now.wall = Timestamp::UNIX_EPOCH;
    world.car();
    world.told(5);
    world.restart();
    assert_eq!(world.told(12), [(12, "limit", None)]);
}

#[test]
fn l2_a_reply_in_the_journal_wins_over_a_limit_that_has_passed() {
    let mut world = World::new("");
    let id = world.car();
    // Its time has passed, and nobody has ticked yet.
    world.now.mono_ms += 3_600_000;
    world.now.wall += SignedDuration::from_hours(1);
    world.step(id, ReplyTo::Accepted, "甲");
    assert_eq!(world.tick().len(), 0);
    world.restart();
    assert_eq!(world.tick().len(), 0);
    assert!(escalated_for(&world, id).is_empty());
    // What the gateway does itself nobody can ask for.
    for to in [ReplyTo::Escalated, ReplyTo::Lapsed] {
        let (records, answer) =
            world.say("grid", Body::Reply(Reply::new(id, to, "甲")), Vec::new());
        assert!(records.is_empty());
        assert!(
            matches!(answer, Answer::Refused(why) if why.contains("no step that a person takes"))
        );
    }
}

#[test]
fn a_case_of_an_earlier_version_begins_to_run_and_keeps_its_times() {
    let mut world = World::new("");
    let id = world.car();
    let record = world.records.get_mut(&id).unwrap().last_mut().unwrap();
    record.incident.deadline.as_mut().unwrap().runs.clear();
    world.now.wall += SignedDuration::from_hours(5);
    world.restart();
    assert_eq!(world.told(15), [(12, "limit", None), (15, "escalated", Some(Level::GridHead))]);
    let source = SourceId::from("lane");
    assert_eq!(world.latest(id).sources[0].id, source);
}
