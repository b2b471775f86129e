//! Rain, snow and the grain of the night: what moves all over the picture, each time elsewhere. Pure.
//!
//! A tree waves in its own blocks, and `motion.rs` learns those one by one. Streaks of rain fall
//! elsewhere in each picture, so each tile of the picture has a level: what differs by less, in
//! that tile, is clutter. The level is learnt while a camera is awake for something in which the
//! detector finds nothing, and forgotten when the looks are clear again.
//!
//! **V4** What moves for 15 s and is nothing that counts wakes the camera no more: its blocks, and
//! under rain its tiles, must differ by more from then on. In such a restless scene the detector is
//! asked at each look asleep, instead of trusting the difference, and is told of nothing that will
//! be replayed (`Look::probe`).

/// Blocks a side of a tile.
const TILE: usize = 30;
/// Distance in blocks within which two blocks belong together, as in regions of a change.
const REACH: usize = 2;
/// Differences smaller than this, levels, are none to begin with.
const LEVEL_MIN: f32 = 4.0;
/// The level is so much above the strongest streak that was seen: the next may be stronger.
const ABOVE: f32 = 1.4;
/// A stronger difference, in levels, in one part of the picture is a thing that moves, and no clutter.
const LEVEL_MAX: f32 = 32.0;
/// In this share of the tiles a strong difference is rain all the same: drops in the light of an
/// infrared lamp.
const EVERYWHERE: f32 = 0.6;
/// Then a tile has at least what this share of the tiles stay below (the strongest streak falls in
/// any of them), and not much more (somebody may walk in it).
const TYPICAL: f32 = 0.9;
const MORE: f32 = 1.2;
/// Pictures that make a level: fewer have not shown the strongest of it.
const PICTURES_MIN: u32 = 25;
/// Pictures that correct a level that is there already.
const PICTURES_MORE: u32 = 2;
/// What remains of a level after a look that shows less than half of it.
const FORGET: f32 = 0.93;

/// Levels by tile, of one camera.
#[derive(Clone, Debug, Default)]
pub(super) struct Clutter {
    across: usize,
    levels: Vec<f32>,
    /// The most that was seen since it woke, and in how many pictures.
    seen: Vec<f32>,
    pictures: u32,
}

impl Clutter {
    /// The level of a block: a smaller difference counts as none.
    pub(super) fn level(&self, x: usize, y: usize) -> f32 {
        self.levels.get(y / TILE * self.across + x / TILE).copied().unwrap_or(0.0)
    }

    /// Share of the tiles whose level is above `over`.
    pub(super) fn share(&self, over: f32) -> f32 {
        let many = self.levels.iter().filter(|level| **level > over).count();
        many as f32 / self.levels.len().max(1) as f32
    }

    /// The camera falls asleep, or somebody was found: what was seen until now is no clutter.
    pub(super) fn forget(&mut self) {
        (self.pictures, self.seen) = (0, Vec::new());
    }

    /// A picture of an awake camera, and how much its blocks differ.
    pub(super) fn note(&mut self, off: &[f32], columns: usize) {
        let now = levels(off, columns);
        if self.seen.len() != now.len() {
            (self.pictures, self.seen) = (0, vec![0.0; now.len()]);
        }
        self.pictures += 1;
        self.seen.iter_mut().zip(&now).for_each(|(most, now)| *most = most.max(*now));
    }

    /// The detector found nothing in what was seen since the camera woke: it is clutter.
    pub(super) fn bear(&mut self, columns: usize) {
        let fits = self.levels.len() == self.seen.len();
        let has_level = fits && self.levels.iter().any(|level| *level > 0.0);
        if self.pictures >= if has_level { PICTURES_MORE } else { PICTURES_MIN } {
            let wide = self.seen.iter().filter(|seen| **seen > LEVEL_MIN * 2.0).count();
            let everywhere = wide as f32 >= EVERYWHERE * self.seen.len() as f32;
            let mut sorted = self.seen.clone();
            sorted.sort_by(f32::total_cmp);
            let at = (sorted.len() as f32 * TYPICAL) as usize;
            let typical = sorted.get(at).copied().filter(|_| everywhere).unwrap_or(0.0);
            if !fits {
                self.levels = vec![0.0; self.seen.len()];
                self.across = columns.div_ceil(TILE);
            }
            for (level, &seen) in self.levels.iter_mut().zip(&self.seen) {
                let most = match everywhere {
                    true => seen.clamp(typical, typical * MORE) * ABOVE,
                    false => seen * ABOVE,
                };
                if everywhere || (seen > LEVEL_MIN && most <= LEVEL_MAX) {
                    *level = level.max(most);
                }
            }
        }
        self.forget();
    }

    /// A quiet look, and how much its blocks differ from the background: levels that are no longer
    /// reached sink.
    pub(super) fn clears(&mut self, off: &[f32], columns: usize) {
        if self.levels.iter().all(|level| *level == 0.0) {
            return;
        }
        for (level, now) in self.levels.iter_mut().zip(levels(off, columns)) {
            if now < *level / 2.0 {
                *level *= FORGET;
            }
            if *level < LEVEL_MIN {
                *level = 0.0;
            }
        }
    }
}

/// By tile: the level above which no three blocks together differ.
fn levels(off: &[f32], columns: usize) -> Vec<f32> {
    let (columns, rows) = (columns.max(1), off.len() / columns.max(1));
    let across = columns.div_ceil(TILE);
    let mut levels = vec![0.0; across * rows.div_ceil(TILE)];
    for y in 0..rows {
        for x in 0..columns {
            let own = off[y * columns + x].abs();
            let tile = &mut levels[y / TILE * across + x / TILE];
            if own <= LEVEL_MIN || own <= *tile {
                continue;
            }
            // A heap of three has one in the middle, with two others in reach of it.
            let mut others = [0.0_f32; 2];
            for ny in y.saturating_sub(REACH)..(y + REACH + 1).min(rows) {
                for nx in x.saturating_sub(REACH)..(x + REACH + 1).min(columns) {
                    let other = off[ny * columns + nx].abs();
                    if (nx, ny) != (x, y) && other > others[1] {
                        others[1] = other.min(others[0]);
                        others[0] = other.max(others[0]);
                    }
                }
            }
            *tile = tile.max(own.min(others[1]));
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const W: usize = 120;
    const H: usize = 90;

    #[test]
    fn three_together_make_a_level_and_two_do_not() {
        let mut off = vec![0.0; W * H];
        (off[0], off[2]) = (50.0, -40.0);
        assert!(levels(&off, W).iter().all(|level| *level == 0.0));
        off[4 * W / 2 + 2] = 30.0;
        assert_eq!(levels(&off, W)[0], 30.0, "the middle one reaches both");
        off[W + 1] = 60.0;
        assert_eq!(levels(&off, W)[0], 40.0);
        assert!(levels(&off, W)[1..].iter().all(|level| *level == 0.0));
    }

    /// Streaks of up to `most` levels, three blocks high.
    fn rain(random: &mut StdRng, most: f32, wide: usize) -> Vec<f32> {
        let mut off = vec![0.0; W * H];
        for _ in 0..300 {
            let (x, y) = (random.random_range(0..wide), random.random_range(0..H - 3));
            let level = random.random_range(most / 2.0..most);
            (0..3).for_each(|n| off[(y + n) * W + x] = level);
        }
        off
    }

    #[test]
    fn v4_rain_is_learnt_and_forgotten_and_a_thing_in_one_place_is_none() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let mut clutter = Clutter::default();
        for _ in 0..40 {
            clutter.note(&rain(&mut random, 18.0, W), W);
        }
        clutter.bear(W);
        assert!((16.0..=25.3).contains(&clutter.level(60, 45)), "{}", clutter.level(60, 45));
        assert_eq!(clutter.share(8.0), 1.0);
        for _ in 0..10 {
            clutter.clears(&rain(&mut random, 18.0, W), W);
        }
        assert!(clutter.level(60, 45) > 16.0, "it still rains");
        for _ in 0..40 {
            clutter.clears(&vec![0.0; W * H], W);
        }
        assert_eq!((clutter.level(60, 45), clutter.share(8.0)), (0.0, 0.0));
        // A car that turns round in one corner is no clutter there, nor anywhere.
        for _ in 0..40 {
            clutter.note(&rain(&mut random, 80.0, TILE), W);
        }
        clutter.bear(W);
        assert_eq!(clutter.share(0.0), 0.0);
        // Nor somebody who walks in the rain, though nobody knows him.
        for _ in 0..40 {
            let mut off = rain(&mut random, 18.0, W);
            (20..26).for_each(|y| off[y * W + 20..y * W + 23].fill(70.0));
            clutter.note(&off, W);
        }
        clutter.bear(W);
        assert!(clutter.level(21, 22) < 32.0 && clutter.level(60, 45) > 16.0);
        // The same everywhere is rain before an infrared lamp.
        for _ in 0..40 {
            clutter.note(&rain(&mut random, 80.0, W), W);
        }
        clutter.bear(W);
        assert!(clutter.level(60, 45) > 70.0);
    }

    #[test]
    fn few_pictures_and_what_was_found_teach_nothing() {
        let mut random = StdRng::seed_from_u64(1);
        let mut clutter = Clutter::default();
        for _ in 0..PICTURES_MIN - 1 {
            clutter.note(&rain(&mut random, 18.0, W), W);
        }
        clutter.bear(W);
        assert_eq!(clutter.share(0.0), 0.0);
        for n in 0..40 {
            clutter.note(&rain(&mut random, 18.0, W), W);
            if n == 30 {
                clutter.forget();
            }
        }
        clutter.bear(W);
        assert_eq!(clutter.share(0.0), 0.0);
    }
}
