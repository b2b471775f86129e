//! What dismissed cases teach of a rule: how it does, and what could be changed of it, tried on what was recorded. Pure.
//!
//! Nothing is changed here: a proposal says what it would have saved and what it would have cost, and a
//! person applies it. Only false alarms teach; a case that was dismissed for another reason (a duplicate,
//! nobody found any more) may have been real, and what would have been lost of those is said as well.

mod counts;
mod dwell_steps;
mod ladder;
mod mask;
mod schedule;
#[cfg(test)]
mod tests;
mod trial;
mod tryout;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use serde_json::Value;

use super::{Config, Masks};
use crate::domain::{
    CaseLine, DismissReason, IncidentId, KeptLook, RuleId, Severity, SourceId, Stage,
};

pub use counts::{RuleCounts, RuleFigures, rule_figures};
pub use trial::Tried;
use trial::{Basis, Trial};
pub use tryout::{Raised, raised, tryout_window};

/// A proposal that would have saved fewer is none.
const SAVED_MIN: u32 = 3;
/// One that would have lost real cases must have saved so many for each.
const SAVED_FOR_EACH_LOST: u32 = 5;
/// Cases of one rule and verdict that are tried, the newest.
const CASES_MAX: usize = 100;
/// Looks of all cases that are gone through once for each step of each key: more would hold a core for minutes.
/// Rules share them evenly, the newest cases first; the others are told as untold.
const TRIED_LOOKS_MAX: usize = 200_000;

/// What persons made of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Somebody took it on, and it was not dismissed afterwards.
    Real,
    /// 误报.
    FalseAlarm,
    /// Dismissed for another reason, merged before anybody took it on, or undecided.
    Other,
}

/// A case of a rule, as far as trying needs it.
#[derive(Clone, Debug)]
pub struct JudgedCase {
    /// Of the incident.
    pub id: IncidentId,
    /// The rule that opened it.
    pub rule: RuleId,
    /// Who saw it.
    pub camera: SourceId,
    /// Source time at which it was found.
    pub opened_at: Timestamp,
    /// Source time at which it was over.
    pub ended_at: Option<Timestamp>,
    /// What persons made of it.
    pub verdict: Verdict,
}

impl JudgedCase {
    /// None: no rule stands behind it, or it is a drill.
    pub fn of(line: &CaseLine) -> Option<Self> {
        if line.drill {
            return None;
        }
        let verdict = match (line.stage, line.reason) {
            (Stage::Dismissed, Some(DismissReason::FalseAlarm)) => Verdict::FalseAlarm,
            (Stage::Dismissed, _) => Verdict::Other,
            // Also where it was merged into another one afterwards.
            _ if line.is_valid() => Verdict::Real,
            _ => Verdict::Other,
        };
        Some(Self {
            id: line.id,
            rule: line.rule.clone()?,
            camera: line.source.clone()?,
            opened_at: line.opened_at,
            ended_at: line.ended_at,
            verdict,
        })
    }
}

/// Something that could be changed of a rule or its camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// For `gridpost rules apply`: says what, so that another one has another name.
    pub id: String,
    /// Whose false alarms it is made of.
    pub rule: RuleId,
    /// `rule` or `camera`.
    pub section: &'static str,
    /// Which of them.
    pub item: String,
    /// Which key.
    pub key: &'static str,
    /// As it is.
    pub from: Value,
    /// As it would be.
    pub to: Value,
    /// What it would have done.
    pub tried: Tried,
    /// Other rules that it acts on, with how many of their decided cases could be tried: of none, what it
    /// would cost there is not known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub beside: BTreeMap<RuleId, u32>,
}

/// What was found of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleAdvice {
    /// Those that cost nothing first, then by what they save.
    pub proposals: Vec<Proposal>,
    /// Why there is none, or none of a kind: for people, Chinese first.
    pub why_not: Option<String>,
}

/// What of the kept tracks is needed to try cases: times by camera, sorted, none overlapping.
pub fn wanted(
    rules: &[Config],
    cases: &[JudgedCase],
) -> BTreeMap<SourceId, Vec<(Timestamp, Timestamp)>> {
    let mut spans: BTreeMap<SourceId, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for case in newest(cases) {
        if let Some(rule) = rules.iter().find(|rule| rule.id == case.rule.as_str()) {
            spans.entry(case.camera.clone()).or_default().push(trial::window(rule, case));
        }
    }
    for spans in spans.values_mut() {
        spans.sort();
        let mut merged: Vec<(Timestamp, Timestamp)> = Vec::new();
        for span in spans.drain(..) {
            match merged.last_mut() {
                Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
                _ => merged.push(span),
            }
        }
        *spans = merged;
    }
    spans
}

/// The newest of each rule and verdict; the others are not tried.
fn newest(cases: &[JudgedCase]) -> Vec<&JudgedCase> {
    let mut sorted: Vec<&JudgedCase> = cases.iter().collect();
    sorted.sort_by_key(|case| (std::cmp::Reverse(case.opened_at), case.id));
    let mut counts: BTreeMap<(&RuleId, Verdict), usize> = BTreeMap::new();
    sorted.retain(|case| {
        let count = counts.entry((&case.rule, case.verdict)).or_default();
        *count += 1;
        *count <= CASES_MAX
    });
    sorted
}

/// Everything that is known of the rules of a site and their cases, with the kept tracks beside.
pub struct Study<'s> {
    rules: &'s [Config],
    masks: &'s BTreeMap<SourceId, Masks>,
    zone: &'s TimeZone,
    cases: &'s [JudgedCase],
    trial: Trial<'s>,
}

impl<'s> Study<'s> {
    /// `rules` with their cameras named; `masks` of the cameras that may have one; `looks` sorted by time.
    pub fn new(
        rules: &'s [Config],
        masks: &'s BTreeMap<SourceId, Masks>,
        zone: &'s TimeZone,
        cases: &'s [JudgedCase],
        looks: &'s BTreeMap<SourceId, Vec<KeptLook>>,
    ) -> Self {
        let mut trial = Trial::new(rules, masks, zone, &newest(cases), looks);
        trial.thin(TRIED_LOOKS_MAX);
        Self { rules, masks, zone, cases, trial }
    }

    /// What could be changed of this rule.
    pub fn advice(&self, rule: &Config) -> RuleAdvice {
        let none = |why: &str| RuleAdvice { proposals: Vec::new(), why_not: Some(why.into()) };
        if rule.severity_in(true, true) == Severity::EMERGENCY {
            return none("紧急级别的规则不提建议 (it raises emergencies: never proposed)");
        }
        let own: Vec<&JudgedCase> =
            self.cases.iter().filter(|case| case.rule.as_str() == rule.id).collect();
        let count = |verdict| own.iter().filter(|case| case.verdict == verdict).count();
        let (real, alarms) = (count(Verdict::Real), count(Verdict::FalseAlarm));
        if real + alarms == 0 {
            return none(
                "还没有已判定的事件 (no case of it was accepted or dismissed as a false alarm yet)",
            );
        }
        if alarms < SAVED_MIN as usize {
            return none(&format!(
                "误报只有 {alarms} 件，不足以提建议 (only {alarms} false alarms: too few)"
            ));
        }
        let mut proposals = ladder::proposals(self, rule);
        let (masks, no_mask) = mask::proposals(self, rule);
        proposals.extend(masks);
        let (scheduled, no_schedule) = schedule::proposal(self, rule, &own);
        proposals.extend(scheduled);
        proposals.sort_by(|a, b| {
            let order = |one: &Proposal| (one.tried.lost, std::cmp::Reverse(one.tried.saved));
            order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
        });
        let whys: Vec<String> = no_mask.into_iter().chain(no_schedule).collect();
        let why_not = match (proposals.is_empty(), whys.is_empty()) {
            (_, false) => Some(whys.join("；")),
            (true, true) => Some(self.nothing_helps(rule)),
            (false, true) => None,
        };
        RuleAdvice { proposals, why_not }
    }

    fn nothing_helps(&self, rule: &Config) -> String {
        let bases = self.bases_of(rule).filter(|basis| basis.case.verdict == Verdict::FalseAlarm);
        match bases.count() {
            0 => "误报的轨迹已删除或无法重现，无法试算 (the tracks of its false alarms are gone, or do not show them: nothing could be tried)".into(),
            count => format!("试算了 {count} 件误报，没有既能减少误报又不漏报的改法 (of {count} false alarms that could be tried, nothing would have saved {SAVED_MIN} and lost nothing)"),
        }
    }

    fn bases_of(&self, rule: &Config) -> impl Iterator<Item = &Basis<'s>> {
        self.trial.bases.iter().filter(move |basis| basis.case.rule.as_str() == rule.id)
    }

    /// Cases of these rules that could not be tried.
    fn untold(&self, is_of: impl Fn(&JudgedCase) -> bool) -> (u32, u32) {
        let tried: BTreeSet<IncidentId> =
            self.trial.bases.iter().map(|basis| basis.case.id).collect();
        let untold = self.cases.iter().filter(|case| is_of(case) && !tried.contains(&case.id));
        let (mut all, mut real) = (0, 0);
        for case in untold.filter(|case| case.verdict != Verdict::Other) {
            all += 1;
            real += u32::from(case.verdict == Verdict::Real);
        }
        (all, real)
    }
}

/// Whether it is worth telling a person of.
fn is_worth(tried: &Tried) -> bool {
    tried.saved >= SAVED_MIN && tried.saved >= tried.lost * SAVED_FOR_EACH_LOST
}

/// The best of several: one that loses nothing goes before all others, then the one that saves most, then
/// the first.
fn best<T>(tried: impl IntoIterator<Item = (T, Tried)>) -> Option<(T, Tried)> {
    let mut best: Option<(T, Tried)> = None;
    for (what, tried) in tried.into_iter().filter(|(_, tried)| is_worth(tried)) {
        let order = |one: &Tried| {
            (std::cmp::Reverse(one.lost), one.saved, std::cmp::Reverse(one.others_lost))
        };
        if best.as_ref().is_none_or(|(_, known)| order(&tried) > order(known)) {
            best = Some((what, tried));
        }
    }
    best
}
