//! The incident: what the grid hears of, as one value that is its whole state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Class, Deadline, EvidenceId, Grid, IncidentId, Kind, Life, Place, Route, RuleId, Severity,
    SourceId, SourceKind, Stage, Stamp,
};

/// Free fields, per kind; documented beside the code that fills them.
pub type Detail = BTreeMap<String, serde_json::Value>;

/// What one record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Opened,
    Updated,
    Ended,
    Accepted,
    Dispatched,
    Handled,
    Verified,
    Closed,
    Dismissed,
    Reopened,
    /// It is the same as another case, which goes on.
    Merged,
    /// Another department has it.
    Transferred,
    /// Found not handled by whoever verifies.
    SentBack,
    /// More time, a suspension, to give it back or to withdraw it is asked.
    Asked,
    /// What was asked is granted.
    Granted,
    /// What was asked is refused.
    Refused,
    /// What was suspended goes on.
    Resumed,
    /// 80 % of a limit are used up.
    Limit,
    /// A limit has passed: the next level is told.
    Escalated,
    /// It was accepted and not dispatched in time: it is open again.
    Lapsed,
}

impl What {
    /// As in the event's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Ended => "ended",
            Self::Accepted => "accepted",
            Self::Dispatched => "dispatched",
            Self::Handled => "handled",
            Self::Verified => "verified",
            Self::Closed => "closed",
            Self::Dismissed => "dismissed",
            Self::Reopened => "reopened",
            Self::Merged => "merged",
            Self::Transferred => "transferred",
            Self::SentBack => "sent-back",
            Self::Asked => "asked",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Resumed => "resumed",
            Self::Limit => "limit",
            Self::Escalated => "escalated",
            Self::Lapsed => "lapsed",
        }
    }
}

/// For the officer's eye; Chinese first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Title {
    pub zh: String,
    pub en: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRef {
    pub id: SourceId,
    pub kind: SourceKind,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectCount {
    pub label: String,
    /// The most seen at once.
    pub count: u32,
    /// 0..1.
    pub score_max: f32,
}

/// Why a clip begins later than asked (P8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PreRollLimit {
    /// The stream itself began (or began anew) later.
    StreamBegan,
    /// The ring's byte bound was reached.
    RingBytes,
    /// The stream has no key frame there: the picture builds up while the clip is played.
    NoKeyFrame,
}

/// One file, on disk and synced before any record names it (P5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub id: EvidenceId,
    /// `image/jpeg` or `video/mp4`.
    pub media_type: String,
    /// Lower-case hex.
    pub sha256: String,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub starts_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ends_at: Option<Timestamp>,
    /// Measured, counted back from `began_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll_limit: Option<PreRollLimit>,
    /// It is the picture before heads were blurred: sealed at rest, sent to nobody, and opened with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_of: Option<EvidenceId>,
    /// Its file is sent to no sink: its camera shows what is private.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_here: bool,
}

impl Evidence {
    /// Whether a sink may get the file.
    pub fn may_leave(&self) -> bool {
        self.original_of.is_none() && !self.kept_here
    }
}

/// What the clocks said when it began (P9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockError {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub device: Option<Timestamp>,
    #[schemars(with = "String")]
    pub gateway: Timestamp,
    pub error_ms: u64,
}

impl ClockError {
    /// The error that is known of this time.
    pub fn of(stamp: Stamp) -> Self {
        Self { device: stamp.device, gateway: stamp.gateway, error_ms: stamp.error_ms }
    }
}

/// The whole state of one incident; what the journal keeps and the event shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id for ever.
    pub id: IncidentId,
    /// 1, 2, 3 … one a record, without gaps; after a restore from a backup it jumps ahead once.
    pub revision: u32,
    /// How far the case has come with the grid.
    pub stage: Stage,
    /// Still going on.
    pub active: bool,
    /// What it is.
    pub kind: Kind,
    /// How urgent it is; it only rises.
    pub severity: Severity,
    /// For people.
    pub title: Title,
    /// The grid that answers for the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// Where it is, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Source time.
    pub began_at: Timestamp,
    /// Source time at which it was found.
    pub opened_at: Timestamp,
    /// Gateway time of its latest revision.
    pub changed_at: Timestamp,
    /// Source time, once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The first one opened it.
    pub sources: Vec<SourceRef>,
    /// The most of each label at once.
    pub objects: Vec<ObjectCount>,
    /// The best snapshot first, then clips, then pictures of newcomers.
    pub evidence: Vec<Evidence>,
    /// When the grid must answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// Whose business it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// What persons did with the case.
    #[serde(default, skip_serializing_if = "Life::is_empty")]
    pub life: Life,
    /// How right its times are.
    pub clock: ClockError,
    /// The reason, in words.
    pub why: String,
    /// Figures by kind.
    #[serde(default, skip_serializing_if = "Detail::is_empty")]
    pub detail: Detail,
    /// The rule that opened it; the desk's, not the grid's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// The happening it stands for ([`super::Finding::key`]); the desk's, not the grid's.
    pub key: String,
}

impl Incident {
    /// 演练: it never happened.
    pub fn is_drill(&self) -> bool {
        let said = self.detail.get("drill");
        said.is_some_and(|said| !said.is_null() && *said != serde_json::Value::Bool(false))
    }

    /// A device on no list called: anybody may invent one.
    pub fn is_unlisted(&self) -> bool {
        self.detail.get("unlisted").is_some_and(|said| *said == serde_json::Value::Bool(true))
    }

    /// Equipment that was not well and is right again by itself, before anybody took it on: nobody is called
    /// for it.
    pub fn has_mended(&self) -> bool {
        use Kind as K;
        let equipment = matches!(
            self.kind,
            K::DeviceSilent
                | K::DeviceBattery
                | K::DeviceTamper
                | K::DeviceWeak
                | K::DeviceFault
                | K::CameraSilent
                | K::CameraBlind
                | K::CameraMoved
                | K::CameraFrozen
                | K::CameraUnfocused
                | K::DetectorDegraded
                | K::SinkDown
                | K::DiskLow
                | K::ClockSkew
        );
        equipment && !self.is_drill() && !self.active && self.stage == Stage::Opened
    }
}

/// A change of an incident on its way to the journal and the sinks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What this record reports.
    pub what: What,
    /// State after the change; `incident.changed_at` is the event's time.
    pub incident: Incident,
}

impl Record {
    /// CloudEvents id, also the Idempotency-Key: `<incident>.<revision>`.
    pub fn event_id(&self) -> String {
        format!("{}.{}", self.incident.id, self.incident.revision)
    }
    /// By its severity and kind.
    pub fn class(&self) -> Class {
        self.incident.severity.class()
    }
}
