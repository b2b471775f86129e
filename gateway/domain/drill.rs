//! 演练, a drill: an incident that never happened, marked as such, to see that everybody is reached.

use serde::{Deserialize, Serialize};

use super::{Kind, Severity};

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillOrder {
    /// Who asks, as claimed.
    pub by: String,
    /// As if it were of this kind…
    pub kind: Kind,
    /// …and this urgent.
    pub severity: Severity,
    /// After so many seconds the gateway dismisses it.
    pub lasts_s: u32,
}
