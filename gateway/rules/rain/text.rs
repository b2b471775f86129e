//! Findings of rain, water and their gauges, with the words an officer reads.

use jiff::SignedDuration;

use super::{
    counter::morning_before,
    series::{Series, mm},
};
use crate::domain::{Finding, Kind, Phase, SourceId, Stamp};

/// The windows that are shown: 5 min, 1, 3, 6, 12, 24 h.
pub(super) const WINDOWS: [(&str, SignedDuration); 6] = [
    ("5min", SignedDuration::from_mins(5)),
    ("1h", SignedDuration::from_hours(1)),
    ("3h", SignedDuration::from_hours(3)),
    ("6h", SignedDuration::from_hours(6)),
    ("12h", SignedDuration::from_hours(12)),
    ("24h", SignedDuration::from_hours(24)),
];

/// Millimetres to the hundredth, as shown.
pub(super) fn shown(um: i64) -> f64 {
    (mm(um) * 100.0).round() / 100.0
}

/// Name and µm of each window that ends at `until`, and of the day since 08:00.
pub(super) fn sums(series: &Series, until: jiff::Timestamp) -> Vec<(&'static str, i64)> {
    windows(until).map(|(name, window)| (name, series.sum(until, window))).collect()
}

/// [`WINDOWS`], and `day`: since 08:00 Beijing time, as the hydrological services count days; at 08:00
/// the day that ends.
pub(super) fn windows(
    until: jiff::Timestamp,
) -> impl Iterator<Item = (&'static str, SignedDuration)> {
    let day = ("day", until.duration_since(morning_before(until)));
    WINDOWS.into_iter().chain([day])
}

/// `3小时`, `30分钟`.
pub(super) fn window_zh(window: SignedDuration) -> String {
    match (window.as_secs() % 3_600, window.as_secs()) {
        (0, s) => format!("{}小时", s / 3_600),
        (_, s) => format!("{}分钟", s / 60),
    }
}

/// `3 h`, `30 min`.
pub(super) fn window_en(window: SignedDuration) -> String {
    match (window.as_secs() % 3_600, window.as_secs()) {
        (0, s) => format!("{} h", s / 3_600),
        (_, s) => format!("{} min", s / 60),
    }
}

/// A finding about a device's health, as the desk makes them for faults.
pub(super) fn part(
    source: &SourceId,
    stamp: Stamp,
    kind: Kind,
    begins: bool,
    why: &str,
) -> Finding {
    let phase = if begins { Phase::Begins } else { Phase::Ends };
    Finding { phase, ..Finding::of_a_part(source, stamp, kind, why) }
}
