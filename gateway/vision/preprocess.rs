//! A picture becomes the numbers that a model wants: resized, normalised, in its layout. Pure.

use super::catalog::{Color, Input, Layout, Resize};
use crate::domain::{Bbox, Picture};

/// Letterbox padding as YOLO exports expect it.
const PADDING: u8 = 114;

/// Where the picture lies in the model's input, for mapping boxes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Share of the input's width and height that the picture covers.
    pub(super) width: f32,
    pub(super) height: f32,
    /// Offset of its left upper corner, as a share of the input.
    pub(super) x: f32,
    pub(super) y: f32,
}

impl Fit {
    /// From 0..1 of the input to 0..1 of the picture, clamped; None for what is not a box.
    pub(super) fn back(&self, bbox: Bbox) -> Option<Bbox> {
        let x = |x: f32| ((x - self.x) / self.width).clamp(0.0, 1.0);
        let y = |y: f32| ((y - self.y) / self.height).clamp(0.0, 1.0);
        let bbox = Bbox::new(x(bbox.x0), y(bbox.y0), x(bbox.x1), y(bbox.y1));
        // Also refuses NaN.
        (bbox.x1 > bbox.x0 && bbox.y1 > bbox.y0).then_some(bbox)
    }
}

/// How a picture of this size fits into the input.
pub(super) fn fit(input: &Input, width: u32, height: u32) -> Fit {
    match input.resize {
        Resize::Stretch => Fit { width: 1.0, height: 1.0, x: 0.0, y: 0.0 },
        Resize::Letterbox => {
            let scale =
                (input.width as f32 / width as f32).min(input.height as f32 / height as f32);
            let covered = |from: u32, to: u32| (from as f32 * scale).round().max(1.0) / to as f32;
            let (w, h) = (covered(width, input.width), covered(height, input.height));
            Fit { width: w, height: h, x: (1.0 - w) / 2.0, y: (1.0 - h) / 2.0 }
        }
    }
}

/// Fills `out` (reused between pictures) with `width * height * 3` numbers.
pub(super) fn fill(picture: &Picture, input: &Input, fit: Fit, out: &mut Vec<f32>) {
    let (w, h) = (input.width as usize, input.height as usize);
    out.clear();
    out.resize(w * h * 3, 0.0);
    let left = (fit.x * w as f32).round() as usize;
    let top = (fit.y * h as f32).round() as usize;
    let inner_w = ((fit.width * w as f32).round() as usize).min(w - left);
    let inner_h = ((fit.height * h as f32).round() as usize).min(h - top);
    let columns = taps(picture.width as usize, inner_w);
    let rows = taps(picture.height as usize, inner_h);
    let stride = picture.width as usize * 3;
    let swap = input.color == Color::Bgr;
    let channel = |c: usize| if swap { 2 - c } else { c };
    let index = |x: usize, y: usize, c: usize| match input.layout {
        Layout::Nchw => (c * h + y) * w + x,
        Layout::Nhwc => (y * w + x) * 3 + c,
    };
    if inner_w < w || inner_h < h {
        for (c, pad) in (0..3).map(|c| (c, (f32::from(PADDING) - input.mean[c]) / input.std[c])) {
            for y in 0..h {
                for x in 0..w {
                    out[index(x, y, c)] = pad;
                }
            }
        }
    }
    let scale: [f32; 3] = std::array::from_fn(|c| 1.0 / input.std[c]);
    for (y, &(y0, y1, fy)) in rows.iter().enumerate() {
        let (upper, lower) = (&picture.rgb[y0 * stride..], &picture.rgb[y1 * stride..]);
        for (x, &(x0, x1, fx)) in columns.iter().enumerate() {
            for c in 0..3 {
                let k = channel(c);
                let at = |row: &[u8], x: usize| f32::from(row[x * 3 + k]);
                let above = at(upper, x0) + (at(upper, x1) - at(upper, x0)) * fx;
                let below = at(lower, x0) + (at(lower, x1) - at(lower, x0)) * fx;
                let value = above + (below - above) * fy;
                out[index(x + left, y + top, c)] = (value - input.mean[c]) * scale[c];
            }
        }
    }
}

/// For each output position: the two inputs to mix and the share of the second (bilinear,
/// half-pixel centres).
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let ratio = from as f32 / to.max(1) as f32;
    (0..to)
        .map(|at| {
            let centre = ((at as f32 + 0.5) * ratio - 0.5).max(0.0);
            let first = (centre as usize).min(from - 1);
            (first, (first + 1).min(from - 1), centre - first as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vision::catalog::Dtype;

    fn input(resize: Resize, layout: Layout, color: Color) -> Input {
        Input {
            name: "x".into(),
            width: 4,
            height: 4,
            layout,
            dtype: Dtype::F32,
            color,
            resize,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }

    fn picture(width: u32, height: u32) -> Picture {
        let rgb: Arc<[u8]> = (0..width * height).flat_map(|_| [10u8, 20, 30]).collect();
        Picture { width, height, rgb, at: jiff::Timestamp::UNIX_EPOCH, device: None }
    }

    #[test]
    fn a_flat_picture_stays_flat_in_every_layout() {
        let mut out = Vec::new();
        let wanted = input(Resize::Stretch, Layout::Nhwc, Color::Bgr);
        fill(&picture(8, 6), &wanted, fit(&wanted, 8, 6), &mut out);
        assert!(out.chunks(3).all(|pixel| pixel == [30.0, 20.0, 10.0]));
        let wanted = input(Resize::Stretch, Layout::Nchw, Color::Rgb);
        fill(&picture(3, 5), &wanted, fit(&wanted, 3, 5), &mut out);
        assert!(out[..16].iter().all(|v| *v == 10.0) && out[32..].iter().all(|v| *v == 30.0));
    }

    #[test]
    fn letterbox_pads_and_maps_back() {
        let wanted = input(Resize::Letterbox, Layout::Nchw, Color::Rgb);
        let fit = fit(&wanted, 8, 4);
        assert_eq!(fit, Fit { width: 1.0, height: 0.5, x: 0.0, y: 0.25 });
        let mut out = Vec::new();
        fill(&picture(8, 4), &wanted, fit, &mut out);
        assert_eq!(out[..4], [114.0; 4]);
        assert_eq!(out[4..8], [10.0; 4]);
        assert_eq!(fit.back(Bbox::new(0.0, 0.25, 0.5, 0.75)), Some(Bbox::new(0.0, 0.0, 0.5, 1.0)));
        assert_eq!(fit.back(Bbox::new(f32::NAN, 0.0, 1.0, 1.0)), None);
    }
}
