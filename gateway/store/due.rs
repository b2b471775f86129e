//! What is due to whom: for each sink, the records it has not settled, most urgent first (P2, P3).
//!
//! **P2** A record carries its incident's whole state and a revision without gaps; the same change
//! always has the same id. Each sink has its own place in the journal, and a record leaves a sink's
//! queue only when that sink has settled it. After a restart the queues are made again from the
//! journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::journal::Location;
use crate::domain::{Class, EvidenceId, IncidentId, Kind, SinkId};

/// Pieces that are searched for one whose record has arrived. Records leave in the same order, so
/// that of an older piece is among the first to be delivered.
const PIECES_SEARCHED_MAX: usize = 64;

/// Which of a sink's couriers asks. Its twin is `sinks::Lane`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Emergencies only: a courier of their own, which nothing else can keep busy.
    Emergency,
    /// Alerts, then notices.
    Bulk,
    /// Snapshots and clips, each after the record that names it.
    Evidence,
}

/// A record, or a piece of evidence, that at least one sink has not settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Whose record.
    pub(super) incident: IncidentId,
    /// Of the incident.
    pub(super) kind: Kind,
    /// The most urgent class its incident ever had.
    pub(super) class: Class,
    /// Of the record that describes it.
    pub(super) location: Location,
    /// Sinks that have not settled it.
    pub(super) owed: Vec<SinkId>,
    /// The file itself is owed, and not a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) piece: Option<EvidenceId>,
}

/// One sink's queue. What is owed is in exactly one of the four sets.
#[derive(Default)]
struct SinkDue {
    available: BTreeSet<(Class, u64)>,
    /// Evidence, in a set of its own.
    pieces: BTreeSet<(Class, u64)>,
    /// Handed to a courier.
    in_flight: HashSet<u64>,
    /// Settled by the courier, the settlement not synced yet.
    settling: HashSet<u64>,
}

/// What is pending, and each sink's queue of it.
#[derive(Default)]
pub(super) struct DueBook {
    /// By seq.
    pub(super) pending: BTreeMap<u64, Pending>,
    by_incident: BTreeSet<(IncidentId, u64)>,
    sinks: HashMap<SinkId, SinkDue>,
}

impl DueBook {
    /// Something new is owed.
    pub(super) fn insert(&mut self, seq: u64, pending: Pending) {
        for sink in &pending.owed {
            let due = self.sinks.entry(sink.clone()).or_default();
            due.open(pending.piece.is_some()).insert((pending.class, seq));
        }
        self.by_incident.insert((pending.incident, seq));
        self.pending.insert(seq, pending);
    }

    /// Owed to more sinks than before, or again.
    pub(super) fn owe(&mut self, seq: u64, pending: Pending) {
        let Some(owing) = self.pending.get_mut(&seq) else { return self.insert(seq, pending) };
        for sink in pending.owed {
            if !owing.owed.contains(&sink) {
                let due = self.sinks.entry(sink.clone()).or_default();
                due.open(owing.piece.is_some()).insert((owing.class, seq));
                owing.owed.push(sink);
            }
        }
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
                let open = due.open(pending.piece.is_some());
                if open.remove(&(old, *seq)) {
                    open.insert((class, *seq));
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
            due.open(pending.piece.is_some()).remove(&(pending.class, seq));
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
        let due = self.sinks.get(sink)?;
        let (class, seq) = match lane {
            Lane::Emergency => {
                due.available.first().filter(|(class, _)| *class == Class::Emergency).copied()
            }
            Lane::Bulk => due.available.range((Class::Alert, 0)..).next().copied(),
            Lane::Evidence => due
                .pieces
                .iter()
                .take(PIECES_SEARCHED_MAX)
                .find(|(_, seq)| self.is_named_there(sink, *seq))
                .copied(),
        }?;
        let due = self.sinks.get_mut(sink)?;
        due.open(lane == Lane::Evidence).remove(&(class, seq));
        due.in_flight.insert(seq);
        let location = self.pending.get(&seq)?.location;
        Some((seq, class, location))
    }

    /// Not delivered: available again. False if it was not in flight.
    pub(super) fn release(&mut self, sink: &SinkId, seq: u64) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        due.in_flight.remove(&seq) && due.open(pending.piece.is_some()).insert((pending.class, seq))
    }

    /// The courier says it is done: nobody gets it again, and it is settled once (J10).
    pub(super) fn begin_settling(&mut self, sink: &SinkId, seq: u64) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        if !pending.owed.contains(sink) {
            return false;
        }
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        let open = due.open(pending.piece.is_some()).remove(&(pending.class, seq));
        (due.in_flight.remove(&seq) | open) && due.settling.insert(seq)
    }

    /// Has the sink every record of the piece's incident that was written so far?
    fn is_named_there(&self, sink: &SinkId, piece: u64) -> bool {
        let Some(pending) = self.pending.get(&piece) else { return false };
        self.of_incident(pending.incident)
            .all(|pending| pending.piece.is_some() || !pending.owed.contains(sink))
    }

    /// The oldest notices that nobody has in flight, at most so many: sink and seq.
    pub(super) fn notices(&self, most: usize) -> Vec<(SinkId, u64)> {
        let of = |(sink, due): (&SinkId, &SinkDue)| -> Vec<(SinkId, u64)> {
            let from = (Class::Notice, 0);
            let records = due.available.range(from..).chain(due.pieces.range(from..));
            records.take(most).map(|&(_, seq)| (sink.clone(), seq)).collect()
        };
        let mut found: Vec<(SinkId, u64)> = self.sinks.iter().flat_map(of).collect();
        found.sort_by_key(|&(_, seq)| seq);
        found.truncate(most);
        found
    }

    /// All that is owed of this incident.
    pub(super) fn of_incident(&self, incident: IncidentId) -> impl Iterator<Item = &Pending> {
        self.by_incident
            .range((incident, 0)..=(incident, u64::MAX))
            .filter_map(|(_, seq)| self.pending.get(seq))
    }
}

impl SinkDue {
    fn open(&mut self, piece: bool) -> &mut BTreeSet<(Class, u64)> {
        if piece { &mut self.pieces } else { &mut self.available }
    }
}
