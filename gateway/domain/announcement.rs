//! 喊话: a person's own words, for loudspeakers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Severity, SourceId};

/// What a person asks to be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnounceOrder {
    /// Speakers by id; absent: those of `grid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speakers: Option<Vec<SourceId>>,
    /// Code of the grid whose speakers say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// What is said; at most 500 characters. What no voice can say is left out.
    pub text: String,
    /// Never said after so many seconds, 1 to 3600. Default 60.
    #[serde(default = "valid_s")]
    pub valid_s: u32,
    /// It interrupts what is less urgent: `1`. Default 2.
    #[serde(default = "severity")]
    pub severity: Severity,
    /// Who asks, as claimed.
    pub by: String,
}

fn valid_s() -> u32 {
    60
}

fn severity() -> Severity {
    Severity::ALERT
}
