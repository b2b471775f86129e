//! What nobody is shown: heads and other people's plates, so coarse that neither comes back, and private parts of the
//! picture, black. Pure.

use crate::domain::Bbox;

/// The head is looked for in this part of a person's box, from above.
const HEAD_SHARE: f32 = 1.0 / 3.0;
/// A plate hangs nowhere in this part of a vehicle's box, from above.
const NO_PLATE_SHARE: f32 = 1.0 / 3.0;
/// A box that was drawn too tight or is a moment old shows the head beside it: shares of its width and height.
const MARGIN: f32 = 0.2;
/// What of a head is above, below and beside a face, in its heights and widths: hair, chin and ears.
const FACE_ABOVE: f32 = 0.6;
const FACE_BELOW: f32 = 0.3;
const FACE_BESIDE: f32 = 0.4;
/// Cells along the longer side of what is blurred: a head is some three of them wide.
const CELLS: usize = 8;
/// And none is smaller, pixels.
const CELL_MIN: usize = 4;

/// A part of a picture, in pixels; `x1` and `y1` lie behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PixelBox {
    x0: usize,
    y0: usize,
    x1: usize,
    y1: usize,
}

/// Where the head of somebody with this box is, margin included. Who lies, sits or bends has it anywhere in a
/// box that is wider than high.
fn head(bbox: &Bbox, (width, height): (usize, usize)) -> Option<PixelBox> {
    let (w, h) = (bbox.x1 - bbox.x0, bbox.y1 - bbox.y0);
    let is_wide = w * width as f32 > h * height as f32;
    let share = if is_wide { 1.0 } else { HEAD_SHARE };
    part_of(bbox, (-MARGIN, share + MARGIN / 2.0), MARGIN, (width, height))
}

/// Where the plate of a vehicle with this box may be.
fn low(bbox: &Bbox, size: (usize, usize)) -> Option<PixelBox> {
    part_of(bbox, (NO_PLATE_SHARE, 1.0 + MARGIN / 4.0), MARGIN / 4.0, size)
}

/// Of a box from and to these shares of its height, and so much wider on each side; `None`: it is none, or lies beside
/// the picture.
fn part_of(
    bbox: &Bbox,
    (from, to): (f32, f32),
    margin: f32,
    (width, height): (usize, usize),
) -> Option<PixelBox> {
    let all = [bbox.x0, bbox.y0, bbox.x1, bbox.y1];
    if !all.iter().all(|value| value.is_finite()) || bbox.x1 <= bbox.x0 || bbox.y1 <= bbox.y0 {
        return None;
    }
    let (w, h) = (bbox.x1 - bbox.x0, bbox.y1 - bbox.y0);
    let pixel = |value: f32, of: usize| (value.clamp(0.0, 1.0) * of as f32) as usize;
    let part = PixelBox {
        x0: pixel(bbox.x0 - margin * w, width),
        y0: pixel(bbox.y0 + from * h, height),
        x1: (pixel(bbox.x1 + margin * w, width) + 1).min(width),
        y1: (pixel(bbox.y0 + to * h, height) + 1).min(height),
    };
    (part.x0 < part.x1 && part.y0 < part.y1).then_some(part)
}

/// Blurs the heads of these people in RGB, three bytes a pixel; returns of how many.
pub(super) fn heads(rgb: &mut [u8], (width, height): (usize, usize), people: &[Bbox]) -> usize {
    if width == 0 || rgb.len() < width * height * 3 {
        return 0;
    }
    let parts = people.iter().filter_map(|bbox| head(bbox, (width, height)));
    parts.map(|part| blur(rgb, width, part)).count()
}

/// Blurs these faces in RGB too, hair, ears and chin included; returns of how many. It only ever adds to what is
/// blurred.
pub(super) fn faces(rgb: &mut [u8], (width, height): (usize, usize), faces: &[Bbox]) -> usize {
    if width == 0 || rgb.len() < width * height * 3 {
        return 0;
    }
    let parts = faces.iter().filter_map(|face| {
        part_of(face, (-FACE_ABOVE, 1.0 + FACE_BELOW), FACE_BESIDE, (width, height))
    });
    parts.map(|part| blur(rgb, width, part)).count()
}

/// Blurs in RGB where the plates of these vehicles may be, but not who or what is told of and stands before them;
/// returns of how many.
pub(super) fn plates(
    rgb: &mut [u8],
    (width, height): (usize, usize),
    vehicles: &[Bbox],
    told: impl Iterator<Item = Bbox>,
) -> usize {
    if width == 0 || rgb.len() < width * height * 3 {
        return 0;
    }
    let parts = vehicles.iter().filter_map(|bbox| low(bbox, (width, height)));
    let parts: Vec<PixelBox> = parts.collect();
    if parts.is_empty() {
        return 0;
    }
    let before = rgb.to_vec();
    parts.iter().for_each(|part| blur(rgb, width, *part));
    for part in told.filter_map(|bbox| part_of(&bbox, (0.0, 1.0), 0.0, (width, height))) {
        for y in part.y0..part.y1 {
            let row = (y * width + part.x0) * 3..(y * width + part.x1) * 3;
            rgb[row.clone()].copy_from_slice(&before[row]);
        }
    }
    parts.len()
}

/// The mean of each cell, and then the steps between cells smoothed away: what was finer than a cell is gone.
fn blur(rgb: &mut [u8], width: usize, part: PixelBox) {
    let (w, h) = (part.x1 - part.x0, part.y1 - part.y0);
    let cell = w.max(h).div_ceil(CELLS).max(CELL_MIN);
    for cy in (part.y0..part.y1).step_by(cell) {
        for cx in (part.x0..part.x1).step_by(cell) {
            let of = PixelBox {
                x0: cx,
                y0: cy,
                x1: (cx + cell).min(part.x1),
                y1: (cy + cell).min(part.y1),
            };
            fill_with_mean(rgb, width, of);
        }
    }
    let radius = cell / 2;
    for y in part.y0..part.y1 {
        smooth_line(rgb, (y * width + part.x0) * 3, 3, w, radius);
    }
    for x in part.x0..part.x1 {
        smooth_line(rgb, (part.y0 * width + x) * 3, width * 3, h, radius);
    }
}

fn fill_with_mean(rgb: &mut [u8], width: usize, part: PixelBox) {
    let mut sum = [0u64; 3];
    let row = |y: usize| (y * width + part.x0) * 3..(y * width + part.x1) * 3;
    for y in part.y0..part.y1 {
        for pixel in rgb[row(y)].chunks_exact(3) {
            sum.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
        }
    }
    let count = ((part.x1 - part.x0) * (part.y1 - part.y0)).max(1) as u64;
    let mean = sum.map(|sum| (sum / count) as u8);
    for y in part.y0..part.y1 {
        rgb[row(y)].chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&mean));
    }
}

/// Each pixel of a line becomes the mean of its neighbours up to `radius` away; `step` bytes lie between two.
fn smooth_line(rgb: &mut [u8], start: usize, step: usize, count: usize, radius: usize) {
    for channel in 0..3 {
        let line: Vec<u8> = (0..count).map(|n| rgb[start + n * step + channel]).collect();
        let mut sum: usize = line.iter().take(radius).map(|&value| usize::from(value)).sum();
        for n in 0..count {
            sum += line.get(n + radius).map_or(0, |&value| usize::from(value));
            let held = (n + radius).min(count - 1) + 1 - n.saturating_sub(radius);
            rgb[start + n * step + channel] = (sum / held) as u8;
            if n >= radius {
                sum -= usize::from(line[n - radius]);
            }
        }
    }
}

/// Makes everything in these polygons black, edges included.
pub(super) fn blacken(rgb: &mut [u8], (width, height): (usize, usize), private: &[Vec<[f32; 2]>]) {
    if width == 0 || rgb.len() < width * height * 3 {
        return;
    }
    for polygon in private {
        for y in 0..height {
            // What a row of pixels touches anywhere is black in all of it.
            for line in [0.0, 0.5, 1.0] {
                blacken_row(rgb, (width, height), polygon, y, line);
            }
        }
    }
}

fn blacken_row(
    rgb: &mut [u8],
    (width, height): (usize, usize),
    polygon: &[[f32; 2]],
    y: usize,
    line: f32,
) {
    // Just inside the picture, so that an edge along its border counts.
    let at = ((y as f32 + line) / height as f32).clamp(1e-5, 1.0 - 1e-5);
    let mut crossings = Vec::new();
    for (n, from) in polygon.iter().enumerate() {
        let to = polygon[(n + 1) % polygon.len()];
        if (from[1] > at) != (to[1] > at) {
            crossings.push(from[0] + (at - from[1]) / (to[1] - from[1]) * (to[0] - from[0]));
        }
    }
    crossings.sort_by(f32::total_cmp);
    for pair in crossings.chunks_exact(2) {
        let from = (pair[0].clamp(0.0, 1.0) * width as f32).floor() as usize;
        let to = ((pair[1].clamp(0.0, 1.0) * width as f32).ceil() as usize).min(width);
        if from < to {
            rgb[(y * width + from) * 3..(y * width + to) * 3].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (320, 240);

    /// A picture in which no two neighbours are alike.
    fn noise() -> Vec<u8> {
        (0..SIZE.0 * SIZE.1 * 3).map(|at| ((at * 2_654_435_761) >> 7) as u8).collect()
    }

    fn pixel(rgb: &[u8], x: usize, y: usize) -> &[u8] {
        &rgb[(y * SIZE.0 + x) * 3..][..3]
    }

    #[test]
    fn a_head_is_so_coarse_that_nothing_finer_than_a_cell_is_left_and_the_rest_is_as_it_was() {
        let (before, mut rgb) = (noise(), noise());
        let tall = Bbox::new(0.25, 0.25, 0.5, 0.95);
        assert_eq!(heads(&mut rgb, SIZE, &[tall]), 1);
        // In the middle of the head neighbours differ by next to nothing, and it is no longer what it was.
        for y in 62..110 {
            for x in 82..158 {
                let (a, b) = (pixel(&rgb, x, y), pixel(&rgb, x + 1, y));
                assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 8), "{x} {y}: {a:?} {b:?}");
            }
        }
        let same = (0..before.len()).filter(|&at| before[at] == rgb[at]).count();
        assert!(same < before.len() - 48 * 76 * 2, "{same}");
        // Feet, and what stands beside, are as they were.
        for (x, y) in [(120, 200), (10, 70), (300, 70), (120, 5)] {
            assert_eq!(pixel(&rgb, x, y), pixel(&before, x, y), "{x} {y}");
        }
    }

    #[test]
    fn two_different_faces_are_one_and_the_same_once_their_cells_are() {
        // Two pictures that differ in every pixel of the head, and have the same mean in every cell.
        let make = |flip: bool| -> Vec<u8> {
            let of =
                |at: usize| if (at + at / SIZE.0).is_multiple_of(2) == flip { 90 } else { 110 };
            (0..SIZE.0 * SIZE.1).flat_map(|at| [of(at); 3]).collect()
        };
        let (mut one, mut other) = (make(true), make(false));
        let tall = Bbox::new(0.25, 0.25, 0.5, 0.95);
        heads(&mut one, SIZE, &[tall]);
        heads(&mut other, SIZE, &[tall]);
        for y in 60..110 {
            for x in 80..160 {
                assert!(pixel(&one, x, y)[0].abs_diff(pixel(&other, x, y)[0]) <= 1, "{x} {y}");
            }
        }
    }

    #[test]
    fn boxes_at_every_edge_of_the_picture_and_beyond_do_no_harm() {
        let mut rgb = noise();
        let none = Bbox::new(0.5, 0.5, 0.5, 0.9);
        let nan = Bbox::new(f32::NAN, 0.0, 1.0, 1.0);
        assert_eq!(heads(&mut rgb, SIZE, &[none, nan]), 0);
        assert_eq!(rgb, noise(), "who has no box has no head");
        let boxes = [
            Bbox::new(-0.5, -0.5, 1.5, 1.5),
            Bbox::new(0.99, 0.0, 1.0, 1.0),
            Bbox::new(0.0, 0.99, 0.001, 1.0),
            Bbox::new(0.5, 0.5, 0.5001, 0.5001),
            Bbox::new(-2.0, 0.1, -1.0, 0.9),
        ];
        for bbox in boxes {
            heads(&mut rgb, SIZE, &[bbox]);
        }
        for size in [(1, 1), (3, 200), (200, 2)] {
            let mut small = vec![7; size.0 * size.1 * 3];
            heads(&mut small, size, &boxes);
            assert!(small.iter().all(|&value| value == 7), "one colour stays that colour");
        }
        assert_eq!(heads(&mut [0; 9], SIZE, &boxes), 0, "too short a picture");
    }

    #[test]
    fn where_the_plate_of_another_car_may_be_is_coarse_but_not_who_stands_before_it() {
        let (before, mut rgb) = (noise(), noise());
        let car = Bbox::new(0.25, 0.25, 0.75, 0.75);
        let told = Bbox::new(0.5, 0.3, 0.6, 0.9);
        assert_eq!(plates(&mut rgb, SIZE, &[car], [told].into_iter()), 1);
        for y in [105, 150, 178] {
            for x in [85, 110, 150, 210, 238] {
                let (a, b) = (pixel(&rgb, x, y), pixel(&rgb, x + 1, y));
                assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 8), "{x} {y}: {a:?} {b:?}");
            }
        }
        // The roof, what is told of, and what stands beside are as they were.
        for (x, y) in [(160, 70), (100, 90), (165, 150), (190, 110), (10, 150), (310, 150)] {
            assert_eq!(pixel(&rgb, x, y), pixel(&before, x, y), "{x} {y}");
        }
        let mut rgb = noise();
        let edges = [Bbox::new(-1.0, -1.0, 2.0, 2.0), Bbox::new(0.99, 0.9, 1.0, 1.0)];
        let nothing = [Bbox::new(0.5, 0.5, 0.5, 0.6), Bbox::new(f32::NAN, 0.0, 1.0, 1.0)];
        assert_eq!(plates(&mut rgb, SIZE, &nothing, edges.into_iter()), 0);
        assert_eq!(rgb, noise());
        plates(&mut rgb, SIZE, &edges, nothing.into_iter());
        assert_eq!(plates(&mut [0; 9], SIZE, &edges, edges.into_iter()), 0, "too short a picture");
    }

    #[test]
    fn who_lies_has_no_face_anywhere_in_his_box() {
        let (before, mut rgb) = (noise(), noise());
        heads(&mut rgb, SIZE, &[Bbox::new(0.2, 0.6, 0.8, 0.8)]);
        for (x, y) in [(70, 150), (160, 170), (250, 188)] {
            let (a, b) = (pixel(&rgb, x, y), pixel(&rgb, x + 1, y));
            assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 8), "{x} {y}");
            assert_ne!(pixel(&before, x, y), a);
        }
    }

    #[test]
    fn what_is_private_is_black_to_its_edges_and_nothing_else_is() {
        let mut rgb = vec![200; SIZE.0 * SIZE.1 * 3];
        let left = vec![[0.0, 0.0], [0.25, 0.0], [0.25, 1.0], [0.0, 1.0]];
        let wedge = vec![[0.5, 0.5], [1.0, 0.5], [1.0, 1.0]];
        blacken(&mut rgb, SIZE, &[left, wedge]);
        for (x, y) in [(0, 0), (0, 239), (79, 0), (79, 239), (40, 120), (319, 239), (319, 121)] {
            assert_eq!(pixel(&rgb, x, y), [0; 3], "{x} {y}");
        }
        for (x, y) in [(81, 0), (81, 239), (160, 10), (170, 230), (319, 100)] {
            assert_eq!(pixel(&rgb, x, y), [200; 3], "{x} {y}");
        }
        let whole = vec![vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]];
        blacken(&mut rgb, SIZE, &whole);
        assert!(rgb.iter().all(|&value| value == 0), "the whole picture");
    }
}
