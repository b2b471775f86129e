//! Devices at the desk: silence, battery, tampering and reception become incidents; tries and cancellations do not.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::{Config, Desk, Directory, Effects, TestWindow};
use crate::domain::{
    Body, DeviceInfo, DeviceReport, DeviceStatus, DeviceTable, Entry, IdMint, Kind, Now,
    Observation, Press, Record, Reply, ReplyTo, SourceInfo, SourceKind, Stamp, What,
};

struct World {
    desk: Desk,
    now: Now,
    records: Vec<Record>,
    tests: usize,
}

const HOUR: i64 = 3_600;

fn directory(ids: &[&str], watch: Config) -> Directory {
    let info = |id: &&str| SourceInfo {
        id: (*id).into(),
        kind: SourceKind::Button,
        name: format!("老人 {id}"),
        place: None,
        grid: None,
        contact: Some(format!("138-{id}")),
        note: Some("备用钥匙在楼下".into()),
    };
    let device = |id: &&str| {
        let device = DeviceInfo {
            address: Some("2号楼302".into()),
            silent_after_s: Some(25 * 3_600),
            cameras: vec!["gate".into()],
            ..DeviceInfo::default()
        };
        ((*id).into(), device)
    };
    Directory {
        sources: ids.iter().map(|id| ((*id).into(), info(id))).collect(),
        auto_close_after_s: 86_400,
        devices: ids.iter().map(device).collect::<HashMap<_, _>>(),
        watch,
        ..Directory::default()
    }
}

impl World {
    fn new(ids: &[&str]) -> Self {
        Self::with(ids, Config::default(), DeviceTable::default())
    }

    fn with(ids: &[&str], watch: Config, table: DeviceTable) -> Self {
        let now = Now { wall: "2026-07-01T00:00:00Z".parse().unwrap(), mono_ms: 5_000 };
        let mut desk = Desk::new(directory(ids, watch), IdMint::new([0; 32]));
        desk.restore_devices(now, table);
        Self { desk, now, records: Vec::new(), tests: 0 }
    }

    fn take(&mut self, effects: Effects) {
        for entry in effects.entries {
            match entry {
                Entry::Change(record) => self.records.push(*record),
                Entry::Press { test: true, .. } => self.tests += 1,
                _ => {}
            }
        }
    }

    fn say(&mut self, id: &str, body: Body) {
        let observation =
            Observation { source: id.into(), stamp: Stamp::of_gateway(self.now), body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.take(effects);
    }

    fn report(&mut self, id: &str, report: DeviceReport) {
        let via = if report.via.is_empty() { "intake".into() } else { report.via.clone() };
        self.say(id, Body::Device(DeviceReport { via, ..report }));
    }

    fn alive(&mut self, id: &str) {
        self.report(id, DeviceReport::default());
    }

    fn press(&mut self, id: &str, press_id: Option<&str>) {
        let press = Press {
            id: press_id.map(Into::into),
            at: None,
            battery: None,
            retained: false,
            via: "intake".into(),
            ..Press::default()
        };
        self.say(id, Body::Press(press));
    }

    fn pass(&mut self, seconds: i64) {
        self.now.wall += SignedDuration::from_secs(seconds);
        self.now.mono_ms += u64::try_from(seconds * 1000).unwrap();
        let effects = self.desk.tick(self.now, Vec::new());
        self.take(effects);
    }

    /// `kind source what`, and forgotten; that old cases are closed is told elsewhere.
    fn changes(&mut self) -> Vec<String> {
        let line = |record: Record| {
            let incident = record.incident;
            format!(
                "{} {} {}",
                incident.kind.as_str(),
                incident.sources[0].id,
                record.what.as_str()
            )
        };
        let records = self.records.drain(..).filter(|record| record.what != What::Closed);
        records.map(line).collect()
    }
}

#[test]
fn a_silent_button_is_an_incident_with_all_that_the_visitor_needs_and_ends_when_it_speaks() {
    let mut world = World::new(&["a", "b"]);
    world.alive("a");
    world.pass(24 * HOUR);
    world.alive("b");
    assert_eq!(world.changes(), Vec::<String>::new());
    world.pass(2 * HOUR);
    let incident = &world.records[0].incident;
    assert_eq!(incident.why, "a was not heard for 26 h (allowed 25 h)");
    for (key, value) in [("contact", "138-a"), ("person", "老人 a"), ("address", "2号楼302")] {
        assert_eq!(incident.detail[key], value, "{key}");
    }
    assert_eq!(world.changes(), ["device-silent a opened"]);
    world.pass(60);
    assert_eq!(world.changes(), Vec::<String>::new(), "told once");
    world.alive("a");
    assert_eq!(world.changes(), ["device-silent a ended"]);
}

#[test]
fn silence_outlives_restarts_and_the_gateways_own_absence_does_not_count() {
    let mut world = World::new(&["a", "b"]);
    world.alive("a");
    world.pass(20 * HOUR);
    let table = world.desk.devices(world.now);
    // Away for a week; then restarted every hour.
    let text = serde_json::to_string(&table).unwrap();
    let mut table: DeviceTable = serde_json::from_str(&text).unwrap();
    for hour in 0..5 {
        world = World::with(&["a", "b"], Config::default(), table);
        world.pass(HOUR);
        assert_eq!(world.changes(), Vec::<String>::new(), "hour {hour}");
        table = world.desk.devices(world.now);
    }
    world = World::with(&["a", "b"], Config::default(), table);
    // Not at once: whatever it said while we were away nobody heard.
    world.pass(60);
    assert_eq!(world.changes(), Vec::<String>::new());
    world.pass(HOUR);
    assert_eq!(world.changes(), ["device-silent a opened", "device-silent b opened"]);
    assert!(world.desk.devices(world.now).devices[1].heard_at.is_none(), "b never spoke");
}

#[test]
fn an_open_silence_stays_one_incident_over_a_restart() {
    let mut world = World::new(&["a", "gone"]);
    world.pass(26 * HOUR);
    let live: Vec<Record> = world.records.clone();
    assert_eq!(live.len(), 2);
    let table = world.desk.devices(world.now);
    let mut world = World::new(&["a"]);
    world.desk = Desk::new(directory(&["a"], Config::default()), IdMint::new([0; 32]));
    world.desk.restore_devices(world.now, table);
    let effects = world.desk.restore(world.now, live, &[], Vec::new());
    world.take(effects);
    assert_eq!(world.changes(), Vec::<String>::new());
    world.pass(HOUR);
    assert_eq!(world.changes(), ["device-silent gone ended"], "it is on no list any more");
    world.alive("a");
    assert_eq!(world.changes(), ["device-silent a ended"]);
}

#[test]
fn a_broker_that_is_away_is_one_incident_and_its_devices_are_not_silent() {
    let mut world = World::new(&["a", "b"]);
    let through =
        |word| DeviceReport { word, hub: true, via: "district".into(), ..DeviceReport::default() };
    world.report("district", through(DeviceStatus::Online));
    world.report("a", DeviceReport { via: "district".into(), ..DeviceReport::default() });
    world.alive("b");
    world.pass(20 * HOUR);
    world.alive("b");
    world.report("district", through(DeviceStatus::Offline));
    world.pass(30);
    assert_eq!(world.changes(), Vec::<String>::new(), "a restart of the broker is none");
    world.pass(24 * HOUR);
    assert_eq!(world.changes(), ["device-silent district opened"]);
    world.report("district", through(DeviceStatus::Online));
    world.pass(2);
    assert_eq!(world.changes(), ["device-silent district ended"]);
    world.alive("b");
    world.pass(4 * HOUR);
    assert_eq!(world.changes(), Vec::<String>::new(), "24 h of it did not count");
    world.pass(2 * HOUR);
    assert_eq!(world.changes(), ["device-silent a opened"]);
}

#[test]
fn many_at_once_are_their_coordinators_fault() {
    let ids: Vec<String> = (0..60).map(|n| format!("b{n:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut world = World::new(&ids);
    let zigbee = || DeviceReport {
        via: "district".into(),
        through: Some("zigbee2mqtt".into()),
        ..DeviceReport::default()
    };
    ids.iter().for_each(|id| world.report(id, zigbee()));
    world.pass(26 * HOUR);
    assert_eq!(world.changes(), ["device-silent zigbee2mqtt opened"]);
    // All but three are back: those are told one by one.
    ids[3..].iter().for_each(|id| world.report(id, zigbee()));
    world.pass(5);
    assert_eq!(world.changes(), Vec::<String>::new(), "they come back one after the other");
    world.pass(HOUR);
    let mut changes = world.changes();
    changes.sort();
    assert_eq!(
        changes,
        [
            "device-silent b00 opened",
            "device-silent b01 opened",
            "device-silent b02 opened",
            "device-silent zigbee2mqtt ended"
        ]
    );
}

#[test]
fn battery_tampering_and_reception() {
    let mut world = World::new(&["a"]);
    let with = |change: fn(&mut DeviceReport)| {
        let mut report = DeviceReport::default();
        change(&mut report);
        report
    };
    world.report("a", with(|r| r.battery = Some(16)));
    assert_eq!(world.changes(), Vec::<String>::new());
    world.report("a", with(|r| r.battery = Some(15)));
    assert_eq!(world.changes(), ["device-battery a opened"]);
    world.report("a", with(|r| r.battery = Some(17)));
    assert_eq!(world.changes(), Vec::<String>::new(), "a cell that recovers a little is still old");
    world.report("a", with(|r| r.battery = Some(100)));
    assert_eq!(world.changes(), ["device-battery a ended"]);
    // What comes again sooner is the same incident (`desk/again.rs`).
    world.pass(HOUR);
    let both = |low: bool| DeviceReport {
        battery: Some(50),
        battery_low: Some(low),
        ..DeviceReport::default()
    };
    world.report("a", both(true));
    assert_eq!(world.changes(), ["device-battery a opened"], "its own word is not outvoted");
    world.report("a", both(false));
    assert_eq!(world.changes(), ["device-battery a ended"]);
    world.report("a", with(|r| r.tampered = Some(true)));
    world.report("a", with(|r| r.tampered = Some(false)));
    assert_eq!(world.changes(), ["device-tamper a opened", "device-tamper a ended"]);
    for link in [5, 5, 50, 5, 5] {
        world.report("a", DeviceReport { link: Some(link), ..DeviceReport::default() });
    }
    assert_eq!(world.changes(), Vec::<String>::new());
    world.report("a", with(|r| r.link = Some(5)));
    assert_eq!(world.changes(), ["device-weak a opened"]);
    world.report("a", with(|r| r.link = Some(60)));
    assert_eq!(world.changes(), ["device-weak a ended"]);
    // Retained: a state, and no sign of life.
    world.pass(20 * HOUR);
    world.report("a", with(|r| r.retained = true));
    world.pass(6 * HOUR);
    assert_eq!(world.changes(), ["device-silent a opened"]);
    world.report("a", DeviceReport { word: DeviceStatus::Online, ..DeviceReport::default() });
    world.pass(HOUR);
    world.report(
        "a",
        DeviceReport { word: DeviceStatus::Offline, retained: true, ..DeviceReport::default() },
    );
    assert_eq!(
        world.changes(),
        ["device-silent a ended", "device-silent a opened"],
        "said to be gone"
    );
}

#[test]
fn a_strangers_press_alarms_and_its_silence_does_not() {
    let mut world = World::new(&["a"]);
    world.press("stranger", Some("1"));
    assert_eq!(world.changes(), ["emergency-button stranger opened"]);
    world.alive("a");
    world.pass(24 * HOUR);
    world.alive("a");
    world.pass(24 * HOUR);
    assert_eq!(world.changes(), Vec::<String>::new());
    let table = world.desk.devices(world.now);
    let stranger = table.devices.iter().find(|device| device.id == "stranger").unwrap();
    assert_eq!(stranger.states(), ["unknown"]);
    for n in 0..2_000 {
        world.alive(&format!("passer-by {n}"));
    }
    assert!(world.desk.devices(world.now).devices.len() <= 1_001 + 1);
    assert!(world.desk.devices(world.now).devices.iter().any(|device| device.id == "a"));
}

#[test]
fn a_try_is_logged_and_alarms_nobody_and_who_insists_means_it() {
    let mut world = World::new(&["a", "b"]);
    world.report("a", DeviceReport { word: DeviceStatus::Test, ..DeviceReport::default() });
    assert_eq!((world.changes(), world.tests), (Vec::new(), 1));
    assert!(world.desk.devices(world.now).devices[0].tested_at.is_some());
    let window = TestWindow {
        from: "2026-07-01T09:00:00Z".parse().unwrap(),
        until: "2026-07-01T10:00:00Z".parse().unwrap(),
        buttons: vec!["a".into()],
        grids: Vec::new(),
    };
    let watch = Config { test: vec![window], ..Config::default() };
    let mut world = World::with(&["a", "b"], watch, DeviceTable::default());
    world.press("a", Some("0"));
    let incident = world.records[0].incident.id;
    assert_eq!(world.changes(), ["emergency-button a opened"], "not yet");
    let reply = Reply::new(incident, ReplyTo::Closed, "x");
    world.say("x", Body::Reply(reply));
    world.changes();
    world.pass(9 * HOUR + 60);
    world.press("a", Some("1"));
    world.press("b", Some("1"));
    assert_eq!((world.changes(), world.tests), (vec!["emergency-button b opened".to_owned()], 1));
    world.pass(20);
    world.press("a", Some("2"));
    assert_eq!(world.changes(), ["emergency-button a opened"], "pressed again within a minute");
    assert!(
        !Config {
            test: vec![TestWindow {
                until: "2026-07-03T09:00:00Z".parse().unwrap(),
                from: "2026-07-01T09:00:00Z".parse().unwrap(),
                buttons: vec![],
                grids: vec![]
            }],
            ..Config::default()
        }
        .problems()
        .is_empty()
    );
}

#[test]
fn a_call_is_taken_back_on_the_device_and_stays_a_case() {
    let mut world = World::new(&["a"]);
    world.press("a", Some("1"));
    world.changes();
    world.report(
        "a",
        DeviceReport { word: DeviceStatus::Cancel, retained: true, ..DeviceReport::default() },
    );
    assert_eq!(world.changes(), Vec::<String>::new(), "an old word takes nothing back");
    world.report("a", DeviceReport { word: DeviceStatus::Cancel, ..DeviceReport::default() });
    let record = world.records[0].clone();
    assert_eq!(record.what, What::Ended);
    assert_eq!(record.incident.detail["cancelled_by"], "device");
    assert!(!record.incident.active);
    world.pass(30 * HOUR);
    assert!(
        world
            .records
            .iter()
            .all(|r| r.incident.kind != Kind::EmergencyButton || r.what != What::Closed),
        "only a person closes it"
    );
    world.changes();
    world.press("a", Some("2"));
    assert!(world.changes().contains(&"emergency-button a opened".to_owned()));
}

#[test]
fn the_cameras_near_a_press_are_asked_for_its_minute() {
    let mut world = World::new(&["a"]);
    world.press("a", Some("1"));
    let incident = world.records[0].incident.clone();
    world.now.mono_ms += 19_000;
    assert!(world.desk.tick(world.now, Vec::new()).jobs.is_empty());
    world.now.mono_ms += 1_000;
    let jobs = world.desk.tick(world.now, Vec::new()).jobs;
    let [super::EvidenceJob::Clip { incident: of, source, began_at, until, .. }] = &jobs[..] else {
        panic!("{jobs:?}")
    };
    assert_eq!((of, source.as_str(), *began_at), (&incident.id, "gate", incident.began_at));
    assert_eq!(until.duration_since(*began_at), SignedDuration::from_secs(20));
}

/// A coordinator speaks of itself before any of its devices does.
#[test]
fn a_coordinator_is_no_device_and_time_stands_still_behind_it() {
    let mut world = World::new(&["a"]);
    let bridge = |word| DeviceReport { word, hub: true, ..DeviceReport::default() };
    let behind = || DeviceReport { through: Some("zigbee2mqtt".into()), ..DeviceReport::default() };
    world.report("zigbee2mqtt", bridge(DeviceStatus::Online));
    world.report("a", behind());
    world.pass(24 * HOUR);
    world.report("zigbee2mqtt", bridge(DeviceStatus::Offline));
    world.pass(10 * HOUR);
    assert_eq!(world.changes(), ["device-silent zigbee2mqtt opened"], "and not of its button");
    assert_eq!(world.desk.devices(world.now).devices.len(), 1);
    world.report("zigbee2mqtt", bridge(DeviceStatus::Online));
    world.pass(HOUR / 2);
    assert_eq!(world.changes(), ["device-silent zigbee2mqtt ended"]);
    world.pass(HOUR);
    assert_eq!(world.changes(), ["device-silent a opened"]);
}
