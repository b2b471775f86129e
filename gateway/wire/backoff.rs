//! How long to wait before the next try: doubled, capped at a minute, jittered down by up to half.

use std::time::Duration;

use rand::Rng;

/// The longest wait, milliseconds: a gateway is back within a minute of its other end.
pub const BACKOFF_MS_MAX: u64 = 60_000;

/// The wait after `tries` tries that failed before this one; the first is about `first_ms`.
pub fn backoff(first_ms: u64, tries: u32) -> Duration {
    let full = first_ms.saturating_mul(1 << tries.min(16)).min(BACKOFF_MS_MAX);
    // Many boxes that lost the same server must not come back in the same instant.
    Duration::from_millis(rand::rng().random_range(full / 2..=full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute_and_never_by_the_same_step() {
        for (tries, full) in [(0, 250), (1, 500), (4, 4_000), (8, 60_000), (u32::MAX, 60_000)] {
            let waits: Vec<u64> =
                (0..100).map(|_| backoff(250, tries).as_millis() as u64).collect();
            assert!(
                waits.iter().all(|wait| (full / 2..=full).contains(wait)),
                "{tries}: {waits:?}"
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter");
        }
    }
}
