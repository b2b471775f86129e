//! Where faces are in a square of 128 pixels: whom the finder is shown, and what it says. Pure; bad shapes are an error.

use crate::domain::Bbox;

/// Side of the finder's input, pixels.
pub(super) const SIDE: usize = 128;
/// Rows of places that it guesses from, and guesses at each.
const GRIDS: [(usize, usize); 2] = [(16, 2), (8, 6)];
/// Numbers of one guess: centre, size, and six points of a face.
const NUMBERS: usize = 16;
/// Below it nothing is a face.
const SCORE_MIN: f32 = 0.5;
/// More are not kept: one person, and who stands close by.
const FOUND_MAX: usize = 4;
/// Boxes that overlap by so much are one face.
const SAME_IOU: f32 = 0.3;
/// A face is some tenth of a person's height, and a smaller one than 12 pixels is not found: who is lower is not
/// looked at.
const NEAR_MIN: f32 = 120.0;
/// Side of the square around a head, in widths and in heights of its person's box.
const WIDE: f32 = 1.4;
const HIGH: f32 = 0.5;
/// Where its middle lies in the box of who stands, from above.
const MIDDLE: f32 = 0.15;

/// What the finder is shown: a square of the picture, in pixels, which may reach over its edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Square {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) side: f32,
}

/// Around the head of somebody with this box; `None`: too far away for a face, or no box.
pub(super) fn square(bbox: &Bbox, (width, height): (usize, usize)) -> Option<Square> {
    let (sx, sy) = (width as f32, height as f32);
    let all = [bbox.x0, bbox.y0, bbox.x1, bbox.y1];
    if !all.iter().all(|value| value.is_finite() && value.abs() <= 4.0) {
        return None;
    }
    let (w, h) = ((bbox.x1 - bbox.x0) * sx, (bbox.y1 - bbox.y0) * sy);
    if w <= 0.0 || h <= 0.0 || w.max(h) < NEAR_MIN {
        return None;
    }
    // Who lies, sits or bends has the head anywhere in the box.
    let (side, middle) = if w > h { (w * 1.2, 0.5) } else { ((w * WIDE).max(h * HIGH), MIDDLE) };
    let x = (bbox.x0 + bbox.x1) / 2.0 * sx - side / 2.0;
    let y = bbox.y0 * sy + middle * h - side / 2.0;
    Some(Square { x, y, side })
}

/// Faces in the square, best first, as shares of its side. `scores` and `places` are those of the two grids.
pub(super) fn decode(scores: [&[f32]; 2], places: [&[f32]; 2]) -> Result<Vec<(f32, Bbox)>, String> {
    let mut found = Vec::new();
    for (n, (rows, guesses)) in GRIDS.into_iter().enumerate() {
        let count = rows * rows * guesses;
        if scores[n].len() != count || places[n].len() != count * NUMBERS {
            return Err(format!(
                "the finder of faces gave {} scores and {} numbers: expected {count} and {}",
                scores[n].len(),
                places[n].len(),
                count * NUMBERS
            ));
        }
        for (at, (score, place)) in
            scores[n].iter().zip(places[n].chunks_exact(NUMBERS)).enumerate()
        {
            let score = 1.0 / (1.0 + (-score).exp());
            let cell = at / guesses;
            let anchor = |of: usize| (of as f32 + 0.5) / rows as f32;
            let (x, y) = (anchor(cell % rows), anchor(cell / rows));
            if let Some(face) = face((x, y), place).filter(|_| score >= SCORE_MIN) {
                found.push((score, face));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<(f32, Bbox)> = Vec::new();
    for one in found {
        if kept.len() < FOUND_MAX && kept.iter().all(|kept| kept.1.iou(&one.1) < SAME_IOU) {
            kept.push(one);
        }
    }
    Ok(kept)
}

/// The box that a guess says; `None`: it is none, or larger than what was shown.
fn face((x, y): (f32, f32), place: &[f32]) -> Option<Bbox> {
    let share = |n: usize| place[n] / SIDE as f32;
    let (x, y, w, h) = (x + share(0), y + share(1), share(2), share(3));
    let is_one = [x, y].iter().all(|at| (0.0..=1.0).contains(at))
        && [w, h].iter().all(|side| *side > 0.0 && *side <= 1.0);
    is_one.then(|| Bbox::new(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0))
}

/// From shares of the square to shares of the picture.
pub(super) fn back(face: &Bbox, square: Square, (width, height): (usize, usize)) -> Bbox {
    let x = |share: f32| (square.x + share * square.side) / width as f32;
    let y = |share: f32| (square.y + share * square.side) / height as f32;
    Bbox::new(x(face.x0), y(face.y0), x(face.x1), y(face.y1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (640, 480);

    /// What is said where nothing is a face.
    fn nothing() -> ([Vec<f32>; 2], [Vec<f32>; 2]) {
        let counts = [512, 384];
        (counts.map(|n| vec![-20.0; n]), counts.map(|n| vec![0.0; n * NUMBERS]))
    }

    fn decoded(said: &([Vec<f32>; 2], [Vec<f32>; 2])) -> Result<Vec<(f32, Bbox)>, String> {
        decode([&said.0[0], &said.0[1]], [&said.1[0], &said.1[1]])
    }

    #[test]
    fn a_guess_of_each_grid_lies_where_its_anchor_says() {
        assert!(decoded(&nothing()).unwrap().is_empty());
        // Row 3, column 5 of the fine grid, second guess; row 6, column 1 of the coarse one, last guess.
        for (grid, at, x, y) in [
            (0, (3 * 16 + 5) * 2 + 1, 5.5 / 16.0, 3.5 / 16.0),
            (1, (6 * 8 + 1) * 6 + 5, 1.5 / 8.0, 6.5 / 8.0),
        ] {
            let mut said = nothing();
            said.0[grid][at] = 3.0;
            said.1[grid][at * NUMBERS..][..4].copy_from_slice(&[12.8, -6.4, 25.6, 38.4]);
            let found = decoded(&said).unwrap();
            assert_eq!(found.len(), 1);
            let (score, face) = &found[0];
            assert!((score - 0.9526).abs() < 1e-3, "{score}");
            let want = [x + 0.1 - 0.1, y - 0.05 - 0.15, x + 0.1 + 0.1, y - 0.05 + 0.15];
            for (got, want) in [face.x0, face.y0, face.x1, face.y1].into_iter().zip(want) {
                assert!((got - want).abs() < 1e-5, "{face:?} {want}");
            }
        }
    }

    #[test]
    fn one_face_is_told_once_and_two_are_two() {
        let mut said = nothing();
        for (at, score) in [(0, 1.0), (1, 4.0), (2, 2.0), (500, 2.0)] {
            said.0[0][at] = score;
            said.1[0][at * NUMBERS..][..4].copy_from_slice(&[0.0, 0.0, 32.0, 32.0]);
        }
        let found = decoded(&said).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].0 > found[1].0, "the best stays");
    }

    #[test]
    fn wrong_shapes_are_an_error_and_wild_numbers_no_face() {
        let mut said = nothing();
        said.1[1].pop();
        assert!(decoded(&said).unwrap_err().contains("expected 384 and 6144"));
        for wild in [f32::NAN, f32::INFINITY, -5.0, 1e9] {
            let mut said = nothing();
            said.0.iter_mut().flatten().for_each(|score| *score = 9.0);
            said.1.iter_mut().flatten().for_each(|number| *number = wild);
            assert!(decoded(&said).unwrap().is_empty(), "{wild}");
            said.0.iter_mut().flatten().for_each(|score| *score = wild);
            said.1.iter_mut().flatten().for_each(|number| *number = 8.0);
            decoded(&said).unwrap();
        }
    }

    #[test]
    fn the_square_holds_the_head_and_what_is_found_in_it_comes_back_to_its_place() {
        let tall = Bbox::new(0.4, 0.2, 0.6, 0.9);
        let square = square(&tall, SIZE).unwrap();
        assert!(square.x < 0.4 * 640.0 && square.x + square.side > 0.6 * 640.0);
        assert!(square.y < 0.2 * 480.0 && square.y + square.side > (0.2 + 0.7 / 3.0) * 480.0);
        let whole = back(&Bbox::new(0.0, 0.0, 1.0, 1.0), square, SIZE);
        assert!((whole.x0 * 640.0 - square.x).abs() < 0.01);
        assert!((whole.y1 * 480.0 - square.y - square.side).abs() < 0.01);
    }

    #[test]
    fn who_is_far_away_is_not_looked_at_and_who_lies_is_looked_at_whole() {
        assert_eq!(square(&Bbox::new(0.4, 0.2, 0.45, 0.44), SIZE), None);
        assert!(square(&Bbox::new(0.4, 0.2, 0.45, 0.46), SIZE).is_some());
        let lies = square(&Bbox::new(0.2, 0.6, 0.8, 0.8), SIZE).unwrap();
        assert!(lies.x < 0.2 * 640.0 && lies.x + lies.side > 0.8 * 640.0);
        for none in [
            Bbox::new(0.5, 0.5, 0.5, 0.9),
            Bbox::new(f32::NAN, 0.0, 1.0, 1.0),
            Bbox::new(0.0, 0.0, 1e9, 1e9),
        ] {
            assert_eq!(square(&none, SIZE), None, "{none:?}");
        }
    }
}
