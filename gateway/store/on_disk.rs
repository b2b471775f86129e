//! What is found in the index only, because memory has no room for it: older cases, what older presses are
//! recognised by. Any thread may ask; without an index, nothing is there.

use super::{
    index::{guarded, read_brief},
    seen_marks::SeenMarks,
    state::Brief,
};
use crate::domain::IncidentId;

/// The open index; a cheap handle.
#[derive(Clone)]
pub(super) struct OnDisk {
    db: sled::Db,
    /// What presses are recognised by.
    pub(super) seen_marks: SeenMarks,
}

impl OnDisk {
    /// Of this index.
    pub(super) fn new(db: sled::Db, seen_marks: SeenMarks) -> Self {
        Self { db, seen_marks }
    }

    /// The latest state of an incident, as far as lists need it.
    pub(super) fn brief(&self, id: IncidentId) -> Option<Brief> {
        let key = [b"i", &id.0.as_bytes()[..]].concat();
        let value = guarded(|| self.db.get(&key)).ok()??;
        read_brief(&key, &value).map(|(_, brief)| brief)
    }

    /// Of all incidents, the newest first; those in memory too.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (IncidentId, Brief)> {
        let mut pairs = self.db.scan_prefix(b"i").rev();
        let next = move || guarded(|| pairs.next().transpose()).ok().flatten();
        std::iter::from_fn(next).filter_map(|(key, value)| read_brief(&key, &value))
    }
}
