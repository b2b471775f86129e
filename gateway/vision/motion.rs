//! What changed in a scene: blocks against a background that learns, changes of light set apart. Pure.
//!
//! All on [`Luma`] blocks. The background keeps a mean and a mean deviation per block; a block
//! differs when it is off by more than [`LEVELS_MIN`], by more than [`DEVIATIONS`] of its own
//! deviation, and by more than the noise of this picture (its median difference, which people do
//! not change). When a quarter of the picture differs at once, each tile is fitted by gain and
//! offset (least squares) and only what the fit leaves counts: a lamp, a cloud and infrared
//! change tiles, people change blocks.

use super::clutter::Clutter;
use crate::domain::{Bbox, Luma};

/// Brightness of a block (0..255) must be off by this much.
const LEVELS_MIN: f32 = 4.0;
/// And by this many of its usual deviations.
const DEVIATIONS: f32 = 6.0;
/// And by this many standard deviations of the noise all over the picture: 1.48 times the median
/// of the differences (Hampel's estimate). Few blocks of noise exceed it, and none together.
const SIGMAS: f32 = 4.5;
const SIGMA_OF_MEDIAN: f32 = 1.4826;
/// No sensor is noisier than this, levels of a block: a larger median is the light, or another view.
const NOISE_MAX: f32 = 12.0;
/// Fewer neighbouring blocks than this are noise.
const BLOCKS_MIN: usize = 3;
/// More than this share of the picture at once may be light.
const LIGHT_SHARE: f32 = 0.25;
/// Blocks a side of a tile in which light has one gain and one offset.
const TILE: usize = 12;
/// Separate regions, at most; where there are more, the smallest are joined (P11).
const REGIONS_MAX: usize = 6;
/// Share taken over by the background at each quiet look.
const LEARN: f32 = 0.1;
/// A deviation never counts less than this, levels.
const DEVIATION_MIN: f32 = 0.2;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Where, in 0..1 of the picture.
    pub regions: Vec<Bbox>,
    /// Share of the blocks that differ, 0..1.
    pub share: f32,
    /// The light changed, whatever else did.
    pub light: bool,
}

impl Change {
    /// Whether nothing changed.
    pub fn is_none(&self) -> bool {
        self.regions.is_empty()
    }
}

/// The block of a quiet look that came nearest to a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Nearness {
    /// How much it differs, as a share of its limit; above 1 too few other blocks did.
    pub share: f32,
    /// Blocks above 1; `BLOCKS_MIN` of them together are a difference.
    pub over: usize,
    /// Where, in 0..1 of the picture.
    pub place: (f32, f32),
}

/// The background of one camera, and the picture before.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    mean: Option<Luma>,
    deviation: Vec<f32>,
    before: Option<Luma>,
    clutter: Clutter,
}

impl Scene {
    /// Against the background; None where there is none (or the picture's size changed).
    pub fn compare(&self, luma: &Luma) -> Option<Change> {
        let mean = self.mean.as_ref().filter(|mean| mean.fits(luma))?;
        Some(self.change(mean, luma))
    }

    /// A picture, awake: what moves (against the picture before, which this one replaces), and what
    /// differs from the background (the first one becomes it).
    pub fn watch(&mut self, luma: &Luma) -> (Change, Change) {
        let before = self.before.replace(luma.clone()).filter(|before| before.fits(luma));
        let moved = before.as_ref().map(|before| self.change(before, luma)).unwrap_or_default();
        let differs = self.compare(luma);
        if let Some(before) = before.filter(|_| !moved.is_none()) {
            self.clutter.note(&off(&before, luma), luma.columns);
        } else if differs.as_ref().is_some_and(|differs| !differs.is_none())
            && let Some(mean) = &self.mean
        {
            self.clutter.note(&off(mean, luma), luma.columns);
        }
        if differs.is_none() {
            self.take(luma);
        }
        (moved, differs.unwrap_or_default())
    }

    /// The camera wakes for this look: what differs in it counts as seen awake.
    pub fn wakes(&mut self, luma: &Luma) {
        if let Some(mean) = self.mean.as_ref().filter(|mean| mean.fits(luma)) {
            self.clutter.note(&off(mean, luma), luma.columns);
        }
    }

    /// Somebody was found where something differs.
    pub fn found(&mut self) {
        self.clutter.forget();
    }

    /// A quiet look: the background follows slowly, and learns how much its blocks differ anyway.
    pub fn learn(&mut self, luma: &Luma) {
        let Some(mean) = self.mean.as_mut().filter(|mean| mean.fits(luma)) else {
            self.take(luma);
            return;
        };
        self.clutter.clears(&off(mean, luma), luma.columns);
        for ((mean, deviation), &now) in
            mean.mean.iter_mut().zip(&mut self.deviation).zip(&luma.mean)
        {
            let off = now - *mean;
            *mean += off * LEARN;
            *deviation += (off.abs() - *deviation) * LEARN;
        }
    }

    /// What differs here concerns nobody: it belongs to the background from now on, and makes it no more
    /// restless.
    pub fn take_at(&mut self, luma: &Luma, regions: &[Bbox]) {
        let Some(mean) = self.mean.as_mut().filter(|mean| mean.fits(luma)) else { return };
        let (columns, rows) = (luma.columns, luma.rows);
        let along = |at: usize, all: usize| (at as f32 + 0.5) / all as f32;
        for (at, mean) in mean.mean.iter_mut().enumerate() {
            let place = (along(at % columns, columns), along(at / columns, rows));
            if regions.iter().any(|region| region.holds(place)) {
                *mean = luma.mean[at];
            }
        }
    }

    /// The camera falls asleep because nothing moves: as [`Self::take`]. Where there is clutter
    /// already, what was seen awake counts as more of it.
    pub fn settle(&mut self, luma: &Luma) {
        match self.clutter.share(0.0) > 0.0 {
            true => self.clutter.bear(luma.columns),
            false => self.clutter.forget(),
        }
        self.take(luma);
    }

    /// This picture becomes the background: what stands in it belongs to it.
    pub fn take(&mut self, luma: &Luma) {
        let fits = self.mean.as_ref().is_some_and(|mean| mean.fits(luma));
        if !fits {
            self.deviation = vec![1.0; luma.mean.len()];
        }
        self.mean = Some(luma.clone());
    }

    /// Blocks that differ from the background now do so without anything that counts (a tree, a
    /// flag): they must differ by more from now on, until they have been quiet for long. So must
    /// all that was no more than what has moved since it woke, where that was rain.
    pub fn bear_with(&mut self, luma: &Luma) {
        self.clutter.bear(luma.columns);
        let Some(mean) = self.mean.as_ref().filter(|mean| mean.fits(luma)) else { return };
        for ((deviation, &now), &was) in self.deviation.iter_mut().zip(&luma.mean).zip(&mean.mean) {
            let off = (now - was).abs();
            if off > limit(*deviation) {
                *deviation = off * 1.25 / DEVIATIONS;
            }
        }
    }

    /// Share of the blocks that must differ by twice the least: how restless the scene is.
    pub fn unrest(&self) -> f32 {
        let restless = self.deviation.iter().filter(|one| limit(**one) > LEVELS_MIN * 2.0).count();
        let blocks = restless as f32 / self.deviation.len().max(1) as f32;
        blocks.max(self.clutter.share(LEVELS_MIN * 2.0))
    }

    /// How near a quiet look came to one that differs.
    pub fn nearness(&self, luma: &Luma) -> Option<Nearness> {
        let mean = self.mean.as_ref().filter(|mean| mean.fits(luma))?;
        let off = off(mean, luma);
        let noise = noise(&off);
        let (mut over, mut most) = (0, (0.0, 0));
        for (at, (off, deviation)) in off.iter().zip(&self.deviation).enumerate() {
            let clutter = self.clutter.level(at % luma.columns, at / luma.columns);
            let share = off.abs() / limit(*deviation).max(noise).max(clutter);
            over += usize::from(share > 1.0);
            if share > most.0 {
                most = (share, at);
            }
        }
        let along = |at: usize, all: usize| (at as f32 + 0.5) / all as f32;
        let (x, y) = (most.1 % luma.columns, most.1 / luma.columns);
        Some(Nearness { share: most.0, over, place: (along(x, luma.columns), along(y, luma.rows)) })
    }

    fn change(&self, from: &Luma, to: &Luma) -> Change {
        let mut differs = self.flags(&off(from, to), to.columns);
        let mut share = part(&differs);
        let mut light = false;
        if share > LIGHT_SHARE {
            let left = self.flags(&after_light(from, to), to.columns);
            let rest = part(&left);
            light = rest < share / 4.0;
            if light {
                (share, differs) = (rest, left);
            }
        }
        Change { regions: regions(&differs, to.columns, to.rows), share, light }
    }

    fn flags(&self, off: &[f32], columns: usize) -> Vec<bool> {
        let noise = noise(off);
        let over = |(at, (off, deviation)): (usize, (&f32, &f32))| {
            let clutter = || self.clutter.level(at % columns, at / columns);
            off.abs() > limit(*deviation).max(noise) && off.abs() > clutter()
        };
        off.iter().zip(&self.deviation).enumerate().map(over).collect()
    }
}

fn off(from: &Luma, to: &Luma) -> Vec<f32> {
    from.mean.iter().zip(&to.mean).map(|(was, now)| now - was).collect()
}

fn noise(off: &[f32]) -> f32 {
    (SIGMAS * SIGMA_OF_MEDIAN * median(off)).min(NOISE_MAX)
}

/// Of the sizes.
fn median(off: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = off.iter().map(|off| off.abs()).collect();
    let middle = sizes.len() / 2;
    if sizes.is_empty() {
        return 0.0;
    }
    *sizes.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn limit(deviation: f32) -> f32 {
    LEVELS_MIN.max(DEVIATIONS * deviation.max(DEVIATION_MIN))
}

fn part(flags: &[bool]) -> f32 {
    flags.iter().filter(|flag| **flag).count() as f32 / flags.len().max(1) as f32
}

/// What is left of the difference when each tile may change its gain and offset.
fn after_light(from: &Luma, to: &Luma) -> Vec<f32> {
    let mut left = vec![0.0; to.mean.len()];
    for top in (0..to.rows).step_by(TILE) {
        for start in (0..to.columns).step_by(TILE) {
            let cells = || {
                (top..(top + TILE).min(to.rows)).flat_map(move |y| {
                    (start..(start + TILE).min(to.columns)).map(move |x| y * to.columns + x)
                })
            };
            let n = cells().count() as f32;
            let sum = |of: &dyn Fn(usize) -> f32| cells().map(of).sum::<f32>();
            let (x, y) = (sum(&|at| from.mean[at]) / n, sum(&|at| to.mean[at]) / n);
            let spread = sum(&|at| (from.mean[at] - x).powi(2));
            let both = sum(&|at| (from.mean[at] - x) * (to.mean[at] - y));
            // A tile without any texture has no gain that could be found.
            let gain = if spread > n { (both / spread).clamp(0.2, 5.0) } else { 1.0 };
            for at in cells() {
                left[at] = to.mean[at] - (y + gain * (from.mean[at] - x));
            }
        }
    }
    left
}

/// Groups of neighbouring blocks (gaps of one block are bridged), largest first.
fn regions(flags: &[bool], columns: usize, rows: usize) -> Vec<Bbox> {
    let mut seen = vec![false; flags.len()];
    let mut heaps: Vec<(usize, [usize; 4])> = Vec::new();
    let mut todo = Vec::new();
    for first in 0..flags.len() {
        if !flags[first] || seen[first] {
            continue;
        }
        let (mut count, mut bounds) = (0, [usize::MAX, usize::MAX, 0, 0]);
        seen[first] = true;
        todo.push(first);
        while let Some(at) = todo.pop() {
            count += 1;
            let (x, y) = (at % columns, at / columns);
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
            for ny in y.saturating_sub(2)..(y + 3).min(rows) {
                for nx in x.saturating_sub(2)..(x + 3).min(columns) {
                    let near = ny * columns + nx;
                    if flags[near] && !std::mem::replace(&mut seen[near], true) {
                        todo.push(near);
                    }
                }
            }
        }
        if count >= BLOCKS_MIN {
            heaps.push((count, bounds));
        }
    }
    heaps.sort_by_key(|heap| std::cmp::Reverse(heap.0));
    let (w, h) = (columns as f32, rows as f32);
    let boxed = |[x0, y0, x1, y1]: [usize; 4]| {
        Bbox::new(x0 as f32 / w, y0 as f32 / h, (x1 + 1) as f32 / w, (y1 + 1) as f32 / h)
    };
    let mut boxes: Vec<Bbox> = heaps.iter().map(|(_, bounds)| boxed(*bounds)).collect();
    while boxes.len() > REGIONS_MAX {
        // The smallest joins its neighbour in rank: nothing that changed is left out.
        let (Some(last), Some(other)) = (boxes.pop(), boxes.last_mut()) else { break };
        *other = other.around(&last);
    }
    boxes
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const W: usize = 160;
    const H: usize = 90;

    struct World {
        random: StdRng,
        ground: Vec<f32>,
    }

    impl World {
        fn new() -> Self {
            let mut random = StdRng::seed_from_u64(crate::domain::seed());
            let ground = (0..W * H).map(|_| random.random_range(40.0..160.0)).collect();
            Self { random, ground }
        }

        fn show(&mut self, noise: f32, of: impl Fn(f32, usize, usize) -> f32) -> Luma {
            let noisy = |(n, ground): (usize, &f32)| {
                of(*ground, n % W, n / W) + self.random.random_range(-noise..=noise)
            };
            let mean = self.ground.iter().enumerate().map(noisy).collect();
            let at = jiff::Timestamp::UNIX_EPOCH;
            Luma { columns: W, rows: H, mean, sharpness: 9.0, at }
        }
    }

    fn empty(ground: f32, _: usize, _: usize) -> f32 {
        ground
    }

    /// Three blocks wide and six high.
    fn person(at: usize) -> impl Fn(f32, usize, usize) -> f32 {
        move |ground, x, y| {
            if (at..at + 3).contains(&x) && (30..36).contains(&y) { 15.0 } else { ground }
        }
    }

    #[test]
    fn a_small_person_is_found_where_he_is_and_noise_is_nobody() {
        let mut world = World::new();
        let mut scene = Scene::default();
        assert_eq!(scene.compare(&world.show(1.0, empty)), None, "no background yet");
        scene.take(&world.show(1.0, empty));
        for noise in [1.0, 1.0, 3.0, 6.0] {
            let luma = world.show(noise, empty);
            assert!(scene.compare(&luma).unwrap().is_none(), "noise {noise}");
            scene.learn(&luma);
        }
        let change = scene.compare(&world.show(1.0, person(70))).unwrap();
        assert_eq!(change.regions.len(), 1, "{change:?}");
        assert!(change.regions[0].holds((71.5 / W as f32, 33.0 / H as f32)));
        assert!(change.regions[0].area() < 0.01 && !change.light);
    }

    #[test]
    fn light_is_told_from_people_and_people_are_seen_in_it() {
        let mut world = World::new();
        let mut scene = Scene::default();
        scene.take(&world.show(0.5, empty));
        // A lamp: brighter to the left, and the contrast with it.
        let lamp =
            |ground: f32, x: usize, _: usize| ground * (1.6 - 0.6 * x as f32 / W as f32) + 10.0;
        let change = scene.compare(&world.show(0.5, lamp)).unwrap();
        assert!(change.light && change.is_none(), "{:?}", change.regions);
        let both = |ground: f32, x: usize, y: usize| person(70)(lamp(ground, x, y), x, y);
        let change = scene.compare(&world.show(0.5, both)).unwrap();
        assert!(change.light && !change.is_none());
        let middle = (71.5 / W as f32, 33.0 / H as f32);
        assert!(change.regions.iter().any(|region| region.holds(middle)), "{change:?}");
    }

    #[test]
    fn v4_a_tree_is_borne_with_and_forgiven_when_it_is_still() {
        let mut world = World::new();
        let mut scene = Scene::default();
        scene.take(&world.show(0.5, empty));
        let tree = |ground: f32, x: usize, y: usize| {
            if (100..120).contains(&x) && y < 20 { ground - 25.0 } else { ground }
        };
        let waving = world.show(0.5, tree);
        assert!(!scene.compare(&waving).unwrap().is_none());
        scene.bear_with(&waving);
        assert!(scene.compare(&waving).unwrap().is_none());
        assert!(scene.unrest() > 0.005);
        assert!(!scene.compare(&world.show(0.5, person(30))).unwrap().is_none());
        for _ in 0..40 {
            scene.learn(&world.show(0.5, empty));
        }
        assert_eq!(scene.unrest(), 0.0);
        assert!(!scene.compare(&waving).unwrap().is_none(), "it counts again");
    }

    #[test]
    fn what_moves_is_what_differs_from_the_picture_before() {
        let mut world = World::new();
        let mut scene = Scene::default();
        scene.take(&world.show(0.5, empty));
        assert!(scene.watch(&world.show(0.5, person(20))).0.is_none(), "nothing before it");
        assert!(scene.watch(&world.show(0.5, person(20))).0.is_none(), "he stands");
        assert!(!scene.watch(&world.show(0.5, person(24))).0.is_none(), "he walks");
    }

    #[test]
    fn v4_rain_wakes_once_and_who_walks_in_it_is_seen() {
        let mut world = World::new();
        let mut scene = Scene::default();
        scene.take(&world.show(0.5, empty));
        let mut rain = StdRng::seed_from_u64(7);
        let mut drops =
            || -> Vec<usize> { (0..150).map(|_| rain.random_range(0..W * H)).collect() };
        let streak = |drops: &[usize], x: usize, y: usize| {
            drops.iter().any(|drop| drop % W == x && (drop / W..drop / W + 3).contains(&y))
        };
        let mut shower = |world: &mut World, of: &dyn Fn(f32, usize, usize) -> f32| {
            let drops = drops();
            world.show(0.5, |ground, x, y| {
                of(ground, x, y) + if streak(&drops, x, y) { 14.0 } else { 0.0 }
            })
        };
        let mut last = shower(&mut world, &empty);
        assert!(!scene.compare(&last).unwrap().is_none(), "it wakes");
        scene.found();
        for _ in 0..40 {
            last = shower(&mut world, &empty);
            scene.watch(&last);
        }
        scene.bear_with(&last);
        for n in 0..30 {
            let look = shower(&mut world, &empty);
            assert!(scene.compare(&look).unwrap().is_none(), "look {n}");
            scene.learn(&look);
        }
        assert!(scene.unrest() > 0.005, "the detector is asked at each look");
        let found = scene.compare(&shower(&mut world, &person(70))).unwrap();
        assert_eq!(found.regions.len(), 1, "{found:?}");
        for _ in 0..60 {
            scene.learn(&world.show(0.5, empty));
        }
        assert_eq!(scene.unrest(), 0.0, "the rain is over");
    }

    #[test]
    fn what_was_seen_before_it_slept_is_no_clutter_of_the_next_wake() {
        let mut world = World::new();
        let mut scene = Scene::default();
        scene.take(&world.show(0.5, empty));
        // In grey, hardly brighter than the ground.
        let grey = |at: usize| {
            move |ground: f32, x: usize, y: usize| {
                let there = (at..at + 3).contains(&x) && (30..36).contains(&y);
                if there { ground + 15.0 } else { ground }
            }
        };
        for n in 0..40 {
            scene.watch(&world.show(0.5, grey(20 + n)));
        }
        scene.settle(&world.show(0.5, empty));
        // A press wakes it: no look that differs came before.
        for _ in 0..3 {
            scene.watch(&world.show(0.5, empty));
        }
        scene.bear_with(&world.show(0.5, empty));
        let change = scene.compare(&world.show(0.5, grey(40))).unwrap();
        assert!(!change.is_none(), "whoever walks there next is seen");
    }

    #[test]
    fn another_size_of_picture_is_another_scene() {
        let mut world = World::new();
        let mut scene = Scene::default();
        scene.take(&world.show(0.5, empty));
        let other = Luma { columns: 2, rows: 2, mean: vec![1.0; 4], ..world.show(0.5, empty) };
        assert_eq!(scene.compare(&other), None);
        assert!(scene.watch(&other).0.is_none());
        scene.learn(&other);
        assert!(scene.compare(&other).unwrap().is_none());
    }
}
