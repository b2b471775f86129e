//! The latest changes by their place in the journal: who watches reads on from where it was, and hears when that is too far back.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::{Store, journal::Location};
use crate::{
    base::lock,
    domain::{IncidentId, Record},
};

/// Changes that can be read on from; whoever is further behind reads everything anew. 256 KiB.
pub(super) const CHANGES_MAX: usize = 8_192;

/// Where the latest changes lie, oldest first.
#[derive(Default)]
pub(super) struct Changes {
    /// Everything up to here is known by its latest state alone.
    floor: u64,
    latest: VecDeque<(u64, Location)>,
}

impl Changes {
    /// A store was opened: what came before is in its incidents.
    pub(super) fn begin(&mut self, seq: u64) {
        self.floor = seq;
        self.latest.clear();
    }

    /// One more, synced.
    pub(super) fn note(&mut self, seq: u64, location: Location) {
        self.latest.push_back((seq, location));
        while self.latest.len() > CHANGES_MAX
            && let Some((seq, _)) = self.latest.pop_front()
        {
            self.floor = seq;
        }
    }

    /// Of the latest change.
    pub(super) fn position(&self) -> u64 {
        self.latest.back().map_or(self.floor, |(seq, _)| *seq)
    }

    /// Those behind this position, at most so many. `None`: it is not on this way.
    fn after(&self, after: u64, most: usize) -> Option<Vec<(u64, Location)>> {
        if after < self.floor || after > self.position() {
            return None;
        }
        let from = self.latest.partition_point(|(seq, _)| *seq <= after);
        Some(self.latest.iter().skip(from).take(most).copied().collect())
    }
}

/// All cases that are not over, at one position of the journal.
#[derive(Debug, Default)]
pub struct OpenCases {
    /// Sequence number of the latest change in them.
    pub position: u64,
    /// The most urgent first, and of these the newest.
    pub records: Vec<Record>,
    /// So many more there are, or cannot be read.
    pub left_out: usize,
}

impl Store {
    /// The cases that are neither closed nor dismissed, at most so many. What changed since is behind
    /// `position`. Reads from disk: a few microseconds each.
    pub fn open_cases(&self, most: usize) -> OpenCases {
        let (position, mut open) = {
            let state = lock(&self.inner.shared.state);
            let open = state.incidents.iter().filter(|(_, brief)| !brief.finished);
            let open = open.map(|(id, brief)| ((brief.top, u64::MAX - brief.first), *id));
            (state.changes.position(), open.collect::<Vec<_>>())
        };
        open.sort_unstable();
        let all = open.len();
        open.truncate(most);
        // Read after the position was taken: one that changed meanwhile is newer here, and comes again.
        let read = |(_, id): &(_, IncidentId)| self.incident(*id);
        let records: Vec<Record> = open.iter().filter_map(read).collect();
        OpenCases { position, left_out: all - records.len(), records }
    }

    /// The changes behind a position in the order of the journal, each with its own, at most so many.
    /// `None`: they are not known one by one any more, and everything is to be read anew.
    pub fn changes_after(&self, after: u64, most: usize) -> Option<Vec<(u64, Record)>> {
        let found = lock(&self.inner.shared.state).changes.after(after, most)?;
        let read = |(seq, location)| Some((seq, self.record_at(location)?));
        found.into_iter().map(read).collect()
    }

    /// Of the latest change; told after it is on disk and its receipt is settled.
    pub fn change_position(&self) -> watch::Receiver<u64> {
        self.inner.shared.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Location {
        Location { segment: 1, offset, len: 1 }
    }

    #[test]
    fn who_reads_on_gets_each_once_and_who_is_too_far_back_hears_so() {
        let mut changes = Changes::default();
        changes.begin(40);
        assert_eq!(changes.position(), 40);
        assert_eq!(changes.after(40, 9), Some(vec![]));
        assert_eq!((changes.after(39, 9), changes.after(41, 9)), (None, None));
        for seq in [42, 45, 46] {
            changes.note(seq, at(seq));
        }
        let seqs = |after, most| -> Option<Vec<u64>> {
            Some(changes.after(after, most)?.into_iter().map(|(seq, _)| seq).collect())
        };
        assert_eq!(seqs(40, 9), Some(vec![42, 45, 46]));
        assert_eq!(seqs(40, 2), Some(vec![42, 45]));
        assert_eq!(seqs(44, 9), Some(vec![45, 46]));
        assert_eq!((seqs(46, 9), seqs(47, 9)), (Some(vec![]), None));
    }

    #[test]
    fn p11_the_latest_changes_are_bounded() {
        let mut changes = Changes::default();
        for seq in 1..=CHANGES_MAX as u64 + 10 {
            changes.note(seq, at(seq));
        }
        assert_eq!(changes.latest.len(), CHANGES_MAX);
        assert_eq!(changes.after(9, 1), None);
        assert_eq!(changes.after(10, 1).unwrap()[0].0, 11);
    }
}
