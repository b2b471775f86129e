//! How soon the grid must answer, by kind; and which replies are possible at which stage.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Deadline, Kind, ReplyTo, Severity, Stage, Tier, What};

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

/// What a reply leads to: the new stage and what the record says; or why it cannot be.
/// Steps go forward only; skipping is allowed (a small case is accepted and closed at once).
pub(super) fn step(stage: Stage, to: ReplyTo) -> Result<(Stage, What), String> {
    use ReplyTo as To;
    let rank = |stage: Stage| match stage {
        Stage::Opened => 0,
        Stage::Accepted => 1,
        Stage::Dispatched => 2,
        Stage::Handled => 3,
        Stage::Verified => 4,
        Stage::Closed | Stage::Dismissed => 5,
    };
    let over = rank(stage) == 5;
    let (next, what) = match to {
        To::Accepted => (Stage::Accepted, What::Accepted),
        To::Dispatched => (Stage::Dispatched, What::Dispatched),
        To::Handled => (Stage::Handled, What::Handled),
        To::Verified => (Stage::Verified, What::Verified),
        To::Closed => (Stage::Closed, What::Closed),
        To::Dismissed => (Stage::Dismissed, What::Dismissed),
        To::Reopened if over => return Ok((Stage::Opened, What::Reopened)),
        To::Reopened => {
            return Err(format!(
                "it is {stage:?}: only a closed or dismissed incident can be reopened"
            ));
        }
    };
    if over {
        return Err(format!("it is {stage:?} already: reopen it first"));
    }
    if rank(next) <= rank(stage) {
        return Err(format!("it is {stage:?} already: {next:?} would be a step back"));
    }
    Ok((next, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_forward_and_a_closed_case_must_be_reopened() {
        assert_eq!(step(Stage::Opened, ReplyTo::Accepted), Ok((Stage::Accepted, What::Accepted)));
        assert_eq!(step(Stage::Opened, ReplyTo::Closed), Ok((Stage::Closed, What::Closed)));
        assert!(step(Stage::Handled, ReplyTo::Accepted).is_err());
        assert!(step(Stage::Closed, ReplyTo::Accepted).is_err());
        assert!(step(Stage::Opened, ReplyTo::Reopened).is_err());
        assert_eq!(step(Stage::Dismissed, ReplyTo::Reopened), Ok((Stage::Opened, What::Reopened)));
    }
}
