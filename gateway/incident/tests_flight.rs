//! Flights at the desk, from take-off to landing: what is seen gets its place, what is played back has no effect.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{Desk, Directory, Effects};
use crate::domain::{
    Areas, Bbox, Body, ClockError, Detail, DroneInfo, Entry, Errors, Finding, Gaze, Grid, IdMint,
    Incident, Kind, Now, ObjectCount, Observation, Phase, Place, Pose, Record, Severity, SourceId,
    SourceInfo, SourceKind, Stamp, Telemetry, ThingReport, Track, TrackFrame, What, distance_m,
    moved,
};

const START: [f64; 2] = [113.9131, 30.9200];

/// Two grids, south and north of a line.
struct Halves;

impl Areas for Halves {
    fn at(&self, place: &Place) -> Option<Arc<Grid>> {
        let code = if place.lat < 30.9245 { "G1" } else { "G3" };
        (place.lat < 30.93)
            .then(|| Arc::new(Grid { code: code.into(), name: code.into(), ..Grid::default() }))
    }

    fn answering(&self, place: &Place) -> Option<Arc<Grid>> {
        self.at(place)
    }
}

struct Flight {
    desk: Desk,
    now: Now,
    records: Vec<Record>,
}

impl Flight {
    fn new() -> Self {
        let id = SourceId::from("uav");
        let info = SourceInfo {
            id: id.clone(),
            kind: SourceKind::Drone,
            name: "一号无人机".into(),
            place: None,
            grid: None,
            contact: None,
            note: None,
        };
        let drone = DroneInfo {
            id: id.clone(),
            serial: Some("1581F5".into()),
            fov_deg: [66.0, 40.0],
            ground_msl_m: None,
            geoid_m: -14.0,
            video_delay_ms: 0,
            flight_end_ms: 60_000,
            errors: Errors::default(),
        };
        let directory = Directory {
            sources: HashMap::from([(id.clone(), info)]),
            drones: HashMap::from([(id, drone)]),
            areas: Some(Arc::new(Halves)),
            auto_close_after_s: 86_400,
            ..Directory::default()
        };
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
        Self { desk: Desk::new(directory, IdMint::new([0; 32])), now, records: Vec::new() }
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.wall += SignedDuration::from_millis(i64::try_from(ms).unwrap());
    }

    fn take(&mut self, effects: Effects) -> bool {
        let record = |entry| match entry {
            Entry::Change(record) => Some(*record),
            _ => None,
        };
        self.records.extend(effects.entries.into_iter().filter_map(record));
        effects.repeated
    }

    /// DJI's word of where it is; true if it had no effect.
    fn osd(&mut self, position: [f64; 2], airborne: bool, device: Timestamp) -> bool {
        let pose = Pose {
            position: Some(position),
            above_start_m: Some(if airborne { 80.0 } else { 0.0 }),
            ellipsoid_m: Some(90.0),
            look: Some(Gaze { azimuth_deg: 0.0, elevation_deg: -60.0, roll_deg: 0.0 }),
            airborne: Some(airborne),
            battery: Some(77),
            ..Pose::empty(Telemetry::Osd)
        };
        let stamp = Stamp::of_device(Some(device), self.now);
        let body = Body::Pose(Box::new(pose));
        let observation = Observation { source: "1581F5".into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, Vec::new());
        self.take(effects)
    }

    /// A person in the middle of the picture, or nobody; and what a rule says to it.
    fn look(&mut self, person: bool, phase: Option<Phase>) {
        let bbox = Bbox::new(0.45, 0.4, 0.55, 0.5);
        let track = Track {
            id: 1,
            label: "person".into(),
            score: 0.9,
            bbox,
            seen: true,
            since: self.now.wall,
            origin: (0.5, 0.5),
            shown_in_crop: false,
        };
        let tracks = if person { vec![track] } else { Vec::new() };
        let stamp = Stamp::of_gateway(self.now);
        let objects = vec![ObjectCount { label: "person".into(), count: 1, score_max: 0.9 }];
        let finding = |phase| Finding {
            key: "rule/search/uav".into(),
            phase,
            rule: Some("search".into()),
            source: "uav".into(),
            kind: Kind::Intrusion,
            severity: Severity::ALERT,
            title: None,
            began_at: stamp.at,
            at: stamp.at,
            clock: ClockError { device: None, gateway: stamp.at, error_ms: 0 },
            objects,
            why: "rule search: 1 at once".into(),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        };
        let findings: Vec<Finding> = phase.map(finding).into_iter().collect();
        let body = Body::Tracks(TrackFrame { tracks, picture: None, vehicles: Vec::new() });
        let observation = Observation { source: "uav".into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, findings);
        self.take(effects);
    }

    fn latest(&self, kind: Kind) -> &Incident {
        let of_kind = |record: &&Record| record.incident.kind == kind;
        &self.records.iter().rev().find(of_kind).unwrap().incident
    }
}

#[test]
fn a_flight_finds_a_person_in_grid_3_and_leaves_a_patrol() {
    let mut flight = Flight::new();
    let start = flight.now.wall;
    flight.osd(START, false, start);
    assert!(flight.records.is_empty(), "on the ground is no flight");
    // 10 m/s north for 100 s, a word every 2 s, a picture every second.
    for second in 1..=100u32 {
        flight.pass(1_000);
        let here = moved(START, f64::from(second) * 10.0, 0.0);
        let wall = flight.now.wall;
        if second % 2 == 0 {
            flight.osd(here, true, wall);
        }
        flight.look(second >= 60, (second == 60).then_some(Phase::Begins));
        let effects = flight.desk.tick(flight.now, Vec::new());
        flight.take(effects);
    }
    // At 60 s it is 600 m north, and looks at the ground 80 m below and 80/tan 60° ahead.
    let found = flight.latest(Kind::Intrusion).clone();
    let truth = moved(START, 600.0 + 80.0 / 60f64.to_radians().tan(), 0.0);
    let place = found.place.as_ref().unwrap();
    let off = distance_m([place.lon, place.lat], truth);
    let stated = found.detail["ground"]["error_m"].as_f64().unwrap();
    assert!(off < 0.5 && (3.0..20.0).contains(&stated), "off by {off} m, stated {stated} m");
    assert_eq!(found.grid.as_ref().unwrap().code, "G3");
    assert_eq!(found.detail["ground"]["grid_sure"], true);
    assert!(found.why.contains("from the air at 113.9131"), "{}", found.why);
    // It lands: the flight is over, and says what it was.
    flight.pass(1_000);
    let (end, wall) = (moved(START, 1_000.0, 0.0), flight.now.wall);
    flight.osd(end, false, wall);
    let patrol = flight.latest(Kind::Patrol);
    let detail = &patrol.detail;
    assert!(!patrol.active && patrol.severity == Severity::MINOR);
    assert_eq!(detail["ended_by"], "landed");
    assert_eq!(detail["track"]["geometry"]["type"], "LineString");
    let line = detail["track"]["geometry"]["coordinates"].as_array().unwrap();
    let times = detail["track"]["properties"]["coordTimes"].as_array().unwrap();
    assert!(line.len() >= 2 && line.len() == times.len() && line.len() < 20, "{line:?}");
    assert_eq!(line[0][2], 90.0);
    let flown = detail["distance_m"].as_f64().unwrap();
    assert!((flown - 980.0).abs() < 2.0, "{flown}");
    let codes: Vec<&str> = detail["grids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grid| grid["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["G1", "G3"]);
    let seconds: f64 = detail["grids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grid| grid["looked_at_s"].as_f64().unwrap())
        .sum();
    assert!((seconds - 98.0).abs() < 3.0, "{seconds}");
    assert_eq!(detail["seen"][0]["label"], "person");
    assert_eq!(detail["seen"][0]["grids"], serde_json::json!(["G3"]));
    assert_eq!(detail["incidents"], serde_json::json!([found.id.to_string()]));
    assert_eq!(detail["battery"], 77);
    assert_eq!(patrol.grid.as_ref().unwrap().code, "G1", "a patrol is where it began");
    let records =
        flight.records.iter().filter(|record| record.incident.kind == Kind::Patrol).count();
    assert!(records <= 8, "{records} records of one flight of 100 s");
    let opened = |record: &&Record| record.what == What::Opened;
    assert_eq!(flight.records.iter().filter(opened).count(), 2);
}

#[test]
fn what_is_played_back_and_wild_clocks_move_no_drone() {
    let mut flight = Flight::new();
    let first = flight.now.wall;
    assert!(!flight.osd(START, true, first));
    assert!(flight.osd(START, true, first), "the same again");
    flight.pass(2_000);
    let second = flight.now.wall;
    assert!(!flight.osd(moved(START, 20.0, 0.0), true, second));
    assert!(flight.osd(moved(START, 900.0, 0.0), true, first), "an older one");
    // Yesterday's, and one from 1970, while the drone is there under a right clock.
    assert!(flight.osd(START, true, first - SignedDuration::from_hours(24)));
    assert!(flight.osd(START, true, Timestamp::UNIX_EPOCH));
    // A drone whose clock is that of 1970 all the time is one all the same.
    let mut other = Flight::new();
    assert!(!other.osd(START, true, Timestamp::UNIX_EPOCH));
    other.pass(1_000);
    assert!(!other.osd(START, true, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1)));
    let patrol = other.latest(Kind::Patrol);
    assert_eq!(patrol.began_at, other.now.wall - SignedDuration::from_secs(1));
    assert_eq!(patrol.clock.device, Some(Timestamp::UNIX_EPOCH));
}

#[test]
fn without_telemetry_a_flight_is_one_and_what_it_sees_has_no_place() {
    let mut flight = Flight::new();
    flight.look(true, Some(Phase::Begins));
    let found = flight.latest(Kind::Intrusion);
    assert_eq!((&found.place, &found.grid), (&None, &None));
    assert_eq!(found.detail["ground"]["unknown"], "no telemetry of that time");
    // Silent for longer than a minute: over.
    flight.pass(59_000);
    let effects = flight.desk.tick(flight.now, Vec::new());
    flight.take(effects);
    assert!(flight.latest(Kind::Patrol).active);
    flight.pass(2_000);
    let effects = flight.desk.tick(flight.now, Vec::new());
    flight.take(effects);
    let patrol = flight.latest(Kind::Patrol);
    assert!(!patrol.active && patrol.detail["ended_by"] == "silent");
    assert!(!patrol.detail.contains_key("track"));
    let missing = patrol.detail["telemetry_missing"].as_str().unwrap();
    assert!(
        missing.contains("no KLV") && missing.contains("thing/product/1581F5/osd"),
        "{missing}"
    );
}

#[test]
fn an_old_pose_widens_the_error_and_then_gives_no_place_at_all() {
    let mut flight = Flight::new();
    for _ in 0..3 {
        flight.pass(2_000);
        let (here, wall) = (
            moved(START, f64::from(u32::try_from(flight.now.mono_ms / 1000).unwrap()) * 10.0, 0.0),
            flight.now.wall,
        );
        flight.osd(here, true, wall);
    }
    let mut stated = Vec::new();
    for after_ms in [0, 2_000, 2_500] {
        flight.pass(after_ms);
        flight.look(true, Some(Phase::Begins));
        stated.push(flight.latest(Kind::Intrusion).detail["ground"]["error_m"].as_f64());
        flight.look(false, Some(Phase::Ends));
    }
    let (now, held) = (stated[0].unwrap(), stated[1].unwrap());
    assert!(now < 15.0 && held > 20.0, "10 m/s for 2 s is 20 m more: {stated:?}");
    assert_eq!(stated[2], None, "4.5 s old");
}

#[test]
fn telemetry_that_comes_after_the_pictures_gives_the_incident_its_place_then() {
    let mut flight = Flight::new();
    flight.look(true, Some(Phase::Begins));
    assert_eq!(flight.latest(Kind::Intrusion).place, None);
    assert_eq!(flight.latest(Kind::Patrol).place, None);
    flight.pass(11_000);
    let wall = flight.now.wall;
    flight.osd(START, true, wall);
    flight.look(true, Some(Phase::Continues));
    let effects = flight.desk.tick(flight.now, Vec::new());
    flight.take(effects);
    let found = flight.latest(Kind::Intrusion);
    assert_eq!(found.grid.as_ref().unwrap().code, "G1", "{found:?}");
    assert_eq!(flight.latest(Kind::Patrol).grid.as_ref().unwrap().code, "G1");
}

#[test]
fn klv_is_of_the_picture_and_goes_before_dji_even_when_it_comes_later() {
    let mut flight = Flight::new();
    let wall = flight.now.wall;
    flight.osd(START, true, wall);
    // Of a picture that took two seconds to come, a kilometre from where DJI says the drone is.
    let pose = Pose {
        position: Some(moved(START, 1_000.0, 0.0)),
        above_start_m: Some(80.0),
        look: Some(Gaze { azimuth_deg: 0.0, elevation_deg: -90.0, roll_deg: 0.0 }),
        ..Pose::empty(Telemetry::Klv)
    };
    let stamp = Stamp { at: wall - SignedDuration::from_secs(2), ..Stamp::of_gateway(flight.now) };
    let body = Body::Pose(Box::new(pose));
    let observation = Observation { source: "uav".into(), stamp, body };
    let effects = flight.desk.apply(flight.now, &observation, Vec::new());
    flight.take(effects);
    flight.pass(500);
    let wall = flight.now.wall;
    flight.osd(START, true, wall);
    flight.look(true, Some(Phase::Begins));
    let found = flight.latest(Kind::Intrusion);
    assert_eq!(found.grid.as_ref().unwrap().code, "G3", "{found:?}");
}
