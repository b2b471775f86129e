//! How long a rule may be told to wait: what is tried, and how much later it tells then. Pure.

use jiff::SignedDuration;

use crate::rules::{Config, RuleKind};

/// Seconds, for who is told at once, and for who must stay.
const DWELLS_SHORT: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0];
/// A minute on cold ground is long.
const DWELLS_LYING: [f64; 4] = [20.0, 30.0, 45.0, 60.0];
const DWELLS_LONG: [f64; 8] = [90.0, 120.0, 180.0, 240.0, 300.0, 420.0, 600.0, 900.0];

/// Seconds that a rule of this kind may be told to wait.
pub(super) fn dwell_steps(kind: RuleKind) -> &'static [f64] {
    match kind {
        // Who crosses does not stay; and what is kept of the past has no plates.
        RuleKind::Line | RuleKind::Barrier | RuleKind::Stay => &[],
        RuleKind::Intrusion | RuleKind::Waterside | RuleKind::Crowd | RuleKind::Seen => {
            &DWELLS_SHORT
        }
        RuleKind::Fallen => &DWELLS_LYING,
        RuleKind::Loiter | RuleKind::FireLane => &DWELLS_LONG,
    }
}

/// By so much later the longest dwell that is tried would tell of somebody.
pub(super) fn later_at_most(rule: &Config) -> SignedDuration {
    let longest = dwell_steps(rule.kind).last().copied().unwrap_or(0.0);
    SignedDuration::from_millis(((longest - rule.dwell_s()).max(0.0) * 1000.0).ceil() as i64)
}
