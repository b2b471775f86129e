//! How much of what is over the store remembers, by the bytes that it may take. Pure.

/// Of each case in lists: 112 bytes in a table that is between seven sixteenths and seven eighths full, 24 in
/// a tree, whose nodes are little more than half full.
const INCIDENT_BYTES: u64 = 240;
/// Of each piece of evidence: 72 and 24, likewise.
const PIECE_BYTES: u64 = 170;
/// Of each press and reply: its number and its place in the journal, in a tree.
const PLACE_BYTES: u64 = 64;
/// Of each report of a gauge: and when it came.
const REPORT_BYTES: u64 = 90;
/// Less would be less than a page for each of the parts in which sled counts.
const CACHE_BYTES_MIN: u64 = 256 << 10;
/// What is listed and asked for is read seldom, and everything once, at start.
const CACHE_BYTES_MAX: u64 = 4 << 20;
/// Open cases that are no emergencies are restored whole, as the desk has them: so many times
/// `memory_max_bytes`, as their records lie in the journal. 100,000 of 2.5 KB are 256 MiB.
const LIVE_TIMES: u64 = 4;
/// At least: some 6,000 of them.
const LIVE_BYTES_MIN: u64 = 16 << 20;
/// Nothing is remembered less than this, whatever the bytes.
const LEAST: usize = 64;

/// Most of each that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Presses that are handed over at a restart. Were each of 600 buttons pressed five times a day, 30,000
    /// would be those of ten days.
    pub(super) presses: usize,
    /// Likewise replies: one that is sent again comes within hours, and few come a day.
    pub(super) replies: usize,
    /// In lists. What is older is in the journal and not listed; live ones stay.
    pub(super) incidents: usize,
    /// Older ones that wait for the index whole, as at a start without one.
    pub(super) leaving: usize,
    /// Pieces of evidence, of finished incidents; what is still needed stays.
    pub(super) evidence: usize,
    /// Reports of gauges: 200 stations at one each 5 min for 25 h are 60,000.
    pub(super) reports: usize,
    /// Bytes of records of open cases that are restored besides all emergencies; reports of residents have as
    /// much of their own.
    pub(super) live_bytes: u64,
    /// Bytes of pages that sled keeps, as it counts them: as they are on disk.
    pub(super) cache_bytes: u64,
}

impl Bounds {
    /// What is held within three quarters of `[data] memory_max_bytes`; the desk has the other one.
    pub(super) fn within(memory_max_bytes: u64) -> Self {
        let bytes = memory_max_bytes / 4 * 3;
        let part = |share: u64, each: u64, most: usize| {
            usize::try_from(bytes / share / each).unwrap_or(most).clamp(LEAST, most)
        };
        Self {
            presses: part(16, PLACE_BYTES, 30_000),
            replies: part(16, PLACE_BYTES, 30_000),
            incidents: part(2, INCIDENT_BYTES, 100_000),
            leaving: part(2, INCIDENT_BYTES, 100_000),
            evidence: part(4, PIECE_BYTES, 200_000),
            reports: part(8, REPORT_BYTES, 200_000),
            live_bytes: memory_max_bytes.saturating_mul(LIVE_TIMES).max(LIVE_BYTES_MIN),
            cache_bytes: (bytes / 16).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::within(super::Config::default().memory_max_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_hold_little_and_never_nothing_and_by_default_what_a_site_needs() {
        let few = Bounds::within(0);
        assert_eq!((few.presses, few.incidents, few.reports), (LEAST, LEAST, LEAST));
        let own = Bounds::default();
        assert_eq!((own.presses, own.replies, own.incidents), (30_000, 30_000, 100_000));
        assert!(own.reports >= 60_000 && own.evidence >= 70_000, "{own:?}");
        assert_eq!(Bounds::within(u64::MAX).evidence, 200_000);
    }
}
