//! Connecting to a camera again, for ever: when the next try is, and when its silence is an incident.

use std::time::{Duration, Instant};

use crate::wire::backoff::backoff;

const FIRST_MS: u64 = 500;
/// Silent for so long, a camera is an incident.
const SILENT_AFTER: Duration = Duration::from_secs(15);

/// What to do after a connection ended or could not be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first failure after it worked: worth a line in the log.
    pub first: bool,
    /// It has been silent for so long that somebody must be told, now and once.
    pub tell: bool,
    pub wait: Duration,
}

/// The connection's history, as far as it matters for the next try.
pub struct Reconnect {
    tries: u32,
    silent_since: Instant,
    told: bool,
}

impl Reconnect {
    pub fn new(now: Instant) -> Self {
        Self { tries: 0, silent_since: now, told: false }
    }

    /// Packets come; true when a silence that was told is over with that.
    pub fn works(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }

    /// The connection ended; `got` says whether it had brought a packet.
    pub fn lost(&mut self, now: Instant, got: bool) -> Lost {
        if got {
            (self.tries, self.silent_since) = (0, now);
        }
        let first = self.tries == 0;
        let tell = !self.told && now.duration_since(self.silent_since) >= SILENT_AFTER;
        self.told |= tell;
        let wait = backoff(FIRST_MS, self.tries);
        self.tries = self.tries.saturating_add(1);
        Lost { first, tell, wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_a_stream_begins_the_count_anew() {
        let mut now = Instant::now();
        let mut reconnect = Reconnect::new(now);
        let mut told_after = None;
        for n in 0..50 {
            let lost = reconnect.lost(now, false);
            assert_eq!(lost.first, n == 0);
            assert!(lost.wait <= Duration::from_secs(60), "try {n}: {:?}", lost.wait);
            if lost.tell {
                assert!(told_after.is_none(), "told twice");
                told_after = Some(now);
            }
            now += lost.wait;
        }
        assert!(told_after.is_some());
        assert!(reconnect.works(), "the silence that was told is over");
        assert!(!reconnect.works());
        let lost = reconnect.lost(now, true);
        assert!(lost.first && !lost.tell && lost.wait <= Duration::from_millis(500), "{lost:?}");
    }
}
