//! What a rule says about observations: a happening begins, goes on, ends.

use jiff::Timestamp;

use super::{
    ClockError, Detail, Kind, ObjectCount, RuleId, Severity, Shot, SourceId, Stamp, ThingReport,
    Title,
};

/// Where a finding stands in its happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Begins,
    Continues,
    Ends,
}

/// Findings with the same `key` are one happening, from `Begins` to `Ends`.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Unique per rule and source; the desk keeps one live incident a key.
    pub key: String,
    /// Begins, continues or ends.
    pub phase: Phase,
    /// None for presses and faults, which no configured rule stands behind.
    pub rule: Option<RuleId>,
    /// Where it was seen.
    pub source: SourceId,
    /// Of the incident.
    pub kind: Kind,
    /// Now.
    pub severity: Severity,
    /// Overrides the kind's standard title.
    pub title: Option<Title>,
    /// First evidence of it, corrected source time.
    pub began_at: Timestamp,
    /// Corrected source time of this finding (for `Ends`: when it was last true).
    pub at: Timestamp,
    /// How right `began_at` is.
    pub clock: ClockError,
    /// What is there, by label.
    pub objects: Vec<ObjectCount>,
    /// One sentence of why, in English, with the numbers that fulfilled the rule.
    pub why: String,
    /// For the incident's `detail`.
    pub detail: Detail,
    /// Who fulfils the rule, where one stands behind it.
    pub things: ThingReport,
    /// A picture that shows it, if this finding has one.
    pub shot: Option<Shot>,
    /// Worth a change of its own at the grid (more people, longer by a step), subject to
    /// the desk's at most one `updated` in 10 s.
    pub notable: bool,
}

impl Finding {
    /// Of a part of the gateway or of a device's health: a notice that begins. Its key is the same
    /// whoever finds it, so that one fault is one incident.
    pub fn of_a_part(source: &SourceId, stamp: Stamp, kind: Kind, why: &str) -> Self {
        Self {
            key: format!("fault/{}/{source}", kind.as_str()),
            phase: Phase::Begins,
            rule: None,
            source: source.clone(),
            kind,
            severity: Severity::NOTICE,
            title: None,
            began_at: stamp.at,
            at: stamp.at,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why: why.into(),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        }
    }
}
