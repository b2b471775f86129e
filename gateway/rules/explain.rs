//! Why a rule did or did not count what was seen: one sentence a track and rule, for `replay --explain`.

use jiff::Timestamp;

use super::{
    config::RuleKind,
    watch::{Role, Watch},
    zone::masked,
};
use crate::domain::{Track, TrackFrame, VehicleStanding};

impl Watch {
    /// What this rule makes of each track, in the order of the tracks. To be called after `observe`.
    pub(super) fn explain(&self, at: Timestamp, frame: &TrackFrame) -> Vec<String> {
        let state = self.state(at);
        frame
            .tracks
            .iter()
            .map(|track| {
                let (x, y) = track.bbox.foot();
                format!(
                    "{} #{} {:.2} at ({x:.2}, {y:.2}), {:.1} % of the picture: rule {}: {}; {state}",
                    track.label,
                    track.id,
                    track.score,
                    track.bbox.area() * 100.0,
                    self.rule.id,
                    self.verdict(track, at)
                )
            })
            .collect()
    }

    fn verdict(&self, track: &Track, at: Timestamp) -> String {
        let rule = &self.rule;
        if !rule.counts(&track.label) {
            return "this label is not asked for".into();
        }
        if !track.seen {
            return "only predicted, not seen in this picture".into();
        }
        let known = self.things.get(&track.id);
        if !known.is_some_and(|thing| thing.admitted) {
            if track.score < rule.min_score {
                return format!("score is below min_score {}", rule.min_score);
            }
            if track.bbox.area() < rule.min_size {
                return format!("smaller than min_size {}", rule.min_size);
            }
            if !rule.fits(track.bbox.area()) {
                return format!("larger than max_size {}", rule.max_size);
            }
        }
        if masked(&self.masks, track.bbox.foot()) {
            return "stands in an ignore-mask".into();
        }
        if rule.kind == RuleKind::Line {
            return "watched for a crossing".into();
        }
        if !self.zone.holds(track.bbox.foot()) {
            return "outside the zone".into();
        }
        if known.is_some_and(|thing| !thing.admitted) {
            return "waits for a second opinion".into();
        }
        match known.map(|thing| thing.role) {
            Some(Role::Holds) => return "was told".into(),
            Some(Role::LetGo) => return "was told, and holds nothing open".into(),
            Some(Role::Waits) | None => {}
        }
        if rule.kind == RuleKind::Fallen && known.is_none_or(|thing| thing.lying.since().is_none())
        {
            return "does not lie, or not for three looks".into();
        }
        if rule.needs_plates() && !known.is_some_and(|thing| self.counts_vehicle(thing, at)) {
            let standing = known.and_then(|thing| self.standing_of(thing, at));
            let standing = standing.map_or("not known yet", VehicleStanding::as_str);
            return format!("a vehicle that is {standing}");
        }
        let stayed = known.map_or(0.0, |thing| at.duration_since(self.since(thing)).as_secs_f64());
        let dwell = rule.dwell_ms() as f64 / 1000.0;
        // What each thing must do for the dwell; of a crowd the number must last, and `state` says so.
        let waits = match rule.kind {
            RuleKind::Crowd => None,
            RuleKind::FireLane => Some("stands"),
            RuleKind::Fallen => Some("lies"),
            RuleKind::Barrier
            | RuleKind::Stay
            | RuleKind::Intrusion
            | RuleKind::Line
            | RuleKind::Loiter
            | RuleKind::Waterside
            | RuleKind::Seen => Some("in the zone"),
        };
        match waits.filter(|_| stayed < dwell) {
            Some(waits) => format!("{waits} for {stayed:.1} of {dwell:.1} s"),
            None => "counts".into(),
        }
    }

    fn state(&self, at: Timestamp) -> String {
        if !self.schedule.holds(at, &self.timezone) {
            return "its schedule is off now".into();
        }
        if let Some(happening) = &self.happening {
            let lasted = at.duration_since(happening.began_at).as_secs_f64();
            return format!("a happening is on, {lasted:.1} s");
        }
        if let Some(ended) = &self.ended {
            let passed = at.duration_since(ended.at).as_secs_f64();
            let cooldown_s = self.rule.cooldown_in(self.posture.0);
            if passed < cooldown_s {
                return format!("cool-down, {passed:.1} of {cooldown_s:.1} s");
            }
        }
        match (self.rule.kind, self.enough_since) {
            (RuleKind::Crowd, None) => format!("fewer than {}", self.rule.count),
            (RuleKind::Crowd, Some(since)) => {
                let held = at.duration_since(since).as_secs_f64();
                format!("{} or more for {held:.1} s", self.rule.count)
            }
            _ => "nothing happens".into(),
        }
    }
}
