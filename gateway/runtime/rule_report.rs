//! How each rule does, and what could be changed of it: cases and kept tracks of a data folder, tried by the rules.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::from_config::{event_context, rules};
use crate::{
    config::Config,
    domain::CaseLines,
    rules::tuning::{JudgedCase, Proposal, RuleAdvice, RuleFigures, Study, rule_figures, wanted},
    store::kept_tracks,
};

/// All rules of a site.
#[derive(Debug, Serialize)]
pub struct RuleReport {
    /// Cases that were opened at or after this.
    pub since: String,
    /// And until then.
    pub as_of: String,
    /// Of what was applied when the configuration was read that rules were tried of: an answer to a proposal
    /// is one to this.
    pub version: u32,
    /// By name; those that no configuration has any more too, if they have cases.
    pub rules: Vec<RuleLine>,
    /// What could not be read.
    pub left_out: ReportGaps,
}

/// One rule.
#[derive(Debug, Serialize)]
pub struct RuleLine {
    /// As in the configuration; absent where it has none of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<crate::rules::RuleKind>,
    /// How it does.
    #[serde(flatten)]
    pub figures: RuleFigures,
    /// What could be changed of it.
    #[serde(flatten)]
    pub advice: RuleAdvice,
}

/// What is not in the report.
#[derive(Debug, Serialize)]
pub struct ReportGaps {
    /// Lines of cases that nobody can read.
    pub cases_unreadable: u64,
    /// Lines of tracks that nobody can read.
    pub tracks_unreadable: u64,
    /// There were more tracks than can be tried at once.
    pub tracks_left_out: bool,
}

impl RuleReport {
    /// The proposal of this id.
    pub fn proposal(&self, id: &str) -> Option<&Proposal> {
        self.rules.iter().flat_map(|rule| &rule.advice.proposals).find(|one| one.id == id)
    }
}

/// Of cases that were opened since then, with the tracks that the data folder still has. Blocks on the
/// disk, and takes a second or two where there are hundreds of cases.
pub fn rule_report(
    config: &Config,
    cases: &CaseLines,
    since: Timestamp,
    now: Timestamp,
) -> RuleReport {
    let context = event_context(config);
    let rules = rules(config);
    let data = &config.data.path;
    let in_time = |at: Timestamp| (since..=now).contains(&at);
    let lines: Vec<_> =
        cases.lines.iter().filter(|line| in_time(line.opened_at)).cloned().collect();
    let days = now.duration_since(since).as_secs_f64() / 86_400.0;
    let judged: Vec<JudgedCase> = lines.iter().filter_map(JudgedCase::of).collect();
    let kept = kept_tracks(data, &wanted(&rules, &judged));
    let masks = config.cameras.iter();
    let masks: BTreeMap<_, _> =
        masks.map(|camera| (camera.id.as_str().into(), camera.mask.clone())).collect();
    let study = Study::new(&rules, &masks, &context.timezone, &judged, &kept.looks);
    let line = |figures: RuleFigures| {
        let rule = rules.iter().find(|rule| rule.id == figures.rule.as_str());
        let gone = || RuleAdvice {
            proposals: Vec::new(),
            why_not: Some(
                "配置中已没有这条规则 (no such rule in the configuration any more)".into(),
            ),
        };
        let advice = rule.map_or_else(gone, |rule| study.advice(rule));
        RuleLine { kind: rule.map(|rule| rule.kind), figures, advice }
    };
    let named = rules.iter().map(|rule| rule.id.as_str());
    RuleReport {
        since: context.time(since),
        as_of: context.time(now),
        version: config.in_effect.seen,
        rules: rule_figures(named, &lines, days).into_iter().map(line).collect(),
        left_out: ReportGaps {
            cases_unreadable: cases.unreadable,
            tracks_unreadable: kept.unreadable,
            tracks_left_out: kept.left_out,
        },
    }
}
