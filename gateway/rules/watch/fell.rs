//! Who fell, where the detector takes him for an animal: models of COCO have seen few people that lie. Pure.
//!
//! A box of an animal that begins where a person has just vanished, and that lies where he stood, is he. An
//! animal that was never a person stays one: who lies there when he is first seen is told by `labels` alone.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::{SignedDuration, Timestamp};

use super::lying::{RENEW, STANDS_UP_TO};
use crate::domain::{Bbox, Track, TrackFrame};

/// A person vanished, and the animal began, within so long.
const WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// While somebody falls both may be seen for a moment.
const BOTH_SEEN_FOR: SignedDuration = SignedDuration::from_secs(1);
/// Who was taken for an animal is remembered so long after he was last seen.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_secs(60);
/// People and animals that are remembered; of more the oldest go.
const REMEMBERED_MAX: usize = 256;
/// Who falls lies within this share of his height of where he stood.
const FALLS_WITHIN: f32 = 1.0;
/// Of an animal's box, beside how high the person stood: a dog that comes along is smaller.
const LENGTH: std::ops::Range<f32> = 0.5..1.6;

const PERSON: &str = "person";
const ANIMALS: &[&str] =
    &["cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"];

/// The people of one camera, and under which tracks they lie.
#[derive(Clone, Debug, Default)]
pub(super) struct FallenPeople {
    /// Where each was last seen, and how high he stood there, in heights of the picture.
    people: BTreeMap<u64, (Timestamp, Bbox, f32)>,
    /// By the track of an animal: who it is, and when it was last seen.
    taken_for: BTreeMap<u64, (Timestamp, u64)>,
}

impl FallenPeople {
    /// The picture of `at` with these animals as the people that they are; `aspect` is its width for one of
    /// its height.
    pub(super) fn seen<'f>(
        &mut self,
        frame: &'f TrackFrame,
        aspect: f32,
        at: Timestamp,
    ) -> Cow<'f, TrackFrame> {
        self.forget(at);
        let mut there: Vec<u64> = Vec::new();
        for track in frame.tracks.iter().filter(|track| track.seen && *track.label == *PERSON) {
            let (width, height) =
                ((track.bbox.x1 - track.bbox.x0) * aspect, track.bbox.y1 - track.bbox.y0);
            let stood = match self.people.get(&track.id).map(|known| known.2) {
                None => height,
                // He comes nearer and goes away; who bends is no shorter.
                Some(before) if width <= height * STANDS_UP_TO => {
                    before + (height - before) * RENEW
                }
                Some(before) => before,
            };
            self.people.insert(track.id, (at, track.bbox, stood));
            there.push(track.id);
        }
        let mut shown = Cow::Borrowed(frame);
        for (n, track) in frame.tracks.iter().enumerate() {
            if !track.seen || !ANIMALS.contains(&&*track.label) {
                continue;
            }
            let known = self.taken_for.get(&track.id).map(|(_, person)| *person);
            let who = known.or_else(|| self.who(track, aspect, at, &there));
            let Some(person) = who.filter(|person| !there.contains(person)) else { continue };
            there.push(person);
            self.taken_for.insert(track.id, (at, person));
            let stood = self.people.get(&person).map_or(0.0, |known| known.2);
            self.people.insert(person, (at, track.bbox, stood));
            let changed = &mut shown.to_mut().tracks[n];
            (changed.id, changed.label) = (person, PERSON.into());
        }
        if let Cow::Owned(frame) = &mut shown {
            // His own track goes on for a while without a picture.
            frame.tracks.retain(|track| track.seen || !there.contains(&track.id));
        }
        shown
    }

    /// Who vanished where this lies.
    fn who(&self, track: &Track, aspect: f32, at: Timestamp, there: &[u64]) -> Option<u64> {
        let lies = track.bbox;
        let (width, height) = ((lies.x1 - lies.x0) * aspect, lies.y1 - lies.y0);
        let near = |(_, stood, high): &(Timestamp, Bbox, f32)| {
            let (from, to) = (stood.foot(), lies.foot());
            let far = ((to.0 - from.0) * aspect).hypot(to.1 - from.1);
            far <= high * FALLS_WITHIN
                && LENGTH.contains(&(width.max(height) / high.max(f32::EPSILON)))
        };
        // What was seen beside him is not he.
        let gone = |id: &u64, last: Timestamp| {
            !there.contains(id)
                && at.duration_since(last) <= WITHIN
                && last.duration_since(track.since) <= BOTH_SEEN_FOR
        };
        let all = self.people.iter().filter(|(id, known)| gone(id, known.0) && near(known));
        all.max_by_key(|(_, known)| known.0).map(|(id, _)| *id)
    }

    fn forget(&mut self, at: Timestamp) {
        self.people.retain(|_, known| at.duration_since(known.0) <= REMEMBERED_FOR);
        self.taken_for.retain(|_, known| at.duration_since(known.0) <= REMEMBERED_FOR);
        while self.people.len() > REMEMBERED_MAX {
            self.people.pop_first();
        }
        while self.taken_for.len() > REMEMBERED_MAX {
            self.taken_for.pop_first();
        }
    }
}
