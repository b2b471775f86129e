//! What leaves the store and how it is given back: due records and files, settlements, dead letters sent again.

use std::{collections::BTreeMap, future::Future, time::Duration};

use jiff::Timestamp;

use super::{
    Due, DuePiece, Lane, SetAside, SettleError, Store, Subscriber,
    due::Taken,
    evidence,
    facts::{Fact, SettledFact},
    refuse_too_large,
    writer::WriteJob,
};
use crate::{
    base::{NotYet, Tried, lock},
    domain::{Class, IncidentId, Metric, Outcome, Settled, SinkId},
};

/// A due record that the disk does not give back now is asked for again after this.
const UNREADABLE_RETRY: Duration = Duration::from_secs(60);

/// One thing that is due, read from the journal.
struct DueFact {
    seq: u64,
    class: Class,
    tried: Tried,
    fact: Fact,
}

impl Store {
    /// The next record that this sink has not settled and nobody has in flight: most urgent
    /// class first, then in the order of the journal. Waits until there is one; may be
    /// cancelled.
    pub async fn next_due(&self, sink: &SinkId, lane: Lane) -> Due {
        loop {
            let DueFact { seq, class, tried, fact } = self.next(sink, lane).await;
            if let Some(record) = fact.into_record() {
                return Due { seq, class, tried, record };
            }
            self.put_off(sink, seq, "it is no record of an incident");
        }
    }

    /// The next snapshot or clip for this sink, once the record that names it has arrived
    /// there. Waits until there is one; may be cancelled.
    pub async fn next_piece(&self, sink: &SinkId) -> DuePiece {
        loop {
            let DueFact { seq, tried, fact, .. } = self.next(sink, Lane::Evidence).await;
            let incident = lock(&self.inner.shared.state).due.pending.get(&seq).map(|p| p.incident);
            if let (Some(incident), Some(evidence)) = (incident, fact.into_evidence()) {
                let path = evidence::find(&self.inner.data_folder, &evidence);
                return DuePiece { seq, incident, tried, evidence, path };
            }
            self.put_off(sink, seq, "it is no piece of evidence");
        }
    }

    /// As [`Self::next_due`], without waiting.
    pub fn try_next_due(&self, sink: &SinkId, lane: Lane) -> Option<Due> {
        loop {
            // What cannot be read stays in flight until the next start; the others go on.
            let Ok(taken) = self.take(sink, lane) else { continue };
            let DueFact { seq, class, tried, fact } = taken?;
            if let Some(record) = fact.into_record() {
                return Some(Due { seq, class, tried, record });
            }
        }
    }

    async fn next(&self, sink: &SinkId, lane: Lane) -> DueFact {
        loop {
            let woken = self.inner.shared.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.take(sink, lane) {
                Ok(Some(taken)) => return taken,
                Ok(None) => self.wait_for_turn(sink, lane, woken).await,
                Err((seq, reason)) => self.put_off(sink, seq, &reason),
            }
        }
    }

    /// Until something may have become due, or the next that waits has its time.
    async fn wait_for_turn(&self, sink: &SinkId, lane: Lane, woken: impl Future<Output = ()>) {
        let next_ms = lock(&self.inner.shared.state).due.next_ms(sink, lane);
        let Some(next_ms) = next_ms else { return woken.await };
        let wait = Duration::from_millis(next_ms.saturating_sub(self.now_ms()).max(1));
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Milliseconds since the store was opened.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.inner.shared.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The error is the seq of what is due and cannot be read, and why.
    fn take(&self, sink: &SinkId, lane: Lane) -> Result<Option<DueFact>, (u64, String)> {
        let taken = lock(&self.inner.shared.state).due.take(sink, lane, self.now_ms());
        let Some(Taken { seq, class, location, tried }) = taken else { return Ok(None) };
        match self.inner.shared.reader.read(location) {
            Ok(fact) => Ok(Some(DueFact { seq, class, tried, fact })),
            Err(error) => {
                // Its segment may just have left, and it was written again elsewhere.
                let moved = lock(&self.inner.shared.state)
                    .due
                    .pending
                    .get(&seq)
                    .map(|pending| pending.location)
                    .filter(|now| *now != location);
                match moved.map(|location| self.inner.shared.reader.read(location)) {
                    Some(Ok(fact)) => Ok(Some(DueFact { seq, class, tried, fact })),
                    _ => Err((seq, error.to_string())),
                }
            }
        }
    }

    /// Stays pending, and so in the ledger; back in the queue after a while.
    fn put_off(&self, sink: &SinkId, seq: u64, reason: &str) {
        self.inner.shared.meter.add(Metric::StoreErrors, "", 1);
        tracing::error!(%sink, seq, reason, "what is due cannot be read; it stays pending");
        let (store, sink) = (self.clone(), sink.clone());
        tokio::spawn(async move {
            tokio::time::sleep(UNREADABLE_RETRY).await;
            store.release(&sink, seq);
        });
    }

    /// Who has not got the first record of this incident, and who refused it, with the answer.
    pub fn owed(&self, id: IncidentId) -> (Vec<SinkId>, BTreeMap<SinkId, String>) {
        let state = lock(&self.inner.shared.state);
        let Some(first) = state.incidents.get(&id).map(|brief| brief.first) else {
            return Default::default();
        };
        let waiting = state.due.pending.get(&first).map(|pending| pending.owed.clone());
        let refused = state.dead.get(&first).map(|letter| letter.answers.clone());
        (waiting.unwrap_or_default(), refused.unwrap_or_default())
    }

    /// Writes down how something was settled; returns once that is queued. What is refused
    /// stays as it was.
    pub async fn settle(&self, settled: Settled) -> Result<(), SettleError> {
        let fact = self.begin_settling(settled)?;
        if let Some(job) = refuse_too_large(WriteJob::new(vec![fact], Vec::new())) {
            drop(self.inner.queue.send(job).await);
        }
        Ok(())
    }

    /// Marks what is settled as being settled, and makes the record of it: from here on nobody gets it again.
    pub(super) fn begin_settling(&self, settled: Settled) -> Result<Fact, SettleError> {
        let mut state = lock(&self.inner.shared.state);
        let pending = state.due.pending.get(&settled.change).ok_or(SettleError::NotDue)?;
        let (kind, class, piece) = (pending.kind, pending.class, pending.piece);
        let may_yield = pending.may_yield;
        // The file of an emergency may be refused for good, its record never; neither is shed.
        let may_end = match &settled.outcome {
            // What nobody can hear any more in time is not kept for a time when it misleads.
            Outcome::Delivered | Outcome::Expired { .. } => true,
            Outcome::Dead { .. } => class != Class::Emergency || piece.is_some(),
            Outcome::Shed { .. } => class != Class::Emergency,
            Outcome::Superseded => may_yield,
        };
        if !may_end {
            tracing::error!(sink = %settled.sink, seq = settled.change, outcome = ?settled.outcome, "an emergency is never given up; it stays pending");
            return Err(SettleError::EmergencyKept);
        }
        let taken = settled.outcome == Outcome::Delivered;
        if !state.due.begin_settling(&settled.sink, settled.change, taken) {
            return Err(SettleError::NotDue);
        }
        Ok(Fact::Settled(SettledFact { settled, kind, piece }))
    }

    /// Tried and not delivered: due again at its time. Whether it has just been set aside: it failed
    /// while others passed, or was refused, and from now on stands in nobody's way.
    pub fn later(&self, sink: &SinkId, seq: u64, why: NotYet) -> bool {
        let aside = lock(&self.inner.shared.state).due.later(sink, seq, why, self.now_ms());
        // Another lane's: it became an emergency while it was under way.
        self.inner.shared.wake.notify_waiters();
        aside
    }

    /// The sink has taken something that was really sent: what waits for that leaves now.
    pub fn passed(&self, sink: &SinkId, lane: Lane) {
        if lock(&self.inner.shared.state).due.passed(sink, lane, self.now_ms()) {
            self.inner.shared.wake.notify_waiters();
        }
    }

    /// How much this sink is owed that it refuses, or that fails while others pass.
    pub fn set_aside(&self, sink: &SinkId) -> SetAside {
        lock(&self.inner.shared.state).due.set_aside(sink)
    }

    /// Not tried: available again, to any of the sink's couriers.
    pub fn release(&self, sink: &SinkId, seq: u64) {
        if lock(&self.inner.shared.state).due.release(sink, seq) {
            self.inner.shared.wake.notify_waiters();
        }
    }

    /// From here on, changes are owed to these sinks. What is owed to one that left stays
    /// pending; a new one is owed only what comes from now on. Waits while the queue is full.
    pub async fn set_sinks(&self, sinks: Vec<Subscriber>) {
        drop(self.inner.queue.send(WriteJob { sinks: Some(sinks), ..WriteJob::default() }).await);
    }

    /// Sends dead letters again, and at once what was refused or failed and waits for its next try:
    /// those of this sink (or of all), and of this seq (or all). Returns how many, once that is on
    /// disk. Never from async code.
    pub fn retry(
        &self,
        sink: Option<&SinkId>,
        change: Option<u64>,
        at: Timestamp,
    ) -> Result<usize, super::Unavailable> {
        let wanted = |number: u64, of: &SinkId| {
            change.is_none_or(|change| change == number) && sink.is_none_or(|sink| sink == of)
        };
        let (asked, hastened) = {
            let mut state = lock(&self.inner.shared.state);
            let hastened = state.due.hasten(self.now_ms(), wanted);
            (state.ask_again(wanted, at), hastened)
        };
        let facts: Vec<Fact> = asked.into_iter().map(Fact::Retried).collect();
        let count = facts.len();
        self.write_blocking(facts, Vec::new())?;
        self.inner.shared.wake.notify_waiters();
        Ok(count + hastened)
    }
}
