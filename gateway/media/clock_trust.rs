//! Whether pictures are dated by the camera's own clock. Pure.
//!
//! A clock that drifts past the bound would be believed and not believed by turns, and each turn would move the
//! time of its pictures by the bound: what stands still would look as if it had left, and dwell would begin anew.
//! So one that was lost is believed again only when it is nearer by far than where it was lost.

/// A camera's clock within this of ours is believed for the time of its pictures.
const LOST_MS: i64 = 2_000;
/// One that was further off is believed again within this.
const FOUND_MS: i64 = 1_000;

/// Of one session.
#[derive(Debug, Default)]
pub(super) struct ClockTrust {
    /// It was once too far off, and has not come near since.
    is_lost: bool,
}

impl ClockTrust {
    /// Whether a picture has the camera's time. `off_ms`: between that and ours, either way.
    pub(super) fn believes(&mut self, off_ms: i64) -> bool {
        let most = if self.is_lost { FOUND_MS } else { LOST_MS };
        // The smallest number has no positive twin.
        self.is_lost = off_ms.unsigned_abs() > most.unsigned_abs();
        !self.is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often these turn one dating into the other, and what it is at their end.
    fn turns(offs: impl IntoIterator<Item = i64>) -> (usize, bool) {
        let mut trust = ClockTrust::default();
        let said: Vec<bool> = offs.into_iter().map(|off| trust.believes(off)).collect();
        let turns = said.windows(2).filter(|two| two[0] != two[1]).count();
        (turns, *said.last().unwrap())
    }

    /// Whole numbers of -`most` to `most`, the same each time.
    fn jitter(most: i64) -> impl FnMut() -> i64 {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % (2 * most.unsigned_abs() + 1)) as i64 - most
        }
    }

    #[test]
    fn the_first_word_of_a_clock_is_held_against_the_outer_bound() {
        for (off, believed) in [
            (0, true),
            (1_001, true),
            (2_000, true),
            (-2_000, true),
            (2_001, false),
            (-2_001, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            assert_eq!(ClockTrust::default().believes(off), believed, "{off}");
        }
    }

    #[test]
    fn a_lost_clock_is_believed_again_within_the_inner_bound_only() {
        for sign in [1, -1] {
            let mut trust = ClockTrust::default();
            assert!(trust.believes(2_000 * sign));
            assert!(!trust.believes(2_001 * sign));
            assert!(!trust.believes(1_999 * sign));
            assert!(!trust.believes(1_001 * sign));
            assert!(trust.believes(1_000 * sign));
            assert!(trust.believes(2_000 * sign));
        }
    }

    #[test]
    fn a_clock_that_drifts_through_the_bound_turns_once_whichever_way_it_goes() {
        for sign in [1, -1] {
            let (out, home) = (0..4_000, (0..4_000).rev());
            assert_eq!(turns(out.clone().map(|off| off * sign)), (1, false));
            assert_eq!(turns(home.clone().map(|off| off * sign)), (1, true));
            // From one side through ours to the other.
            assert_eq!(turns((-4_000..4_000).map(|off| off * sign)), (2, false));
            // Out and home again is one turn each.
            assert_eq!(turns(out.chain(home).map(|off| off * sign)), (2, true));
        }
    }

    #[test]
    fn jitter_at_either_bound_turns_it_once_at_most() {
        for (about, most_turns) in [(2_000, 1), (-2_000, 1), (1_500, 1), (1_000, 0), (2_600, 0)] {
            let mut jitter = jitter(499);
            let (turns, _) = turns((0..10_000).map(|_| about + jitter()));
            assert!(turns <= most_turns, "{turns} turns about {about} ms");
        }
        // A slow drift with the jitter of a bad network, there and back.
        let mut jitter = jitter(490);
        let slow = (0..60_000).chain((0..60_000).rev()).map(|at| at / 15 + jitter());
        assert_eq!(turns(slow), (2, true));
    }

    #[test]
    fn a_clock_that_is_set_counts_from_the_next_picture_on() {
        let stepped = |first: i64, then: i64| turns([first, first, then, then]);
        assert_eq!(stepped(0, 3_600_000), (1, false));
        assert_eq!(stepped(-86_400_000, 20), (1, true));
        // Set nearer, but not near: it stays as it was.
        assert_eq!(stepped(5_000, 1_500), (0, false));
        assert_eq!(stepped(200, -1_900), (0, true));
    }
}
