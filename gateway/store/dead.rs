//! Dead letters: what a sink refused for good, kept with its answer, so that it can be looked at and sent again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    due::Pending,
    facts::{Retried, SettledFact},
    journal::Location,
    state::{Key, State},
};
use crate::domain::{Class, EvidenceId, IncidentId, Kind, Outcome, SinkId};

/// About 5 MB. Older ones stay counted in the ledger and readable in the journal; only sending
/// them again is over.
const LETTERS_MAX: usize = 10_000;

/// One record or piece of evidence, and who refused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DeadLetter {
    /// Whose record.
    pub(super) incident: IncidentId,
    /// Of the incident.
    pub(super) kind: Kind,
    /// The most urgent that its incident ever had.
    pub(super) class: Class,
    /// Of the record that describes it.
    pub(super) location: Location,
    /// The file, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) piece: Option<EvidenceId>,
    /// What each sink said that refused it.
    pub(super) answers: BTreeMap<SinkId, String>,
}

impl DeadLetter {
    /// From what was pending.
    pub(super) fn of(pending: &Pending, answers: BTreeMap<SinkId, String>) -> Self {
        let &Pending { incident, kind, class, location, piece, .. } = pending;
        Self { incident, kind, class, location, piece, answers }
    }
}

impl State {
    /// Keeps what is just being settled as dead; to be called while it is still pending.
    pub(super) fn keep_dead_letter(&mut self, fact: &SettledFact) {
        let Outcome::Dead { answer } = &fact.settled.outcome else { return };
        let seq = fact.settled.change;
        let Some(pending) = self.due.pending.get(&seq) else { return };
        let answers = BTreeMap::from([(fact.settled.sink.clone(), answer.clone())]);
        let letter = DeadLetter::of(pending, answers);
        self.put_letter(seq, letter);
    }

    /// Adds its answers to those of the letter that is there already; the newer location counts.
    pub(super) fn put_letter(&mut self, seq: u64, letter: DeadLetter) {
        match self.dead.get_mut(&seq) {
            Some(older) => {
                older.location = letter.location;
                older.answers.extend(letter.answers);
            }
            None => {
                self.dead.insert(seq, letter);
            }
        }
        self.touched.insert(Key::Dead(seq));
        if self.dead.len() > LETTERS_MAX {
            let asked = |seq: &&u64| self.retrying.iter().any(|(asked, _)| asked == *seq);
            if let Some(oldest) = self.dead.keys().find(|seq| !asked(seq)).copied() {
                self.dead.remove(&oldest);
                self.touched.insert(Key::Dead(oldest));
            }
        }
    }

    /// The letters that are asked for and not on their way already: each is asked for once.
    pub(super) fn ask_again(
        &mut self,
        wanted: impl Fn(u64, &SinkId) -> bool,
        at: Timestamp,
    ) -> Vec<Retried> {
        let letters = self.dead.iter().flat_map(|(&change, letter)| {
            letter.answers.keys().map(move |sink| (change, sink, letter))
        });
        let asked: Vec<Retried> = letters
            .filter(|&(change, sink, _)| wanted(change, sink))
            .filter(|&(change, sink, _)| !self.retrying.contains(&(change, sink.clone())))
            .map(|(change, sink, letter)| {
                let (sink, kind, piece) = (sink.clone(), letter.kind, letter.piece);
                Retried { sink, change, kind, piece, at }
            })
            .collect();
        self.retrying.extend(asked.iter().map(|one| (one.change, one.sink.clone())));
        asked
    }

    /// Pending once more. While the journal is read back, the letter itself may be unknown: it
    /// lies in a segment that has left, and what became of it was written again further on.
    pub(super) fn retried(&mut self, retried: &Retried) {
        self.retrying.remove(&(retried.change, retried.sink.clone()));
        let kind = self.dead.get(&retried.change).map_or(retried.kind, |letter| letter.kind);
        let sums = self.ledger.sums_of(&retried.sink, kind, retried.piece.is_some());
        sums.dead = sums.dead.saturating_sub(1);
        let Some(letter) = self.dead.get_mut(&retried.change) else { return };
        if letter.answers.remove(&retried.sink).is_none() {
            return;
        }
        // Its incident may have become more urgent since.
        let top = self.incidents.get(&letter.incident).map_or(letter.class, |brief| brief.top);
        let pending = Pending {
            incident: letter.incident,
            kind: letter.kind,
            class: letter.class.min(top),
            location: letter.location,
            owed: vec![retried.sink.clone()],
            unlisted: false,
            may_yield: false,
            piece: letter.piece,
        };
        if letter.answers.is_empty() {
            self.dead.remove(&retried.change);
        }
        self.due.owe(retried.change, pending);
        self.touched.extend([Key::Dead(retried.change), Key::Due(retried.change)]);
        self.ledger.sums_of(&retried.sink, kind, retried.piece.is_some()).pending += 1;
    }
}
