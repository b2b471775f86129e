//! A decoded picture, shared and never changed; its colours are reckoned only where they are looked at.

use std::sync::Arc;

use gridpost_pixels::{rgb_of_planes, rgb_of_rgb};
use jiff::Timestamp;

use super::{Bbox, Track, Vehicle};
pub use gridpost_pixels::{Area, Planes};

/// Where the pixels are.
#[derive(Clone)]
pub enum Pixels {
    /// RGB24, tightly packed (`width * 3` bytes a row), top row first.
    Rgb(Arc<Vec<u8>>),
    /// Brightness and two colours, as the decoder made them.
    Planes(Arc<dyn Planes>),
}

/// A decoded picture in colour.
#[derive(Clone)]
pub struct Picture {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The picture itself; cheap to clone.
    pub pixels: Pixels,
    /// Corrected source time of the exposure.
    pub at: Timestamp,
    /// What the camera's own clock said of it (RTCP), if it did.
    pub device: Option<Timestamp>,
}

impl Picture {
    /// Of RGB24, tightly packed.
    pub fn of_rgb(width: u32, height: u32, rgb: Vec<u8>, at: Timestamp) -> Self {
        Self { width, height, pixels: Pixels::Rgb(Arc::new(rgb)), at, device: None }
    }

    /// All of it.
    pub fn whole(&self) -> Area {
        Area { x: 0, y: 0, width: self.width as usize, height: self.height as usize }
    }

    /// All of it as RGB24, tightly packed.
    pub fn rgb(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.rgb_of(self.whole(), 1, &mut out);
        out
    }

    /// A part as RGB24, tightly packed; with `step` 2 each pixel is the mean of four, and the
    /// result half as wide and high. Returns its width and height. Rows that are missing are grey.
    pub fn rgb_of(&self, area: Area, step: usize, out: &mut Vec<u8>) -> (usize, usize) {
        let step = step.clamp(1, 2);
        let (width, height) = ((area.width / step).max(1), (area.height / step).max(1));
        out.clear();
        out.resize(width * height * 3, 128);
        match &self.pixels {
            Pixels::Rgb(rgb) => {
                rgb_of_rgb(rgb, self.width as usize * 3, area, step, width, out);
            }
            Pixels::Planes(planes) => rgb_of_planes(planes.as_ref(), area, step, width, out),
        }
        (width, height)
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{} at {})", self.width, self.height, self.at)
    }
}

/// A picture worth keeping as evidence, with the boxes to draw on its copy.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Without boxes.
    pub picture: Picture,
    /// Tracks to draw.
    pub boxes: Vec<Track>,
    /// Everybody whom vision saw in it, also who fulfils no rule: their heads are blurred.
    pub people: Vec<Bbox>,
    /// Vehicles in it that the happening is not about: where their plates are is blurred.
    pub others: Vec<Bbox>,
    /// Higher is better: what the best frame of a happening is chosen by.
    pub quality: f32,
}

/// What vision found in one picture of one camera.
#[derive(Clone, Debug)]
pub struct TrackFrame {
    /// Confirmed tracks, seen in this picture or predicted.
    pub tracks: Vec<Track>,
    /// The pixels, for as long as a snapshot may be made of them.
    pub picture: Option<Picture>,
    /// Of the vehicles among the tracks, where plates are read.
    pub vehicles: Vec<Vehicle>,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flat(Vec<u8>, Vec<u8>, Vec<u8>, bool);

    impl Planes for Flat {
        fn plane(&self, n: usize) -> (&[u8], usize) {
            match n {
                0 => (&self.0, 8),
                1 => (&self.1, 4),
                _ => (&self.2, 4),
            }
        }
        fn full_range(&self) -> bool {
            self.3
        }
        fn is_hd(&self) -> bool {
            false
        }
    }

    fn picture(y: u8, u: u8, v: u8, full: bool) -> Picture {
        let planes = Flat(vec![y; 8 * 6], vec![u; 4 * 3], vec![v; 4 * 3], full);
        let pixels = Pixels::Planes(Arc::new(planes));
        Picture { width: 7, height: 5, pixels, at: Timestamp::UNIX_EPOCH, device: None }
    }

    #[test]
    fn known_colours_come_out_in_every_part_and_step() {
        // Of ITU-R BT.601: black, white and red in studio range; grey in full range.
        for (yuv, rgb) in [
            ((16, 128, 128, false), [0, 0, 0]),
            ((235, 128, 128, false), [255, 255, 255]),
            ((81, 90, 240, false), [255, 0, 0]),
            ((77, 128, 128, true), [77, 77, 77]),
        ] {
            let picture = picture(yuv.0, yuv.1, yuv.2, yuv.3);
            let mut out = Vec::new();
            for area in [picture.whole(), Area { x: 3, y: 2, width: 4, height: 3 }] {
                for step in [1, 2] {
                    let (width, height) = picture.rgb_of(area, step, &mut out);
                    assert_eq!((width, height), (area.width / step, area.height / step));
                    assert_eq!(out.len(), width * height * 3);
                    let near =
                        |pixel: &[u8]| pixel.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2);
                    assert!(out.chunks(3).all(near), "{yuv:?} {area:?} {step}: {out:?}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_rgb_is_what_it_is_and_a_short_one_does_no_harm() {
        let rgb: Vec<u8> = (0..16).flat_map(|at| [at, at, at]).collect();
        let picture = Picture::of_rgb(4, 4, rgb, Timestamp::UNIX_EPOCH);
        let mut out = Vec::new();
        picture.rgb_of(Area { x: 1, y: 1, width: 2, height: 3 }, 1, &mut out);
        let read: Vec<u8> = out.iter().step_by(3).copied().collect();
        assert_eq!(read, [5, 6, 9, 10, 13, 14]);
        let short = Picture::of_rgb(40, 40, vec![7; 9], Timestamp::UNIX_EPOCH);
        assert_eq!(short.rgb().len(), 4_800);
    }
}
