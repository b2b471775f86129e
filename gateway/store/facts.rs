//! What a record's payload says: the entries of the domain, and the store's own notes about itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};

use super::{format::PAYLOAD_BYTES_MAX, ledger::Ledger, newer_words::NEWER};
use crate::domain::{
    Class, Entry, Evidence, EvidenceId, IncidentId, Kind, Record, SeenPress, SeenReport, Settled,
    SinkId,
};

/// One record's meaning. Its kind byte is in the frame, so that a reader can skip what it does
/// not know; payloads are JSON, readable with any tool after a disaster.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fact {
    /// Kinds 1 press, 2 change, 3 reply, 5 evidence, 6 look, 7 quarantine, 8 gauge, 9 applied, 10 link,
    /// 14 exported, 15 held.
    Entry(Entry),
    /// Kind 4.
    Settled(SettledFact),
    /// Kind 16.
    Standing(Standing),
    /// Kind 17.
    Carried(Carried),
    /// Kind 18.
    Retired(Retired),
    /// Kind 19.
    Gone(Gone),
    /// Kind 20.
    Retried(Retried),
    /// Kind 21.
    Forked(Forked),
    /// Of any kind: a newer program wrote it, and it is kept for one.
    Unread(UnreadRecord),
}

/// A whole record that says nothing here: of a kind, a version or with a word that is not known. It is neither served
/// nor counted, and never lost: it is carried on as it is until a program comes that can read it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UnreadRecord {
    /// As it was written.
    pub(super) payload: Payload,
    /// Why it says nothing here, for people.
    pub(super) reason: String,
}

/// A settlement, with the kind of what it settles: its change may have left with its segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SettledFact {
    /// By which sink, and how.
    #[serde(flatten)]
    pub(super) settled: Settled,
    /// Of the incident.
    pub(super) kind: Kind,
    /// It was the file that was settled, and not a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) piece: Option<EvidenceId>,
}

/// Where the store stands: from here on, changes are owed to these sinks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Why it was written.
    pub(super) occasion: Occasion,
    /// Who is owed records.
    pub(super) sinks: Vec<SinkId>,
    /// Those of them that carry evidence too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) carriers: Vec<SinkId>,
    /// The sums up to here.
    pub(super) ledger: Ledger,
}

/// Why a `Standing` record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Occasion {
    Opened,
    Segment,
    Closed,
    /// The configuration was changed while running.
    Changed,
}

/// Something of a leaving segment that is still needed, written again; it keeps its first seq.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "carried", rename_all = "kebab-case")]
pub(super) enum Carried {
    Change {
        seq: u64,
        /// Sinks that have not settled it.
        owed: Vec<SinkId>,
        /// The most urgent class its incident ever had.
        top: Class,
        /// Seq of the first change of its incident.
        first: u64,
        /// Sinks that refused it, with their answers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        dead: BTreeMap<SinkId, String>,
        /// A newer state of its incident was known, which may have left since: it is owed, and nothing else.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_past: bool,
        record: Box<Record>,
    },
    /// A file that is owed, or was refused.
    Piece {
        seq: u64,
        owed: Vec<SinkId>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        dead: BTreeMap<SinkId, String>,
        top: Class,
        incident: IncidentId,
        kind: Kind,
        evidence: Evidence,
    },
    Press {
        seq: u64,
        press: SeenPress,
    },
    Reply {
        seq: u64,
        incident: IncidentId,
        id: String,
    },
    Report {
        seq: u64,
        report: SeenReport,
    },
}

/// Segments up to this number are not needed any more and were, or will be, removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Retired {
    /// The last of them.
    pub(super) through: u64,
}

/// A piece of evidence was removed on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// Which piece.
    pub(super) evidence: EvidenceId,
    /// For people.
    pub(super) reason: String,
    /// When; absent where an older gateway removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
}

/// A dead letter is to be sent again: pending once more. Written once for each time it was
/// refused, and with the kind of what it is about, whose change may have left with its segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Retried {
    /// Who refused it.
    pub(super) sink: SinkId,
    /// Seq of what was refused.
    pub(super) change: u64,
    /// Of the incident.
    pub(super) kind: Kind,
    /// The file, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) piece: Option<EvidenceId>,
    /// When it was asked for.
    pub(super) at: Timestamp,
}

/// This folder is a copy from a backup: the box it came from may have gone on. From here on
/// its incidents continue at revisions that the other one cannot have used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Forked {
    /// When the copy was made a data folder.
    pub(super) at: Timestamp,
}

/// A fact as bytes, made before it is queued so that the writer only frames and writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Payload {
    /// See [`Fact`].
    pub(super) kind: u8,
    /// Of that kind.
    pub(super) version: u8,
    /// JSON.
    pub(super) bytes: Vec<u8>,
}

const VERSION: u8 = 1;
/// Each segment begins with one (J8).
pub(super) const STANDING_KIND: u8 = 16;

impl Fact {
    fn kind(&self) -> u8 {
        match self {
            Self::Entry(Entry::Press { .. }) => 1,
            Self::Entry(Entry::Change(_)) => 2,
            Self::Entry(Entry::Reply { .. }) => 3,
            Self::Entry(Entry::Settled(_)) | Self::Settled(_) => 4,
            Self::Entry(Entry::Evidence { .. }) => 5,
            Self::Entry(Entry::EvidenceRead { .. }) => 6,
            Self::Entry(Entry::Quarantine(_)) => 7,
            Self::Entry(Entry::Gauge { .. }) => 8,
            Self::Entry(Entry::Applied { .. }) => 9,
            Self::Entry(Entry::LinkMade { .. }) => 10,
            Self::Entry(Entry::Access(_)) => 11,
            Self::Entry(Entry::Exported { .. }) => 14,
            Self::Entry(Entry::Held { .. }) => 15,
            Self::Standing(_) => STANDING_KIND,
            Self::Carried(_) => 17,
            Self::Retired(_) => 18,
            Self::Gone(_) => 19,
            Self::Retried(_) => 20,
            Self::Forked(_) => 21,
            Self::Unread(unread) => unread.payload.kind,
        }
    }

    /// It is, or may be, the state of an incident.
    pub(super) fn may_be_a_change(&self) -> bool {
        matches!(self.kind(), 2 | 17)
    }

    /// Its payload, but that of one which says nothing here.
    pub(super) fn serialize_to<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Entry(entry) => entry.serialize(to),
            Self::Settled(fact) => fact.serialize(to),
            Self::Standing(fact) => fact.serialize(to),
            Self::Carried(fact) => fact.serialize(to),
            Self::Retired(fact) => fact.serialize(to),
            Self::Gone(fact) => fact.serialize(to),
            Self::Retried(fact) => fact.serialize(to),
            Self::Forked(fact) => fact.serialize(to),
            Self::Unread(_) => to.serialize_unit(),
        }
    }

    /// The error is for people: what is too large, and what is allowed.
    pub(super) fn encode(&self) -> Result<Payload, String> {
        if let Self::Unread(unread) = self {
            return Ok(unread.payload.clone());
        }
        let mut bytes = Vec::new();
        self.serialize_to(&mut serde_json::Serializer::new(&mut bytes))
            .map_err(|error| format!("cannot be written as JSON: {error}"))?;
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(format!(
                "is {} bytes as JSON; at most {PAYLOAD_BYTES_MAX} can be kept",
                bytes.len()
            ));
        }
        Ok(Payload { kind: self.kind(), version: VERSION, bytes })
    }

    /// The meaning of a payload; the error says why it has none here.
    pub(super) fn decode(kind: u8, version: u8, payload: &[u8]) -> Result<Self, String> {
        fn json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
            #[cfg(test)]
            let payload = &*super::tests_newer_words::as_an_older_program_reads(payload)?;
            // Written twice in one while an update was tried: the first is whole. One that is too new to be read is
            // read as the older program would.
            if let Some(newer) = payload.strip_prefix(NEWER)
                && let Ok(fact) = T::deserialize(&mut serde_json::Deserializer::from_slice(newer))
            {
                return Ok(fact);
            }
            serde_json::from_slice(payload).map_err(|error| error.to_string())
        }
        if version != VERSION {
            return Err(format!("version {version} of kind {kind} is not known here"));
        }
        match kind {
            1 | 2 | 3 | 5..=11 | 14 | 15 => json(payload).map(Self::Entry),
            4 => json(payload).map(Self::Settled),
            STANDING_KIND => json(payload).map(Self::Standing),
            17 => json(payload).map(Self::Carried),
            18 => json(payload).map(Self::Retired),
            19 => json(payload).map(Self::Gone),
            20 => json(payload).map(Self::Retried),
            21 => json(payload).map(Self::Forked),
            _ => Err(format!("kind {kind} is not known here")),
        }
    }

    /// As [`Self::decode`]; what has no meaning here is kept as it is.
    pub(super) fn decode_or_keep(kind: u8, version: u8, payload: &[u8]) -> Self {
        Self::decode(kind, version, payload).unwrap_or_else(|reason| {
            let payload = Payload { kind, version, bytes: payload.to_vec() };
            Self::Unread(UnreadRecord { payload, reason })
        })
    }

    /// The record of an incident in it, if it is one.
    pub(super) fn into_record(self) -> Option<Record> {
        match self {
            Self::Entry(Entry::Change(record)) | Self::Carried(Carried::Change { record, .. }) => {
                Some(*record)
            }
            _ => None,
        }
    }

    /// The press in it, if it is one.
    pub(super) fn into_press(self) -> Option<SeenPress> {
        match self {
            Self::Entry(Entry::Press { source, stamp, press, incident, .. }) => {
                Some(SeenPress { source, press, taken_at: stamp.gateway, incident })
            }
            Self::Carried(Carried::Press { press, .. }) => Some(press),
            _ => None,
        }
    }

    /// The incident of a reply that has an id, and that id.
    pub(super) fn into_reply(self) -> Option<(IncidentId, String)> {
        match self {
            Self::Entry(Entry::Reply { reply, .. }) => Some((reply.incident, reply.id?)),
            Self::Carried(Carried::Reply { incident, id, .. }) => Some((incident, id)),
            _ => None,
        }
    }

    /// The report of a gauge in it, if it is one.
    pub(super) fn into_report(self) -> Option<SeenReport> {
        match self {
            Self::Entry(Entry::Gauge { source, stamp, report }) => {
                Some(SeenReport { source, stamp, report })
            }
            Self::Carried(Carried::Report { report, .. }) => Some(report),
            _ => None,
        }
    }

    /// The piece of evidence it describes, if it is about one.
    pub(super) fn into_evidence(self) -> Option<Evidence> {
        match self {
            Self::Entry(Entry::Evidence { evidence, .. })
            | Self::Carried(Carried::Piece { evidence, .. }) => Some(evidence),
            _ => None,
        }
    }
}
