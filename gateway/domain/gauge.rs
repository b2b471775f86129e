//! Reports of gauges: readings of rain and water level, each at the time it was made.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Now, SourceId, Stamp, StationStatus};

/// A gauge that was cut off sends its stored readings later: those up to this old are counted where they
/// belong. The longest sum is 24 h; the last hour is for the interval that reaches into it.
pub const READINGS_KEPT: SignedDuration = SignedDuration::from_hours(25);
/// A clock ahead of ours by more than this is wrong.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(10);
/// 2020-01-01: a device clock that shows an earlier time was never set.
const NEVER_SET_BEFORE: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// One report of one gauge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GaugeReport {
    /// The device's own name of this report (serial number, uplink id): the same one twice is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How it came: `sl651`, `intake`, a broker's id, `replay`.
    pub via: String,
    /// In the order of the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
    /// Percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// Of the supply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage_mv: Option<u32>,
    /// What in it could not be read or believed, and what became of that; English, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Its clock is wrong and its readings are dated by their arrival.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redated: bool,
    /// A test of the station: kept and shown, counted nowhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// What the station says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StationStatus>,
    /// What of it nobody here reads (weather, a maker's own), and what could not be read, as it came;
    /// bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// One value and when it was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading {
    /// When it was made, by the device's clock where that is right.
    pub at: Timestamp,
    /// The value.
    #[serde(flatten)]
    pub measure: Measure,
}

/// Rain in micrometres (1 mm = 1000), water in millimetres: whole numbers, so that sums are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// A counter of bucket tips; it only rises until it wraps or is reset.
    Tips(u64),
    /// Rain since the device was set up, µm.
    TotalUm(i64),
    /// Rain since the station's daily boundary, µm; falls back to 0 once a day.
    TodayUm(i64),
    /// Rain in the period that ended then.
    Fallen { um: i64, period_s: u32 },
    /// How hard it rained, µm in an hour.
    RateUmPerHour(i64),
    /// Water above the device's own zero, mm.
    LevelMm(i64),
}

/// A report that was accepted, as the rules need it again after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenReport {
    /// The gauge.
    pub source: SourceId,
    /// Of its arrival.
    pub stamp: Stamp,
    /// As it came.
    pub report: GaugeReport,
}

/// The time of a reading, after a check of the time that the device states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// Made then.
    At(Timestamp),
    /// Its clock is wrong (1970, 2099): counted as made on arrival.
    Arrival(Timestamp),
    /// Older than any sum: kept in the journal, counted nowhere.
    Old,
}

impl Dated {
    /// `stated`: the time that the device states, if it states one.
    pub fn of(stated: Option<Timestamp>, now: Now) -> Self {
        let Some(at) = stated else { return Self::At(now.wall) };
        let ahead = at.duration_since(now.wall);
        if ahead > AHEAD_MAX || at < NEVER_SET_BEFORE {
            Self::Arrival(now.wall)
        } else if -ahead > READINGS_KEPT {
            Self::Old
        } else {
            Self::At(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_a_reading_is_dated_by_its_device_unless_that_cannot_be() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = Now { wall: at("2026-07-01T12:00:00Z"), mono_ms: 0 };
        for (stated, expected) in [
            ("2026-07-01T11:55:00Z", Dated::At(at("2026-07-01T11:55:00Z"))),
            ("2026-06-30T12:00:00Z", Dated::At(at("2026-06-30T12:00:00Z"))),
            ("2026-06-28T12:00:00Z", Dated::Old),
            ("1970-01-01T00:00:00Z", Dated::Arrival(now.wall)),
            ("2099-12-31T23:59:59Z", Dated::Arrival(now.wall)),
            ("2026-07-01T12:09:00Z", Dated::At(at("2026-07-01T12:09:00Z"))),
        ] {
            assert_eq!(Dated::of(Some(at(stated)), now), expected, "{stated}");
        }
        assert_eq!(Dated::of(None, now), Dated::At(now.wall));
    }

    #[test]
    fn a_reading_is_short_in_the_journal_and_reads_back() {
        let reading = Reading {
            at: "2026-07-01T12:00:00Z".parse().unwrap(),
            measure: Measure::Fallen { um: 500, period_s: 300 },
        };
        let text = serde_json::to_string(&reading).unwrap();
        assert_eq!(text, r#"{"at":"2026-07-01T12:00:00Z","fallen":{"um":500,"period_s":300}}"#);
        assert_eq!(serde_json::from_str::<Reading>(&text).unwrap(), reading);
    }
}
