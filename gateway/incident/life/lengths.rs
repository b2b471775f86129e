//! How long each step of a case may take where the site says nothing, by how urgent it is. Pure.

use crate::domain::{Kind, LimitSpan, Severity, Tier};

/// The lengths that count for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) accept: LimitSpan,
    pub(super) dispatch: LimitSpan,
    pub(super) handle: LimitSpan,
    pub(super) verify: LimitSpan,
    pub(super) finish: LimitSpan,
    pub(super) answer: LimitSpan,
    pub(super) escalate: LimitSpan,
    pub(super) escalates: bool,
}

/// Urgent is minutes; small, slow and complex are the grid's usual 2 h, 2 d and 7 d.
pub(super) fn by_tier(tier: Tier, kind: Kind) -> Lengths {
    use LimitSpan::{Days, Seconds};
    let min = |minutes: u32| Seconds(minutes * 60);
    let (accept, dispatch, handle, verify, finish, answer) = match tier {
        Tier::Urgent => (min(3), min(10), min(20), min(10), min(30), min(10)),
        Tier::Small => (min(15), min(30), min(60), min(60), min(120), min(30)),
        Tier::Slow => (min(120), min(240), Days(1), Days(1), Days(2), min(240)),
        Tier::Complex => (min(1_440), Days(1), Days(5), Days(2), Days(7), Days(1)),
    };
    // These report: there is nothing to be done.
    let escalates = !matches!(kind, Kind::Patrol | Kind::Posture);
    Lengths { accept, dispatch, handle, verify, finish, answer, escalate: accept, escalates }
}

pub(super) fn tier_of(kind: Kind, severity: Severity) -> Tier {
    match (kind, severity.level()) {
        (Kind::EmergencyButton, _) | (_, 1) => Tier::Urgent,
        (_, 2) => Tier::Small,
        (_, 3) => Tier::Slow,
        _ => Tier::Complex,
    }
}
