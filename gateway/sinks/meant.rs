//! Which incidents a sink is for: by kind, severity and grid.

use crate::domain::{EventData, Kind};

/// Why an event is passed over that a sink is not for.
pub(super) const NOT_MEANT: &str = "not what it is for";

/// Kinds and codes of grids are all where none is named; `severity_max` is the least urgent.
pub(super) fn is_meant(
    data: &EventData,
    kinds: &[Kind],
    severity_max: u8,
    grids: &[String],
) -> bool {
    let grid = data.grid.as_ref().map_or("", |grid| grid.code.as_str());
    (kinds.is_empty() || kinds.contains(&data.kind))
        && data.severity.level() <= severity_max
        && (grids.is_empty() || grids.iter().any(|code| code == grid))
}
