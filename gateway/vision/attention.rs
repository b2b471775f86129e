//! What stands in the pictures of one camera: what a look finds, and what is known to be there still.
//!
//! The detector looks for small things in crops ([`super::crops`]) around what differs, at the
//! picture's own resolution, and at the whole picture now and then. Where too much differs for crops,
//! it is shown tiles in turn ([`super::tiles`]), and in the first looks ([`super::first_looks`]) all of them.
//!
//! **V13** Where something differs and nobody is found, the next look is shown without its grain, and so
//! on by turns until somebody is found: in the noise of the dark the model sees nobody at full size
//! who is plain to the eye, and smoothed it sees him.
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
    crops::{crops, is_whole},
    detect::{DetectError, Detector},
    first_looks::{FIRST_TILES_MAX, FirstLooks},
    opinion::{Opinions, is_same, shows_in_crop},
    tiles::Tiles,
    track::{BEGIN_SCORE, LONE_SCORE, Tracker, group},
};
use crate::domain::{Bbox, Detection, Look, LookFeedback, Picture, Track};

/// All of a picture.
const WHOLE: Bbox = Bbox { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 };
/// A thing that overlaps its earlier place by so much has not moved.
const STANDS_IOU: f32 = 0.6;
/// A region of which one standing person fills this share contains nobody else.
const FILLS: f32 = 0.5;
/// A thing that has not moved for so long stands.
const STANDS_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// Tiles of a busy picture that one look shows, beside the whole of it; and one that checks what stays.
const TILES_MAX: usize = 2;
const VERIFY_TILES_MAX: usize = 6;
/// A thing that covers less of the picture is looked for in tiles.
const SMALL: f32 = 0.05;
/// Below this height in the input of the model, pixels, a tile shows a thing much better than the whole picture.
const COARSE: f32 = 20.0;
/// Looks in which all tiles of a picture have their turn, at most, for a tile to be worth the wait.
const ROUND_MAX: usize = 3;
/// A part shows a thing of which this share lies in it.
const SHOWN: f32 = 0.95;
/// Width by height of a picture, before there was one.
const SHAPE: f32 = 16.0 / 9.0;
/// A thing that so many checks do not find, though nothing has changed, was never there.
const MISSES_MAX: u8 = 3;

/// Where more than this share of the picture differs, it is the camera that moves, or the light.
const EVERYWHERE: f32 = 0.6;

/// So much of a region, or of the thing that accounts for it, lies in the other.
const ACCOUNTS_FOR: f32 = 0.5;

/// A thing that a look found.
struct KnownThing {
    detection: Detection,
    /// Looks that found it; a single one may be an error of the model.
    hits: u32,
    /// Checks in a row that did not find it.
    misses: u8,
    /// Where it was when it last moved, and when that was.
    anchor: (Bbox, Timestamp),
}

impl KnownThing {
    /// Whether it is the same thing and has not moved for a while: what differs over it is rain, or a
    /// shadow.
    fn stands(&self, now: &Detection, at: Timestamp) -> bool {
        is_same(&self.detection, now)
            && self.anchor.0.iou(&now.bbox) >= STANDS_IOU
            && at.duration_since(self.anchor.1) >= STANDS_AFTER
    }
}

/// What is known of one camera's scene: its tracks, and the things that stand in it.
#[derive(Default)]
pub struct Attention {
    tracker: Tracker,
    known: Vec<KnownThing>,
    tiles: Tiles,
    first_looks: FirstLooks,
    opinions: Opinions,
    /// Its pictures are shown without their grain: as they are, they showed nobody where something
    /// differs.
    smoothed: bool,
    /// Width by height of the latest picture.
    shape: Option<f32>,
}

/// What the detector said of a picture.
#[derive(Default)]
struct Seen {
    found: Vec<Detection>,
    /// Runs of the model.
    runs: u64,
    /// Whether it was shown the whole.
    whole: bool,
    /// In a busy picture: the tiles that it was shown at this look. What is small was looked for in them alone.
    tiles: Option<Vec<Bbox>>,
}

/// What came of a look.
pub struct LookResult {
    /// `None`: this moment will be shown again, so nothing is reported of it yet.
    pub tracks: Option<Vec<Track>>,
    /// For the gate.
    pub feedback: LookFeedback,
    /// Runs of the model.
    pub runs: u64,
}

impl LookResult {
    /// Whether somebody moves and is followed. A single detection is not enough: it may be an error.
    pub fn finds_somebody(&self) -> bool {
        let seen = |tracks: &Vec<Track>| tracks.iter().any(|track| track.seen);
        self.feedback.found && self.tracks.as_ref().is_some_and(seen)
    }
}

impl Attention {
    /// Its tracks are numbered from the next one after this on.
    pub fn numbered_from(next: u64) -> Self {
        Self { tracker: Tracker::numbered_from(next), ..Self::default() }
    }

    /// Runs the detector where the look asks for it, and follows what is there.
    pub fn look(
        &mut self,
        detector: &mut Detector,
        look: &Look,
    ) -> Result<LookResult, DetectError> {
        let regions = self.unknown(look);
        // Nobody needs to be found where no rule looks; that his place has changed there counts.
        let shown: Vec<Bbox> = regions.iter().filter(|one| look.concerns(one)).copied().collect();
        let seen = match &look.picture {
            Some(picture) => self.see(detector, picture, look, &shown)?,
            None => Seen::default(),
        };
        let Seen { found, mut runs, whole, tiles } = seen;
        let found = self.believable(look.at, boxes::merge(found));
        let is_known =
            |one: &Detection| self.known.iter().any(|thing| is_same(&thing.detection, one));
        let new: Vec<&Detection> =
            found.iter().filter(|one| one.score >= BEGIN_SCORE && !is_known(one)).collect();
        let mut somebody_new = !new.is_empty();
        if let Some(picture) = look.picture.as_ref().filter(|_| look.probe) {
            somebody_new = shows_in_crop(detector, (picture, self.smoothed), &new, &mut runs)?;
        }
        let differs = |one: &Detection| {
            lies_in(&shown, one) && !self.known.iter().any(|thing| thing.stands(one, look.at))
        };
        let moves = found.iter().any(differs);
        if look.probe && somebody_new {
            let feedback =
                LookFeedback { holds: true, found: moves, somebody_new, least_height: None };
            return Ok(LookResult { tracks: None, feedback, runs });
        }
        let least_height = least_height(&shown, &found);
        let there = self.remember(look, &regions, whole, found);
        // Where everything differs (the camera shakes, or was turned), that tells of nobody that he came.
        let everywhere = !look.in_flight && boxes::share(&look.regions) > EVERYWHERE;
        let came = |one: &Detection| !everywhere && lies_in(&look.regions, one);
        let looked = |one: &Bbox| match (&tiles, &look.picture) {
            (Some(tiles), Some(picture)) if is_coarse(one, picture, detector.input_size()) => {
                tiles.iter().any(|tile| tile.overlap(one) > SHOWN)
            }
            _ => true,
        };
        let mut tracks = self.tracker.update_where(look.at, self.shape(), &there, came, looked);
        if look.area.as_ref().is_some_and(|area| area.wants_crop()) {
            let picture = look.picture.as_ref().map(|picture| (picture, self.smoothed));
            self.opinions.mark(detector, picture, look.at, &mut tracks, &mut runs)?;
        }
        let holds = !there.is_empty();
        let feedback = LookFeedback { holds, found: moves, somebody_new, least_height };
        Ok(LookResult { tracks: Some(tracks), feedback, runs })
    }

    /// Runs the detector on the parts of the picture that may show something, and on the whole of it
    /// where that is due or the parts do not account for what differs.
    fn see(
        &mut self,
        detector: &mut Detector,
        picture: &Picture,
        look: &Look,
        regions: &[Bbox],
    ) -> Result<Seen, DetectError> {
        self.take_shape(picture);
        let mut wanted = regions.to_vec();
        if look.verify {
            let known = self.known.iter().map(|thing| thing.detection.bbox);
            wanted.extend(known.filter(|one| look.concerns(one)));
        }
        let sizes = ((picture.width, picture.height), detector.input_size());
        let crops = crops(&wanted, sizes.0, sizes.1);
        let busy = crops.is_none();
        let mut parts = crops.unwrap_or_default();
        parts.extend(self.take_tiles(look, regions, busy, sizes));
        // Tiles that show all that is wanted need the whole only for what is larger than they are.
        let shown = |one: &Bbox| parts.iter().any(|part| part.overlap(one) > SHOWN);
        let everything =
            !parts.is_empty() && self.known.iter().all(|thing| shown(&thing.detection.bbox));
        let mut seen = Seen { whole: look.whole || (busy && !everything), ..Seen::default() };
        seen.tiles = (busy && !parts.is_empty()).then(|| parts.clone());
        for part in parts.iter().copied() {
            let found = detector.detect_as(picture, part, self.smoothed)?;
            seen.found.extend(found.into_iter().filter(|one| is_whole(one, part)));
            seen.runs += 1;
        }
        // A person at the edge of what can be detected is found now in the crop, now in the whole
        // picture. One who was found before is found in the crop.
        seen.whole |= !busy && !regions.is_empty() && !self.accounts_for(regions, &seen.found);
        if seen.whole {
            let coarse = detector.detect_as(picture, WHOLE, self.smoothed)?;
            let mut coarse = boxes::without_finer(coarse, &seen.found);
            if seen.tiles.is_some() && self.tiles.looks_a_round(TILES_MAX) <= ROUND_MAX {
                // His tile has its turn soon, and shows where he is; a coarse box hardly does.
                coarse.retain(|one| !is_coarse(&one.bbox, picture, sizes.1));
            }
            seen.found.extend(coarse);
            seen.runs += 1;
        }
        let is_there = |one: &Detection| one.score >= BEGIN_SCORE && lies_in(regions, one);
        if !regions.is_empty() && !seen.found.iter().any(is_there) {
            self.smoothed = !self.smoothed;
        }
        Ok(seen)
    }

    /// The tiles that are shown now: in the first looks each in which somebody may count, then some in
    /// turn where the picture is busy.
    fn take_tiles(
        &mut self,
        look: &Look,
        regions: &[Bbox],
        busy: bool,
        sizes: ((u32, u32), (u32, u32)),
    ) -> Vec<Bbox> {
        let ((width, _), _) = sizes;
        if self.first_looks.is_one(look, width) {
            let mut tiles = self.tiles.take(look.at, sizes, &[WHOLE], FIRST_TILES_MAX);
            tiles.retain(|one| look.concerns(one));
            return tiles;
        }
        if !busy {
            return Vec::new();
        }
        let most = if look.verify { VERIFY_TILES_MAX } else { TILES_MAX };
        let wanted = self.for_tiles(look, regions);
        self.tiles.take(look.at, sizes, &wanted, most)
    }

    /// What tiles may show better than the whole picture: not a thing so large that it fills its region,
    /// or a tile.
    fn for_tiles(&self, look: &Look, regions: &[Bbox]) -> Vec<Bbox> {
        let filled =
            |region: &&Bbox| self.known.iter().any(|thing| fills(&thing.detection.bbox, region));
        let small = |thing: &&KnownThing| {
            let bbox = &thing.detection.bbox;
            look.verify && bbox.area() < SMALL && look.concerns(bbox)
        };
        let known = self.known.iter().filter(small).map(|thing| thing.detection.bbox);
        regions.iter().filter(|one| !filled(one)).copied().chain(known).collect()
    }

    /// Without weak detections where nobody is known: they only tell that somebody is there still.
    fn believable(&self, at: Timestamp, found: Vec<Detection>) -> Vec<Detection> {
        let is_known = |one: &Detection| self.tracker.follows(at, self.shape(), one);
        found.into_iter().filter(|one| one.score >= LONE_SCORE || is_known(one)).collect()
    }

    /// The same place lies elsewhere in pictures of another shape: a sub-stream is often 4:3 where its
    /// main stream is 16:9.
    fn take_shape(&mut self, picture: &Picture) {
        let shape = picture.width.max(1) as f32 / picture.height.max(1) as f32;
        if let Some(before) = self.shape.replace(shape) {
            self.tracker.reshape(shape / before);
        }
    }

    fn shape(&self) -> f32 {
        self.shape.unwrap_or(SHAPE)
    }

    /// The regions that differ without somebody who is known to stand there. A look at the whole
    /// picture leaves out none.
    fn unknown(&self, look: &Look) -> Vec<Bbox> {
        let stands = |region: &Bbox| {
            let fills_it =
                |thing: &KnownThing| thing.hits > 1 && fills(&thing.detection.bbox, region);
            look.still.contains(region) && self.known.iter().any(fills_it)
        };
        look.regions.iter().filter(|region| look.whole || !stands(region)).copied().collect()
    }

    /// Whether the crops account for what differs: somebody was found in these regions, and everything
    /// that was known there was found again.
    fn accounts_for(&self, regions: &[Bbox], found: &[Detection]) -> bool {
        let again = |one: &Detection| {
            found.iter().any(|seen| seen.score >= BEGIN_SCORE && is_same(one, seen))
        };
        let mut there =
            self.known.iter().map(|thing| &thing.detection).filter(|one| lies_in(regions, one));
        found.iter().any(|one| one.score >= BEGIN_SCORE && lies_in(regions, one))
            && there.all(again)
    }

    /// Takes in what was found. Returns what is there: that, and known things that were found twice
    /// and have not changed since.
    fn remember(
        &mut self,
        look: &Look,
        regions: &[Bbox],
        whole: bool,
        found: Vec<Detection>,
    ) -> Vec<Detection> {
        let mut hits = vec![1; found.len()];
        let mut anchors: Vec<_> = found.iter().map(|one| (one.bbox, look.at)).collect();
        self.known.retain_mut(|thing| {
            let old = &thing.detection;
            if let Some(at) = found.iter().position(|one| is_same(old, one)) {
                hits[at] = hits[at].max(thing.hits + 1);
                if thing.anchor.0.iou(&found[at].bbox) >= STANDS_IOU {
                    anchors[at] = thing.anchor;
                }
                return false;
            }
            // Something else is there now, or it was a part of what was found. A car behind somebody is
            // neither.
            let is_another = |one: &Detection| {
                group(&one.label) == group(&old.label) && one.bbox.overlap(&old.bbox) > 0.6
            };
            if found.iter().any(is_another) {
                return false;
            }
            let (middle, bbox) = (old.bbox.centre(), old.bbox);
            let changed = |region: &Bbox| region.holds(middle) || region.overlap(&bbox) > 0.2;
            if regions.iter().any(changed) {
                return false;
            }
            thing.misses += u8::from(look.verify || (whole && thing.hits == 1));
            thing.misses < if thing.hits == 1 { 1 } else { MISSES_MAX }
        });
        let stays = self.known.iter().filter(|thing| thing.hits > 1);
        let there =
            stays.map(|thing| thing.detection.clone()).chain(found.iter().cloned()).collect();
        let new = found.into_iter().zip(hits).zip(anchors);
        let thing = |((detection, hits), anchor)| KnownThing { detection, hits, misses: 0, anchor };
        self.known.extend(new.map(thing));
        there
    }
}

/// Whether a thing is so small that the whole picture, made as small as the model's input, hardly shows it.
fn is_coarse(one: &Bbox, picture: &Picture, input: (u32, u32)) -> bool {
    let scale = (input.0 as f32 / picture.width.max(1) as f32)
        .min(input.1 as f32 / picture.height.max(1) as f32);
    (one.y1 - one.y0) * picture.height as f32 * scale < COARSE
}

/// Whether this box fills so much of the region that nobody else is in it.
fn fills(one: &Bbox, region: &Bbox) -> bool {
    let both = one.overlap(region) * one.area().min(region.area());
    both >= FILLS * region.area()
}

/// Height of the smallest thing that accounts for one of these regions; 0 where one is not accounted
/// for; `None` where there is no region.
fn least_height(regions: &[Bbox], found: &[Detection]) -> Option<f32> {
    let height = |region: &Bbox| {
        let sure = found.iter().filter(|one| one.score >= BEGIN_SCORE);
        let in_it = sure.filter(|one| region.overlap(&one.bbox) >= ACCOUNTS_FOR);
        in_it.map(|one| one.bbox.y1 - one.bbox.y0).reduce(f32::min).unwrap_or(0.0)
    };
    regions.iter().map(height).reduce(f32::min)
}

/// Whether it lies where something differs.
fn lies_in(regions: &[Bbox], one: &Detection) -> bool {
    regions.iter().any(|region| region.overlap(&one.bbox) > 0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(label: &str, bbox: Bbox) -> Detection {
        Detection { label: label.into(), score: 0.8, bbox }
    }

    /// What is there in looks that find these.
    fn there(rounds: &[&[Detection]]) -> Vec<usize> {
        let mut attention = Attention::default();
        let at = Timestamp::UNIX_EPOCH;
        let look = |n: usize| Look {
            verify: true,
            ..Look::quiet(at + SignedDuration::from_secs(n as i64), None)
        };
        let rounds = rounds.iter().enumerate();
        rounds
            .map(|(n, found)| attention.remember(&look(n), &[], false, found.to_vec()).len())
            .collect()
    }

    #[test]
    fn v3_who_stands_before_a_car_stays_though_a_look_finds_the_car_alone() {
        let car = one("car", Bbox::new(0.2, 0.3, 0.8, 0.9));
        let person = one("person", Bbox::new(0.4, 0.4, 0.5, 0.85));
        let both = [car.clone(), person];
        assert_eq!(there(&[&both, &both, &[car]]), [2, 2, 2]);
    }

    #[test]
    fn v3_a_vehicle_that_is_now_a_car_and_now_a_truck_is_one_that_stays() {
        let place = Bbox::new(0.2, 0.3, 0.8, 0.9);
        let (car, truck) = ([one("car", place)], [one("truck", place)]);
        assert_eq!(there(&[&car, &truck, &car, &[], &[]]), [1, 1, 1, 1, 1]);
    }
}
