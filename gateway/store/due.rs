//! What is due to whom: for each sink, the records it has not settled, most urgent first (P2, P3).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::journal::Location;
use crate::domain::{Class, IncidentId, Kind, SinkId};

/// Which of a sink's two slots asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Emergencies only: a slot of their own, which nothing else can fill.
    Emergency,
    /// Alerts, then notices.
    Bulk,
}

/// A record that at least one sink has not settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) incident: IncidentId,
    pub(super) kind: Kind,
    /// The most urgent class its incident ever had.
    pub(super) class: Class,
    pub(super) location: Location,
    pub(super) owed: Vec<SinkId>,
}

/// One sink's queue. A record is in exactly one of the three sets while it is owed.
#[derive(Default)]
struct SinkDue {
    available: BTreeSet<(Class, u64)>,
    /// Handed to a courier.
    in_flight: HashSet<u64>,
    /// Settled by the courier, the settlement not synced yet.
    settling: HashSet<u64>,
}

#[derive(Default)]
pub(super) struct DueBook {
    pub(super) pending: BTreeMap<u64, Pending>,
    by_incident: BTreeSet<(IncidentId, u64)>,
    sinks: HashMap<SinkId, SinkDue>,
}

impl DueBook {
    pub(super) fn insert(&mut self, seq: u64, pending: Pending) {
        for sink in &pending.owed {
            let due = self.sinks.entry(sink.clone()).or_default();
            due.available.insert((pending.class, seq));
        }
        self.by_incident.insert((pending.incident, seq));
        self.pending.insert(seq, pending);
    }

    /// The incident became more urgent: so do all its records that wait. Returns their seqs.
    pub(super) fn promote(&mut self, incident: IncidentId, class: Class) -> Vec<u64> {
        let seqs: Vec<u64> = self
            .by_incident
            .range((incident, 0)..=(incident, u64::MAX))
            .map(|&(_, seq)| seq)
            .collect();
        for seq in &seqs {
            let Some(pending) = self.pending.get_mut(seq) else { continue };
            let old = std::mem::replace(&mut pending.class, class);
            for sink in &pending.owed {
                let Some(due) = self.sinks.get_mut(sink) else { continue };
                if due.available.remove(&(old, *seq)) {
                    due.available.insert((class, *seq));
                }
            }
        }
        seqs
    }

    /// A synced settlement: the sink owes it no longer. False if it did not owe it.
    pub(super) fn settled(&mut self, sink: &SinkId, seq: u64) -> bool {
        let Some(pending) = self.pending.get_mut(&seq) else { return false };
        let Some(at) = pending.owed.iter().position(|owed| owed == sink) else { return false };
        pending.owed.swap_remove(at);
        if let Some(due) = self.sinks.get_mut(sink) {
            due.available.remove(&(pending.class, seq));
            due.in_flight.remove(&seq);
            due.settling.remove(&seq);
        }
        if pending.owed.is_empty() {
            self.by_incident.remove(&(pending.incident, seq));
            self.pending.remove(&seq);
        }
        true
    }

    /// The next record for this lane goes into flight.
    pub(super) fn take(&mut self, sink: &SinkId, lane: Lane) -> Option<(u64, Class, Location)> {
        let due = self.sinks.get_mut(sink)?;
        let &(class, seq) = match lane {
            Lane::Emergency => {
                due.available.first().filter(|(class, _)| *class == Class::Emergency)
            }
            Lane::Bulk => due.available.range((Class::Alert, 0)..).next(),
        }?;
        due.available.remove(&(class, seq));
        due.in_flight.insert(seq);
        let location = self.pending.get(&seq)?.location;
        Some((seq, class, location))
    }

    /// Not delivered: available again. False if it was not in flight.
    pub(super) fn release(&mut self, sink: &SinkId, seq: u64) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        due.in_flight.remove(&seq) && due.available.insert((pending.class, seq))
    }

    /// The courier says it is done: nobody gets it again, and it is settled once (J10).
    pub(super) fn claim(&mut self, sink: &SinkId, seq: u64) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        if !pending.owed.contains(sink) {
            return false;
        }
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        let had = due.in_flight.remove(&seq) | due.available.remove(&(pending.class, seq));
        had && due.settling.insert(seq)
    }

    pub(super) fn of_incident(&self, incident: IncidentId) -> bool {
        self.by_incident.range((incident, 0)..=(incident, u64::MAX)).next().is_some()
    }
}
