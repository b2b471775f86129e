//! The same words of a platform that gives its replies no id: a repetition, or somebody's new step. Pure.
//!
//! A platform pushes again what it has no answer to, and lists again what it listed before: that is one reply.
//! Its people also do the same thing twice: handled, refused by whoever verifies, and handled again with the
//! same words. What tells the two apart is the case: somebody has taken another step since, the platform knows
//! of it, and the same step is possible once more. Such a reply has the id of the first with a number behind it.

use std::collections::HashMap;

use serde_json::Value;

use super::early_replies::digest;
use crate::domain::{CaseStep, Incident, IncidentId, ReplyTo};

/// The n-th one of these words.
pub(super) fn numbered(base: &str, n: u32) -> String {
    if n < 2 { base.to_owned() } else { format!("{base}#{n}") }
}

/// Which one of these words has this id.
fn number_of(base: &str, id: &str) -> Option<u32> {
    match id.strip_prefix(base)? {
        "" => Some(1),
        behind => behind.strip_prefix('#')?.parse().ok(),
    }
}

/// The id under which what was said as `base` before is a step of its own; none: it is a repetition. `knows`:
/// the platform knows of this step of the case.
pub(super) fn new_id(
    incident: &Incident,
    base: &str,
    knows: impl Fn(&CaseStep) -> bool,
) -> Option<String> {
    let steps = &incident.life.steps;
    let number = |step: &CaseStep| number_of(base, step.id.as_deref()?);
    let at = steps.iter().rposition(|step| number(step).is_some())?;
    let before = steps.get(at)?;
    let since = steps.get(at + 1..).unwrap_or_default();
    let is_undone = since.iter().any(|step| undoes(step.step, before.step));
    let is_known = incident.life.last_taken().is_some_and(knows);
    (is_undone && is_known).then(|| numbered(base, number(before).unwrap_or(1).saturating_add(1)))
}

/// After this step the one before may be taken once more; whether it can be, the table of steps says. A case
/// that was transferred may be transferred at any time: only where somebody else has it since, that is new.
fn undoes(since: ReplyTo, before: ReplyTo) -> bool {
    use ReplyTo::{Dispatched, Escalated, Granted, Lapsed, Reopened, SentBack, Transferred};
    match before {
        Transferred => {
            matches!(since, Dispatched | Granted | Lapsed | Reopened | SentBack | Transferred)
        }
        _ => since != Escalated,
    }
}

/// Where a reply stands in an answer to the question for replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PlaceInAnswer {
    /// The case and what stands there for it, where nothing else of this case does: its latest state.
    pub(super) alone: Option<(IncidentId, String)>,
    /// That is another one than the answer before had.
    pub(super) has_changed: bool,
    /// So many of the same content stand there up to here.
    pub(super) nth: u32,
}

/// Of each item of an answer. `case_of`: whose it is, and what stood alone for that case in the answer before.
pub(super) fn listed(
    items: &[Value],
    case_of: impl Fn(&Value) -> Option<(IncidentId, Option<String>)>,
) -> Vec<PlaceInAnswer> {
    let cases: Vec<_> = items.iter().map(case_of).collect();
    let mut of_case: HashMap<IncidentId, usize> = HashMap::new();
    for (incident, _) in cases.iter().flatten() {
        *of_case.entry(*incident).or_default() += 1;
    }
    let mut same: HashMap<String, u32> = HashMap::new();
    let one = |(item, case): (&Value, Option<(IncidentId, Option<String>)>)| {
        let digest = digest(item);
        let nth = same.entry(digest.clone()).or_default();
        *nth = nth.saturating_add(1);
        let nth = *nth;
        let alone = case.filter(|(incident, _)| of_case.get(incident) == Some(&1));
        let has_changed = alone
            .as_ref()
            .is_some_and(|(_, before)| before.as_ref().is_some_and(|before| *before != digest));
        let alone = alone.map(|(incident, _)| (incident, digest));
        PlaceInAnswer { alone, has_changed, nth }
    };
    items.iter().zip(cases).map(one).collect()
}
