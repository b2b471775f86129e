//! A picture becomes the numbers that a model wants: resized, normalised, in its layout. Pure.

use gridpost_pixels::{Order, Target};
// For what lies within four corners (`plates/`).
pub(super) use gridpost_pixels::{Quad, Strip, square, warp};

use super::catalog::{Color, Input, Layout, Resize};
use crate::domain::{Area, Bbox, Picture};

/// Letterbox padding as YOLO exports expect it.
const PADDING: f32 = 114.0;

/// Where the picture lies in the model's input, for mapping boxes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Share of the input's width and height that the picture covers.
    pub(super) width: f32,
    /// See `width`.
    pub(super) height: f32,
    /// Offset of its left upper corner, as a share of the input.
    pub(super) x: f32,
    /// See `x`.
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

/// The part that covers this box (0..1), cut at the picture's edges.
pub(super) fn area(picture: &Picture, bbox: Bbox) -> Area {
    let along = |from: f32, to: f32, pixels: u32| {
        let last = pixels.max(1) as usize;
        let first = ((from.clamp(0.0, 1.0) * pixels as f32) as usize).min(last - 1);
        let end = ((to.clamp(0.0, 1.0) * pixels as f32).ceil() as usize).min(last);
        (first, end.max(first + 1) - first)
    };
    let (x, width) = along(bbox.x0, bbox.x1, picture.width);
    let (y, height) = along(bbox.y0, bbox.y1, picture.height);
    Area { x, y, width, height }
}

/// From 0..1 of this part to 0..1 of the picture.
pub(super) fn back(area: Area, picture: &Picture, bbox: Bbox) -> Bbox {
    let x = |x: f32| (area.x as f32 + x * area.width as f32) / picture.width as f32;
    let y = |y: f32| (area.y as f32 + y * area.height as f32) / picture.height as f32;
    Bbox::new(x(bbox.x0), y(bbox.y0), x(bbox.x1), y(bbox.y1))
}

/// Buffers that are used again for the next picture.
#[derive(Default)]
pub(super) struct Buffers {
    rgb: Vec<u8>,
    /// The numbers for the model, in its layout.
    pub(super) input: Vec<f32>,
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

/// Fills `input` with `width * height * 3` numbers of this part of the picture. A part much larger
/// than that is halved first, by the mean of four pixels: it costs less, and small things do not
/// fall between the pixels that are read. `smoothed`: its grain is smoothed away.
pub(super) fn fill(
    picture: &Picture,
    area: Area,
    input: &Input,
    (fit, smoothed): (Fit, bool),
    buffers: &mut Buffers,
) {
    let twice = |pixels: usize, wanted: u32| pixels >= 2 * wanted as usize;
    let halve = twice(area.width, input.width) && twice(area.height, input.height);
    let (from_w, from_h) = picture.rgb_of(area, 1 + usize::from(halve), &mut buffers.rgb);
    if smoothed {
        gridpost_pixels::smooth(&mut buffers.rgb, from_w);
    }
    let (w, h) = (input.width as usize, input.height as usize);
    let left = (fit.x * w as f32).round() as usize;
    let top = (fit.y * h as f32).round() as usize;
    let target = Target {
        width: w,
        height: h,
        order: match input.layout {
            Layout::Nchw => Order::Nchw,
            Layout::Nhwc => Order::Nhwc,
        },
        bgr: input.color == Color::Bgr,
        mean: input.mean,
        std: input.std,
        padding: PADDING,
        left,
        top,
        inner_width: ((fit.width * w as f32).round() as usize).min(w - left),
        inner_height: ((fit.height * h as f32).round() as usize).min(h - top),
    };
    gridpost_pixels::fill(&buffers.rgb, (from_w, from_h), &target, &mut buffers.input);
}

#[cfg(test)]
mod tests {
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
        let rgb: Vec<u8> = (0..width * height).flat_map(|_| [10u8, 20, 30]).collect();
        Picture::of_rgb(width, height, rgb, jiff::Timestamp::UNIX_EPOCH)
    }

    fn whole(width: usize, height: usize) -> Area {
        Area { x: 0, y: 0, width, height }
    }

    #[test]
    fn a_part_is_read_where_it_lies_and_mapped_back() {
        let rgb: Vec<u8> = (0..16).flat_map(|at| [at as u8; 3]).collect();
        let picture = Picture::of_rgb(4, 4, rgb, jiff::Timestamp::UNIX_EPOCH);
        let area = area(&picture, Bbox::new(0.5, 0.25, 1.2, 0.8));
        assert_eq!(area, Area { x: 2, y: 1, width: 2, height: 3 });
        let mut wanted = input(Resize::Stretch, Layout::Nhwc, Color::Rgb);
        (wanted.width, wanted.height) = (2, 3);
        let mut out = Buffers::default();
        fill(&picture, area, &wanted, (fit(&wanted, 2, 3), false), &mut out);
        let read: Vec<f32> = out.input.iter().step_by(3).copied().collect();
        assert_eq!(read, [6.0, 7.0, 10.0, 11.0, 14.0, 15.0]);
        let back = super::back(area, &picture, Bbox::new(0.0, 0.0, 1.0, 1.0));
        assert_eq!(back, Bbox::new(0.5, 0.25, 1.0, 1.0));
        let none = super::area(&picture, Bbox::new(f32::NAN, 2.0, -1.0, 3.0));
        assert!(none.width >= 1 && none.height >= 1);
    }

    #[test]
    fn a_flat_picture_stays_flat_in_every_layout() {
        let mut out = Buffers::default();
        let wanted = input(Resize::Stretch, Layout::Nhwc, Color::Bgr);
        fill(&picture(8, 6), whole(8, 6), &wanted, (fit(&wanted, 8, 6), false), &mut out);
        assert!(out.input.chunks(3).all(|pixel| pixel == [30.0, 20.0, 10.0]));
        let wanted = input(Resize::Stretch, Layout::Nchw, Color::Rgb);
        fill(&picture(3, 5), whole(3, 5), &wanted, (fit(&wanted, 3, 5), false), &mut out);
        assert!(
            out.input[..16].iter().all(|v| *v == 10.0)
                && out.input[32..].iter().all(|v| *v == 30.0)
        );
    }

    #[test]
    fn letterbox_pads_and_maps_back() {
        let wanted = input(Resize::Letterbox, Layout::Nchw, Color::Rgb);
        let fit = fit(&wanted, 8, 4);
        assert_eq!(fit, Fit { width: 1.0, height: 0.5, x: 0.0, y: 0.25 });
        let mut out = Buffers::default();
        fill(&picture(8, 4), whole(8, 4), &wanted, (fit, false), &mut out);
        assert_eq!(out.input[..4], [114.0; 4]);
        assert_eq!(out.input[4..8], [10.0; 4]);
        assert_eq!(fit.back(Bbox::new(0.0, 0.25, 0.5, 0.75)), Some(Bbox::new(0.0, 0.0, 0.5, 1.0)));
        assert_eq!(fit.back(Bbox::new(f32::NAN, 0.0, 1.0, 1.0)), None);
    }
}
