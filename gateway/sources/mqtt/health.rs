//! Whether a broker is heard: not whether it is connected, but whether it lets us read, and holds. Pure.
//!
//! A broker that takes us in and breaks again and again was never gone for a minute, and brings
//! nothing all the same. So after a break it counts as heard only when the connection has held for a
//! while, the longer the more often it broke.

use std::collections::{BTreeSet, VecDeque};

/// Breaks that are remembered, and for how long.
const BREAKS_REMEMBERED_MS: u64 = 5 * 60_000;
const BREAKS_MAX: usize = 32;
/// So long a connection must hold after it broke once or twice.
const HOLDS_MS: u64 = 10_000;
/// And after it broke three times and more within [`BREAKS_REMEMBERED_MS`].
const HOLDS_AFTER_MANY_MS: u64 = 90_000;
const MANY_BREAKS: usize = 3;
/// Reasons of one outage that are told apart.
const REASONS_MAX: usize = 32;

/// The history of one broker, as far as it matters. Times are monotonic milliseconds.
#[derive(Default)]
pub(super) struct Health {
    /// When connections that had been taken in broke.
    breaks: VecDeque<u64>,
    /// Since when it is subscribed to all that it grants.
    subscribed_ms: Option<u64>,
    /// Said to be heard.
    heard: bool,
    /// Tries since it was heard.
    tries: u32,
    reasons: BTreeSet<String>,
}

impl Health {
    /// The broker has answered every SUBSCRIBE, and grants something.
    pub(super) fn subscribed(&mut self, now_ms: u64) {
        self.subscribed_ms.get_or_insert(now_ms);
    }

    /// Whether it counts as heard.
    pub(super) fn is_heard(&self) -> bool {
        self.heard
    }

    /// No connection, or no longer one. True: this reason is new in this outage, worth a line.
    pub(super) fn lost(&mut self, now_ms: u64, reason: &str) -> bool {
        let held = self.subscribed_ms.take().map(|since| now_ms.saturating_sub(since));
        if held.is_some() {
            self.breaks.push_back(now_ms);
            if self.breaks.len() > BREAKS_MAX {
                self.breaks.pop_front();
            }
        }
        // One that held is tried again at once.
        self.tries = if held >= Some(HOLDS_MS) { 0 } else { self.tries.saturating_add(1) };
        self.heard = false;
        self.reasons.len() < REASONS_MAX && self.reasons.insert(reason.to_owned())
    }

    /// Tries before this one that came to nothing, for the back-off.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// When it will count as heard if nothing breaks; `None`: it does already, or is not there.
    pub(super) fn heard_at(&self, now_ms: u64) -> Option<u64> {
        let since = self.subscribed_ms.filter(|_| !self.heard)?;
        let recent = |at: &&u64| now_ms.saturating_sub(**at) < BREAKS_REMEMBERED_MS;
        let holds = match self.breaks.iter().filter(recent).count() {
            0 => 0,
            1..MANY_BREAKS => HOLDS_MS,
            _ => HOLDS_AFTER_MANY_MS,
        };
        Some(since + holds)
    }

    /// It counts as heard from now on. True: it had been lost with a word, which is taken back.
    pub(super) fn heard(&mut self) -> bool {
        self.heard = true;
        self.tries = 0;
        !std::mem::take(&mut self.reasons).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_connection_counts_at_once_and_one_after_a_break_when_it_has_held() {
        let mut health = Health::default();
        assert_eq!(health.heard_at(0), None);
        assert!(health.lost(5, "refused") && !health.lost(6, "refused"));
        assert!(health.lost(7, "no route"), "a reason that is new");
        assert_eq!(health.tries(), 3);
        health.subscribed(1_000);
        assert_eq!(health.heard_at(1_000), Some(1_000), "it had not broken, only not been there");
        assert!(health.heard(), "what was said is taken back");
        assert_eq!((health.heard_at(1_001), health.tries()), (None, 0));
        assert!(health.lost(60_000, "refused"), "of another outage");
        assert_eq!(health.tries(), 0, "it had held");
        health.subscribed(61_000);
        assert_eq!(health.heard_at(61_000), Some(71_000));
    }

    #[test]
    fn one_that_connects_and_breaks_again_and_again_is_never_heard() {
        for step in [1_000, 9_000, 20_000, 60_000] {
            let mut health = Health::default();
            let mut heard = 0;
            for n in 0..40 {
                let at = n * step;
                health.subscribed(at);
                if health.heard_at(at).is_some_and(|ready| ready <= at + step - 100) {
                    heard += 1;
                    health.heard();
                }
                health.lost(at + step - 100, "it broke");
            }
            assert!(heard <= 3, "{heard} times with {step} ms");
        }
    }
}
