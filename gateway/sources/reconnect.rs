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

/// How a connection ended.
#[derive(Clone, Copy, Default)]
pub struct Ended {
    /// It had brought a picture.
    pub got: bool,
    /// It ended because no picture came for so long.
    pub stalled: Option<Duration>,
}

/// The connection's history, as far as it matters for the next try.
pub struct Reconnect {
    tries: u32,
    silent_since: Instant,
    told: bool,
    /// Since when pictures come.
    works_since: Option<Instant>,
    /// Pictures must come for so long before a silence is over: a camera whose picture stops again and
    /// again is one that is silent.
    settles: Duration,
}

impl Reconnect {
    pub fn new(now: Instant) -> Self {
        let (works_since, settles) = (None, Duration::ZERO);
        Self { tries: 0, silent_since: now, told: false, works_since, settles }
    }

    /// A picture came; true once a connection, when its pictures have come for so long that a silence
    /// before it is over.
    pub fn works(&mut self, now: Instant) -> bool {
        let since = *self.works_since.get_or_insert(now);
        if now.duration_since(since) < self.settles {
            return false;
        }
        let over = self.settles != SETTLED;
        (self.settles, self.told) = (SETTLED, false);
        over
    }

    /// The connection ended.
    pub fn lost(&mut self, now: Instant, ended: Ended) -> Lost {
        if ended.got {
            (self.tries, self.silent_since) = (0, now);
        }
        self.works_since = None;
        let stalled = ended.stalled.filter(|_| ended.got);
        self.settles = match (stalled, self.settles) {
            (Some(stalled), _) => stalled,
            // Nothing settled since: the silence goes on.
            (None, before) if before != SETTLED => before,
            _ => Duration::ZERO,
        };
        let first = self.tries == 0;
        let silent = now.duration_since(self.silent_since) >= SILENT_AFTER || stalled.is_some();
        let tell = !self.told && silent;
        self.told |= tell;
        let wait = backoff(FIRST_MS, self.tries);
        self.tries = self.tries.saturating_add(1);
        Lost { first, tell, wait }
    }
}

/// It has settled in this connection already.
const SETTLED: Duration = Duration::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_a_stream_begins_the_count_anew() {
        let mut now = Instant::now();
        let mut reconnect = Reconnect::new(now);
        let mut told_after = None;
        for n in 0..50 {
            let lost = reconnect.lost(now, Ended::default());
            assert_eq!(lost.first, n == 0);
            assert!(lost.wait <= Duration::from_secs(60), "try {n}: {:?}", lost.wait);
            if lost.tell {
                assert!(told_after.is_none(), "told twice");
                told_after = Some(now);
            }
            now += lost.wait;
        }
        assert!(told_after.is_some());
        assert!(reconnect.works(now), "the silence that was told is over");
        assert!(!reconnect.works(now), "and that once");
        let lost = reconnect.lost(now, Ended { got: true, stalled: None });
        assert!(lost.first && !lost.tell && lost.wait <= Duration::from_millis(500), "{lost:?}");
    }

    #[test]
    fn a_picture_that_stops_is_told_at_once_and_over_when_it_has_come_as_long() {
        let (mut now, stall) = (Instant::now(), Duration::from_secs(10));
        let mut reconnect = Reconnect::new(now);
        assert!(reconnect.works(now), "the first connection");
        let stalled = Ended { got: true, stalled: Some(stall) };
        assert!(reconnect.lost(now, stalled).tell);
        for _ in 0..5 {
            // Five seconds of pictures, and it stops again.
            assert!(!reconnect.works(now));
            now += Duration::from_secs(5);
            assert!(!reconnect.works(now));
            now += stall;
            assert!(!reconnect.lost(now, stalled).tell, "told already");
        }
        assert!(!reconnect.works(now));
        assert!(!reconnect.works(now + stall - Duration::from_millis(1)));
        assert!(reconnect.works(now + stall));
        assert!(!reconnect.works(now + stall), "once");
        assert!(reconnect.lost(now + stall, stalled).tell, "anew");
    }
}
