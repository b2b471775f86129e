//! Old evidence leaves: finished, delivered, and past its days, on a clock that has proved steady (P5, P9).

use std::{fs, io, path::PathBuf, sync::atomic::Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{
    Store, evidence,
    facts::{Fact, Gone},
};
use crate::{
    base::lock,
    domain::{EvidenceId, Now},
};

/// A clock that was set wrong is set right by NTP within minutes of the uplink; one that has
/// run evenly for this long is believed with the deletion of evidence.
const STEADY: SignedDuration = SignedDuration::from_hours(1);
/// Wall and monotonic time may drift apart by this between two checks.
const DRIFT: SignedDuration = SignedDuration::from_secs(60);
/// One record in the journal names one piece; a run removes at most this many.
const PIECES_PER_RUN_MAX: usize = 1000;
/// Above its bound, evidence shrinks by this part (a twentieth) more, so that not every new piece
/// needs a run of its own.
const SHRINK_BY_PART: u64 = 20;

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

impl Store {
    /// Removes evidence that is older than `evidence_days`, whose incident is finished, and
    /// that no undelivered record names. To be called every few minutes; blocks on the disk.
    pub fn tidy(&self, now: Now) -> io::Result<Tidied> {
        if !lock(&self.inner.steady).check(now) {
            return Ok(Tidied::default());
        }
        if let Err(error) = self.inner.shared.case_files.prune(&*self.inner.disk, now) {
            tracing::warn!(%error, "old lines of cases could not be removed");
        }
        let days = self.inner.config.evidence_days;
        let keep_ms = i64::from(days) * 24 * 3_600_000;
        let mut old = self.deliverable_oldest_first()?;
        // One that was made under a wrong clock is of no age: only the bound in bytes ends it.
        old.retain(|(made, ..)| now.mono().saturating_sub(now.mono_of(*made)) > keep_ms);
        self.remove(old, &format!("older than {days} days"))
    }

    /// Removes the oldest pieces that nobody needs until all are within their bound.
    pub(super) fn shrink_evidence(&self) -> io::Result<usize> {
        let most = self.inner.config.evidence_max_bytes;
        let mut excess = self
            .inner
            .shared
            .disk_space
            .evidence_bytes
            .load(Ordering::Relaxed)
            .saturating_sub(most - most / SHRINK_BY_PART);
        let mut leaving = self.deliverable_oldest_first()?;
        leaving.retain(|(_, _, path)| {
            let wanted = excess > 0;
            let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
            excess = excess.saturating_sub(bytes);
            wanted
        });
        self.remove(leaving, &format!("to stay within {most} bytes")).map(|tidied| tidied.pieces)
    }

    /// Pieces that are finished and delivered, with the time they were made.
    fn deliverable_oldest_first(&self) -> io::Result<Vec<(Timestamp, EvidenceId, PathBuf)>> {
        let files = evidence::files(&self.inner.data_folder)?;
        let mut pieces: Vec<_> = files
            .into_iter()
            .filter(|(id, _)| !self.is_needed(*id))
            .filter_map(|(id, path)| Some((made_at(id)?, id, path)))
            .collect();
        pieces.sort_by_key(|&(_, id, _)| id);
        Ok(pieces)
    }

    fn remove(
        &self,
        mut leaving: Vec<(Timestamp, EvidenceId, PathBuf)>,
        reason: &str,
    ) -> io::Result<Tidied> {
        let mut tidied = Tidied::default();
        leaving.truncate(PIECES_PER_RUN_MAX);
        if leaving.is_empty() {
            return Ok(tidied);
        }
        let gone = |&(_, evidence, _): &(Timestamp, EvidenceId, PathBuf)| {
            Fact::Gone(Gone { evidence, reason: reason.into() })
        };
        // On record first, removed after: a crash in between leaves a file too many.
        self.write_blocking(leaving.iter().map(gone).collect(), Vec::new())
            .map_err(io::Error::other)?;
        for (_, _, path) in leaving {
            let bytes = fs::metadata(&path)?.len();
            self.inner.disk.remove(&path)?;
            let total = &self.inner.shared.disk_space.evidence_bytes;
            total.fetch_sub(bytes.min(total.load(Ordering::Relaxed)), Ordering::Relaxed);
            tidied.bytes += bytes;
            tidied.pieces += 1;
        }
        Ok(tidied)
    }

    /// Is its incident unfinished, or anything of it still owed to anybody?
    fn is_needed(&self, id: EvidenceId) -> bool {
        lock(&self.inner.shared.state).is_needed(id)
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
