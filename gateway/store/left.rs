//! Cases for which memory has no room, as long as somebody needs them from here: the index, and the figures. Pure.

use std::collections::HashMap;

use super::{journal::Location, state::Brief};
use crate::domain::{Class, IncidentId, Record};

/// Cases that no index has, by the little that must not be lost: as many as a journal of 4 GiB holds. About
/// 40 MB, and only while there is no whole index.
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
    /// Of that one's record; of an older one where there is none.
    pub(super) location: Location,
}

impl Trace {
    /// Of a case as lists have it.
    pub(super) fn of(brief: &Brief) -> Self {
        let Brief { first, top, revision, location, .. } = *brief;
        Self { first, top, revision: Some(revision), location }
    }

    /// As lists have it, with its record.
    pub(super) fn brief(self, record: &Record) -> Brief {
        let incident = &record.incident;
        Brief {
            first: self.first,
            location: self.location,
            revision: incident.revision,
            kind: incident.kind,
            top: self.top,
            active: incident.active,
            finished: incident.stage.is_over(),
            changed_at: incident.changed_at,
        }
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
    /// Some of them found no room: nobody knows them, and an index that is begun here lacks them.
    is_cut: bool,
}

impl Left {
    /// The files of the figures are complete up to there.
    pub(super) fn lined(through: Option<Location>) -> Self {
        Self { lined: through, ..Self::default() }
    }

    /// A case leaves. `to_index`: the index has not got it like that; of so many that wait for it the whole is
    /// kept, of more what the index is made of later.
    pub(super) fn put(&mut self, id: IncidentId, brief: Brief, to_index: Option<usize>) {
        if brief.finished && is_behind(brief.location, self.lined) {
            if self.lines.len() < LINES_MAX {
                self.lines.push((id, brief.revision, brief.location));
            } else {
                self.lines_lost += 1;
            }
        }
        let Some(most) = to_index else { return };
        if self.leaving.len() < most || self.leaving.contains_key(&id) {
            self.traces.remove(&id);
            self.leaving.insert(id, brief);
        } else {
            // Newer than what is on its way.
            self.under_way.remove(&id);
            self.note(id, Trace::of(&brief));
        }
    }

    /// Memory has it again, and newer.
    pub(super) fn comes_back(&mut self, id: IncidentId) {
        self.traces.remove(&id);
    }

    /// Of a case that neither memory nor an index has.
    pub(super) fn note(&mut self, id: IncidentId, trace: Trace) {
        if self.traces.len() < TRACES_MAX || self.traces.contains_key(&id) {
            self.traces.insert(id, trace);
        } else {
            self.is_cut |= trace.revision.is_some();
        }
    }

    /// Whether the index is still to be told of any case.
    pub(super) fn has_untold(&self) -> bool {
        self.traces.values().any(|trace| trace.revision.is_some())
    }

    /// Cases of which the index is still to be told, by what is known of each.
    pub(super) fn untold(&self, most: usize) -> Vec<(IncidentId, Trace)> {
        let untold = self.traces.iter().filter(|(_, trace)| trace.revision.is_some());
        untold.take(most).map(|(&id, &trace)| (id, trace)).collect()
    }

    /// The index has these, as far as nothing newer is known of them.
    pub(super) fn are_told(&mut self, told: &[(IncidentId, Trace)]) {
        for (id, trace) in told {
            if self.traces.get(id) == Some(trace) {
                self.traces.remove(id);
            }
        }
        if self.traces.is_empty() {
            self.traces = HashMap::new();
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
        (self.leaving, self.under_way, self.traces, self.is_cut) = Default::default();
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
        self.traces.retain(|_, trace| trace.location.segment > through);
        let before = self.lines.len();
        self.lines.retain(|(.., at)| at.segment > through);
        // They could not be written before that.
        self.lines_lost += (before - self.lines.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

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
    fn what_finds_no_room_waits_by_its_trace_and_only_what_finds_none_there_is_lost() {
        let (mut left, most) = (Left::default(), 100);
        let ids: Vec<IncidentId> = (0..most + 2).map(|_| IncidentId::new()).collect();
        for (n, id) in ids.iter().enumerate() {
            left.put(*id, brief(n as u64, true), Some(most));
        }
        assert!(left.is_whole());
        let untold = left.untold(usize::MAX);
        assert_eq!((left.take().len(), left.leaving.len(), untold.len()), (most, 0, 2));
        // One of them goes on meanwhile, and leaves again.
        left.put(ids[most], brief(500, true), Some(most));
        left.are_told(&untold);
        assert!(left.untold(1).is_empty() && left.find(ids[most]).is_some());
        for n in 0..=TRACES_MAX as u64 {
            left.put(IncidentId::new(), brief(n, true), Some(1));
        }
        assert!(!left.is_whole());
    }

    #[test]
    fn lines_wait_for_what_is_over_and_not_written_until_it_is_written() {
        let mut left = Left::lined(Some(at(10)));
        let ids: Vec<IncidentId> = (0..4).map(|_| IncidentId::new()).collect();
        left.put(ids[0], brief(10, true), None);
        left.put(ids[1], brief(11, true), None);
        left.put(ids[2], brief(12, false), Some(100));
        left.put(ids[3], brief(13, true), Some(100));
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
