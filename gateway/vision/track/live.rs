//! One thing that is followed: where it is expected, how far from there it may turn up, and how long it is remembered. Pure.
//!
//! Lengths are in sizes of the thing itself (the longer side of its box, in pixels), because a person who is
//! 500 pixels high crosses more pixels with a step than one of 20. A second has its bounds too: who
//! walks covers about one size in it.

use std::sync::Arc;

use jiff::Timestamp;

use super::motion::{MAX_S, Motion};
use crate::domain::{Bbox, Detection, Track};

/// A box is never placed exactly: sizes.
const JITTER: f32 = 0.3;
/// Sizes a second that a thing may be off from where it is expected which was not found where it was
/// looked for.
const DRIFT: f32 = 0.25;
/// Nobody is the same who is further off, sizes, however long the gap.
const REACH_MAX: f32 = 3.0;
/// Nor who was seen so long ago, seconds, if he is not where he was.
const KNOWN_FOR_S: f32 = 15.0;
/// Slower than this it stands, sizes a second.
const STANDS_BELOW: f32 = 0.25;
/// Detections before a track counts: a single one may be an error of the detector.
const HITS_MIN: u32 = 2;
/// And what they come up to on the whole, or else how far the thing moves, sizes.
const SURE_SCORE: f32 = 0.5;
const SURE_STILL_SCORE: f32 = 0.65;
const SCORE_GAIN: f32 = 0.2;
const MOVED: f32 = 0.5;
/// As far, where nothing tells that it has come: a camera that shakes moves all that it sees.
const MOVED_STILL: f32 = 1.0;
/// A thing that no look has been sure of for so long is none, and a look counts for at most so much.
const WEAK_MAX_S: f32 = 15.0;
const WEAK_LOOK_MAX_S: f32 = 1.0;
/// Where looks were sure of it for two seconds (who then turns his back, or sits down), or while it moves
/// on, that takes so much longer. A stone that somebody passed has neither.
const WEAK_THERE: f32 = 40.0;
const SURE_S: f32 = 2.0;
/// Overlap from which it is at the same place.
const SURE_IOU: f32 = 0.3;
/// A thing that was looked for in vain is told as still there for so long.
const TOLD_FOR_MS: i128 = 400;
/// A box that overlaps the expected one by more is of the same shape, and takes over this share of it.
const SMOOTH_IOU: f32 = 0.4;
const EDGE_GAIN: f32 = 0.6;
/// Whoever runs is by this much higher in the next look, at most; and wider, as his legs are apart or not.
const RUN_GROWTH_MAX: f32 = 1.6;
const STRIDE_MAX: f32 = 2.5;
/// Looks in vain after which it may be lost.
const MISSES_MIN: u32 = 2;
/// And this time without a sight of it.
const LOST_AFTER_MS: i128 = 2_000;
/// Who walks may be behind a tree for longer, and who stands behind somebody else.
const HIDDEN_FOR_MS: i128 = 3_500;

/// A thing that was detected at least once.
pub(super) struct LiveTrack {
    pub(super) id: u64,
    label: Arc<str>,
    score: f32,
    /// What is thought of it: the scores so far, the latest ones more than the others.
    mean_score: f32,
    /// It counts.
    confirmed: bool,
    /// Something differed where it was seen first: it has come, and was not always there.
    came: bool,
    /// Seconds for which it was seen, and no look was sure of it.
    weak_s: f32,
    /// Where looks were last sure of it, and for how many seconds.
    sure: (Bbox, f32),
    /// Where it was seen first, in heights of the picture.
    origin: (f32, f32),
    /// Where it stood then, as rules see it.
    first_foot: (f32, f32),
    /// Smoothed.
    pub(super) bbox: Bbox,
    /// As it was detected last.
    pub(super) found: Bbox,
    motion: Motion,
    pub(super) hits: u32,
    /// Looks in vain since it was last seen.
    misses: u32,
    /// Somebody else is in front of it.
    covered: bool,
    since: Timestamp,
    pub(super) seen_at: Timestamp,
}

impl LiveTrack {
    /// Of its first detection.
    pub(super) fn new(
        id: u64,
        at: Timestamp,
        shape: f32,
        detection: &Detection,
        came: bool,
    ) -> Self {
        Self {
            id,
            label: detection.label.clone(),
            score: detection.score,
            mean_score: detection.score,
            confirmed: false,
            weak_s: 0.0,
            sure: (detection.bbox, 0.0),
            came,
            origin: middle(&detection.bbox, shape),
            first_foot: detection.bbox.foot(),
            bbox: detection.bbox,
            found: detection.bbox,
            motion: Motion::new(middle(&detection.bbox, shape)),
            hits: 1,
            misses: 0,
            covered: false,
            since: at,
            seen_at: at,
        }
    }

    /// Pictures are `by` times as wide for their height from now on, and show the same: what is told in
    /// their heights lies elsewhere, and goes on there.
    pub(super) fn reshape(&mut self, by: f32) {
        self.origin.0 *= by;
        self.motion.reshape(by);
    }

    /// What is known of its movement by now.
    fn motion(&self, at: Timestamp) -> Motion {
        self.motion.after(at.duration_since(self.seen_at).as_secs_f32())
    }

    /// Where it is expected.
    pub(super) fn predict(&self, at: Timestamp, shape: f32) -> Bbox {
        let (was, is) = (self.motion.place(), self.motion(at).place());
        let (dx, dy) = ((is.0 - was.0) / shape, is.1 - was.1);
        Bbox::new(self.bbox.x0 + dx, self.bbox.y0 + dy, self.bbox.x1 + dx, self.bbox.y1 + dy)
    }

    /// How far from there it may turn up, sizes. `shape`: the picture's width by its height.
    pub(super) fn reach(&self, at: Timestamp) -> f32 {
        let unseen_s = at.duration_since(self.seen_at).as_secs_f32();
        if unseen_s > KNOWN_FOR_S {
            // Who is elsewhere after so long without a look may be anybody.
            return JITTER;
        }
        let unseen_s = unseen_s.clamp(0.0, MAX_S);
        let doubt = self.motion(at).doubt();
        let drift = if self.misses < MISSES_MIN { doubt } else { doubt.min(DRIFT * unseen_s) };
        (JITTER + drift).min(REACH_MAX)
    }

    /// How badly this detection fits where he may have run to who was seen once: how far off it lies, as a share
    /// of how far he may have come. None: it is not he, or somebody who is known.
    pub(super) fn run_to(
        &self,
        at: Timestamp,
        shape: f32,
        detection: &Detection,
        came: bool,
    ) -> Option<f32> {
        let least = if self.came && came { SURE_SCORE } else { SURE_STILL_SCORE };
        let sure = self.score.min(detection.score) >= least;
        let alike = is_as_large(&self.found, &detection.bbox);
        if self.hits > 1 || self.misses > 1 || !sure || !alike || !self.is_like(detection) {
            return None;
        }
        let (from, to) = (middle(&self.found, shape), middle(&detection.bbox, shape));
        let sizes = (size(&self.found, shape) + size(&detection.bbox, shape)) / 2.0;
        let off = (to.0 - from.0).hypot(to.1 - from.1) / sizes;
        let reach = JITTER + Motion::runs(at.duration_since(self.seen_at).as_secs_f32());
        (off < reach).then(|| off / reach)
    }

    /// It ran to where it was found.
    pub(super) fn see_run(&mut self, at: Timestamp, shape: f32, to: &Detection, begin_score: f32) {
        self.motion = Motion::of_a_run(self.motion.place());
        self.see(at, shape, to, begin_score);
    }

    /// Sizes a second.
    fn pace(&self, shape: f32) -> f32 {
        self.motion.speed() / size(&self.bbox, shape)
    }

    /// It was found.
    pub(super) fn see(
        &mut self,
        at: Timestamp,
        shape: f32,
        detection: &Detection,
        begin_score: f32,
    ) {
        let expected = self.predict(at, shape);
        let unseen_s = at.duration_since(self.seen_at).as_secs_f32().clamp(0.0, WEAK_LOOK_MAX_S);
        if detection.score >= begin_score {
            self.weak_s = 0.0;
            let there = self.sure.0.iou(&detection.bbox) >= SURE_IOU;
            self.sure =
                if there { (self.sure.0, self.sure.1 + unseen_s) } else { (detection.bbox, 0.0) };
        } else if detection.bbox != self.found {
            // What is only known to be there still, unlooked at, has the same box again.
            let there = self.sure.1 >= SURE_S && self.sure.0.iou(&detection.bbox) >= SURE_IOU;
            let moves = self.hits > HITS_MIN && self.pace(shape) > STANDS_BELOW;
            self.weak_s += unseen_s / if there || moves { WEAK_THERE } else { 1.0 };
        }
        self.motion = self.motion(at);
        self.motion.see(middle(&detection.bbox, shape));
        // Edges are never exact: where it is expected says something of them too.
        self.bbox = match expected.iou(&detection.bbox) > SMOOTH_IOU {
            true => between(&expected, &detection.bbox, EDGE_GAIN),
            false => detection.bbox,
        };
        self.found = detection.bbox;
        self.score = detection.score;
        self.mean_score += (detection.score - self.mean_score) * SCORE_GAIN;
        if detection.score > begin_score {
            self.label = detection.label.clone();
        }
        self.hits = self.hits.saturating_add(1);
        (self.misses, self.covered, self.seen_at) = (0, false, at);
        let sure_score = if self.came { SURE_SCORE } else { SURE_STILL_SCORE };
        let sure = self.mean_score >= sure_score || self.has_moved(shape);
        self.confirmed |= self.hits >= HITS_MIN && sure;
    }

    /// It was looked for in vain; `covered`: somebody else is in front of where it was.
    pub(super) fn miss(&mut self, covered: bool) {
        self.misses = self.misses.saturating_add(1);
        self.covered |= covered;
    }

    /// Whether it is gone: looked for twice in vain, and long not seen.
    pub(super) fn is_lost(&self, at: Timestamp, shape: f32) -> bool {
        if self.misses < MISSES_MIN {
            return false;
        }
        let walks = self.hits > MISSES_MIN && self.pace(shape) > STANDS_BELOW;
        let (x, y) = self.predict(at, shape).centre();
        let left = walks && !((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y));
        let longest = if walks || self.covered { HIDDEN_FOR_MS } else { LOST_AFTER_MS };
        left || at.duration_since(self.seen_at).as_millis() > longest
    }

    /// Whether it counts: an error of the detector seldom comes twice in one place. A post or a shadow
    /// that it takes for a person again and again does, but it is never sure of it, and it stays there.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed && self.weak_s < WEAK_MAX_S
    }

    /// Whether it was found often enough, and surely enough.
    pub(super) fn counts(&self) -> bool {
        self.confirmed
    }

    fn has_moved(&self, shape: f32) -> bool {
        let (x, y) = middle(&self.bbox, shape);
        let moved = (x - self.origin.0).hypot(y - self.origin.1);
        let least = if self.came { MOVED } else { MOVED_STILL };
        self.hits > HITS_MIN && moved > least * size(&self.bbox, shape)
    }

    /// Whether it is told: seen now, or so lately that it is still there.
    pub(super) fn is_told(&self, at: Timestamp) -> bool {
        let unseen = at.duration_since(self.seen_at).as_millis();
        self.is_confirmed() && unseen <= TOLD_FOR_MS
    }

    /// As the rules see it.
    pub(super) fn report(&self, at: Timestamp, shape: f32) -> Track {
        Track {
            id: self.id,
            label: self.label.clone(),
            score: self.score,
            bbox: self.predict(at, shape),
            seen: self.seen_at == at,
            since: self.since,
            origin: self.first_foot,
            shown_in_crop: false,
        }
    }

    /// Whether this may be the same kind of thing.
    pub(super) fn is_like(&self, detection: &Detection) -> bool {
        group(&self.label) == group(&detection.label)
    }
}

/// Whether these two boxes are about as wide and about as high.
fn is_as_large(one: &Bbox, other: &Bbox) -> bool {
    let alike = |a: f32, b: f32, most: f32| a < b * most && b < a * most;
    alike(one.x1 - one.x0, other.x1 - other.x0, STRIDE_MAX)
        && alike(one.y1 - one.y0, other.y1 - other.y0, RUN_GROWTH_MAX)
}

/// The box that lies this share of the way from one to the other.
fn between(from: &Bbox, to: &Bbox, share: f32) -> Bbox {
    let edge = |from: f32, to: f32| from + (to - from) * share;
    Bbox::new(
        edge(from.x0, to.x0),
        edge(from.y0, to.y0),
        edge(from.x1, to.x1),
        edge(from.y1, to.y1),
    )
}

/// The middle of a box, in heights of the picture.
fn middle(bbox: &Bbox, shape: f32) -> (f32, f32) {
    let (x, y) = bbox.centre();
    (x * shape, y)
}

/// The longer side of a box, in heights of the picture; `shape`: the picture's width by its height.
pub(super) fn size(bbox: &Bbox, shape: f32) -> f32 {
    ((bbox.x1 - bbox.x0) * shape).max(bbox.y1 - bbox.y0).max(f32::EPSILON)
}

/// Labels that detectors confuse from picture to picture (car, truck, bus) are one group.
pub(in crate::vision) fn group(label: &str) -> &str {
    match label {
        "car" | "truck" | "bus" => "vehicle",
        "bicycle" | "motorcycle" => "cycle",
        other => other,
    }
}
