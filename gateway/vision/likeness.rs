//! Whether two streams of one camera show the same view: their pictures in little, in the same small grid. Pure.
//!
//! Two encoders of one sensor differ in size, shape (4:3 for 16:9), sharpness and brightness, and in
//! none of these does another view show. So both pictures are brought to one grid whatever their
//! shape, the mean of the surroundings is taken out of each cell, and what is left is correlated
//! (Pearson), as the check of the view does (`view_check.rs`).

use super::view_check::{correlation, deviation, less_surroundings};
use crate::domain::Luma;

/// Cells of the grid, across and down: few enough that streams a few pixels apart fall together.
const COLUMNS: usize = 48;
const ROWS: usize = 27;
/// A picture whose cells differ from their surroundings by less (standard deviation, levels) shows
/// too little to be compared: a wall, fog, a dark night.
const DETAIL_MIN: f32 = 1.5;

/// How much the two look alike: 1 the same, 0 nothing in common. None: one shows too little to tell.
pub fn likeness(one: &Luma, other: &Luma) -> Option<f32> {
    let [one, other] = [one, other].map(|luma| less_surroundings(&rescaled(luma)));
    let tells = deviation(&one) >= DETAIL_MIN && deviation(&other) >= DETAIL_MIN;
    tells.then(|| correlation(&one, &other))
}

/// The picture in cells of the grid, each the mean of the blocks that lie in it, by their share.
fn rescaled(luma: &Luma) -> Luma {
    let across = shares(luma.columns, COLUMNS);
    let down = shares(luma.rows, ROWS);
    let mut mean = Vec::with_capacity(COLUMNS * ROWS);
    for rows in &down {
        for columns in &across {
            let (mut sum, mut weight) = (0.0, 0.0);
            for &(y, tall) in rows {
                for &(x, wide) in columns {
                    let block = luma.mean.get(y * luma.columns + x).copied().unwrap_or(0.0);
                    (sum, weight) = (sum + block * tall * wide, weight + tall * wide);
                }
            }
            mean.push(if weight > 0.0 { sum / weight } else { 0.0 });
        }
    }
    Luma { columns: COLUMNS, rows: ROWS, mean, sharpness: luma.sharpness, at: luma.at }
}

/// For each of `to` cells: the blocks of `from` that lie in it, each with how much of it does.
fn shares(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    let size = from as f32 / to as f32;
    let cell = |n: usize| {
        let (start, end) = (n as f32 * size, (n + 1) as f32 * size);
        let blocks = start as usize..(end.ceil() as usize).clamp(start as usize + 1, from.max(1));
        let share = |at: usize| (end.min((at + 1) as f32) - start.max(at as f32)).max(1e-3);
        blocks.map(|at| (at, share(at))).collect()
    };
    (0..to).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    /// Where one looks, for a place in the picture.
    type Looks<'l> = &'l dyn Fn(f32, f32) -> (f32, f32);

    /// A view of soft patches of all sizes, as streets have them; `of` maps where one looks.
    struct View(Vec<(f32, f32, f32, f32)>);

    impl View {
        fn new() -> Self {
            let mut random = StdRng::seed_from_u64(crate::domain::seed());
            let mut patch = || {
                let (x, y) = (random.random_range(-0.1..1.1), random.random_range(-0.1..1.1));
                (x, y, random.random_range(0.01..0.12f32), random.random_range(-70.0..70.0))
            };
            Self((0..150).map(|_| patch()).collect())
        }

        fn shown(
            &self,
            (columns, rows): (usize, usize),
            of: impl Fn(f32, f32) -> (f32, f32),
        ) -> Luma {
            let at = |n: usize, all: usize| (n as f32 + 0.5) / all as f32;
            let level = |n: usize| {
                let (x, y) = of(at(n % columns, columns), at(n / columns, rows));
                let inside = |patch: &&(f32, f32, f32, f32)| {
                    (x - patch.0).abs() < patch.2 && (y - patch.1).abs() < patch.2 * 1.5
                };
                120.0 + self.0.iter().filter(inside).map(|patch| patch.3).sum::<f32>()
            };
            let mean = (0..columns * rows).map(|n| level(n).clamp(0.0, 255.0)).collect();
            Luma { columns, rows, mean, sharpness: 9.0, at: jiff::Timestamp::UNIX_EPOCH }
        }
    }

    #[test]
    fn the_same_view_is_known_in_any_shape_and_light_and_another_is_not() {
        let view = View::new();
        let main = view.shown((240, 135), |x, y| (x, y));
        let same = |luma: &Luma| likeness(&main, luma).unwrap();
        for size in [(160, 90), (176, 144), (88, 72), (160, 120), (80, 45), (48, 27), (30, 20)] {
            let sub = view.shown(size, |x, y| (x, y));
            assert!(same(&sub) > 0.8, "{size:?}: {}", same(&sub));
            let mut darker = sub.clone();
            darker.mean.iter_mut().for_each(|level| *level = *level * 0.6 + 12.0);
            assert!(same(&darker) > 0.8, "darker {size:?}: {}", same(&darker));
        }
        let others: [(&str, Looks<'_>); 5] = [
            ("turned by a quarter", &|x, y| (x + 0.25, y)),
            ("mirrored", &|x, y| (1.0 - x, y)),
            ("upside down", &|x, y| (1.0 - x, 1.0 - y)),
            ("4:3 cut out of the middle", &|x, y| (0.125 + x * 0.75, y)),
            ("twice as near", &|x, y| (0.25 + x * 0.5, 0.25 + y * 0.5)),
        ];
        for (what, of) in others {
            let other = same(&view.shown((160, 90), of));
            assert!(other < 0.5, "{what}: {other}");
        }
        assert!(
            same(
                &View(View::new().0.into_iter().rev().map(|p| (p.1, p.0, p.2, -p.3)).collect())
                    .shown((160, 90), |x, y| (x, y))
            ) < 0.4
        );
    }

    #[test]
    fn a_picture_that_shows_nothing_tells_nothing() {
        let view = View::new();
        let main = view.shown((240, 135), |x, y| (x, y));
        let flat = |columns: usize, rows: usize| Luma {
            columns,
            rows,
            mean: vec![40.0; columns * rows],
            ..main.clone()
        };
        assert_eq!(likeness(&main, &flat(160, 90)), None);
        assert_eq!(likeness(&flat(1, 1), &main), None);
        assert_eq!(likeness(&flat(0, 0), &main), None, "no picture at all");
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let mut noise = flat(160, 90);
        noise.mean.iter_mut().for_each(|level| *level += random.random_range(-3.0..3.0));
        assert_eq!(likeness(&main, &noise), None, "noise is no detail");
    }
}
