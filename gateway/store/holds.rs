//! Holds: evidence of an incident that is kept until a day, whatever its age. A small file beside the journal,
//! in which each of them is an entry too.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs, io,
    path::PathBuf,
    sync::Mutex,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Store, Unavailable, facts::Fact, folder::DataFolder};
use crate::{
    base::{lock, write_whole_secret},
    domain::{Entry, EvidenceId, IncidentId},
};

/// Incidents that are held at once.
const HOLDS_MAX: usize = 10_000;

/// Evidence of one incident that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whose evidence.
    pub incident: IncidentId,
    /// It ends then.
    pub until: Timestamp,
    /// Who asked last, as claimed.
    pub by: String,
    /// And why.
    pub why: String,
    /// Pieces that were there; later ones are known by their incident.
    pub pieces: BTreeSet<EvidenceId>,
}

/// All of them, as the file has them.
pub(super) struct Holds {
    path: PathBuf,
    /// None: the file cannot be read, and everything is held.
    all: Mutex<Option<BTreeMap<IncidentId, Hold>>>,
}

impl Holds {
    /// Of this folder. What cannot be read is told, and holds everything until somebody mends it.
    pub(super) fn read(data_folder: &DataFolder) -> Self {
        let path = data_folder.holds();
        let all = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error.to_string()),
            Ok(bytes) => serde_json::from_slice::<Vec<Hold>>(&bytes)
                .map(|all| all.into_iter().map(|hold| (hold.incident, hold)).collect())
                .map_err(|error| error.to_string()),
        };
        let all = all.inspect_err(|error| {
            tracing::error!(error, path = %path.display(), "which evidence is held cannot be read: none is removed until this file is right or gone");
        });
        Self { path, all: Mutex::new(all.ok()) }
    }

    /// Adds one or begins it anew, on disk; those that are over leave. Blocks on the disk.
    fn put(&self, mut hold: Hold, now: Timestamp) -> io::Result<Hold> {
        let mut guard = lock(&self.all);
        let Some(all) = guard.as_mut() else {
            return Err(io::Error::other(format!("{} cannot be read", self.path.display())));
        };
        let mut new = all.clone();
        new.retain(|_, hold| hold.until > now);
        if let Some(before) = new.get(&hold.incident) {
            hold.until = hold.until.max(before.until);
            hold.pieces.extend(before.pieces.iter().copied());
        }
        if new.len() >= HOLDS_MAX && !new.contains_key(&hold.incident) {
            let message = format!("{HOLDS_MAX} incidents are held already; the oldest end first");
            return Err(io::Error::other(message));
        }
        new.insert(hold.incident, hold.clone());
        self.write(&new)?;
        *all = new;
        Ok(hold)
    }

    fn write(&self, all: &BTreeMap<IncidentId, Hold>) -> io::Result<()> {
        let list: Vec<&Hold> = all.values().collect();
        let bytes = serde_json::to_vec(&list).map_err(io::Error::other)?;
        write_whole_secret(&self.path, &bytes)
    }

    /// Those that are over leave the file, and the journal keeps their cases no longer. To be called on a clock
    /// that has proved steady (P9); blocks on the disk.
    pub(super) fn forget_over(&self, now: Timestamp) -> io::Result<()> {
        let mut guard = lock(&self.all);
        let Some(all) = guard.as_mut() else { return Ok(()) };
        if all.values().all(|hold| hold.until > now) {
            return Ok(());
        }
        let mut new = all.clone();
        new.retain(|_, hold| hold.until > now);
        self.write(&new)?;
        *all = new;
        Ok(())
    }

    /// Whose evidence is held, over or not: who asks has no clock. `None`: the file cannot be read.
    pub(super) fn incidents(&self) -> Option<HashSet<IncidentId>> {
        lock(&self.all).as_ref().map(|all| all.keys().copied().collect())
    }

    /// Whose piece it is, if it was there when it was held.
    pub(super) fn incident_of(&self, piece: EvidenceId) -> Option<IncidentId> {
        let guard = lock(&self.all);
        let mut all = guard.as_ref()?.values();
        all.find(|hold| hold.pieces.contains(&piece)).map(|hold| hold.incident)
    }

    /// Whether this piece is kept for somebody.
    pub(super) fn holds(
        &self,
        piece: EvidenceId,
        incident: Option<IncidentId>,
        now: Timestamp,
    ) -> bool {
        let guard = lock(&self.all);
        let Some(all) = guard.as_ref() else { return true };
        let counts = |hold: &Hold| hold.until > now;
        let by_incident = incident.and_then(|id| all.get(&id)).is_some_and(counts);
        by_incident || all.values().any(|hold| counts(hold) && hold.pieces.contains(&piece))
    }
}

/// Who asks for a hold.
#[derive(Clone, Debug)]
pub struct HoldOrder {
    /// Whose evidence.
    pub incident: IncidentId,
    /// As claimed.
    pub by: String,
    /// In a sentence.
    pub why: String,
    /// How long.
    pub days: u32,
    /// Gateway time.
    pub at: Timestamp,
}

impl HoldOrder {
    /// When it ends.
    pub(super) fn until(&self) -> Timestamp {
        let span = SignedDuration::from_hours(i64::from(self.days) * 24);
        self.at.checked_add(span).unwrap_or(Timestamp::MAX)
    }
}

impl Store {
    /// Keeps the evidence of this incident until the hold ends; written down first. `None`: no such incident.
    /// Blocks on the disk.
    pub fn hold(&self, order: &HoldOrder) -> Result<Option<Hold>, Unavailable> {
        if self.incident(order.incident).is_none() {
            return Ok(None);
        }
        let hold = self.put_hold(order)?;
        let entry = Entry::Held {
            incident: order.incident,
            by: order.by.clone(),
            why: order.why.clone(),
            until: hold.until,
            at: order.at,
        };
        self.write_blocking(vec![Fact::Entry(entry)], Vec::new())?;
        // A segment that was on its way out before the writer knew of it may have taken its last record along.
        Ok(self.incident(order.incident).map(|_| hold))
    }

    /// As [`Self::hold`], without the entry: an export has its own.
    pub(super) fn put_hold(&self, order: &HoldOrder) -> Result<Hold, Unavailable> {
        let record = self.incident(order.incident);
        let pieces = record.map(|record| record.incident.evidence).unwrap_or_default();
        let hold = Hold {
            incident: order.incident,
            until: order.until(),
            by: order.by.clone(),
            why: order.why.clone(),
            pieces: pieces.into_iter().map(|piece| piece.id).collect(),
        };
        self.inner.shared.holds.put(hold, order.at).map_err(|error| Unavailable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    fn piece(n: u128) -> EvidenceId {
        EvidenceId(uuid::Uuid::from_u128(n))
    }

    fn hold(n: u128, until: i64) -> Hold {
        Hold {
            incident: IncidentId(uuid::Uuid::from_u128(n)),
            until: at(until),
            by: "李警官".into(),
            why: "案件".into(),
            pieces: [piece(n)].into(),
        }
    }

    #[test]
    fn a_hold_ends_on_its_day_is_renewed_and_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let data_folder = DataFolder::new(folder.path());
        let holds = Holds::read(&data_folder);
        holds.put(hold(1, 10), at(0)).unwrap();
        let held = |holds: &Holds, day| holds.holds(piece(1), None, at(day));
        assert!(held(&holds, 9) && !held(&holds, 10));
        assert!(!holds.holds(piece(2), None, at(1)), "of another incident");
        let later = Some(hold(1, 1).incident);
        assert!(holds.holds(piece(2), later, at(1)), "made after the hold, of the same incident");
        holds.put(hold(1, 5), at(1)).unwrap();
        assert!(held(&holds, 9), "none is made shorter");
        holds.put(hold(1, 20), at(1)).unwrap();
        assert!(held(&Holds::read(&data_folder), 19), "after a restart");
        let (over, kept) = (hold(2, 3), hold(3, 30));
        holds.put(over, at(1)).unwrap();
        holds.put(kept, at(4)).unwrap();
        let left = lock(&holds.all).as_ref().unwrap().len();
        assert_eq!(left, 2, "what is over has left the file");
        assert_eq!(holds.incident_of(piece(1)), Some(hold(1, 0).incident));
        assert_eq!(holds.incident_of(piece(2)), None);
        holds.forget_over(at(20)).unwrap();
        for holds in [holds, Holds::read(&data_folder)] {
            assert_eq!(
                holds.incidents(),
                Some([hold(3, 0).incident].into()),
                "that of day 20 is over"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_holds_everything() {
        let folder = tempfile::tempdir().unwrap();
        let data_folder = DataFolder::new(folder.path());
        fs::write(data_folder.holds(), "[{").unwrap();
        let holds = Holds::read(&data_folder);
        assert!(holds.holds(piece(1), None, at(0)));
        assert_eq!((holds.incidents(), holds.incident_of(piece(1))), (None, None));
        holds.forget_over(at(1)).unwrap();
        assert!(holds.put(hold(1, 1), at(0)).is_err(), "and is not written over");
    }
}
