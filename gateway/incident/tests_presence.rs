//! How many devices were there when an incident opened: at its place, in its grid, as of the last period, or nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Desk, Directory, PresencePlace};
use crate::domain::{
    Body, DevicesTold, Entry, Finding, Grid, IdMint, Kind, Now, Observation, Place, PresenceCount,
    PresenceNumbers, Press, Severity, SourceId, SourceInfo, SourceKind, Stamp,
};

fn source(id: &str, kind: SourceKind, at: Option<[f64; 2]>, grid: &str) -> (SourceId, SourceInfo) {
    let info = SourceInfo {
        id: id.into(),
        kind,
        name: format!("{id} name"),
        place: at.map(|[lon, lat]| Place { lon, lat, text: None }),
        grid: Some(Grid { code: grid.into(), name: grid.into(), ..Grid::default() }.into()),
        contact: None,
        note: None,
    };
    (id.into(), info)
}

/// A square, a gate 60 m away from it, and a hall of another grid; 0.001° of latitude is 111 m.
fn desk() -> Desk {
    let sources = [
        source("square", SourceKind::Presence, Some([113.0, 30.0]), "G1"),
        source("gate", SourceKind::Presence, Some([113.0, 30.000_54]), "G1"),
        source("hall", SourceKind::Presence, Some([113.0, 30.01]), "G2"),
        source("b-square", SourceKind::Button, Some([113.0, 30.0]), "G1"),
        source("b-gate", SourceKind::Button, Some([113.0, 30.000_6]), "G1"),
        source("b-far", SourceKind::Button, Some([113.0, 30.005]), "G1"),
        source("b-hall", SourceKind::Button, None, "G2"),
        source("b-nowhere", SourceKind::Button, Some([113.0, 31.0]), "G9"),
        source("cam", SourceKind::Camera, Some([113.0, 30.0]), "G1"),
    ];
    let place = |id: &str| PresencePlace { id: id.into(), within_m: 100.0 };
    let directory = Directory {
        sources: sources.into(),
        presence: ["square", "gate", "hall"].map(place).into(),
        ..Directory::default()
    };
    Desk::new(directory, IdMint::new([0; 32]))
}

fn now(second: i64) -> Now {
    let wall: Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
    let mono_ms = u64::try_from(1_000_000 + second * 1_000).unwrap();
    Now { wall: wall + SignedDuration::from_secs(second), mono_ms }
}

fn count(desk: &mut Desk, place: &str, devices: Option<u32>, until: i64) {
    let told = |devices| DevicesTold::of(devices, 10, 9);
    let numbers = devices.map(|devices| PresenceNumbers {
        devices: told(devices),
        fixed: told(0),
        random: told(devices),
        more: false,
    });
    let count = PresenceCount {
        place: place.into(),
        from: now(until - 600).wall,
        until: now(until).wall,
        period_s: 600,
        numbers,
    };
    let body = Body::Presence(Box::new(count));
    let observation = Observation::of_gateway(place.into(), now(until), body);
    let effects = desk.apply(now(until), &observation, Vec::new());
    assert!(effects.entries.is_empty(), "a number alone is nothing for the journal");
}

fn opened(entries: &[Entry]) -> &Value {
    let record = entries.iter().find_map(|entry| match entry {
        Entry::Change(record) => Some(record),
        _ => None,
    });
    record.unwrap().incident.detail.get("presence").unwrap_or(&Value::Null)
}

fn press(desk: &mut Desk, button: &str, second: i64) -> Value {
    let press = Press { id: Some(format!("{second}")), via: "t".into(), ..Press::default() };
    let observation = Observation::of_gateway(button.into(), now(second), Body::Press(press));
    opened(&desk.apply(now(second), &observation, Vec::new()).entries).clone()
}

#[test]
fn an_emergency_tells_of_the_nearest_place_or_of_its_grid_or_of_none() {
    for (button, place) in [
        ("b-square", "square"),
        ("b-gate", "gate"),
        ("b-far", "gate"),
        ("b-hall", "hall"),
        ("b-nowhere", ""),
    ] {
        let mut desk = desk();
        for (place, devices) in [("square", 120), ("gate", 30), ("hall", 5)] {
            count(&mut desk, place, Some(devices), 0);
        }
        let told = press(&mut desk, button, 60);
        match place {
            "" => assert_eq!(told, Value::Null, "{button}"),
            _ => assert_eq!(told["place"], place, "{button}: {told}"),
        }
    }
}

#[test]
fn it_is_told_as_of_when_and_what_is_old_or_unknown_is_not_told() {
    let mut desk = desk();
    count(&mut desk, "square", Some(120), 0);
    let told = press(&mut desk, "b-square", 300);
    let expected = json!({
        "place": "square", "name": "square name", "devices": 120, "fixed": "<10", "random": 120,
        "as_of": "2026-07-01T03:00:00Z", "period_s": 600,
    });
    assert_eq!(told, expected);
    for (until, devices, second, is_told) in [
        (0, Some(5), 660, true),
        (0, Some(5), 661, false),
        (0, None, 10, false),
        (0, Some(120), -61, false),
    ] {
        let mut desk = self::desk();
        count(&mut desk, "square", devices, until);
        let told = press(&mut desk, "b-square", second);
        assert_eq!(told != Value::Null, is_told, "{until} {devices:?} {second}: {told}");
    }
    let mut few = self::desk();
    count(&mut few, "square", Some(9), 0);
    assert_eq!(press(&mut few, "b-square", 5)["devices"], "<10");
}

#[test]
fn a_crowd_has_it_beside_the_cameras_count_and_a_notice_of_a_lane_has_not() {
    for (kind, is_told) in [(Kind::Crowd, true), (Kind::FireLane, false), (Kind::Rain, true)] {
        let mut desk = desk();
        count(&mut desk, "square", Some(120), 0);
        let (at, source) = (Stamp::of_gateway(now(5)), SourceId::from("cam"));
        let finding =
            Finding { severity: Severity::NOTICE, ..Finding::of_a_part(&source, at, kind, "why") };
        let entries = desk.tick(now(5), vec![finding]).entries;
        assert_eq!(opened(&entries) != &Value::Null, is_told, "{kind:?}");
    }
}
