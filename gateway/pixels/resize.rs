//! RGB becomes the numbers that a model wants: resized (bilinear), normalised, in its layout.

/// How the numbers of a model's input lie in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Channel by channel.
    Nchw,
    /// Pixel by pixel.
    Nhwc,
}

/// A model's input, and where the picture lies in it; the rest is padding.
pub struct Target {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// How its numbers lie.
    pub order: Order,
    /// Blue before red.
    pub bgr: bool,
    /// Subtracted from each channel.
    pub mean: [f32; 3],
    /// Then divided by, each channel.
    pub std: [f32; 3],
    /// Brightness of the padding, before it is normalised.
    pub padding: f32,
    /// Left upper corner of the picture in the input.
    pub left: usize,
    /// See `left`.
    pub top: usize,
    /// Its size there.
    pub inner_width: usize,
    /// See `inner_width`.
    pub inner_height: usize,
}

impl Target {
    fn index(&self, x: usize, y: usize, c: usize) -> usize {
        match self.order {
            Order::Nchw => (c * self.height + y) * self.width + x,
            Order::Nhwc => (y * self.width + x) * 3 + c,
        }
    }
}

/// Fills `out` with `width * height * 3` numbers of this tightly packed RGB24 picture.
pub fn fill(
    rgb: &[u8],
    (from_width, from_height): (usize, usize),
    to: &Target,
    out: &mut Vec<f32>,
) {
    out.clear();
    out.resize(to.width * to.height * 3, 0.0);
    if to.inner_width < to.width || to.inner_height < to.height {
        pad(to, out);
    }
    let columns = taps(from_width, to.inner_width);
    let rows = taps(from_height, to.inner_height);
    let stride = from_width * 3;
    let channel = |c: usize| if to.bgr { 2 - c } else { c };
    let scale: [f32; 3] = std::array::from_fn(|c| 1.0 / to.std[c]);
    for (y, &(y0, y1, fy)) in rows.iter().enumerate() {
        let (upper, lower) = (&rgb[y0 * stride..], &rgb[y1 * stride..]);
        for (x, &(x0, x1, fx)) in columns.iter().enumerate() {
            for c in 0..3 {
                let k = channel(c);
                let at = |row: &[u8], x: usize| f32::from(row[x * 3 + k]);
                let above = at(upper, x0) + (at(upper, x1) - at(upper, x0)) * fx;
                let below = at(lower, x0) + (at(lower, x1) - at(lower, x0)) * fx;
                let value = above + (below - above) * fy;
                out[to.index(x + to.left, y + to.top, c)] = (value - to.mean[c]) * scale[c];
            }
        }
    }
}

fn pad(to: &Target, out: &mut [f32]) {
    for c in 0..3 {
        let padding = (to.padding - to.mean[c]) / to.std[c];
        for y in 0..to.height {
            for x in 0..to.width {
                out[to.index(x, y, c)] = padding;
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
