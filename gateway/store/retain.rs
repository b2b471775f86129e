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
use crate::domain::{Class, Entry, EvidenceId, IncidentId, Kind, SinkId};

/// What is to be written again; found while the state is locked, read from disk without the lock.
pub(super) struct Load {
    segment: u64,
    needed: BTreeMap<(u64, bool), Needed>,
    /// Where these lie in the segment.
    there: HashSet<u64>,
    /// Presses, replies and reports: seq and place.
    remembered: Vec<(u64, Location)>,
    /// Of held cases, which none of the needed records describes.
    pieces: Vec<HeldPiece>,
    /// Held cases of which memory does not say where they are.
    elsewhere: Vec<IncidentId>,
    /// Of a newer program: they are written again as they are.
    unread: Vec<Location>,
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
    /// It is the file of a case of this kind, and not a record.
    piece_of: Option<Kind>,
    location: Location,
}

/// A piece of evidence that somebody holds, and which a record of this segment describes.
struct HeldPiece {
    id: EvidenceId,
    seq: u64,
    incident: IncidentId,
    /// Of its case, where that is known.
    case: Option<(Kind, Class)>,
    location: Location,
}

/// Pending records and files, dead letters, live and held incidents, presses, replies and reports in this
/// segment. `held`: taken before the state was locked.
pub(super) fn carry(state: &State, segment: u64, held: &HashSet<IncidentId>) -> Load {
    let reports = state.gauges.iter().map(|(seq, held)| (seq, &held.location));
    let remembered = state.presses.iter().chain(&state.replies).chain(reports);
    let here = remembered.filter(|(_, location)| location.segment == segment);
    let remembered = here.map(|(&seq, &location)| (seq, location)).collect();
    let needed = owed(state, segment);
    let there = needed.values().map(|needed| needed.location.offset).collect();
    let (pieces, elsewhere) = (Vec::new(), Vec::new());
    let unread = state.unread.values().filter(|location| location.segment == segment);
    let unread = unread.copied().collect();
    let mut load = Load { segment, needed, there, remembered, pieces, elsewhere, unread };
    load.add_cases(state, held);
    load.add_pieces(state, held);
    load
}

/// Pending records and files and dead letters in this segment.
fn owed(state: &State, segment: u64) -> BTreeMap<(u64, bool), Needed> {
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
                piece_of: pending.piece.map(|_| pending.kind),
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
                piece_of: letter.piece.map(|_| letter.kind),
                location: letter.location,
            };
            needed.entry((seq, false)).or_insert(refused).dead.clone_from(&letter.answers);
        }
    }
    needed
}

impl Load {
    /// Live cases, and those that are held, over or not.
    fn add_cases(&mut self, state: &State, held: &HashSet<IncidentId>) {
        for (&incident, brief) in &state.incidents {
            if !brief.finished || held.contains(&incident) {
                self.add_case(incident, Trace::of(brief));
            }
        }
        for &incident in held.iter().filter(|id| !state.incidents.contains_key(*id)) {
            match state.left.trace(incident).filter(|trace| trace.revision.is_some()) {
                Some(trace) => self.add_case(incident, trace),
                None => self.elsewhere.push(incident),
            }
        }
    }

    /// The newest record of a case, unless it lies elsewhere or is needed anyhow.
    fn add_case(&mut self, incident: IncidentId, trace: Trace) {
        let location = trace.location;
        if location.segment != self.segment || !self.there.insert(location.offset) {
            return;
        }
        let newest = Needed {
            seq: trace.first,
            owed: Vec::new(),
            dead: BTreeMap::new(),
            top: trace.top,
            known: Some(trace),
            incident,
            piece_of: None,
            location,
        };
        // Its first change may be needed too, under the same seq.
        self.needed.insert((trace.first, true), newest);
    }

    /// Pieces of held cases that are described here. Mostly it is the newest record that does, and it is needed.
    fn add_pieces(&mut self, state: &State, held: &HashSet<IncidentId>) {
        if held.is_empty() {
            return;
        }
        let of_case = |incident: IncidentId| {
            let brief = state.incidents.get(&incident).or_else(|| state.left.find(incident));
            brief.map(|brief| (brief.kind, brief.top))
        };
        let here = state.evidence.iter().filter(|(_, piece)| {
            let Location { segment, offset, .. } = piece.location;
            segment == self.segment
                && !self.there.contains(&offset)
                && held.contains(&piece.incident)
        });
        let piece = here.map(|(&id, piece)| HeldPiece {
            id,
            seq: piece.seq,
            incident: piece.incident,
            case: of_case(piece.incident),
            location: piece.location,
        });
        let mut pieces: Vec<HeldPiece> = piece.collect();
        pieces.sort_unstable_by_key(|piece| (piece.location.offset, piece.id));
        self.pieces = pieces;
    }

    /// Held cases for which memory has no room: the index says where they lie. Of those that are left nobody
    /// knows it.
    pub(super) fn find_held(&mut self, on_disk: Option<&OnDisk>) {
        for incident in std::mem::take(&mut self.elsewhere) {
            let Some(brief) = on_disk.and_then(|on_disk| on_disk.brief(incident)) else {
                self.elsewhere.push(incident);
                continue;
            };
            self.add_case(incident, Trace::of(&brief));
            for piece in self.pieces.iter_mut().filter(|piece| piece.incident == incident) {
                piece.case = Some((brief.kind, brief.top));
            }
        }
        let Self { pieces, there, .. } = self;
        pieces.retain(|piece| !there.contains(&piece.location.offset));
    }

    /// Held cases of which nobody knows where they lie.
    pub(super) fn not_found(&self) -> usize {
        self.elsewhere.len()
    }

    /// As the records lie there; to be written again they take a little more.
    pub(super) fn bytes(&self) -> u64 {
        let remembered = self.remembered.iter().map(|(_, at)| at);
        let needed = self.needed.values().map(|needed| &needed.location);
        let pieces = self.pieces.iter().map(|piece| &piece.location);
        // A record may describe several pieces.
        let places: BTreeMap<u64, u32> = remembered
            .chain(needed)
            .chain(pieces)
            .chain(&self.unread)
            .map(|at| (at.offset, at.len))
            .collect();
        places.values().map(|&len| u64::from(len)).sum()
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
        for piece in self.pieces {
            let fact = reader.read(piece.location)?;
            facts.extend(piece.carried(fact).map(Fact::Carried));
        }
        for mut needed in self.needed.into_values() {
            let fact = reader.read(needed.location)?;
            let is_known = needed.known.is_some_and(|known| known.revision.is_some());
            if !is_known && needed.piece_of.is_none() {
                let brief = on_disk.and_then(|on_disk| on_disk.brief(needed.incident));
                needed.known = brief.as_ref().map(Trace::of).or(needed.known);
            }
            // A fact that is neither a record nor evidence cannot be needed.
            facts.extend(needed.carried(fact).map(Fact::Carried));
        }
        for location in self.unread {
            facts.push(reader.read_as_it_is(location)?);
        }
        Ok(facts)
    }
}

impl HeldPiece {
    /// `None`: of its case nothing is known any more, or the record does not describe it.
    fn carried(self, fact: Fact) -> Option<Carried> {
        let Self { id, seq, incident, case, .. } = self;
        let (evidence, said) = match fact {
            Fact::Entry(Entry::Evidence { evidence, .. }) => (evidence, None),
            Fact::Carried(Carried::Piece { evidence, kind, top, .. }) => {
                (evidence, Some((kind, top)))
            }
            fact => {
                let record = fact.into_record()?;
                let said = (record.incident.kind, record.class());
                let mut pieces = record.incident.evidence.into_iter();
                (pieces.find(|piece| piece.id == id)?, Some(said))
            }
        };
        let (kind, top) = case.or(said)?;
        let (owed, dead) = (Vec::new(), BTreeMap::new());
        Some(Carried::Piece { seq, owed, dead, top, incident, kind, evidence })
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
        let Self { seq, owed, dead, top, known, incident, piece_of, .. } = self;
        if let Some(kind) = piece_of {
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
