//! How soon the grid must answer, by kind and severity.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Deadline, Kind, Severity, Tier};

/// Urgent is minutes; small, slow and complex are the grid's usual 2 h, 2 d and 7 d.
pub(super) fn deadline(kind: Kind, severity: Severity, opened_at: Timestamp) -> Deadline {
    let tier = match (kind, severity.level()) {
        (Kind::EmergencyButton, _) | (_, 1) => Tier::Urgent,
        (_, 2) => Tier::Small,
        (_, 3) => Tier::Slow,
        _ => Tier::Complex,
    };
    let (accept, finish) = match tier {
        Tier::Urgent => (SignedDuration::from_mins(3), SignedDuration::from_mins(30)),
        Tier::Small => (SignedDuration::from_mins(15), SignedDuration::from_hours(2)),
        Tier::Slow => (SignedDuration::from_hours(2), SignedDuration::from_hours(48)),
        Tier::Complex => (SignedDuration::from_hours(24), SignedDuration::from_hours(168)),
    };
    Deadline { tier, accept_by: opened_at + accept, finish_by: opened_at + finish }
}
