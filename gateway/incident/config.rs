//! `[devices]`: when a device's silence, battery or reception is an incident, and when buttons are tried.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A longer window is taken for a mistake, because in it a first press alarms nobody.
const TEST_WINDOW_MAX: SignedDuration = SignedDuration::from_hours(12);

/// `[devices]`: how buttons and other devices are watched over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seconds without a word after which a listed device is an incident, where neither its line
    /// nor its model says otherwise. Default: such a device is not watched for silence.
    #[serde(default)]
    pub silent_after_s: Option<u64>,
    /// A battery at or below this is an incident, percent; it is over five percent above. Default 15.
    #[serde(default = "battery_low_percent")]
    pub battery_low_percent: u8,
    /// Reception at or below this, three times in a row, is an incident, percent. Default 10.
    #[serde(default = "weak_link_percent")]
    pub weak_link_percent: u8,
    /// Times in which buttons are tried.
    #[serde(default)]
    pub test: Vec<TestWindow>,
}

/// `[[devices.test]]`: while it lasts, a first press of a button is logged and alarms nobody; who
/// presses again within a minute means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestWindow {
    /// RFC 3339, e.g. `2026-07-01T09:00:00+08:00`.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// At most 12 hours after `from`.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Ids of the buttons that are tried. Default all.
    #[serde(default)]
    pub buttons: Vec<String>,
    /// Codes of the grids in which they are. Default all.
    #[serde(default)]
    pub grids: Vec<String>,
}

fn battery_low_percent() -> u8 {
    15
}

fn weak_link_percent() -> u8 {
    10
}

impl Default for Config {
    fn default() -> Self {
        Self {
            silent_after_s: None,
            battery_low_percent: battery_low_percent(),
            weak_link_percent: weak_link_percent(),
            test: Vec::new(),
        }
    }
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for (key, percent) in [
            ("battery_low_percent", self.battery_low_percent),
            ("weak_link_percent", self.weak_link_percent),
        ] {
            if percent > 95 {
                problems.push((key, format!("{percent}: expected 0 to 95 percent")));
            }
        }
        if self.silent_after_s == Some(0) {
            problems.push(("silent_after_s", "0 would be silent at once".into()));
        }
        for (at, window) in self.test.iter().enumerate() {
            let length = window.until.duration_since(window.from);
            if length <= SignedDuration::ZERO || length > TEST_WINDOW_MAX {
                let message = format!(
                    "window {}: `until` must come after `from`, and at most 12 hours: in it a first press alarms nobody",
                    at + 1
                );
                problems.push(("test", message));
            }
        }
        problems
    }

    /// Whether this button is being tried at this time.
    pub(super) fn tries(&self, id: &str, grid: Option<&str>, at: Timestamp) -> bool {
        self.test.iter().any(|window| {
            (window.from..window.until).contains(&at)
                && (window.buttons.is_empty() || window.buttons.iter().any(|one| one == id))
                && (window.grids.is_empty()
                    || grid.is_some_and(|grid| window.grids.iter().any(|one| one == grid)))
        })
    }
}
