//! What a leaving segment still holds that is needed: it is written again before the segment goes (J7).

use std::collections::{BTreeMap, HashSet};

use super::{
    error::ReadError,
    facts::{Carried, Fact},
    journal::{Location, Reader},
    state::State,
};
use crate::domain::{Class, IncidentId, Kind, SinkId};

/// What is to be written again; found while the state is locked, read from disk without the lock.
pub(super) struct Load {
    needed: BTreeMap<(u64, bool), Needed>,
    rest: Vec<Carried>,
}

/// A record that is to be written again, and what is known of it.
struct Needed {
    seq: u64,
    owed: Vec<SinkId>,
    dead: BTreeMap<SinkId, String>,
    top: Class,
    first: u64,
    incident: IncidentId,
    kind: Kind,
    is_piece: bool,
    location: Location,
}

/// Pending records and files, dead letters, live incidents, presses, replies and reports in this
/// segment.
pub(super) fn carry(state: &State, segment: u64) -> Load {
    let presses = state.presses.iter().filter(|(_, held)| held.segment == segment);
    let replies = state.replies.iter().filter(|(_, held)| held.segment == segment);
    let gauges = state.gauges.iter().filter(|(_, held)| held.segment == segment);
    let rest = presses
        .map(|(&seq, held)| Carried::Press { seq, press: held.value.clone() })
        .chain(replies.map(|(&seq, held)| {
            let (incident, id) = held.value.clone();
            Carried::Reply { seq, incident, id }
        }))
        .chain(gauges.map(|(&seq, held)| Carried::Report { seq, report: held.value.clone() }))
        .collect();
    Load { needed: needed(state, segment), rest }
}

/// Pending records and files, dead letters and live incidents in this segment.
fn needed(state: &State, segment: u64) -> BTreeMap<(u64, bool), Needed> {
    let first =
        |incident: &IncidentId, seq| state.incidents.get(incident).map_or(seq, |brief| brief.first);
    let mut needed = BTreeMap::new();
    for (&seq, pending) in &state.due.pending {
        if pending.location.segment == segment {
            let owed = Needed {
                seq,
                owed: pending.owed.clone(),
                dead: BTreeMap::new(),
                top: pending.class,
                first: first(&pending.incident, seq),
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
                first: first(&letter.incident, seq),
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
                first: brief.first,
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
    /// Reads what is needed; an error leaves the segment where it is.
    pub(super) fn read(self, reader: &Reader) -> Result<Vec<Fact>, ReadError> {
        let mut facts: Vec<Fact> = self.rest.into_iter().map(Fact::Carried).collect();
        for needed in self.needed.into_values() {
            let fact = reader.read(needed.location)?;
            // A fact that is neither a record nor evidence cannot be needed.
            facts.extend(needed.carried(fact).map(Fact::Carried));
        }
        Ok(facts)
    }
}

impl Needed {
    fn carried(self, fact: Fact) -> Option<Carried> {
        let Self { seq, owed, dead, top, first, incident, kind, .. } = self;
        if self.is_piece {
            let evidence = fact.into_evidence()?;
            return Some(Carried::Piece { seq, owed, dead, top, incident, kind, evidence });
        }
        let record = Box::new(fact.into_record()?);
        Some(Carried::Change { seq, owed, top, first, dead, record })
    }
}
