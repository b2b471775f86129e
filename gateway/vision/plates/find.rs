//! Where plates are in a picture: what the finder says becomes scored corners. Pure; bad shapes are an error.

/// Sides of the boxes that it guesses from, pixels, and the distance of their centres: two sizes a step.
const STEPS: [(usize, [f32; 2]); 3] =
    [(8, [24.0, 48.0]), (16, [96.0, 192.0]), (32, [384.0, 768.0])];
/// What its numbers are multiplied by: those of places, and those of sizes.
const VARIANCES: [f32; 2] = [0.1, 0.2];
/// Below it nothing is a plate.
const SCORE_MIN: f32 = 0.5;
/// More are not looked at: a vehicle has one plate a side.
const FOUND_MAX: usize = 4;
/// Boxes that overlap by so much are one plate.
const SAME_IOU: f32 = 0.4;

/// One plate, in pixels of the picture that the finder was shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundPlate {
    /// 0..1.
    pub(super) score: f32,
    /// From top left on, clockwise, as the plate itself is read.
    pub(super) corners: [(f32, f32); 4],
    /// Left, top, right, bottom.
    pub(super) edges: [f32; 4],
}

/// Its three outputs, row by row: places, scores of (nothing, plate), and corners.
pub(super) struct FinderOutput<'s> {
    pub(super) places: &'s [f32],
    pub(super) scores: &'s [f32],
    pub(super) corners: &'s [f32],
}

/// Plates of a picture of this width and height, best first.
pub(super) fn decode(
    (width, height): (usize, usize),
    said: &FinderOutput<'_>,
) -> Result<Vec<FoundPlate>, String> {
    let count = guesses(width, height).count();
    if said.places.len() != count * 4
        || said.scores.len() != count * 2
        || said.corners.len() != count * 8
    {
        return Err(format!(
            "the finder of plates gave {} places, {} scores and {} corners: expected those of {count} boxes",
            said.places.len() / 4,
            said.scores.len() / 2,
            said.corners.len() / 8
        ));
    }
    let mut found: Vec<FoundPlate> = guesses(width, height)
        .enumerate()
        .filter(|(n, _)| said.scores[n * 2 + 1] >= SCORE_MIN)
        .filter_map(|(n, guess)| plate(guess, n, said))
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<FoundPlate> = Vec::new();
    for one in found {
        if kept.len() < FOUND_MAX && kept.iter().all(|kept| iou(&kept.edges, &one.edges) < SAME_IOU)
        {
            kept.push(one);
        }
    }
    Ok(kept)
}

/// Centre and side of each box that it guesses from, in the order of its output.
fn guesses(width: usize, height: usize) -> impl Iterator<Item = (f32, f32, f32)> {
    STEPS.into_iter().flat_map(move |(step, sides)| {
        let (columns, rows) = (width.div_ceil(step), height.div_ceil(step));
        let centre = move |at: usize| (at as f32 + 0.5) * step as f32;
        (0..rows).flat_map(move |y| {
            (0..columns)
                .flat_map(move |x| sides.into_iter().map(move |side| (centre(x), centre(y), side)))
        })
    })
}

fn plate((x, y, side): (f32, f32, f32), n: usize, said: &FinderOutput<'_>) -> Option<FoundPlate> {
    let place = &said.places[n * 4..n * 4 + 4];
    let (cx, cy) = (x + place[0] * VARIANCES[0] * side, y + place[1] * VARIANCES[0] * side);
    let size = |number: f32| side * (number * VARIANCES[1]).exp();
    let (w, h) = (size(place[2]), size(place[3]));
    let corner = |at: usize| {
        let from = &said.corners[n * 8 + at * 2..];
        (x + from[0] * VARIANCES[0] * side, y + from[1] * VARIANCES[0] * side)
    };
    // It says them from the lower right on.
    let corners = [corner(2), corner(3), corner(0), corner(1)];
    let edges = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0];
    let numbers = corners.iter().flat_map(|(x, y)| [x, y]).chain(&edges);
    let is_plate = numbers.into_iter().all(|one| one.is_finite());
    is_plate.then(|| FoundPlate { score: said.scores[n * 2 + 1].min(1.0), corners, edges })
}

fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |e: &[f32; 4]| (e[2] - e[0]).max(0.0) * (e[3] - e[1]).max(0.0);
    let both = [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
    let (both, either) = (area(&both), area(a) + area(b));
    if either > both { both / (either - both) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a finder says that sees nothing in a picture of 40 × 24.
    struct Blank {
        places: Vec<f32>,
        scores: Vec<f32>,
        corners: Vec<f32>,
    }

    impl Blank {
        fn new() -> Self {
            let count = (5 * 3 + 3 * 2 + 2) * 2;
            Self {
                places: vec![0.0; count * 4],
                scores: [1.0, 0.0].repeat(count),
                corners: vec![0.0; count * 8],
            }
        }

        fn sees(&mut self, n: usize, score: f32, corners: [f32; 8]) {
            self.scores[n * 2 + 1] = score;
            self.corners[n * 8..n * 8 + 8].copy_from_slice(&corners);
        }

        fn decode(&self) -> Result<Vec<FoundPlate>, String> {
            let Self { places, scores, corners } = self;
            decode((40, 24), &FinderOutput { places, scores, corners })
        }
    }

    #[test]
    fn corners_are_told_from_top_left_on_and_the_better_of_two_guesses_stays() {
        let mut said = Blank::new();
        assert_eq!(said.decode(), Ok(Vec::new()));
        // The box of column 2, row 1 of the first step: centre 20 × 12, side 24, and then the one of 48.
        let from_lower_right = [5.0, 2.0, -5.0, 2.0, -5.0, -2.0, 5.0, -2.0];
        said.sees((5 + 2) * 2, 0.9, from_lower_right);
        said.sees((5 + 2) * 2 + 1, 0.4, from_lower_right);
        let found = said.decode().unwrap();
        assert_eq!(found.len(), 1);
        let (found, half) = (&found[0], (5.0 * 0.1 * 24.0, 2.0 * 0.1 * 24.0));
        let wanted = [
            (20.0 - half.0, 12.0 - half.1),
            (20.0 + half.0, 12.0 - half.1),
            (20.0 + half.0, 12.0 + half.1),
            (20.0 - half.0, 12.0 + half.1),
        ];
        for (at, wanted) in found.corners.iter().zip(wanted) {
            let far = (at.0 - wanted.0).abs() + (at.1 - wanted.1).abs();
            assert!(far < 1e-4, "{at:?} {wanted:?}");
        }
        assert_eq!(found.edges, [8.0, 0.0, 32.0, 24.0]);
        // A neighbour that overlaps is the same plate; one far off is another.
        said.sees((5 + 3) * 2, 0.8, from_lower_right);
        assert_eq!(said.decode().unwrap().len(), 1);
        said.places[0] = -60.0;
        said.sees(0, 0.7, from_lower_right);
        let both: Vec<f32> = said.decode().unwrap().iter().map(|one| one.score).collect();
        assert_eq!(both, [0.9, 0.7]);
    }

    #[test]
    fn what_is_no_number_is_no_plate_and_other_shapes_are_an_error() {
        let mut said = Blank::new();
        said.sees(4, 0.9, [f32::NAN; 8]);
        said.places[5 * 4 + 2] = 1e9;
        said.sees(5, 0.9, [1.0; 8]);
        assert_eq!(said.decode(), Ok(Vec::new()));
        said.corners.pop();
        assert!(said.decode().unwrap_err().contains("expected those of 46 boxes"));
    }
}
