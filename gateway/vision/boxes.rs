//! Non-maximum suppression: one box a thing. Pure.

use crate::domain::Detection;

/// Boxes of one label that overlap more than this are one thing.
const IOU_MAX: f32 = 0.5;
/// More candidates than this in one picture are noise; the best are kept (P11).
const CANDIDATES_MAX: usize = 300;

/// Keeps the best of each group of overlapping boxes of one label, best first.
pub(super) fn suppress(mut candidates: Vec<Detection>) -> Vec<Detection> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(CANDIDATES_MAX);
    let mut best: Vec<Detection> = Vec::new();
    for candidate in candidates {
        let covered = best.iter().any(|other| {
            other.label == candidate.label && other.bbox.iou(&candidate.bbox) > IOU_MAX
        });
        if !covered {
            best.push(candidate);
        }
    }
    best
}

/// A box that lies in another of the same label by more than this is a part of the same thing.
const INSIDE_MAX: f32 = 0.7;

/// What several looks at one picture found: a thing and its parts are one.
pub(super) fn merge(found: Vec<Detection>) -> Vec<Detection> {
    let found = suppress(found);
    let inside = |one: &Detection| {
        found.iter().any(|other| {
            other.label == one.label
                && other.score > one.score
                && other.bbox.overlap(&one.bbox) > INSIDE_MAX
        })
    };
    found.iter().filter(|one| !inside(one)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Bbox;

    #[test]
    fn one_box_a_thing_and_labels_apart() {
        let one = |label: &str, score: f32, x: f32| Detection {
            label: label.into(),
            score,
            bbox: Bbox::new(x, 0.1, x + 0.2, 0.5),
        };
        let best = suppress(vec![
            one("person", 0.6, 0.11),
            one("person", 0.9, 0.1),
            one("car", 0.5, 0.1),
            one("person", 0.7, 0.6),
        ]);
        let scores: Vec<f32> = best.iter().map(|one| one.score).collect();
        assert_eq!(scores, [0.9, 0.7, 0.5]);
    }
}
