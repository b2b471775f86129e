//! Mean brightness of square blocks, and how sharp the edges are.

/// Blocks across a picture, at most: a person of 20 by 50 pixels at 1080p covers a dozen of them.
const COLUMNS_MAX: usize = 240;

/// Pixels a side of a block, at least: fewer do not hide the noise of a sensor.
const BLOCK_MIN: usize = 4;

/// A picture in little.
pub struct Blocks {
    /// At most 240.
    pub columns: usize,
    /// Blocks down.
    pub rows: usize,
    /// Brightness 0..255 of each block, row by row, top first.
    pub mean: Vec<f32>,
    /// Steps between neighbouring pixels, 0..255: half a percent of them are larger.
    pub sharpness: f32,
}

/// Of a plane of 8-bit brightness, `stride` bytes a row; rows that are missing count as black.
pub fn block_means(plane: &[u8], width: usize, height: usize, stride: usize) -> Blocks {
    let block = width.div_ceil(COLUMNS_MAX).max(BLOCK_MIN);
    let (columns, rows) = ((width / block).max(1), (height / block).max(1));
    let mut mean = Vec::with_capacity(columns * rows);
    let mut sums = vec![0u32; columns];
    let mut steps = [0u32; 256];
    for row in 0..rows {
        sums.fill(0);
        for y in row * block..(row * block + block).min(height) {
            let Some(line) = plane.get(y * stride..y * stride + width) else { continue };
            add(&mut sums, line, block);
            // One line of sixteen says enough.
            if y % 16 == 0 {
                for (a, b) in line.iter().zip(&line[1..]) {
                    steps[usize::from(a.abs_diff(*b))] += 1;
                }
            }
        }
        let pixels = (block.min(width) * block.min(height - row * block)) as f32;
        mean.extend(sums.iter().map(|&sum| sum as f32 / pixels));
    }
    Blocks { columns, rows, mean, sharpness: upper(&steps) }
}

/// Adds each block's part of a line. Known sizes are written out, so that they become few
/// instructions: this reads every pixel of every look.
fn add(sums: &mut [u32], line: &[u8], block: usize) {
    fn of<const N: usize>(sums: &mut [u32], line: &[u8]) {
        for (sum, pixels) in sums.iter_mut().zip(line.chunks_exact(N)) {
            *sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
        }
    }
    match block {
        _ if line.len() < block => {
            sums[0] += line.iter().map(|&pixel| u32::from(pixel)).sum::<u32>()
        }
        4 => of::<4>(sums, line),
        6 => of::<6>(sums, line),
        8 => of::<8>(sums, line),
        16 => of::<16>(sums, line),
        _ => {
            for (sum, pixels) in sums.iter_mut().zip(line.chunks(block)) {
                *sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
            }
        }
    }
}

/// The step that half a percent of all exceed.
fn upper(steps: &[u32; 256]) -> f32 {
    let all: u32 = steps.iter().sum();
    let mut above = 0;
    let found = (0..256).rev().find(|&step| {
        above += steps[step];
        above > all / 200
    });
    found.unwrap_or(0) as f32
}
