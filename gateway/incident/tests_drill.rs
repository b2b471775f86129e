//! Drills: like any incident on their way to people, and like none for everything else.

use jiff::SignedDuration;

use super::{Desk, Directory, Effects};
use crate::domain::{
    Answer, Body, DismissReason, DrillOrder, Entry, IdMint, Incident, Kind, Now, Observation,
    Press, Record, Reply, ReplyTo, Severity, SourceId, SourceInfo, SourceKind, Stage, Stamp, What,
};

struct World {
    now: Now,
    desk: Desk,
    records: Vec<Record>,
}

fn directory() -> Directory {
    let info = SourceInfo {
        id: "b1".into(),
        kind: SourceKind::Button,
        name: "张秀英".into(),
        place: None,
        grid: None,
        contact: None,
        note: None,
    };
    Directory {
        sources: [(SourceId::from("b1"), info)].into(),
        auto_close_after_s: 86_400,
        ..Directory::default()
    }
}

impl World {
    fn new() -> Self {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
        let desk = Desk::new(directory(), IdMint::new([0; 32]));
        Self { now, desk, records: Vec::new() }
    }

    fn say(&mut self, source: &str, body: Body) -> Effects {
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: source.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.keep(&effects);
        effects
    }

    fn drill(&mut self, lasts_s: u32) -> Incident {
        let severity = Severity::EMERGENCY;
        let order =
            DrillOrder { by: "王芳".into(), kind: Kind::EmergencyButton, severity, lasts_s };
        match self.say("b1", Body::Drill(order)).answer {
            Answer::Changed(incident) => *incident,
            other => panic!("{other:?}"),
        }
    }

    fn keep(&mut self, effects: &Effects) {
        self.records.extend(effects.entries.iter().filter_map(|entry| match entry {
            Entry::Change(record) => Some(Record::clone(record)),
            _ => None,
        }));
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono_ms += 1_000;
            self.now.wall += SignedDuration::from_secs(1);
            let effects = self.desk.tick(self.now, Vec::new());
            self.keep(&effects);
        }
    }

    fn restart(&mut self) {
        self.now.mono_ms = 1_000;
        self.desk = Desk::new(directory(), IdMint::new([1; 32]));
        let mut latest: Vec<Record> = Vec::new();
        for record in &self.records {
            latest.retain(|one| one.incident.id != record.incident.id);
            latest.push(record.clone());
        }
        latest.retain(|one| !one.incident.stage.is_over());
        let effects = self.desk.restore(self.now, latest, &[], Vec::new());
        self.keep(&effects);
    }

    fn latest(&self, of: &Incident) -> &Record {
        self.records.iter().rfind(|record| record.incident.id == of.id).unwrap()
    }
}

#[test]
fn it_is_marked_and_a_real_press_beside_it_is_another_incident() {
    for restarts in [false, true] {
        let mut world = World::new();
        let drill = world.drill(60);
        assert_eq!(drill.title.zh, "【演练】张秀英：紧急按钮求助");
        assert_eq!(
            (drill.revision, drill.active, drill.detail["drill"].as_bool()),
            (1, false, Some(true))
        );
        if restarts {
            world.restart();
        }
        let pressed = world.say("b1", Body::Press(Press::default()));
        let Some(Entry::Change(record)) =
            pressed.entries.iter().find(|entry| matches!(entry, Entry::Change(_)))
        else {
            panic!("{pressed:?}")
        };
        assert_eq!((record.what, record.incident.revision), (What::Opened, 1));
        assert_ne!(record.incident.id, drill.id);
        assert!(!record.incident.detail.contains_key("drill"), "{record:?}");
        assert_eq!(world.latest(&drill).incident.revision, 1, "and nothing joins the drill");
    }
}

#[test]
fn it_ends_by_itself_over_a_restart_too_and_what_is_real_does_not() {
    for restarts in [false, true] {
        let mut world = World::new();
        let drill = world.drill(60);
        world.say("b1", Body::Press(Press::default()));
        world.pass(59);
        assert!(!world.latest(&drill).incident.stage.is_over());
        if restarts {
            world.restart();
        }
        world.pass(2);
        let last = world.latest(&drill);
        assert_eq!((last.what, last.incident.stage), (What::Dismissed, Stage::Dismissed));
        let step = last.incident.life.steps.last().unwrap();
        assert_eq!((step.by.as_str(), step.reason), ("gridpost", Some(DismissReason::Test)));
        let told = world.records.len();
        world.pass(120);
        let again = world.records[told..].iter().any(|one| one.incident.id == drill.id);
        assert!(!again, "once");
        let real = world.records.iter().rfind(|one| one.incident.id != drill.id).unwrap();
        assert_eq!(real.incident.stage, Stage::Opened);
    }
}

#[test]
fn persons_answer_it_like_any_other() {
    let mut world = World::new();
    let drill = world.drill(60);
    for (to, by) in [(ReplyTo::Accepted, "王芳"), (ReplyTo::Closed, "王芳")] {
        let effects = world.say("grid", Body::Reply(Reply::new(drill.id, to, by)));
        assert!(matches!(effects.answer, Answer::Changed(_)), "{effects:?}");
    }
    world.pass(90);
    assert_eq!(world.latest(&drill).what, What::Closed, "and then it is over");
}

#[test]
fn one_of_a_source_that_nobody_knows_is_refused() {
    let mut world = World::new();
    let severity = Severity::EMERGENCY;
    let order =
        DrillOrder { by: "王芳".into(), kind: Kind::EmergencyButton, severity, lasts_s: 60 };
    let effects = world.say("b9", Body::Drill(order));
    assert!(effects.entries.is_empty());
    assert!(matches!(effects.answer, Answer::Refused(why) if why.contains("`b9`")));
}

#[test]
fn a_clock_that_is_set_neither_ends_it_nor_keeps_it() {
    for hours in [-1, 1] {
        let mut world = World::new();
        let drill = world.drill(600);
        world.now.wall += SignedDuration::from_hours(hours);
        world.pass(598);
        assert!(!world.latest(&drill).incident.stage.is_over(), "{hours}");
        world.pass(3);
        assert!(world.latest(&drill).incident.stage.is_over(), "{hours}");
    }
}

#[test]
fn what_is_real_is_never_merged_into_it_nor_it_into_what_is_real() {
    let mut world = World::new();
    let drill = world.drill(600);
    let pressed = world.say("b1", Body::Press(Press::default()));
    let real = pressed.entries.iter().find_map(|entry| match entry {
        Entry::Change(record) => Some(record.incident.clone()),
        _ => None,
    });
    let real = real.unwrap();
    for (one, into) in [(&real, &drill), (&drill, &real)] {
        let mut reply = Reply::new(one.id, ReplyTo::Merged, "王芳");
        reply.into = Some(into.id);
        let effects = world.say("grid", Body::Reply(reply));
        assert!(
            matches!(&effects.answer, Answer::Refused(why) if why.contains("never one case")),
            "{effects:?}"
        );
    }
}
