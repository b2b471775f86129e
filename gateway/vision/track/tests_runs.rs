//! Who runs, rides or drives is told at every speed and rate of looks that lets him be seen twice; what merely is in two places is nobody.

use std::collections::HashSet;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    tests::{SHAPE, at},
    *,
};

/// Of this height, shares of the picture's; legs apart or together; `x` in heights of the picture.
fn runner(x: f32, height: f32, wide: f32, score: f32) -> Detection {
    let half = height * wide / SHAPE / 2.0;
    let middle = x / SHAPE;
    let bbox = Bbox::new(middle - half, 0.4, middle + half, 0.4 + height);
    Detection { label: "person".into(), score, bbox }
}

/// Crosses the picture; the number of looks that see him, and the ids under which he is told.
fn crossing(sizes_a_second: f32, fps: f32, height: f32, random: &mut StdRng) -> (usize, Vec<u64>) {
    let mut tracker = Tracker::default();
    let (mut looks, mut ids) = (0, HashSet::new());
    let speed = sizes_a_second * height;
    // He comes at any moment between two looks.
    let mut x = -speed / fps * random.random::<f32>();
    for n in 0..(60.0 * fps) as i64 {
        let time = at((n as f32 * 1000.0 / fps) as i64);
        let wide = random.random_range(0.3..0.6);
        let off = random.random_range(-0.03..0.03) * height;
        let one = runner(x + off, height, wide, random.random_range(0.55..0.95));
        let is_seen = (0.1 * height..SHAPE - 0.1 * height).contains(&x);
        let found = if is_seen { std::slice::from_ref(&one) } else { &[] };
        looks += found.len();
        let tracks = tracker.update(time, SHAPE, found, |_| true);
        ids.extend(tracks.iter().filter(|track| track.seen).map(|track| track.id));
        x += speed / fps;
    }
    let mut ids: Vec<u64> = ids.into_iter().collect();
    ids.sort_unstable();
    (looks, ids)
}

#[test]
fn p12_who_is_seen_twice_is_told_however_fast_he_is_and_is_one() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for fps in [0.5f32, 1.0, 2.0, 5.0, 10.0, 25.0] {
        for sizes_a_second in [0.3f32, 0.8, 1.5, 2.0, 2.5, 3.0, 3.5, 4.2] {
            for height in [0.05, 0.12, 0.3, 0.6] {
                let (looks, ids) = crossing(sizes_a_second, fps, height, &mut random);
                let what = format!("{sizes_a_second} sizes/s, {fps} fps, {height}: {looks} looks");
                assert_eq!(ids.len(), usize::from(looks >= 2), "{what}: {ids:?}");
            }
        }
    }
}

/// Two who run one behind the other, and two who run towards each other.
#[test]
fn p12_two_who_run_are_told() {
    for fps in [1.0f32, 2.0, 5.0, 10.0] {
        for (from, speed) in [([0.15f32, 0.6], [0.55f32, 0.55]), ([0.1, 1.7], [0.7, -0.7])] {
            let mut tracker = Tracker::default();
            let mut told = 0;
            for n in 0..(2.0 * fps) as i64 {
                let s = n as f32 / fps;
                let both = [0, 1].map(|who| runner(from[who] + speed[who] * s, 0.3, 0.4, 0.9));
                let seen: Vec<Detection> = both
                    .into_iter()
                    .filter(|one| one.bbox.x0 >= 0.0 && one.bbox.x1 <= 1.0)
                    .collect();
                told =
                    told.max(tracker.update(at((s * 1000.0) as i64), SHAPE, &seen, |_| true).len());
            }
            assert_eq!(told, 2, "{fps} fps, from {from:?}");
        }
    }
}

#[test]
fn what_flickers_here_and_there_is_nobody() {
    // He is further off than who walks.
    for (fps, far) in [(1.0, 0.5), (2.0, 0.34), (5.0, 0.17)] {
        let told = |score: f32, came: bool, far: f32, wide: [f32; 2], high: [f32; 2]| {
            let mut tracker = Tracker::default();
            let mut told = 0;
            for n in 0..40i64 {
                let turn = usize::from(n % 2 == 1);
                let one = runner(0.3 + far * turn as f32, high[turn], wide[turn], score);
                let time = at((n as f32 * 1000.0 / fps) as i64);
                // Seen in two looks of twenty, far from each other.
                let found = if n % 20 < 2 { std::slice::from_ref(&one) } else { &[] };
                told += tracker.update(time, SHAPE, found, |_| came).len();
            }
            told
        };
        let (wide, high) = ([0.4, 0.4], [0.2, 0.2]);
        assert!(told(0.7, true, far, wide, high) > 0, "{fps} fps: who runs is somebody");
        assert_eq!(told(0.48, true, far, wide, high), 0, "{fps} fps: nobody is sure");
        assert_eq!(told(0.6, false, far, wide, high), 0, "{fps} fps: nothing differs there");
        assert_eq!(told(0.9, true, 0.3 + 1.0 / fps, wide, high), 0, "{fps} fps: too far");
        assert_eq!(told(0.9, true, far, wide, [0.1, 0.25]), 0, "{fps} fps: of another height");
        assert_eq!(told(0.9, true, far, [0.25, 1.2], high), 0, "{fps} fps: of another shape");
    }
}

/// A bad detector's flickers, once in ten looks, for a quarter of an hour.
#[test]
fn random_flickers_are_hardly_ever_somebody_who_runs() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let mut tracker = Tracker::default();
    let mut told = HashSet::new();
    for n in 0..5_000i64 {
        let flicker = random.random_bool(0.1);
        let (x, score) = (random.random_range(0.1..1.7), random.random_range(0.3..0.6));
        let one = runner(x, random.random_range(0.05..0.5), random.random_range(0.2..1.0), score);
        let found = if flicker { std::slice::from_ref(&one) } else { &[] };
        let tracks = tracker.update(at(n * 200), SHAPE, found, |_| true);
        told.extend(tracks.iter().map(|track| track.id));
    }
    println!("{} of some 500 flickers", told.len());
    // 17 with one seed where nobody is taken to run, 18 where he is.
    assert!(told.len() <= 40, "{} of some 500 flickers", told.len());
}

/// Somebody who walks goes out of sight where nobody looks for him any more, and another comes in far from there.
#[test]
fn who_is_known_is_not_taken_for_somebody_who_runs() {
    let mut tracker = Tracker::default();
    let mut ids = HashSet::new();
    for n in 0..20i64 {
        let x = if n < 10 { 0.3 + 0.02 * n as f32 } else { 1.2 + 0.02 * n as f32 };
        let tracks = tracker.update(at(n * 200), SHAPE, &[runner(x, 0.2, 0.4, 0.9)], |_| true);
        ids.extend(tracks.iter().filter(|track| track.seen).map(|track| track.id));
    }
    assert_eq!(ids.len(), 2, "{ids:?}");
}
