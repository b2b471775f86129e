//! What an incident is, how urgent, and how far it has come with the grid.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    EmergencyButton,
    Intrusion,
    Line,
    Loiter,
    Crowd,
    FireLane,
    Waterside,
    Fallen,
    /// What a rule of kind `seen` looks for.
    Seen,
    /// A vehicle at the barrier 道闸 that is not expected there.
    Barrier,
    /// A vehicle stays longer than it may.
    Stay,
    Rain,
    WaterLevel,
    Report,
    Patrol,
    DeviceSilent,
    DeviceBattery,
    DeviceTamper,
    DeviceWeak,
    CameraSilent,
    CameraBlind,
    CameraMoved,
    CameraFrozen,
    CameraUnfocused,
    DetectorDegraded,
    SinkDown,
    DiskLow,
    ClockSkew,
    Loss,
    /// A device says what cannot be: a counter that jumps, a gauge stuck dry in the rain.
    DeviceFault,
    /// The site's posture changed: flood season, key period.
    Posture,
    /// What a person said at the speakers.
    Announcement,
}

impl Kind {
    /// As in the contract, e.g. `emergency-button`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmergencyButton => "emergency-button",
            Self::Intrusion => "intrusion",
            Self::Line => "line",
            Self::Loiter => "loiter",
            Self::Crowd => "crowd",
            Self::FireLane => "fire-lane",
            Self::Waterside => "waterside",
            Self::Fallen => "fallen",
            Self::Seen => "seen",
            Self::Barrier => "barrier",
            Self::Stay => "stay",
            Self::Rain => "rain",
            Self::WaterLevel => "water-level",
            Self::Report => "report",
            Self::Patrol => "patrol",
            Self::DeviceSilent => "device-silent",
            Self::DeviceBattery => "device-battery",
            Self::DeviceTamper => "device-tamper",
            Self::DeviceWeak => "device-weak",
            Self::CameraSilent => "camera-silent",
            Self::CameraBlind => "camera-blind",
            Self::CameraMoved => "camera-moved",
            Self::CameraFrozen => "camera-frozen",
            Self::CameraUnfocused => "camera-unfocused",
            Self::DetectorDegraded => "detector-degraded",
            Self::SinkDown => "sink-down",
            Self::DiskLow => "disk-low",
            Self::ClockSkew => "clock-skew",
            Self::Loss => "loss",
            Self::DeviceFault => "device-fault",
            Self::Posture => "posture",
            Self::Announcement => "announcement",
        }
    }
}

/// 1 emergency, 2 alert, 3 and 4 notice. Smaller is more urgent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "u8", into = "u8")]
pub struct Severity(#[schemars(range(min = 1, max = 4))] u8);

impl Severity {
    /// 1: never given up.
    pub const EMERGENCY: Self = Self(1);
    /// 2.
    pub const ALERT: Self = Self(2);
    /// 3.
    pub const NOTICE: Self = Self(3);
    /// 4.
    pub const MINOR: Self = Self(4);

    /// 1 is the most urgent.
    pub fn level(self) -> u8 {
        self.0
    }
    /// What goes first: an emergency on a lane of its own, an alert before a notice on the other.
    pub fn class(self) -> Class {
        match self.0 {
            1 => Class::Emergency,
            2 => Class::Alert,
            _ => Class::Notice,
        }
    }
}

impl TryFrom<u8> for Severity {
    type Error = String;
    fn try_from(level: u8) -> Result<Self, String> {
        if (1..=4).contains(&level) {
            Ok(Self(level))
        } else {
            Err(format!("severity {level}: expected 1 (emergency), 2 (alert), 3 or 4 (notice)"))
        }
    }
}

impl From<Severity> for u8 {
    fn from(severity: Severity) -> u8 {
        severity.0
    }
}

/// The order in which records leave (P3): emergency before alert before notice.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
/// How urgent a record is for delivery, the most urgent first.
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Emergency,
    Alert,
    Notice,
}

/// How far the case has come with the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Opened,
    Accepted,
    Dispatched,
    Handled,
    Verified,
    Closed,
    Dismissed,
}

impl Stage {
    /// For the officer's eye.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Opened => "待受理",
            Self::Accepted => "已受理",
            Self::Dispatched => "已派遣",
            Self::Handled => "已处置",
            Self::Verified => "已核查",
            Self::Closed => "已结案",
            Self::Dismissed => "已作废",
        }
    }

    /// Nobody has to do anything more: closed or dismissed.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Dismissed)
    }
}

/// How soon a case is to be answered, the most urgent first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Minutes.
    Urgent,
    /// 2 hours.
    Small,
    /// 2 days.
    Slow,
    /// 7 days.
    Complex,
}
