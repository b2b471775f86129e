//! Updates that pile up: what a sink that is away or slow is owed of one incident has a bound.
//!
//! A button that presses ten times a second makes a record each time, and the emergency's records are
//! never given up. But each carries the whole state of its incident (P2), so that a newer one says all
//! that an older one said. Of the mere updates of one incident the newest [`UPDATES_OWED_MAX`] are owed to
//! a sink; older ones are settled as superseded, in one batch with the record that comes, or not at all.
//! What opened the incident, each step of a person, limits, the end and the telling of newcomers are
//! never superseded, nor is the newest, nor what is under way.

use jiff::Timestamp;

use super::{
    Store,
    facts::{Fact, SettledFact},
    writer::WriteJob,
};
use crate::{
    base::lock,
    domain::{Entry, IncidentId, Outcome, Record, Settled, What},
};

/// Updates of one incident that wait for one sink. An outage of minutes is told press by press.
pub(super) const UPDATES_OWED_MAX: usize = 20;
/// A folder that already has very many of them is tidied by this many with each record that comes.
const AT_ONCE_MAX: usize = 64;

/// Newer records of its incident say all that this one says, too.
pub(super) fn may_yield(record: &Record) -> bool {
    record.what == What::Updated && !record.incident.detail.contains_key("news")
}

impl Store {
    /// Adds to a job what its records make needless.
    pub(super) fn supersede(&self, job: &mut WriteJob) {
        let changes = job.facts.iter().filter_map(|fact| match fact {
            Fact::Entry(Entry::Change(record)) if may_yield(record) => Some(record),
            _ => None,
        });
        let changed: Vec<(IncidentId, Timestamp)> =
            changes.map(|record| (record.incident.id, record.incident.changed_at)).collect();
        if changed.is_empty() {
            return;
        }
        let mut settled = Vec::new();
        let mut state = lock(&self.inner.shared.state);
        for (incident, at) in changed {
            for (sink, change) in state.due.superseded(incident, UPDATES_OWED_MAX, AT_ONCE_MAX) {
                let kind = state.due.pending.get(&change).map(|pending| pending.kind);
                let Some(kind) = kind.filter(|_| state.due.begin_settling(&sink, change, false))
                else {
                    continue;
                };
                let outcome = Outcome::Superseded;
                settled.push(SettledFact {
                    settled: Settled { sink, change, outcome, at },
                    kind,
                    piece: None,
                });
            }
        }
        drop(state);
        for fact in settled.into_iter().map(Fact::Settled) {
            // A few names and numbers: it always fits.
            let Ok(payload) = fact.encode() else { continue };
            job.facts.push(fact);
            job.payloads.push(payload);
        }
    }
}
