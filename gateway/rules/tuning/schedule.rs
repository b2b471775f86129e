//! Schedules: hours in which nearly all was a false alarm. Pure.

use std::collections::BTreeMap;

use serde_json::json;

use super::{JudgedCase, Proposal, Study, Tried, Verdict, best, trial::Outcome};
use crate::rules::Config;

/// A rule that is off for longer is hardly one.
const OFF_HOURS_MAX: usize = 12;

/// The hours of the day that a rule could be off, if there are such. The hour of a case is known also where
/// its tracks are gone, so that all cases count.
pub(super) fn proposal(
    study: &Study<'_>,
    rule: &Config,
    own: &[&JudgedCase],
) -> (Option<Proposal>, Option<String>) {
    let hour = |case: &&JudgedCase| {
        let hour = case.opened_at.to_zoned(study.zone.clone()).hour();
        usize::try_from(hour).unwrap_or(0)
    };
    let hours: Vec<(usize, Verdict)> = own.iter().map(|case| (hour(case), case.verdict)).collect();
    let off = |from: usize, long: usize, hour: usize| (hour + 24 - from) % 24 < long;
    let mut tries = Vec::new();
    for long in 1..=OFF_HOURS_MAX {
        for from in 0..24 {
            let mut tried = Tried::default();
            for &(hour, verdict) in &hours {
                let outcome = match off(from, long, hour) {
                    true => Outcome::NotRaised,
                    false => Outcome::Raised(jiff::SignedDuration::ZERO),
                };
                tried.count(verdict, outcome);
            }
            // Hours at either end in which nothing was are not taken away.
            let has = |at: usize| {
                hours
                    .iter()
                    .any(|(hour, verdict)| *hour == at % 24 && *verdict == Verdict::FalseAlarm)
            };
            if has(from) && has(from + long - 1) {
                tries.push(((from, long), tried));
            }
        }
    }
    let Some(((from, long), tried)) = best(tries) else { return (None, None) };
    // A rule of which everything is wrong at any hour is not mended by hours.
    if tried.saved * 10 < tried.false_alarms * 3 {
        return (None, None);
    }
    let until = (from + long) % 24;
    if !rule.schedule.is_empty() {
        let why = format!(
            "误报集中在 {from:02}:00–{until:02}:00，但规则已有时间表，请手工修改 (most false alarms are from {from:02}:00 to {until:02}:00; it has a schedule already: change that by hand)"
        );
        return (None, Some(why));
    }
    let proposal = Proposal {
        id: format!("{}:schedule:{until:02}-{from:02}", rule.id),
        rule: rule.id.as_str().into(),
        section: "rule",
        item: rule.id.clone(),
        key: "schedule",
        from: json!(rule.schedule),
        to: json!([format!("Mon-Sun {until:02}:00-{from:02}:00")]),
        tried,
        beside: BTreeMap::new(),
    };
    (Some(proposal), None)
}
