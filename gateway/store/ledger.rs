//! The ledger: what became of every record, per sink and kind, so that nothing vanishes unseen (P4).
//!
//! **P4** For each sink and kind, accepted = delivered + pending + dead-lettered + shed + superseded +
//! expired (+ what the disk itself destroyed, which is told at the start). Files of evidence have a line of
//! their own.
//! The sums are recounted from the journal at each start that finds no index. A dead letter keeps
//! the answer that refused it, and can be sent again. A record of an emergency is never
//! dead-lettered nor shed. Expired is what a speaker could not say while it was of use, an emergency too.
//! What was dead-lettered, shed or expired is an incident of kind `loss`, told after a restart too; a loss
//! of the record of a `loss` makes no further one.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

use crate::{
    base::escape_label,
    domain::{Kind, SinkId},
};

/// Counts of records. The sum holds at every instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Owed to this sink, since the store was made.
    pub accepted: u64,
    /// Acknowledged by the sink.
    pub delivered: u64,
    /// On disk and not settled yet, in flight included; counted from the queue itself.
    pub pending: u64,
    /// Dead-lettered: refused for good, the answer kept.
    pub dead: u64,
    /// Given up with a reason.
    pub shed: u64,
    /// Updates for which newer records of the same incident stand, so that a button gone mad is owed
    /// no more than some.
    #[serde(default)]
    pub superseded: u64,
    /// Of speakers alone: not said while it was of use.
    #[serde(default)]
    pub expired: u64,
    /// Accepted, then made unreadable by the disk before it was delivered; reported at start.
    pub lost: u64,
}

impl Sums {
    /// P4: accepted = delivered + pending + dead + shed + superseded + expired (+ what the disk destroyed).
    pub fn holds(&self) -> bool {
        self.accepted == self.settled() + self.pending + self.lost
    }

    fn settled(&self) -> u64 {
        self.delivered + self.dead + self.shed + self.superseded + self.expired
    }
}

/// What became of every record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Records made, per kind, whether or not any sink was configured.
    pub accepted: BTreeMap<Kind, u64>,
    /// A sink that left the configuration stays here, with what it still owes.
    pub sinks: BTreeMap<SinkId, BTreeMap<Kind, Sums>>,
    /// Snapshots and clips that go along, for sinks that carry them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<SinkId, Sums>,
}

impl Ledger {
    /// Does the sum hold everywhere?
    pub fn holds(&self) -> bool {
        let records = self.sinks.values().flat_map(BTreeMap::values);
        records.chain(self.evidence.values()).all(Sums::holds)
    }

    /// All kinds of one sink together.
    pub fn of(&self, sink: &SinkId) -> Sums {
        let mut sum = Sums::default();
        for part in self.sinks.get(sink).into_iter().flat_map(BTreeMap::values) {
            sum.accepted += part.accepted;
            sum.delivered += part.delivered;
            sum.pending += part.pending;
            sum.dead += part.dead;
            sum.shed += part.shed;
            sum.superseded += part.superseded;
            sum.expired += part.expired;
            sum.lost += part.lost;
        }
        sum
    }

    /// Of records of this kind.
    pub(super) fn sums(&mut self, sink: &SinkId, kind: Kind) -> &mut Sums {
        self.sinks.entry(sink.clone()).or_default().entry(kind).or_default()
    }

    /// Of a record of this kind, or of evidence.
    pub(super) fn sums_of(&mut self, sink: &SinkId, kind: Kind, is_piece: bool) -> &mut Sums {
        match is_piece {
            true => self.evidence.entry(sink.clone()).or_default(),
            false => self.sums(sink, kind),
        }
    }

    /// Takes over the sums of a `Standing` record; what is pending is counted, never believed.
    pub(super) fn stand_on(&mut self, standing: &Self) {
        self.accepted.clone_from(&standing.accepted);
        for (sink, kinds) in &standing.sinks {
            let counted = self.sinks.entry(sink.clone()).or_default();
            // Of a kind that whoever wrote it does not know (an update was taken back) it says what it knows under an
            // older one: what is pending of that is counted here once.
            let mut elsewhere = 0;
            for (_, sums) in counted.iter_mut().filter(|(kind, _)| !kinds.contains_key(kind)) {
                elsewhere += sums.pending;
                *sums = Sums { accepted: sums.pending, pending: sums.pending, ..Sums::default() };
            }
            for (&kind, &stated) in kinds {
                let sums = counted.entry(kind).or_default();
                let twice = stated.pending.saturating_sub(sums.pending).min(elsewhere);
                elsewhere -= twice;
                let accepted = stated.accepted.saturating_sub(twice);
                *sums = Sums { accepted, pending: sums.pending, ..stated };
            }
        }
        for (sink, &stated) in &standing.evidence {
            let sums = self.evidence.entry(sink.clone()).or_default();
            *sums = Sums { pending: sums.pending, ..stated };
        }
    }

    /// After a whole recount: what is neither settled nor pending was destroyed by the disk.
    /// Returns how much that is more than was known.
    pub(super) fn balance(&mut self) -> u64 {
        let mut found = 0;
        let records = self.sinks.values_mut().flat_map(BTreeMap::values_mut);
        for sums in records.chain(self.evidence.values_mut()) {
            let rest = sums.settled() + sums.pending;
            // A record can also come back (its segment was missing and is there again).
            sums.accepted = sums.accepted.max(rest);
            let lost = sums.accepted - rest;
            found += lost.saturating_sub(sums.lost);
            sums.lost = lost;
        }
        found
    }
}

/// The ledger in Prometheus' text format: what became of every record, by sink and kind (P4).
pub fn ledger_text(ledger: &Ledger) -> String {
    let mut out = String::from(
        "# HELP gridpost_ledger_records What became of all records owed to a sink: accepted is the sum of the others.\n# TYPE gridpost_ledger_records gauge\n",
    );
    let kinds = ledger.sinks.iter().flat_map(|(sink, kinds)| {
        kinds.iter().map(move |(kind, sums)| (sink, kind.as_str(), sums))
    });
    let evidence = ledger.evidence.iter().map(|(sink, sums)| (sink, "evidence", sums));
    for (sink, kind, sums) in kinds.chain(evidence) {
        let sink = escape_label(sink.as_str());
        for (state, count) in [
            ("accepted", sums.accepted),
            ("delivered", sums.delivered),
            ("pending", sums.pending),
            ("dead", sums.dead),
            ("shed", sums.shed),
            ("superseded", sums.superseded),
            ("expired", sums.expired),
            ("lost", sums.lost),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "gridpost_ledger_records{{sink=\"{sink}\",kind=\"{kind}\",state=\"{state}\"}} {count}"
            );
        }
    }
    out
}
