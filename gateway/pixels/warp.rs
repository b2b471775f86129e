//! What lies within four corners of a picture, as the strip of numbers that a reader of text wants.

/// Samples of one number in each direction, at most: beyond that a plate is larger than any reader needs.
const SAMPLES_MAX: usize = 4;

/// Four corners as a plane seen from the side: from 0..1 along its sides to the picture.
#[derive(Clone, Copy, Debug)]
pub struct Quad {
    m: [f32; 8],
}

impl Quad {
    /// Of the corners from top left on, clockwise, in pixels. None: they lie on a line, or are no numbers.
    pub fn of([p0, p1, p2, p3]: [(f32, f32); 4]) -> Option<Self> {
        let (d1, d2) = ((p1.0 - p2.0, p1.1 - p2.1), (p3.0 - p2.0, p3.1 - p2.1));
        let s = (p0.0 - p1.0 + p2.0 - p3.0, p0.1 - p1.1 + p2.1 - p3.1);
        let det = d1.0 * d2.1 - d2.0 * d1.1;
        let g = (s.0 * d2.1 - d2.0 * s.1) / det;
        let h = (d1.0 * s.1 - s.0 * d1.1) / det;
        let m = [
            p1.0 - p0.0 + g * p1.0,
            p3.0 - p0.0 + h * p3.0,
            p0.0,
            p1.1 - p0.1 + g * p1.1,
            p3.1 - p0.1 + h * p3.1,
            p0.1,
            g,
            h,
        ];
        (det.abs() > 1e-3 && m.iter().all(|one| one.is_finite())).then_some(Self { m })
    }

    /// Where this point of the plane lies in the picture.
    pub fn at(&self, u: f32, v: f32) -> (f32, f32) {
        let m = &self.m;
        let w = m[6] * u + m[7] * v + 1.0;
        ((m[0] * u + m[1] * v + m[2]) / w, (m[3] * u + m[4] * v + m[5]) / w)
    }
}

/// Numbers of −1..1, blue, green and red each as rows of `width`; what is not filled is 0.
pub struct Strip {
    pub width: usize,
    pub height: usize,
    pub numbers: Vec<f32>,
}

impl Strip {
    /// Of nothing.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, numbers: vec![0.0; 3 * width * height] }
    }
}

/// Fills these columns of the strip, over its whole height, with the part `[u0, v0, u1, v1]` of the plane. The
/// picture is RGB24, tightly packed; beyond its edge it goes on as it ends.
pub fn warp(
    rgb: &[u8],
    (width, height): (usize, usize),
    quad: &Quad,
    [u0, v0, u1, v1]: [f32; 4],
    columns: std::ops::Range<usize>,
    strip: &mut Strip,
) {
    let (from, to) = (columns.start, columns.end.min(strip.width));
    if width == 0 || height == 0 || rgb.len() < width * height * 3 || from >= to {
        return;
    }
    let (across, down) = ((to - from) as f32, strip.height as f32);
    let (du, dv) = ((u1 - u0) / across, (v1 - v0) / down);
    // As many samples as pixels of the picture fall on one number: what is large must not break into dots.
    let step = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).hypot(a.1 - b.1);
    let samples = |length: f32| (length.ceil().clamp(1.0, SAMPLES_MAX as f32)) as usize;
    let along = samples(step(quad.at(u0, v0), quad.at(u1, v0)) / across);
    let below = samples(step(quad.at(u0, v0), quad.at(u0, v1)) / down);
    let plane = strip.width * strip.height;
    for y in 0..strip.height {
        for x in from..to {
            let mut sum = [0.0f32; 3];
            for j in 0..below {
                for i in 0..along {
                    let u = u0 + ((x - from) as f32 + (i as f32 + 0.5) / along as f32) * du;
                    let v = v0 + (y as f32 + (j as f32 + 0.5) / below as f32) * dv;
                    add(rgb, (width, height), quad.at(u, v), &mut sum);
                }
            }
            let scale = 1.0 / ((along * below) as f32 * 127.5);
            for (c, sum) in [sum[2], sum[1], sum[0]].into_iter().enumerate() {
                strip.numbers[c * plane + y * strip.width + x] = sum * scale - 1.0;
            }
        }
    }
}

/// The colour at a point, between the four pixels around it.
fn add(rgb: &[u8], (width, height): (usize, usize), (x, y): (f32, f32), sum: &mut [f32; 3]) {
    let clamp = |at: f32, size: usize| (at - 0.5).clamp(0.0, (size - 1) as f32);
    let (x, y) = (clamp(x, width), clamp(y, height));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    for (c, sum) in sum.iter_mut().enumerate() {
        let at = |x: usize, y: usize| f32::from(rgb[(y * width + x) * 3 + c]);
        let above = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
        let below = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
        *sum += above + (below - above) * fy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_and_what_lies_between_them_are_mapped() {
        let corners = [(10.0, 20.0), (50.0, 25.0), (52.0, 40.0), (9.0, 33.0)];
        let quad = Quad::of(corners).unwrap();
        for ((u, v), (x, y)) in
            [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].into_iter().zip(corners)
        {
            let at = quad.at(u, v);
            assert!((at.0 - x).abs() < 1e-3 && (at.1 - y).abs() < 1e-3, "{at:?}");
        }
        let none = (0.0, 0.0);
        for wrong in [
            [none; 4],
            [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)],
            [(f32::NAN, 0.0), (1.0, 0.0), (1.0, 1.0), none],
        ] {
            assert!(Quad::of(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn a_strip_is_what_the_corners_hold_in_blue_green_and_red() {
        // The left half is red, the right half is blue.
        let (w, h) = (40, 20);
        let pixel = |at: usize| if at % w < w / 2 { [255, 0, 0] } else { [0, 0, 255] };
        let rgb: Vec<u8> = (0..w * h).flat_map(pixel).collect();
        let quad = Quad::of([(0.0, 0.0), (40.0, 0.0), (40.0, 20.0), (0.0, 20.0)]).unwrap();
        let mut strip = Strip::new(12, 4);
        warp(&rgb, (w, h), &quad, [0.0, 0.0, 1.0, 1.0], 0..10, &mut strip);
        let at = |c: usize, x: usize| strip.numbers[c * 48 + 2 * 12 + x];
        assert_eq!([at(0, 1), at(1, 1), at(2, 1)], [-1.0, -1.0, 1.0], "red");
        assert_eq!([at(0, 8), at(1, 8), at(2, 8)], [1.0, -1.0, -1.0], "blue");
        assert_eq!([at(0, 11), at(1, 11), at(2, 11)], [0.0; 3], "what is not filled");
        // Corners beyond the picture, and a picture that is cut off, do no harm.
        let far = Quad::of([(-90.0, -9.0), (900.0, 0.0), (800.0, 90.0), (-80.0, 99.0)]).unwrap();
        warp(&rgb, (w, h), &far, [0.0, 0.0, 1.0, 1.0], 0..99, &mut strip);
        warp(&rgb[..30], (w, h), &quad, [0.0, 0.0, 1.0, 1.0], 0..9, &mut strip);
        warp(&[], (0, 0), &quad, [0.0, 0.0, 1.0, 1.0], 0..9, &mut strip);
        assert!(strip.numbers.iter().all(|one| (-1.0..=1.0).contains(one)));
    }
}
