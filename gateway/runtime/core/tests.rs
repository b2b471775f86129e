//! Rain by the rules of rain, and a person at the water by the rules of cameras: what the desk makes of both.

use jiff::{SignedDuration, Timestamp};

use super::{Core, event_context};
use crate::{
    config::{Config, env::FixedEnvironment, parse},
    domain::{
        Bbox, Body, Datum, Entry, GaugeReport, IdMint, Incident, Kind, Measure, Now, Observation,
        OrderTo, Posture, PostureOrder, Reading, Record, SourceId, Stamp, Track, TrackFrame, What,
    },
    incident::Effects,
};

/// A gauge and two cameras at the water; `elsewhere` is in another grid.
const SITE: &str = r#"
[site]
id = "s"
timezone = "Asia/Shanghai"
place = [113.9230, 30.9240]
grids = "config/grids/community.geojson"

[data]
path = "d"

[[gauge]]
id = "roof"
device = "24E124AABBCCDDEE"
grid = "GRID"

[[camera]]
id = "dike"
url = "rtsp://h/dike"
grid = "GRID"

[[camera]]
id = "elsewhere"
url = "rtsp://h/elsewhere"
grid = "OTHER"

[[rule]]
id = "water"
kind = "waterside"
dwell_s = 1
"#;

struct Story {
    config: Config,
    core: Core,
    now: Now,
    records: Vec<Record>,
}

impl Story {
    fn new(more: &str) -> Self {
        let grids = std::fs::read_to_string("config/grids/community.geojson").unwrap();
        let read = crate::config::Grids::parse(&grids, Datum::Wgs84);
        assert!(read.errors.is_empty() && read.warnings.is_empty());
        let grids = read.grids;
        let codes: Vec<&str> = grids.codes().collect();
        let text = SITE.replace("GRID", codes[0]).replace("OTHER", codes[1]) + more;
        let (config, problems) = parse("s.toml", &text, &FixedEnvironment::default());
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        // In no season of any calendar.
        let now = Now { wall: "2026-05-20T02:00:00Z".parse().unwrap(), mono_ms: 5_000 };
        let core = Core::new(&config, &event_context(&config), now, IdMint::new([0; 32]));
        Self { config, core, now, records: Vec::new() }
    }

    fn take(&mut self, effects: Effects) {
        for entry in effects.entries {
            if let Entry::Change(record) = entry {
                self.records.push(*record);
            }
        }
    }

    fn say(&mut self, source: &str, body: Body) {
        let (source, stamp) = (SourceId::from(source), Stamp::of_gateway(self.now));
        let effects = self.core.apply(self.now, &Observation { source, stamp, body });
        self.take(effects);
    }

    fn pass(&mut self, seconds: u32) {
        self.now.wall += SignedDuration::from_secs(i64::from(seconds));
        self.now.mono_ms += u64::from(seconds) * 1000;
        let effects = self.core.tick(self.now);
        self.take(effects);
    }

    /// So much, each five minutes, under the name that the gauge gives itself.
    fn rain(&mut self, mm_each: f64, times: u32) {
        for _ in 0..times {
            self.pass(300);
            self.fell(mm_each);
        }
    }

    /// In the last five minutes.
    fn fell(&mut self, mm: f64) {
        let um = (mm * 1000.0) as i64;
        let at: Timestamp = self.now.wall;
        let report = GaugeReport {
            id: Some(at.to_string()),
            via: "t".into(),
            readings: vec![Reading { at, measure: Measure::Fallen { um, period_s: 300 } }],
            ..GaugeReport::default()
        };
        self.say("24E124AABBCCDDEE", Body::Gauge(report));
    }

    /// Somebody is there for three seconds.
    fn person(&mut self, camera: &str) {
        let since = self.now.wall;
        for _ in 0..4 {
            let bbox = Bbox::new(0.4, 0.4, 0.6, 0.8);
            let label = "person".into();
            let track = Track {
                id: 1,
                label,
                score: 0.9,
                bbox,
                seen: true,
                since,
                origin: bbox.foot(),
                shown_in_crop: false,
            };
            self.say(
                camera,
                Body::Tracks(TrackFrame {
                    tracks: vec![track],
                    picture: None,
                    vehicles: Vec::new(),
                }),
            );
            self.pass(1);
        }
    }

    fn flood(&mut self, to: OrderTo) {
        let order = PostureOrder { posture: Posture::Flood, to, by: "x".into(), until: None };
        self.say("x", Body::Posture(order));
    }

    fn latest(&self, kind: Kind, source: &str) -> &Incident {
        let is = |record: &&Record| {
            record.incident.kind == kind && record.incident.sources[0].id.as_str() == source
        };
        &self.records.iter().rev().find(is).unwrap_or_else(|| panic!("no {kind:?}")).incident
    }

    fn restart(&mut self) {
        let config = &self.config;
        self.core = Core::new(config, &event_context(config), self.now, IdMint::new([0; 32]));
        let mut live: Vec<Record> = Vec::new();
        for record in &self.records {
            live.retain(|known| known.incident.id != record.incident.id);
            live.push(record.clone());
        }
        let effects = self.core.desk.restore(self.now, live, &[], Vec::new());
        self.take(effects);
    }
}

#[test]
fn rain_that_grows_hard_raises_who_is_at_the_water_of_its_grid_and_says_so() {
    let mut story = Story::new("[posture]\nflood_by_rain = \"never\"\n");
    story.rain(5.0, 9);
    assert_eq!(story.latest(Kind::Rain, "roof").severity.level(), 4, "45 mm: a word of it");
    story.pass(290);
    story.person("elsewhere");
    story.person("dike");
    let person = story.latest(Kind::Waterside, "dike").clone();
    assert_eq!(person.severity.level(), 3);
    // The person is still there when the rain becomes what an orange signal is given for.
    story.pass(2);
    story.fell(6.0);
    let rain = story.latest(Kind::Rain, "roof").clone();
    assert_eq!(rain.severity.level(), 2, "{}", rain.why);
    let before = person.id;
    let person = story.latest(Kind::Waterside, "dike");
    assert_eq!((person.id, person.active, person.severity.level()), (before, true, 2));
    assert_eq!(person.detail["fusion"][0]["rule"], "rain-and-water");
    assert_eq!(person.detail["fusion"][0]["incident"], rain.id.to_string());
    let says = format!("raised by rain-and-water: {}", rain.id);
    assert!(person.why.contains(&says), "{}", person.why);
    assert_ne!(rain.id, person.id, "each is an incident of its own");
    assert_eq!(story.latest(Kind::Waterside, "elsewhere").severity.level(), 3, "another grid");
}

#[test]
fn hard_rain_that_goes_on_over_a_restart_raises_who_comes_to_the_water_after_it() {
    let mut story = Story::new("[posture]\nflood_by_rain = \"never\"\n");
    story.rain(7.5, 8);
    let rain = story.latest(Kind::Rain, "roof").clone();
    assert_eq!(rain.severity.level(), 2, "60 mm in 40 min");
    story.restart();
    assert!(story.latest(Kind::Rain, "roof").active, "rain is not ended by a restart");
    story.person("dike");
    let person = story.latest(Kind::Waterside, "dike");
    assert_eq!(person.severity.level(), 2);
    assert_eq!(person.detail["fusion"][0]["incident"], rain.id.to_string());
}

#[test]
fn flood_by_rain_makes_waterside_an_alert_everywhere_and_not_after_it_was_ordered_off() {
    let mut story = Story::new("");
    story.person("dike");
    assert_eq!(story.latest(Kind::Waterside, "dike").severity.level(), 3);
    story.pass(120);
    // 54 mm in 5 h: yellow, and no alert of its own.
    story.rain(0.9, 60);
    assert_eq!(story.latest(Kind::Rain, "roof").severity.level(), 3);
    assert_eq!(story.latest(Kind::Posture, "posture").detail["posture"], "flood");
    for camera in ["dike", "elsewhere"] {
        story.person(camera);
        let person = story.latest(Kind::Waterside, camera);
        assert_eq!(person.severity.level(), 2, "the posture is the whole site's");
        assert!(person.why.ends_with("more urgent in flood season"), "{}", person.why);
        assert!(!person.detail.contains_key("fusion"), "the rain itself is no alert");
    }
    story.pass(120);
    story.flood(OrderTo::Off);
    story.person("elsewhere");
    let person = story.latest(Kind::Waterside, "elsewhere");
    assert_eq!(person.severity.level(), 3, "{person:?}");
    let opened =
        |record: &&Record| record.what == What::Opened && record.incident.kind == Kind::Waterside;
    assert_eq!(story.records.iter().filter(opened).count(), 4);
}
