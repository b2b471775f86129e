//! `[life]`: who may take which step of a case.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[life]`: who may take which step of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who verifies or sends back is not who handled it, by the `by` of their replies. Default true.
    #[serde(default = "yes")]
    pub another_verifies: bool,
    /// Who grants or refuses is not who asked. Default true.
    #[serde(default = "yes")]
    pub another_grants: bool,
}

fn yes() -> bool {
    true
}

impl Default for Config {
    fn default() -> Self {
        Self { another_verifies: true, another_grants: true }
    }
}
