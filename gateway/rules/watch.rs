//! One rule on one camera: which things fulfil it, since when, and when a happening begins and ends.
//!
//! A happening is of things. Whoever newly fulfils the rule is news: he begins a happening, or is
//! told as part of the one that is on. It goes on while somebody who was told is there. What has
//! stood for long (a parked car, a guard) lets go of it, so that it neither holds it open nor
//! hides who comes.
//!
//! Nothing is judged by what a single look does not show. Absence counts from the first look that
//! misses a thing, and needs a second one: between two looks nobody knows.

mod fell;
mod happening;
mod lying;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fallen;
#[cfg(test)]
mod tests_lines;
#[cfg(test)]
mod tests_roles;
#[cfg(test)]
mod tests_things;
#[cfg(test)]
mod tests_vehicles;
mod thing_state;
mod vehicles;

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use geo::Polygon;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Masks,
    config::{Config, Direction, RuleKind, millis},
    zone::{Zone, crossing, masked, polygon},
};
use crate::domain::{
    Finding, Now, RuleId, Schedule, SourceId, Stamp, StandingThing, Track, TrackFrame, VehicleLists,
};
use fell::FallenPeople;
use happening::{EndCause, Ended, HIDDEN_FOR, Happening};
pub(super) use thing_state::{Role, ThingState};

/// Who crossed while he was seen too weakly is told if he is seen well within so long.
const CROSSED_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// A track that was not reported for so long is forgotten; it has not lived so long unseen.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Things that vanished where they stood and are waited for, at most.
const LOST_THINGS_MAX: usize = 64;
/// A camera that is looked at seldom is silent after so many of its intervals without a look.
const SILENT_LOOKS: u64 = 3;
/// And not before so long.
const SILENT_MS: u64 = 10_000;
/// After so long without a look nothing is known any more of who was there.
const GAP_MAX_MS: u64 = 300_000;
/// Pictures are never so much out of order: the clock was set back.
const BACK_MAX_MS: i64 = 60_000;
/// Looks further apart than this are no interval.
const INTERVAL_MAX_MS: u64 = 120_000;

/// When each track was last reported, wherever it was, and where it stood when it was last seen.
type Reported = BTreeMap<u64, (Timestamp, (f32, f32))>;

/// The state of one rule on one camera.
pub(super) struct Watch {
    /// The camera.
    pub(super) camera: SourceId,
    /// Its section of the configuration.
    pub(super) rule: Config,
    id: RuleId,
    /// Where it counts.
    pub(super) zone: Zone,
    /// Where nothing counts.
    pub(super) masks: Vec<Polygon<f64>>,
    /// When it counts.
    pub(super) schedule: Schedule,
    /// Of the site, for the schedule.
    pub(super) timezone: TimeZone,
    /// Things where the rule looks, by the id of their track.
    pub(super) things: BTreeMap<u64, ThingState>,
    /// Things that vanished where they stood, oldest first.
    lost_things: VecDeque<ThingState>,
    /// Tracks of the last minute: another one has only just begun.
    reported: Option<Reported>,
    /// When it was last looked, and how long after the look before that was.
    looked: Option<(Timestamp, u64)>,
    /// Kind crowd: since when there have been enough.
    pub(super) enough_since: Option<Timestamp>,
    /// What is going on, if something is.
    pub(super) happening: Option<Happening>,
    /// The last one that ended, for the cool-down.
    pub(super) ended: Option<Ended>,
    /// Whether flood holds now, and key period.
    pub(super) posture: (bool, bool),
    /// Whose vehicles are known.
    pub(super) lists: Arc<VehicleLists>,
    /// Width of the pictures for one of their height.
    aspect: f32,
    /// Kind fallen: who is taken for an animal.
    fallen: FallenPeople,
}

impl Watch {
    /// Nothing was seen yet.
    pub(super) fn new(rule: &Config, camera: SourceId, masks: &Masks, timezone: TimeZone) -> Self {
        Self {
            camera,
            id: rule.id.as_str().into(),
            zone: Zone::new(&rule.zone),
            masks: masks.iter().map(|mask| polygon(mask)).collect(),
            // The configuration was checked; a schedule that cannot be read counts as always.
            schedule: Schedule::parse(&rule.schedule).unwrap_or_else(|_| Schedule::always()),
            rule: rule.clone(),
            timezone,
            things: BTreeMap::new(),
            lost_things: VecDeque::new(),
            reported: None,
            looked: None,
            enough_since: None,
            happening: None,
            ended: None,
            posture: (false, false),
            lists: Arc::default(),
            aspect: lying::USUAL_ASPECT,
            fallen: FallenPeople::default(),
        }
    }

    /// Whether it is the same rule, of the same kind, on the same camera; bounds may differ.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.camera == other.camera && self.id == other.id && self.rule.kind == other.rule.kind
    }

    /// Takes over the state of the same rule before a change of the configuration.
    pub(super) fn go_on(&mut self, before: Self) {
        self.things = before.things;
        self.lost_things = before.lost_things;
        self.reported = before.reported;
        self.looked = before.looked;
        self.enough_since = before.enough_since;
        self.happening = before.happening;
        self.ended = before.ended;
        self.aspect = before.aspect;
        self.fallen = before.fallen;
    }

    /// The rule or its camera was removed: a happening that was going on ends, with the reason.
    pub(super) fn retire(mut self, findings: &mut Vec<Finding>) {
        self.end(EndCause::Reload, findings);
    }

    /// What stands and was told, for the next start.
    pub(super) fn standing(&self) -> impl Iterator<Item = StandingThing> {
        let things = self.things.values().chain(&self.lost_things);
        things.filter_map(|thing| thing.standing(&self.camera, &self.id))
    }

    /// What stood when the gateway stopped is waited for, if that was short ago.
    pub(super) fn restore(&mut self, now: Timestamp, things: &[StandingThing]) {
        let own = |one: &&StandingThing| one.camera == self.camera && one.rule == self.id;
        let restored = things.iter().filter(own).map(ThingState::restored);
        self.lost_things.extend(restored.filter(|one| one.is_awaited(now)).take(LOST_THINGS_MAX));
    }

    /// Takes the tracks of one picture.
    pub(super) fn observe(
        &mut self,
        stamp: Stamp,
        frame: &TrackFrame,
        findings: &mut Vec<Finding>,
    ) {
        let at = stamp.at;
        if self.is_another_time(at) {
            self.end(EndCause::Over, findings);
            self.forget();
        }
        self.note_look(at);
        let shape = frame.picture.as_ref().filter(|picture| picture.width * picture.height > 0);
        self.aspect = shape.map_or(self.aspect, |one| one.width as f32 / one.height as f32);
        let shown = match self.rule.kind {
            RuleKind::Fallen => self.fallen.seen(frame, self.aspect, at),
            _ => Cow::Borrowed(frame),
        };
        let frame = &*shown;
        self.see(frame, at);
        let active = self.schedule.holds(at, &self.timezone);
        let enough = self.rule.kind != RuleKind::Crowd || self.enough(at);
        let news = if active && enough { self.news(at) } else { Vec::new() };
        if !news.is_empty() {
            self.tell(stamp, &news, frame, findings);
        } else if self.let_go(at) {
            self.end(EndCause::Standing, findings);
        } else if active && enough && self.is_held(at) {
            self.feed(stamp, &[], frame, findings);
        } else if self.misses(at) {
            self.end(EndCause::Over, findings);
        }
        if !active && self.happening.is_none() {
            // Who is there when the next window begins is told then.
            self.things.values_mut().for_each(ThingState::begin_anew);
        }
    }

    /// Ends the happening of a camera that has not been looked at for much longer than it usually is.
    pub(super) fn tick(&mut self, now: Now, findings: &mut Vec<Finding>) {
        let usual_ms = self.looked.map_or(0, |(_, interval_ms)| interval_ms);
        let clear_ms = u64::try_from(millis(self.rule.clear_s)).unwrap_or(0);
        let silent_ms = clear_ms + (usual_ms * SILENT_LOOKS).max(SILENT_MS);
        let over = self
            .happening
            .as_ref()
            .is_some_and(|one| now.mono_ms.saturating_sub(one.mono_ms) > silent_ms);
        if over {
            self.end(EndCause::Over, findings);
        }
    }

    fn clear(&self) -> SignedDuration {
        SignedDuration::from_millis(millis(self.rule.clear_s))
    }

    /// Whether so long has passed since the look before, or the clock was set back so far, that nothing
    /// is known any more of who was there.
    fn is_another_time(&self, at: Timestamp) -> bool {
        self.looked.is_some_and(|(before, interval_ms)| {
            let passed = i64::try_from(at.duration_since(before).as_millis()).unwrap_or(i64::MAX);
            let longest = i64::try_from((interval_ms * SILENT_LOOKS).max(GAP_MAX_MS)).unwrap_or(0);
            passed > longest || passed < -BACK_MAX_MS
        })
    }

    fn forget(&mut self) {
        self.things.clear();
        self.lost_things.clear();
        (self.reported, self.looked, self.enough_since, self.ended) = (None, None, None, None);
    }

    fn note_look(&mut self, at: Timestamp) {
        let interval = self.looked.map_or(0, |(before, known)| {
            let passed = u64::try_from(at.duration_since(before).as_millis()).unwrap_or(0);
            // Replayed pictures lie close together and say nothing of how often it is looked asleep.
            if passed <= INTERVAL_MAX_MS { passed.max(known * 9 / 10) } else { known }
        });
        self.looked = Some((at, interval));
    }

    /// Takes in where everything is in the picture of `at`.
    fn see(&mut self, frame: &TrackFrame, at: Timestamp) {
        let reported = self.reported.take();
        let is_new =
            |track: &Track| reported.as_ref().is_some_and(|ids| !ids.contains_key(&track.id));
        for track in frame.tracks.iter().filter(|track| track.seen) {
            if !self.looks_at(track) {
                // Who is seen to walk off has not vanished where he stood.
                if let Some(thing) = self.things.get_mut(&track.id) {
                    thing.walked_off(track.bbox, at);
                }
                continue;
            }
            let known = self.things.get(&track.id).map(|thing| thing.bbox.foot());
            if known.is_none() {
                if !self.rule.counts(&track.label) {
                    continue;
                }
                let new = is_new(track);
                let since = if new { track.since.min(at) } else { at };
                // In the first look after a start, it may be what stood there before.
                let begins = new || reported.is_none();
                let thing = begins.then(|| self.found_again(track, frame, at)).flatten();
                let thing = thing.unwrap_or_else(|| ThingState::new(track, since, at));
                self.things.insert(track.id, thing);
            }
            let fits = self.admits(track);
            let Some(thing) = self.things.get_mut(&track.id) else { continue };
            // At one picture a second, who walks is over the line by his second detection. He may come
            // out of a mask over it, or be known for what counts only now.
            let before = reported.as_ref().and_then(|ids| ids.get(&track.id)).map(|one| one.1);
            let foot = known.or(before);
            let foot = foot.unwrap_or(if is_new(track) { track.origin } else { track.bbox.foot() });
            thing.seen(track, at);
            if self.rule.may_read_plates() {
                Self::see_vehicle(&self.rule, thing, (frame, track), (foot, at));
            }
            thing.lying.seen(track.bbox, self.aspect, at);
            if fits {
                let sure = track.shown_in_crop || !self.rule.confirm_crop;
                thing.fits(at, self.rule.confirm_looks, sure);
            }
            if self.rule.kind == RuleKind::Line && crosses(&self.rule, foot, track.bbox.foot()) {
                let is_member =
                    self.happening.as_ref().is_some_and(|one| one.members.contains(&thing.id));
                thing.crosses(at, is_member);
            }
        }
        self.reported = Some(reported_with(reported.unwrap_or_default(), frame, at));
        self.miss(at);
    }

    /// Notes who is not seen in the picture of `at`, and forgets who is gone.
    fn miss(&mut self, at: Timestamp) {
        let clear = self.clear();
        let mut gone = Vec::new();
        for (track, thing) in self.things.iter_mut().filter(|(_, thing)| thing.last_at != at) {
            thing.missed(at);
            if thing.is_gone(at, clear) {
                gone.push(*track);
            }
        }
        let lost = gone.iter().filter_map(|track| self.things.remove(track));
        self.lost_things.extend(lost.filter(ThingState::is_rooted));
        self.lost_things.retain(|thing| thing.is_awaited(at));
        while self.lost_things.len() > LOST_THINGS_MAX {
            self.lost_things.pop_front();
        }
    }

    /// A thing that vanished where this track begins now, if there is one.
    fn found_again(
        &mut self,
        track: &Track,
        frame: &TrackFrame,
        at: Timestamp,
    ) -> Option<ThingState> {
        let followed = |id: &u64| frame.tracks.iter().any(|one| one.id == *id && one.seen);
        let missed = self.things.iter().find(|(id, thing)| {
            !followed(id) && thing.last_at != at && thing.is_found_again(track, at)
        });
        if let Some(id) = missed.map(|(id, _)| *id) {
            return self.things.remove(&id);
        }
        let lost = self.lost_things.iter().position(|thing| thing.is_found_again(track, at))?;
        let mut thing = self.lost_things.remove(lost)?;
        thing.found(track, at, self.rule.kind == RuleKind::FireLane);
        let is_member = self.happening.as_ref().is_some_and(|one| one.members.contains(&thing.id));
        thing.role = match () {
            () if thing.role == Role::LetGo => Role::LetGo,
            () if thing.is_standing && self.rule.lets_go() => Role::LetGo,
            () if is_member => Role::Holds,
            () => Role::Waits,
        };
        Some(thing)
    }

    /// Whether the rule looks where it stands.
    fn looks_at(&self, track: &Track) -> bool {
        let foot = track.bbox.foot();
        let inside = self.rule.kind == RuleKind::Line || self.zone.holds(foot);
        inside && !masked(&self.masks, foot)
    }

    /// Whether it looks as the rule wants things to look.
    fn admits(&self, track: &Track) -> bool {
        // A box may reach beyond the picture, which is all that can be covered.
        track.score >= self.rule.min_score
            && self.rule.fits(track.bbox.area().min(1.0))
            && self.rule.counts(&track.label)
    }

    /// Tracks of those who newly fulfil the rule in the picture of `at`.
    fn news(&self, at: Timestamp) -> Vec<u64> {
        let dwell = SignedDuration::from_millis(self.rule.dwell_ms());
        let fulfils = |thing: &ThingState| match self.rule.kind {
            RuleKind::Line => {
                thing.crossed_at.is_some_and(|crossed| at.duration_since(crossed) <= CROSSED_WITHIN)
            }
            RuleKind::Crowd => true,
            RuleKind::Fallen => {
                thing.lying.since().is_some_and(|since| at.duration_since(since) >= dwell)
            }
            RuleKind::FireLane | RuleKind::Barrier | RuleKind::Stay => {
                at.duration_since(self.since(thing)) >= dwell && self.counts_vehicle(thing, at)
            }
            RuleKind::Intrusion | RuleKind::Loiter | RuleKind::Waterside | RuleKind::Seen => {
                at.duration_since(self.since(thing)) >= dwell
            }
        };
        let is_news = |thing: &ThingState| {
            thing.role == Role::Waits && thing.admitted && thing.last_at == at && fulfils(thing)
        };
        self.things.iter().filter(|(_, thing)| is_news(thing)).map(|(track, _)| *track).collect()
    }

    /// Since when a thing does what the rule asks for.
    pub(super) fn since(&self, thing: &ThingState) -> Timestamp {
        match self.rule.kind {
            RuleKind::Line => thing.crossed_at.unwrap_or(thing.last_at),
            RuleKind::FireLane => thing.since.max(thing.stands_since()),
            RuleKind::Crowd => self.enough_since.unwrap_or(thing.last_at),
            RuleKind::Fallen => thing.lying.since().unwrap_or(thing.last_at),
            RuleKind::Intrusion
            | RuleKind::Loiter
            | RuleKind::Waterside
            | RuleKind::Seen
            | RuleKind::Barrier
            | RuleKind::Stay => thing.since,
        }
    }

    /// Kind crowd: whether there are enough, for long enough. One look that misses somebody does not
    /// send him away, nor does who hides him for a moment.
    fn enough(&mut self, at: Timestamp) -> bool {
        let hidden = self.clear().min(HIDDEN_FOR);
        let there = |thing: &&ThingState| {
            let stays = |(from, looks): (Timestamp, u32)| {
                looks <= 1 || (!thing.has_left && at.duration_since(from) < hidden)
            };
            thing.admitted && thing.absent.is_none_or(stays)
        };
        let many = self.things.values().filter(there).count();
        if many < usize::try_from(self.rule.count).unwrap_or(usize::MAX) {
            self.enough_since = None;
            return false;
        }
        let from = *self.enough_since.get_or_insert(at);
        at.duration_since(from).as_millis() >= i128::from(self.rule.dwell_ms())
    }

    /// Whether somebody who was told is seen in the picture of `at`.
    fn is_held(&self, at: Timestamp) -> bool {
        let holds = |thing: &ThingState| match self.rule.kind {
            RuleKind::Line => thing.crossed_at == Some(at),
            RuleKind::Fallen => thing.last_at == at && thing.lying.since().is_some(),
            _ => thing.last_at == at,
        };
        self.happening.is_some()
            && self.things.values().any(|thing| thing.role == Role::Holds && holds(thing))
    }

    /// Marks what has stood for long. True if it was the last that held a happening open.
    fn let_go(&mut self, at: Timestamp) -> bool {
        let after = SignedDuration::from_millis(
            self.rule.dwell_ms().saturating_add(millis(self.rule.standing_after_s)),
        );
        let mut any = false;
        for thing in self.things.values_mut().filter(|thing| thing.role == Role::Holds) {
            let stands = at.duration_since(thing.stands_since()) >= after && thing.last_at == at;
            thing.is_standing |= stands;
            if stands && self.rule.lets_go() {
                (thing.role, any) = (Role::LetGo, true);
            }
        }
        any && !self.things.values().any(|thing| thing.role == Role::Holds)
    }
}

/// With the tracks of the picture of `at`, without those of long ago.
fn reported_with(mut reported: Reported, frame: &TrackFrame, at: Timestamp) -> Reported {
    for track in &frame.tracks {
        let one = reported.entry(track.id).or_insert((at, track.bbox.foot()));
        one.0 = at;
        if track.seen {
            one.1 = track.bbox.foot();
        }
    }
    reported.retain(|_, (last, _)| at.duration_since(*last) <= REMEMBERED_FOR);
    reported
}

/// Whether a step from one place to the other crosses the rule's line in its direction.
fn crosses(rule: &Config, from: (f32, f32), to: (f32, f32)) -> bool {
    let left = crossing(&rule.line, from, to);
    match rule.direction {
        Direction::Both => left.is_some(),
        Direction::LeftToRight => left == Some(true),
        Direction::RightToLeft => left == Some(false),
    }
}
