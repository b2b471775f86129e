//! What rules and desk get back at start: open cases, and what people and gauges sent.
//!
//! Open cases come back whole. All emergencies do; of the others the newest, within bounds of their own for
//! cases and for residents' reports, which anybody can send. One that does not come back has nobody whom its
//! limits are told, so it is told at the start how many there are.

use super::{
    facts::Fact,
    journal::{Location, Reader},
    open::{FORK_REVISIONS, Restored},
    state::{Brief, State},
};
use crate::domain::{Class, Kind, Record};

/// Of each of the two: as many cases as memory remembers, were their records small.
const LIVE_MAX: usize = 100_000;

/// What else of one sort may be restored.
struct Room {
    cases: usize,
    bytes: u64,
}

/// Which open cases are restored.
struct Rooms {
    cases: Room,
    reports: Room,
    left_out: usize,
}

impl Rooms {
    fn of(live_bytes: u64) -> Self {
        let room = || Room { cases: LIVE_MAX, bytes: live_bytes };
        Self { cases: room(), reports: room(), left_out: 0 }
    }

    /// The newest ask first.
    fn has_place_for(&mut self, brief: &Brief) -> bool {
        // What was closed while it was active still has to end.
        if brief.finished && !brief.active {
            return false;
        }
        if brief.top == Class::Emergency {
            return true;
        }
        let room = if brief.kind == Kind::Report { &mut self.reports } else { &mut self.cases };
        let left = room.bytes.checked_sub(u64::from(brief.location.len));
        let Some((cases, bytes)) = room.cases.checked_sub(1).zip(left) else {
            self.left_out += 1;
            // Older ones that are smaller would stand where nobody looks for them.
            room.bytes = 0;
            return false;
        };
        *room = Room { cases, bytes };
        true
    }
}

/// Reads it from the journal; what is left out is told.
pub(super) fn restore(state: &State, reader: &Reader, notes: &mut Vec<String>) -> Restored {
    let mut rooms = Rooms::of(state.bounds.live_bytes);
    let newest_first = state.by_age.values().rev().filter_map(|id| state.incidents.get(id));
    let forked = state.forked.map(|at| (at.segment, at.offset));
    let mut live: Vec<Record> = newest_first
        .filter(|brief| rooms.has_place_for(brief))
        .filter_map(|brief| match reader.read(brief.location) {
            Ok(fact) => {
                let mut record = fact.into_record()?;
                // Not changed since this folder came from a backup.
                if forked.is_some_and(|at| (brief.location.segment, brief.location.offset) < at) {
                    record.incident.revision += FORK_REVISIONS;
                }
                Some(record)
            }
            Err(error) => {
                tracing::error!(%error, "a live incident cannot be read back");
                None
            }
        })
        .collect();
    live.reverse();
    if rooms.left_out > 0 {
        let note = format!(
            "{} open cases are older than memory has room for: their limits are not told until somebody replies to them; raise memory_max_bytes",
            rooms.left_out
        );
        tracing::error!("{note}");
        notes.push(note);
    }
    let reports: Vec<Location> = state.gauges.values().map(|held| held.location).collect();
    Restored {
        live,
        presses: read_back(reader, state.presses.values(), Fact::into_press),
        older_presses: state.presses.len() >= state.bounds.presses,
        replies: read_back(reader, state.replies.values(), Fact::into_reply),
        reports: read_back(reader, reports.iter(), Fact::into_report),
        latest: state.latest,
    }
}

/// What these places hold. One that cannot be read is told and left out: it is known that it is damaged.
fn read_back<'l, T>(
    reader: &Reader,
    places: impl Iterator<Item = &'l Location>,
    of: impl Fn(Fact) -> Option<T>,
) -> Vec<T> {
    let read = |location: &Location| match reader.read(*location) {
        Ok(fact) => of(fact),
        Err(error) => {
            tracing::error!(%error, "a press, reply or report cannot be read back");
            None
        }
    };
    places.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(kind: Kind, len: u32, top: Class) -> Brief {
        Brief {
            first: 1,
            location: Location { segment: 1, offset: 0, len },
            revision: 1,
            kind,
            top,
            active: true,
            finished: false,
            changed_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn p11_open_cases_are_restored_within_bytes_and_neither_reports_nor_size_crowd_out_the_rest() {
        let mut rooms = Rooms::of(10_000);
        let mut takes = |kind, len, top| rooms.has_place_for(&brief(kind, len, top));
        for _ in 0..10 {
            assert!(takes(Kind::Report, 1_000, Class::Notice));
        }
        assert!(!takes(Kind::Report, 1_000, Class::Notice));
        assert!(takes(Kind::WaterLevel, 10_000, Class::Alert), "they have a room of their own");
        assert!(!takes(Kind::WaterLevel, 1, Class::Alert));
        assert!(takes(Kind::WaterLevel, 1_000_000, Class::Emergency), "always");
        assert_eq!(rooms.left_out, 2);
        let mut many = Rooms::of(u64::MAX);
        let all =
            (0..=LIVE_MAX).filter(|_| many.has_place_for(&brief(Kind::Rain, 1, Class::Notice)));
        assert_eq!((all.count(), many.left_out), (LIVE_MAX, 1));
    }
}
