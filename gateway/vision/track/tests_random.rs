//! Made walkers of every size at every rate, with what detectors do wrong: who is switched for another, and who is not told.

use std::collections::{HashMap, HashSet};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    tests::{METRES, SHAPE, at, person},
    *,
};

/// Somebody who walks through the picture, turns back now and then, or stands.
struct Walker {
    /// Middle of the box, 0..1 of the picture.
    place: (f32, f32),
    /// Shares of the picture's height a second.
    speed: (f32, f32),
    /// Height, share of the picture's.
    height: f32,
}

impl Walker {
    fn bbox(&self) -> Bbox {
        let (w, h) = (self.height * 0.4 / SHAPE, self.height);
        let (x, y) = self.place;
        Bbox::new(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0)
    }

    fn is_in_sight(&self) -> bool {
        (0.0..=1.0).contains(&self.place.0) && (0.0..=1.0).contains(&self.place.1)
    }
}

/// What the detector does wrong.
#[derive(Clone, Copy)]
struct Errors {
    missed: f64,
    weak: f64,
    twice: f64,
    /// Boxes where nobody is, a picture.
    ghosts: f64,
}

const GOOD: Errors = Errors { missed: 0.02, weak: 0.1, twice: 0.0, ghosts: 0.0 };
const BAD: Errors = Errors { missed: 0.3, weak: 0.2, twice: 0.05, ghosts: 0.02 };

/// What came of a made world.
#[derive(Debug, Default)]
struct Figures {
    /// Sightings of people that have a track.
    seen: usize,
    /// Sightings of people.
    detected: usize,
    /// A person is another track than before.
    switches: usize,
    /// Tracks that were two people.
    shared: usize,
    people: usize,
    /// Who was detected in three pictures or more and had no track.
    untold: usize,
    /// Tracks of nobody.
    ghosts: usize,
}

struct World {
    random: StdRng,
    fps: f32,
    errors: Errors,
}

impl World {
    fn new(fps: f32, errors: Errors, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { random, fps, errors }
    }

    fn jitter(&mut self, size: f32) -> f32 {
        (self.random.random::<f32>() - 0.5) * 2.0 * size
    }

    /// Enters at an edge and crosses the picture.
    fn walker(&mut self, height: f32, from_left: bool) -> Walker {
        let metres_a_second = self.random.random_range(0.5..2.0f32);
        let speed = metres_a_second / METRES * height;
        let x = if from_left { 0.0 } else { 1.0 };
        let y = self.random.random_range(0.2..0.8);
        let slant = self.jitter(0.3);
        let along = if from_left { speed } else { -speed };
        Walker { place: (x, y), speed: (along, along.abs() * slant), height }
    }

    /// Detections of one picture, with who each of them is (none: nobody).
    fn detect(&mut self, people: &[Walker]) -> Vec<(Detection, Option<usize>)> {
        let mut found: Vec<(Detection, Option<usize>)> = Vec::new();
        for (who, one) in people.iter().enumerate().filter(|(_, one)| one.is_in_sight()) {
            if self.random.random_bool(self.errors.missed) {
                continue;
            }
            let weak = self.random.random_bool(self.errors.weak);
            let score = self.random.random_range(if weak { 0.15..0.45 } else { 0.5..0.95 });
            let b = one.bbox();
            let (w, h) = (b.x1 - b.x0, b.y1 - b.y0);
            let mut edge = |size: f32| self.jitter(size * 0.05);
            let bbox = Bbox::new(b.x0 + edge(w), b.y0 + edge(h), b.x1 + edge(w), b.y1 + edge(h));
            found.push((Detection { label: "person".into(), score, bbox }, Some(who)));
            if self.random.random_bool(self.errors.twice) {
                let off = w * 0.35;
                let bbox = Bbox::new(bbox.x0 + off, bbox.y0, bbox.x1 + off, bbox.y1);
                found.push((Detection { label: "person".into(), score: score * 0.9, bbox }, None));
            }
        }
        if self.random.random_bool(self.errors.ghosts) {
            let (x, y) = (self.random.random_range(0.0..0.9), self.random.random_range(0.0..0.7));
            found.push((person(x, y, self.random.random_range(0.3..0.6)), None));
        }
        // As the detector does: of two boxes that cover each other, the better one is left.
        found.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        let mut left: Vec<(Detection, Option<usize>)> = Vec::new();
        for one in found {
            if left.iter().all(|other| other.0.bbox.iou(&one.0.bbox) <= 0.5) {
                left.push(one);
            }
        }
        left
    }

    fn steps(&self, people: &mut [Walker]) {
        for one in people {
            one.place.0 += one.speed.0 / SHAPE / self.fps;
            one.place.1 += one.speed.1 / self.fps;
        }
    }

    /// Follows these people for as long as one of them is in sight, at most ten minutes.
    fn follow(&mut self, mut people: Vec<Walker>, figures: &mut Figures) {
        let mut tracker = Tracker::default();
        let mut who_was: HashMap<u64, HashSet<Option<usize>>> = HashMap::new();
        let mut last: Vec<Option<u64>> = vec![None; people.len()];
        let mut detected = vec![0; people.len()];
        for n in 0..(600.0 * self.fps) as i64 {
            if people.iter().all(|one| !one.is_in_sight()) {
                break;
            }
            let found = self.detect(&people);
            let boxes: Vec<Detection> = found.iter().map(|one| one.0.clone()).collect();
            let time = at((n as f32 * 1000.0 / self.fps) as i64);
            let tracks = tracker.update(time, SHAPE, &boxes, |_| true);
            for track in tracks.iter().filter(|track| track.seen) {
                let who = found
                    .iter()
                    .find(|one| one.0.bbox == box_of(&tracker, track.id))
                    .and_then(|one| one.1);
                who_was.entry(track.id).or_default().insert(who);
                if let Some(who) = who {
                    figures.seen += 1;
                    let before = last[who].replace(track.id);
                    figures.switches += usize::from(before.is_some_and(|id| id != track.id));
                }
            }
            for who in found.iter().filter_map(|one| one.1) {
                detected[who] += 1;
                figures.detected += 1;
            }
            self.steps(&mut people);
        }
        figures.people += people.len();
        figures.untold +=
            last.iter().zip(&detected).filter(|(id, n)| id.is_none() && **n >= 3).count();
        for who in who_was.values() {
            let real = who.iter().flatten().count();
            figures.shared += usize::from(real > 1);
            figures.ghosts += usize::from(real == 0);
        }
    }
}

/// What this track was matched with.
fn box_of(tracker: &Tracker, id: u64) -> Bbox {
    tracker.tracks.iter().find(|track| track.id == id).unwrap().found
}

/// One or several alone in a picture, of every size, at this rate.
fn crossings(seed: u64, fps: f32, errors: Errors, together: usize) -> Figures {
    let mut figures = Figures::default();
    for (n, height) in [0.02, 0.05, 0.1, 0.2, 0.35, 0.5].into_iter().enumerate() {
        let rounds = if height < 0.1 { 3 } else { 12 };
        for round in 0..rounds {
            let mut world =
                World::new(fps, errors, seed.wrapping_add(10_007 * (n * 100 + round) as u64));
            let people = (0..together).map(|who| world.walker(height, who % 2 == 0)).collect();
            world.follow(people, &mut figures);
        }
    }
    figures
}

#[test]
fn who_walks_alone_is_one_and_is_told_at_every_rate() {
    let seed = crate::domain::seed();
    for fps in [0.5, 1.0, 2.0, 5.0, 25.0] {
        let good = crossings(seed, fps, GOOD, 1);
        assert_eq!(good.shared, 0, "{fps} fps: {good:?}");
        assert!(good.switches <= 2 && good.untold <= 4, "{fps} fps: {good:?}");
        // Every third detection is missing, and every fifth of the others is weak.
        let bad = crossings(seed, fps, BAD, 1);
        let (switches, untold) = if fps < 2.0 { (0.6, 0.15) } else { (0.06, 0.1) };
        assert!(bad.switches as f32 <= switches * bad.people as f32, "{fps} fps: {bad:?}");
        assert!(bad.untold as f32 <= untold * bad.people as f32, "{fps} fps: {bad:?}");
    }
}

#[test]
fn who_crosses_others_stays_himself_where_the_picture_allows_it() {
    let seed = crate::domain::seed();
    for fps in [0.5, 1.0, 2.0, 5.0, 25.0] {
        for (errors, together, least) in [(GOOD, 2, 0.06), (BAD, 2, 0.2), (GOOD, 6, 0.45)] {
            let most = if fps < 2.0 { least * 3.5 } else { least };
            // Few people in one run: what a switch more or less makes of them is chance.
            let (mut switches, mut people) = (0.0, 0.0);
            for seed in (0..4).map(|n| seed.wrapping_add(n)) {
                let figures = crossings(seed, fps, errors, together);
                switches += figures.switches as f32;
                people += figures.people as f32;
            }
            let share = switches / people;
            assert!(share <= most, "{fps} fps, {together}: {share} a person of {people}");
        }
    }
}

#[test]
fn odd_input_does_no_harm_and_ids_are_never_reused() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let mut tracker = Tracker::default();
    let (mut time, mut highest, mut alive) = (0i64, 0, HashSet::new());
    for _ in 0..2_000 {
        time += random.random_range(-50..900);
        let seen: Vec<Detection> = (0..random.random_range(0..8))
            .map(|_| {
                let mut one = person(random.random(), random.random(), random.random());
                if random.random_bool(0.05) {
                    one.bbox.x0 = f32::NAN;
                }
                one
            })
            .collect();
        let now: HashSet<u64> =
            tracker.update(at(time), SHAPE, &seen, |_| true).iter().map(|track| track.id).collect();
        for id in now.difference(&alive) {
            assert!(*id <= tracker.next);
            highest = highest.max(*id);
        }
        alive = now;
    }
    assert!(highest > 0);
}
