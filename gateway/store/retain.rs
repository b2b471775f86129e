//! What a leaving segment still holds that is needed: it is written again before the segment goes (J7).

use std::collections::{BTreeMap, HashSet};

use super::{
    error::ReadError,
    facts::{Carried, Fact},
    journal::{Location, Reader},
    left::Trace,
    on_disk::OnDisk,
    state::State,
};
use crate::domain::{Class, Entry, IncidentId, Kind, SinkId};

/// What is to be written again; found while the state is locked, read from disk without the lock.
pub(super) struct Load {
    needed: BTreeMap<(u64, bool), Needed>,
    /// Presses, replies and reports: seq and place.
    remembered: Vec<(u64, Location)>,
}

/// A record that is to be written again, and what is known of it.
struct Needed {
    seq: u64,
    owed: Vec<SinkId>,
    dead: BTreeMap<SinkId, String>,
    top: Class,
    /// Of its incident, where memory knows it.
    known: Option<Trace>,
    incident: IncidentId,
    kind: Kind,
    is_piece: bool,
    location: Location,
}

/// Pending records and files, dead letters, live incidents, presses, replies and reports in this
/// segment.
pub(super) fn carry(state: &State, segment: u64) -> Load {
    let reports = state.gauges.iter().map(|(seq, held)| (seq, &held.location));
    let remembered = state.presses.iter().chain(&state.replies).chain(reports);
    let here = remembered.filter(|(_, location)| location.segment == segment);
    let remembered = here.map(|(&seq, &location)| (seq, location)).collect();
    Load { needed: needed(state, segment), remembered }
}

/// Pending records and files, dead letters and live incidents in this segment.
fn needed(state: &State, segment: u64) -> BTreeMap<(u64, bool), Needed> {
    let known = |incident: &IncidentId| {
        let brief = state.incidents.get(incident).map(Trace::of);
        brief.or_else(|| state.left.trace(*incident))
    };
    let mut needed = BTreeMap::new();
    for (&seq, pending) in &state.due.pending {
        if pending.location.segment == segment {
            let owed = Needed {
                seq,
                owed: pending.owed.clone(),
                dead: BTreeMap::new(),
                top: pending.class,
                known: known(&pending.incident),
                incident: pending.incident,
                kind: pending.kind,
                is_piece: pending.piece.is_some(),
                location: pending.location,
            };
            needed.insert((seq, false), owed);
        }
    }
    for (&seq, letter) in &state.dead {
        if letter.location.segment == segment {
            let refused = Needed {
                seq,
                owed: Vec::new(),
                dead: BTreeMap::new(),
                top: letter.class,
                known: known(&letter.incident),
                incident: letter.incident,
                kind: letter.kind,
                is_piece: letter.piece.is_some(),
                location: letter.location,
            };
            needed.entry((seq, false)).or_insert(refused).dead.clone_from(&letter.answers);
        }
    }
    let there: HashSet<u64> = needed.values().map(|needed| needed.location.offset).collect();
    for (&incident, brief) in &state.incidents {
        let here = brief.location.segment == segment && !brief.finished;
        if here && !there.contains(&brief.location.offset) {
            let live = Needed {
                seq: brief.first,
                owed: Vec::new(),
                dead: BTreeMap::new(),
                top: brief.top,
                known: Some(Trace::of(brief)),
                incident,
                kind: brief.kind,
                is_piece: false,
                location: brief.location,
            };
            // Its first change may be needed too, under the same seq.
            needed.insert((brief.first, true), live);
        }
    }
    needed
}

impl Load {
    /// As the records lie there; to be written again they take a little more.
    pub(super) fn bytes(&self) -> u64 {
        let remembered = self.remembered.iter().map(|(_, at)| at);
        let needed = self.needed.values().map(|needed| &needed.location);
        remembered.chain(needed).map(|at| u64::from(at.len)).sum()
    }

    /// Reads what is needed; an error leaves the segment where it is. `on_disk`: knows cases that have left
    /// memory.
    pub(super) fn read(
        self,
        reader: &Reader,
        on_disk: Option<&OnDisk>,
    ) -> Result<Vec<Fact>, ReadError> {
        let mut facts = Vec::new();
        for (seq, location) in self.remembered {
            let fact = reader.read(location)?;
            facts.extend(remembered(seq, fact).map(Fact::Carried));
        }
        for mut needed in self.needed.into_values() {
            let fact = reader.read(needed.location)?;
            if needed.known.is_none_or(|known| known.revision.is_none()) && !needed.is_piece {
                let brief = on_disk.and_then(|on_disk| on_disk.brief(needed.incident));
                needed.known = brief.as_ref().map(Trace::of).or(needed.known);
            }
            // A fact that is neither a record nor evidence cannot be needed.
            facts.extend(needed.carried(fact).map(Fact::Carried));
        }
        Ok(facts)
    }
}

/// A press, reply or report as it is written again.
fn remembered(seq: u64, fact: Fact) -> Option<Carried> {
    match fact {
        Fact::Entry(Entry::Press { .. }) | Fact::Carried(Carried::Press { .. }) => {
            Some(Carried::Press { seq, press: fact.into_press()? })
        }
        Fact::Entry(Entry::Reply { .. }) | Fact::Carried(Carried::Reply { .. }) => {
            let (incident, id) = fact.into_reply()?;
            Some(Carried::Reply { seq, incident, id })
        }
        fact => Some(Carried::Report { seq, report: fact.into_report()? }),
    }
}

impl Needed {
    fn carried(self, fact: Fact) -> Option<Carried> {
        let Self { seq, owed, dead, top, known, incident, kind, .. } = self;
        if self.is_piece {
            let evidence = fact.into_evidence()?;
            return Some(Carried::Piece { seq, owed, dead, top, incident, kind, evidence });
        }
        let was_past = matches!(&fact, Fact::Carried(Carried::Change { is_past: true, .. }));
        let record = Box::new(fact.into_record()?);
        // Of a live case memory knows; one of which nothing is known any more was over, and its last
        // record may have left before this one.
        let newest = known.and_then(|known| known.revision);
        let is_newest = newest.is_some_and(|newest| newest <= record.incident.revision);
        let (first, is_past) = (known.map_or(seq, |known| known.first), was_past || !is_newest);
        Some(Carried::Change { seq, owed, top, first, dead, is_past, record })
    }
}
