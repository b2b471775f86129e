//! How many devices are at a place, as numbers that give nobody away. Pure.
//!
//! **Fewer than `k` is all that is told of fewer than `k`.** Every other number is a multiple of [`STEP`], up or down by
//! chance: a count of 34 is told as 30 (six times of ten) or as 40 (four of ten), so that it is right on average. The
//! chance is drawn once a period, and for the parts of a sum apart: neither the difference of two periods, nor that of
//! a sum and its parts, says whether one device was there. Who asks twice is told the same.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::SourceId;

/// What is told is a multiple of this; no smaller group is told at all.
pub const STEP: u32 = 10;

/// A count of devices as it is told: in JSON `40`, or `"<10"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevicesTold {
    /// Fewer than so many, perhaps none.
    FewerThan(u32),
    /// So many, with [`STEP`] more or less.
    About(u32),
}

impl DevicesTold {
    /// `chance`: any number, drawn anew for each count; its last digit decides.
    pub fn of(count: u32, k: u32, chance: u32) -> Self {
        if count < k {
            return Self::FewerThan(k);
        }
        let over = count % STEP;
        let up = chance % STEP < over;
        Self::About((count - over).saturating_add(if up { STEP } else { 0 }))
    }

    /// For a gauge that holds numbers only: 0 for too few to be told.
    pub fn at_least(self) -> u32 {
        match self {
            Self::FewerThan(_) => 0,
            Self::About(devices) => devices,
        }
    }
}

impl Serialize for DevicesTold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::FewerThan(k) => serializer.serialize_str(&format!("<{k}")),
            Self::About(devices) => serializer.serialize_u32(*devices),
        }
    }
}

/// What was counted at one place in one period that is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PresenceCount {
    /// Of the `[[presence]]`.
    #[serde(skip)]
    pub place: SourceId,
    /// The period's beginning, or when counting began in it.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// How long a period is, seconds.
    #[serde(skip)]
    pub period_s: u32,
    /// None: no sensor was heard, so nobody knows.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<PresenceNumbers>,
}

/// The numbers of a period in which a sensor was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PresenceNumbers {
    /// Different addresses.
    pub devices: DevicesTold,
    /// Of them those that their makers gave: one a device.
    pub fixed: DevicesTold,
    /// Of them those that the devices made up: a telephone may use several in one period.
    pub random: DevicesTold,
    /// There were more than are counted: it is the least.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// One place over the API, with its numbers.
#[derive(Clone, Debug, Serialize)]
pub struct PresenceView {
    /// Of the `[[presence]]`.
    pub id: SourceId,
    /// For people.
    pub name: String,
    /// Code of its grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// Longitude and latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
    /// Fewer are not told.
    pub k: u32,
    /// How long a period is, seconds.
    pub period_s: u32,
    /// Those that are over, the latest last; a day of them at most.
    pub periods: Vec<PresenceCount>,
}

impl PresenceCount {
    /// Whether it still says something of now: it is the latest period, or the one before.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let age_s = now.duration_since(self.until).as_secs();
        (-60..=i64::from(self.period_s) + 60).contains(&age_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_k_nothing_is_told_and_above_it_multiples_that_are_right_on_average() {
        for k in [10, 20, 100] {
            for count in 0..k {
                let told: Vec<_> = (0..STEP).map(|c| DevicesTold::of(count, k, c)).collect();
                assert!(told.iter().all(|one| *one == DevicesTold::FewerThan(k)), "{count} {k}");
            }
            for count in k..k + 200 {
                let told = |chance| DevicesTold::of(count, k, chance).at_least();
                let sum: u32 = (0..STEP).map(told).sum();
                assert_eq!(sum, count * STEP, "not right on average: {count}");
                for told in (0..STEP).map(told) {
                    assert!(told.is_multiple_of(STEP) && told >= k, "{count} as {told}");
                    assert!(told.abs_diff(count) < STEP, "{count} as {told}");
                }
            }
        }
        assert_eq!(DevicesTold::of(u32::MAX, 10, 0).at_least(), u32::MAX);
    }

    #[test]
    fn one_device_more_or_less_changes_what_is_told_once_in_ten_times_at_most() {
        for count in 10..200 {
            let differ = |chance: &u32| {
                DevicesTold::of(count, 10, *chance) != DevicesTold::of(count + 1, 10, *chance)
            };
            assert_eq!((0..STEP).filter(differ).count(), 1, "{count}");
        }
    }

    #[test]
    fn it_is_a_number_or_less_than_one() {
        let json = |told| serde_json::to_string(&told).unwrap();
        assert_eq!(json(DevicesTold::of(9, 10, 9)), "\"<10\"");
        assert_eq!(json(DevicesTold::of(40, 10, 9)), "40");
    }
}
