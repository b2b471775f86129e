//! Masks: where false alarms stood again and again, tried on every rule of that camera. Pure.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Proposal, SAVED_MIN, Study, Tried, Verdict, best, trial::Basis};
use crate::{
    domain::{Bbox, RuleId, Severity, SourceId},
    rules::{Config, Masks},
};

/// Feet so near each other, in shares of the picture, stood at one place.
const SPOT: f32 = 0.06;
/// What a thing did at that place belongs to it so far.
const REACH: f32 = 0.1;
/// Around it.
const MARGIN: f32 = 0.02;
/// A larger part of the picture is no spot.
const AREA_MAX: f32 = 0.15;
/// Spots of one camera.
const SPOTS_MAX: usize = 3;

/// One for each spot of each camera of this rule, and why there is none at a camera. A mask acts on every rule
/// of its camera, whether it ever had a case to try or not: where one may raise emergencies there is none.
pub(super) fn proposals(study: &Study<'_>, rule: &Config) -> (Vec<Proposal>, Option<String>) {
    let alarms = study.bases_of(rule).filter(|basis| basis.case.verdict == Verdict::FalseAlarm);
    let alarms: Vec<&Basis<'_>> = alarms.collect();
    let cameras: BTreeSet<&SourceId> = alarms.iter().map(|basis| &basis.case.camera).collect();
    let (mut proposals, mut blocked) = (Vec::new(), Vec::new());
    for camera in cameras {
        let Some(masks) = study.masks.get(camera) else { continue };
        let there =
            study.rules.iter().filter(|one| one.cameras.iter().any(|id| *id == camera.as_str()));
        let others: Vec<&Config> = there.filter(|one| one.id != rule.id).collect();
        let is_urgent = |one: &&&Config| one.severity_in(true, true) == Severity::EMERGENCY;
        if let Some(urgent) = others.iter().find(is_urgent) {
            blocked.push(format!("{camera}（{}）", urgent.id));
            continue;
        }
        let own: Vec<&Basis<'_>> =
            alarms.iter().copied().filter(|basis| basis.case.camera == *camera).collect();
        for boxes in spots(&own) {
            let tried = boxes.into_iter().map(|area| {
                let mut changed = masks.clone();
                changed.push(polygon(area));
                let tried = study.try_masks(camera, &changed);
                ((area, changed), tried)
            });
            let Some(((area, changed), tried)) = best(tried) else { continue };
            let (x, y) = area.centre();
            let id = format!("{}:mask:{camera}:{:.0}-{:.0}", rule.id, x * 100.0, y * 100.0);
            proposals.push(Proposal {
                id,
                rule: rule.id.as_str().into(),
                section: "camera",
                item: camera.as_str().into(),
                key: "mask",
                from: shown(masks),
                to: shown(&changed),
                tried,
                beside: others.iter().map(|one| study.decided_beside(camera, one)).collect(),
            });
        }
    }
    let why = (!blocked.is_empty()).then(|| {
        let cameras = blocked.join("、");
        format!("摄像头 {cameras} 另有紧急级别的规则，不建议遮挡 (no mask there: another rule of that camera raises emergencies)")
    });
    (proposals, why)
}

impl Study<'_> {
    /// Every case that this camera saw, of whichever rule, with other masks.
    fn try_masks(&self, camera: &SourceId, masks: &Masks) -> Tried {
        let mut tried = Tried::default();
        for basis in self.trial.bases.iter().filter(|basis| basis.case.camera == *camera) {
            let rule = self.rules.iter().find(|rule| rule.id == basis.case.rule.as_str());
            let Some(rule) = rule else { continue };
            tried.count(basis.case.verdict, self.trial.raised(basis, rule, masks));
        }
        tried.add_untold(self.untold(|case| case.camera == *camera));
        tried
    }

    /// Decided cases of a rule on this camera that a mask was tried on.
    fn decided_beside(&self, camera: &SourceId, rule: &Config) -> (RuleId, u32) {
        let own = self.bases_of(rule).filter(|basis| basis.case.camera == *camera);
        let decided = own.filter(|basis| basis.case.verdict != Verdict::Other).count();
        (rule.id.as_str().into(), u32::try_from(decided).unwrap_or(u32::MAX))
    }
}

/// Places where at least three false alarms stood: for each a box of where they stood when they were told,
/// and a larger one with all that they did there.
fn spots(alarms: &[&Basis<'_>]) -> Vec<[Bbox; 2]> {
    let foot = |basis: &&Basis<'_>| Some(basis.told.first()?.bbox?.foot());
    let mut left: Vec<(&Basis<'_>, (f32, f32))> =
        alarms.iter().filter_map(|basis| Some((*basis, foot(basis)?))).collect();
    let mut spots = Vec::new();
    while spots.len() < SPOTS_MAX {
        let near = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).hypot(a.1 - b.1) <= SPOT;
        let neighbours = |at: (f32, f32)| left.iter().filter(|(_, foot)| near(at, *foot)).count();
        // Of equals the first: the same cases always give the same spots.
        let mut centre = None;
        for (_, foot) in &left {
            let count = neighbours(*foot);
            if centre.is_none_or(|(_, most)| count > most) {
                centre = Some((*foot, count));
            }
        }
        let enough = |(_, count): &((f32, f32), usize)| *count >= SAVED_MIN as usize;
        let Some((at, _)) = centre.filter(enough) else { break };
        let (here, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, foot)| near(at, *foot));
        left = others;
        let told = around(here.iter().map(|(_, foot)| *foot));
        let walked = around(here.iter().flat_map(|(basis, _)| walked(basis, at)).chain([at]));
        let both = [walked.around(&told), told].map(with_margin);
        if both[1].area() <= AREA_MAX {
            let larger = if both[0].area() <= AREA_MAX { both[0] } else { both[1] };
            // Of two that do the same, the one that blinds less.
            spots.push([both[1], larger]);
        }
    }
    spots
}

/// Where the things of a case had their feet, near this place.
fn walked<'b>(basis: &'b Basis<'_>, at: (f32, f32)) -> impl Iterator<Item = (f32, f32)> + 'b {
    let things: BTreeSet<u64> = basis.told.iter().map(|told| told.thing).collect();
    let tracks = basis.looks.iter().flat_map(|look| &look.tracks);
    let own = tracks.filter(move |track| track.seen && things.contains(&track.id));
    own.map(|track| track.bbox.foot())
        .filter(move |foot| (foot.0 - at.0).hypot(foot.1 - at.1) <= REACH)
}

fn around(feet: impl Iterator<Item = (f32, f32)>) -> Bbox {
    let mut all: Option<Bbox> = None;
    for (x, y) in feet {
        let one = Bbox::new(x, y, x, y);
        all = Some(all.map_or(one, |all| all.around(&one)));
    }
    all.unwrap_or(Bbox::new(0.0, 0.0, 0.0, 0.0))
}

fn with_margin(area: Bbox) -> Bbox {
    let out = |v: f32, by: f32| (v + by).clamp(0.0, 1.0);
    let (x0, y0) = (out(area.x0, -MARGIN), out(area.y0, -MARGIN));
    let (x1, y1) = (out(area.x1, MARGIN), out(area.y1, MARGIN));
    let down = |v: f32| (v * 1000.0).floor() / 1000.0;
    let up = |v: f32| (v * 1000.0).ceil() / 1000.0;
    Bbox::new(down(x0), down(y0), up(x1), up(y1))
}

fn polygon(area: Bbox) -> Vec<[f32; 2]> {
    vec![[area.x0, area.y0], [area.x1, area.y0], [area.x1, area.y1], [area.x0, area.y1]]
}

/// With as many digits as were typed.
fn shown(masks: &Masks) -> serde_json::Value {
    let round = |v: f32| (f64::from(v) * 1e6).round() / 1e6;
    let points = |mask: &Vec<[f32; 2]>| mask.iter().map(|p| [round(p[0]), round(p[1])]).collect();
    json!(masks.iter().map(points).collect::<Vec<Vec<[f64; 2]>>>())
}
