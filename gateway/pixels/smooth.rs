//! Grain is smoothed away: at full size it hides a person from a model that has learnt from clean pictures.

/// Weights of a pixel and of two on each side; as if each pixel became the mean of its three by three, twice.
const WEIGHTS: [u16; 5] = [1, 2, 3, 2, 1];
const TOTAL: u16 = 9;
const CHANNELS: usize = 3;

/// Smooths rows of `width` rgb pixels in place; pixels beyond the edges are as those at the edges. What is not whole
/// rows stays as it is.
pub fn smooth(rgb: &mut [u8], width: usize) {
    let stride = width * CHANNELS;
    if stride == 0 {
        return;
    }
    let mut line = vec![0; stride + 4 * CHANNELS];
    for row in rgb.chunks_exact_mut(stride) {
        along(row, &mut line);
    }
    let height = rgb.len() / stride;
    // The two rows above, as they were.
    let mut above = [rgb[..stride.min(rgb.len())].to_vec(), rgb[..stride.min(rgb.len())].to_vec()];
    for y in 0..height {
        let at = |row: usize| row.min(height - 1) * stride;
        let now = rgb[at(y)..at(y) + stride].to_vec();
        let [first, second] = &above;
        for x in 0..stride {
            // In the last row those below are it itself, and it is being written.
            let below = |n: usize| if y + 1 < height { rgb[at(y + n) + x] } else { now[x] };
            rgb[y * stride + x] = mean([first[x], second[x], now[x], below(1), below(2)]);
        }
        let [first, second] = &mut above;
        std::mem::swap(first, second);
        *second = now;
    }
}

/// One row; `line` has place for two pixels more on each side.
fn along(row: &mut [u8], line: &mut [u8]) {
    let (first, last) = (2 * CHANNELS, row.len() - CHANNELS);
    for side in 0..2 {
        line[side * CHANNELS..][..CHANNELS].copy_from_slice(&row[..CHANNELS]);
        line[first + row.len() + side * CHANNELS..][..CHANNELS].copy_from_slice(&row[last..]);
    }
    line[first..first + row.len()].copy_from_slice(row);
    for (x, pixel) in row.iter_mut().enumerate() {
        let at = |n: usize| line[x + n * CHANNELS];
        *pixel = mean([at(0), at(1), at(2), at(3), at(4)]);
    }
}

fn mean(five: [u8; 5]) -> u8 {
    let sum: u16 = five.iter().zip(WEIGHTS).map(|(pixel, weight)| u16::from(*pixel) * weight).sum();
    ((sum + TOTAL / 2) / TOTAL) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, pixel by pixel.
    fn slow(rgb: &[u8], width: usize) -> Vec<u8> {
        let height = rgb.len() / width / 3;
        let clamp = |at: usize, n: usize, most: usize| (at + n).saturating_sub(2).min(most - 1);
        let mut across = rgb.to_vec();
        let mut out = rgb.to_vec();
        for at in 0..rgb.len() {
            let (x, y, c) = (at / 3 % width, at / 3 / width, at % 3);
            across[at] =
                mean([0, 1, 2, 3, 4].map(|n| rgb[(y * width + clamp(x, n, width)) * 3 + c]));
        }
        for at in 0..rgb.len() {
            let (x, y, c) = (at / 3 % width, at / 3 / width, at % 3);
            out[at] =
                mean([0, 1, 2, 3, 4].map(|n| across[(clamp(y, n, height) * width + x) * 3 + c]));
        }
        out
    }

    #[test]
    fn it_is_what_its_definition_says_and_an_even_picture_stays() {
        for (width, height) in [(1, 1), (1, 7), (7, 1), (2, 2), (3, 4), (31, 17)] {
            let mut value = 7u32;
            let mut rgb: Vec<u8> = (0..width * height * 3)
                .map(|_| {
                    value = value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (value >> 24) as u8
                })
                .collect();
            let expected = slow(&rgb, width);
            smooth(&mut rgb, width);
            assert_eq!(rgb, expected, "{width}x{height}");
        }
        let mut even = vec![255; 12 * 9 * 3];
        smooth(&mut even, 12);
        assert!(even.iter().all(|pixel| *pixel == 255));
        smooth(&mut [], 0);
        smooth(&mut [], 4);
        let mut odd = [1, 2, 3, 4, 5];
        smooth(&mut odd, 1);
    }
}
