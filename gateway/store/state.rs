//! What the journal adds up to, in memory and bounded; the index is this, kept for a quick start.

mod remembered;
mod unread;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    changes::Changes,
    dead::DeadLetter,
    due::{DueBook, Pending},
    facts::{Carried, Fact, SettledFact, Standing},
    journal::Location,
    ledger::Ledger,
    left::{Left, Trace},
    memory::Bounds,
    recover::Checkpoint,
    room::{EvidenceEntry, ReportPictures, Share, is_open_report},
    seen_marks::SeenMark,
    superseded::may_yield,
};
use crate::domain::{
    Class, Entry, Evidence, EvidenceId, IncidentId, Kind, Outcome, PressIdentity, Quarantined,
    Record, SeenPress, SinkId,
};

/// Names, time and header of a record in the quarantine.
const QUARANTINE_FRAME_BYTES: u64 = 150;
/// Marks of presses that wait for the index; while there is none, the newest. Some 5 MB.
const MARKS_WAITING_MAX: usize = 100_000;

/// The latest state of an incident, as far as lists and filters need it; the rest is on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Brief {
    /// Seq of its first change: the order of lists, whatever the clocks said.
    pub(super) first: u64,
    /// Of its latest change.
    pub(super) location: Location,
    /// Of its latest change.
    pub(super) revision: u32,
    /// As in the incident.
    pub(super) kind: Kind,
    /// The most urgent class it ever had.
    pub(super) top: Class,
    /// As in the incident.
    pub(super) active: bool,
    /// Closed or dismissed.
    pub(super) finished: bool,
    /// As in the incident.
    pub(super) changed_at: Timestamp,
}

/// Live incidents; beyond it the oldest are forgotten that are no emergencies. About 24 MB.
const LIVE_MAX: usize = 100_000;

/// A report of a gauge that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HeldReport {
    /// Of the record that holds it.
    pub(super) location: Location,
    /// When it came, gateway time.
    pub(super) at: Timestamp,
}

/// What a payload that nobody could read takes: all its texts, and the frame around them.
pub(super) fn quarantined_bytes(payload: &Quarantined) -> u64 {
    let texts = [&payload.text, &payload.hex, &payload.reason, &payload.origin];
    QUARANTINE_FRAME_BYTES + texts.iter().map(|text| text.len() as u64).sum::<u64>()
}

/// Names one value of the state in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Due(u64),
    Incident(IncidentId),
    Press(u64),
    Reply(u64),
    Evidence(EvidenceId),
    Dead(u64),
    Gauge(u64),
    Unread(u64),
}

/// Everything that is known without reading the journal.
#[derive(Default)]
pub(super) struct State {
    /// What sinks are owed.
    pub(super) due: DueBook,
    /// Latest state by id.
    pub(super) incidents: HashMap<IncidentId, Brief>,
    /// By age: `Brief::first`.
    pub(super) by_age: BTreeMap<u64, IncidentId>,
    /// Those that are over, by the same: the oldest of them leave first.
    pub(super) finished: BTreeSet<u64>,
    /// By seq: presses that are handed over at a restart. What they say is on disk.
    pub(super) presses: BTreeMap<u64, Location>,
    /// What presses are recognised by, oldest first, as long as the index has not got it.
    pub(super) marks: VecDeque<SeenMark>,
    /// By seq.
    pub(super) replies: BTreeMap<u64, Location>,
    /// By seq.
    pub(super) gauges: BTreeMap<u64, HeldReport>,
    /// By id.
    pub(super) evidence: HashMap<EvidenceId, EvidenceEntry>,
    /// Of it, what strangers sent.
    pub(super) report_pictures: ReportPictures,
    /// Reports of residents that are not over.
    pub(super) open_reports: usize,
    /// Seq of its own entry, and id.
    pub(super) evidence_by_age: BTreeSet<(u64, EvidenceId)>,
    /// By seq of what was refused.
    pub(super) dead: BTreeMap<u64, DeadLetter>,
    /// Asked to be sent again, and not written yet.
    pub(super) retrying: HashSet<(u64, SinkId)>,
    /// What became of every record.
    pub(super) ledger: Ledger,
    /// Changes are owed to these.
    pub(super) sinks: Vec<SinkId>,
    /// And evidence to these of them.
    pub(super) carriers: Vec<SinkId>,
    /// Where the journal was copied to another box; what lies before it may have gone on there.
    pub(super) forked: Option<Location>,
    /// By seq: records that a newer program wrote and this one cannot read. They are kept for one that can.
    pub(super) unread: BTreeMap<u64, Location>,
    /// Bytes of quarantined payloads in each segment.
    pub(super) quarantined: BTreeMap<u64, u64>,
    /// The latest time that any record carries.
    pub(super) latest: Option<Timestamp>,
    /// Seq of the last `Standing`: what is older is in its sums.
    pub(super) standing: u64,
    /// Where the latest changes lie, for who watches.
    pub(super) changes: Changes,
    /// Everything up to here is in this state, and synced.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Changed since the index was last written.
    pub(super) touched: BTreeSet<Key>,
    /// Most of each.
    pub(super) bounds: Bounds,
    /// The newest format that this program knows.
    pub(super) knows: u32,
    /// Cases for which memory has no room are in the index alone.
    pub(super) has_older: bool,
    /// Those of them that are still needed from here.
    pub(super) left: Left,
    /// Of cases that are to change and that only the index has.
    pub(super) older: HashMap<IncidentId, Trace>,
    /// Segments up to this one have left since the index was last written.
    pub(super) gone_through: Option<u64>,
}

impl State {
    /// Takes in one synced record.
    pub(super) fn apply(&mut self, seq: u64, location: Location, fact: &Fact) {
        match fact {
            Fact::Entry(entry) => self.entry(seq, location, entry),
            Fact::Settled(fact) => self.settled(fact),
            Fact::Standing(standing) => self.standing(seq, standing),
            Fact::Carried(carried) => self.carried(location, carried),
            Fact::Retired(_) => {}
            Fact::Gone(gone) => self.forget_evidence(gone.evidence),
            Fact::Retried(retried) => self.retried(retried),
            Fact::Forked(_) => self.forked = Some(location),
            Fact::Unread(_) => self.unread(seq, location, fact.may_be_a_change()),
        }
    }

    fn entry(&mut self, seq: u64, location: Location, entry: &Entry) {
        match entry {
            Entry::Press { source, stamp, press, .. } => {
                self.note_time(stamp.gateway);
                self.note_marks(seq, source, press, stamp.gateway);
                self.press(seq, location);
            }
            Entry::Change(record) => self.change(seq, location, record),
            Entry::Reply { reply, at } => {
                self.note_time(*at);
                if reply.id.is_some() {
                    self.reply(seq, location);
                }
            }
            Entry::Evidence { incident, evidence } => {
                let kind = self.incidents.get(incident).map(|brief| brief.kind);
                self.piece(seq, (*incident, kind), location, evidence, false);
            }
            Entry::Quarantine(payload) => {
                let bytes = quarantined_bytes(payload);
                *self.quarantined.entry(location.segment).or_default() += bytes;
            }
            Entry::Gauge { stamp, .. } => {
                self.note_time(stamp.gateway);
                self.report(seq, HeldReport { location, at: stamp.gateway });
            }
            // Settlements are always written as `Fact::Settled`.
            Entry::Settled(_)
            | Entry::EvidenceRead { .. }
            | Entry::Applied { .. }
            | Entry::LinkMade { .. }
            | Entry::Access(_)
            | Entry::Exported { .. }
            | Entry::Held { .. } => {}
        }
    }

    fn change(&mut self, seq: u64, location: Location, record: &Record) {
        let kind = record.incident.kind;
        *self.ledger.accepted.entry(kind).or_default() += 1;
        self.changes.note(seq, location);
        let top = self.brief(seq, None, location, record);
        for sink in &self.sinks {
            let sums = self.ledger.sums(sink, kind);
            sums.accepted += 1;
            sums.pending += 1;
        }
        if !self.sinks.is_empty() {
            let (incident, owed) = (record.incident.id, self.sinks.clone());
            let (unlisted, may_yield) = (record.incident.is_unlisted(), may_yield(record));
            let pending = Pending {
                incident,
                kind,
                class: top,
                location,
                owed,
                unlisted,
                may_yield,
                piece: None,
            };
            self.due.insert(seq, pending);
            self.touched.insert(Key::Due(seq));
        }
        for evidence in &record.incident.evidence {
            if evidence.may_leave() {
                self.owe_piece(record, top, evidence.id);
            }
            self.piece(seq, (record.incident.id, Some(kind)), location, evidence, true);
        }
        self.note_time(record.incident.changed_at);
    }

    /// Keeps the incident's latest state; returns its highest class. `carried`: its first seq
    /// and highest class as they were known before.
    fn brief(
        &mut self,
        seq: u64,
        carried: Option<(u64, Class)>,
        location: Location,
        record: &Record,
    ) -> Class {
        let incident = &record.incident;
        let old = self.incidents.get(&incident.id);
        let (first, before) = match (old, carried) {
            (Some(old), _) => (old.first, old.top),
            (None, Some((first, top))) => (first, top),
            (None, None) => {
                self.trace(incident.id).map_or((seq, record.class()), |t| (t.first, t.top))
            }
        };
        let top = before.min(record.class()).min(carried.map_or(before, |(_, top)| top));
        if old.is_some_and(|old| old.top != top) {
            for seq in self.due.promote(incident.id, top) {
                self.touched.insert(Key::Due(seq));
            }
        }
        if self.incidents.get(&incident.id).is_none_or(|old| old.revision <= incident.revision) {
            let brief = Brief {
                first,
                location,
                revision: incident.revision,
                kind: incident.kind,
                top,
                active: incident.active,
                finished: incident.stage.is_over(),
                changed_at: incident.changed_at,
            };
            self.put_brief(incident.id, brief);
        }
        top
    }

    /// Of a case that has left memory.
    fn trace(&self, id: IncidentId) -> Option<Trace> {
        self.left.trace(id).or_else(|| self.older.get(&id).copied())
    }

    /// A case that this fact goes on with, of which nothing is known here: the index may know it.
    pub(super) fn is_missing(&self, fact: &Fact) -> Option<IncidentId> {
        let id = match fact {
            Fact::Entry(Entry::Change(record)) if record.incident.revision > 1 => {
                record.incident.id
            }
            Fact::Carried(Carried::Change { record, .. }) => record.incident.id,
            _ => return None,
        };
        let is_known = self.incidents.contains_key(&id) || self.left.trace(id).is_some();
        (self.has_older && !is_known).then_some(id)
    }

    /// Keeps the latest state of an incident, within the bound.
    pub(super) fn put_brief(&mut self, id: IncidentId, brief: Brief) {
        self.by_age.insert(brief.first, id);
        match brief.finished {
            true => self.finished.insert(brief.first),
            false => self.finished.remove(&brief.first),
        };
        self.open_reports += usize::from(is_open_report(&brief));
        if let Some(old) = self.incidents.insert(id, brief) {
            self.open_reports -= usize::from(is_open_report(&old));
        }
        self.touched.insert(Key::Incident(id));
        self.left.comes_back(id);
        if self.incidents.len() > self.bounds.incidents {
            // The oldest finished one. Live ones stay; were there very many, not the oldest that is no emergency.
            let finished = self.finished.first().and_then(|first| self.by_age.get(first));
            let calm = |id: &&IncidentId| {
                self.incidents.len() > LIVE_MAX
                    && self.incidents.get(*id).is_some_and(|b| b.top != Class::Emergency)
            };
            let oldest = finished.or_else(|| self.by_age.values().find(calm));
            if let Some(&id) = oldest {
                self.leave_to_the_index(id);
            }
        }
    }

    /// Nothing reads what waits for the index: nothing piles up for it but which cases it has not got.
    pub(super) fn has_no_index(&mut self) {
        let Self { touched, incidents, .. } = self;
        touched.retain(|key| matches!(key, Key::Incident(id) if incidents.contains_key(id)));
        self.left.has_no_index();
    }

    fn take_brief(&mut self, id: IncidentId) -> Option<Brief> {
        let brief = self.incidents.remove(&id)?;
        self.open_reports -= usize::from(is_open_report(&brief));
        self.by_age.remove(&brief.first);
        self.finished.remove(&brief.first);
        Some(brief)
    }

    /// Memory has no room for it: from now on it is found in the index.
    fn leave_to_the_index(&mut self, id: IncidentId) {
        let Some(brief) = self.take_brief(id) else { return };
        self.has_older = true;
        let to_index = self.touched.remove(&Key::Incident(id)).then_some(self.bounds.leaving);
        self.left.put(id, brief, to_index);
    }

    fn forget_incident(&mut self, id: IncidentId) {
        if self.take_brief(id).is_some() {
            self.touched.insert(Key::Incident(id));
        }
    }

    /// The first record that names a piece makes its file owed, under the seq of its own entry.
    fn owe_piece(&mut self, record: &Record, class: Class, id: EvidenceId) {
        let Some(piece) = self.evidence.get(&id).filter(|piece| !piece.named) else { return };
        if self.carriers.is_empty() {
            return;
        }
        for sink in &self.carriers {
            let sums = self.ledger.evidence.entry(sink.clone()).or_default();
            sums.accepted += 1;
            sums.pending += 1;
        }
        let (incident, kind) = (record.incident.id, record.incident.kind);
        let (owed, location) = (self.carriers.clone(), piece.location);
        self.touched.insert(Key::Due(piece.seq));
        let unlisted = record.incident.is_unlisted();
        let pending = Pending {
            incident,
            kind,
            class,
            location,
            owed,
            unlisted,
            may_yield: false,
            piece: Some(id),
        };
        self.due.insert(piece.seq, pending);
    }

    fn piece(
        &mut self,
        seq: u64,
        (incident, kind): (IncidentId, Option<Kind>),
        location: Location,
        evidence: &Evidence,
        named: bool,
    ) {
        // The newest record that names it: the older ones leave first.
        let old = self.evidence.get(&evidence.id);
        let (seq, named) = old.map_or((seq, named), |old| (old.seq, old.named || named));
        let report_bytes = match kind.map(Share::of) {
            Some(Share::Reports) => evidence.bytes,
            Some(Share::Others) => 0,
            None => old.map_or(0, |old| old.report_bytes),
        };
        let piece = EvidenceEntry { seq, incident, location, named, report_bytes };
        self.put_piece(evidence.id, piece);
    }

    /// Keeps where a piece of evidence is described, within the bound.
    pub(super) fn put_piece(&mut self, id: EvidenceId, piece: EvidenceEntry) {
        self.forget_evidence(id);
        self.evidence_by_age.insert((piece.seq, id));
        self.report_pictures.add(&piece);
        self.evidence.insert(id, piece);
        self.touched.insert(Key::Evidence(id));
        if self.evidence.len() > self.bounds.evidence {
            // The oldest that nobody needs: its file may be removed from now on.
            let needless = |(_, id): &&(u64, EvidenceId)| !self.is_needed(*id);
            if let Some(&(_, oldest)) = self.evidence_by_age.iter().find(needless) {
                self.forget_evidence(oldest);
            }
        }
    }

    /// Whether the incident of this piece is unfinished, or anything of it still owed to anybody.
    pub(super) fn is_needed(&self, id: EvidenceId) -> bool {
        let Some(piece) = self.evidence.get(&id) else { return false };
        let live = self.incidents.get(&piece.incident).is_some_and(|brief| !brief.finished);
        live || self.due.of_incident(piece.incident).next().is_some()
    }

    fn forget_evidence(&mut self, id: EvidenceId) {
        if let Some(piece) = self.evidence.remove(&id) {
            self.evidence_by_age.remove(&(piece.seq, id));
            self.report_pictures.take_off(&piece);
            self.touched.insert(Key::Evidence(id));
        }
    }

    fn settled(&mut self, fact: &SettledFact) {
        let (settled, is_piece) = (&fact.settled, fact.piece.is_some());
        self.keep_dead_letter(fact);
        // A version that has an older word for its kind may have settled it.
        let owed = self.due.pending.get(&settled.change);
        let kind = owed.map_or(fact.kind, |pending| pending.kind);
        let was_pending = self.due.settled(&settled.sink, settled.change);
        self.touched.insert(Key::Due(settled.change));
        let sums = self.ledger.sums_of(&settled.sink, kind, is_piece);
        if was_pending {
            sums.pending -= 1;
        } else if settled.change > self.standing {
            // Its change is unreadable, but it was there: it has been settled.
            sums.accepted += 1;
            if !is_piece {
                *self.ledger.accepted.entry(kind).or_default() += 1;
            }
        }
        let sums = self.ledger.sums_of(&settled.sink, kind, is_piece);
        match settled.outcome {
            Outcome::Delivered => sums.delivered += 1,
            Outcome::Dead { .. } => sums.dead += 1,
            Outcome::Shed { .. } => sums.shed += 1,
            Outcome::Superseded => sums.superseded += 1,
            Outcome::Expired { .. } => sums.expired += 1,
        }
        self.note_time(settled.at);
    }

    fn standing(&mut self, seq: u64, standing: &Standing) {
        self.sinks.clone_from(&standing.sinks);
        self.carriers.clone_from(&standing.carriers);
        self.ledger.stand_on(&standing.ledger);
        self.standing = seq;
    }

    fn carried(&mut self, location: Location, carried: &Carried) {
        match carried {
            Carried::Change { seq, owed, top, first, dead, is_past, record } => {
                self.carried_case(location, (*seq, *first, *top), *is_past, record);
                // Owed to nobody: only the latest state of a live incident.
                let (incident, kind) = (record.incident.id, record.incident.kind);
                let (class, owed) = (*top, owed.clone());
                let (unlisted, may_yield) = (record.incident.is_unlisted(), may_yield(record));
                let pending = Pending {
                    incident,
                    kind,
                    class,
                    location,
                    owed,
                    unlisted,
                    may_yield,
                    piece: None,
                };
                self.carried_over(*seq, pending, dead);
                for evidence in &record.incident.evidence {
                    self.piece(*seq, (incident, Some(kind)), location, evidence, true);
                }
            }
            Carried::Piece { seq, owed, dead, top, incident, kind, evidence } => {
                let pending = Pending {
                    incident: *incident,
                    kind: *kind,
                    class: *top,
                    location,
                    owed: owed.clone(),
                    unlisted: false,
                    may_yield: false,
                    piece: Some(evidence.id),
                };
                self.carried_over(*seq, pending, dead);
                self.piece(*seq, (*incident, Some(*kind)), location, evidence, true);
            }
            Carried::Press { seq, press: SeenPress { source, press, taken_at, .. } } => {
                self.note_marks(*seq, source, press, *taken_at);
                self.press(*seq, location);
            }
            Carried::Reply { seq, .. } => self.reply(*seq, location),
            Carried::Report { seq, report } => {
                self.report(*seq, HeldReport { location, at: report.stamp.gateway });
            }
        }
    }

    /// An older state never stands for the case, whose newest may have left memory, or the journal.
    fn carried_case(
        &mut self,
        location: Location,
        (seq, first, top): (u64, u64, Class),
        is_past: bool,
        record: &Record,
    ) {
        let id = record.incident.id;
        let trace = self.trace(id);
        let newest = trace.and_then(|trace| trace.revision);
        if !is_past && newest.is_none_or(|newest| newest <= record.incident.revision) {
            self.brief(seq, Some((first, top)), location, record);
        } else if trace.is_none() && !self.incidents.contains_key(&id) {
            // Its newest comes behind, or it is over: if it goes on, its place and class are these.
            self.left.note(id, Trace { first, top, revision: None, location });
        }
    }

    /// A record of a leaving segment that is still owed, or was refused, was written again here.
    fn carried_over(&mut self, seq: u64, pending: Pending, dead: &BTreeMap<SinkId, String>) {
        if !dead.is_empty() {
            self.put_letter(seq, DeadLetter::of(&pending, dead.clone()));
        }
        if pending.owed.is_empty() {
            return;
        }
        self.touched.insert(Key::Due(seq));
        if let Some(older) = self.due.pending.get_mut(&seq) {
            older.location = pending.location;
            return;
        }
        for sink in &pending.owed {
            self.ledger.sums_of(sink, pending.kind, pending.piece.is_some()).pending += 1;
        }
        self.due.insert(seq, pending);
    }

    fn note_time(&mut self, at: Timestamp) {
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
    }

    /// Forgets what only segments up to `through` described (they are leaving).
    pub(super) fn forget_segments(&mut self, through: u64) {
        let incidents: Vec<IncidentId> = self
            .incidents
            .iter()
            .filter(|(_, brief)| brief.location.segment <= through)
            .map(|(&id, _)| id)
            .collect();
        incidents.into_iter().for_each(|id| self.forget_incident(id));
        self.left.forget_segments(through);
        self.gone_through = self.has_older.then_some(through);
        let pieces: Vec<EvidenceId> = self
            .evidence
            .iter()
            .filter(|(_, piece)| piece.location.segment <= through)
            .map(|(&id, _)| id)
            .collect();
        pieces.into_iter().for_each(|id| self.forget_evidence(id));
        let letters: Vec<u64> = self
            .dead
            .iter()
            .filter(|(_, letter)| letter.location.segment <= through)
            .map(|(&seq, _)| seq)
            .collect();
        for seq in letters {
            self.dead.remove(&seq);
            self.touched.insert(Key::Dead(seq));
        }
        self.quarantined = self.quarantined.split_off(&(through + 1));
        self.forget_unread(through);
    }
}
