//! What is the same thing over pictures: SORT-like, by predicted overlap, on time and not on frame counts. Pure.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{Bbox, Detection, Track};

/// Below this overlap (with the predicted box) two boxes are two things.
const IOU_MIN: f32 = 0.2;
/// A strong detection may begin a track; weaker ones only go on with one (ByteTrack's idea).
pub(super) const BEGIN_SCORE: f32 = 0.45;
/// Detections before a track counts: a single one may be an error of the detector.
const HITS_MIN: u32 = 2;
/// A track that was not seen for longer is gone.
const LOST_AFTER_MS: i64 = 2_000;
/// Share of the measured speed that is taken over with each detection.
const SPEED_GAIN: f32 = 0.4;
/// More things than this in one picture are noise (P11).
const TRACKS_MAX: usize = 500;

struct LiveTrack {
    id: u64,
    label: Arc<str>,
    score: f32,
    bbox: Bbox,
    /// Centre's speed, shares of the picture a second.
    speed: (f32, f32),
    hits: u32,
    since: Timestamp,
    seen_at: Timestamp,
}

/// Follows the things of one camera.
#[derive(Default)]
pub(super) struct Tracker {
    tracks: Vec<LiveTrack>,
    next: u64,
}

impl Tracker {
    /// Takes what was seen at `at`; returns confirmed tracks, unseen ones at their predicted place.
    pub(super) fn update(&mut self, at: Timestamp, detections: &[Detection]) -> Vec<Track> {
        self.tracks.retain(|track| {
            at.duration_since(track.seen_at).as_millis() <= i128::from(LOST_AFTER_MS)
        });
        let mut taken = vec![false; detections.len()];
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            let predicted = track.predict(at);
            for (d, detection) in detections.iter().enumerate() {
                let overlap = predicted.iou(&detection.bbox);
                if overlap >= IOU_MIN && group(&track.label) == group(&detection.label) {
                    pairs.push((overlap, t, d));
                }
            }
        }
        // Greedy from the best overlap; ties by index, so that the same input gives the same ids.
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut matched = vec![false; self.tracks.len()];
        for (_, t, d) in pairs {
            if !matched[t] && !taken[d] {
                (matched[t], taken[d]) = (true, true);
                self.tracks[t].see(at, &detections[d]);
            }
        }
        for (detection, _) in detections
            .iter()
            .zip(&taken)
            .filter(|(one, taken)| !**taken && one.score >= BEGIN_SCORE)
        {
            if self.tracks.len() < TRACKS_MAX {
                self.next += 1;
                self.tracks.push(LiveTrack {
                    id: self.next,
                    label: detection.label.clone(),
                    score: detection.score,
                    bbox: detection.bbox,
                    speed: (0.0, 0.0),
                    hits: 1,
                    since: at,
                    seen_at: at,
                });
            }
        }
        self.tracks
            .iter()
            .filter(|track| track.hits >= HITS_MIN)
            .map(|track| Track {
                id: track.id,
                label: track.label.clone(),
                score: track.score,
                bbox: track.predict(at),
                seen: track.seen_at == at,
                since: track.since,
            })
            .collect()
    }
}

impl LiveTrack {
    fn predict(&self, at: Timestamp) -> Bbox {
        let seconds = at.duration_since(self.seen_at).as_secs_f32();
        let (dx, dy) = (self.speed.0 * seconds, self.speed.1 * seconds);
        Bbox::new(self.bbox.x0 + dx, self.bbox.y0 + dy, self.bbox.x1 + dx, self.bbox.y1 + dy)
    }

    fn see(&mut self, at: Timestamp, detection: &Detection) {
        let seconds = at.duration_since(self.seen_at).as_secs_f32();
        if seconds > 0.0 {
            let centre = |b: &Bbox| ((b.x0 + b.x1) / 2.0, (b.y0 + b.y1) / 2.0);
            let (old, new) = (centre(&self.bbox), centre(&detection.bbox));
            let mix = |speed: f32, moved: f32| speed + (moved / seconds - speed) * SPEED_GAIN;
            self.speed = (mix(self.speed.0, new.0 - old.0), mix(self.speed.1, new.1 - old.1));
        }
        self.bbox = detection.bbox;
        self.score = detection.score;
        if detection.score > BEGIN_SCORE {
            self.label = detection.label.clone();
        }
        self.hits = self.hits.saturating_add(1);
        self.seen_at = at;
    }
}

/// Labels that detectors confuse from picture to picture (car, truck, bus) are one group.
fn group(label: &str) -> &str {
    match label {
        "car" | "truck" | "bus" => "vehicle",
        "bicycle" | "motorcycle" => "cycle",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    fn person(x: f32, y: f32, score: f32) -> Detection {
        Detection { label: "person".into(), score, bbox: Bbox::new(x, y, x + 0.1, y + 0.3) }
    }

    #[test]
    fn one_walker_keeps_its_id_through_jitter_weak_scores_and_a_gap() {
        let mut tracker = Tracker::default();
        let mut ids = HashSet::new();
        for n in 0..40i64 {
            let hidden = (15..20).contains(&n);
            let weak = if n % 5 == 0 { 0.32 } else { 0.8 };
            let jitter = if n % 2 == 0 { 0.004 } else { -0.004 };
            let seen = person(0.02 * n as f32 * 0.8 + jitter, 0.3, if n < 2 { 0.8 } else { weak });
            let tracks =
                tracker.update(at(n * 200), if hidden { &[] } else { std::slice::from_ref(&seen) });
            ids.extend(tracks.iter().map(|track| track.id));
        }
        assert_eq!(ids.len(), 1, "{ids:?}");
    }

    #[test]
    fn two_who_pass_in_lanes_stay_two_and_a_flicker_is_nobody() {
        let mut tracker = Tracker::default();
        let mut ids = HashSet::new();
        for n in 0..20i64 {
            let x = 0.04 * n as f32;
            let seen = [person(x, 0.1, 0.9), person(0.8 - x, 0.6, 0.9)];
            ids.extend(tracker.update(at(n * 200), &seen).iter().map(|track| track.id));
        }
        assert_eq!(ids.len(), 2);
        let mut tracker = Tracker::default();
        assert!(tracker.update(at(0), &[person(0.5, 0.5, 0.9)]).is_empty());
        assert!(tracker.update(at(200), &[]).is_empty());
    }

    #[test]
    fn odd_input_does_no_harm_and_ids_are_never_reused() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let mut tracker = Tracker::default();
        let (mut time, mut highest, mut alive) = (0i64, 0, HashSet::new());
        for _ in 0..2_000 {
            time += random.random_range(-50..900);
            let seen: Vec<Detection> = (0..random.random_range(0..8))
                .map(|_| {
                    let mut one = person(random.random(), random.random(), random.random());
                    if random.random_bool(0.05) {
                        one.bbox.x0 = f32::NAN;
                    }
                    one
                })
                .collect();
            let now: HashSet<u64> =
                tracker.update(at(time), &seen).iter().map(|track| track.id).collect();
            for id in now.difference(&alive) {
                assert!(*id <= tracker.next);
                highest = highest.max(*id);
            }
            alive = now;
        }
        assert!(highest > 0);
    }
}
