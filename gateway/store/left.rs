//! Cases for which memory has no room, as long as somebody needs them from here: the index, and the figures. Pure.

use std::collections::HashMap;

use super::{journal::Location, state::Brief};
use crate::domain::{Class, IncidentId};

/// Cases that wait for the index, as at a start without one. About 20 MB.
const LEAVING_MAX: usize = 100_000;
/// Cases that no index has, by the little that must not be lost: as many as a journal of 4 GiB holds. About
/// 35 MB, and only while there is no whole index.
const TRACES_MAX: usize = 400_000;
/// Cases whose lines wait to be written: as many as a journal of some GB holds. About 48 MB, and only where no
/// line was ever written or can be.
const LINES_MAX: usize = 1_000_000;

/// A record that has to be read: of whom, at which revision, and where.
pub(super) type Wanted = (IncidentId, u32, Location);

/// Whether this record lies behind that place, or there is none.
pub(super) fn is_behind(at: Location, through: Option<Location>) -> bool {
    through.is_none_or(|end| (at.segment, at.offset) > (end.segment, end.offset))
}

/// What a case must not lose when it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// Seq of its first change.
    pub(super) first: u64,
    /// The most urgent class it ever had.
    pub(super) top: Class,
    /// The newest; none: of this case only older records are left.
    pub(super) revision: Option<u32>,
    /// Of that one's record.
    pub(super) segment: u64,
}

impl Trace {
    /// Of a case as lists have it.
    pub(super) fn of(brief: &Brief) -> Self {
        let Brief { first, top, revision, location, .. } = *brief;
        Self { first, top, revision: Some(revision), segment: location.segment }
    }
}

/// What has left memory.
#[derive(Default)]
pub(super) struct Left {
    /// Lines of all cases up to this record are written.
    lined: Option<Location>,
    /// Cases that are over and whose lines are not.
    lines: Vec<Wanted>,
    /// There was no room for so many more.
    lines_lost: u64,
    /// They go to the index with the next write.
    leaving: HashMap<IncidentId, Brief>,
    /// And these with the one that is under way.
    under_way: HashMap<IncidentId, Brief>,
    /// No index has these.
    traces: HashMap<IncidentId, Trace>,
    /// Some of them found no room: an index that is begun with what is known here lacks them.
    is_cut: bool,
}

impl Left {
    /// The files of the figures are complete up to there.
    pub(super) fn lined(through: Option<Location>) -> Self {
        Self { lined: through, ..Self::default() }
    }

    /// A case leaves. `to_index`: the index has not got it like that.
    pub(super) fn put(&mut self, id: IncidentId, brief: Brief, to_index: bool) {
        if brief.finished && is_behind(brief.location, self.lined) {
            if self.lines.len() < LINES_MAX {
                self.lines.push((id, brief.revision, brief.location));
            } else {
                self.lines_lost += 1;
            }
        }
        if !to_index {
            return;
        }
        if self.leaving.len() < LEAVING_MAX || self.leaving.contains_key(&id) {
            self.leaving.insert(id, brief);
        } else {
            self.is_cut = true;
            self.note(id, Trace::of(&brief));
        }
    }

    /// Of a case that neither memory nor an index has.
    pub(super) fn note(&mut self, id: IncidentId, trace: Trace) {
        if self.traces.len() < TRACES_MAX || self.traces.contains_key(&id) {
            self.traces.insert(id, trace);
        }
    }

    /// One that the index may not have yet.
    pub(super) fn find(&self, id: IncidentId) -> Option<&Brief> {
        self.leaving.get(&id).or_else(|| self.under_way.get(&id))
    }

    /// The same, and one that no index has.
    pub(super) fn trace(&self, id: IncidentId) -> Option<Trace> {
        self.find(id).map(Trace::of).or_else(|| self.traces.get(&id).copied())
    }

    /// For the index, which says [`Self::is_indexed`] when it has them.
    pub(super) fn take(&mut self) -> Vec<(IncidentId, Brief)> {
        self.under_way = std::mem::take(&mut self.leaving);
        self.under_way.iter().map(|(&id, brief)| (id, brief.clone())).collect()
    }

    /// The index has what was taken.
    pub(super) fn is_indexed(&mut self) {
        self.under_way = HashMap::new();
    }

    /// The index has all of them.
    pub(super) fn are_indexed(&mut self) {
        (self.leaving, self.under_way) = Default::default();
    }

    /// There is no index to go to.
    pub(super) fn has_no_index(&mut self) {
        let under_way = std::mem::take(&mut self.under_way);
        let leaving = std::mem::take(&mut self.leaving);
        for (id, brief) in under_way.into_iter().chain(leaving) {
            self.note(id, Trace::of(&brief));
        }
    }

    /// All that have left are still known here or in the index.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// Whose lines wait; and of how many they are lost.
    pub(super) fn lines(&self) -> (&[Wanted], u64) {
        (&self.lines, self.lines_lost)
    }

    /// All lines up to there are written.
    pub(super) fn lines_are_written(&mut self, through: Option<Location>) {
        self.lined = through;
        self.lines.retain(|(.., at)| is_behind(*at, through));
        if self.lines.is_empty() {
            self.lines = Vec::new();
        }
    }

    /// Segments up to this one leave.
    pub(super) fn forget_segments(&mut self, through: u64) {
        self.leaving.retain(|_, brief| brief.location.segment > through);
        self.traces.retain(|_, trace| trace.segment > through);
        let before = self.lines.len();
        self.lines.retain(|(.., at)| at.segment > through);
        // They could not be written before that.
        self.lines_lost += (before - self.lines.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Class, Kind};

    fn at(offset: u64) -> Location {
        Location { segment: 1, offset, len: 1 }
    }

    fn brief(offset: u64, finished: bool) -> Brief {
        Brief {
            first: offset,
            location: at(offset),
            revision: 2,
            kind: Kind::Rain,
            top: Class::Notice,
            active: false,
            finished,
            changed_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_finds_no_room_is_said_and_an_index_begun_of_the_rest_is_not_whole() {
        let mut left = Left::default();
        for n in 0..LEAVING_MAX as u64 {
            left.put(IncidentId::new(), brief(n, true), true);
        }
        assert!(left.is_whole());
        left.put(IncidentId::new(), brief(7, true), true);
        assert!(!left.is_whole());
        assert_eq!((left.take().len(), left.leaving.len()), (LEAVING_MAX, 0));
    }

    #[test]
    fn lines_wait_for_what_is_over_and_not_written_until_it_is_written() {
        let mut left = Left::lined(Some(at(10)));
        let ids: Vec<IncidentId> = (0..4).map(|_| IncidentId::new()).collect();
        left.put(ids[0], brief(10, true), false);
        left.put(ids[1], brief(11, true), false);
        left.put(ids[2], brief(12, false), true);
        left.put(ids[3], brief(13, true), true);
        assert_eq!(left.lines().0.iter().map(|one| one.0).collect::<Vec<_>>(), [ids[1], ids[3]]);
        assert!(left.find(ids[3]).is_some() && left.find(ids[1]).is_none());
        left.take();
        assert!(left.find(ids[2]).is_some(), "on its way to the index");
        left.is_indexed();
        assert!(left.find(ids[2]).is_none());
        left.lines_are_written(Some(at(11)));
        assert_eq!(left.lines(), (&[(ids[3], 2, at(13))][..], 0));
        left.forget_segments(1);
        assert_eq!(left.lines(), (&[][..], 1), "it left with its segment: that is told");
    }
}
