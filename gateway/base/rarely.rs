//! One line in the log where a flood would make thousands: said at most so often, with what was left out.

use std::time::{Duration, Instant};

/// One kind of line.
pub struct Rarely {
    every: Duration,
    last: Option<Instant>,
    left_out: u64,
}

impl Rarely {
    /// At most one in so long.
    pub fn every(every: Duration) -> Self {
        Self { every, last: None, left_out: 0 }
    }

    /// Whether it is to be said now; with it, how many were left out since the last one.
    pub fn say(&mut self) -> Option<u64> {
        self.say_at(Instant::now())
    }

    fn say_at(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < self.every) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_that_counts() {
        let (mut rarely, start) = (Rarely::every(Duration::from_secs(10)), Instant::now());
        let said: Vec<u64> = (0..2_500u64)
            .filter_map(|n| rarely.say_at(start + Duration::from_millis(10 * n)))
            .collect();
        assert_eq!(said, [0, 999, 999]);
    }
}
