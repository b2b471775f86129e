//! Posture: what the site cares for now, and an order of a person to change it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Neither is the normal posture; both can hold at once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
    /// 汛期: rain or high water, or the season of it.
    Flood,
    /// 重点时段: Spring Festival, Two Sessions, May Day …
    KeyPeriod,
}

impl Posture {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Flood, Self::KeyPeriod];

    /// As in the contract, e.g. `key-period`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::KeyPeriod => "key-period",
        }
    }

    /// The key of its incident.
    pub fn key(self) -> String {
        format!("posture/{}", self.as_str())
    }

    /// Chinese, English.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Flood => ("汛期", "flood season"),
            Self::KeyPeriod => ("重点时段", "key period"),
        }
    }
}

/// What a person wants of a posture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrderTo {
    /// Held until `until`, or until ordered otherwise.
    On,
    /// Not held, whatever rain, level and calendar say, until `until` (default: 12 h).
    Off,
    /// Rain, level and calendar decide again.
    Auto,
}

/// `POST /api/v1/posture`, or the MQTT topic `gridpost/<site>/posture`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostureOrder {
    pub posture: Posture,
    pub to: OrderTo,
    /// Who ordered it.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}
