//! How much rain is believed at once, and how much has never been measured anywhere.

use jiff::{SignedDuration, Timestamp};

/// How a gauge counts, and what is not believed of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Micrometres a tip.
    pub(super) tip_um: f64,
    /// Tips at which its counter begins at 0 again, if that is configured.
    pub(super) wraps_at: Option<u64>,
    /// Micrometres in a minute.
    pub(super) most_um_per_min: i64,
}

/// What was not believed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doubt {
    /// When it was made.
    pub(super) at: Timestamp,
    /// English, for people; it says what became of it.
    pub(super) why: String,
    /// It may be true: beyond a range or a rate. Otherwise it is no value at all.
    pub(super) doubtful: bool,
}

/// How far an amount is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// At once.
    Sure,
    /// After three readings that agree, or with a second gauge: rain may do this.
    Doubtful,
    /// No rain that was ever measured did this.
    Impossible,
}

/// The records of the world lie below 425 mm × hours^0.47: 62 mm in a minute, 425 in an hour, 1,900
/// in a day.
fn record_um(minutes: f64) -> f64 {
    425_000.0 * (minutes / 60.0).powf(0.47)
}

impl Scale {
    /// How far so much between two instants is believed; under a minute counts as one.
    pub(super) fn belief(&self, from: Timestamp, to: Timestamp, um: i64) -> Belief {
        let minutes = (to.duration_since(from).as_millis().max(60_000) as f64) / 60_000.0;
        let amount = um as f64;
        if amount > record_um(minutes) {
            Belief::Impossible
        } else if amount > self.most_um_per_min as f64 * minutes {
            Belief::Doubtful
        } else {
            Belief::Sure
        }
    }
}

/// `12.0 mm in 300 s`.
pub(super) fn amount(um: i64, from: Timestamp, to: Timestamp) -> String {
    let span: SignedDuration = to.duration_since(from);
    format!("{:.1} mm in {} s", um as f64 / 1000.0, span.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloudburst_is_doubtful_and_a_changed_counter_impossible() {
        let scale = Scale { tip_um: 200.0, wraps_at: None, most_um_per_min: 10_000 };
        let from: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        for (minutes, mm, expected) in [
            (1, 10, Belief::Sure),
            (1, 11, Belief::Doubtful),
            // 38 mm in a minute were measured on Guadeloupe.
            (1, 38, Belief::Doubtful),
            (1, 70, Belief::Impossible),
            (5, 60, Belief::Doubtful),
            // 401 mm in an hour, 1,825 in a day.
            (60, 401, Belief::Sure),
            (60, 500, Belief::Impossible),
            (1_440, 1_825, Belief::Sure),
            (1_440, 2_000, Belief::Impossible),
        ] {
            let to = from + SignedDuration::from_mins(minutes);
            assert_eq!(scale.belief(from, to, mm * 1_000), expected, "{mm} mm in {minutes} min");
        }
    }
}
