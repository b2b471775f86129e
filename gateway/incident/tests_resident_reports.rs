//! Residents' reports at the desk: one each, never an emergency, never closed by themselves.

use jiff::{SignedDuration, tz::TimeZone};

use super::{Desk, Directory, Effects, LifeConfig, Limits};
use crate::domain::{
    Answer, Body, Calendar, Entry, Evidence, IdMint, Incident, Kind, Level, Now, Observation,
    REPORTS_SOURCE, Record, Reply, ReplyTo, ResidentReport, Severity, Stage, Stamp, What,
};

struct World {
    now: Now,
    desk: Desk,
    records: Vec<Record>,
}

fn directory() -> Directory {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let limits = Limits::new(&LifeConfig::default(), Calendar::default(), zone);
    Directory { auto_close_after_s: 60, limits, ..Directory::default() }
}

fn report(number: &str, text: &str) -> ResidentReport {
    ResidentReport {
        number_sha256: number.into(),
        text: text.into(),
        grid: None,
        place: Some("桥北菜场".into()),
        own_place: None,
        picture: None,
        picture_refused: None,
        language: "zh",
    }
}

impl World {
    fn new() -> Self {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
        Self { now, desk: Desk::new(directory(), IdMint::new([0; 32])), records: Vec::new() }
    }

    fn keep(&mut self, effects: &Effects) {
        self.records.extend(effects.entries.iter().filter_map(|entry| match entry {
            Entry::Change(record) => Some(Record::clone(record)),
            _ => None,
        }));
    }

    fn say(&mut self, body: Body) -> Effects {
        let (source, stamp) = (REPORTS_SOURCE.into(), Stamp::of_gateway(self.now));
        let observation = Observation { source, stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.keep(&effects);
        effects
    }

    fn report(&mut self, report: ResidentReport) -> Incident {
        match self.say(Body::Report(Box::new(report))).answer {
            Answer::Changed(incident) => *incident,
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, hours: i64) {
        for _ in 0..hours * 4 {
            self.now.wall += SignedDuration::from_mins(15);
            self.now.mono_ms += 900_000;
            let effects = self.desk.tick(self.now, Vec::new());
            self.keep(&effects);
        }
    }

    /// As after a restart: what the journal has last of each case.
    fn restart(&mut self) {
        let mut latest = std::collections::BTreeMap::new();
        for record in &self.records {
            latest.insert(record.incident.id, record.clone());
        }
        self.desk = Desk::new(directory(), IdMint::new([1; 32]));
        let live = latest.into_values().collect();
        let effects = self.desk.restore(self.now, live, &[], Vec::new());
        self.keep(&effects);
    }
}

#[test]
fn each_is_one_whatever_it_says_and_however_often_it_comes() {
    let mut world = World::new();
    let fire = world.report(report("a", "救命！着火了！"));
    assert_eq!(
        (fire.kind, fire.severity, fire.stage),
        (Kind::Report, Severity::NOTICE, Stage::Opened)
    );
    assert!(!fire.active && fire.title.zh.starts_with("群众上报：桥北菜场：救命"));
    let again = world.say(Body::Report(Box::new(report("a", "救命！着火了！"))));
    assert!(again.entries.is_empty() && again.repeated);
    assert!(matches!(again.answer, Answer::Changed(same) if same.id == fire.id));
    let other = world.report(report("b", "救命！着火了！"));
    assert_ne!(other.id, fire.id, "another resident, who is answered too");
    world.restart();
    assert_eq!(world.report(report("a", "")).id, fire.id);
    assert_eq!(world.records.iter().filter(|one| one.what == What::Opened).count(), 2);
    let long = world.report(report("c", &"长".repeat(1_000)));
    assert!(long.title.zh.chars().count() < 60, "{}", long.title.zh);
}

#[test]
fn what_a_resident_writes_is_no_headline() {
    let mut world = World::new();
    let words = "【紧急】3号楼」张秀英一键报警，快去快去快去快去快去";
    let own = Some(words.to_owned());
    let forged =
        ResidentReport { place: None, own_place: own.clone(), ..report("a", "【紧急】") };
    let title = world.report(forged).title;
    assert!(title.zh.starts_with("群众上报：自述地点「【紧急】3号楼』张秀英"), "{}", title.zh);
    assert!(title.zh.ends_with("」：【紧急】") && title.zh.chars().count() < 45, "{}", title.zh);
    assert!(title.en.starts_with("report: place as told「【紧急】"), "{}", title.en);
    let both = world.report(ResidentReport { own_place: own, ..report("b", "x") });
    assert!(both.title.zh.starts_with("群众上报：桥北菜场：自述地点「"), "{}", both.title.zh);
    assert_eq!(both.detail["address"], format!("桥北菜场，{words}"));
    let bare = world.report(ResidentReport { place: None, ..report("c", "") });
    assert_eq!(bare.title.zh, "群众上报");
}

#[test]
fn its_picture_is_on_record_before_it_and_belongs_to_it() {
    let mut world = World::new();
    let picture = Evidence {
        id: IdMint::new([7; 32]).evidence(world.now),
        media_type: "image/jpeg".into(),
        sha256: "0".into(),
        bytes: 1,
        starts_at: None,
        ends_at: None,
        pre_roll_ms: None,
        pre_roll_limit: None,
        original_of: None,
        kept_here: false,
    };
    let report = ResidentReport { picture: Some(picture.clone()), ..report("a", "") };
    let effects = world.say(Body::Report(Box::new(report)));
    let [Entry::Evidence { incident, evidence }, Entry::Change(record)] = &effects.entries[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((*incident, evidence), (record.incident.id, &picture));
    assert_eq!(record.incident.evidence, [picture]);
}

#[test]
fn nobody_closes_it_but_a_person_and_who_is_silent_is_told_of() {
    let mut world = World::new();
    let id = world.report(report("a", "路灯")).id;
    world.pass(24 * 14);
    let last = world.records.last().unwrap().incident.clone();
    assert_eq!(last.stage, Stage::Opened, "a resident waits");
    let told = world.records.iter().flat_map(|record| record.incident.life.steps.last());
    assert_eq!(told.filter_map(|step| step.level).max(), Some(Level::Department));
    let reply = Reply::new(id, ReplyTo::Closed, "王警官");
    world.say(Body::Reply(reply));
    assert_eq!(world.records.last().unwrap().incident.stage, Stage::Closed);
}
