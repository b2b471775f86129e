//! The real clock, and the simulated one that replay and tests run on.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::lock;
use crate::domain::{Clock, Now};

/// The wall clock and the monotonic one. Nothing else in the gateway reads the wall clock.
pub struct RealClock {
    started: Instant,
}

impl RealClock {
    /// Its monotonic time begins now.
    pub fn start() -> Arc<Self> {
        Arc::new(Self { started: Instant::now() })
    }
}

impl Clock for RealClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that everyone else takes `now` from"
    )]
    fn now(&self) -> Now {
        Now {
            wall: Timestamp::now(),
            mono_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Stands still until it is told to go on; never goes back.
pub struct SimulatedClock {
    now: Mutex<Now>,
}

impl SimulatedClock {
    /// At this time, monotonic 0.
    pub fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(Self { now: Mutex::new(Now { wall, mono_ms: 0 }) })
    }

    /// Goes on to `wall`; an earlier time changes nothing.
    pub fn advance_to(&self, wall: Timestamp) {
        let mut now = lock(&self.now);
        if let Ok(step) = Duration::try_from(wall.duration_since(now.wall)) {
            now.mono_ms += u64::try_from(step.as_millis()).unwrap_or(0);
            now.wall = wall;
        }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Now {
        *lock(&self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_clock_goes_forward_only() {
        let start: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let clock = SimulatedClock::at(start);
        clock.advance_to(start + Duration::from_millis(1500));
        clock.advance_to(start);
        assert_eq!(clock.now(), Now { wall: start + Duration::from_millis(1500), mono_ms: 1500 });
    }
}
