//! What a camera's attention remembers: who stays unlooked at, who leaves, what a probe may say. With a real run of a tiny model.

use jiff::{SignedDuration, Timestamp};

use super::{Attention, Catalog, Detector, LookResult, first_looks::FIRST_LOOKS, tests_graph};
use crate::domain::{Bbox, Look, LookArea, Picture};

const WHITE: u8 = 255;
/// Here the person stands elsewhere.
const GREY: u8 = 153;
const DARK: u8 = 0;

struct Bench {
    detector: Detector,
    attention: Attention,
    at: Timestamp,
    runs: u64,
}

impl Bench {
    /// Nobody was there when it was looked at first.
    fn new() -> Self {
        let mut bench = Self::unlooked();
        for _ in 0..FIRST_LOOKS {
            bench.look(1_000, Some(DARK), |_| {});
        }
        bench.runs = 0;
        bench
    }

    /// Nothing was looked at yet.
    fn unlooked() -> Self {
        let folder = tests_graph::one_person(false);
        let catalog = Catalog::read(folder.path()).unwrap();
        let spec = catalog.get("tiny").unwrap();
        let library = tests_graph::library();
        let detector = Detector::load(spec, folder.path(), Some(&library), 1).unwrap();
        let at = "2026-07-01T03:00:00Z".parse().unwrap();
        Self { detector, attention: Attention::default(), at, runs: 0 }
    }

    /// After so long; `grey`: a picture of that brightness, or none.
    fn look(
        &mut self,
        after_ms: i64,
        grey: Option<u8>,
        change: impl FnOnce(&mut Look),
    ) -> LookResult {
        self.at += SignedDuration::from_millis(after_ms);
        let picture =
            grey.map(|grey| Picture::of_rgb(640, 640, vec![grey; 640 * 640 * 3], self.at));
        let mut look = Look {
            at: self.at,
            device: None,
            picture,
            regions: Vec::new(),
            still: Vec::new(),
            whole: grey.is_some(),
            verify: false,
            probe: false,
            area: None,
            in_flight: false,
        };
        change(&mut look);
        let seen = self.attention.look(&mut self.detector, &look).unwrap();
        self.runs += seen.runs;
        seen
    }

    /// Somebody stands there, and was found twice.
    fn with_one_who_stays() -> Self {
        let mut bench = Self::new();
        bench.look(0, Some(WHITE), |_| {});
        let seen = bench.look(200, Some(WHITE), |_| {});
        assert_eq!(seen.tracks.unwrap().len(), 1);
        assert_eq!(bench.runs, 2);
        bench
    }
}

/// Where he stands in a white picture.
fn place() -> Bbox {
    Bbox::new(0.5, 0.5, 1.0, 1.0)
}

fn verify(look: &mut Look) {
    look.verify = true;
}

#[test]
fn v3_who_stays_is_there_without_a_run_of_the_model() {
    let mut bench = Bench::with_one_who_stays();
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..300 {
        // Asleep, a look every two seconds; every fifth is a look at who is known to be there.
        let seen = match n % 5 {
            4 => bench.look(2_000, Some(WHITE), verify),
            _ => bench.look(2_000, None, |_| {}),
        };
        let tracks = seen.tracks.unwrap();
        assert!(
            seen.feedback.holds && !seen.feedback.somebody_new && !seen.feedback.found,
            "look {n}"
        );
        assert_eq!(tracks.len(), 1, "look {n}");
        assert!(tracks[0].seen && tracks[0].bbox.iou(&place()) > 0.9, "look {n}");
        ids.insert(tracks[0].id);
    }
    assert_eq!(ids.len(), 1, "ten minutes, one person");
    assert_eq!(bench.runs, 2 + 60, "one a look at him, none besides");
}

/// Awake for another, with a picture each 200 ms and the whole of it each second.
#[test]
fn v3_who_stands_still_is_looked_at_once_a_second_and_where_nobody_is_known_each_time() {
    let mut bench = Bench::with_one_who_stays();
    let still = |whole: bool| {
        move |look: &mut Look| {
            (look.whole, look.regions, look.still) = (whole, vec![place()], vec![place()]);
        }
    };
    for n in 0..25 {
        let seen = bench.look(200, Some(WHITE), still(n % 5 == 4));
        assert!(seen.feedback.holds, "look {n}");
        let tracks = seen.tracks.unwrap();
        assert!(tracks.len() == 1 && tracks[0].seen, "look {n}");
    }
    let each_second = bench.runs - 2;
    assert!((5..=10).contains(&each_second), "{each_second} runs in five seconds");
    let before = bench.runs;
    // A region that he is a quarter of may hold somebody else.
    let wide = |look: &mut Look| {
        let all = vec![Bbox::new(0.0, 0.0, 1.0, 1.0)];
        (look.whole, look.regions, look.still) = (false, all.clone(), all);
    };
    for _ in 0..5 {
        assert!(bench.look(200, Some(WHITE), wide).feedback.holds);
    }
    assert!(bench.runs >= before + 5, "{} runs", bench.runs - before);
    // He is gone, and nothing moved: the whole picture shows it.
    for n in 0..2 {
        bench.look(200, Some(DARK), still(true));
        assert!(!bench.look(0, None, |_| {}).feedback.holds, "look {n}");
    }
    // What nobody was found in is looked at as before: a crop, and the whole as it explains nothing.
    let gone = bench.runs;
    for _ in 0..5 {
        bench.look(200, Some(DARK), still(false));
    }
    assert!(gone > before && bench.runs >= gone + 5, "{} runs", bench.runs - gone);
}

#[test]
fn v3_one_that_was_found_once_is_a_flicker() {
    let mut bench = Bench::new();
    bench.look(0, Some(WHITE), |_| {});
    let seen = bench.look(200, None, |_| {});
    assert!(!seen.feedback.holds && seen.tracks.unwrap().is_empty());
    let seen = bench.look(200, Some(DARK), |_| {});
    assert!(!seen.feedback.holds);
    assert!(!bench.look(200, None, |_| {}).feedback.holds);
}

#[test]
fn v3_who_was_kept_leaves_when_his_place_changes_and_at_no_other_change() {
    let mut bench = Bench::with_one_who_stays();
    let elsewhere = Bbox::new(0.1, 0.1, 0.2, 0.3);
    for _ in 0..20 {
        let seen = bench
            .look(200, Some(DARK), |look| (look.whole, look.regions) = (false, vec![elsewhere]));
        assert!(seen.feedback.holds && seen.tracks.unwrap()[0].seen);
    }
    let seen =
        bench.look(200, Some(DARK), |look| (look.whole, look.regions) = (false, vec![place()]));
    assert!(!seen.feedback.holds, "nobody is where something changed");
    assert!(seen.tracks.unwrap().iter().all(|track| !track.seen), "only where he may have gone");
    assert!(bench.look(2_200, None, |_| {}).tracks.unwrap().is_empty());

    // He walks: he is where he was found, and not where he was as well.
    let mut bench = Bench::with_one_who_stays();
    let seen = bench.look(200, Some(GREY), |look| look.regions = vec![place()]);
    assert!(seen.feedback.holds);
    let there: Vec<_> = seen.tracks.unwrap().into_iter().filter(|track| track.seen).collect();
    assert!(there.iter().all(|track| track.bbox.iou(&place()) < 0.1), "{there:?}");
}

#[test]
fn v3_who_is_looked_for_in_vain_three_times_was_never_there() {
    let mut bench = Bench::with_one_who_stays();
    let holds = |bench: &mut Bench, grey: u8| bench.look(10_000, Some(grey), verify).feedback.holds;
    assert!(holds(&mut bench, DARK) && holds(&mut bench, DARK), "the model may be wrong twice");
    assert!(holds(&mut bench, WHITE), "and begins anew when it has seen him");
    assert!(holds(&mut bench, DARK) && holds(&mut bench, DARK));
    assert!(!holds(&mut bench, DARK), "the third time in a row");
    // What only watches the whole picture does not count against one who was found twice.
    let mut bench = Bench::with_one_who_stays();
    for _ in 0..10 {
        assert!(bench.look(1_000, Some(DARK), |_| {}).feedback.holds);
    }
}

#[test]
fn v4_a_probe_tells_nothing_that_will_be_shown_again_and_says_that_somebody_is_new() {
    let mut bench = Bench::new();
    let probe = |look: &mut Look| (look.verify, look.probe) = (true, true);
    let quiet = bench.look(0, Some(DARK), probe);
    assert!(quiet.tracks.is_some() && !quiet.feedback.somebody_new, "nobody: the moment is over");
    for _ in 0..3 {
        let seen = bench.look(2_000, Some(WHITE), probe);
        assert!(seen.tracks.is_none(), "it will be shown again, with what led to it");
        assert!(seen.feedback.somebody_new && seen.feedback.holds);
        assert!(!bench.look(0, None, |_| {}).feedback.holds, "nothing of it is remembered");
    }
    let mut bench = Bench::with_one_who_stays();
    let seen = bench.look(2_000, Some(WHITE), probe);
    assert!(!seen.feedback.somebody_new, "he is known");
    assert_eq!(seen.tracks.unwrap().len(), 1);
}

#[test]
fn nobody_is_looked_for_where_no_rule_looks_and_who_was_there_is_not_kept() {
    let mut bench = Bench::with_one_who_stays();
    let corner = LookArea::of(|cell| cell.x1 <= 0.05 && cell.y1 <= 0.05).map(std::sync::Arc::new);
    for _ in 0..FIRST_LOOKS {
        bench.look(1_000, Some(WHITE), |look| look.area = corner.clone());
    }
    let changes = |look: &mut Look| {
        (look.whole, look.regions) = (false, vec![Bbox::new(0.7, 0.7, 0.8, 0.8)]);
        look.area = corner.clone();
    };
    let before = bench.runs;
    let seen = bench.look(200, Some(WHITE), changes);
    assert!(bench.runs == before && !seen.feedback.found && !seen.feedback.holds);
    assert!(seen.tracks.unwrap().iter().all(|track| !track.seen));
    // The whole of it, where that is due, shows him all the same.
    let seen = bench.look(200, Some(WHITE), |look| look.area = corner.clone());
    assert!(bench.runs == before + 1 && seen.feedback.holds && !seen.feedback.found);
}

/// Something bright, so small that it falls between the pixels to which the whole picture is shrunk, on a
/// dark 1080p picture: in its tile the model sees somebody.
fn small_in_the_corner() -> Vec<u8> {
    const BRIGHT: u8 = 200;
    const FROM: usize = 20;
    const TO: usize = 40;
    let mut rgb = vec![DARK; 1_920 * 1_080 * 3];
    for row in rgb.chunks_exact_mut(1_920 * 3).take(TO).skip(FROM) {
        row[FROM * 3..TO * 3].fill(BRIGHT);
    }
    rgb
}

#[test]
fn v3_who_stood_there_small_before_anybody_looked_is_found_in_the_first_looks() {
    let mut bench = Bench::unlooked();
    let rgb = small_in_the_corner();
    for n in 0..8 {
        let seen = bench.look(1_000, Some(DARK), |look| {
            look.picture = Some(Picture::of_rgb(1_920, 1_080, rgb.clone(), look.at));
        });
        assert!(seen.feedback.holds, "look {n}");
        assert_eq!(seen.runs > 1, n < FIRST_LOOKS, "look {n}: {} runs", seen.runs);
        let tracks = seen.tracks.unwrap();
        assert_eq!(tracks.len(), usize::from(n > 0), "look {n}: {tracks:?}");
    }
}
