//! How a rule does: precision, incidents a day, and why its cases were dismissed, by camera. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{CaseLine, DismissReason, RuleId, SourceId, Stage};

/// Of a rule, or of a rule on one camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RuleCounts {
    /// Cases that it opened.
    pub opened: u32,
    /// Taken on by somebody, and not dismissed afterwards.
    pub accepted: u32,
    /// 不予受理、作废.
    pub dismissed: u32,
    /// 并案 before anybody took them on: parts of other cases.
    pub merged: u32,
    /// None of these.
    pub undecided: u32,
    /// Why, as in replies; `unsaid` where no reason was given.
    pub dismissed_by: BTreeMap<String, u32>,
    /// Accepted of those that were decided, 0..1; none where nothing was.
    pub precision: Option<f64>,
    /// Cases a day of the time that was asked for.
    pub per_day: f64,
}

/// One rule, with its cameras.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleFigures {
    /// Which.
    pub rule: RuleId,
    /// On all cameras.
    pub total: RuleCounts,
    /// On each that opened a case.
    pub by_camera: BTreeMap<SourceId, RuleCounts>,
}

impl RuleCounts {
    fn add(&mut self, line: &CaseLine) {
        self.opened += 1;
        if line.stage == Stage::Dismissed {
            self.dismissed += 1;
            *self.dismissed_by.entry(word(line.reason)).or_default() += 1;
        } else if line.is_valid() {
            self.accepted += 1;
        } else if line.merged {
            self.merged += 1;
        } else {
            self.undecided += 1;
        }
    }

    fn finish(&mut self, days: f64) {
        let decided = self.accepted + self.dismissed;
        let share = f64::from(self.accepted) / f64::from(decided.max(1));
        self.precision = (decided > 0).then_some((share * 1e4).round() / 1e4);
        self.per_day = (f64::from(self.opened) / days.max(0.01) * 100.0).round() / 100.0;
    }
}

fn word(reason: Option<DismissReason>) -> String {
    reason.map_or("unsaid", DismissReason::id).to_owned()
}

/// All rules that are named or have a case in these lines, by name. Drills never count.
pub fn rule_figures<'a>(
    rules: impl IntoIterator<Item = &'a str>,
    lines: &[CaseLine],
    days: f64,
) -> Vec<RuleFigures> {
    let new = |rule: RuleId| RuleFigures {
        rule,
        total: RuleCounts::default(),
        by_camera: BTreeMap::new(),
    };
    let mut all: BTreeMap<RuleId, RuleFigures> =
        rules.into_iter().map(|id| (RuleId::from(id), new(id.into()))).collect();
    for line in lines.iter().filter(|line| !line.drill) {
        let Some(rule) = &line.rule else { continue };
        let figures = all.entry(rule.clone()).or_insert_with(|| new(rule.clone()));
        figures.total.add(line);
        if let Some(camera) = &line.source {
            figures.by_camera.entry(camera.clone()).or_default().add(line);
        }
    }
    for figures in all.values_mut() {
        figures.total.finish(days);
        figures.by_camera.values_mut().for_each(|counts| counts.finish(days));
    }
    all.into_values().collect()
}
