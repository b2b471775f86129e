//! `[evidence]`: what is blurred, and how long snapshots and clips are kept, by kind and camera.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Incident, Kind};

/// The least that the rules ask for (GB/T, and the Public Security Video Regulation): below it `check` warns.
const ASKED_DAYS: u32 = 30;
/// A hundred years; more is a slip.
const DAYS_MAX: u32 = 36_500;
/// Overrides are looked through for each old piece.
const OVERRIDES_MAX: usize = 1_000;

/// `[evidence]`: what is blurred, and how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceConfig {
    /// Heads of people, and plates of vehicles that the incident is not about, are blurred in snapshots; the picture
    /// before that is kept sealed. Default true.
    #[serde(default = "default_blur")]
    pub blur: bool,
    /// Days a snapshot or clip is kept once its incident is finished and delivered, 1 to 36500. Default: as
    /// `[data] evidence_days`.
    #[serde(default)]
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_days: Option<u32>,
    /// Other days for a kind of incident, a camera, or both: `keep = [{ kind = "intrusion", days = 60 }]`. Of
    /// several that fit, the longest counts.
    #[serde(default)]
    pub keep: Vec<KeepOverride>,
    /// Days that an export or a hold keeps the evidence of its incident, whatever its age; each further one
    /// begins them anew. 1 to 3650. Default 180.
    #[serde(default = "default_hold_days")]
    #[schemars(range(min = 1, max = 3_650))]
    pub hold_days: u32,
}

/// Other days for some evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepOverride {
    /// Of incidents of this kind. Default: of every kind.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// Of incidents that this camera took part in, by id. Default: of every camera.
    #[serde(default)]
    pub camera: Option<String>,
    /// Days, 1 to 36500.
    #[schemars(range(min = 1, max = 36_500))]
    pub days: u32,
}

fn default_blur() -> bool {
    true
}
fn default_hold_days() -> u32 {
    180
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self {
            blur: default_blur(),
            keep_days: None,
            keep: Vec::new(),
            hold_days: default_hold_days(),
        }
    }
}

impl EvidenceConfig {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let wrong = |days: u32| !(1..=DAYS_MAX).contains(&days);
        if let Some(days) = self.keep_days.filter(|days| wrong(*days)) {
            problems.push(("keep_days", format!("{days}: expected 1 to {DAYS_MAX}")));
        }
        if !(1..=3_650).contains(&self.hold_days) {
            problems.push(("hold_days", format!("{}: expected 1 to 3650", self.hold_days)));
        }
        for (n, one) in self.keep.iter().enumerate() {
            let n = n + 1;
            if wrong(one.days) {
                let message = format!("entry {n}: days = {}: expected 1 to {DAYS_MAX}", one.days);
                problems.push(("keep", message));
            }
            if one.kind.is_none() && one.camera.is_none() {
                let message = format!(
                    "entry {n}: expected `kind`, `camera` or both; for all evidence there is `keep_days`"
                );
                problems.push(("keep", message));
            }
        }
        if self.keep.len() > OVERRIDES_MAX {
            let message = format!("{} entries: expected at most {OVERRIDES_MAX}", self.keep.len());
            problems.push(("keep", message));
        }
        problems
    }

    /// Warnings as (key, message).
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let too_short = |days: u32| {
            format!("{days} days: the rules for public video ask for at least {ASKED_DAYS}")
        };
        let general = self.keep_days.filter(|days| *days < ASKED_DAYS);
        let general = general.map(|days| ("keep_days", too_short(days)));
        let others = self.keep.iter().enumerate().filter(|(_, one)| one.days < ASKED_DAYS);
        let others =
            others.map(|(n, one)| ("keep", format!("entry {}: {}", n + 1, too_short(one.days))));
        let mut warnings: Vec<_> = general.into_iter().chain(others).collect();
        if !self.blur {
            let message = "heads are not blurred: everybody who may see a snapshot sees faces";
            warnings.push(("blur", message.into()));
        }
        warnings
    }
}

/// How long evidence is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeepRules {
    days: u32,
    overrides: Vec<KeepOverride>,
}

impl KeepRules {
    /// `evidence_days`: of `[data]`.
    pub(super) fn of(config: &EvidenceConfig, evidence_days: u32) -> Self {
        let days = config.keep_days.unwrap_or(evidence_days);
        Self { days, overrides: config.keep.clone() }
    }

    /// The shortest that any evidence is kept: what is younger need not be looked at.
    pub(super) fn shortest(&self) -> u32 {
        self.overrides.iter().map(|one| one.days).chain([self.days]).min().unwrap_or(self.days)
    }

    /// Of this incident's. None of which nothing is known any more: whatever keeps it longest counts.
    pub(super) fn days(&self, incident: Option<&Incident>) -> u32 {
        let fits = |one: &&KeepOverride| {
            incident.is_none_or(|incident| {
                let is_kind = one.kind.is_none_or(|kind| kind == incident.kind);
                let has = |id: &String| incident.sources.iter().any(|of| of.id.as_str() == id);
                is_kind && one.camera.as_ref().is_none_or(has)
            })
        };
        let longest = self.overrides.iter().filter(fits).map(|one| one.days).max();
        match incident {
            Some(_) => longest.unwrap_or(self.days),
            None => longest.map_or(self.days, |longest| longest.max(self.days)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(kind: Option<Kind>, camera: Option<&str>, days: u32) -> KeepOverride {
        KeepOverride { kind, camera: camera.map(Into::into), days }
    }

    #[test]
    fn both_ends_of_every_number_are_right_and_what_lies_beyond_is_not() {
        let told = |config: EvidenceConfig| config.problems().len();
        let keep = |days| EvidenceConfig { keep_days: Some(days), ..Default::default() };
        assert_eq!([1, 36_500].map(|days| told(keep(days))), [0, 0]);
        assert_eq!([0, 36_501].map(|days| told(keep(days))), [1, 1]);
        let hold = |hold_days| EvidenceConfig { hold_days, ..Default::default() };
        assert_eq!([1, 3_650, 0, 3_651].map(|days| told(hold(days))), [0, 0, 1, 1]);
        let other = |one| EvidenceConfig { keep: vec![one], ..Default::default() };
        assert_eq!(told(other(over(Some(Kind::Intrusion), None, 1))), 0);
        assert_eq!(told(other(over(None, Some("gate"), 36_500))), 0);
        assert_eq!(told(other(over(None, None, 60))), 1, "it would be of everything");
        assert_eq!(told(other(over(None, None, 0))), 2);
    }

    #[test]
    fn under_the_thirty_days_of_the_rules_is_a_warning() {
        let warned = |keep_days, days| {
            let keep = vec![over(Some(Kind::Line), None, days)];
            EvidenceConfig { keep_days, keep, ..Default::default() }.warnings().len()
        };
        assert_eq!([warned(Some(30), 30), warned(None, 30)], [0, 0]);
        assert_eq!([warned(Some(29), 30), warned(Some(30), 29), warned(Some(1), 1)], [1, 1, 2]);
        assert_eq!(EvidenceConfig { blur: false, ..Default::default() }.warnings().len(), 1);
    }

    #[test]
    fn the_longest_that_fits_counts_and_for_what_nobody_knows_the_longest_of_all() {
        let config = EvidenceConfig {
            keep_days: Some(30),
            keep: vec![
                over(Some(Kind::Intrusion), None, 60),
                over(None, Some("gate"), 90),
                over(Some(Kind::Line), Some("gate"), 10),
            ],
            ..Default::default()
        };
        let rules = KeepRules::of(&config, 7);
        assert_eq!((rules.shortest(), rules.days(None)), (10, 90));
        let defaults = KeepRules::of(&EvidenceConfig::default(), 7);
        assert_eq!((defaults.shortest(), defaults.days(None)), (7, 7));
    }
}
