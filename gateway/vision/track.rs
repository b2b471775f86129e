//! What is the same thing over pictures: by predicted overlap, else by distance in its own size; on time and on looks, not on frame counts. Pure.
//!
//! After SORT and ByteTrack: a strong detection may begin a track, weaker ones go on with one. Looks
//! may be 40 ms apart or ten seconds. Where who walks has moved by more than his own width, no box
//! overlaps the one before, and he is matched by distance. Who was there in the look before may
//! always be there in the next one; he is lost after two looks in vain and two seconds. Who was seen once
//! may run: he is matched with what nobody else accounts for.

mod live;
mod motion;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_random;
#[cfg(test)]
mod tests_runs;

use jiff::{SignedDuration, Timestamp};

pub(super) use self::live::group;
use self::live::{LiveTrack, size};
use crate::domain::{Bbox, Detection, Track};

/// Below this overlap (with the predicted box) a box is matched by distance alone.
const IOU_MIN: f32 = 0.2;
/// And below this one by distance too: in 40 ms nobody goes as far as a box may lie that overlaps him by less.
const IOU_SURE: f32 = 0.4;
/// A strong detection may begin a track; weaker ones only go on with one (ByteTrack's idea).
pub const BEGIN_SCORE: f32 = 0.45;
/// A detection that is weaker than this is believed only where a thing is followed already.
pub(super) const LONE_SCORE: f32 = 0.3;
/// A box by this much larger or smaller is not matched by distance.
const GROWTH_MAX: f32 = 1.8;
/// What overlaps a thing that was found by so much, or lies in it by so much, is no other thing.
const TWICE_IOU: f32 = 0.4;
const TWICE_INSIDE: f32 = 0.75;
/// Who is covered by so much of somebody else may be behind him.
const COVERED: f32 = 0.3;
/// Pictures are never so much out of order.
const AHEAD_MAX: SignedDuration = SignedDuration::from_secs(120);
/// More things than this in one picture are noise (P11).
const TRACKS_MAX: usize = 500;

/// Follows the things of one camera.
#[derive(Default)]
pub(super) struct Tracker {
    tracks: Vec<LiveTrack>,
    next: u64,
}

impl Tracker {
    /// Its first id is the next one after this.
    pub(super) fn numbered_from(next: u64) -> Self {
        Self { tracks: Vec::new(), next }
    }

    /// Takes what was seen at `at`; returns confirmed tracks, unseen ones at their predicted place.
    /// `shape`: the picture's width by its height.
    #[cfg(test)]
    pub(super) fn update(
        &mut self,
        at: Timestamp,
        shape: f32,
        detections: &[Detection],
        came: impl Fn(&Detection) -> bool,
    ) -> Vec<Track> {
        self.update_where(at, shape, detections, came, |_| true)
    }

    /// Likewise; `looked`: whether the look would have shown a thing at this place. Who is at
    /// another was not looked for in vain.
    pub(super) fn update_where(
        &mut self,
        at: Timestamp,
        shape: f32,
        detections: &[Detection],
        came: impl Fn(&Detection) -> bool,
        looked: impl Fn(&Bbox) -> bool,
    ) -> Vec<Track> {
        // Of a time that lies far ahead, after a clock was set back, nothing is known.
        self.tracks.retain(|track| track.seen_at <= at + AHEAD_MAX);
        let pairs = self.pairs(at, shape, detections);
        let mut taken = vec![false; detections.len()];
        let mut matched = vec![false; self.tracks.len()];
        // A second box of somebody who is known goes on with nobody: a ghost beside him would become he.
        for young in [false, true] {
            for (_, t, d) in pairs.iter().copied() {
                let is_young = !self.tracks[t].counts();
                let twice = || young && is_twice(detections, &taken, d);
                if is_young == young && !matched[t] && !taken[d] && !twice() {
                    (matched[t], taken[d]) = (true, true);
                    self.tracks[t].see(at, shape, &detections[d], BEGIN_SCORE);
                }
            }
        }
        self.link_runs((at, shape), detections, (&mut matched, &mut taken), &came);
        self.miss(at, shape, &matched, looked);
        self.begin(at, shape, detections, &taken, came);
        self.tracks.retain(|track| !track.is_lost(at, shape));
        let told = self.tracks.iter().filter(|track| track.is_told(at));
        told.map(|track| track.report(at, shape)).collect()
    }

    /// Pictures are `by` times as wide for their height from now on, and show the same.
    pub(super) fn reshape(&mut self, by: f32) {
        self.tracks.iter_mut().for_each(|track| track.reshape(by));
    }

    /// Whether a thing is followed that this may be, by its place.
    pub(super) fn follows(&self, at: Timestamp, shape: f32, detection: &Detection) -> bool {
        self.tracks.iter().any(|track| {
            track.is_like(detection)
                && track.is_confirmed()
                && track.predict(at, shape).iou(&detection.bbox) >= TWICE_IOU
        })
    }

    /// Which detection may be which track, the best first; ties by index, so that the same input gives
    /// the same ids.
    fn pairs(
        &self,
        at: Timestamp,
        shape: f32,
        detections: &[Detection],
    ) -> Vec<(f32, usize, usize)> {
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            let expected = track.predict(at, shape);
            let reach = track.reach(at);
            for (d, detection) in detections.iter().enumerate() {
                if !track.is_like(detection) {
                    continue;
                }
                let lone =
                    detection.score >= if track.hits == 1 { BEGIN_SCORE } else { LONE_SCORE };
                let cost = mismatch(&expected, &detection.bbox, shape, reach);
                // What is weak goes on with him only where it overlaps the place at which he is expected.
                pairs.extend(cost.filter(|cost| lone || *cost <= 1.0).map(|cost| (cost, t, d)));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        pairs
    }

    /// Who runs is too far from where he was seen first to be known by that. He and a detection that nobody else
    /// accounts for are one, the nearest first, where both are sure and of one shape: else each look would begin a
    /// track, and none would ever count.
    fn link_runs(
        &mut self,
        (at, shape): (Timestamp, f32),
        detections: &[Detection],
        (matched, taken): (&mut [bool], &mut [bool]),
        came: impl Fn(&Detection) -> bool,
    ) {
        let mut pairs = Vec::new();
        for (d, detection) in detections.iter().enumerate() {
            if taken[d] || is_twice(detections, taken, d) {
                continue;
            }
            let came = came(detection);
            let young = self.tracks.iter().enumerate().filter(|(t, _)| !matched[*t]);
            let run_to = |(t, track): (usize, &LiveTrack)| {
                Some((track.run_to(at, shape, detection, came)?, t, d))
            };
            pairs.extend(young.filter_map(run_to));
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        for (_, t, d) in pairs {
            if !matched[t] && !taken[d] && !is_twice(detections, taken, d) {
                (matched[t], taken[d]) = (true, true);
                self.tracks[t].see_run(at, shape, &detections[d], BEGIN_SCORE);
            }
        }
    }

    /// Those that were not matched were looked for in vain.
    fn miss(
        &mut self,
        at: Timestamp,
        shape: f32,
        matched: &[bool],
        looked: impl Fn(&Bbox) -> bool,
    ) {
        let seen: Vec<Bbox> = self
            .tracks
            .iter()
            .zip(matched)
            .filter(|(_, matched)| **matched)
            .map(|(track, _)| track.bbox)
            .collect();
        for (track, _) in self.tracks.iter_mut().zip(matched).filter(|(_, matched)| !**matched) {
            let expected = track.predict(at, shape);
            if !looked(&expected) {
                continue;
            }
            track.miss(seen.iter().any(|other| other.overlap(&expected) > COVERED));
        }
    }

    /// Strong detections that are nobody who is known begin tracks.
    fn begin(
        &mut self,
        at: Timestamp,
        shape: f32,
        detections: &[Detection],
        taken: &[bool],
        came: impl Fn(&Detection) -> bool,
    ) {
        for (d, detection) in detections.iter().enumerate() {
            let is_twice = |other: usize| {
                let one = &detections[other];
                (taken[other] || other < d) && one.score >= BEGIN_SCORE && covers(one, detection)
            };
            let strong = detection.score >= BEGIN_SCORE && !taken[d];
            let known = (0..detections.len()).any(|other| other != d && is_twice(other));
            if strong && !known && self.tracks.len() < TRACKS_MAX {
                self.next += 1;
                self.tracks.push(LiveTrack::new(self.next, at, shape, detection, came(detection)));
            }
        }
    }
}

/// Whether one that is taken already, and of the same kind, covers this detection.
fn is_twice(detections: &[Detection], taken: &[bool], d: usize) -> bool {
    let one = &detections[d];
    detections.iter().zip(taken).any(|(other, taken)| *taken && covers(other, one))
}

/// Whether these are two boxes of one thing.
fn covers(one: &Detection, other: &Detection) -> bool {
    group(&one.label) == group(&other.label)
        && (one.bbox.iou(&other.bbox) > TWICE_IOU || one.bbox.overlap(&other.bbox) > TWICE_INSIDE)
}

/// How badly this box fits where a thing is expected: 0 to 1 where they overlap, up to 2 where it lies
/// within `reach` (sizes of the thing) and is about as large; else None.
fn mismatch(expected: &Bbox, found: &Bbox, shape: f32, reach: f32) -> Option<f32> {
    let overlap = expected.iou(found);
    if overlap >= IOU_SURE {
        return Some(1.0 - overlap);
    }
    let (a, b) = (size(expected, shape), size(found, shape));
    let (from, to) = (expected.centre(), found.centre());
    let off = ((to.0 - from.0) * shape).hypot(to.1 - from.1) / ((a + b) / 2.0);
    if off >= reach {
        return None;
    }
    let fits = a < b * GROWTH_MAX && b < a * GROWTH_MAX;
    if overlap >= IOU_MIN { Some(1.0 - overlap) } else { fits.then(|| 1.0 + off / reach) }
}
