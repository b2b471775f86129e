//! Where the detector is shown a busy picture at a size in which far people are seen: tiles, the one that waits longest first. Pure.
//!
//! A whole picture is made as small as the model's input, and who is 45 pixels high in 1080p is ten in
//! it. All tiles at once would cost as many runs. So each look at a busy picture shows the whole of it,
//! for what is large or sudden, and some tiles in turn; what was found in a tile is followed until its
//! turn comes again.

use jiff::Timestamp;

use crate::domain::Bbox;

/// A tile is so much larger than the model's input, at most: it shrinks a person of 45 pixels to 28.
const SHRINK: f32 = 1.6;
/// Neighbouring tiles share this much of their side, so that who stands between two is whole in one.
const SHARED: f32 = 0.15;
/// Tiles along one side of a picture, at most: each waits for all others.
const ALONG_MAX: u32 = 4;

/// The tiles of one camera's picture, and when each was looked at.
#[derive(Default)]
pub(super) struct Tiles {
    /// Of these sizes they were made: picture, and input of the model.
    made_for: ((u32, u32), (u32, u32)),
    tiles: Vec<(Bbox, Option<Timestamp>)>,
}

impl Tiles {
    /// Makes them anew where the sizes are others.
    fn fit(&mut self, size: (u32, u32), input: (u32, u32)) {
        if self.made_for == (size, input) && !self.tiles.is_empty() {
            return;
        }
        self.made_for = (size, input);
        let along = |pixels: u32, input: u32| -> Vec<(f32, f32)> {
            let count = (pixels as f32 / (input.max(1) as f32 * SHRINK)).ceil();
            let count = (count as u32).clamp(1, ALONG_MAX);
            let side = 1.0 / (count as f32 - SHARED * (count - 1) as f32);
            (0..count).map(|n| (n as f32 * side * (1.0 - SHARED), side)).collect()
        };
        let rows = along(size.1, input.1);
        let tile = |x: &(f32, f32), y: &(f32, f32)| {
            Bbox::new(x.0, y.0, (x.0 + x.1).min(1.0), (y.0 + y.1).min(1.0))
        };
        let columns = along(size.0, input.0);
        let boxes = rows.iter().flat_map(|y| columns.iter().map(move |x| tile(x, y)));
        self.tiles = boxes.map(|one| (one, None)).collect();
    }

    /// Looks in which each tile has its turn once, if one look shows so many.
    pub(super) fn looks_a_round(&self, most: usize) -> usize {
        self.tiles.len().div_ceil(most.max(1))
    }

    /// The tiles to look at now, at most `most`: of those that show something of `wanted` the ones that
    /// have waited longest. None where a tile would show no more than the whole picture does.
    pub(super) fn take(
        &mut self,
        at: Timestamp,
        (size, input): ((u32, u32), (u32, u32)),
        wanted: &[Bbox],
        most: usize,
    ) -> Vec<Bbox> {
        self.fit(size, input);
        if self.tiles.len() < 2 {
            return Vec::new();
        }
        let shows = |tile: &Bbox| wanted.iter().any(|one| one.overlap(tile) > 0.0);
        let mut due: Vec<usize> =
            (0..self.tiles.len()).filter(|n| shows(&self.tiles[*n].0)).collect();
        // A stable sort: of two that wait equally long the upper left one comes first.
        due.sort_by_key(|n| self.tiles[*n].1);
        due.truncate(most);
        for n in &due {
            self.tiles[*n].1 = Some(at);
        }
        due.into_iter().map(|n| self.tiles[n].0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: ((u32, u32), (u32, u32)) = ((1920, 1080), (416, 416));

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    fn everything() -> [Bbox; 1] {
        [Bbox::new(0.0, 0.0, 1.0, 1.0)]
    }

    #[test]
    fn each_tile_has_its_turn_and_everybody_is_whole_in_one() {
        let mut tiles = Tiles::default();
        let mut seen = Vec::new();
        for n in 0..6 {
            seen.extend(tiles.take(at(n * 200), HD, &everything(), 1));
        }
        assert_eq!(seen.len(), 6);
        assert_eq!((tiles.looks_a_round(2), tiles.looks_a_round(4)), (3, 2));
        assert_eq!(tiles.take(at(1_200), HD, &everything(), 1), seen[..1], "and begins anew");
        // A person 80 pixels high and 40 wide, anywhere.
        for (x, y) in (0..100).flat_map(|x| (0..100).map(move |y| (x as f32, y as f32))) {
            let (x, y) = (x / 100.0 * (1.0 - 0.021), y / 100.0 * (1.0 - 0.074));
            let one = Bbox::new(x, y, x + 0.021, y + 0.074);
            assert!(seen.iter().any(|tile| tile.overlap(&one) > 0.999), "{one:?}");
        }
        // And each is as large as said.
        for tile in &seen {
            let (w, h) = ((tile.x1 - tile.x0) * 1920.0, (tile.y1 - tile.y0) * 1080.0);
            assert!(w <= 416.0 * 1.9 && h <= 416.0 * 1.9, "{w} {h}");
        }
    }

    #[test]
    fn only_where_something_is_wanted_and_never_for_a_picture_that_fits() {
        let mut tiles = Tiles::default();
        let corner = [Bbox::new(0.9, 0.9, 0.95, 0.98)];
        for n in 0..5 {
            let taken = tiles.take(at(n * 200), HD, &corner, 2);
            assert!(taken.len() == 1 && taken[0].holds((0.92, 0.94)), "{taken:?}");
        }
        assert!(tiles.take(at(0), HD, &[], 6).is_empty());
        for size in [(416, 416), (640, 360), (16, 16), (0, 0)] {
            assert!(Tiles::default().take(at(0), (size, (416, 416)), &everything(), 6).is_empty());
        }
        let huge = Tiles::default().take(at(0), ((60_000, 60_000), (300, 300)), &everything(), 99);
        assert_eq!(huge.len(), 16);
        let odd = [Bbox::new(f32::NAN, 0.0, 1.0, f32::NAN)];
        assert!(Tiles::default().take(at(0), HD, &odd, 6).len() <= 6);
    }
}
