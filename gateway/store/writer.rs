//! The one thread that writes the journal: group commit, receipts after the sync, and its own way back from a failing disk.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    Subscriber,
    case_files::{CASES_AT_CLOSE, Part},
    disk::Disk,
    disk_space::is_out_of_space,
    facts::{Fact, Occasion, Payload, Retired, Standing},
    folder::Lock,
    index::Indexer,
    journal::Journal,
    left::Trace,
    recover::Checkpoint,
    retain,
    shared::Shared,
};
use crate::{
    base::lock,
    domain::{Answer, IncidentId, Metric, Receipt},
};

/// Batches that wait for the disk; a batch is a few records. Full: senders wait.
pub(super) const QUEUE_BATCHES: usize = 1024;
/// One sync carries at most this; larger groups only make the first of them wait longer.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// A segment leaves only if at most this part of it has to be written again; otherwise the
/// journal would chase its own tail. It stays above its bound instead, and says so.
const CARRIED_SHARE_MAX: u64 = 4;
/// While the figures of its cases cannot be written, or whose evidence is held cannot be read, the journal grows by
/// this part (a quarter) beyond its bound; then presses are worth more than figures and old cases.
const WAIT_PART: u64 = 4;
/// What failed is tried again after this, whoever asks.
const FAILED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What waits in the queue: encoded before, so that the writer only frames and writes.
#[derive(Default)]
pub(super) struct WriteJob {
    /// For the state, once they are synced.
    pub(super) facts: Vec<Fact>,
    /// The same as bytes.
    pub(super) payloads: Vec<Payload>,
    /// Settled after the sync.
    pub(super) receipts: Vec<(Receipt, Answer)>,
    /// From here on, changes are owed to these; such a job carries nothing else.
    pub(super) sinks: Option<Vec<Subscriber>>,
}

impl WriteJob {
    /// The error says which fact cannot be kept, and why.
    pub(super) fn new(
        facts: Vec<Fact>,
        receipts: Vec<(Receipt, Answer)>,
    ) -> Result<Self, (String, Vec<(Receipt, Answer)>)> {
        match facts.iter().map(Fact::encode).collect() {
            Ok(payloads) => Ok(Self { facts, payloads, receipts, sinks: None }),
            Err(reason) => Err((reason, receipts)),
        }
    }

    fn bytes(&self) -> usize {
        self.payloads.iter().map(|payload| payload.bytes.len() + 68).sum()
    }
}

/// A segment that could not leave. To find out what it still holds costs as much as to read it: not at each
/// write.
pub(super) struct Kept {
    segment: u64,
    /// When it was looked at, the journal had and was to have so many bytes.
    journal_bytes: u64,
    journal_max_bytes: u64,
    at: Instant,
    /// Too much of it was needed, which every delivery may change; else something failed.
    is_needed: bool,
}

/// What the writer's thread owns.
pub(super) struct Writer {
    /// Where it writes.
    pub(super) journal: Journal,
    /// What handles read.
    pub(super) shared: Arc<Shared>,
    /// From the handles.
    pub(super) queue: mpsc::Receiver<WriteJob>,
    /// Let go when a write finds no room.
    pub(super) reserve: PathBuf,
    /// For the reserve.
    pub(super) disk: Arc<dyn Disk>,
    /// First and longest wait between tries while the disk fails.
    pub(super) retry: (Duration, Duration),
    /// Taken out of the queue, not on disk yet; always written first.
    pub(super) unwritten: VecDeque<WriteJob>,
    /// Ended by the writer; set when its thread has started.
    pub(super) indexer: Option<Indexer>,
    /// Who is owed records from here on.
    pub(super) sinks: Vec<Subscriber>,
    /// Why the oldest segment is still there.
    pub(super) kept: Option<Kept>,
    /// Held until the very end, so that nobody opens a folder that is still written.
    pub(super) _lock: Lock,
}

impl Writer {
    /// Until the store closes, or all its handles are gone. False: something was not written.
    pub(super) fn run(mut self) -> bool {
        self.unwritten.push_front(self.standing(Occasion::Opened));
        let mut fine = true;
        loop {
            if self.unwritten.is_empty() {
                if self.shared.is_closing() {
                    self.queue.close();
                }
                let Some(job) = self.queue.blocking_recv() else { break };
                self.unwritten.push_back(job);
            }
            self.gather();
            if let Err(error) = self.write_group().and_then(|()| self.retain())
                && !self.recover(&error)
            {
                fine = false;
                break;
            }
        }
        if fine {
            self.unwritten.push_back(self.standing(Occasion::Closed));
            fine = self.write_group().is_ok();
            // The next start would do it as well; but a journal may be taken away before that.
            if let Err(error) = self.write_case_lines(Part::AtMost(CASES_AT_CLOSE)) {
                tracing::warn!(%error, "the figures of cases that are over are written at the next start");
            }
        }
        if let Some(indexer) = self.indexer.take() {
            indexer.stop();
        }
        fine
    }

    fn standing(&self, occasion: Occasion) -> WriteJob {
        let ledger = lock(&self.shared.state).ledger.clone();
        let ids = |all: &mut dyn Iterator<Item = &Subscriber>| all.map(|s| s.id.clone()).collect();
        let sinks = ids(&mut self.sinks.iter());
        let carriers = ids(&mut self.sinks.iter().filter(|sink| sink.evidence));
        let standing = Standing { occasion, sinks, carriers, ledger };
        WriteJob::new(vec![Fact::Standing(standing)], Vec::new())
            .map_err(|(reason, _)| reason)
            .expect("a ledger is a few hundred numbers a sink")
    }

    /// What has arrived meanwhile shares the next sync.
    fn gather(&mut self) {
        let mut bytes: usize = self.unwritten.iter().map(WriteJob::bytes).sum();
        while bytes < GROUP_BYTES_MAX
            && self.unwritten.len() < QUEUE_BATCHES
            && let Ok(job) = self.queue.try_recv()
        {
            bytes += job.bytes();
            self.unwritten.push_back(job);
        }
    }

    /// Writes as much of `unwritten` as fits one group, syncs, and only then tells (J3).
    fn write_group(&mut self) -> io::Result<()> {
        self.change_sinks()?;
        let (mut count, mut bytes) = (0, 0);
        for job in self.unwritten.iter().take_while(|job| job.sinks.is_none()) {
            if count > 0 && bytes + job.bytes() > GROUP_BYTES_MAX {
                break;
            }
            bytes += job.bytes();
            count += 1;
        }
        if bytes > 0 {
            self.make_place(bytes)?;
        }
        if bytes > 0 {
            let jobs: Vec<WriteJob> = self.unwritten.drain(..count).collect();
            let written = self.write(&jobs.iter().collect::<Vec<_>>());
            if let Err(error) = written {
                for job in jobs.into_iter().rev() {
                    self.unwritten.push_front(job);
                }
                return Err(error);
            }
            // Somebody waits for these: couriers that are woken first would run before the
            // session that has a PUBACK to give.
            jobs.into_iter().for_each(settle);
            self.shared.announce();
        } else {
            self.unwritten.drain(..count).for_each(settle);
        }
        Ok(())
    }

    /// What was asked for before it is written already; what comes after it is owed to the new ones.
    fn change_sinks(&mut self) -> io::Result<()> {
        while let Some(sinks) = self.unwritten.front().and_then(|job| job.sinks.clone()) {
            let before = std::mem::replace(&mut self.sinks, sinks);
            let standing = self.standing(Occasion::Changed);
            let written = match self.journal.must_roll(standing.bytes()) {
                true => self.roll().and_then(|()| self.append(&[&standing])),
                false => self.append(&[&standing]),
            };
            if let Err(error) = written {
                self.sinks = before;
                return Err(error);
            }
            self.unwritten.pop_front();
        }
        Ok(())
    }

    /// A segment with room for so many bytes, begun with its sums (J8): those at its own place,
    /// so they go out before the group. A failed disk may have left one that is empty yet.
    fn make_place(&mut self, bytes: usize) -> io::Result<()> {
        if self.journal.must_roll(bytes) {
            self.roll()?;
        }
        if self.journal.is_empty_segment() {
            let standing = self.standing(Occasion::Segment);
            self.append(&[&standing])?;
        }
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        let rolled = self.journal.roll(self.shared.form.format());
        self.shared.reader.forget();
        rolled
    }

    /// As [`Self::write`], and the couriers know.
    fn append(&mut self, jobs: &[&WriteJob]) -> io::Result<()> {
        self.write(jobs)?;
        self.shared.announce();
        Ok(())
    }

    /// One write, one sync; then the state has it.
    fn write(&mut self, jobs: &[&WriteJob]) -> io::Result<()> {
        let older: Vec<Option<Vec<Payload>>> =
            jobs.iter().map(|job| self.shared.form.older(&job.facts, &job.payloads)).collect();
        let payloads = jobs.iter().zip(&older);
        let batches: Vec<&[Payload]> =
            payloads.map(|(job, older)| older.as_deref().unwrap_or(&job.payloads)).collect();
        let places = self.journal.append(&batches)?;
        let facts = jobs.iter().flat_map(|job| &job.facts);
        let older = self.older(facts.clone());
        {
            let mut state = lock(&self.shared.state);
            state.older = older;
            for (&(seq, location), fact) in places.iter().zip(facts) {
                state.apply(seq, location, fact);
            }
            state.older = HashMap::new();
            state.checkpoint = Checkpoint::of(self.journal.end());
        }
        self.shared.meter.add(Metric::StoreSyncs, "", 1);
        self.shared.meter.add(Metric::StoreRecords, "", places.len() as u64);
        self.shared.journal_bytes.store(self.journal.bytes(), Ordering::Relaxed);
        Ok(())
    }

    /// Of cases that go on though memory had no room for them: what the index knows.
    fn older<'f>(&self, facts: impl Iterator<Item = &'f Fact>) -> HashMap<IncidentId, Trace> {
        let missing: Vec<IncidentId> = {
            let state = lock(&self.shared.state);
            facts.filter_map(|fact| state.is_missing(fact)).collect()
        };
        let on_disk = self.shared.on_disk().filter(|_| !missing.is_empty());
        let trace = |id| Some((id, Trace::of(&on_disk.as_ref()?.brief(id)?)));
        missing.into_iter().filter_map(trace).collect()
    }

    /// The disk failed: nobody is acknowledged, nothing is forgotten, and it is tried again
    /// until it works (true) or the store closes (false).
    fn recover(&mut self, error: &io::Error) -> bool {
        self.fail(error);
        while let Ok(job) = self.queue.try_recv() {
            self.unwritten.push_back(job);
            if self.unwritten.len() >= 2 * QUEUE_BATCHES {
                break;
            }
        }
        // Receipts dropped unsettled answer `Lost`: the devices send again, and the second
        // copy finds the first in front of it.
        for job in &mut self.unwritten {
            job.receipts.clear();
        }
        self.unwritten.retain(|job| !job.facts.is_empty() || job.sinks.is_some());
        let (mut wait, longest) = self.retry;
        loop {
            self.shared.wait(wait);
            let last = self.shared.is_closing();
            match self.resume() {
                Ok(()) => {
                    tracing::info!("the store can write again; nothing that waited was lost");
                    self.shared.set_trouble(None);
                    return true;
                }
                Err(error) if last => {
                    tracing::error!(%error, batches = self.unwritten.len(), "the store closes with records that were never acknowledged and could not be written");
                    return false;
                }
                Err(error) => self.fail(&error),
            }
            wait = (wait * 2).min(longest);
        }
    }

    fn fail(&self, error: &io::Error) {
        tracing::error!(%error, waiting = self.unwritten.len(), "the store cannot write; nothing is acknowledged until it can");
        self.shared.meter.add(Metric::StoreErrors, "", 1);
        self.shared.set_trouble(Some(error.to_string()));
        if is_out_of_space(error) {
            self.shared.disk_space.set_full();
            match self.disk.remove(&self.reserve) {
                Ok(()) => tracing::error!(
                    "no room is left: the reserve is let go, only presses are taken from now on"
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::error!(%error, "the reserve cannot be let go"),
            }
        }
    }

    fn resume(&mut self) -> io::Result<()> {
        for damage in self.journal.reopen()? {
            tracing::error!(damage, "the disk lost what it had synced");
        }
        while !self.unwritten.is_empty() {
            self.write_group()?;
        }
        Ok(())
    }

    /// Figures outlive the records of their cases.
    fn write_case_lines(&self, part: Part) -> io::Result<usize> {
        self.shared.case_files.catch_up(&self.shared, &*self.disk, part)
    }

    /// Above its bound, the journal lets its oldest segments go, never what is still needed (J7).
    fn retain(&mut self) -> io::Result<()> {
        let space = &self.shared.disk_space;
        let most = space.journal_max_bytes.load(Ordering::Relaxed);
        let asked = space.look_again.swap(false, Ordering::Relaxed);
        while self.journal.bytes() > most && self.journal.sizes.len() > 2 {
            let Some((&oldest, &size)) = self.journal.sizes.first_key_value() else { break };
            let journal_bytes = self.journal.bytes();
            if self.kept.as_ref().is_some_and(|kept| {
                kept.segment == oldest && !kept.is_over(journal_bytes, most, size, asked)
            }) {
                break;
            }
            let kept = |is_needed| {
                let (segment, journal_max_bytes, at) = (oldest, most, Instant::now());
                Some(Kept { segment, journal_bytes, journal_max_bytes, at, is_needed })
            };
            let may_wait = journal_bytes < most.saturating_add(most / WAIT_PART);
            if let Err(error) = self.write_case_lines(Part::UpTo(oldest)) {
                tracing::error!(%error, segment = oldest, "the figures of its cases cannot be written: the oldest segment stays for now");
                if may_wait {
                    self.kept = kept(false);
                    break;
                }
            }
            let held = self.shared.holds.incidents();
            if held.is_none() {
                tracing::error!(
                    segment = oldest,
                    may_wait,
                    "whose evidence is held cannot be read: the oldest segment stays as long as it may wait"
                );
                if may_wait {
                    self.kept = kept(false);
                    break;
                }
            }
            match self.carried(oldest, size, &held.unwrap_or_default(), may_wait) {
                Ok(job) => self.retire(oldest, &job)?,
                Err(is_needed) => {
                    self.kept = kept(is_needed);
                    break;
                }
            }
        }
        Ok(())
    }

    /// What of this segment is to be written again. The error: it stays, because too much of it is needed (true),
    /// or something failed.
    fn carried(
        &self,
        oldest: u64,
        size: u64,
        held: &HashSet<IncidentId>,
        may_wait: bool,
    ) -> Result<WriteJob, bool> {
        let mut load = retain::carry(&lock(&self.shared.state), oldest, held);
        let on_disk = self.shared.on_disk();
        load.find_held(on_disk.as_ref());
        let not_found = load.not_found();
        if not_found > 0 {
            tracing::error!(
                segment = oldest,
                not_found,
                may_wait,
                "cases that are held are not found in the index, and may lie here: the oldest segment stays as long as it may wait; a restart reads the journal for them"
            );
            if may_wait {
                return Err(false);
            }
        }
        if load.bytes() > size / CARRIED_SHARE_MAX {
            return Err(true);
        }
        let mut facts = load.read(&self.shared.reader, on_disk.as_ref()).map_err(|error| {
            tracing::error!(%error, segment = oldest, "the oldest segment holds something that is needed and cannot be read: it stays");
            false
        })?;
        facts.push(Fact::Retired(Retired { through: oldest }));
        let job = WriteJob::new(facts, Vec::new()).map_err(|_| false)?;
        match job.bytes() as u64 > size / CARRIED_SHARE_MAX {
            true => Err(true),
            false => Ok(job),
        }
    }

    /// What is needed of it is written again, then it goes.
    fn retire(&mut self, oldest: u64, job: &WriteJob) -> io::Result<()> {
        self.make_place(job.bytes())?;
        self.append(&[job])?;
        lock(&self.shared.state).forget_segments(oldest);
        self.journal.remove(oldest)?;
        self.shared.reader.forget();
        self.shared.journal_bytes.store(self.journal.bytes(), Ordering::Relaxed);
        tracing::info!(
            segment = oldest,
            "a segment that nothing needs any more has left the journal"
        );
        Ok(())
    }
}

impl Kept {
    /// Whether it is time to look at it again: it matters more than then, or less of it may be needed.
    fn is_over(&self, journal_bytes: u64, most: u64, size: u64, asked: bool) -> bool {
        journal_bytes >= self.journal_bytes + size / CARRIED_SHARE_MAX
            || most < self.journal_max_bytes
            || (asked && self.is_needed)
            || self.at.elapsed() >= FAILED_AGAIN_AFTER
    }
}

fn settle(job: WriteJob) {
    for (receipt, answer) in job.receipts {
        receipt.settle(answer);
    }
}
