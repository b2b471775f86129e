//! Findings of rain, water and their gauges, with the words an officer reads.

use jiff::SignedDuration;

use super::series::{Series, mm};
use crate::domain::{ClockError, Detail, Finding, Kind, Phase, Severity, SourceId, Stamp};

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

pub(super) fn sums(series: &Series, until: jiff::Timestamp) -> Vec<(&'static str, i64)> {
    WINDOWS.iter().map(|(name, window)| (*name, series.sum(until, *window))).collect()
}

/// `3小时`, `30分钟`.
pub(super) fn window_zh(window: SignedDuration) -> String {
    match (window.as_secs() % 3_600, window.as_secs()) {
        (0, s) => format!("{}小时", s / 3_600),
        (_, s) => format!("{}分钟", s / 60),
    }
}

pub(super) fn window_en(window: SignedDuration) -> String {
    match (window.as_secs() % 3_600, window.as_secs()) {
        (0, s) => format!("{} h", s / 3_600),
        (_, s) => format!("{} min", s / 60),
    }
}

pub(super) fn clock_error(stamp: Stamp) -> ClockError {
    ClockError { device: stamp.device, gateway: stamp.gateway, error_ms: stamp.error_ms }
}

/// Of a device's health, under the same key as the desk has for faults.
pub(super) fn part(
    source: &SourceId,
    stamp: Stamp,
    kind: Kind,
    begins: bool,
    why: &str,
) -> Finding {
    Finding {
        key: format!("fault/{}/{source}", kind.as_str()),
        phase: if begins { Phase::Begins } else { Phase::Ends },
        rule: None,
        source: source.clone(),
        kind,
        severity: Severity::NOTICE,
        title: None,
        began_at: stamp.at,
        at: stamp.at,
        clock: clock_error(stamp),
        objects: Vec::new(),
        why: why.into(),
        detail: Detail::new(),
        shot: None,
        notable: false,
    }
}
