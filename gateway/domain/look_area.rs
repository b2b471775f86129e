//! Where in a camera's picture somebody is to be found: where a rule looks, and around it. Pure.
//!
//! **V12** What differs elsewhere (the street beyond the fence, a mask) wakes no camera and is shown to no
//! detector. Whether something counts, its foot decides; so a region concerns the rules if whoever
//! causes it may have his foot where one of them looks, or step there before the next look. The
//! region may be the whole of him, or no more than his head.

use super::Bbox;

/// Cells along each side of the picture.
const CELLS: usize = 64;
/// A region is never placed exactly: share of the picture.
const JITTER: f32 = 0.03;
/// His foot is at most so far below the lower edge of what differs of him, in its heights: where it is a
/// third of him; and where it is his head, up to `FAR_BELOW` of the picture.
const BELOW: f32 = 2.0;
const BELOW_HEAD: f32 = 6.0;
const FAR_BELOW: f32 = 0.3;

/// The cells of a picture in which a foot may count, and how closely it is looked there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookArea {
    rows: Vec<u64>,
    wants_crop: bool,
    wants_plates: bool,
}

impl LookArea {
    /// Of the cells for which this says yes; None where that is all of them.
    pub fn of(counts: impl Fn(Bbox) -> bool) -> Option<Self> {
        let edge = |at: usize| at as f32 / CELLS as f32;
        let cell = |x: usize, y: usize| Bbox::new(edge(x), edge(y), edge(x + 1), edge(y + 1));
        let row =
            |y: usize| (0..CELLS).filter(|x| counts(cell(*x, y))).fold(0, |row, x| row | (1 << x));
        let rows: Vec<u64> = (0..CELLS).map(row).collect();
        rows.iter().any(|row| *row != u64::MAX).then_some(Self {
            rows,
            wants_crop: false,
            wants_plates: false,
        })
    }

    /// All of the picture.
    pub fn everywhere() -> Self {
        Self { rows: vec![u64::MAX; CELLS], wants_crop: false, wants_plates: false }
    }

    /// Somebody new there is looked for once more in a crop: a rule asks for it.
    #[must_use]
    pub fn with_crop(self) -> Self {
        Self { wants_crop: true, ..self }
    }

    /// Whether somebody new is looked for once more in a crop.
    pub fn wants_crop(&self) -> bool {
        self.wants_crop
    }

    /// The plates of vehicles there are read.
    #[must_use]
    pub fn with_plates(self) -> Self {
        Self { wants_plates: true, ..self }
    }

    /// Whether the plates of vehicles there are read.
    pub fn wants_plates(&self) -> bool {
        self.wants_plates
    }

    /// Share of the picture that it covers, 0..1.
    pub fn share(&self) -> f32 {
        let cells: u32 = self.rows.iter().map(|row| row.count_ones()).sum();
        cells as f32 / (CELLS * CELLS) as f32
    }

    /// Whether whoever makes this region differ may count.
    pub fn concerns(&self, region: &Bbox) -> bool {
        let (width, height) = (region.x1 - region.x0, region.y1 - region.y0);
        let beside = width.max(height) + JITTER;
        let below = (BELOW * height).max((BELOW_HEAD * height).min(FAR_BELOW)) + beside;
        self.touches(&Bbox::new(
            region.x0 - beside,
            region.y0 - beside,
            region.x1 + beside,
            region.y1 + below,
        ))
    }

    fn touches(&self, bbox: &Bbox) -> bool {
        // What is no number is anywhere.
        let cell = |at: f32, else_: usize| match at.is_nan() {
            true => else_,
            false => ((at.clamp(0.0, 1.0) * CELLS as f32) as usize).min(CELLS - 1),
        };
        let (left, right) = (cell(bbox.x0, 0), cell(bbox.x1, CELLS - 1));
        let (top, bottom) = (cell(bbox.y0, 0), cell(bbox.y1, CELLS - 1));
        let columns = (u64::MAX << left) & (u64::MAX >> (CELLS - 1 - right.max(left)));
        self.rows[top..=bottom.max(top)].iter().any(|row| row & columns != 0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::domain::seed;

    #[test]
    fn all_of_the_picture_is_no_area_and_none_of_it_concerns_nobody() {
        assert_eq!(LookArea::of(|_| true), None);
        let none = LookArea::of(|_| false).unwrap();
        assert!(none.share() == 0.0 && !none.concerns(&Bbox::new(0.0, 0.0, 1.0, 1.0)));
        let yard = LookArea::of(|cell| cell.y1 > 0.75).unwrap();
        assert!((yard.share() - 0.25).abs() < 0.02);
        assert!(yard.concerns(&Bbox::new(0.4, 0.8, 0.5, 0.95)));
        assert!(!yard.concerns(&Bbox::new(0.1, 0.1, 0.2, 0.15)), "a car on the street beyond");
        for odd in [f32::NAN, -5.0, 7.0, f32::INFINITY] {
            yard.concerns(&Bbox::new(odd, odd, odd, odd));
            yard.concerns(&Bbox::new(0.5, odd, 0.4, -odd));
        }
    }

    #[test]
    fn v12_r4_whoever_counts_or_may_with_the_next_step_is_looked_at_whatever_differs_of_him() {
        let mut random = StdRng::seed_from_u64(seed());
        for _ in 0..20_000 {
            let (left, top) = (random.random_range(0.0..0.9f32), random.random_range(0.0..0.9f32));
            let zone = Bbox::new(
                left,
                top,
                left + random.random_range(0.02..0.5f32),
                top + random.random_range(0.02..0.5f32),
            );
            let overlaps = |cell: Bbox| {
                cell.x0 <= zone.x1 && cell.x1 >= zone.x0 && cell.y0 <= zone.y1 && cell.y1 >= zone.y0
            };
            let Some(area) = LookArea::of(overlaps) else { continue };
            // His foot is in the zone and in the picture.
            let foot = (
                random.random_range(zone.x0..zone.x1).min(1.0),
                random.random_range(zone.y0..zone.y1).min(1.0),
            );
            let height = random.random_range(0.03..0.9f32);
            let width = height * random.random_range(0.15..0.6f32);
            // A step before he was up to his own width, or a third of his height, from there.
            let step = (
                random.random_range(-1.0..1.0f32) * width * 0.5,
                random.random_range(-1.0..1.0f32) * height * 0.1,
            );
            let share = if height > 0.35 { 0.35 } else { 1.0 / 6.5 };
            let part = height * random.random_range(share..1.0f32);
            let from = foot.1 - height + random.random_range(0.0..=height - part) + step.1;
            let middle = foot.0 + step.0;
            let half = width * random.random_range(0.3..0.5f32);
            let region = Bbox::new(middle - half, from, middle + half, from + part);
            assert!(area.concerns(&region), "{zone:?} {foot:?} {height} {region:?}");
        }
    }
}
