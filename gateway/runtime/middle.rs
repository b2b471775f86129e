//! The junction as a pure value: rules and desk together, one observation in, what must happen out.

use crate::{
    domain::{Now, Observation},
    incident::{Desk, Outcome},
    rules::Rules,
};

/// Owned by one task; no lock, no I/O.
pub(super) struct Middle {
    pub(super) rules: Rules,
    pub(super) desk: Desk,
}

impl Middle {
    pub(super) fn apply(&mut self, now: Now, observation: &Observation) -> Outcome {
        let mut findings = Vec::new();
        self.rules.observe(observation, &mut findings);
        self.desk.apply(now, observation, findings)
    }

    /// Ends what has been silent; called a few times a second.
    pub(super) fn tick(&mut self, now: Now) -> Outcome {
        let mut findings = Vec::new();
        self.rules.tick(now, &mut findings);
        self.desk.tick(now, findings)
    }
}
