//! What changed in a scene: blocks against a background that learns, light told apart. Pure.
//!
//! All on [`Luma`] blocks. The background keeps a mean and a mean deviation per block; a block
//! differs when it is off by more than [`LEVELS_MIN`] and by more than [`DEVIATIONS`] of its own
//! deviation. When a quarter of the picture differs at once, each tile is fitted by gain and
//! offset (least squares) and only what the fit leaves counts: a lamp, a cloud and infrared
//! change tiles, people change blocks.

use crate::domain::{Bbox, Luma};

/// Brightness of a block (0..255) must be off by this much.
const LEVELS_MIN: f32 = 4.0;
/// And by this many of its usual deviations.
const DEVIATIONS: f32 = 6.0;
/// Fewer blocks together are noise.
const BLOCKS_MIN: usize = 3;
/// More than this share of the picture at once may be light.
const LIGHT_SHARE: f32 = 0.25;
/// What a fit by light leaves of a change that was light, as a share of the picture.
const LEFT_BY_LIGHT: f32 = 0.01;
/// Blocks a side of a tile in which light has one gain and one offset.
const TILE: usize = 12;
/// Regions told apart, at most; more of them are one (P11).
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
    pub fn is_none(&self) -> bool {
        self.regions.is_empty()
    }
}

/// The background of one camera, and the picture before.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    mean: Option<Luma>,
    deviation: Vec<f32>,
    before: Option<Luma>,
}

impl Scene {
    /// Whether there is a background to compare with.
    pub fn knows(&self, luma: &Luma) -> bool {
        self.mean.as_ref().is_some_and(|mean| mean.fits(luma))
    }

    /// Against the background; None where there is none (or the picture's size changed).
    pub fn compare(&self, luma: &Luma) -> Option<Change> {
        let mean = self.mean.as_ref().filter(|mean| mean.fits(luma))?;
        Some(self.change(mean, luma))
    }

    /// Against the picture before, which this one replaces: what moves now.
    pub fn moved(&mut self, luma: &Luma) -> Change {
        let before = self.before.replace(luma.clone());
        match before.filter(|before| before.fits(luma)) {
            Some(before) => self.change(&before, luma),
            None => Change::default(),
        }
    }

    /// A quiet look: the background follows slowly, and learns how much its blocks differ anyway.
    pub fn learn(&mut self, luma: &Luma) {
        let Some(mean) = self.mean.as_mut().filter(|mean| mean.fits(luma)) else {
            self.take(luma);
            return;
        };
        for ((mean, deviation), &now) in
            mean.mean.iter_mut().zip(&mut self.deviation).zip(&luma.mean)
        {
            let off = now - *mean;
            *mean += off * LEARN;
            *deviation += (off.abs() - *deviation) * LEARN;
        }
        mean.sharpness += (luma.sharpness - mean.sharpness) * LEARN;
    }

    /// The background is this picture from now on: what stands here belongs to it.
    pub fn take(&mut self, luma: &Luma) {
        let fits = self.mean.as_ref().is_some_and(|mean| mean.fits(luma));
        if !fits {
            self.deviation = vec![1.0; luma.mean.len()];
        }
        self.mean = Some(luma.clone());
    }

    /// Blocks that differ from the background now do so without anything that counts (a tree, a
    /// flag, rain): they must differ by more from now on, until they have been quiet for long.
    pub fn bear_with(&mut self, luma: &Luma) {
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
        restless as f32 / self.deviation.len().max(1) as f32
    }

    /// The background itself, for what only a long view shows.
    pub fn background(&self) -> Option<&Luma> {
        self.mean.as_ref()
    }

    fn change(&self, from: &Luma, to: &Luma) -> Change {
        let mut differs = self.flags(from.mean.iter().zip(&to.mean).map(|(was, now)| now - was));
        let mut share = part(&differs);
        let mut light = false;
        if share > LIGHT_SHARE {
            let left = self.flags(after_light(from, to).into_iter());
            let rest = part(&left);
            light = rest < share / 4.0;
            if light {
                share = if rest < LEFT_BY_LIGHT { 0.0 } else { rest };
                differs = left;
                if share == 0.0 {
                    return Change { regions: Vec::new(), share, light };
                }
            }
        }
        Change { regions: regions(&differs, to.columns, to.rows), share, light }
    }

    fn flags(&self, off: impl Iterator<Item = f32>) -> Vec<bool> {
        off.zip(&self.deviation).map(|(off, deviation)| off.abs() > limit(*deviation)).collect()
    }
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

/// Heaps of neighbouring blocks (gaps of one block are bridged), largest first.
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
    heaps.sort_by(|a, b| b.0.cmp(&a.0));
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
