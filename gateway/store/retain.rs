//! What a leaving segment still holds that is needed: it is written again before the segment goes (J7).

use std::collections::HashSet;

use super::{
    error::ReadError,
    facts::{Carried, Fact},
    journal::{Location, Reader},
    state::State,
};
use crate::domain::{Class, SinkId};

/// Found under the lock, read without it.
pub(super) struct Load {
    changes: Vec<Needed>,
    rest: Vec<Carried>,
}

struct Needed {
    seq: u64,
    owed: Vec<SinkId>,
    top: Class,
    first: u64,
    location: Location,
}

/// Pending records, live incidents, presses and replies in this segment.
pub(super) fn carry(state: &State, segment: u64) -> Load {
    let mut changes: Vec<Needed> = state
        .due
        .pending
        .iter()
        .filter(|(_, pending)| pending.location.segment == segment)
        .map(|(&seq, pending)| Needed {
            seq,
            owed: pending.owed.clone(),
            top: pending.class,
            first: state.incidents.get(&pending.incident).map_or(seq, |brief| brief.first),
            location: pending.location,
        })
        .collect();
    let pending: HashSet<u64> = changes.iter().map(|needed| needed.location.offset).collect();
    for brief in state.incidents.values() {
        let here = brief.location.segment == segment && !brief.finished;
        if here && !pending.contains(&brief.location.offset) {
            changes.push(Needed {
                seq: brief.first,
                owed: Vec::new(),
                top: brief.top,
                first: brief.first,
                location: brief.location,
            });
        }
    }
    let presses = state.presses.iter().filter(|(_, held)| held.segment == segment);
    let replies = state.replies.iter().filter(|(_, held)| held.segment == segment);
    let rest = presses
        .map(|(&seq, held)| Carried::Press { seq, press: held.value.clone() })
        .chain(replies.map(|(&seq, held)| {
            let (incident, id) = held.value.clone();
            Carried::Reply { seq, incident, id }
        }))
        .collect();
    Load { changes, rest }
}

impl Load {
    pub(super) fn read(self, reader: &Reader) -> Result<Vec<Fact>, ReadError> {
        let mut facts: Vec<Fact> = self.rest.into_iter().map(Fact::Carried).collect();
        for Needed { seq, owed, top, first, location } in self.changes {
            // What is no record of an incident cannot be pending or live.
            if let Some(record) = reader.read(location)?.into_record() {
                let record = Box::new(record);
                facts.push(Fact::Carried(Carried::Change { seq, owed, top, first, record }));
            }
        }
        Ok(facts)
    }
}
