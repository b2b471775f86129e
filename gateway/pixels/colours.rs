//! From the planes of a decoder to RGB, for a part of a picture.

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

/// A part as RGB24, tightly packed; with `step` 2 each pixel is the mean of four, and the result half
/// as wide and high. `out` has its size already; rows that are missing are left as they are.
pub fn rgb_of_planes(planes: &dyn Planes, area: Area, step: usize, width: usize, out: &mut [u8]) {
    let colours = Colours::of(planes);
    for (row, line) in out.chunks_exact_mut(width * 3).enumerate() {
        let from = (area.x, area.y + row * step);
        match planes.is_paired() {
            false => colours.line::<1>(planes, from, step, line),
            true => colours.line::<2>(planes, from, step, line),
        }
    }
}

/// The same of RGB24 with `stride` bytes a row; with `step` 2 every other pixel of every other row.
pub fn rgb_of_rgb(
    rgb: &[u8],
    stride: usize,
    area: Area,
    step: usize,
    width: usize,
    out: &mut [u8],
) {
    for (row, line) in out.chunks_exact_mut(width * 3).enumerate() {
        let start = (area.y + row * step) * stride + area.x * 3;
        let Some(from) = rgb.get(start..start + (width * step).min(area.width) * 3) else {
            continue;
        };
        for (to, from) in line.chunks_exact_mut(3).zip(from.chunks(step * 3)) {
            to.copy_from_slice(&from[..3]);
        }
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
