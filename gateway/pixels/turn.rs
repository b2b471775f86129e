//! A plane of a picture, turned or mirrored as its recording says that it is to be shown.

/// How a picture is to be shown: first its sides change places, then each is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Rows become columns.
    pub transposed: bool,
    /// What was left is right.
    pub flip_x: bool,
    /// What was above is below.
    pub flip_y: bool,
}

impl Turn {
    /// By the matrix of a recording (16.16 fixed point; nine numbers, row by row): a quarter, half or three quarters
    /// of a circle, mirrored or not. What lies between is taken as the nearest of these.
    pub fn of_matrix(matrix: &[i32; 9]) -> Self {
        let [a, b, _, c, d, ..] = *matrix;
        let size = |number: i32| i64::from(number).abs();
        match size(b) + size(c) > size(a) + size(d) {
            true => Self { transposed: true, flip_x: c < 0, flip_y: b < 0 },
            false => Self { transposed: false, flip_x: a < 0, flip_y: d < 0 },
        }
    }

    /// As it was recorded.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// As a recording says it.
    pub fn matrix(self) -> [i32; 9] {
        let sign = |mirrored: bool| if mirrored { -(1 << 16) } else { 1 << 16 };
        let (x, y) = (sign(self.flip_x), sign(self.flip_y));
        let (a, b, c, d) = if self.transposed { (0, y, x, 0) } else { (x, 0, 0, y) };
        [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    }

    /// Width and height as it is shown.
    pub fn size<T>(self, (width, height): (T, T)) -> (T, T) {
        if self.transposed { (height, width) } else { (width, height) }
    }
}

/// Turns a plane of `size` samples of `unit` bytes each; rows are `stride` bytes apart. What does not fit into either
/// slice is left out.
pub fn turn_plane(
    (from, from_stride): (&[u8], usize),
    (width, height): (usize, usize),
    unit: usize,
    turn: Turn,
    (to, to_stride): (&mut [u8], usize),
) {
    let (shown_width, shown_height) = turn.size((width, height));
    for y in 0..shown_height {
        let row = if turn.flip_y { shown_height - 1 - y } else { y };
        for x in 0..shown_width {
            let column = if turn.flip_x { shown_width - 1 - x } else { x };
            let (sx, sy) = if turn.transposed { (row, column) } else { (column, row) };
            let (at, target) = (sy * from_stride + sx * unit, y * to_stride + x * unit);
            let (Some(sample), Some(place)) =
                (from.get(at..at + unit), to.get_mut(target..target + unit))
            else {
                continue;
            };
            place.copy_from_slice(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three wide, two high, rows with a byte between them.
    const PLANE: [u8; 8] = [1, 2, 3, 0, 4, 5, 6, 0];

    fn turned(turn: Turn) -> Vec<u8> {
        let mut to = vec![0; 6];
        let (width, _) = turn.size((3, 2));
        turn_plane((&PLANE, 4), (3, 2), 1, turn, (&mut to, width));
        to
    }

    fn of(a: i32, b: i32, c: i32, d: i32) -> Turn {
        let one = 1 << 16;
        Turn::of_matrix(&[a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30])
    }

    #[test]
    fn each_quarter_of_a_circle_is_as_it_is_shown() {
        for (turn, shown) in [
            (of(1, 0, 0, 1), [1, 2, 3, 4, 5, 6]),
            (of(0, 1, -1, 0), [4, 1, 5, 2, 6, 3]),
            (of(-1, 0, 0, -1), [6, 5, 4, 3, 2, 1]),
            (of(0, -1, 1, 0), [3, 6, 2, 5, 1, 4]),
            (of(-1, 0, 0, 1), [3, 2, 1, 6, 5, 4]),
            (of(0, 1, 1, 0), [1, 4, 2, 5, 3, 6]),
        ] {
            assert_eq!(turned(turn), shown, "{turn:?}");
            assert_eq!(Turn::of_matrix(&turn.matrix()), turn);
        }
    }

    #[test]
    fn pairs_stay_pairs_and_what_does_not_fit_is_left_out() {
        let mut to = vec![9; 8];
        let turn = of(0, 1, -1, 0);
        turn_plane((&[1, 2, 3, 4, 5, 6, 7, 8], 4), (2, 2), 2, turn, (&mut to, 4));
        assert_eq!(to, [5, 6, 1, 2, 7, 8, 3, 4]);
        turn_plane((&[1, 2], 4), (2, 2), 2, turn, (&mut to[..3], 4));
    }
}
