//! How much the desk remembers of what is over, by the bytes that it may take. Pure.

/// Of each mark of a press, of which it has two: 24 bytes in the order, 24 in a table that is between seven
/// sixteenths and seven eighths full. Measured.
const MARK_BYTES: u64 = 80;
/// Of each device that counts its presses, by each way.
const COUNTER_BYTES: u64 = 80;
/// Of each reply that has an id.
const REPLY_BYTES: u64 = 56;
/// Of each closed case: all that its last record shows.
const CLOSED_BYTES: u64 = 4_096;
/// Nothing is remembered less than this, whatever the bytes: what comes at once must be told apart.
const LEAST: usize = 16;

/// Most of each that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembers {
    /// What presses are recognised by; the store knows the older ones.
    pub marks: usize,
    /// Devices whose ids are of a counter.
    pub counters: usize,
    /// Replies, so that the same one twice has one effect; an incident's own steps know theirs.
    pub replies: usize,
    /// Closed cases, for replies that come late (reopened, repeated); the store has the others.
    pub closed: usize,
}

/// What it takes by default.
const DEFAULT_BYTES: u64 = 16 << 20;

impl Remembers {
    /// What so many bytes hold: half of them marks, a quarter counters.
    pub fn within(bytes: u64) -> Self {
        let part = |share: u64, each: u64, most: usize| {
            usize::try_from(bytes / share / each).unwrap_or(most).clamp(LEAST, most)
        };
        Self {
            marks: part(2, MARK_BYTES, 1_000_000),
            counters: part(4, COUNTER_BYTES, 100_000),
            replies: part(16, REPLY_BYTES, 10_000),
            closed: part(8, CLOSED_BYTES, 1_000),
        }
    }
}

impl Default for Remembers {
    fn default() -> Self {
        Self::within(DEFAULT_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_hold_little_and_never_nothing_and_many_hold_no_more_than_is_of_use() {
        let least = Remembers { marks: 16, counters: 16, replies: 16, closed: 16 };
        assert_eq!(Remembers::within(0), least);
        let most = Remembers::within(u64::MAX);
        assert_eq!((most.marks, most.counters, most.closed), (1_000_000, 100_000, 1_000));
        let own = Remembers::default();
        assert!(own.marks >= 100_000 && own.counters >= 50_000 && own.closed >= 500, "{own:?}");
    }
}
