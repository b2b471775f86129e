//! A square of a picture, which may reach over its edges, as the numbers that a small finder wants.

/// Samples of one number in each direction, at most.
const SAMPLES_MAX: usize = 16;

/// The square from `(x, y)` on, `side` pixels wide, as `to` rows of `to` colours (red, green, blue) in -1..1; black
/// where there is no picture. The picture is RGB24, tightly packed.
pub fn square(
    rgb: &[u8],
    size: (usize, usize),
    (x, y): (f32, f32),
    side: f32,
    to: usize,
) -> Vec<f32> {
    let scale = side / to as f32;
    // Of a larger part each number is the mean of several pixels, so that none is skipped.
    let steps = (scale.ceil() as usize).clamp(1, SAMPLES_MAX);
    let mut numbers = Vec::with_capacity(to * to * 3);
    for at in 0..to * to {
        let (column, row) = (at % to, at / to);
        let mut sum = [0.0; 3];
        for n in 0..steps * steps {
            let of = |cell: usize, step: usize| {
                (cell as f32 + (step as f32 + 0.5) / steps as f32) * scale - 0.5
            };
            let place = (x + of(column, n % steps), y + of(row, n / steps));
            let seen = between(rgb, size, place);
            sum.iter_mut().zip(seen).for_each(|(sum, value)| *sum += value);
        }
        numbers.extend(sum.map(|sum| sum / (steps * steps) as f32 / 127.5 - 1.0));
    }
    numbers
}

/// The colour between four pixels.
fn between(rgb: &[u8], (width, height): (usize, usize), (x, y): (f32, f32)) -> [f32; 3] {
    let pixel = |x: f32, y: f32| -> [f32; 3] {
        if x < 0.0 || y < 0.0 || x >= width as f32 || y >= height as f32 {
            return [0.0; 3];
        }
        let at = (y as usize * width + x as usize) * 3;
        rgb.get(at..at + 3).map_or([0.0; 3], |of| [of[0], of[1], of[2]].map(f32::from))
    };
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let corners = [
        pixel(left, top),
        pixel(left + 1.0, top),
        pixel(left, top + 1.0),
        pixel(left + 1.0, top + 1.0),
    ];
    std::array::from_fn(|c| {
        let upper = corners[0][c] * (1.0 - fx) + corners[1][c] * fx;
        let lower = corners[2][c] * (1.0 - fx) + corners[3][c] * fx;
        upper * (1.0 - fy) + lower * fy
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (640, 480);
    const SIDE: usize = 128;

    #[test]
    fn what_is_shown_is_the_picture_and_black_beside_it() {
        let rgb: Vec<u8> =
            (0..SIZE.0 * SIZE.1).flat_map(|at| [(at % SIZE.0 / 3) as u8, 255, 0]).collect();
        for ((from, side), x) in [
            (((100.0, 100.0), 128.0), 164.0),
            (((100.0, 100.0), 64.0), 132.0),
            (((100.0, 50.0), 384.0), 292.0),
        ] {
            let numbers = square(&rgb, SIZE, from, side, SIDE);
            assert_eq!(numbers.len(), SIDE * SIDE * 3);
            let middle = &numbers[(64 * SIDE + 64) * 3..][..3];
            assert!(((middle[0] + 1.0) * 127.5 - x / 3.0).abs() < 1.5, "{middle:?}");
            assert!((middle[1] - 1.0).abs() < 0.01 && (middle[2] + 1.0).abs() < 0.01);
        }
        let beside = square(&rgb, SIZE, (-500.0, -500.0), 128.0, SIDE);
        assert!(beside.iter().all(|number| (number + 1.0).abs() < 1e-6));
        assert_eq!(square(&[], (0, 0), (0.0, 0.0), 9.0, SIDE).len(), SIDE * SIDE * 3);
    }
}
