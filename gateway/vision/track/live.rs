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
/// Slower than this it stands, sizes a second.
const STANDS_BELOW: f32 = 0.25;
/// Looks in vain after which it may be lost.
const MISSES_MIN: u32 = 2;
/// And this time without a sight of it.
const LOST_AFTER_MS: i128 = 2_000;
/// Who walks may be behind a tree for longer, and who stands behind somebody else.
const HIDDEN_FOR_MS: i128 = 3_500;

/// A thing that was detected at least once.
pub(super) struct LiveTrack {
    id: u64,
    label: Arc<str>,
    score: f32,
    pub(super) bbox: Bbox,
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
    pub(super) fn new(id: u64, at: Timestamp, shape: f32, detection: &Detection) -> Self {
        Self {
            id,
            label: detection.label.clone(),
            score: detection.score,
            bbox: detection.bbox,
            motion: Motion::new(middle(&detection.bbox, shape)),
            hits: 1,
            misses: 0,
            covered: false,
            since: at,
            seen_at: at,
        }
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
        let unseen_s = at.duration_since(self.seen_at).as_secs_f32().clamp(0.0, MAX_S);
        let doubt = self.motion(at).doubt();
        let drift = if self.misses < MISSES_MIN { doubt } else { doubt.min(DRIFT * unseen_s) };
        (JITTER + drift).min(REACH_MAX)
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
        self.motion = self.motion(at);
        self.motion.see(middle(&detection.bbox, shape));
        self.bbox = detection.bbox;
        self.score = detection.score;
        if detection.score > begin_score {
            self.label = detection.label.clone();
        }
        self.hits = self.hits.saturating_add(1);
        (self.misses, self.covered, self.seen_at) = (0, false, at);
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

    /// As the rules see it.
    pub(super) fn report(&self, at: Timestamp, shape: f32) -> Track {
        Track {
            id: self.id,
            label: self.label.clone(),
            score: self.score,
            bbox: self.predict(at, shape),
            seen: self.seen_at == at,
            since: self.since,
        }
    }

    /// Whether this may be the same kind of thing.
    pub(super) fn is_like(&self, detection: &Detection) -> bool {
        group(&self.label) == group(&detection.label)
    }
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
pub(super) fn group(label: &str) -> &str {
    match label {
        "car" | "truck" | "bus" => "vehicle",
        "bicycle" | "motorcycle" => "cycle",
        other => other,
    }
}
