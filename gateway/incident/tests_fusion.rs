//! One happening, one incident, as the grid hears of it: a person seen by three, a press with its camera, rain at the water.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{Desk, Directory, Effects, EvidenceJob, Join};
use crate::domain::{
    Body, ClockError, Detail, Entry, Finding, Grid, IdMint, Incident, IncidentId, Kind, Now,
    ObjectCount, Observation, Phase, Place, Press, Record, Reply, ReplyTo, Severity, SourceId,
    SourceInfo, SourceKind, Stamp, Thing, ThingReport, TrackFrame, What, moved,
};

struct Site {
    desk: Desk,
    now: Now,
    records: Vec<Record>,
    jobs: Vec<EvidenceJob>,
}

/// Sources on a line to the east, metres apart as given, all in one grid.
fn directory(sources: &[(&str, SourceKind, f64)], joins: &[Join]) -> Directory {
    let grid = Grid { code: "G1".into(), name: "G1".into(), ..Grid::default() };
    let info = |(id, kind, east_m): &(&str, SourceKind, f64)| {
        let [lon, lat] = moved([113.91, 30.92], 0.0, *east_m);
        let info = SourceInfo {
            id: (*id).into(),
            kind: *kind,
            name: (*id).into(),
            place: Some(Place { lon, lat, text: None }),
            grid: Some(Arc::new(grid.clone())),
            contact: None,
            note: None,
        };
        (info.id.clone(), info)
    };
    Directory {
        sources: sources.iter().map(info).collect(),
        placed: sources.iter().map(|(id, ..)| SourceId::from(*id)).collect(),
        joins: joins.iter().copied().collect(),
        auto_close_after_s: 86_400,
        clip_max_s: HashMap::from([("cam-1".into(), 20)]),
        ..Directory::default()
    }
}

impl Site {
    fn new(sources: &[(&str, SourceKind, f64)]) -> Self {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1_000 };
        let desk = Desk::new(directory(sources, &Join::ALL), IdMint::new([0; 32]));
        Self { desk, now, records: Vec::new(), jobs: Vec::new() }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.mono_ms += seconds * 1000;
        self.now.wall += SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        let effects = self.desk.tick(self.now, Vec::new());
        self.take(effects);
    }

    fn take(&mut self, effects: Effects) {
        for entry in effects.entries {
            if let Entry::Change(record) = entry {
                self.records.push(*record);
            }
        }
        self.jobs.extend(effects.jobs);
    }

    fn apply(&mut self, source: &str, body: Body, findings: Vec<Finding>) {
        let stamp = Stamp::of_gateway(self.now);
        let observation = Observation { source: source.into(), stamp, body };
        let effects = self.desk.apply(self.now, &observation, findings);
        self.take(effects);
    }

    fn say(&mut self, source: &str, kind: Kind, severity: u8, phase: Phase) {
        let objects = match kind {
            Kind::Rain => Vec::new(),
            _ => vec![ObjectCount { label: "person".into(), count: 1, score_max: 0.9 }],
        };
        let finding = Finding {
            key: format!("{}/{source}", kind.as_str()),
            phase,
            rule: None,
            source: source.into(),
            kind,
            severity: Severity::try_from(severity).unwrap(),
            title: None,
            began_at: self.now.wall,
            at: self.now.wall,
            clock: ClockError { device: None, gateway: self.now.wall, error_ms: 0 },
            objects,
            why: format!("{source} says {}", kind.as_str()),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        };
        let frame = TrackFrame { tracks: Vec::new(), picture: None, vehicles: Vec::new() };
        self.apply(source, Body::Tracks(frame), vec![finding]);
    }

    fn press(&mut self, button: &str) {
        let id = format!("{button}-{}", self.now.mono_ms);
        let press = Press {
            id: Some(id),
            at: None,
            battery: None,
            retained: false,
            via: "test".into(),
            ..Press::default()
        };
        self.apply(button, Body::Press(press), Vec::new());
    }

    fn latest(&self, kind: Kind) -> &Incident {
        let of_kind = |record: &&Record| record.incident.kind == kind;
        &self.records.iter().rev().find(of_kind).unwrap().incident
    }

    fn opened(&self) -> usize {
        self.records.iter().filter(|record| record.what == What::Opened).count()
    }
}

fn sources(incident: &Incident) -> Vec<&str> {
    incident.sources.iter().map(|source| source.id.as_str()).collect()
}

#[test]
fn one_person_seen_by_two_cameras_is_one_incident_until_the_last_loses_sight() {
    let mut site =
        Site::new(&[("cam-1", SourceKind::Camera, 0.0), ("cam-2", SourceKind::Camera, 40.0)]);
    site.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
    site.pass(15);
    site.say("cam-2", Kind::Loiter, 2, Phase::Begins);
    assert_eq!(site.opened(), 1);
    let one = site.latest(Kind::Intrusion);
    assert_eq!(sources(one), ["cam-1", "cam-2"]);
    assert_eq!(one.severity, Severity::ALERT, "the more urgent of the two");
    assert_eq!(one.why, "cam-1 says intrusion; cam-2 joined by seen-by-several, 40 m apart");
    assert_eq!(one.detail["fusion"][0]["rule"], "seen-by-several");
    // The first camera loses sight: it goes on; sees again: the same one; then both lose it.
    site.say("cam-1", Kind::Intrusion, 3, Phase::Ends);
    site.pass(1);
    assert!(site.latest(Kind::Intrusion).active);
    site.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
    site.say("cam-2", Kind::Loiter, 2, Phase::Ends);
    assert!(site.latest(Kind::Intrusion).active);
    site.say("cam-1", Kind::Intrusion, 3, Phase::Ends);
    assert!(!site.latest(Kind::Intrusion).active);
    assert_eq!(site.opened(), 1);
    // A minute later it is another person.
    site.pass(60);
    site.say("cam-2", Kind::Loiter, 2, Phase::Begins);
    assert_eq!(site.opened(), 2);
}

#[test]
fn f3_a_press_takes_the_camera_at_its_door_and_two_presses_stay_two() {
    let mut site = Site::new(&[
        ("cam-1", SourceKind::Camera, 0.0),
        ("btn-1", SourceKind::Button, 12.0),
        ("btn-2", SourceKind::Button, 14.0),
    ]);
    site.say("cam-1", Kind::Loiter, 3, Phase::Begins);
    let seen = site.latest(Kind::Loiter).id;
    site.pass(20);
    site.press("btn-1");
    let press = site.latest(Kind::EmergencyButton).clone();
    let first = site.records.iter().find(|record| record.incident.id == press.id).unwrap();
    assert_eq!(first.what, What::Opened);
    assert_eq!(sources(&first.incident), ["btn-1", "cam-1"], "in its first record");
    assert!(press.why.ends_with("cam-1 joined by button-and-eye, 12 m apart"), "{}", press.why);
    let folded = site.latest(Kind::Loiter);
    assert_eq!((folded.id, folded.active), (seen, false));
    assert_eq!(folded.detail["joined_to"], press.id.to_string());
    // The neighbour presses: an emergency of her own, beside the same camera.
    site.press("btn-2");
    let second = site.latest(Kind::EmergencyButton).clone();
    assert_ne!(second.id, press.id);
    assert_eq!(sources(&second), ["btn-2"]);
    // The camera goes on seeing: it is part of the press, and its clip is the press's evidence.
    site.say("cam-1", Kind::Loiter, 3, Phase::Continues);
    site.pass(25);
    assert_eq!(site.opened(), 3);
    let clip_of = |job: &EvidenceJob| match job {
        EvidenceJob::Clip { incident, source, .. } => Some((*incident, source.to_string())),
        EvidenceJob::Snapshot { .. } => None,
    };
    let clips: Vec<_> = site.jobs.iter().filter_map(clip_of).collect();
    assert!(clips.contains(&(press.id, "cam-1".into())), "{clips:?}");
    // What the camera loses does not end an emergency; a person does, and then it is over.
    site.say("cam-1", Kind::Loiter, 3, Phase::Ends);
    assert!(site.latest(Kind::EmergencyButton).active);
    let reply = Reply::new(press.id, ReplyTo::Closed, "x");
    site.apply("grid", Body::Reply(reply), Vec::new());
    let closed = site.records.iter().rev().find(|record| record.incident.id == press.id).unwrap();
    assert!(!closed.incident.active);
}

#[test]
fn who_comes_to_the_button_after_the_press_belongs_to_it() {
    let mut site =
        Site::new(&[("cam-1", SourceKind::Camera, 0.0), ("btn-1", SourceKind::Button, 12.0)]);
    site.press("btn-1");
    site.pass(120);
    site.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
    site.pass(11);
    assert_eq!(site.opened(), 1);
    assert_eq!(sources(site.latest(Kind::EmergencyButton)), ["btn-1", "cam-1"]);
    site.pass(900);
    site.say("cam-1", Kind::Intrusion, 3, Phase::Ends);
    // Another day's visitor, while the old case is still open; by the same rule too.
    site.say("cam-1", Kind::Loiter, 3, Phase::Begins);
    assert_eq!(site.opened(), 2);
    site.say("cam-1", Kind::Loiter, 3, Phase::Ends);
    site.pass(36_000);
    site.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
    assert_eq!(site.opened(), 3, "nobody is swallowed by a call of long ago");
}

#[test]
fn who_comes_back_to_the_button_soon_after_the_press_belongs_to_it_again() {
    let mut site =
        Site::new(&[("cam-1", SourceKind::Camera, 0.0), ("btn-1", SourceKind::Button, 12.0)]);
    site.press("btn-1");
    for _ in 0..3 {
        site.pass(60);
        site.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
        site.pass(30);
        site.say("cam-1", Kind::Intrusion, 3, Phase::Ends);
    }
    assert_eq!(site.opened(), 1);
}

#[test]
fn rain_makes_an_alert_of_a_person_at_the_water_whichever_came_first() {
    for rain_first in [true, false] {
        let mut site =
            Site::new(&[("cam-1", SourceKind::Camera, 0.0), ("gauge", SourceKind::Gauge, 500.0)]);
        if rain_first {
            site.say("gauge", Kind::Rain, 2, Phase::Begins);
            site.say("cam-1", Kind::Waterside, 3, Phase::Begins);
        } else {
            site.say("cam-1", Kind::Waterside, 3, Phase::Begins);
            site.say("gauge", Kind::Rain, 2, Phase::Begins);
        }
        let person = site.latest(Kind::Waterside);
        let rain = site.latest(Kind::Rain);
        assert_eq!(person.severity, Severity::ALERT, "{rain_first}");
        assert!(person.why.contains(&format!("raised by rain-and-water: {}", rain.id)));
        assert_eq!(site.opened(), 2, "two things that go on, each with its end");
    }
}

#[test]
fn a_rule_that_the_site_switched_off_joins_nothing() {
    let sources = [("cam-1", SourceKind::Camera, 0.0), ("cam-2", SourceKind::Camera, 10.0)];
    let mut site = Site::new(&sources);
    site.desk = Desk::new(directory(&sources, &[Join::ButtonAndEye]), IdMint::new([0; 32]));
    site.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
    site.say("cam-2", Kind::Intrusion, 3, Phase::Begins);
    assert_eq!(site.opened(), 2);
}

impl Site {
    /// As [`Self::say`], of persons with these ids, all of whom are news.
    fn say_persons(&mut self, source: &str, phase: Phase, ids: &[u64]) {
        let (key, at) = (format!("intrusion/{source}"), self.now.wall);
        let thing = |&id: &u64| Thing {
            id,
            source: source.into(),
            label: "person".into(),
            first_at: at,
            last_at: at,
            score: 0.9,
            standing: false,
        };
        let things: Vec<Thing> = ids.iter().map(thing).collect();
        let finding = Finding {
            key,
            phase,
            rule: Some("r".into()),
            source: source.into(),
            kind: Kind::Intrusion,
            severity: Severity::NOTICE,
            title: None,
            began_at: at,
            at,
            clock: ClockError { device: None, gateway: at, error_ms: 0 },
            objects: vec![ObjectCount { label: "person".into(), count: 1, score_max: 0.9 }],
            why: format!("{source} sees them"),
            detail: Detail::new(),
            things: ThingReport { things, news: ids.to_vec(), ..ThingReport::default() },
            shot: None,
            notable: false,
        };
        let frame = TrackFrame { tracks: Vec::new(), picture: None, vehicles: Vec::new() };
        self.apply(source, Body::Tracks(frame), vec![finding]);
    }

    /// Of this camera: the incident, and from when to when.
    fn clips(&self, camera: &str) -> Vec<(IncidentId, Timestamp, Timestamp)> {
        let clip = |job: &EvidenceJob| match job {
            EvidenceJob::Clip { incident, source, began_at, until, .. }
                if *source == camera.into() =>
            {
                Some((*incident, *began_at, *until))
            }
            _ => None,
        };
        self.jobs.iter().filter_map(clip).collect()
    }
}

fn two_cameras() -> Site {
    Site::new(&[("cam-1", SourceKind::Camera, 0.0), ("cam-2", SourceKind::Camera, 40.0)])
}

#[test]
fn the_first_person_of_a_second_camera_has_a_clip_of_that_camera() {
    let mut site = two_cameras();
    site.say_persons("cam-1", Phase::Begins, &[1]);
    site.pass(15);
    let came_at = site.now.wall;
    site.say_persons("cam-2", Phase::Begins, &[7]);
    assert_eq!(site.opened(), 1);
    let one = site.latest(Kind::Intrusion).id;
    site.pass(40);
    let clips = site.clips("cam-2");
    let [(incident, began_at, until)] = clips[..] else { panic!("{clips:?}") };
    assert_eq!((incident, began_at), (one, came_at));
    assert!(until > came_at);
    assert_eq!(site.clips("cam-1").len(), 1, "the first camera's is its own, as before");
}

#[test]
fn who_comes_to_the_second_camera_while_its_clip_runs_shares_it_and_later_ones_do_not() {
    let mut site = two_cameras();
    site.say_persons("cam-1", Phase::Begins, &[1]);
    site.say_persons("cam-2", Phase::Begins, &[7]);
    site.pass(10);
    site.say_persons("cam-2", Phase::Continues, &[8]);
    // The clip of 30 s would show him for less than 3 s.
    site.pass(18);
    site.say_persons("cam-2", Phase::Continues, &[9]);
    site.pass(60);
    assert_eq!(site.clips("cam-2").len(), 2);
    // A joined finding that tells of nobody asks for none.
    let mut quiet = two_cameras();
    quiet.say("cam-1", Kind::Intrusion, 3, Phase::Begins);
    quiet.say("cam-2", Kind::Intrusion, 3, Phase::Begins);
    quiet.pass(60);
    assert_eq!((quiet.clips("cam-1").len(), quiet.clips("cam-2").len()), (1, 0));
}

#[test]
fn clips_of_joined_cameras_are_within_the_bound_of_their_incident() {
    let mut site = two_cameras();
    site.say_persons("cam-1", Phase::Begins, &[1]);
    for visit in 0..70 {
        site.say_persons("cam-2", Phase::Begins, &[100 + visit]);
        site.pass(31);
        site.say_persons("cam-2", Phase::Ends, &[]);
        site.say_persons("cam-1", Phase::Continues, &[]);
    }
    assert_eq!(site.opened(), 1, "the first camera has seen him all the time");
    let clips = site.clips("cam-1").len() + site.clips("cam-2").len();
    assert_eq!(clips, 50);
}

#[test]
fn a_person_beside_a_press_has_a_clip_that_shows_him_and_not_only_the_press() {
    for (later_s, clips) in [(5, 1), (120, 2)] {
        let mut site =
            Site::new(&[("cam-2", SourceKind::Camera, 0.0), ("btn-1", SourceKind::Button, 12.0)]);
        site.press("btn-1");
        site.pass(later_s);
        let came_at = site.now.wall;
        site.say_persons("cam-2", Phase::Begins, &[7]);
        site.pass(60);
        assert_eq!(site.opened(), 1);
        let found = site.clips("cam-2");
        assert_eq!(found.len(), clips, "{later_s} s: {found:?}");
        let shows = |&(_, began_at, until): &(IncidentId, Timestamp, Timestamp)| {
            began_at <= came_at && came_at + SignedDuration::from_secs(3) <= until
        };
        assert!(found.iter().any(shows), "{later_s} s: {found:?}");
    }
}
