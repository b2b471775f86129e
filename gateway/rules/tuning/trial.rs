//! One case tried again: the rule runs over the tracks around it, as it is and as it would be. Pure.
//!
//! A case can be tried where the rule, as it is now, tells of something when the case was opened. It
//! would still be raised where the changed rule tells of the same thing, at that time or later.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;

use super::{JudgedCase, Verdict, dwell_steps::later_at_most};
use crate::{
    domain::{Bbox, Finding, KeptLook, Now, SourceId, Stamp, Track, TrackFrame},
    rules::{Config, Masks, watch::Watch},
};

/// So long before a case the rule begins to look, beyond its dwell: who stands there is known by then.
const BEFORE: SignedDuration = SignedDuration::from_secs(150);
/// And so long after it began, at most.
const AFTER_MAX: SignedDuration = SignedDuration::from_secs(600);
/// A case that never ended is taken to have lasted so long.
const LASTED: SignedDuration = SignedDuration::from_secs(60);
const AFTER_END: SignedDuration = SignedDuration::from_secs(10);
/// A finding so far from the opening is that of the case.
const SAME_MOMENT: SignedDuration = SignedDuration::from_secs(3);
/// Tracks that were not seen for so long are others.
const ANOTHER_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Boxes that overlap by this much at one moment are one thing.
const SAME_PLACE_IOU: f32 = 0.5;

/// What a change would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tried {
    /// False alarms that could be tried.
    pub false_alarms: u32,
    /// And those of them that would not have been raised.
    pub saved: u32,
    /// Real cases that could be tried.
    pub real: u32,
    /// And those of them that would not have been raised: what it costs.
    pub lost: u32,
    /// Cases that were dismissed for another reason, or are undecided, and could be tried.
    pub others: u32,
    /// And those of them that would not have been raised.
    pub others_lost: u32,
    /// Real ones would have been raised later by up to so many seconds.
    pub later_s: f64,
    /// Decided cases that could not be tried: their tracks are gone, or do not show them.
    pub untold: u32,
    /// Of these, real ones: what they would have cost is not known.
    pub untold_real: u32,
}

/// What a changed rule would have made of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// So long after it was.
    Raised(SignedDuration),
    NotRaised,
    /// What it was of is still there where the tracks end: it may have been raised later.
    Untold,
}

impl Tried {
    /// Takes in what would have become of a case.
    pub(super) fn count(&mut self, verdict: Verdict, outcome: Outcome) {
        if outcome == Outcome::Untold {
            self.untold += u32::from(verdict != Verdict::Other);
            self.untold_real += u32::from(verdict == Verdict::Real);
            return;
        }
        let (all, gone) = match verdict {
            Verdict::FalseAlarm => (&mut self.false_alarms, &mut self.saved),
            Verdict::Real => (&mut self.real, &mut self.lost),
            Verdict::Other => (&mut self.others, &mut self.others_lost),
        };
        *all += 1;
        *gone += u32::from(outcome == Outcome::NotRaised);
        if let (Outcome::Raised(later), Verdict::Real) = (outcome, verdict) {
            let later_s = (later.as_secs_f64() * 10.0).round() / 10.0;
            self.later_s = self.later_s.max(later_s);
        }
    }

    /// Cases that could not be tried at all, and the real ones of them.
    pub(super) fn add_untold(&mut self, (all, real): (u32, u32)) {
        self.untold += all;
        self.untold_real += real;
    }
}

/// Something that a rule told.
#[derive(Clone, Debug)]
pub(super) struct ToldThing {
    pub(super) at: Timestamp,
    pub(super) thing: u64,
    /// Where it was then, if its track still goes by that id.
    pub(super) bbox: Option<Bbox>,
}

/// A case that can be tried: what was told when it was opened.
pub(super) struct Basis<'s> {
    pub(super) case: &'s JudgedCase,
    pub(super) looks: &'s [KeptLook],
    pub(super) told: Vec<ToldThing>,
    /// Of the rule as it is.
    dwell_ms: i64,
}

/// All cases that can be tried.
pub(super) struct Trial<'s> {
    pub(super) bases: Vec<Basis<'s>>,
    zone: &'s TimeZone,
}

/// From when to when a case needs tracks.
pub(super) fn window(rule: &Config, case: &JudgedCase) -> (Timestamp, Timestamp) {
    let dwell = SignedDuration::from_millis(rule.dwell_ms());
    let ended = case.ended_at.unwrap_or(case.opened_at + LASTED).max(case.opened_at);
    // With a longer dwell it is told later.
    let later = later_at_most(rule);
    let until = match case.ended_at {
        Some(_) => ended.min(case.opened_at + AFTER_MAX + later),
        None => ended + later,
    };
    let until = until + AFTER_END;
    (case.opened_at - BEFORE - dwell, until)
}

/// Looks from one time to another, of those that are sorted by time.
pub(super) fn between(looks: &[KeptLook], (from, until): (Timestamp, Timestamp)) -> &[KeptLook] {
    let first = looks.partition_point(|look| look.at < from);
    let last = looks.partition_point(|look| look.at <= until);
    &looks[first..last.max(first)]
}

impl<'s> Trial<'s> {
    /// Tries each case with the rules as they are.
    pub(super) fn new(
        rules: &[Config],
        masks: &BTreeMap<SourceId, Masks>,
        zone: &'s TimeZone,
        cases: &[&'s JudgedCase],
        looks: &'s BTreeMap<SourceId, Vec<KeptLook>>,
    ) -> Self {
        let none = Masks::new();
        let basis = |case: &&'s JudgedCase| {
            let rule = rules.iter().find(|rule| rule.id == case.rule.as_str())?;
            let looks = between(looks.get(&case.camera)?, window(rule, case));
            let masks = masks.get(&case.camera).unwrap_or(&none);
            let told = tell(rule, &case.camera, masks, zone, looks);
            let off = |told: &ToldThing| told.at.duration_since(case.opened_at).abs();
            let nearest = told.iter().map(off).min().filter(|off| *off <= SAME_MOMENT)?;
            let told = told.into_iter().filter(|one| off(one) == nearest).collect();
            Some(Basis { case, looks, told, dwell_ms: rule.dwell_ms() })
        };
        Self { bases: cases.iter().filter_map(basis).collect(), zone }
    }

    /// Leaves the oldest cases out, so that all that are left have so many looks at most; rules share them.
    pub(super) fn thin(&mut self, looks_max: usize) {
        let rules: BTreeSet<&str> = self.bases.iter().map(|one| one.case.rule.as_str()).collect();
        let share = looks_max / rules.len().max(1);
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        self.bases.retain(|basis| {
            let used = used.entry(basis.case.rule.as_str()).or_default();
            *used += basis.looks.len();
            *used <= share
        });
    }

    /// What would have become of a case by the rule as it would be.
    pub(super) fn raised(&self, basis: &Basis<'_>, rule: &Config, masks: &Masks) -> Outcome {
        let told = tell(rule, &basis.case.camera, masks, self.zone, basis.looks);
        let is_same = |one: &ToldThing| {
            basis.told.iter().any(|known| {
                let by_place = one.at.duration_since(known.at).abs()
                    <= SignedDuration::from_secs(1)
                    && one.bbox.zip(known.bbox).is_some_and(|(a, b)| a.iou(&b) >= SAME_PLACE_IOU);
                one.thing == known.thing || by_place
            })
        };
        let first = basis.told.iter().map(|one| one.at).min().unwrap_or(basis.case.opened_at);
        let later = told.iter().filter(|one| one.at >= first - SAME_MOMENT && is_same(one));
        match later.map(|one| one.at.duration_since(first)).min() {
            Some(later) => Outcome::Raised(later.max(SignedDuration::ZERO)),
            None if rule.dwell_ms() > basis.dwell_ms && basis.stays() => Outcome::Untold,
            None => Outcome::NotRaised,
        }
    }
}

impl Basis<'_> {
    /// What it was of is still there in the last look that is known.
    fn stays(&self) -> bool {
        let is_told = |id: u64| self.told.iter().any(|told| told.thing == id);
        self.looks.last().is_some_and(|look| look.tracks.iter().any(|track| is_told(track.id)))
    }
}

/// Everything that the rule tells of these looks.
fn tell(
    rule: &Config,
    camera: &SourceId,
    masks: &Masks,
    zone: &TimeZone,
    looks: &[KeptLook],
) -> Vec<ToldThing> {
    let mut told = Vec::new();
    let mut watch = Watch::new(rule, camera.clone(), masks, zone.clone());
    play(&mut watch, looks, None, &mut |at, frame, findings| {
        let news: BTreeSet<u64> =
            findings.iter().flat_map(|finding| finding.things.news.iter().copied()).collect();
        told.extend(news.into_iter().map(|thing| {
            let bbox = frame.tracks.iter().find(|track| track.id == thing).map(|track| track.bbox);
            ToldThing { at, thing, bbox }
        }));
    });
    told
}

/// Shows the watch these looks, and those that were not kept because they showed nobody, up to `until`;
/// `each` is told what it finds in each of them.
pub(super) fn play(
    watch: &mut Watch,
    looks: &[KeptLook],
    until: Option<Timestamp>,
    each: &mut dyn FnMut(Timestamp, &TrackFrame, &[Finding]),
) {
    let clear_s = watch.rule.clear_s;
    let mut known: BTreeMap<u64, (Timestamp, (f32, f32), Timestamp)> = BTreeMap::new();
    let mut before: Option<&KeptLook> = None;
    let ends = looks.iter().map(|look| (look.at, Some(look)));
    for (at, look) in ends.chain(until.map(|until| (until, None))) {
        if let Some(empty) = before.filter(|before| before.tracks.is_empty()) {
            for at in quiet(empty.at, at, clear_s) {
                observe(watch, at, Vec::new(), each);
            }
        }
        let Some(look) = look else { break };
        let tracks = look.tracks.iter().map(|kept| dated(kept, look.at, &mut known)).collect();
        observe(watch, look.at, tracks, each);
        before = Some(look);
    }
}

/// Looks that showed nobody are not kept, but for the first: here they are again, as often as anything can
/// still depend on them.
fn quiet(from: Timestamp, until: Timestamp, clear_s: f64) -> Vec<Timestamp> {
    // Beyond five minutes nothing is known any more of who was there.
    const KNOWN_S: i64 = 330;
    let dense = clear_s.clamp(0.0, 300.0).ceil() as i64 + 5;
    let all = (1..=dense).chain((dense..KNOWN_S).step_by(30).skip(1));
    let at = all.map(|second| from + SignedDuration::from_secs(second));
    at.take_while(|at| *at < until).collect()
}

/// With what a file does not keep of a track: when and where it came.
fn dated(
    kept: &Track,
    at: Timestamp,
    known: &mut BTreeMap<u64, (Timestamp, (f32, f32), Timestamp)>,
) -> Track {
    let new = (at, kept.bbox.foot(), at);
    let one = known.entry(kept.id).or_insert(new);
    if at.duration_since(one.2) > ANOTHER_AFTER {
        *one = new;
    }
    one.2 = at;
    Track { since: one.0, origin: one.1, ..kept.clone() }
}

fn observe(
    watch: &mut Watch,
    at: Timestamp,
    tracks: Vec<Track>,
    each: &mut dyn FnMut(Timestamp, &TrackFrame, &[Finding]),
) {
    let mono_ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let frame = TrackFrame { tracks, picture: None, vehicles: Vec::new() };
    let mut findings: Vec<Finding> = Vec::new();
    watch.observe(Stamp::of_gateway(Now { wall: at, mono_ms }), &frame, &mut findings);
    each(at, &frame, &findings);
}
