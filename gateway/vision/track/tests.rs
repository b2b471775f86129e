//! Who is followed stays himself, and is forgotten when he has left: at every rate of looks, behind trees, through doors.

use std::collections::HashSet;

use super::*;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

pub(super) const SHAPE: f32 = 16.0 / 9.0;
/// Height of a person, metres: speeds are told in metres a second.
pub(super) const METRES: f32 = 1.7;

pub(super) fn person(x: f32, y: f32, score: f32) -> Detection {
    Detection { label: "person".into(), score, bbox: Bbox::new(x, y, x + 0.1, y + 0.3) }
}

/// What the tracker makes of these detections (seconds, box); the ids of what it sees, in order.
fn ids(rows: impl IntoIterator<Item = (f64, Option<Bbox>)>) -> Vec<u64> {
    let mut tracker = Tracker::default();
    let mut ids = Vec::new();
    for (seconds, bbox) in rows {
        let one = bbox.map(|bbox| Detection { label: "person".into(), score: 0.9, bbox });
        let tracks = tracker.update(at((seconds * 1000.0) as i64), SHAPE, one.as_slice(), |_| true);
        ids.extend(tracks.iter().filter(|track| track.seen).map(|track| track.id));
    }
    ids.dedup();
    ids
}

/// A person of a fifth of the picture, `x` of his own sizes from its left.
fn upright(x: f32) -> Bbox {
    let (middle, height) = (x * 0.2 / SHAPE, 0.2);
    let half = height * 0.2 / SHAPE;
    Bbox::new(middle - half, 0.4, middle + half, 0.4 + height)
}

#[test]
fn who_stands_is_one_however_long_lies_between_two_looks() {
    for gap_s in [0.04, 0.2, 1.0, 2.0, 2.3, 3.0, 10.0, 60.0, 600.0] {
        let all = (0..30).map(|n| (f64::from(n) * gap_s, Some(upright(3.0))));
        assert_eq!(ids(all).len(), 1, "{gap_s} s");
        // One look that does not find him changes nothing.
        let some = (0..30).map(|n| (f64::from(n) * gap_s, (n % 4 != 3).then(|| upright(3.0))));
        assert_eq!(ids(some).len(), 1, "{gap_s} s, a quarter missing");
    }
}

#[test]
fn who_left_and_who_comes_next_are_two_after_two_looks_and_two_seconds() {
    let visits = |gap_s: f64, every_s: f64| {
        let steps = |from: f64, to: f64| {
            (0..).map(move |n| from + f64::from(n) * every_s).take_while(move |at| *at < to)
        };
        let first = steps(0.0, 6.0).map(|at| (at, Some(upright(3.0))));
        let nobody = steps(6.0, 6.0 + gap_s).map(|at| (at, None));
        let second = steps(6.0 + gap_s, 12.0 + gap_s).map(|at| (at, Some(upright(3.0))));
        ids(first.chain(nobody).chain(second)).len()
    };
    assert_eq!([visits(1.0, 0.2), visits(1.6, 0.2)], [1, 1]);
    assert_eq!([visits(2.4, 0.2), visits(20.0, 0.2)], [2, 2]);
    // Looks three seconds apart: one in vain is not enough, two are.
    assert_eq!([visits(3.0, 3.0), visits(9.0, 3.0)], [1, 2]);
    // Nor is somebody else who comes in at another place.
    let other = [(0.0, 3.0), (0.2, 3.0), (0.4, 9.0), (0.6, 9.0)];
    assert_eq!(ids(other.map(|(at, x)| (at, Some(upright(x))))).len(), 2);
}

#[test]
fn a_walker_comes_out_behind_a_tree_as_himself_and_not_after_a_house() {
    for fps in [2.0, 5.0, 25.0] {
        for metres_a_second in [0.7f32, 1.4, 2.0] {
            let behind = |hidden_s: f64| {
                let rows = (0..(8.0 * fps) as i32).map(|n| {
                    let at = f64::from(n) / fps;
                    let hidden = (2.0..2.0 + hidden_s).contains(&at);
                    (at, (!hidden).then(|| upright(at as f32 * metres_a_second / METRES)))
                });
                ids(rows).len()
            };
            let what = format!("{fps} fps, {metres_a_second} m/s");
            assert_eq!([behind(0.6), behind(1.5), behind(3.0)], [1, 1, 1], "{what}");
            assert_eq!(behind(4.5), 2, "{what}");
        }
    }
}

/// He goes to a door in the middle of the picture, and another comes out of it.
#[test]
fn who_went_through_a_door_is_not_who_comes_out_of_it() {
    for gap in [13, 16] {
        let goes = (0..20).map(|n| (f64::from(n) * 0.2, Some(upright(n as f32 * 0.16))));
        let nobody = (20..20 + gap).map(|n| (f64::from(n) * 0.2, None));
        let from = 20 + gap;
        let comes = (from..from + 20)
            .map(|n| (f64::from(n) * 0.2, Some(upright(3.0 - (n - from) as f32 * 0.16))));
        assert_eq!(ids(goes.chain(nobody).chain(comes)).len(), 2, "{gap} looks");
    }
}

#[test]
fn a_weak_box_goes_on_with_somebody_and_begins_nobody() {
    let see = |score: f32| Detection { label: "person".into(), score, bbox: upright(3.0) };
    let mut tracker = Tracker::default();
    for n in 0..20 {
        assert!(
            tracker.update(at(n * 200), SHAPE, &[see(0.3)], |_| true).is_empty(),
            "weak from the start"
        );
    }
    assert!(!tracker.follows(at(4_000), SHAPE, &see(0.1)));
    tracker.update(at(4_000), SHAPE, &[see(0.8)], |_| true);
    tracker.update(at(4_200), SHAPE, &[see(0.8)], |_| true);
    assert!(tracker.follows(at(4_400), SHAPE, &see(0.1)));
    for n in 22..80 {
        let tracks = tracker.update(at(n * 200), SHAPE, &[see(0.1)], |_| true);
        assert!(tracks.len() == 1 && tracks[0].seen, "his back is turned for 12 s");
    }
    // One that lies elsewhere is not believed to be he.
    let elsewhere = Detection { bbox: upright(3.6), ..see(0.1) };
    assert!(!tracker.update(at(16_000), SHAPE, &[elsewhere], |_| true)[0].seen);
}

#[test]
fn one_walker_keeps_its_id_through_jitter_weak_scores_and_a_gap() {
    let mut tracker = Tracker::default();
    let mut ids = HashSet::new();
    for n in 0..40i64 {
        let hidden = (15..20).contains(&n);
        let weak = if n % 5 == 0 { 0.32 } else { 0.8 };
        let jitter = if n % 2 == 0 { 0.004 } else { -0.004 };
        let seen = person(0.02 * n as f32 * 0.8 + jitter, 0.3, if n < 2 { 0.8 } else { weak });
        let tracks = tracker.update(
            at(n * 200),
            SHAPE,
            if hidden { &[] } else { std::slice::from_ref(&seen) },
            |_| true,
        );
        ids.extend(tracks.iter().map(|track| track.id));
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[test]
fn two_who_pass_in_lanes_stay_two_and_a_flicker_is_nobody() {
    let mut tracker = Tracker::default();
    let mut ids = HashSet::new();
    for n in 0..20i64 {
        let x = 0.04 * n as f32;
        let seen = [person(x, 0.1, 0.9), person(0.8 - x, 0.6, 0.9)];
        ids.extend(
            tracker.update(at(n * 200), SHAPE, &seen, |_| true).iter().map(|track| track.id),
        );
    }
    assert_eq!(ids.len(), 2);
    let mut tracker = Tracker::default();
    assert!(tracker.update(at(0), SHAPE, &[person(0.5, 0.5, 0.9)], |_| true).is_empty());
    assert!(tracker.update(at(200), SHAPE, &[], |_| true).is_empty());
}

/// It stands where nothing ever differed, and the detector is half sure of it in each picture.
#[test]
fn a_post_is_nobody_and_who_comes_to_stand_there_with_the_same_score_is_somebody() {
    let told = |came: bool, scores: [f32; 2]| {
        let mut tracker = Tracker::default();
        let looks = (0..300).map(|n| {
            let score = scores[n as usize % 2];
            let one = Detection { label: "person".into(), score, bbox: upright(3.0) };
            tracker.update(at(n * 200), SHAPE, &[one], |_| came).len()
        });
        looks.sum::<usize>()
    };
    assert_eq!(told(false, [0.6, 0.4]), 0, "a post");
    assert!(told(true, [0.65, 0.5]) > 290, "somebody came");
    assert!(told(false, [0.8, 0.75]) > 290, "somebody stood there from the start");
    assert_eq!(told(true, [0.46, 0.4]), 0, "leaves that came down");
}

/// Somebody passed a stone, and the stone went on as he.
#[test]
fn what_no_look_is_sure_of_for_fifteen_seconds_is_nobody() {
    let mut tracker = Tracker::default();
    let mut see = |ms: i64, score: f32, shift: f32| {
        let bbox = upright(3.0 + shift);
        let one = Detection { label: "person".into(), score, bbox };
        tracker.update(at(ms), SHAPE, &[one], |_| true).len()
    };
    let wobble = |n: i64| if n % 2 == 0 { 0.01 } else { 0.0 };
    assert_eq!((0..10).map(|n| see(n * 200, 0.9, wobble(n))).sum::<usize>(), 9);
    assert_eq!((10..80).map(|n| see(n * 200, 0.2, wobble(n))).sum::<usize>(), 70, "14 s");
    see(90 * 200, 0.2, 0.01);
    assert_eq!(see(95 * 200, 0.2, 0.0) + see(96 * 200, 0.2, 0.01), 0);
    // One look that is sure of him makes him the same again.
    assert_eq!(see(97 * 200, 0.6, 0.0), 1);
    // Who is known to stand there, and is not looked at, has the same box for ever.
    assert_eq!((98..400).map(|n| see(n * 2_000, 0.2, 0.0)).sum::<usize>(), 302);
}

/// He came, was seen well, and sat down with his back to the camera; or walks off into the dark.
#[test]
fn who_was_seen_well_where_he_stays_or_walks_on_is_followed_however_weakly() {
    for every_ms in [200, 1_000] {
        let mut tracker = Tracker::default();
        let mut seen = |ms: i64, score: f32, x: f32| {
            let one = Detection { label: "person".into(), score, bbox: upright(x) };
            tracker.update(at(ms), SHAPE, &[one], |_| true).len()
        };
        let wobble = |n: i64| if n % 2 == 0 { 3.01 } else { 3.0 };
        let stands = 4_000 / every_ms;
        for n in 0..stands {
            seen(n * every_ms, 0.9, wobble(n));
        }
        let sits = 300_000 / every_ms;
        for n in stands..sits {
            assert_eq!(seen(n * every_ms, 0.25, wobble(n)), 1, "{every_ms} ms, look {n}");
        }
        // What holds his place for ever is a coat.
        let later = 1_000_000 / every_ms;
        let last = (sits..later).map(|n| seen(n * every_ms, 0.25, wobble(n))).last();
        assert_eq!(last, Some(0), "{every_ms} ms");
    }
    let mut tracker = Tracker::default();
    for n in 0..200i64 {
        let x = n as f32 * 0.12;
        let one = Detection {
            label: "person".into(),
            score: if n < 5 { 0.8 } else { 0.35 },
            bbox: upright(x),
        };
        let told = tracker.update(at(n * 200), SHAPE, &[one], |_| true);
        assert!(n == 0 || told.iter().any(|track| track.seen && track.id == 1), "look {n}");
    }
}

#[test]
fn who_stands_behind_somebody_else_for_three_seconds_is_himself() {
    for (hidden_looks, one) in [(9, true), (11, true), (25, false)] {
        let mut tracker = Tracker::default();
        let see = |x: f32| Detection { label: "person".into(), score: 0.9, bbox: upright(x) };
        let mut ids = HashSet::new();
        for n in 0..60i64 {
            // Somebody stops right in front of him, and goes on.
            let hidden = (20..20 + hidden_looks).contains(&n);
            let other = match n {
                0..20 => 0.4 + 0.12 * n as f32,
                _ if hidden => 2.8,
                _ => 2.8 + 0.12 * (n - 20 - hidden_looks) as f32,
            };
            // He is nearer to the camera.
            let (mut nearer, far) = (see(other), upright(other));
            nearer.bbox = Bbox::new(far.x0 - 0.01, 0.38, far.x1 + 0.01, 0.66);
            let mut seen = vec![nearer];
            if !hidden && (other - 3.0).abs() > 0.25 {
                seen.push(see(3.0));
            }
            let tracks = tracker.update(at(n * 200), SHAPE, &seen, |_| true);
            let at_his_place = tracks.iter().filter(|track| {
                track.seen
                    && !hidden
                    && (other - 3.0).abs() > 0.5
                    && track.bbox.iou(&upright(3.0)) > 0.8
            });
            ids.extend(at_his_place.map(|track| track.id));
        }
        assert_eq!(ids.len() == 1, one, "{hidden_looks} looks: {ids:?}");
    }
}

/// Awake for somebody near it is seen with a sub-stream of 4:3, and now and then with the main stream.
#[test]
fn who_is_seen_in_pictures_of_two_shapes_is_one() {
    let (sub, main) = (4.0f32 / 3.0, 16.0f32 / 9.0);
    // One who stands, and one who walks.
    for (from, step) in [(0.68f32, 0.0f32), (0.05, 0.014)] {
        let (mut tracker, mut before) = (Tracker::default(), sub);
        let mut ids = HashSet::new();
        for n in 0..60i64 {
            let shape = if n % 20 == 10 { main } else { sub };
            tracker.reshape(shape / before);
            before = shape;
            let x = from + step * n as f32;
            let bbox = Bbox::new(x, 0.5, x + 0.035, 0.65);
            let one = Detection { label: "person".into(), score: 0.9, bbox };
            let tracks = tracker.update(at(n * 200), shape, &[one], |_| true);
            ids.extend(tracks.iter().map(|track| track.id));
        }
        assert_eq!(ids.len(), 1, "{step} a look: {ids:?}");
    }
}
