//! A second opinion: whoever is new is looked for once more, in a crop around him at the picture's own resolution.
//!
//! What the model takes for a person in the small whole picture, or at the edge of a tile, it often
//! does not in a crop in whose middle it stands. Only a rule knows whether it waits for that.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    crops::{CROPS_MAX, crops},
    detect::{DetectError, Detector},
    track::{BEGIN_SCORE, group},
};
use crate::domain::{Detection, Picture, Track};

/// Overlap from which a detection is the same thing as one that was there.
const SAME_IOU: f32 = 0.3;
/// Nobody waits longer for an opinion, so none is asked for after that.
const ASKED_FOR: SignedDuration = SignedDuration::from_millis(400);
/// An opinion on a track that was not told for so long is forgotten.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// On one track.
struct Opinion {
    asked_at: Timestamp,
    told_at: Timestamp,
    shown: bool,
}

/// On the tracks of one camera, by id.
#[derive(Default)]
pub(super) struct Opinions {
    on: BTreeMap<u64, Opinion>,
}

impl Opinions {
    /// Marks which of these were shown by a crop too, and asks about those that are new in this
    /// picture, smoothed or not. `runs` of the model are counted up.
    pub(super) fn mark(
        &mut self,
        detector: &mut Detector,
        picture: Option<(&Picture, bool)>,
        at: Timestamp,
        tracks: &mut [Track],
        runs: &mut u64,
    ) -> Result<(), DetectError> {
        self.on.retain(|_, one| at.duration_since(one.told_at).abs() <= REMEMBERED_FOR);
        let mut left = CROPS_MAX;
        for track in tracks {
            let first = Opinion { asked_at: at, told_at: at, shown: false };
            let one = self.on.entry(track.id).or_insert(first);
            one.told_at = at;
            let asks = !one.shown && at.duration_since(one.asked_at) <= ASKED_FOR;
            if let Some(picture) = picture.filter(|_| asks && track.seen && left > 0) {
                left -= 1;
                let (label, bbox) = (track.label.clone(), track.bbox);
                let shown = Detection { label, score: track.score, bbox };
                one.shown = shows_in_crop(detector, picture, &[&shown], runs)?;
            }
            track.shown_in_crop = one.shown;
        }
        Ok(())
    }
}

/// Whether one of these is found again in a crop around it: noise is taken for a person now and then,
/// but seldom twice. A person so large that no crop shows more of him is believed at once. `runs` is
/// counted up.
pub(super) fn shows_in_crop(
    detector: &mut Detector,
    (picture, smoothed): (&Picture, bool),
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
            let seen = detector.detect_as(picture, crop, smoothed)?;
            shows |= seen.iter().any(|seen| seen.score >= BEGIN_SCORE && is_same(one, seen));
            *runs += 1;
        }
    }
    Ok(shows)
}

/// Whether it may be the same thing, by its place.
pub(super) fn is_same(one: &Detection, other: &Detection) -> bool {
    group(&one.label) == group(&other.label) && one.bbox.iou(&other.bbox) >= SAME_IOU
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Bbox,
        vision::{Catalog, tests_graph},
    };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    /// A track where the tiny model finds one in the whole picture of this brightness.
    fn track(id: u64, grey: u8) -> Track {
        let from = f32::from(grey) / 255.0 / 2.0;
        let bbox = Bbox::new(from, from, from * 2.0, from * 2.0);
        Track {
            id,
            label: "person".into(),
            score: 0.5,
            bbox,
            seen: true,
            since: at(0),
            origin: bbox.foot(),
            shown_in_crop: false,
        }
    }

    /// What three looks, 200 ms apart, and two more after a second say of each of so many, and the runs.
    fn opinions(count: u64, grey: u8) -> (Vec<bool>, u64) {
        let folder = tests_graph::one_person(false);
        let catalog = Catalog::read(folder.path()).unwrap();
        let (spec, library) = (catalog.get("tiny").unwrap(), tests_graph::library());
        let mut detector = Detector::load(spec, folder.path(), Some(&library), 1).unwrap();
        let picture = Picture::of_rgb(640, 640, vec![grey; 640 * 640 * 3], at(0));
        let (mut opinions, mut runs, mut shown) = (Opinions::default(), 0, Vec::new());
        for ms in [0, 200, 400, 1_400, 1_600] {
            let mut tracks: Vec<Track> = (0..count).map(|id| track(id, grey)).collect();
            let picture = Some((&picture, false));
            opinions.mark(&mut detector, picture, at(ms), &mut tracks, &mut runs).unwrap();
            shown.push(tracks.iter().all(|one| one.shown_in_crop));
        }
        (shown, runs)
    }

    /// The tiny model finds its person further to the lower right of whatever it is shown, so a crop shows
    /// a bright one about where he is, and a darker one elsewhere.
    #[test]
    fn a_crop_is_asked_until_it_shows_him_and_for_less_than_half_a_second() {
        assert_eq!(opinions(1, 153), (vec![true; 5], 1));
        assert_eq!(opinions(1, 130), (vec![false; 5], 3), "asked three times, and no more");
        assert_eq!(opinions(1, 255), (vec![true; 5], 0), "no crop shows more of who is so large");
        // Five who come at once: three a look.
        assert_eq!(opinions(5, 153), (vec![false, true, true, true, true], 5));
    }
}
