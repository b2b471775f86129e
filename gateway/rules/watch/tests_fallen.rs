//! Kind `fallen`: who lies is told, and whoever sits, bends or is a bag is not, at every pace of looks.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::millis;
use crate::{
    domain::{
        Bbox, Body, Now, Observation, Phase, Picture, Severity, Stamp, Track, TrackFrame, seed,
    },
    rules::{Config, Rules},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Width and height of a box in pixels of a picture of 1920x1080.
type Shape = (f32, f32);
const STANDS: Shape = (90.0, 260.0);
const LIES: Shape = (250.0, 100.0);
const SITS: Shape = (150.0, 170.0);
/// Squats, one knee on the ground, the arms before it.
const TIES_A_SHOE: Shape = (140.0, 135.0);

struct World {
    rules: Rules,
    start: Timestamp,
    told: Vec<String>,
    severity: Option<Severity>,
    picture: Option<Picture>,
}

impl World {
    fn new(more: &str) -> Self {
        let config: Config =
            toml::from_str(&format!("id = \"r\"\nkind = \"fallen\"\n{more}")).unwrap();
        assert_eq!(config.problems(), []);
        // A bench on which people sleep, at the right edge.
        let mask = vec![[0.85, 0.0], [1.0, 0.0], [1.0, 1.0], [0.85, 1.0]];
        Self {
            rules: Rules::new(&[config], &[("c".into(), vec![mask])], &TimeZone::UTC),
            start: "2026-07-03T12:00:00Z".parse().unwrap(),
            told: Vec::new(),
            severity: None,
            picture: None,
        }
    }

    fn look(&mut self, second: f64, things: &[(u64, &str, Shape, f32)]) {
        let at = self.start + SignedDuration::from_millis(millis(second));
        let track = |&(id, label, (width, height), x): &(u64, &str, Shape, f32)| {
            let (width, height) = (width / 1920.0, height / 1080.0);
            let bbox = Bbox::new(x - width / 2.0, 0.7 - height, x + width / 2.0, 0.7);
            Track {
                id,
                label: label.into(),
                score: 0.9,
                bbox,
                seen: true,
                since: at,
                origin: bbox.foot(),
                shown_in_crop: false,
            }
        };
        let tracks = things.iter().map(track).collect();
        self.frame(second, tracks);
    }

    fn frame(&mut self, second: f64, tracks: Vec<Track>) {
        let at = self.start + SignedDuration::from_millis(millis(second));
        let now = Now { wall: at, mono_ms: (second * 1000.0) as u64 };
        let body = Body::Tracks(TrackFrame {
            tracks,
            picture: self.picture.clone(),
            vehicles: Vec::new(),
        });
        let seen = Observation { source: "c".into(), stamp: Stamp::of_gateway(now), body };
        let mut findings = Vec::new();
        self.rules.observe(&seen, &mut findings);
        for one in findings.iter().filter(|one| one.phase != Phase::Continues || one.notable) {
            let since = one.began_at.duration_since(self.start).as_secs_f64();
            self.told.push(format!("{second:.0}: {:?} since {since:.0}", one.phase));
            self.severity = Some(one.severity);
        }
    }

    /// One person, over these spans of seconds and shapes, at so many looks a second.
    fn plays(more: &str, fps: f64, spans: &[(f64, Shape)]) -> Self {
        Self::trembles(more, fps, spans, || 1.0)
    }

    fn trembles(more: &str, fps: f64, spans: &[(f64, Shape)], mut by: impl FnMut() -> f32) -> Self {
        let mut world = Self::new(more);
        let mut looks = 0.0;
        let mut from = 0.0;
        for (length, (width, height)) in spans {
            while looks / fps < from + length {
                let shape = (width * by(), height * by());
                world.look(looks / fps, &[(1, "person", shape, 0.4)]);
                looks += 1.0;
            }
            from += length;
        }
        world
    }

    fn begun(&self) -> usize {
        self.told.iter().filter(|one| one.contains("Begins")).count()
    }
}

#[test]
fn who_falls_and_stays_is_told_after_the_dwell_and_it_ends_when_he_is_up() {
    let world = World::plays("", 2.0, &[(10.0, STANDS), (40.0, LIES), (20.0, STANDS)]);
    assert_eq!(world.told[0], "30: Begins since 10");
    assert!(world.told.last().unwrap().contains("Ends"), "{:?}", world.told);
    assert_eq!((world.begun(), world.severity), (1, Some(Severity::ALERT)));
    // Who lies when the camera sees him first has fallen too.
    assert_eq!(World::plays("", 2.0, &[(25.0, LIES)]).told, ["20: Begins since 0"]);
}

#[test]
fn at_every_pace_of_looks_from_one_in_ten_seconds_to_twenty_five_a_second() {
    for fps in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 12.5, 25.0] {
        let world = World::plays("", fps, &[(20.0, STANDS), (80.0, LIES), (60.0, STANDS)]);
        assert_eq!(world.begun(), 1, "{fps}: {:?}", world.told);
        let at: f64 = world.told[0].split(':').next().unwrap().parse().unwrap();
        // The dwell, and at most the look that completes it and that before which shows it first.
        assert!((40.0..=40.0 + 2.0 / fps + 1.0).contains(&at), "{fps}: {:?}", world.told);
        assert!(world.told.last().unwrap().contains("Ends"), "{fps}: {:?}", world.told);
        let upright = World::plays("", fps, &[(100.0, STANDS), (100.0, SITS), (100.0, STANDS)]);
        assert_eq!(upright.told, [] as [&str; 0], "{fps}");
    }
}

/// As YOLOX-nano takes who lies: a cow, a dog, a cow again, each a track of its own, now and then nothing.
#[test]
fn who_falls_and_is_taken_for_an_animal_is_a_person_still_and_an_animal_is_none() {
    let dog: Shape = (120.0, 80.0);
    for fps in [0.5, 1.0, 2.0, 5.0] {
        let mut world = World::new("");
        let looks = |seconds: f64| (seconds * fps) as u32;
        let second = |look: u32| f64::from(look) / fps;
        for look in 0..looks(120.0) {
            let things: &[(u64, &str, Shape, f32)] = match second(look) {
                0.0..20.0 => &[(1, "person", STANDS, 0.4)],
                20.0..20.8 => &[],
                20.8..40.0 => &[(2, "cow", LIES, 0.41)],
                40.0..60.0 => &[(3, "dog", LIES, 0.41)],
                60.0..80.0 => &[(2, "cow", LIES, 0.41)],
                _ => &[(4, "person", STANDS, 0.4)],
            };
            world.look(second(look), things);
        }
        assert_eq!(world.begun(), 1, "{fps}: {:?}", world.told);
        assert!(world.told.last().unwrap().contains("Ends"), "{fps}: {:?}", world.told);
        // A dog lies where nobody was, where somebody was long ago, and beside somebody who stands.
        let mut world = World::new("");
        for look in 0..looks(200.0) {
            let things: &[(u64, &str, Shape, f32)] = match second(look) {
                0.0..40.0 => &[(2, "dog", LIES, 0.2)],
                40.0..60.0 => &[(1, "person", STANDS, 0.6)],
                60.0..80.0 => &[],
                80.0..120.0 => &[(5, "dog", LIES, 0.6)],
                120.0..160.0 => &[(6, "person", STANDS, 0.6), (7, "dog", dog, 0.62)],
                _ => &[(7, "dog", dog, 0.62)],
            };
            world.look(second(look), things);
        }
        assert_eq!(world.told, [] as [&str; 0], "{fps}");
    }
}

/// He comes in near the camera, walks away from it, and falls there.
#[test]
fn who_falls_far_from_where_he_first_stood_and_is_taken_for_an_animal_is_told() {
    let mut world = World::new("");
    for look in 0..40_u8 {
        let height = 540.0 - f32::from(look) * 8.0;
        world.look(f64::from(look) / 2.0, &[(1, "person", (0.35 * height, height), 0.4)]);
    }
    for look in 42..122_u8 {
        world.look(f64::from(look) / 2.0, &[(2, "cow", (225.0, 90.0), 0.41)]);
    }
    assert_eq!(world.begun(), 1, "{:?}", world.told);
}

#[test]
fn both_ends_of_the_dwell() {
    for (dwell, lies_s, told) in
        [("0", 3.0, 1), ("20", 19.0, 0), ("20", 21.0, 1), ("60", 59.0, 0), ("60", 62.0, 1)]
    {
        let spans = [(5.0, STANDS), (lies_s, LIES), (30.0, STANDS)];
        let world = World::plays(&format!("dwell_s = {dwell}"), 2.0, &spans);
        assert_eq!(world.begun(), told, "{dwell} {lies_s}: {:?}", world.told);
    }
}

#[test]
fn who_sits_ties_a_shoe_or_is_two_in_one_box_does_not_lie() {
    let wide_pair = (330.0, 265.0);
    for shape in [SITS, TIES_A_SHOE, wide_pair, (130.0, 200.0)] {
        let world = World::plays("", 4.0, &[(10.0, STANDS), (120.0, shape), (10.0, STANDS)]);
        assert_eq!(world.told, [] as [&str; 0], "{shape:?}");
    }
    // The nearly right one beside them: as wide for its height as who lies across.
    let world = World::plays("", 4.0, &[(10.0, STANDS), (120.0, (168.0, 130.0))]);
    assert_eq!(world.begun(), 1);
}

#[test]
fn a_bag_a_mask_and_the_edge_of_the_picture_are_no_fall() {
    let mut world = World::new("");
    for second in 0..60 {
        let second = f64::from(second);
        // The sleeper lies on his bench; a bag and a dog lie about.
        let things = [(1, "person", LIES, 0.92), (2, "suitcase", LIES, 0.3), (3, "dog", LIES, 0.5)];
        world.look(second, &things);
    }
    assert_eq!(world.told, [] as [&str; 0]);
    // Head and shoulders above the lower edge are wide, and stand.
    let mut world = World::new("");
    let (bbox, at) = (Bbox::new(0.3, 0.9, 0.5, 1.0), world.start);
    for second in 0..60 {
        let cut = Track {
            id: 1,
            label: "person".into(),
            score: 0.9,
            bbox,
            seen: true,
            since: at,
            origin: bbox.foot(),
            shown_in_crop: false,
        };
        world.frame(f64::from(second), vec![cut]);
    }
    assert_eq!(world.told, [] as [&str; 0]);
}

#[test]
fn who_crawls_on_is_not_still_and_who_struggles_is() {
    let (mut crawls, mut struggles) = (World::new(""), World::new(""));
    for look in 0..80u8 {
        let second = f64::from(look) / 2.0;
        let x = 0.1 + 0.009 * f32::from(look);
        crawls.look(second, &[(1, "person", LIES, x)]);
        let shape = if look % 2 == 0 { LIES } else { (210.0, 130.0) };
        struggles.look(second, &[(1, "person", shape, 0.4 + 0.01 * f32::from(look % 3))]);
    }
    assert_eq!(crawls.told, [] as [&str; 0]);
    assert_eq!(struggles.begun(), 1);
}

#[test]
fn two_who_lie_are_one_incident_until_the_second_is_up() {
    let mut world = World::new("");
    for second in 0..100 {
        let first = if second < 40 { LIES } else { STANDS };
        let both = [(1, "person", first, 0.3), (2, "person", LIES, 0.6)];
        let late = if second < 10 { &both[..1] } else { &both[..] };
        let late = if second < 70 { late } else { &[] };
        world.look(f64::from(second), late);
    }
    assert_eq!(world.begun(), 1, "{:?}", world.told);
    assert!(world.told.contains(&"30: Continues since 0".to_owned()), "{:?}", world.told);
    let ends: Vec<_> = world.told.iter().filter(|one| one.contains("Ends")).collect();
    assert_eq!(ends, ["75: Ends since 0"]);
}

#[test]
fn the_shape_is_of_pixels_whatever_the_picture_is() {
    // In a picture higher than wide, the same share of width is a shape that stands.
    let mut upright = World::new("");
    upright.picture = Some(Picture::of_rgb(36, 64, vec![0; 36 * 64 * 3], upright.start));
    let mut wide = World::new("");
    for second in 0..40 {
        for world in [&mut upright, &mut wide] {
            world.look(f64::from(second), &[(1, "person", LIES, 0.4)]);
        }
    }
    assert_eq!((upright.begun(), wide.begun()), (0, 1));
}

#[test]
fn boxes_that_tremble_change_nothing() {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    for round in 0..60 {
        let fps = [0.5, 1.0, 3.0, 10.0][round % 4];
        let mut by = || chance.random_range(0.9..1.1f32);
        let lies = [(10.0, STANDS), (40.0, LIES), (20.0, STANDS)];
        let world = World::trembles("", fps, &lies, &mut by);
        assert_eq!(world.begun(), 1, "seed {seed} round {round}: {:?}", world.told);
        let sits = [(10.0, STANDS), (60.0, SITS), (20.0, TIES_A_SHOE), (10.0, STANDS)];
        let world = World::trembles("", fps, &sits, &mut by);
        assert_eq!(world.told, [] as [&str; 0], "seed {seed} round {round}");
    }
}

#[test]
fn a_rule_of_any_label_tells_of_it_and_needs_one() {
    let none: Config = toml::from_str("id = \"r\"\nkind = \"seen\"").unwrap();
    assert_eq!(none.problems()[0].0, "labels");
    let config: Config =
        toml::from_str("id = \"r\"\nkind = \"seen\"\nlabels = [\"fire\"]").unwrap();
    assert_eq!(config.problems(), []);
    let mut world = World::new("");
    world.rules = Rules::new(&[config], &[("c".into(), Vec::new())], &TimeZone::UTC);
    for second in 0..20u32 {
        let label = if second < 10 { "smoke" } else { "fire" };
        world.look(f64::from(second), &[(1 + u64::from(second / 10), label, STANDS, 0.4)]);
    }
    assert_eq!(world.told, ["12: Begins since 10"]);
}
