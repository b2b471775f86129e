//! Groups in which a lane keeps what is owed: what has a time, what is fresh, and what is set aside.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{LaneOrder, Turn};
use crate::{
    base::turns_of_incidents::TurnsOfIncidents,
    domain::{Class, IncidentId},
};

/// Entries with a time, by turn and by time.
#[derive(Debug, Default)]
pub(super) struct Timed {
    pub(super) at_ms: BTreeMap<Turn, u64>,
    by_time: BTreeSet<(u64, Turn)>,
}

impl Timed {
    pub(super) fn put(&mut self, turn: Turn, at_ms: u64) {
        self.remove(turn);
        self.at_ms.insert(turn, at_ms);
        self.by_time.insert((at_ms, turn));
    }

    pub(super) fn remove(&mut self, turn: Turn) -> Option<u64> {
        let at_ms = self.at_ms.remove(&turn)?;
        self.by_time.remove(&(at_ms, turn));
        Some(at_ms)
    }

    pub(super) fn first(&self) -> Option<(Turn, u64)> {
        self.at_ms.first_key_value().map(|(turn, at_ms)| (*turn, *at_ms))
    }

    /// The one that has been due for longest.
    pub(super) fn due(&self, now_ms: u64) -> Option<Turn> {
        self.by_time.first().filter(|(at_ms, _)| *at_ms <= now_ms).map(|(_, turn)| *turn)
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// All that are later become due now.
    pub(super) fn bring_forward(&mut self, now_ms: u64) -> bool {
        let later = self.by_time.split_off(&(now_ms + 1, (Class::Emergency, 0)));
        let any = !later.is_empty();
        for (_, turn) in later {
            self.at_ms.insert(turn, now_ms);
            self.by_time.insert((now_ms, turn));
        }
        any
    }
}

/// What was never tried, or was given back untried, and whose turn it is of it.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) by_turn: BTreeMap<Turn, IncidentId>,
    pub(super) turns: TurnsOfIncidents,
}

impl Fresh {
    pub(super) fn insert(&mut self, turn: Turn, incident: IncidentId, order: LaneOrder) {
        self.by_turn.insert(turn, incident);
        if order == LaneOrder::EachAtOnce {
            self.turns.insert(turn, incident);
        }
    }

    pub(super) fn remove(&mut self, turn: Turn) -> bool {
        let Some(incident) = self.by_turn.remove(&turn) else { return false };
        self.turns.remove(turn, incident);
        true
    }

    pub(super) fn all_of(&self, incident: IncidentId) -> Vec<Turn> {
        self.turns.all_of(incident)
    }

    /// All of this incident.
    pub(super) fn remove_all(&mut self, incident: IncidentId) -> Vec<Turn> {
        let all = self.all_of(incident);
        for turn in &all {
            self.remove(*turn);
        }
        all
    }
}

/// Incidents that are known to be taken, at most: some 400 KB.
const PROVEN_MAX: usize = 10_000;

/// Of which incidents the sink has taken something, and what of them is fresh.
#[derive(Debug, Default)]
pub(super) struct Proven {
    taken: BTreeSet<IncidentId>,
    waiting: Fresh,
}

impl Proven {
    /// The sink has taken something of it; `fresh` of it waits. Ids go with time: the oldest is forgotten.
    pub(super) fn take(&mut self, incident: IncidentId, fresh: Vec<Turn>) {
        self.taken.insert(incident);
        if self.taken.len() > PROVEN_MAX {
            self.taken.pop_first();
        }
        fresh.into_iter().for_each(|turn| self.wait(turn, incident));
    }

    /// It waits, where it is of such an incident.
    pub(super) fn wait(&mut self, turn: Turn, incident: IncidentId) {
        if self.taken.contains(&incident) {
            self.waiting.insert(turn, incident, LaneOrder::EachAtOnce);
        }
    }

    pub(super) fn leave(&mut self, turn: Turn) {
        self.waiting.remove(turn);
    }

    /// Whose turn it is; incidents take turns.
    pub(super) fn next(&mut self) -> Option<(Turn, IncidentId)> {
        self.waiting.turns.next()
    }
}

/// Which records are set aside, those that are just being tried too.
#[derive(Debug, Default)]
pub(super) struct SetAside {
    of: BTreeMap<u64, IncidentId>,
    /// How many of each incident.
    incidents: BTreeMap<IncidentId, usize>,
}

impl SetAside {
    pub(super) fn count(&self) -> usize {
        self.of.len()
    }

    /// Something of this incident is.
    pub(super) fn has(&self, incident: IncidentId) -> bool {
        self.incidents.contains_key(&incident)
    }

    /// False: it was already.
    pub(super) fn insert(&mut self, seq: u64, incident: IncidentId) -> bool {
        let is_new = self.of.insert(seq, incident).is_none();
        *self.incidents.entry(incident).or_default() += usize::from(is_new);
        is_new
    }

    pub(super) fn remove(&mut self, seq: u64) {
        let Some(incident) = self.of.remove(&seq) else { return };
        if let Entry::Occupied(mut count) = self.incidents.entry(incident) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
