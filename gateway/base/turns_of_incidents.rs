//! Turns of incidents in a lane: none stands before another's first record with its tenth.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::domain::{Class, IncidentId};

/// The most urgent class first, then in the order of the journal.
pub type Turn = (Class, u64);

/// What is fresh, by incident: whose turn it is among them.
#[derive(Debug, Default)]
pub(super) struct TurnsOfIncidents {
    of: BTreeMap<IncidentId, BTreeSet<Turn>>,
    /// Those that had their turn and have more.
    served: BTreeSet<IncidentId>,
    /// The oldest of each that had none.
    unserved: BTreeMap<Turn, IncidentId>,
    last: Option<IncidentId>,
}

impl TurnsOfIncidents {
    /// One more that is fresh.
    pub(super) fn insert(&mut self, turn: Turn, incident: IncidentId) {
        let turns = self.of.entry(incident).or_default();
        let first = turns.first().copied();
        if !self.served.contains(&incident) && first.is_none_or(|first| turn < first) {
            first.map(|first| self.unserved.remove(&first));
            self.unserved.insert(turn, incident);
        }
        turns.insert(turn);
    }

    /// It is not fresh any more.
    pub(super) fn remove(&mut self, turn: Turn, incident: IncidentId) {
        let Some(turns) = self.of.get_mut(&incident) else { return };
        turns.remove(&turn);
        let next = turns.first().copied();
        if self.unserved.remove(&turn).is_some()
            && let Some(next) = next
        {
            self.unserved.insert(next, incident);
        }
        if next.is_none() {
            self.of.remove(&incident);
            self.served.remove(&incident);
        }
    }

    /// What is fresh of this one.
    pub(super) fn all_of(&self, incident: IncidentId) -> Vec<Turn> {
        self.of.get(&incident).map(|turns| turns.iter().copied().collect()).unwrap_or_default()
    }

    /// Of an incident that had no turn yet, the one that waits for longest; else of the next one.
    pub(super) fn next(&mut self) -> Option<(Turn, IncidentId)> {
        let incident = match self.unserved.first_key_value() {
            Some((_, incident)) => *incident,
            None => {
                let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
                let later = self.of.range((after, Bound::Unbounded)).next();
                *later.or_else(|| self.of.first_key_value())?.0
            }
        };
        let turn = *self.of.get(&incident)?.first()?;
        self.unserved.remove(&turn);
        self.served.insert(incident);
        self.last = Some(incident);
        Some((turn, incident))
    }

    /// Nothing is fresh, and nothing is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.served.is_empty() && self.unserved.is_empty()
    }
}
