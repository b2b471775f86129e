//! Thresholds: each key of a rule in steps, as far as it keeps what was real. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Proposal, Study, Tried, best, dwell_steps::dwell_steps};
use crate::rules::{Config, Masks, RuleKind};

/// Shares of the picture's area.
const SIZES: [f64; 10] = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05];
/// A key, as it is, and the steps that it may go.
type Steps = (&'static str, Value, Vec<(Value, Config)>);

/// One for each key that would help.
pub(super) fn proposals(study: &Study<'_>, rule: &Config) -> Vec<Proposal> {
    let all = [scores(rule), sizes(rule), looks(rule), dwells(rule), counts(rule)];
    let steps = all.into_iter().flatten();
    steps.filter_map(|(key, from, steps)| one(study, rule, key, from, steps)).collect()
}

fn one(
    study: &Study<'_>,
    rule: &Config,
    key: &'static str,
    from: Value,
    steps: Vec<(Value, Config)>,
) -> Option<Proposal> {
    let tried = steps.into_iter().map(|(to, changed)| (to, study.try_rule(rule, &changed)));
    let (to, tried) = best(tried)?;
    let id = format!("{}:{key}:{to}", rule.id);
    let (section, item) = ("rule", rule.id.clone());
    let (rule, beside) = (rule.id.as_str().into(), BTreeMap::new());
    Some(Proposal { id, rule, section, item, key, from, to, tried, beside })
}

impl Study<'_> {
    /// The rule's own cases, with another rule in its place.
    fn try_rule(&self, rule: &Config, changed: &Config) -> Tried {
        let none = Masks::new();
        let mut tried = Tried::default();
        for basis in self.bases_of(rule) {
            let masks = self.masks.get(&basis.case.camera).unwrap_or(&none);
            tried.count(basis.case.verdict, self.trial.raised(basis, changed, masks));
        }
        tried.add_untold(self.untold(|case| case.rule.as_str() == rule.id));
        tried
    }
}

fn scores(rule: &Config) -> Option<Steps> {
    let from = f64::from(rule.min_score);
    let steps = (1..20).map(|n| f64::from(n) * 5.0 / 100.0).filter(|score| *score > from + 0.01);
    let step = |score: f64| (json!(score), Config { min_score: score as f32, ..rule.clone() });
    Some(("min_score", rounded(from), steps.map(step).collect()))
}

fn sizes(rule: &Config) -> Option<Steps> {
    let (from, most) = (f64::from(rule.min_size), f64::from(rule.max_size));
    let steps = SIZES.into_iter().filter(|size| *size > from && *size < most);
    let step = |size: f64| (json!(size), Config { min_size: size as f32, ..rule.clone() });
    Some(("min_size", rounded(from), steps.map(step).collect()))
}

fn looks(rule: &Config) -> Option<Steps> {
    let step = |looks: u32| (json!(looks), Config { confirm_looks: looks, ..rule.clone() });
    Some((
        "confirm_looks",
        json!(rule.confirm_looks),
        (rule.confirm_looks + 1..=5).map(step).collect(),
    ))
}

fn dwells(rule: &Config) -> Option<Steps> {
    let steps = dwell_steps(rule.kind);
    let from = rule.dwell_s();
    let step = |dwell: &f64| (json!(dwell), Config { dwell_s: Some(*dwell), ..rule.clone() });
    Some(("dwell_s", json!(from), steps.iter().filter(|dwell| **dwell > from).map(step).collect()))
}

fn counts(rule: &Config) -> Option<Steps> {
    let step = |count: u32| (json!(count), Config { count, ..rule.clone() });
    let is_crowd = rule.kind == RuleKind::Crowd;
    is_crowd.then(|| {
        ("count", json!(rule.count), (rule.count + 1..=rule.count + 10).map(step).collect())
    })
}

/// As a person typed it: 0.3, and not 0.30000001192092896.
fn rounded(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}
