//! What one rule remembers of one thing: since when it is there, whether it stands, what was told of it. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::lying::Lying;
use crate::domain::{Bbox, RuleId, SourceId, StandingThing, Track, Vehicle};

/// A thing whose foot stays within this share of its larger side has not moved: boxes tremble, and
/// become another shape when somebody turns round or sits down.
const STANDS_WITHIN: f32 = 0.25;
/// Nor one that moves by less than this share of the picture.
const STANDS_WITHIN_MIN: f32 = 0.02;
/// What vanishes where it has stood for so long has not walked away: if something of its kind is
/// found at that place again, it is the same.
const ROOTED_AFTER: SignedDuration = SignedDuration::from_secs(2);
/// It is waited for so long: a post that is taken for a person now and then comes to be known as what
/// stands there, and a person whom another hides is himself.
const AWAITED_FOR: SignedDuration = SignedDuration::from_secs(300);
/// If it was away for longer and had not stood for long, it counts as another one.
/// A vehicle is hidden by others three times as long.
const OCCLUDED_FOR: SignedDuration = SignedDuration::from_secs(10);
/// A second opinion is waited for no longer.
const CONFIRMED_WITHIN: SignedDuration = SignedDuration::from_millis(400);
/// Boxes that overlap by this much are at one place.
const SAME_PLACE_IOU: f32 = 0.4;

/// A place in the picture, and since when something is there.
type Anchor = ((f32, f32), Timestamp);

/// What has come of a thing so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Role {
    /// It has not fulfilled the rule yet.
    Waits,
    /// It was told, and holds the happening open.
    Holds,
    /// It was told, and holds nothing open any more.
    LetGo,
}

/// One thing where the rule looks.
#[derive(Clone, Debug)]
pub(in crate::rules) struct ThingState {
    /// Of the track under which it was first seen.
    pub(in crate::rules) id: u64,
    pub(in crate::rules) label: Arc<str>,
    /// When it came.
    pub(in crate::rules) since: Timestamp,
    /// When it was last seen there.
    pub(in crate::rules) last_at: Timestamp,
    /// The first look since then that did not show it, and how many did not.
    pub(in crate::rules) absent: Option<(Timestamp, u32)>,
    /// It has looked as the rule wants it in as many looks as that asks for: from then on it counts
    /// while it is followed.
    pub(in crate::rules) admitted: bool,
    /// The first look in which it looked so, and how many there were.
    fitting: Option<(Timestamp, u32)>,
    pub(in crate::rules) role: Role,
    /// It has not moved for as long as makes it a thing that stands.
    pub(in crate::rules) is_standing: bool,
    /// Best score so far.
    pub(in crate::rules) score: f32,
    pub(in crate::rules) bbox: Bbox,
    /// Where it stands, and since when.
    anchor: Anchor,
    /// A look that shows it elsewhere: the next one tells whether it moves.
    moved_to: Option<Anchor>,
    /// A vehicle: where it stood before that, and when it seemed to move off.
    stood_at: Option<(Anchor, Timestamp)>,
    /// It was last seen outside: nobody hides it.
    pub(in crate::rules) has_left: bool,
    /// A happening was told with it.
    pub(in crate::rules) told: bool,
    /// It was told, lost from sight, and found where it stood: what begins with it alone is nothing new.
    pub(in crate::rules) returned: bool,
    /// The case that told it was closed when the gateway stopped.
    pub(in crate::rules) closed: bool,
    /// Kind line: when it crossed, until that was told.
    pub(in crate::rules) crossed_at: Option<Timestamp>,
    /// Kind fallen: whether it lies.
    pub(in crate::rules) lying: Lying,
    /// A vehicle: what is known of it, where plates are read; its plate was read, and that was not told yet.
    pub(in crate::rules) vehicle: Option<Vehicle>,
    pub(in crate::rules) plate_is_news: bool,
    /// Kind barrier: when it drove against the direction.
    pub(in crate::rules) wrong_way_at: Option<Timestamp>,
}

impl ThingState {
    /// Seen for the first time in the picture of `at`; it came at `since`.
    pub(super) fn new(track: &Track, since: Timestamp, at: Timestamp) -> Self {
        Self {
            id: track.id,
            label: track.label.clone(),
            since,
            last_at: at,
            absent: None,
            admitted: false,
            fitting: None,
            role: Role::Waits,
            is_standing: false,
            score: track.score,
            bbox: track.bbox,
            anchor: (track.bbox.foot(), since),
            moved_to: None,
            stood_at: None,
            has_left: false,
            told: false,
            returned: false,
            closed: false,
            crossed_at: None,
            lying: Lying::default(),
            vehicle: None,
            plate_is_news: false,
            wrong_way_at: None,
        }
    }

    /// A thing that stood there when the gateway stopped: it is waited for.
    pub(super) fn restored(thing: &StandingThing) -> Self {
        Self {
            id: thing.id,
            label: thing.label.clone(),
            since: thing.first_at,
            last_at: thing.last_at,
            absent: None,
            admitted: true,
            fitting: None,
            role: Role::Waits,
            is_standing: true,
            score: thing.score,
            bbox: thing.bbox,
            anchor: (thing.bbox.foot(), thing.stands_since),
            moved_to: None,
            stood_at: None,
            has_left: false,
            told: true,
            returned: false,
            closed: thing.closed,
            crossed_at: None,
            lying: Lying::default(),
            vehicle: None,
            plate_is_news: false,
            wrong_way_at: None,
        }
    }

    /// For the next start, if it stands.
    pub(super) fn standing(&self, camera: &SourceId, rule: &RuleId) -> Option<StandingThing> {
        self.is_standing.then(|| StandingThing {
            camera: camera.clone(),
            rule: rule.clone(),
            id: self.id,
            label: self.label.clone(),
            bbox: self.bbox,
            first_at: self.since,
            stands_since: self.anchor.1,
            last_at: self.last_at,
            score: self.score,
            closed: self.closed,
        })
    }

    /// It was told, as part of a happening.
    pub(super) fn tell(&mut self) {
        (self.role, self.told, self.returned) = (Role::Holds, true, false);
    }

    /// Whatever was told of it is told anew.
    pub(super) fn begin_anew(&mut self) {
        (self.role, self.told, self.returned, self.closed) = (Role::Waits, false, false, false);
    }

    /// Kind line: it steps over it. Who holds nothing open any more is told again, if not in the
    /// happening of which he is part.
    pub(super) fn crosses(&mut self, at: Timestamp, is_member: bool) {
        self.crossed_at = Some(at);
        if self.role == Role::LetGo {
            self.role = if is_member { Role::Holds } else { Role::Waits };
        }
    }

    /// It is seen in the picture of `at`.
    pub(super) fn seen(&mut self, track: &Track, at: Timestamp) {
        (self.last_at, self.absent, self.has_left) = (at, None, false);
        self.score = self.score.max(track.score);
        self.bbox = track.bbox;
        self.label = track.label.clone();
        self.moved(track.bbox, at);
    }

    /// The look of `at` shows it as the rule wants it. It counts after so many looks, if the rule is
    /// `sure` of it; and after the time in which another opinion should have come.
    pub(super) fn fits(&mut self, at: Timestamp, looks: u32, sure: bool) {
        let (first, before) = self.fitting.unwrap_or((at, 0));
        self.fitting = Some((first, before + 1));
        let waited = at.duration_since(first) >= CONFIRMED_WITHIN;
        self.admitted |= (before + 1 >= looks && sure) || waited;
    }

    /// A look at `at` did not show it where the rule looks.
    pub(super) fn missed(&mut self, at: Timestamp) {
        let (from, looks) = self.absent.unwrap_or((at, 0));
        self.absent = Some((from, looks + 1));
    }

    /// Whether more than one look, over this time, have not shown it: one look outside undoes nothing.
    pub(super) fn is_gone(&self, at: Timestamp, clear: SignedDuration) -> bool {
        self.absent.is_some_and(|(from, looks)| looks > 1 && at.duration_since(from) >= clear)
    }

    /// Since when it has not moved.
    pub(super) fn stands_since(&self) -> Timestamp {
        self.anchor.1
    }

    /// Whether it vanished where it stood.
    pub(super) fn is_rooted(&self) -> bool {
        self.last_at.duration_since(self.anchor.1) >= ROOTED_AFTER
    }

    /// Whether it is still waited for, after it vanished where it stood.
    pub(super) fn is_awaited(&self, at: Timestamp) -> bool {
        at.duration_since(self.last_at) <= AWAITED_FOR
    }

    /// Whether a track that has just begun is this thing, which was lost at that place.
    pub(super) fn is_found_again(&self, track: &Track, at: Timestamp) -> bool {
        self.is_rooted()
            && self.is_awaited(at)
            && is_alike(&self.label, &track.label)
            && self.bbox.iou(&track.bbox) >= SAME_PLACE_IOU
    }

    /// A track begins in the picture of `at` where it stood. After a while it may be somebody else, who
    /// is told; that something stands there is known all the same.
    pub(super) fn found(&mut self, track: &Track, at: Timestamp, is_vehicle: bool) {
        let away = at.duration_since(self.last_at);
        let occluded_for = if is_vehicle { OCCLUDED_FOR * 3 } else { OCCLUDED_FOR };
        if away > occluded_for && !self.is_standing {
            (self.id, self.since) = (track.id, at);
            self.begin_anew();
        }
        self.returned = self.told;
    }

    /// It is seen, but not where the rule looks.
    pub(super) fn walked_off(&mut self, bbox: Bbox, at: Timestamp) {
        self.has_left = true;
        self.moved(bbox, at);
    }

    /// Its foot is here now. A single look elsewhere is not believed: boxes jump when somebody passes
    /// in front.
    pub(super) fn moved(&mut self, bbox: Bbox, at: Timestamp) {
        let (foot, size) = (bbox.foot(), (bbox.x1 - bbox.x0).max(bbox.y1 - bbox.y0));
        let within = (size * STANDS_WITHIN).max(STANDS_WITHIN_MIN);
        let near = |from: (f32, f32)| (foot.0 - from.0).hypot(foot.1 - from.1) <= within;
        if near(self.anchor.0) {
            self.moved_to = None;
            return;
        }
        // A bus that stands before half a car moves its box, and not the car.
        self.stood_at = self.stood_at.filter(|(_, left)| {
            is_vehicle(&self.label) && at.duration_since(*left) <= OCCLUDED_FOR * 3
        });
        if let Some((stood, _)) = self.stood_at.take_if(|(stood, _)| near(stood.0)) {
            (self.anchor, self.moved_to) = (stood, None);
            return;
        }
        let from = self.anchor;
        match self.moved_to.take() {
            None => self.moved_to = Some((foot, at)),
            Some(there) if near(there.0) => self.anchor = there,
            Some(_) => self.anchor = (foot, at),
        }
        if self.moved_to.is_none() {
            self.is_standing = false;
            self.stood_at.get_or_insert((from, at));
        }
    }
}

/// Labels that detectors take for each other from picture to picture.
fn is_alike(one: &str, other: &str) -> bool {
    one == other || (is_vehicle(one) && is_vehicle(other))
}

fn is_vehicle(label: &str) -> bool {
    matches!(label, "car" | "truck" | "bus")
}
