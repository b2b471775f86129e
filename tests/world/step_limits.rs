//! Which steps of one case were due by limits of their own, and in time: from what its records say before and after
//! each change, and nothing that the gateway has counted.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// As the limits of a case are called; a step that is late once is late.
const STEPS: [&str; 4] = ["accept", "dispatch", "handle", "verify"];
const KEYS: [(&str, &str); 4] = [
    ("accept.due", "accept.in_time"),
    ("dispatch.due", "dispatch.in_time"),
    ("handle.due", "handle.in_time"),
    ("verify.due", "verify.in_time"),
];

/// One change of a case, in the words of events.
pub(crate) struct Change<'c> {
    pub(crate) what: &'c str,
    pub(crate) stage: &'c str,
    /// No person did it.
    pub(crate) by_gateway: bool,
    pub(crate) at: Timestamp,
    /// The limit of the step that is to be taken from then on.
    pub(crate) running: Option<(&'c str, Timestamp)>,
    /// Its clock stands from then on.
    pub(crate) suspended: bool,
}

/// What was heard of one case.
#[derive(Default)]
pub(crate) struct StepCount {
    stage: String,
    running: Option<(usize, Timestamp)>,
    stands: Option<Timestamp>,
    in_time: [Option<bool>; 4],
}

impl StepCount {
    /// The next change.
    pub(crate) fn hear(&mut self, change: &Change<'_>) {
        let again = ["transferred", "sent-back", "lapsed"].contains(&change.what);
        if let Some((step, by)) = self.running.filter(|_| again || change.stage != self.stage) {
            // On a clock that stands no more time has passed than when it was stopped.
            let in_time = self.stands.unwrap_or(change.at) <= by && change.what != "lapsed";
            if !in_time || does(step, change) {
                self.note(step, in_time);
            }
        }
        change.stage.clone_into(&mut self.stage);
        self.running = change.running.and_then(|(step, by)| {
            let known = STEPS.iter().position(|one| *one == step);
            known.map(|step| (step, by))
        });
        self.stands = change.suspended.then(|| self.stands.unwrap_or(change.at));
    }

    fn note(&mut self, step: usize, in_time: bool) {
        let so_far = self.in_time[step].unwrap_or(true);
        self.in_time[step] = Some(so_far && in_time);
    }

    /// As it is at this time: a limit that has passed is of a step that is late.
    pub(crate) fn count(&mut self, now: Timestamp, out: &mut BTreeMap<&'static str, i64>) {
        let late = self.running.filter(|(_, by)| *by < self.stands.map_or(now, |at| at.min(now)));
        let before = self.in_time;
        if let Some((step, _)) = late {
            self.note(step, false);
        }
        for ((due, in_time), steps) in KEYS.into_iter().zip(self.in_time) {
            *out.entry(due).or_default() += i64::from(steps.is_some());
            *out.entry(in_time).or_default() += i64::from(steps == Some(true));
        }
        self.in_time = before;
    }
}

/// Whether a person has done with this change what was due.
fn does(step: usize, change: &Change<'_>) -> bool {
    let that: &[&str] = match STEPS[step] {
        "accept" => &["accepted", "dispatched", "handled", "verified", "closed"],
        "dispatch" => &["dispatched", "transferred", "handled", "verified", "closed"],
        "handle" => &["handled", "verified", "closed"],
        _ => &["verified", "sent-back", "closed"],
    };
    that.contains(&change.what) && !change.by_gateway
}
