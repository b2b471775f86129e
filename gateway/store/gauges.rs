//! Reports of gauges that a restart must know again: the last 25 hours of them, and never more than a bound.

use super::state::{HeldReport, Key, State};
use crate::domain::READINGS_KEPT;

/// Forgotten by age with each report that comes in: a clock that jumps ahead for a moment costs
/// this many old ones and not all of them.
const FORGOTTEN_A_REPORT: usize = 2;

impl State {
    /// Remembers a report, within the bound.
    pub(super) fn report(&mut self, seq: u64, report: HeldReport) {
        let newest = report.at;
        self.gauges.insert(seq, report);
        self.touched.insert(Key::Gauge(seq));
        for _ in 0..FORGOTTEN_A_REPORT {
            let Some((&oldest, held)) = self.gauges.first_key_value() else { break };
            let age = newest.duration_since(held.at);
            if age <= READINGS_KEPT && self.gauges.len() <= self.bounds.reports {
                break;
            }
            self.gauges.remove(&oldest);
            self.touched.insert(Key::Gauge(oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::store::journal::Location;

    fn seen(at: Timestamp) -> HeldReport {
        HeldReport { location: Location { segment: 1, offset: 0, len: 0 }, at }
    }

    #[test]
    fn a_day_is_kept_and_a_clock_that_jumps_costs_little() {
        let start: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let minute = |n: i64| start + SignedDuration::from_mins(n);
        let mut state = State::default();
        for n in 0..3_000 {
            state.report(n, seen(minute(n.cast_signed())));
        }
        assert_eq!(state.gauges.len(), 25 * 60 + 1);
        let later = start + SignedDuration::from_hours(24 * 365);
        state.report(3_000, seen(later));
        assert_eq!(state.gauges.len(), 25 * 60);
    }
}
