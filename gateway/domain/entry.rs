//! What goes into the journal: everything the gateway must still know after a power cut.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AccessNote, Evidence, EvidenceId, ExportId, GaugeReport, IncidentId, Press, Record, Reply,
    SinkId, SourceId, Stamp,
};

/// One fact in the journal. A batch of entries is written together or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A press was accepted; `stale` ones (old retained messages) are recorded and alarm nobody.
    Press {
        source: SourceId,
        stamp: Stamp,
        press: Press,
        stale: bool,
        /// To try the button: alarms nobody.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        test: bool,
        incident: Option<IncidentId>,
    },
    /// An incident changed; every sink owes the grid this record.
    Change(Box<Record>),
    /// A reply was taken (its `id` is remembered, so that a repeat has no effect).
    Reply { reply: Reply, at: Timestamp },
    /// A sink has settled a record.
    Settled(Settled),
    /// A piece of evidence is on disk and synced.
    Evidence { incident: IncidentId, evidence: Evidence },
    /// Somebody read evidence, by console or API (P10). On disk it is called `look`.
    #[serde(rename = "look")]
    EvidenceRead {
        evidence: EvidenceId,
        by: String,
        at: Timestamp,
        /// Of whoever opened an original.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody asked for the link by which this person answers this case.
    LinkMade {
        incident: IncidentId,
        person: String,
        /// Who asked: an account, or whose token it was; empty in journals of before.
        #[serde(default)]
        by: String,
        at: Timestamp,
    },
    /// An unreadable payload is in the quarantine file.
    Quarantine(Quarantined),
    /// A gauge's report was accepted: sums are made of these again after a restart.
    Gauge { source: SourceId, stamp: Stamp, report: GaugeReport },
    /// A person applied a change of the configuration: which version, who as claimed, when and what, by
    /// name and never by value.
    Applied { version: u32, by: String, why: String, changes: Vec<String>, at: Timestamp },
    /// Somebody logged in, failed to, or changed accounts.
    Access(AccessNote),
    /// Somebody took an incident with him as one file: which one, with which pieces, by sha256, why, and until
    /// when its evidence is kept for it.
    Exported {
        export: ExportId,
        incident: IncidentId,
        by: String,
        why: String,
        files: Vec<ExportedFile>,
        until: Timestamp,
        at: Timestamp,
    },
    /// Evidence of this incident is kept until then, whatever its age.
    Held { incident: IncidentId, by: String, why: String, until: Timestamp, at: Timestamp },
}

/// A piece of evidence in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedFile {
    /// In the package.
    pub name: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Of the file.
    pub bytes: u64,
}

/// How a sink settled a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Whose queue.
    pub sink: SinkId,
    /// Journal sequence number of the [`Entry::Change`].
    pub change: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Gateway time.
    pub at: Timestamp,
}

/// What became of a record or file at a sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The sink has acknowledged it.
    Delivered,
    /// Refused for good; the answer is kept. Never for an emergency.
    Dead { answer: String },
    /// Given up to free space, or by age, with the reason.
    Shed { reason: String },
    /// It was an update, and newer records of its incident are on disk and owed to the same sink.
    Superseded,
    /// A speaker could not say it while it was of use, with the reason: never said late. Of speakers alone,
    /// and of emergencies too.
    Expired { reason: String },
}

/// One payload in quarantine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Where it came in.
    pub origin: String,
    /// What was wrong, for people.
    pub reason: String,
    /// As received, cut at the source's bound; base64-free: lossy UTF-8 for reading.
    pub text: String,
    /// As received, lower-case hex, cut at the source's bound.
    pub hex: String,
    /// Gateway time of its arrival.
    pub at: Timestamp,
}

/// What the desk must remember of presses after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenPress {
    /// The button.
    pub source: SourceId,
    /// As it came.
    pub press: Press,
    /// When it was taken, gateway time.
    pub taken_at: Timestamp,
    /// The incident that it opened or became part of, if any.
    pub incident: Option<IncidentId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_a_journal_of_before_is_read_and_says_of_nobody_that_he_asked() {
        let incident = IncidentId::new();
        let made = |by: &str| Entry::LinkMade {
            incident,
            person: "王芳".into(),
            by: by.into(),
            at: Timestamp::UNIX_EPOCH,
        };
        let text = serde_json::to_string(&made("李建国")).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), made("李建国"));
        let by = r#""by":"李建国","#;
        assert!(text.contains(by), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text.replace(by, "")).unwrap(), made(""));
    }
}
