//! Old evidence leaves: finished, delivered, and past its days, on a clock that has proved steady (P5, P9).

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::atomic::Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{
    Store, evidence,
    facts::{Fact, Gone},
    keep::{EvidenceConfig, KeepRules},
    room::Share,
};
use crate::{
    base::lock,
    domain::{EvidenceId, Incident, Now},
};

/// A clock that was set wrong is set right by NTP within minutes of the uplink; one that has
/// run evenly for this long is believed with the deletion of evidence.
const STEADY: SignedDuration = SignedDuration::from_hours(1);
/// Wall and monotonic time may drift apart by this between two checks.
const DRIFT: SignedDuration = SignedDuration::from_secs(60);
/// One record in the journal names one piece; a run removes at most this many.
const PIECES_PER_RUN_MAX: usize = 1000;

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// How many.
    pub pieces: usize,
    /// Of them together.
    pub bytes: u64,
}

/// Tells whether the wall clock has gone evenly since this was made.
#[derive(Default)]
pub(super) struct SteadyClock {
    /// When the even stretch began, and the last check.
    since: Option<(Now, Now)>,
}

impl SteadyClock {
    /// Takes the time of now; true when the clock has been steady for long enough.
    pub(super) fn check(&mut self, now: Now) -> bool {
        let Some((began, last)) = self.since else {
            self.since = Some((now, now));
            return false;
        };
        let wall = now.wall.duration_since(last.wall);
        let mono = millis(now.mono_ms.saturating_sub(last.mono_ms));
        if (wall - mono).abs() > DRIFT {
            self.since = Some((now, now));
            return false;
        }
        self.since = Some((began, now));
        millis(now.mono_ms.saturating_sub(began.mono_ms)) >= STEADY
    }
}

fn millis(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// A piece that is finished and delivered.
struct Leaving {
    made: Timestamp,
    id: EvidenceId,
    path: PathBuf,
    /// Somebody wants it kept.
    held: bool,
}

impl Store {
    /// How long evidence is kept from now on.
    pub fn keep_by(&self, config: &EvidenceConfig) {
        let rules = KeepRules::of(config, self.inner.config.evidence_days);
        *lock(&self.inner.keep) = rules;
    }

    /// Removes evidence that is past the days of its kind and camera, whose incident is finished, that no
    /// undelivered record names, and that nobody holds. To be called every few minutes; blocks on the disk.
    pub fn tidy(&self, now: Now) -> io::Result<Tidied> {
        if !lock(&self.inner.steady).check(now) {
            return Ok(Tidied::default());
        }
        if let Err(error) = self.inner.shared.case_files.prune(&*self.inner.disk, now) {
            tracing::warn!(%error, "old lines of cases could not be removed");
        }
        if let Err(error) = self.inner.shared.holds.forget_over(now.wall) {
            tracing::warn!(%error, "holds that are over could not be taken off their file");
        }
        match self.forget_plates(now.wall) {
            Ok(0) => {}
            Ok(keys) => {
                tracing::info!(keys, "plates: the days of some are over; nobody opens them again")
            }
            Err(error) => {
                tracing::error!(%error, "keys of plates whose days are over could not be destroyed")
            }
        }
        let rules = lock(&self.inner.keep).clone();
        let is_past = |piece: &Leaving, days: u32| {
            // One that was made under a wrong clock is of no age: only the bound in bytes ends it.
            now.mono().saturating_sub(now.mono_of(piece.made)) > i64::from(days) * 24 * 3_600_000
        };
        let mut old = self.deliverable_oldest_first(now)?;
        let shortest = rules.shortest();
        old.retain(|piece| !piece.held && is_past(piece, shortest));
        let mut leaving: BTreeMap<u32, Vec<Leaving>> = BTreeMap::new();
        for piece in old {
            let days = rules.days(self.case_of(piece.id).as_ref());
            if is_past(&piece, days) {
                leaving.entry(days).or_default().push(piece);
            }
        }
        let mut tidied = Tidied::default();
        for (days, pieces) in leaving {
            let removed = self.remove(pieces, &format!("older than {days} days"), now)?;
            tidied.pieces += removed.pieces;
            tidied.bytes += removed.bytes;
        }
        Ok(tidied)
    }

    /// Removes the oldest pieces of this share that nobody needs or holds until it is within its bound.
    pub(super) fn shrink_evidence(&self, share: Share, now: Now) -> io::Result<usize> {
        let (_, most) = self.share_bytes(share);
        let excess = self.excess(share);
        self.make_room(Some(share), excess, &format!("to stay within {most} bytes"), now)
    }

    /// The same, of one share or of all, until so many bytes and pieces are gone. A share is a bound of our own,
    /// and no reason to take what somebody holds: new evidence is refused instead. A file system that is full is
    /// short of room for presses, which go before all evidence: then what is held leaves too, after all else.
    pub(super) fn make_room(
        &self,
        share: Option<Share>,
        (mut bytes_left, mut pieces_left): (u64, u64),
        reason: &str,
        now: Now,
    ) -> io::Result<usize> {
        let mut leaving = self.deliverable_oldest_first(now)?;
        leaving
            .retain(|piece| share.is_none_or(|share| !piece.held && self.is_of(piece.id, share)));
        leaving.sort_by_key(|piece| piece.held);
        leaving.retain(|piece| {
            if bytes_left == 0 && pieces_left == 0 {
                return false;
            }
            let bytes = fs::metadata(&piece.path).map_or(0, |metadata| metadata.len());
            bytes_left = bytes_left.saturating_sub(bytes);
            pieces_left = pieces_left.saturating_sub(1);
            true
        });
        let (held, free): (Vec<_>, Vec<_>) = leaving.into_iter().partition(|piece| piece.held);
        let mut pieces = self.remove(free, reason, now)?.pieces;
        if !held.is_empty() {
            tracing::error!(
                count = held.len(),
                "evidence that is held leaves: nothing else is left to make room with"
            );
            pieces += self.remove(held, &format!("{reason}, though it was held"), now)?.pieces;
        }
        Ok(pieces)
    }

    /// Whole days that the oldest piece of evidence has been kept; `None`: there is none.
    pub(super) fn days_kept(&self, now: Now) -> Option<i64> {
        let files = evidence::files(&self.inner.data_folder).ok()?;
        let oldest = files.into_iter().filter_map(|(id, _)| made_at(id)).min()?;
        Some((now.wall.duration_since(oldest).as_hours() / 24).max(0))
    }

    /// Pieces that are finished and delivered, with the time they were made.
    fn deliverable_oldest_first(&self, now: Now) -> io::Result<Vec<Leaving>> {
        let files = evidence::files(&self.inner.data_folder)?;
        let leaving = |(id, path): (EvidenceId, PathBuf)| {
            let incident = {
                let state = lock(&self.inner.shared.state);
                if state.is_needed(id) {
                    return None;
                }
                state.evidence.get(&id).map(|piece| piece.incident)
            };
            let held = self.inner.shared.holds.holds(id, incident, now.wall);
            Some(Leaving { made: made_at(id)?, id, path, held })
        };
        let mut pieces: Vec<_> = files.into_iter().filter_map(leaving).collect();
        pieces.sort_by_key(|piece| piece.id);
        Ok(pieces)
    }

    /// Whose evidence it is, as far as anybody still knows.
    fn case_of(&self, id: EvidenceId) -> Option<Incident> {
        self.incident(self.incident_of(id)?).map(|record| record.incident)
    }

    fn remove(&self, mut leaving: Vec<Leaving>, reason: &str, now: Now) -> io::Result<Tidied> {
        let mut tidied = Tidied::default();
        leaving.truncate(PIECES_PER_RUN_MAX);
        if leaving.is_empty() {
            return Ok(tidied);
        }
        let gone = |piece: &Leaving| {
            let (evidence, reason) = (piece.id, reason.into());
            Fact::Gone(Gone { evidence, reason, at: Some(now.wall) })
        };
        // On record first, removed after: a crash in between leaves a file too many.
        self.write_blocking(leaving.iter().map(gone).collect(), Vec::new())
            .map_err(io::Error::other)?;
        for Leaving { path, .. } in leaving {
            let bytes = fs::metadata(&path)?.len();
            self.inner.disk.remove(&path)?;
            let total = &self.inner.shared.disk_space.shares.all_bytes;
            total.fetch_sub(bytes.min(total.load(Ordering::Relaxed)), Ordering::Relaxed);
            tidied.bytes += bytes;
            tidied.pieces += 1;
        }
        Ok(tidied)
    }
}

/// Evidence ids are UUIDv7: they carry the time they were made.
fn made_at(id: EvidenceId) -> Option<Timestamp> {
    let (seconds, _) = id.0.get_timestamp()?.to_unix();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_s: i64, mono_s: u64) -> Now {
        Now { wall: Timestamp::from_second(wall_s).unwrap(), mono_ms: mono_s * 1000 }
    }

    #[test]
    fn p9_a_stepped_clock_ages_nothing_out_for_an_hour() {
        let mut clock = SteadyClock::default();
        assert!(!clock.check(at(0, 0)), "the first check knows nothing");
        assert!(!clock.check(at(3000, 3000)));
        assert!(clock.check(at(3600, 3600)));
        assert!(!clock.check(at(1_000_000_000, 3700)), "a step of years");
        assert!(!clock.check(at(1_000_003_000, 6700)));
        assert!(clock.check(at(1_000_003_600, 7300)));
    }
}
