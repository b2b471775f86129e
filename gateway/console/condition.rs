//! How the gateway and its cameras are now, and the site's own words, as the console is told them.

use serde::Serialize;

use super::FaultView;
use crate::domain::DutyRole;

/// The site's own words, for the page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SiteWords {
    /// Name for people.
    pub name: String,
    /// Who may sit here, by the roster: on duty now first.
    pub people: Vec<Person>,
    /// Departments of the routing table.
    pub departments: Vec<String>,
}

/// Somebody of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    pub name: String,
    pub role: DutyRole,
    /// Now.
    pub on_duty: bool,
}

/// How the gateway is, for the line at the foot of the page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Condition {
    /// As in `/readyz`.
    pub reasons: Vec<String>,
    /// As in `/readyz`.
    pub notes: Vec<String>,
    /// All of them, each with a code.
    pub faults: Vec<FaultView>,
    /// As in `/readyz`.
    pub model: Option<String>,
    /// What runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Each with what it is owed.
    pub sinks: Vec<SinkCondition>,
    /// Of the file system; absent where it cannot be asked.
    pub free_bytes: Option<u64>,
    /// `[data] min_free_bytes`.
    pub min_free_bytes: u64,
    /// Of all snapshots and clips.
    pub evidence_bytes: u64,
    /// Of the journal.
    pub journal_bytes: u64,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// Tasks that run or wait for a processor, the mean of a minute; absent where the system does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_1m: Option<f64>,
    /// How many there are.
    pub processors: usize,
}

/// A sink and what it is owed.
#[derive(Clone, Debug, Serialize)]
pub struct SinkCondition {
    pub id: String,
    pub up: bool,
    /// Records that it has not taken yet.
    pub pending: u64,
    /// Records that it refused for good.
    pub dead: u64,
    /// Owed to it since the store was made: delivered, pending, dead, given up and lost together.
    pub accepted: u64,
    /// Records that it has.
    pub delivered: u64,
    /// Records that were given up with a reason.
    pub shed: u64,
    /// Records that the disk destroyed before they were delivered.
    pub lost: u64,
}

/// A loudspeaker 云广播.
#[derive(Clone, Debug, Serialize)]
pub struct SpeakerView {
    pub id: String,
    /// False after three tries in a row that it did not take, until it takes one again.
    pub up: bool,
    /// What it took since the gateway started.
    pub said: u64,
    /// What it did not say while that was of use, since then.
    pub expired: u64,
    /// What is owed to it.
    pub pending: u64,
}

/// A camera. What is absent is not known.
#[derive(Clone, Debug, Serialize)]
pub struct CameraView {
    pub id: String,
    /// Packets arrive.
    pub up: bool,
    /// `packets` (nobody looks), `asleep` (looks now and then), `awake`.
    pub looks: &'static str,
    /// Pictures decoded since the gateway started.
    pub frames: u64,
    /// Looks that the box had no time for, since then.
    pub skipped: u64,
    /// How far behind the stream it is looked at, seconds.
    pub lag_s: f64,
    /// Its own clock minus ours, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_off_s: Option<f64>,
    /// Processor time for it since the gateway started: decoding and looking, seconds.
    pub cpu_s: f64,
}
