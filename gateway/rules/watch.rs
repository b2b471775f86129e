//! One rule on one camera: which tracks fulfil it, since when, and when a happening begins and ends.

use std::collections::{BTreeMap, HashMap};

use geo::Polygon;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Masks,
    config::{Config, Direction, RuleKind, millis},
    schedule::Schedule,
    zone::{Zone, crossing, masked, polygon},
};
use crate::domain::{
    ClockError, Detail, Finding, Now, ObjectCount, Phase, RuleId, Shot, SourceId, Stamp, Track,
    TrackFrame,
};

/// A vehicle that moves less than this over its dwell stands (share of the picture).
const STANDS_WITHIN: f32 = 0.02;
/// A track is reported from its second detection on, which comes within so long of the first, or late.
const CONFIRMED_WITHIN_MS: i64 = 1_000;
/// A happening that was longer by this much is worth an update.
const LONGER_MS: i64 = 30_000;

/// What is remembered of one track.
pub(super) struct TrackMemory {
    /// When it came into the zone, or began to stand.
    pub(super) since: Timestamp,
    last: Timestamp,
    foot: (f32, f32),
    /// Where it began to stand (fire lane).
    anchor: (f32, f32),
    crossed: bool,
}

/// The rule is fulfilled.
pub(super) struct Happening {
    /// Source time.
    pub(super) began_at: Timestamp,
    last: Timestamp,
    most: u32,
    reported_ms: i64,
    clock: ClockError,
    /// When the rule was last fulfilled, on our own clock.
    mono_ms: u64,
}

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
    /// Tracks in the zone, by id.
    pub(super) seen: HashMap<u64, TrackMemory>,
    /// Kind crowd: since when there have been enough.
    pub(super) enough_since: Option<Timestamp>,
    /// What is going on, if something is.
    pub(super) happening: Option<Happening>,
    /// When the last one ended, for the cool-down.
    pub(super) ended_at: Option<Timestamp>,
    /// Whether flood holds now, and key period.
    pub(super) posture: (bool, bool),
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
            seen: HashMap::new(),
            enough_since: None,
            happening: None,
            ended_at: None,
            posture: (false, false),
        }
    }

    /// Whether it is the same rule, of the same kind, on the same camera; bounds may differ.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.camera == other.camera && self.id == other.id && self.rule.kind == other.rule.kind
    }

    /// Takes over the state of the same rule before a change of the configuration.
    pub(super) fn go_on(&mut self, before: Self) {
        let Self { seen, enough_since, happening, ended_at, .. } = before;
        self.seen = seen;
        self.enough_since = enough_since;
        self.happening = happening;
        self.ended_at = ended_at;
    }

    /// The rule or its camera was removed: a happening that was going on ends, with the reason.
    pub(super) fn retire(mut self, findings: &mut Vec<Finding>) {
        let before = findings.len();
        self.end(findings);
        for finding in &mut findings[before..] {
            finding.detail.insert("ended_by".into(), "reload".into());
        }
    }

    /// Takes the tracks of one picture.
    pub(super) fn observe(
        &mut self,
        stamp: Stamp,
        frame: &TrackFrame,
        findings: &mut Vec<Finding>,
    ) {
        let at = stamp.at;
        let clear = SignedDuration::from_millis(millis(self.rule.clear_s));
        self.seen.retain(|_, seen| at.duration_since(seen.last) <= clear);
        let mut fulfilling: Vec<&Track> = Vec::new();
        let mut since = at;
        let counted: Vec<&Track> = frame.tracks.iter().filter(|track| self.counts(track)).collect();
        for track in counted {
            if let Some(from) = self.fulfils(track, at) {
                since = since.min(from);
                fulfilling.push(track);
            }
        }
        let active = self.schedule.holds(at, &self.timezone);
        let fulfilled = active && self.enough(&fulfilling, at, &mut since);
        if fulfilled {
            self.feed(stamp, since, &fulfilling, frame, findings);
        } else if self.happening.as_ref().is_some_and(|one| at.duration_since(one.last) > clear) {
            self.end(findings);
        }
    }

    /// Ends the happening of a camera that has sent nothing for longer than the clear time.
    pub(super) fn tick(&mut self, now: Now, findings: &mut Vec<Finding>) {
        let silent_ms = u64::try_from(millis(self.rule.clear_s)).unwrap_or(0) + 10_000;
        let over = self
            .happening
            .as_ref()
            .is_some_and(|one| now.mono_ms.saturating_sub(one.mono_ms) > silent_ms);
        if over {
            self.end(findings);
        }
    }

    fn counts(&self, track: &Track) -> bool {
        track.seen
            && track.score >= self.rule.min_score
            && self.rule.fits(track.bbox.area())
            && self.rule.counts(&track.label)
            && !masked(&self.masks, track.bbox.foot())
    }

    /// Since when this one fulfils the rule, if it does.
    fn fulfils(&mut self, track: &Track, at: Timestamp) -> Option<Timestamp> {
        let foot = track.bbox.foot();
        let line = self.rule.kind == RuleKind::Line;
        if !line && !self.zone.holds(foot) {
            self.seen.remove(&track.id);
            return None;
        }
        // A track that was only just confirmed was in the zone since its first detection; an older one
        // came in now.
        let just_confirmed =
            at.duration_since(track.since).as_millis() <= i128::from(CONFIRMED_WITHIN_MS);
        let seen = self.seen.entry(track.id).or_insert(TrackMemory {
            since: if just_confirmed { track.since.min(at) } else { at },
            last: at,
            foot,
            anchor: foot,
            crossed: false,
        });
        let before = std::mem::replace(&mut seen.foot, foot);
        seen.last = at;
        match self.rule.kind {
            RuleKind::Line => {
                let left = crossing(&self.rule.line, before, foot);
                seen.crossed |= match self.rule.direction {
                    Direction::Both => left.is_some(),
                    Direction::LeftToRight => left == Some(true),
                    Direction::RightToLeft => left == Some(false),
                };
                // A crossing has no duration: it counts once.
                std::mem::take(&mut seen.crossed).then_some(at)
            }
            RuleKind::FireLane => {
                let moved = (foot.0 - seen.anchor.0).hypot(foot.1 - seen.anchor.1);
                if moved > STANDS_WITHIN {
                    (seen.anchor, seen.since) = (foot, at);
                }
                Some(seen.since).filter(|since| {
                    at.duration_since(*since).as_millis() >= i128::from(self.rule.dwell_ms())
                })
            }
            RuleKind::Loiter | RuleKind::Intrusion | RuleKind::Waterside => Some(seen.since)
                .filter(|since| {
                    at.duration_since(*since).as_millis() >= i128::from(self.rule.dwell_ms())
                }),
            RuleKind::Crowd => Some(at),
        }
    }

    fn enough(&mut self, fulfilling: &[&Track], at: Timestamp, since: &mut Timestamp) -> bool {
        if self.rule.kind != RuleKind::Crowd {
            return !fulfilling.is_empty();
        }
        if fulfilling.len() < usize::try_from(self.rule.count).unwrap_or(usize::MAX) {
            self.enough_since = None;
            return false;
        }
        let from = *self.enough_since.get_or_insert(at);
        *since = from;
        at.duration_since(from).as_millis() >= i128::from(self.rule.dwell_ms())
    }

    /// The rule is fulfilled by these tracks since `since`: makes a finding, or a happening that begins.
    fn feed(
        &mut self,
        stamp: Stamp,
        since: Timestamp,
        who: &[&Track],
        frame: &TrackFrame,
        findings: &mut Vec<Finding>,
    ) {
        let at = stamp.at;
        let count = u32::try_from(who.len()).unwrap_or(u32::MAX);
        let begins = self.happening.is_none();
        if begins && !self.begin(stamp, since, count) {
            return;
        }
        let Some(happening) = &mut self.happening else { return };
        happening.last = happening.last.max(at);
        happening.mono_ms = stamp.mono_ms;
        let lasted_ms =
            i64::try_from(at.duration_since(happening.began_at).as_millis()).unwrap_or(0);
        let notable = count > happening.most || lasted_ms - happening.reported_ms >= LONGER_MS;
        if notable {
            happening.reported_ms = lasted_ms;
        }
        happening.most = happening.most.max(count);
        let (began_at, clock) = (happening.began_at, happening.clock.clone());
        let quality = who.iter().map(|track| track.score * (0.05 + track.bbox.area())).sum();
        let shot = frame.picture.clone().map(|picture| Shot {
            picture,
            boxes: who.iter().map(|track| (*track).clone()).collect(),
            quality,
        });
        let detail: Detail = BTreeMap::from([("lasted_s".into(), (lasted_ms / 1000).into())]);
        findings.push(Finding {
            key: self.key(),
            phase: if begins { Phase::Begins } else { Phase::Continues },
            rule: Some(self.id.clone()),
            source: self.camera.clone(),
            kind: self.rule.kind_of_incident(),
            severity: self.rule.severity_in(self.posture.0, self.posture.1),
            title: None,
            began_at,
            at,
            clock,
            objects: objects(who),
            why: format!(
                "rule {}: {count} at once, for {:.1} s{}",
                self.id,
                lasted_ms as f64 / 1000.0,
                self.rule.why_in(self.posture.0, self.posture.1)
            ),
            detail,
            shot,
            notable,
        });
    }

    /// Begins a happening; false during the cool-down after the last one.
    fn begin(&mut self, stamp: Stamp, since: Timestamp, count: u32) -> bool {
        let cooldown_s = self.rule.cooldown_in(self.posture.0);
        let cooldown = SignedDuration::from_millis(millis(cooldown_s));
        if self.ended_at.is_some_and(|ended| stamp.at.duration_since(ended) < cooldown) {
            return false;
        }
        self.happening = Some(Happening {
            began_at: since,
            last: stamp.at,
            most: count,
            reported_ms: 0,
            clock: ClockError::of(stamp),
            mono_ms: stamp.mono_ms,
        });
        true
    }

    fn end(&mut self, findings: &mut Vec<Finding>) {
        let Some(happening) = self.happening.take() else { return };
        self.ended_at = Some(happening.last);
        self.enough_since = None;
        let lasted = happening.last.duration_since(happening.began_at);
        findings.push(Finding {
            key: self.key(),
            phase: Phase::Ends,
            rule: Some(self.id.clone()),
            source: self.camera.clone(),
            kind: self.rule.kind_of_incident(),
            severity: self.rule.severity_in(self.posture.0, self.posture.1),
            title: None,
            began_at: happening.began_at,
            at: happening.last,
            clock: happening.clock,
            objects: Vec::new(),
            why: format!(
                "rule {}: at most {} at once, for {:.1} s{}",
                self.id,
                happening.most,
                lasted.as_secs_f64(),
                self.rule.why_in(self.posture.0, self.posture.1)
            ),
            detail: BTreeMap::from([("lasted_s".into(), lasted.as_secs().into())]),
            shot: None,
            notable: false,
        });
    }

    fn key(&self) -> String {
        format!("rule/{}/{}", self.id, self.camera)
    }
}

fn objects(who: &[&Track]) -> Vec<ObjectCount> {
    let mut counts: BTreeMap<&str, ObjectCount> = BTreeMap::new();
    for track in who {
        let one = counts.entry(&track.label).or_insert_with(|| ObjectCount {
            label: track.label.to_string(),
            count: 0,
            score_max: 0.0,
        });
        one.count += 1;
        one.score_max = one.score_max.max(track.score);
    }
    counts.into_values().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::type_complexity, reason = "tables")]
    use super::*;
    use crate::domain::{Bbox, Body, Observation};
    use crate::rules::Rules;

    /// Rows of (second, people as (id, x, y of the foot)); what the rule finds, by second.
    fn check(rule: &str, rows: &[(f64, &[(u64, f32, f32)])]) -> Vec<String> {
        check_label(rule, "person", rows)
    }

    fn check_label(rule: &str, label: &str, rows: &[(f64, &[(u64, f32, f32)])]) -> Vec<String> {
        let config: Config = toml::from_str(&format!("id = \"r\"\n{rule}")).unwrap();
        assert_eq!(config.problems(), []);
        let mut rules = Rules::new(
            &[config],
            &[("c".into(), vec![vec![[0.0, 0.0], [0.1, 0.0], [0.1, 1.0], [0.0, 1.0]]])],
            &TimeZone::UTC,
        );
        let start: Timestamp = "2026-07-03T12:00:00Z".parse().unwrap();
        let mut lines = Vec::new();
        for (second, people) in rows {
            let at = start + SignedDuration::from_millis(millis(*second));
            let tracks = people
                .iter()
                .map(|(id, x, y)| Track {
                    id: *id,
                    label: label.into(),
                    score: 0.9,
                    bbox: Bbox::new(x - 0.05, y - 0.3, x + 0.05, *y),
                    seen: true,
                    since: at,
                })
                .collect();
            let now = Now { wall: at, mono_ms: (second * 1000.0) as u64 };
            let body = Body::Tracks(TrackFrame { tracks, picture: None });
            let mut findings = Vec::new();
            rules.observe(
                &Observation { source: "c".into(), stamp: Stamp::of_gateway(now), body },
                &mut findings,
            );
            for finding in
                findings.iter().filter(|one| one.phase != Phase::Continues || one.notable)
            {
                let began = finding.began_at.duration_since(start).as_secs_f64();
                lines.push(format!("{second}: {:?} since {began}", finding.phase));
            }
        }
        lines
    }

    #[test]
    fn intrusion_is_one_happening_with_clear_and_cooldown() {
        let rule = "kind = \"intrusion\"\nzone = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]\nclear_s = 2\ncooldown_s = 10";
        let rows: &[(f64, &[(u64, f32, f32)])] = &[
            (0.0, &[(1, 0.5, 0.4)]),
            (1.0, &[(1, 0.5, 0.6)]),
            (2.0, &[]),
            (3.0, &[(1, 0.5, 0.6), (2, 0.6, 0.6)]),
            (4.0, &[(3, 0.05, 0.9)]),
            (6.0, &[]),
            (8.0, &[(4, 0.5, 0.6)]),
            (14.0, &[(4, 0.5, 0.6)]),
        ];
        assert_eq!(
            check(rule, rows),
            ["1: Begins since 1", "3: Continues since 1", "6: Ends since 1", "14: Begins since 14"]
        );
    }

    #[test]
    fn a_line_has_a_direction() {
        let rows: &[(f64, &[(u64, f32, f32)])] = &[
            (0.0, &[(1, 0.5, 0.4)]),
            (1.0, &[(1, 0.5, 0.6)]),
            (1.2, &[(2, 0.3, 0.6)]),
            (1.4, &[(2, 0.3, 0.4)]),
        ];
        let line = "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]\n";
        assert_eq!(
            check(&format!("{line}direction = \"left-to-right\""), rows),
            ["1: Begins since 1"]
        );
        assert_eq!(
            check(&format!("{line}direction = \"right-to-left\""), rows),
            ["1.4: Begins since 1.4"]
        );
    }

    #[test]
    fn loitering_takes_its_time_and_began_when_they_came() {
        let rule = "kind = \"loiter\"\ndwell_s = 3";
        let stay: Vec<(f64, &[(u64, f32, f32)])> =
            (0..6).map(|n| (f64::from(n), &[(1u64, 0.5f32, 0.6f32)] as &[_])).collect();
        assert_eq!(check(rule, &stay), ["3: Begins since 0"]);
        let pass: Vec<(f64, &[(u64, f32, f32)])> =
            vec![(0.0, &[(1, 0.5, 0.6)]), (2.0, &[(2, 0.5, 0.6)]), (4.0, &[(3, 0.5, 0.6)])];
        assert_eq!(check(rule, &pass), [] as [&str; 0]);
    }

    #[test]
    fn a_crowd_is_a_count_that_holds() {
        let rule = "kind = \"crowd\"\ncount = 2\ndwell_s = 1";
        let rows: &[(f64, &[(u64, f32, f32)])] = &[
            (0.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6)]),
            (0.5, &[(1, 0.5, 0.6)]),
            (1.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6)]),
            (2.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6)]),
            (3.0, &[(1, 0.5, 0.6), (2, 0.7, 0.6), (3, 0.8, 0.6)]),
        ];
        assert_eq!(check(rule, rows), ["2: Begins since 1", "3: Continues since 1"]);
    }

    #[test]
    fn a_fire_lane_wants_a_vehicle_that_stands() {
        let rule = "kind = \"fire-lane\"\ndwell_s = 2";
        let stands: Vec<(f64, &[(u64, f32, f32)])> = vec![
            (0.0, &[(1, 0.3, 0.6)]),
            (1.0, &[(1, 0.5, 0.6)]),
            (2.0, &[(1, 0.505, 0.6)]),
            (3.0, &[(1, 0.5, 0.6)]),
        ];
        assert_eq!(check_label(rule, "car", &stands), ["3: Begins since 1"]);
        assert_eq!(check_label(rule, "person", &stands), [] as [&str; 0]);
    }
}
