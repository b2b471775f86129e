//! A picture in little: mean brightness of square blocks, for telling whether anything changed.

use gridpost_pixels::{Blocks, block_means};
use jiff::Timestamp;

/// Brightness 0..255 of each block, row by row, top first.
#[derive(Clone, Debug, PartialEq)]
pub struct Luma {
    /// Blocks across.
    pub columns: usize,
    /// Blocks down.
    pub rows: usize,
    /// Brightness of each block, 0..255, row by row.
    pub mean: Vec<f32>,
    /// Steps between neighbouring pixels at full size, 0..255: half a percent of them are larger.
    /// Edges in focus have such steps; noise and a blur do not.
    pub sharpness: f32,
    /// Corrected source time of the exposure.
    pub at: Timestamp,
}

impl Luma {
    /// From a plane of 8-bit brightness, `stride` bytes a row.
    pub fn of_plane(
        plane: &[u8],
        width: usize,
        height: usize,
        stride: usize,
        at: Timestamp,
    ) -> Self {
        let blocks = block_means(plane, width, height, stride);
        let Blocks { columns, rows, mean, sharpness } = blocks;
        Self { columns, rows, mean, sharpness, at }
    }

    /// Whether the blocks of the two lie over each other.
    pub fn fits(&self, other: &Self) -> bool {
        (self.columns, self.rows) == (other.columns, other.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_means_whatever_the_size_and_stride() {
        for (width, height, stride) in [(1920, 1080, 1984), (640, 360, 640), (3, 2, 8), (7, 1, 7)] {
            let plane: Vec<u8> =
                (0..stride * height).map(|at| if at % stride < width { 50 } else { 255 }).collect();
            let luma = Luma::of_plane(&plane, width, height, stride, Timestamp::UNIX_EPOCH);
            assert!(luma.columns <= 240);
            assert_eq!(luma.mean.len(), luma.columns * luma.rows);
            assert!(luma.mean.iter().all(|mean| (mean - 50.0).abs() < 0.01), "{width}x{height}");
            assert_eq!(luma.sharpness, 0.0);
        }
    }

    #[test]
    fn a_short_plane_does_no_harm() {
        let luma = Luma::of_plane(&[9; 100], 64, 64, 64, Timestamp::UNIX_EPOCH);
        assert_eq!(luma.mean.len(), luma.columns * luma.rows);
    }
}
