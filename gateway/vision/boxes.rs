//! Non-maximum suppression: one box a thing; and how much of a picture boxes cover. Pure.

use crate::domain::{Bbox, Detection};

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

/// A part that was found with less is no surer than the whole picture.
const FINER_SCORE: f32 = 0.3;
/// A box of the whole picture and one of a part that overlap by more are one thing.
const FINER_IOU: f32 = 0.3;

/// What was found in the whole picture, without what was found in a part of it too: there it was
/// shown larger, so its edges are surer, whatever the scores say.
pub(super) fn without_finer(coarse: Vec<Detection>, finer: &[Detection]) -> Vec<Detection> {
    let is_known = |one: &Detection| {
        finer.iter().any(|other| {
            other.label == one.label
                && other.bbox.iou(&one.bbox) > FINER_IOU
                && other.score >= FINER_SCORE
        })
    };
    coarse.into_iter().filter(|one| !is_known(one)).collect()
}

/// Places along each side of a picture at which [`share`] looks.
const PLACES: usize = 24;

/// Share of the picture that these cover together, 0..1; to some hundredths.
pub(super) fn share(all: &[Bbox]) -> f32 {
    let along = |at: usize| (at as f32 + 0.5) / PLACES as f32;
    let places = (0..PLACES).flat_map(|y| (0..PLACES).map(move |x| (along(x), along(y))));
    let covered = places.filter(|place| all.iter().any(|one| one.holds(*place))).count();
    covered as f32 / (PLACES * PLACES) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_cover_counts_once() {
        assert_eq!(share(&[]), 0.0);
        let half = Bbox::new(0.0, 0.0, 1.0, 0.5);
        assert_eq!((share(&[half]), share(&[half, half])), (0.5, 0.5));
        assert_eq!(share(&[half, Bbox::new(-1.0, 0.2, 2.0, 3.0)]), 1.0);
        assert_eq!(share(&[Bbox::new(f32::NAN, 0.0, 1.0, 1.0)]), 0.0);
    }

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

    #[test]
    fn what_a_part_shows_better_replaces_what_the_whole_picture_shows() {
        let one = |score: f32, x: f32| Detection {
            label: "person".into(),
            score,
            bbox: Bbox::new(x, 0.1, x + 0.2, 0.5),
        };
        let coarse = vec![one(0.9, 0.1), one(0.8, 0.6)];
        let left = |finer: &[Detection]| -> Vec<f32> {
            without_finer(coarse.clone(), finer).iter().map(|one| one.score).collect()
        };
        assert_eq!(left(&[]), [0.9, 0.8]);
        assert_eq!(left(&[one(0.5, 0.15)]), [0.8], "its edges are surer, whatever the scores say");
        assert_eq!(left(&[one(0.2, 0.15)]), [0.9, 0.8], "a doubtful one replaces nobody");
        assert_eq!(left(&[one(0.5, 0.3)]), [0.9, 0.8], "somebody else");
    }
}
