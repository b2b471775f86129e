//! Whose business an incident is: by the list when it opens, by persons from then on.

use super::{Desk, Directory, Effects};
use crate::domain::{
    AdmittedItem, Body, ClockError, Detail, Entry, Finding, IdMint, Incident, Kind, Now,
    Observation, Otherwise, Phase, Posture, Press, Reply, ReplyTo, Routes, Severity, SourceId,
    Stamp, ThingReport,
};

fn item(department: &str, kind: Kind, postures: &[Posture]) -> AdmittedItem {
    AdmittedItem {
        code: None,
        item: department.into(),
        kinds: vec![kind],
        areas: Vec::new(),
        postures: postures.to_vec(),
        department: department.into(),
        person: None,
        phone: None,
    }
}

fn now(second: i64) -> Now {
    let began: jiff::Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
    let wall = began + jiff::SignedDuration::from_secs(second);
    Now { wall, mono_ms: u64::try_from(second).unwrap() * 1000 }
}

fn desk(items: Vec<AdmittedItem>) -> Desk {
    let otherwise =
        Otherwise { department: "综治中心".into(), person: "李四".into(), phone: None };
    let routes = Routes { items, otherwise: Some(otherwise) };
    Desk::new(Directory { routes, ..Directory::default() }, IdMint::new([0; 32]))
}

fn say(desk: &mut Desk, at: i64, source: &str, body: Body) -> Effects {
    let stamp = Stamp::of_gateway(now(at));
    desk.apply(now(at), &Observation { source: SourceId::from(source), stamp, body }, Vec::new())
}

fn press(desk: &mut Desk, at: i64, source: &str) -> Incident {
    latest(&say(desk, at, source, Body::Press(Press::default())))
}

fn latest(effects: &Effects) -> Incident {
    let change = effects.entries.iter().rev().find_map(|entry| match entry {
        Entry::Change(record) => Some(record.incident.clone()),
        _ => None,
    });
    change.unwrap_or_else(|| panic!("{effects:?}"))
}

fn reply(desk: &mut Desk, at: i64, case: &Incident, to: ReplyTo, by: &str) -> Incident {
    latest(&say(desk, at, "grid", Body::Reply(Reply::new(case.id, to, by))))
}

/// Flood season begins or ends, as the rule says it.
fn posture(desk: &mut Desk, at: i64, phase: Phase) {
    let finding = Finding {
        key: Posture::Flood.key(),
        phase,
        rule: None,
        source: "x".into(),
        kind: Kind::Posture,
        severity: Severity::NOTICE,
        title: None,
        began_at: now(2).wall,
        at: now(at).wall,
        clock: ClockError { device: None, gateway: now(at).wall, error_ms: 0 },
        objects: Vec::new(),
        why: String::new(),
        detail: Detail::new(),
        things: ThingReport::default(),
        shot: None,
        notable: true,
    };
    desk.tick(now(at), vec![finding]);
}

#[test]
fn an_incident_says_from_its_first_record_whose_business_it_is() {
    let mut desk = desk(vec![item("派出所", Kind::EmergencyButton, &[])]);
    let incident = press(&mut desk, 1, "b1");
    let route = incident.route.unwrap();
    assert_eq!((incident.revision, route.department.as_str(), route.admitted), (1, "派出所", true));
}

#[test]
fn what_the_list_does_not_admit_goes_to_the_named_person() {
    let mut desk = desk(vec![item("消防", Kind::FireLane, &[])]);
    let route = press(&mut desk, 1, "b1").route.unwrap();
    assert_eq!((route.person.as_deref(), route.admitted), (Some("李四"), false));
}

#[test]
fn a_posture_that_is_held_decides_for_those_who_come_while_it_is() {
    let mut desk = desk(vec![
        item("派出所", Kind::EmergencyButton, &[]),
        item("应急管理局", Kind::EmergencyButton, &[Posture::Flood]),
    ]);
    let before = press(&mut desk, 1, "b1");
    posture(&mut desk, 2, Phase::Begins);
    let during = press(&mut desk, 3, "b2");
    posture(&mut desk, 4, Phase::Ends);
    let after = press(&mut desk, 5, "b3");
    let departments = [before, during, after].map(|one| one.route.unwrap().department);
    assert_eq!(departments, ["派出所", "应急管理局", "派出所"]);
}

#[test]
fn who_dispatches_without_a_word_sends_it_where_the_list_says_and_never_back_to_who_gave_it_back() {
    let mut desk = desk(vec![item("派出所", Kind::EmergencyButton, &[])]);
    let case = press(&mut desk, 1, "b1");
    let sent = reply(&mut desk, 2, &case, ReplyTo::Dispatched, "值班长");
    assert_eq!(sent.life.department.as_deref(), Some("派出所"));
    assert_eq!(sent.life.steps[0].department.as_deref(), Some("派出所"));
    reply(&mut desk, 3, &case, ReplyTo::AskGiveBack, "派出所");
    let given_back = reply(&mut desk, 4, &case, ReplyTo::Granted, "值班长");
    assert_eq!(given_back.life.department, None);
    let again = reply(&mut desk, 5, &case, ReplyTo::Dispatched, "值班长");
    assert_eq!(again.life.department, None, "{again:?}");
    assert_eq!(again.route.unwrap().department, "派出所", "what the list says stays on record");
}

#[test]
fn the_same_dispatch_twice_has_one_effect() {
    let mut desk = desk(vec![item("派出所", Kind::EmergencyButton, &[])]);
    let case = press(&mut desk, 1, "b1");
    reply(&mut desk, 2, &case, ReplyTo::Dispatched, "值班长");
    let again = Reply::new(case.id, ReplyTo::Dispatched, "值班长");
    let effects = say(&mut desk, 3, "grid", Body::Reply(again));
    assert!(effects.entries.is_empty(), "{effects:?}");
}
