//! What happens at the door, written into the journal's chain: log-ins, and those that failed, within a bound.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::Backend;
use crate::{
    base::{Bucket, lock},
    domain::{AccessEvent, AccessNote, plain_name},
};

/// FailureBudget that are written down at once; whoever guesses shall not fill the disk.
const FAILURES_MAX: f64 = 30.0;
/// And so many a second from then on. How many were not is in the next one that is.
const FAILURES_PER_S: f64 = 0.2;
/// A log-in waits no longer for a disk: an officer must come in where it is full, too.
const WITHIN: Duration = Duration::from_secs(3);

struct FailureBudget {
    began: Instant,
    bucket: Bucket,
    left_out: u64,
}

/// A cheap handle; all clones are one.
#[derive(Clone)]
pub(super) struct Audit(Arc<Mutex<FailureBudget>>);

impl Default for Audit {
    fn default() -> Self {
        let bucket = Bucket::full(FAILURES_MAX, FAILURES_PER_S, 0);
        Self(Arc::new(Mutex::new(FailureBudget { began: Instant::now(), bucket, left_out: 0 })))
    }
}

impl Audit {
    /// Writes it into the journal, or where that cannot be, into the log.
    pub(super) async fn note<B: Backend>(
        &self,
        backend: &B,
        what: AccessEvent,
        (who, by): (&str, &str),
        peer: Option<SocketAddr>,
    ) {
        let Some(detail) = self.detail(what) else { return };
        let from = peer.map(|peer| peer.ip().to_canonical().to_string());
        let note = AccessNote {
            what,
            who: plain_name(who),
            by: plain_name(by),
            from,
            detail,
            at: backend.now(),
        };
        let written = tokio::time::timeout(WITHIN, backend.note_access(note.clone())).await;
        if !matches!(written, Ok(true)) {
            tracing::warn!(what = ?note.what, who = note.who, from = note.from, "web: not in the journal");
        }
    }

    /// What else is said; none: there were too many, and this one is counted.
    fn detail(&self, what: AccessEvent) -> Option<String> {
        if what != AccessEvent::LogInFailed {
            return Some(String::new());
        }
        let mut failures = lock(&self.0);
        let now = u64::try_from(failures.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !failures.bucket.spend(1.0, now) {
            failures.left_out += 1;
            return None;
        }
        match std::mem::take(&mut failures.left_out) {
            0 => Some(String::new()),
            more => Some(format!("and {more} more before")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_failures_fill_no_disk_and_none_is_uncounted() {
        let audit = Audit::default();
        let told = (0..1_000).filter(|_| audit.detail(AccessEvent::LogInFailed).is_some()).count();
        assert!((30..40).contains(&told), "{told}");
        assert_eq!(audit.detail(AccessEvent::LoggedIn), Some(String::new()), "nothing else waits");
        assert_eq!(lock(&audit.0).left_out as usize + told, 1_000);
    }
}
