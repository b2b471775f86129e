//! Health of devices: what they report, what the configuration says of them, and the table of all.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SourceId, Unreadable};

/// What one message of a device reports, a press apart; what it leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceReport {
    /// What the message was for.
    pub word: DeviceStatus,
    /// Percent.
    pub battery: Option<u8>,
    /// The device's own verdict, where it gives no figure.
    pub battery_low: Option<bool>,
    /// Open, or torn off.
    pub tampered: Option<bool>,
    /// How well it is received, percent: a Zigbee LQI of 255 or a LoRa SNR of +10 dB is 100.
    pub link: Option<u8>,
    /// As its dialect or the site calls it, e.g. `ws101`.
    pub model: Option<String>,
    /// A device of this model is heard at least this often while all is well, seconds.
    pub silent_after_s: Option<u64>,
    /// What stands between it and us (a Zigbee coordinator, a broker): while that is gone, its
    /// devices are not silent, only unheard.
    pub through: Option<SourceId>,
    /// It is not a device but what stands between devices and us: a broker, a coordinator.
    pub hub: bool,
    /// How it came: `intake`, a broker's id, `replay`.
    pub via: String,
    /// Of a hub that cannot be heard: why, in words.
    pub reason: Option<String>,
    /// A broker's retained message: it shows a state, and not that the device is alive now.
    pub retained: bool,
    /// The state in which it calls, where it has one (`sos`): false is that it does not call now.
    pub calling: Option<bool>,
    /// Words and values of it that nobody understood, each with its key.
    pub unknown: Vec<String>,
    /// The whole message, to be kept, where a word was not understood.
    pub kept: Option<Box<Unreadable>>,
}

/// What the message was for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceStatus {
    /// A heartbeat, a measured value, anything: the device was heard.
    #[default]
    Alive,
    /// Its broker or coordinator says that it is there.
    Online,
    /// Its broker or coordinator says that it is gone; nothing came from the device itself.
    Offline,
    /// The button was pressed to test it: logged, alarms nobody.
    Test,
    /// The call is cancelled on the device itself.
    Cancel,
}

/// What the configuration says of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceInfo {
    /// As its line, its dialect or the device itself names it.
    pub model: Option<String>,
    /// As the device names itself, where that is not its id.
    pub device: Option<String>,
    /// In words, for the officer who goes there.
    pub address: Option<String>,
    /// Silent for longer than this it is an incident, seconds; None: only once it has spoken of
    /// its own accord.
    pub silent_after_s: Option<u64>,
    /// Cameras whose pictures of that minute go with a press.
    pub cameras: Vec<SourceId>,
}

/// One way of not being well. Each is an incident of its own kind.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Ailment {
    /// Not heard for longer than allowed, or said to be gone.
    Silent,
    Battery,
    Tamper,
    /// Badly received, three times in a row.
    Weak,
    /// It says what nobody understands.
    Unclear,
    /// It calls in each of its reports and never stops.
    Stuck,
}

impl Ailment {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::Silent, Self::Battery, Self::Tamper, Self::Weak, Self::Unclear, Self::Stuck];

    /// As in the device table and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Battery => "battery",
            Self::Tamper => "tamper",
            Self::Weak => "weak",
            Self::Unclear => "unclear",
            Self::Stuck => "stuck",
        }
    }
}

/// One line of the table of devices; also what is kept of it over a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceState {
    /// Of the configuration, or the device's own.
    pub id: String,
    /// For people.
    pub name: String,
    /// The configuration knows it.
    pub known: bool,
    /// Code of its grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// See [`DeviceReport::model`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Empty is well.
    pub ailments: Vec<Ailment>,
    /// By the gateway's clock of then; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Timestamp>,
    /// For how long it could have been heard and was not, milliseconds: the gateway's own absence
    /// and that of its broker do not count.
    pub silent_ms: u64,
    /// It may be silent for so long, seconds; absent: it is not watched for silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_after_s: Option<u64>,
    /// What its broker or coordinator says, if it says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// Percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// The device's own verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_low: Option<bool>,
    /// Open, or torn off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tampered: Option<bool>,
    /// Percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<u8>,
    /// Readings in a row at or below what is allowed.
    #[serde(skip_serializing_if = "is_zero")]
    pub weak_readings: u32,
    /// When it last called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressed_at: Option<Timestamp>,
    /// The last test press.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    /// How its last message came.
    pub via: String,
    /// What stands between it and us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<SourceId>,
    /// Messages of it since the table was begun.
    pub messages: u64,
    /// Payloads of it that nobody could read.
    #[serde(skip_serializing_if = "is_zero64")]
    pub unreadable: u64,
    /// Words and values of it that nobody understood.
    #[serde(skip_serializing_if = "is_zero64")]
    pub unknown_words: u64,
    /// The latest of what nobody could read or understood, three at most, the last one last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<String>,
    /// When the last of them came, by the gateway's clock of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclear_at: Option<Timestamp>,
    /// Whether it calls now, where that is a state of it that it says in each report (`sos`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calling: Option<bool>,
    /// Since when that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calling_since: Option<Timestamp>,
    /// When somebody was last asked whether that is a new call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn is_zero64(n: &u64) -> bool {
    *n == 0
}

/// The table of devices as it is kept on disk and shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceTable {
    /// When it was made.
    pub at: Option<Timestamp>,
    /// By id.
    pub devices: Vec<DeviceState>,
}

impl DeviceState {
    /// The states it is in, as the metric counts them; `fine` if nothing is wrong.
    pub fn states(&self) -> Vec<&'static str> {
        let mut states: Vec<&'static str> =
            self.ailments.iter().map(|ailment| ailment.as_str()).collect();
        if !self.known {
            states.push("unknown");
        } else if self.heard_at.is_none() {
            states.push("unheard");
        }
        if states.is_empty() {
            states.push("fine");
        }
        states
    }
}

/// Every state there is, for a metric whose series are all there from the start.
pub const DEVICE_STATES: [&str; 9] =
    ["fine", "silent", "battery", "tamper", "weak", "unclear", "stuck", "unheard", "unknown"];
