//! A key frame as a small JPEG, for a wall of pictures; decoded by itself, on the processor.

use ffmpeg_next::{format::Pixel, frame, software::scaling};
use jiff::Timestamp;

use super::{decode::Decoder, session::Packet, snapshot::jpeg};

/// Pixels across, at most; a smaller picture stays as it is.
const WIDTH_MAX: u32 = 960;

/// A picture of a camera.
#[derive(Clone, Debug)]
pub struct Still {
    pub jpeg: Vec<u8>,
    /// Source time of what it shows.
    pub at: Timestamp,
}

/// The picture of this key frame; `black`: polygons in 0..1 of it in which nothing may be seen. Blocks for
/// the time of decoding one picture. The error is one sentence.
pub fn key_still(packet: &Packet, black: &[Vec<[f32; 2]>]) -> Result<Still, String> {
    let frame = Decoder::of(packet)?.decode_key_frame(packet)?;
    let (width, height) = frame.size();
    let wide = width.clamp(1, WIDTH_MAX);
    let high = u32::try_from(u64::from(height) * u64::from(wide) / u64::from(width.max(1)));
    let high = high.unwrap_or(height).max(1);
    let mut rgb = frame::Video::empty();
    scaling::Context::get(
        frame.layout(),
        width,
        height,
        Pixel::RGB24,
        wide,
        high,
        scaling::Flags::AREA,
    )
    .and_then(|mut scaler| frame.scale(&mut scaler, &mut rgb))
    .map_err(|error| format!("the picture cannot be made smaller: {error}"))?;
    let row = wide as usize * 3;
    let lines = rgb.data(0).chunks(rgb.stride(0).max(1)).take(high as usize);
    let mut packed: Vec<u8> =
        lines.flat_map(|line| &line[..row.min(line.len())]).copied().collect();
    packed.resize(row * high as usize, 0);
    black.iter().for_each(|polygon| blacken(&mut packed, wide as usize, polygon));
    Ok(Still { jpeg: jpeg(&packed, wide, high)?, at: frame.at })
}

/// Paints everything inside the polygon, and the pixels that its edges touch.
fn blacken(rgb: &mut [u8], width: usize, polygon: &[[f32; 2]]) {
    let height = rgb.len() / (width * 3).max(1);
    let corner = |[x, y]: [f32; 2]| [x * width as f32, y * height as f32];
    let corners: Vec<[f32; 2]> = polygon.iter().copied().map(corner).collect();
    for (row, line) in rgb.chunks_exact_mut((width * 3).max(1)).enumerate() {
        // Three heights of a row: what it only touches at its edge is inside too.
        for y in [row as f32, row as f32 + 0.5, row as f32 + 1.0] {
            let mut crossed: Vec<f32> = Vec::new();
            for (n, [x0, y0]) in corners.iter().enumerate() {
                let [x1, y1] = corners[(n + 1) % corners.len()];
                if (*y0 <= y) != (y1 <= y) {
                    crossed.push(x0 + (y - y0) / (y1 - y0) * (x1 - x0));
                }
            }
            crossed.sort_by(f32::total_cmp);
            for pair in crossed.chunks_exact(2) {
                let from = (pair[0].floor().max(0.0) as usize).min(width);
                let to = (pair[1].ceil().max(0.0) as usize).min(width);
                line[from * 3..to.max(from) * 3].fill(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_is_black_to_its_edges_and_nothing_beside_it() {
        let (width, height) = (40, 20);
        let mut rgb = vec![200; width * height * 3];
        blacken(&mut rgb, width, &[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]);
        let at = |x: usize, y: usize| rgb[(y * width + x) * 3];
        for (x, y, grey) in [
            (10, 5, 0),
            (29, 14, 0),
            (20, 10, 0),
            (9, 10, 200),
            (30, 10, 200),
            (20, 3, 200),
            (20, 16, 200),
        ] {
            assert_eq!(at(x, y), grey, "{x} {y}");
        }
        // Beyond the picture, two points, none: no harm.
        for odd in [
            vec![[-3.0, -1.0], [9.0, -1.0], [9.0, 9.0], [-3.0, 9.0]],
            vec![[0.1, 0.1], [0.2, 0.2]],
            vec![],
        ] {
            blacken(&mut rgb, width, &odd);
        }
        assert!(rgb.iter().all(|byte| *byte == 0), "the first of them covers everything");
    }
}
