//! A decoded picture, shared and never changed; its colours are reckoned only where they are looked at.

use std::sync::Arc;

use jiff::Timestamp;

use super::Track;

/// Brightness and two colour planes of half the width and height (4:2:0), 8 bits a sample, as
/// decoders make them.
pub trait Planes: Send + Sync {
    /// Samples and bytes a row of brightness (0), blue (1) and red (2) difference.
    fn plane(&self, n: usize) -> (&[u8], usize);
    /// The two colours lie by turns in one plane (NV12, as devices make it): each sample of 1 and 2
    /// is followed by one of the other.
    fn is_paired(&self) -> bool {
        false
    }
    /// 0..255 rather than 16..235.
    fn full_range(&self) -> bool;
    /// The colours of HD television (ITU-R BT.709) rather than those before (BT.601).
    fn is_hd(&self) -> bool;
}

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

/// A part of a picture, in its pixels; never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
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
                let stride = self.width as usize * 3;
                for (row, line) in out.chunks_exact_mut(width * 3).enumerate() {
                    let start = (area.y + row * step) * stride + area.x * 3;
                    let Some(from) = rgb.get(start..start + (width * step).min(area.width) * 3)
                    else {
                        continue;
                    };
                    for (to, from) in line.chunks_exact_mut(3).zip(from.chunks(step * 3)) {
                        to.copy_from_slice(&from[..3]);
                    }
                }
            }
            Pixels::Planes(planes) => {
                let colours = Colours::of(planes.as_ref());
                for (row, line) in out.chunks_exact_mut(width * 3).enumerate() {
                    let from = (area.x, area.y + row * step);
                    match planes.is_paired() {
                        false => colours.line::<1>(planes.as_ref(), from, step, line),
                        true => colours.line::<2>(planes.as_ref(), from, step, line),
                    }
                }
            }
        }
        (width, height)
    }
}

/// Factors of the conversion in 1/256 (ITU-R BT.601 and BT.709, studio and full range).
struct Colours {
    black: i32,
    luma: i32,
    red: i32,
    green: (i32, i32),
    blue: i32,
}

impl Colours {
    fn of(planes: &dyn Planes) -> Self {
        let (black, luma) = if planes.full_range() { (0, 256) } else { (16, 298) };
        let (red, green, blue) = match (planes.is_hd(), planes.full_range()) {
            (false, false) => (409, (-100, -208), 516),
            (true, false) => (459, (-55, -136), 541),
            (false, true) => (359, (-88, -183), 454),
            (true, true) => (403, (-48, -120), 475),
        };
        Self { black, luma, red, green, blue }
    }

    /// One line of RGB from the pixels at `(x, y)` on. `APART`: from one colour sample to the next;
    /// known when it is compiled, since this is done for every pixel that is looked at.
    fn line<const APART: usize>(
        &self,
        planes: &dyn Planes,
        (x, y): (usize, usize),
        step: usize,
        out: &mut [u8],
    ) {
        let row = |n: usize, y: usize| -> &[u8] {
            let (plane, stride) = planes.plane(n);
            plane.get(y * stride..).map_or(&[][..], |rest| &rest[..stride.min(rest.len())])
        };
        let (upper, u, v) = (row(0, y), row(1, y / 2), row(2, y / 2));
        let lower = row(0, y + 1);
        let width = out.len() / 3;
        let colour = x / 2 * APART;
        let (Some(upper), Some(u), Some(v)) = (upper.get(x..), u.get(colour..), v.get(colour..))
        else {
            return;
        };
        if step == 2 {
            let lower = lower.get(x..).unwrap_or(upper);
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            let (u, v) = (u.chunks(APART), v.chunks(APART));
            for (((to, (a, b)), u), v) in out.chunks_exact_mut(3).zip(pairs).zip(u).zip(v) {
                let sum = i32::from(a[0]) + i32::from(a[1]) + i32::from(b[0]) + i32::from(b[1]);
                self.pixel((sum + 2) / 4, i32::from(u[0]), i32::from(v[0]), to);
            }
            return;
        }
        // An odd start shares the first colour sample with the pixel before it.
        let odd = x % 2;
        for (n, (to, luma)) in out.chunks_exact_mut(3).zip(upper).enumerate().take(width) {
            let at = (n + odd) / 2 * APART;
            let (Some(u), Some(v)) = (u.get(at), v.get(at)) else { break };
            self.pixel(i32::from(*luma), i32::from(*u), i32::from(*v), to);
        }
    }

    fn pixel(&self, luma: i32, u: i32, v: i32, to: &mut [u8]) {
        let (luma, u, v) = ((luma - self.black) * self.luma + 128, u - 128, v - 128);
        let byte = |value: i32| (value >> 8).clamp(0, 255) as u8;
        to[0] = byte(luma + self.red * v);
        to[1] = byte(luma + self.green.0 * u + self.green.1 * v);
        to[2] = byte(luma + self.blue * u);
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
    /// Higher is better: what the best frame of a happening is chosen by.
    pub quality: f32,
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
