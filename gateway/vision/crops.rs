//! Which parts of a picture the detector is shown at full size: the geometry of crops. Pure.

use crate::domain::{Bbox, Detection};

/// What differs is shown with this much of its own size around it.
const MARGIN: f32 = 0.6;
/// Crops of one picture, at most; beyond that the whole picture is used.
pub(super) const CROPS_MAX: usize = 3;
/// A crop this large shows no more than the whole picture.
const CROP_SHARE_MAX: f32 = 0.6;
/// Two crops are joined if their common box is at most so much larger than both together.
const JOIN: f32 = 1.15;

/// Whether the detection is not cut off by the crop's edge, unless that is the picture's own.
pub(super) fn is_whole(one: &Detection, crop: Bbox) -> bool {
    const EDGE: f32 = 0.004;
    let b = one.bbox;
    let cut = |inner: f32, edge: f32, limit: f32| {
        (inner - edge).abs() < EDGE && (edge - limit).abs() > EDGE
    };
    !(cut(b.x0, crop.x0, 0.0)
        || cut(b.y0, crop.y0, 0.0)
        || cut(b.x1, crop.x1, 1.0)
        || cut(b.y1, crop.y1, 1.0))
}

/// Square crops (0..1 of the picture) that show these regions, at most [`CROPS_MAX`]. `input`: the size
/// that the model takes, pixels. None: the whole picture shows the regions as well.
pub(super) fn crops(regions: &[Bbox], (w, h): (u32, u32), input: (u32, u32)) -> Option<Vec<Bbox>> {
    let (w, h) = (w as f32, h as f32);
    let mut crops: Vec<Bbox> = regions
        .iter()
        .filter(|region| region.area() > 0.0)
        .map(|region| {
            // A square in pixels, as models see the world, not smaller than their input.
            let side = ((region.x1 - region.x0) * w).max((region.y1 - region.y0) * h)
                * (1.0 + 2.0 * MARGIN);
            let side = side.max(input.0.max(input.1) as f32);
            let (cx, cy) = region.centre();
            square(cx, cy, side / w, side / h)
        })
        .collect();
    let mut at = 0;
    while at < crops.len() {
        let joins = (at + 1..crops.len()).find(|&other| {
            let both = crops[at].around(&crops[other]);
            both.area() <= (crops[at].area() + crops[other].area()) * JOIN
        });
        match joins {
            Some(other) => {
                let joined = crops.swap_remove(other);
                crops[at] = crops[at].around(&joined);
                at = 0;
            }
            None => at += 1,
        }
    }
    let all: f32 = crops.iter().map(Bbox::area).sum();
    (crops.len() <= CROPS_MAX && all <= CROP_SHARE_MAX).then_some(crops)
}

/// A box around this middle; it is moved into the picture rather than cut.
fn square(cx: f32, cy: f32, w: f32, h: f32) -> Bbox {
    let along = |c: f32, size: f32| {
        let size = size.min(1.0);
        let start = (c - size / 2.0).clamp(0.0, 1.0 - size);
        (start, start + size)
    };
    let ((x0, x1), (y0, y1)) = (along(cx, w), along(cy, h));
    Bbox::new(x0, y0, x1, y1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_person_gets_a_crop_at_full_size_and_a_crowd_the_whole_picture() {
        let small = Bbox::new(0.9, 0.1, 0.91, 0.14);
        let crops_of = |regions: &[Bbox]| crops(regions, (1920, 1080), (300, 300));
        let crop = crops_of(&[small]).unwrap()[0];
        let side = |from: f32, to: f32, pixels: f32| ((to - from) * pixels).round();
        assert_eq!(side(crop.x0, crop.x1, 1920.0), 300.0);
        assert_eq!(side(crop.y0, crop.y1, 1080.0), 300.0);
        assert!(crop.holds(small.centre()) && crop.x1 <= 1.0 && crop.y0 >= 0.0);
        assert_eq!(crops_of(&[small, Bbox::new(0.92, 0.12, 0.93, 0.16)]).unwrap().len(), 1);
        assert_eq!(crops_of(&[small, Bbox::new(0.1, 0.8, 0.12, 0.9)]).unwrap().len(), 2);
        assert_eq!(crops_of(&[Bbox::new(0.0, 0.0, 0.9, 0.9)]), None);
        assert_eq!(crops_of(&[]), Some(Vec::new()));
    }

    #[test]
    fn what_a_crop_cuts_off_is_left_to_another_look() {
        let one = |x0: f32| Detection {
            label: "person".into(),
            score: 0.9,
            bbox: Bbox::new(x0, 0.4, x0 + 0.05, 0.5),
        };
        let crop = Bbox::new(0.2, 0.2, 0.6, 0.6);
        assert!(is_whole(&one(0.3), crop));
        assert!(!is_whole(&one(0.2), crop));
        assert!(is_whole(&one(0.0), Bbox::new(0.0, 0.2, 0.4, 0.6)), "the picture's own edge");
    }
}
