//! Rain in an interval of time, and the part of it that lies in another one.

use jiff::Timestamp;

/// Rain that fell in `(from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fallen {
    /// Exclusive.
    pub(super) from: Timestamp,
    /// Inclusive.
    pub(super) to: Timestamp,
    /// Micrometres.
    pub(super) um: i64,
}

/// The part of an interval that lies in `(since, until]`, by time.
pub(super) fn share(one: &Fallen, since: Timestamp, until: Timestamp) -> i64 {
    let (from, to) = (one.from.max(since), one.to.min(until));
    let whole = one.to.duration_since(one.from).as_millis();
    let part = to.duration_since(from).as_millis();
    if part <= 0 || whole <= 0 {
        return 0;
    }
    if part == whole {
        return one.um;
    }
    i64::try_from(i128::from(one.um) * part / whole).unwrap_or(0)
}
