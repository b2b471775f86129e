//! How each rule does, and what could be changed of it: cases and kept tracks of a data folder, tried by the rules.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::from_config::{event_context, rules};
use crate::{
    config::Config,
    domain::{CaseLine, CaseLines},
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
    let lines = opened_between(cases, since, now);
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

/// As the figures count them: one that was opened under a clock that cannot be right has the first time that can.
fn opened_between(cases: &CaseLines, since: Timestamp, now: Timestamp) -> Vec<CaseLine> {
    let in_time =
        |line: &&CaseLine| line.counted_at().is_some_and(|at| (since..=now).contains(&at));
    cases.lines.iter().filter(in_time).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_a_wrong_clock_counts_when_it_was_noted() {
        let line = |id: u8, opened: &str, noted: Option<&str>| -> CaseLine {
            serde_json::from_value(serde_json::json!({
                "id": format!("00000000-0000-7000-8000-0000000000{id:02x}"), "revision": 2,
                "kind": "intrusion", "severity": 3, "stage": "dismissed", "rule": "yard",
                "began_at": opened, "opened_at": opened, "noted_at": noted,
            }))
            .unwrap()
        };
        let lines = vec![
            line(1, "1970-01-01T00:03:00Z", Some("2026-11-10T16:00:00Z")),
            line(2, "1970-01-01T00:03:00Z", None),
            line(3, "2026-11-11T16:00:00Z", None),
            line(4, "2026-10-11T16:00:00Z", None),
            line(5, "1970-01-01T00:03:00Z", Some("2026-10-10T16:00:00Z")),
        ];
        let cases = CaseLines { lines, unreadable: 0 };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let since = at("2026-11-01T00:00:00Z");
        let counted = opened_between(&cases, since, at("2026-11-30T00:00:00Z"));
        let ids: Vec<_> = counted.iter().map(|line| line.id).collect();
        assert_eq!(ids, [cases.lines[0].id, cases.lines[2].id]);
    }
}
