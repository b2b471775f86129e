//! What is looked at in a picture of one camera, and what is known to be there still.
//!
//! Small things are looked for in crops around what differs, at the picture's own resolution; the
//! whole picture is looked at now and then.
//!
//! **V3** What was found, and whose place has not changed since, is there still: the gate tells
//! where something differs, and nothing differs where nobody moved. A thing that was found twice
//! stays without being looked at. Asleep it is looked for again every 10 s, after three times every
//! minute until the camera wakes. It leaves when its place changes, or when it was looked for in
//! vain three times. Awake, whoever has not moved is looked at once a second. So a crowd that
//! stands still costs next to nothing, and a happening does not end because nobody moves.

use jiff::{SignedDuration, Timestamp};

use super::{
    boxes,
    detect::{DetectError, Detector},
    track::{BEGIN_SCORE, Tracker},
};
use crate::domain::{Bbox, Detection, Look, LookFeedback, Picture, Track};

/// What differs is seen with this much of its own size around it.
const MARGIN: f32 = 0.6;
/// Crops of one picture, at most; more of them are the whole picture.
const CROPS_MAX: usize = 3;
/// A crop this large shows no more than the whole picture.
const CROP_SHARE_MAX: f32 = 0.6;
/// Two crops whose common box is at most so much larger than both together are one.
const JOIN: f32 = 1.15;
/// Overlap by which a detection is the thing that was there.
const SAME_IOU: f32 = 0.3;
/// What overlaps its place by so much has not moved.
const STANDS_IOU: f32 = 0.6;
/// A region so much of which is somebody who stands is he.
const FILLS: f32 = 0.5;
/// For so long, it stands.
const STANDS_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// Looked for this often in vain while nothing changed, it was never there.
const VAIN_MAX: u8 = 3;

struct KnownThing {
    detection: Detection,
    /// Looks that found it; one alone may be a flicker of the model.
    hits: u32,
    vain: u8,
    /// Where it was when it last moved, and when that was.
    anchor: (Bbox, Timestamp),
}

impl KnownThing {
    /// It has not moved for a while: what differs over it is rain, or a shadow.
    fn stands(&self, now: &Detection, at: Timestamp) -> bool {
        is_same(&self.detection, now)
            && self.anchor.0.iou(&now.bbox) >= STANDS_IOU
            && at.duration_since(self.anchor.1) >= STANDS_AFTER
    }
}

/// What one camera's pictures are remembered by.
#[derive(Default)]
pub struct Attention {
    tracker: Tracker,
    kept: Vec<KnownThing>,
}

/// What a look showed.
pub struct LookResult {
    /// None: this moment will be shown again, and nothing is to be said of it yet.
    pub tracks: Option<Vec<Track>>,
    pub feedback: LookFeedback,
    /// Runs of the model.
    pub runs: u64,
}

impl LookResult {
    /// Somebody who moves, and is followed: one flicker of the detector is nobody.
    pub fn finds_somebody(&self) -> bool {
        let seen = |tracks: &Vec<Track>| tracks.iter().any(|track| track.seen);
        self.feedback.found && self.tracks.as_ref().is_some_and(seen)
    }
}

impl Attention {
    /// Looks where it should and follows what is there.
    pub fn look(
        &mut self,
        detector: &mut Detector,
        look: &Look,
    ) -> Result<LookResult, DetectError> {
        let (mut found, mut runs, mut whole) = (Vec::new(), 0, false);
        let regions = self.unknown(look);
        if let Some(picture) = &look.picture {
            let mut wanted = regions.clone();
            if look.verify {
                wanted.extend(self.kept.iter().map(|kept| kept.detection.bbox));
            }
            let size = (picture.width, picture.height);
            let crops = crops(&wanted, size, detector.input_size());
            whole = look.whole || crops.is_none();
            for crop in crops.into_iter().flatten() {
                let seen = detector.detect_in(picture, crop)?;
                found.extend(seen.into_iter().filter(|one| is_whole(one, crop)));
                runs += 1;
            }
            // Who comes into sight is seen now by the one, now by the other; who was found shows
            // in the crop.
            whole |= !regions.is_empty() && !self.explains(&regions, &found);
            if whole {
                found.extend(detector.detect(picture)?);
                runs += 1;
            }
        }
        let found = boxes::merge(found);
        let known = |one: &Detection| self.kept.iter().any(|kept| is_same(&kept.detection, one));
        let new: Vec<&Detection> =
            found.iter().filter(|one| one.score >= BEGIN_SCORE && !known(one)).collect();
        let mut fresh = !new.is_empty();
        if let Some(picture) = look.picture.as_ref().filter(|_| look.probe) {
            fresh = shows_from_near(detector, picture, &new, &mut runs)?;
        }
        let differs = |one: &Detection| {
            lies_in(&regions, one) && !self.kept.iter().any(|kept| kept.stands(one, look.at))
        };
        let moves = found.iter().any(differs);
        if look.probe && fresh {
            let feedback = LookFeedback { holds: true, found: moves, fresh };
            return Ok(LookResult { tracks: None, feedback, runs });
        }
        let there = self.remember(look, &regions, whole, found);
        let tracks = self.tracker.update(look.at, &there);
        let feedback = LookFeedback { holds: !there.is_empty(), found: moves, fresh };
        Ok(LookResult { tracks: Some(tracks), feedback, runs })
    }

    /// Where something differs, and is not somebody who is known to stand there; with each look
    /// at the whole picture, everywhere.
    fn unknown(&self, look: &Look) -> Vec<Bbox> {
        let stands = |region: &Bbox| {
            let is_he = |kept: &KnownThing| kept.hits > 1 && fills(&kept.detection.bbox, region);
            look.still.contains(region) && self.kept.iter().any(is_he)
        };
        look.regions.iter().filter(|region| look.whole || !stands(region)).copied().collect()
    }

    /// Whether all that was there where something differs is found again, and somebody is.
    fn explains(&self, regions: &[Bbox], found: &[Detection]) -> bool {
        let again = |one: &Detection| {
            found.iter().any(|seen| seen.score >= BEGIN_SCORE && is_same(one, seen))
        };
        let mut there =
            self.kept.iter().map(|kept| &kept.detection).filter(|one| lies_in(regions, one));
        found.iter().any(|one| one.score >= BEGIN_SCORE && lies_in(regions, one))
            && there.all(again)
    }

    /// What is there: what was found now, and what has not changed since it was found twice.
    fn remember(
        &mut self,
        look: &Look,
        regions: &[Bbox],
        whole: bool,
        found: Vec<Detection>,
    ) -> Vec<Detection> {
        let mut hits = vec![1; found.len()];
        let mut anchors: Vec<_> = found.iter().map(|one| (one.bbox, look.at)).collect();
        self.kept.retain_mut(|kept| {
            let old = &kept.detection;
            if let Some(at) = found.iter().position(|one| is_same(old, one)) {
                hits[at] = hits[at].max(kept.hits + 1);
                if kept.anchor.0.iou(&found[at].bbox) >= STANDS_IOU {
                    anchors[at] = kept.anchor;
                }
                return false;
            }
            // Somebody else stands there now, or it was a part of what was found.
            if found.iter().any(|one| one.bbox.overlap(&old.bbox) > 0.6) {
                return false;
            }
            let (middle, bbox) = (old.bbox.centre(), old.bbox);
            let changed = |region: &Bbox| region.holds(middle) || region.overlap(&bbox) > 0.2;
            if regions.iter().any(changed) {
                return false;
            }
            kept.vain += u8::from(look.verify || (whole && kept.hits == 1));
            kept.vain < if kept.hits == 1 { 1 } else { VAIN_MAX }
        });
        let stays = self.kept.iter().filter(|kept| kept.hits > 1);
        let there = stays.map(|kept| kept.detection.clone()).chain(found.iter().cloned()).collect();
        let new = found.into_iter().zip(hits).zip(anchors);
        let kept = |((detection, hits), anchor)| KnownThing { detection, hits, vain: 0, anchor };
        self.kept.extend(new.map(kept));
        there
    }
}

/// Whether one of these is seen again in a crop around it: noise looks like somebody now and then,
/// but seldom twice. Who fills the picture so that no crop shows more of him is believed.
fn shows_from_near(
    detector: &mut Detector,
    picture: &Picture,
    new: &[&Detection],
    runs: &mut u64,
) -> Result<bool, DetectError> {
    let mut shows = false;
    for one in new.iter().take(CROPS_MAX) {
        let size = (picture.width, picture.height);
        let Some(near) = crops(&[one.bbox], size, detector.input_size()) else {
            return Ok(true);
        };
        for crop in near {
            let seen = detector.detect_in(picture, crop)?;
            shows |= seen.iter().any(|seen| seen.score >= BEGIN_SCORE && is_same(one, seen));
            *runs += 1;
        }
    }
    Ok(shows)
}

/// Whether most of the region is this: beside him there is room for nobody else.
fn fills(one: &Bbox, region: &Bbox) -> bool {
    let both = one.overlap(region) * one.area().min(region.area());
    both >= FILLS * region.area()
}

/// Whether it lies where something differs.
fn lies_in(regions: &[Bbox], one: &Detection) -> bool {
    regions.iter().any(|region| region.overlap(&one.bbox) > 0.2)
}

fn is_same(one: &Detection, other: &Detection) -> bool {
    one.label == other.label && one.bbox.iou(&other.bbox) >= SAME_IOU
}

/// Not cut off by the crop's edge, unless that is the picture's own.
fn is_whole(one: &Detection, crop: Bbox) -> bool {
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

/// Where to look for what differs; None: the whole picture shows it as well.
fn crops(regions: &[Bbox], (w, h): (u32, u32), input: (u32, u32)) -> Option<Vec<Bbox>> {
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

/// Round this middle, moved into the picture rather than cut.
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
