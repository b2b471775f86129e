//! Presses at the desk that are not plain: states that call, messages that nobody can read, words that nobody knows.

use std::collections::{BTreeSet, HashMap};

use jiff::SignedDuration;

use super::{Config, Desk, Directory, Effects};
use crate::domain::{
    Arrival, Body, DeviceInfo, DeviceReport, DeviceStatus, Entry, IdMint, IncidentId, Now,
    Observation, Press, PressForm, Record, Reply, ReplyTo, SeenPress, SourceInfo, SourceKind,
    Stamp, Unreadable, What,
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

struct World {
    desk: Desk,
    now: Now,
    records: Vec<Record>,
    live: HashMap<IncidentId, Record>,
    presses: Vec<SeenPress>,
    quarantined: usize,
}

/// One listed button, `a`.
fn directory() -> Directory {
    let info = SourceInfo {
        id: "a".into(),
        kind: SourceKind::Button,
        name: "老人".into(),
        place: None,
        grid: None,
        contact: None,
        note: None,
    };
    Directory {
        sources: [("a".into(), info)].into(),
        auto_close_after_s: 86_400,
        devices: [("a".into(), DeviceInfo::default())].into(),
        watch: Config::default(),
        ..Directory::default()
    }
}

fn sos() -> Press {
    Press { form: PressForm::Level, via: "radio".into(), ..Press::default() }
}

fn garbled() -> Press {
    let form = PressForm::Unreadable { reason: "not JSON".into(), text: "{\"ev␊".into() };
    Press { form, via: "radio".into(), ..Press::default() }
}

impl World {
    fn new() -> Self {
        let now = Now { wall: "2026-07-01T00:00:00Z".parse().unwrap(), mono_ms: 5_000 };
        let desk = Desk::new(directory(), IdMint::new([0; 32]));
        let mut world =
            Self { desk, now, records: vec![], live: [].into(), presses: vec![], quarantined: 0 };
        world.desk.restore_devices(now, Default::default());
        world
    }

    /// Another process, with the journal; `table`: whether the table of devices was written too.
    fn restart(&mut self, table: bool) {
        let devices = if table { self.desk.devices(self.now) } else { Default::default() };
        self.desk = Desk::new(directory(), IdMint::new([1; 32]));
        self.desk.restore_devices(self.now, devices);
        let live = self.live.values().cloned().collect();
        let effects = self.desk.restore(self.now, live, &self.presses, Vec::new());
        self.take(effects);
    }

    fn take(&mut self, effects: Effects) {
        for entry in effects.entries {
            match entry {
                Entry::Change(record) => {
                    self.live.insert(record.incident.id, (*record).clone());
                    self.records.push(*record);
                }
                Entry::Press { source, stamp, press, incident, .. } => {
                    let taken_at = stamp.gateway;
                    self.presses.push(SeenPress { source, press, taken_at, incident });
                }
                Entry::Quarantine(_) => self.quarantined += 1,
                _ => {}
            }
        }
    }

    fn say(&mut self, id: &str, body: Body) -> bool {
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: id.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        let repeated = effects.repeated;
        self.take(effects);
        repeated
    }

    fn press(&mut self, press: Press) -> bool {
        self.say("a", Body::Press(press))
    }

    fn calls(&mut self, calling: bool) {
        let report = DeviceReport { calling: Some(calling), ..DeviceReport::default() };
        self.say("a", Body::Device(report));
    }

    fn pass(&mut self, seconds: i64) {
        self.now.wall += SignedDuration::from_secs(seconds);
        self.now.mono_ms += u64::try_from(seconds * 1000).unwrap();
        let effects = self.desk.tick(self.now, Vec::new());
        self.take(effects);
    }

    fn close_all(&mut self) {
        let open: Vec<IncidentId> = self
            .live
            .values()
            .filter(|one| one.incident.active)
            .map(|one| one.incident.id)
            .collect();
        for incident in open {
            let reply = Reply::new(incident, ReplyTo::Closed, "李");
            self.say("a", Body::Reply(reply));
            self.live.remove(&incident);
        }
        self.records.clear();
    }

    fn acknowledge(&mut self, key: &str) {
        let open = self.live.values().find(|one| one.incident.key == key).unwrap();
        let reply = Reply::new(open.incident.id, ReplyTo::Accepted, "李");
        self.say("a", Body::Reply(reply));
    }

    /// `kind/severity what`, and forgotten.
    fn changes(&mut self) -> Vec<String> {
        let line = |record: Record| {
            let incident = record.incident;
            format!(
                "{}/{} {}",
                incident.kind.as_str(),
                incident.severity.level(),
                record.what.as_str()
            )
        };
        self.records.drain(..).filter(|record| record.what != What::Closed).map(line).collect()
    }
}

/// By its number a page knows which presses nobody has answered.
#[test]
fn each_step_of_a_person_notes_how_many_presses_there_were() {
    let mut world = World::new();
    let press = |id: &str| Press { id: Some(id.into()), via: "radio".into(), ..Press::default() };
    let counts = |world: &World| {
        let detail = &world.records.last().unwrap().incident.detail;
        ["presses", "presses_known"].map(|key| detail.get(key).and_then(serde_json::Value::as_u64))
    };
    world.press(press("1"));
    assert_eq!(counts(&world), [Some(1), None]);
    world.acknowledge("press/a");
    assert_eq!(counts(&world), [Some(1), Some(1)]);
    world.pass(MINUTE);
    world.press(press("2"));
    assert_eq!(counts(&world), [Some(2), Some(1)]);
    world.restart(true);
    world.pass(MINUTE);
    world.press(press("3"));
    assert_eq!(counts(&world), [Some(3), Some(1)], "over a restart too");
    let id = world.records.last().unwrap().incident.id;
    world.say("a", Body::Reply(Reply::new(id, ReplyTo::Dispatched, "李")));
    assert_eq!(counts(&world), [Some(3), Some(3)]);
}

/// A loose contact presses and takes back, several times a second.
#[test]
fn a_call_that_is_taken_back_over_and_over_is_twenty_cases_and_then_one_that_goes_on() {
    let mut world = World::new();
    let press = |n: u32| Press { id: Some(n.to_string()), via: "radio".into(), ..Press::default() };
    let cancel =
        || Body::Device(DeviceReport { word: DeviceStatus::Cancel, ..DeviceReport::default() });
    for n in 0..600 {
        world.press(press(n));
        let told = world.records.last().unwrap();
        assert!(told.incident.active, "no call is silent: {n}");
        assert_eq!(told.what, if n < 20 { What::Opened } else { What::Updated }, "{n}");
        world.say("a", cancel());
    }
    let cases: BTreeSet<IncidentId> = world.live.keys().copied().collect();
    assert_eq!(cases.len(), 20, "twenty cases, the last of which goes on");
    world.pass(10);
    let last = world.records.last().unwrap();
    assert_eq!((last.what, last.incident.active), (What::Ended, false));
    assert_eq!(last.incident.detail["presses"], 581);
    let revisions: Vec<u32> = world
        .records
        .iter()
        .filter(|record| record.incident.id == last.incident.id)
        .map(|record| record.incident.revision)
        .collect();
    assert!(revisions.windows(2).all(|two| two[1] == two[0] + 1), "{revisions:?}");
    // Once a person has closed it, the next call is a case of its own; so is one after an hour.
    let id = last.incident.id;
    world.say("a", Body::Reply(Reply::new(id, ReplyTo::Closed, "李")));
    for (seconds, n) in [(1, 1_000), (HOUR, 1_001)] {
        world.pass(seconds);
        world.press(press(n));
        assert_eq!(world.records.last().unwrap().what, What::Opened, "{n}");
        world.say("a", cancel());
    }
}

fn cancel() -> Body {
    Body::Device(DeviceReport { word: DeviceStatus::Cancel, ..DeviceReport::default() })
}

/// Without ids a press within three seconds of another one is that one, but not where it was taken back.
#[test]
fn a_press_just_after_its_call_was_taken_back_is_another_call() {
    for id in [None, Some("7".to_owned())] {
        let mut world = World::new();
        let press = || Press { id: id.clone(), via: "radio".into(), ..Press::default() };
        world.press(press());
        world.press(press());
        assert_eq!(world.changes(), ["emergency-button/1 opened"], "two copies");
        world.pass(1);
        world.say("a", cancel());
        world.changes();
        world.pass(1);
        world.press(press());
        let told = world.changes().contains(&"emergency-button/1 opened".to_owned());
        assert_eq!(told, id.is_none(), "with its id it is a copy that came late: {id:?}");
    }
}

/// Many calls were taken back, and somebody has dealt with the last of them: the next one is a case.
#[test]
fn after_very_many_a_call_goes_on_only_with_a_case_that_nobody_has_handled() {
    for (to, opens) in [
        (ReplyTo::Accepted, false),
        (ReplyTo::Dispatched, false),
        (ReplyTo::Handled, true),
        (ReplyTo::Verified, true),
    ] {
        let mut world = World::new();
        let press =
            |n: u32| Press { id: Some(n.to_string()), via: "radio".into(), ..Press::default() };
        for n in 0..20 {
            world.press(press(n));
            world.pass(4);
            world.say("a", cancel());
        }
        let id = world.records.last().unwrap().incident.id;
        world.say("a", Body::Reply(Reply::new(id, to, "李")));
        world.press(press(20));
        let what = world.records.last().unwrap().what;
        assert_eq!(what, if opens { What::Opened } else { What::Updated }, "{to:?}");
    }
}

#[test]
fn a_rise_is_a_press_and_what_is_said_again_is_asked_about_at_most_once_an_hour() {
    let mut world = World::new();
    world.press(sos());
    assert_eq!(
        world.changes(),
        ["emergency-button/1 opened"],
        "the first one, of an unknown state"
    );
    for _ in 0..9 {
        world.pass(MINUTE);
        assert!(world.press(sos()), "it is that press, and counted as said again");
    }
    assert_eq!(world.changes(), [""; 0]);
    // Later: once an hour, however often it is said.
    world.pass(2 * MINUTE);
    for _ in 0..55 {
        world.press(sos());
        world.pass(MINUTE);
    }
    let told = world.changes();
    assert_eq!(told, ["emergency-button/2 opened", "device-fault/3 opened"]);
    for _ in 0..60 {
        world.press(sos());
        world.pass(MINUTE);
    }
    assert_eq!(world.changes(), ["emergency-button/2 updated"], "and it never falls: told once");
    // It falls; the next one is a press, at once.
    world.calls(false);
    assert_eq!(world.changes(), ["device-fault/3 ended"]);
    world.press(sos());
    assert_eq!(world.changes(), ["emergency-button/1 updated"]);
    // A case that is closed while it still calls: asked at once, though the hour is over for it.
    world.pass(2 * HOUR);
    world.close_all();
    world.press(sos());
    let told = world.changes();
    assert!(told.contains(&"emergency-button/2 opened".to_owned()), "{told:?}");
    // And so is the question itself: who closed it hears of the next one, once an hour while it is open.
    world.pass(2 * MINUTE);
    world.close_all();
    for _ in 0..30 {
        world.press(sos());
        world.pass(MINUTE);
    }
    let told = world.changes();
    let questions = told.iter().filter(|one| one.starts_with("emergency-button/2")).count();
    assert_eq!(questions, 1, "{told:?}");
}

#[test]
fn a_state_that_calls_is_known_over_a_restart_and_a_retained_one_calls_nobody() {
    for table in [true, false] {
        let mut world = World::new();
        world.press(sos());
        world.pass(5 * MINUTE);
        world.changes();
        world.restart(table);
        assert!(world.press(sos()), "table {table}: the same press");
        assert_eq!(world.changes(), [""; 0]);
        world.pass(MINUTE);
        world.calls(false);
        world.restart(table);
        world.pass(HOUR);
        world.press(sos());
        let told = world.changes();
        // Without the table nobody knows that it fell: at the least somebody is asked.
        let expected =
            if table { "emergency-button/1 updated" } else { "emergency-button/2 opened" };
        assert!(told.contains(&expected.to_owned()), "table {table}: {told:?}");
    }
    let mut world = World::new();
    world.press(Press { retained: true, ..sos() });
    assert_eq!(world.changes(), [""; 0], "an old one");
    world.press(sos());
    assert_eq!(
        world.changes(),
        ["emergency-button/1 opened"],
        "and this is the first that is live"
    );
}

#[test]
fn what_nobody_can_read_of_a_button_is_one_incident_until_it_is_closed() {
    let mut world = World::new();
    let unreadable = || {
        Body::Unreadable(Unreadable {
            origin: "radio x".into(),
            reason: "not JSON".into(),
            payload: b"{\"ev\n".to_vec(),
        })
    };
    world.say("a", unreadable());
    world.press(garbled());
    assert_eq!(world.quarantined, 1);
    let opened = world.records.iter().find(|one| one.incident.severity.level() == 2).unwrap();
    let detail = &opened.incident.detail;
    assert_eq!((&detail["unreadable"], &detail["payload"]), (&true.into(), &"{\"ev␊".into()));
    assert!(opened.incident.title.zh.starts_with("老人：按钮消息无法识别"), "{opened:?}");
    assert_eq!(world.changes(), ["device-fault/3 opened", "emergency-button/2 opened"]);
    // More of it: counted, and told once a minute at the most.
    for _ in 0..59 {
        world.pass(1);
        world.press(garbled());
    }
    assert_eq!(world.changes(), [""; 0]);
    for _ in 0..60 {
        world.pass(1);
        world.press(garbled());
    }
    let messages =
        |world: &World| world.records.last().unwrap().incident.detail["messages"].clone();
    assert_eq!(messages(&world), 61);
    assert_eq!(world.changes(), ["emergency-button/2 updated"]);
    // Whoever has it in hand is told of the next one at once.
    world.acknowledge("unreadable/a");
    world.changes();
    world.press(garbled());
    assert_eq!(messages(&world), 121);
    world.press(garbled());
    assert_eq!(world.changes(), ["emergency-button/2 updated"]);
    // The same packet sent again is none.
    let packet = |dup: bool| {
        let (way, client, digest) = ("intake".into(), "c".into(), "d".into());
        let arrival = Some(Arrival { way, client, packet: Some(1), dup, digest });
        Press { arrival, ..garbled() }
    };
    world.pass(HOUR);
    assert!(!world.press(packet(false)));
    world.pass(2 * MINUTE);
    assert!(world.press(packet(true)));
    assert_eq!(world.changes(), ["emergency-button/2 updated"]);
    // A press of it is an emergency beside it.
    world.press(Press { via: "radio".into(), ..Press::default() });
    assert_eq!(world.changes(), ["emergency-button/1 opened"]);
    world.restart(true);
    world.press(garbled());
    assert!(world.changes().iter().all(|one| !one.ends_with("opened")), "open still");
    world.close_all();
    world.press(garbled());
    assert_eq!(world.changes(), ["emergency-button/2 opened"]);
}

#[test]
fn what_nobody_understands_of_a_listed_device_is_told_once_with_samples() {
    let mut world = World::new();
    let says = |word: &str| {
        let kept = Unreadable { origin: "o".into(), reason: "r".into(), payload: word.into() };
        Body::Device(DeviceReport {
            unknown: vec![format!("action \"{word}\"")],
            kept: Some(Box::new(kept)),
            ..DeviceReport::default()
        })
    };
    for word in ["one", "two", "three", "four", "four"] {
        world.say("a", says(word));
        world.say("nobody", says(word));
        world.pass(MINUTE);
    }
    assert_eq!(world.changes(), ["device-fault/3 opened"], "of the listed one alone");
    assert_eq!(world.quarantined, 10, "all are kept");
    let table = world.desk.devices(world.now);
    let row = |id: &str| table.devices.iter().find(|one| one.id == id).unwrap();
    assert_eq!(row("a").unknown_words, 5);
    assert_eq!(row("nobody").unknown_words, 5);
    assert_eq!(row("a").samples, ["action \"two\"", "action \"three\"", "action \"four\""]);
    assert_eq!(row("a").states(), ["unclear"]);
    world.pass(23 * HOUR);
    assert_eq!(world.changes(), [""; 0]);
    world.pass(HOUR + MINUTE);
    assert_eq!(world.changes(), ["device-fault/3 ended"], "a day without");
}

#[test]
fn a_press_with_doubts_tells_them() {
    let mut world = World::new();
    let doubts = vec!["battery \"n/a\"".to_owned()];
    world.press(Press { doubts, via: "radio".into(), ..Press::default() });
    let detail = &world.records[0].incident.detail;
    assert_eq!(detail["doubts"], serde_json::json!(["battery \"n/a\""]));
    assert_eq!(world.changes(), ["emergency-button/1 opened"], "and nothing else is told of it");
    world.pass(MINUTE);
    world.press(Press { via: "radio".into(), ..Press::default() });
    assert!(!world.records[0].incident.detail.contains_key("doubts"), "the next one has none");
}
