//! The heartbeat: an event that says that the gateway lives, what it owes and what is wrong with it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventContext, Now, SinkId, SiteId};

/// A CloudEvents 1.0 event like that of an incident, with other `data`. It is not kept: a late
/// heartbeat is worth nothing, so a missing `seq` was lost and will not come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Always `1.0`.
    pub specversion: String,
    /// `<run>.<seq>`.
    pub id: String,
    /// `urn:gridpost:<site id>`.
    pub source: String,
    /// Always `io.gridpost.heartbeat.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The run.
    pub subject: String,
    /// RFC 3339 with offset.
    pub time: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    pub data: HeartbeatData,
}

/// How the gateway is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatData {
    pub site: SiteId,
    /// Of this process; another one means that the gateway was started anew.
    #[schemars(with = "String")]
    pub run: Uuid,
    /// 1, 2, 3 … of this run, one an interval; a gap is heartbeats that were lost on the way.
    pub seq: u64,
    /// When this run began, by the clock of now.
    pub started_at: String,
    pub at: String,
    pub uptime_s: u64,
    /// What became of all records, per sink: accepted = delivered + pending + dead + shed +
    /// superseded + expired + lost.
    pub ledger: BTreeMap<SinkId, HeartbeatSums>,
    /// What is wrong, and what works though not as it was wished, as `/readyz` says them; empty is
    /// well.
    pub faults: Vec<String>,
}

/// The ledger of one sink, all kinds together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatSums {
    /// Owed to this sink since the store was made.
    pub accepted: u64,
    pub delivered: u64,
    /// On disk and not settled yet.
    pub pending: u64,
    /// Refused for good.
    pub dead: u64,
    /// Given up with a reason.
    pub shed: u64,
    /// Updates for which newer records of the same incident stand.
    pub superseded: u64,
    #[serde(default)]
    pub expired: u64,
    /// Destroyed by the disk before delivery.
    pub lost: u64,
}

/// What only the runtime knows; asked for anew for each heartbeat.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatFacts {
    /// See [`HeartbeatData::ledger`].
    pub ledger: BTreeMap<SinkId, HeartbeatSums>,
    /// See [`HeartbeatData::faults`].
    pub faults: Vec<String>,
}

impl EventContext {
    /// The n-th heartbeat of a run.
    pub fn heartbeat(&self, run: Uuid, seq: u64, now: Now, facts: HeartbeatFacts) -> Heartbeat {
        let at = self.time(now.wall);
        Heartbeat {
            specversion: "1.0".into(),
            id: format!("{run}.{seq}"),
            source: format!("urn:gridpost:{}", self.site),
            kind: "io.gridpost.heartbeat.v1".into(),
            subject: run.to_string(),
            time: at.clone(),
            datacontenttype: "application/json".into(),
            data: HeartbeatData {
                site: self.site.clone(),
                run,
                seq,
                started_at: self.time(started_at(now)),
                at,
                uptime_s: now.mono_ms / 1000,
                ledger: facts.ledger,
                faults: facts.faults,
            },
        }
    }
}

/// When the process began, by the wall clock of now: right also after the wall clock was set.
pub fn started_at(now: Now) -> Timestamp {
    let up = i64::try_from(now.mono_ms).unwrap_or(i64::MAX);
    now.wall.checked_sub(SignedDuration::from_millis(up)).unwrap_or(now.wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_after_a_clock_step_says_when_it_really_began() {
        let context =
            EventContext { site: "a".into(), timezone: jiff::tz::TimeZone::UTC, public_url: None };
        let now = Now { wall: "2026-07-01T04:00:10Z".parse().unwrap(), mono_ms: 10_000 };
        let run = Uuid::nil();
        let beat = context.heartbeat(run, 3, now, HeartbeatFacts::default());
        assert_eq!(beat.id, format!("{run}.3"));
        assert_eq!(beat.data.started_at, "2026-07-01T04:00:00.000+00:00");
        assert_eq!(beat.data.uptime_s, 10);
    }
}
