//! Two who are told of every case: one refuses some of it, the other is away for days. Each gets each record once,
//! in order and without a gap, and the sums are right after every restart.

use std::collections::HashMap;

use gridpost::{
    domain::{Class, Entry, IncidentId, Outcome, Record, Settled, SinkId},
    store::{Batch, Due, Lane, Store, Subscriber, Sums},
};
use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};

const PICKY: &str = "grid";
const AWAY: &str = "bureau";
/// One record in so many is refused by the first.
const REFUSED_ONE_IN: u32 = 40;
/// Of all that is played, the second is away between these parts.
const AWAY_PARTS: (f64, f64) = (0.25, 0.6);

/// What both have heard.
#[derive(Default)]
pub(super) struct Told {
    /// Newest revision of each case in the journal, and all records.
    newest: HashMap<IncidentId, u32>,
    records: u64,
    /// Likewise as each of the two has it; refused is heard.
    heard: HashMap<(&'static str, IncidentId), u32>,
    delivered: HashMap<&'static str, u64>,
    pub(super) dead: u64,
    /// Most that ever waited.
    pub(super) waited: u64,
}

/// Who is to be told.
pub(super) fn subscribers(are_told: bool) -> Vec<Subscriber> {
    let names = [PICKY, AWAY].into_iter().filter(|_| are_told);
    names.map(|name| SinkId::from(name).into()).collect()
}

impl Told {
    /// A record is in the journal.
    pub(super) fn written(&mut self, record: &Record) {
        self.newest.insert(record.incident.id, record.incident.revision);
        self.records += 1;
    }

    /// Whoever is there takes all that is due; `part`: how much of all is played.
    pub(super) fn deliver(
        &mut self,
        store: &Store,
        random: &mut StdRng,
        (part, at): (f64, Timestamp),
    ) {
        let (from, until) = AWAY_PARTS;
        let is_there = |name: &str| name == PICKY || !(from..until).contains(&part);
        for name in [PICKY, AWAY].into_iter().filter(|name| is_there(name)) {
            let sink = SinkId::from(name);
            let mut entries = Vec::new();
            for lane in [Lane::Emergency, Lane::Bulk] {
                while let Some(due) = store.try_next_due(&sink, lane) {
                    let refused = name == PICKY && random.random_ratio(1, REFUSED_ONE_IN);
                    let outcome = self.hear(name, &due, refused && due.class != Class::Emergency);
                    let (sink, change) = (sink.clone(), due.seq);
                    entries.push(Entry::Settled(Settled { sink, change, outcome, at }));
                }
            }
            if !entries.is_empty() {
                store.commit_blocking(Batch { entries, receipts: Vec::new() }).unwrap();
            }
        }
        // Whether there is a restart while the second is away is chance.
        let has = self.delivered.get(AWAY).copied().unwrap_or_default();
        self.waited = self.waited.max(self.records - has);
    }

    fn hear(&mut self, name: &'static str, due: &Due, is_refused: bool) -> Outcome {
        let incident = &due.record.incident;
        let heard = self.heard.entry((name, incident.id)).or_default();
        assert_eq!(incident.revision, *heard + 1, "{name}: one is missing, or came twice: {due:?}");
        *heard += 1;
        if is_refused {
            self.dead += 1;
            return Outcome::Dead { answer: "400 不收".into() };
        }
        *self.delivered.entry(name).or_default() += 1;
        Outcome::Delivered
    }

    /// Every record is told, refused, or waits.
    pub(super) fn adds_up(&mut self, store: &Store) {
        let ledger = store.ledger();
        assert!(ledger.holds(), "{ledger:?}");
        for name in [PICKY, AWAY] {
            let delivered = self.delivered.get(name).copied().unwrap_or_default();
            let dead = if name == PICKY { self.dead } else { 0 };
            let pending = self.records - delivered - dead;
            let expected =
                Sums { accepted: self.records, delivered, pending, dead, ..Sums::default() };
            assert_eq!(ledger.of(&name.into()), expected, "{name}");
        }
    }

    /// Nothing waits any more: both know the last state of each case.
    pub(super) fn have_heard_all(&self) {
        for (&id, newest) in &self.newest {
            for name in [PICKY, AWAY] {
                assert_eq!(self.heard.get(&(name, id)), Some(newest), "{name}: {id}");
            }
        }
    }
}
