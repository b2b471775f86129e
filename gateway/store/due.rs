//! What is due to whom: for each sink, the records it has not settled, most urgent first (P2, P3).
//!
//! **P2** A record carries its incident's whole state and a revision without gaps; the same change
//! always has the same id. Each sink has its own place in the journal, and a record leaves a sink's
//! queue only when that sink has settled it. After a restart the queues are made again from the
//! journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::journal::Location;
use crate::{
    base::{LaneOrder, LaneQueue, NotYet, Tried},
    domain::{Class, EvidenceId, IncidentId, Kind, SinkId},
};

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
    /// A device on no list opened it: it comes after those that are on one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unlisted: bool,
    /// A mere update: newer records of its incident may stand for it (`superseded.rs`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) may_yield: bool,
    /// The file itself is owed, and not a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) piece: Option<EvidenceId>,
}

/// One sink's queues. What is owed is in exactly one of them, or in one of the two sets.
struct SinkDue {
    emergency: LaneQueue,
    bulk: LaneQueue,
    /// Evidence, in a queue of its own.
    pieces: LaneQueue,
    /// Handed to a courier.
    in_flight: HashSet<u64>,
    /// Settled by the courier, the settlement not synced yet.
    settling: HashSet<u64>,
    /// What it has taken since the start, by lane: one that takes emergencies may be unable to take
    /// anything else, and files say little of records.
    passes: [u64; 3],
}

impl Default for SinkDue {
    fn default() -> Self {
        Self {
            emergency: LaneQueue::new(LaneOrder::EachAtOnce),
            bulk: LaneQueue::new(LaneOrder::OneByOne),
            pieces: LaneQueue::new(LaneOrder::OneByOne),
            in_flight: HashSet::new(),
            settling: HashSet::new(),
            passes: [0; 3],
        }
    }
}

/// What a courier is given.
pub(super) struct Taken {
    pub(super) seq: u64,
    pub(super) class: Class,
    pub(super) location: Location,
    pub(super) tried: Tried,
}

/// How much of a sink's is owed and tried by the slow clock only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Records of emergencies.
    pub emergencies: usize,
    /// Other records, and files.
    pub others: usize,
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
            due.put(&pending, seq);
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
                due.put(owing, seq);
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
            let before = pending.clone();
            pending.class = class;
            for sink in &before.owed {
                let Some(due) = self.sinks.get_mut(sink) else { continue };
                let left = due.queue(&before).leave((before.class, *seq), incident);
                if left {
                    due.queue(&before).forget(*seq);
                    due.put(pending, *seq);
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
            due.queue(pending).leave((pending.class, seq), pending.incident);
            due.in_flight.remove(&seq);
            due.settling.remove(&seq);
            [&mut due.emergency, &mut due.bulk, &mut due.pieces]
                .into_iter()
                .for_each(|queue| queue.forget(seq));
        }
        if pending.owed.is_empty() {
            self.by_incident.remove(&(pending.incident, seq));
            self.pending.remove(&seq);
        }
        true
    }

    /// The next record for this lane goes into flight.
    pub(super) fn take(&mut self, sink: &SinkId, lane: Lane, now_ms: u64) -> Option<Taken> {
        let Self { pending, by_incident, sinks } = self;
        let due = sinks.get_mut(sink)?;
        let queue = due.lane(lane);
        let incident = |seq: u64| pending.get(&seq).map(|pending| pending.incident);
        let (class, seq) = match lane {
            Lane::Evidence => {
                let may = |seq: u64| is_named_there(pending, by_incident, sink, seq);
                queue.take(now_ms, may, incident)
            }
            Lane::Emergency | Lane::Bulk => queue.take(now_ms, |_| true, incident),
        }?;
        let tried = queue.tried(seq);
        due.in_flight.insert(seq);
        let location = pending.get(&seq)?.location;
        Some(Taken { seq, class, location, tried })
    }

    /// When [`Self::take`] may give something by the mere passing of time.
    pub(super) fn next_ms(&mut self, sink: &SinkId, lane: Lane) -> Option<u64> {
        self.sinks.get_mut(sink)?.lane(lane).next_ms()
    }

    /// Not tried: available again. False if it was not in flight.
    pub(super) fn release(&mut self, sink: &SinkId, seq: u64) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        let was_out = due.in_flight.remove(&seq);
        if was_out {
            due.put(pending, seq);
        }
        was_out
    }

    /// Tried and not delivered: due again at its time. Whether it has just been set aside.
    pub(super) fn later(&mut self, sink: &SinkId, seq: u64, why: NotYet, now_ms: u64) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        if !due.in_flight.remove(&seq) {
            return false;
        }
        let passes = due.passes[lane_of(pending) as usize];
        let turn = (pending.class, seq);
        due.queue(pending).later(turn, pending.incident, why, (now_ms, passes))
    }

    /// The sink has taken something that was sent to it. Whether something is due that was not.
    pub(super) fn passed(&mut self, sink: &SinkId, lane: Lane, now_ms: u64) -> bool {
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        due.passes[lane as usize] += 1;
        let mut moved = false;
        for other in [Lane::Emergency, Lane::Bulk, Lane::Evidence] {
            moved |= due.lane(other).passed(now_ms, other == lane);
        }
        moved
    }

    /// What waits for another try and is wanted is due now. How many.
    pub(super) fn hasten(&mut self, now_ms: u64, wanted: impl Fn(u64, &SinkId) -> bool) -> usize {
        let mut count = 0;
        for (sink, due) in &mut self.sinks {
            for queue in [&mut due.emergency, &mut due.bulk, &mut due.pieces] {
                count += queue.hasten(now_ms, |seq| wanted(seq, sink));
            }
        }
        count
    }

    /// How much of this sink's is set aside.
    pub(super) fn set_aside(&self, sink: &SinkId) -> SetAside {
        self.sinks.get(sink).map_or_else(SetAside::default, |due| SetAside {
            emergencies: due.emergency.aside_count(),
            others: due.bulk.aside_count() + due.pieces.aside_count(),
        })
    }

    /// The courier says it is done, the sink having `taken` it or not: nobody gets it again, and it is settled once
    /// (J10).
    pub(super) fn begin_settling(&mut self, sink: &SinkId, seq: u64, taken: bool) -> bool {
        let Some(pending) = self.pending.get(&seq) else { return false };
        if !pending.owed.contains(sink) {
            return false;
        }
        let Some(due) = self.sinks.get_mut(sink) else { return false };
        let queue = due.queue(pending);
        let open = queue.leave((pending.class, seq), pending.incident);
        queue.forget(seq);
        if taken {
            queue.taken(pending.incident);
        }
        (due.in_flight.remove(&seq) | open) && due.settling.insert(seq)
    }

    /// The oldest notices that nobody has in flight, at most so many: sink and seq.
    pub(super) fn notices(&self, most: usize) -> Vec<(SinkId, u64)> {
        let of = |(sink, due): (&SinkId, &SinkDue)| -> Vec<(SinkId, u64)> {
            let from = (Class::Notice, 0);
            let records = due.bulk.from(from).into_iter().chain(due.pieces.from(from));
            records.take(most).map(|(_, seq)| (sink.clone(), seq)).collect()
        };
        let mut found: Vec<(SinkId, u64)> = self.sinks.iter().flat_map(of).collect();
        found.sort_by_key(|&(_, seq)| seq);
        found.truncate(most);
        found
    }

    /// Updates of this incident that wait though `keep` newer ones of it wait at the same sink: sink and
    /// seq. It stops when it has found `most` of them. What is under way is let be.
    pub(super) fn superseded(
        &self,
        incident: IncidentId,
        keep: usize,
        most: usize,
    ) -> Vec<(SinkId, u64)> {
        let (mut newer, mut found) = (HashMap::<&SinkId, usize>::new(), Vec::new());
        for &(_, seq) in self.by_incident.range((incident, 0)..=(incident, u64::MAX)).rev() {
            let Some(pending) = self.pending.get(&seq).filter(|pending| pending.may_yield) else {
                continue;
            };
            for sink in &pending.owed {
                let waits = self.sinks.get(sink).is_some_and(|due| {
                    !due.in_flight.contains(&seq) && !due.settling.contains(&seq)
                });
                let newer = newer.entry(sink).or_default();
                if waits && *newer >= keep {
                    found.push((sink.clone(), seq));
                }
                *newer += usize::from(waits);
            }
            if found.len() >= most {
                break;
            }
        }
        found
    }

    /// All that is owed of this incident.
    pub(super) fn of_incident(&self, incident: IncidentId) -> impl Iterator<Item = &Pending> {
        self.by_incident
            .range((incident, 0)..=(incident, u64::MAX))
            .filter_map(|(_, seq)| self.pending.get(seq))
    }
}

/// Has the sink every record of the piece's incident that was written so far?
fn is_named_there(
    pending: &BTreeMap<u64, Pending>,
    by_incident: &BTreeSet<(IncidentId, u64)>,
    sink: &SinkId,
    piece: u64,
) -> bool {
    let Some(incident) = pending.get(&piece).map(|pending| pending.incident) else { return false };
    by_incident
        .range((incident, 0)..=(incident, u64::MAX))
        .filter_map(|(_, seq)| pending.get(seq))
        .all(|pending| pending.piece.is_some() || !pending.owed.contains(sink))
}

/// The lane in which this one leaves.
fn lane_of(pending: &Pending) -> Lane {
    match (pending.piece.is_some(), pending.class) {
        (true, _) => Lane::Evidence,
        (false, Class::Emergency) => Lane::Emergency,
        (false, _) => Lane::Bulk,
    }
}

impl SinkDue {
    /// Where this one waits.
    fn queue(&mut self, pending: &Pending) -> &mut LaneQueue {
        self.lane(lane_of(pending))
    }

    /// It waits now.
    fn put(&mut self, pending: &Pending, seq: u64) {
        let (turn, incident) = ((pending.class, seq), pending.incident);
        match pending.unlisted {
            true => self.queue(pending).insert_unlisted(turn, incident),
            false => self.queue(pending).insert(turn, incident),
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneQueue {
        match lane {
            Lane::Emergency => &mut self.emergency,
            Lane::Bulk => &mut self.bulk,
            Lane::Evidence => &mut self.pieces,
        }
    }
}
