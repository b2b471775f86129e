//! The part of the journal that proves an incident: its records as they lie there, and the head of the record
//! behind each, in which its hash stands.
//!
//! ```text
//! "GRIDPCHN1\n", then pieces: 1 byte (1 a whole record, 2 a head alone), and the bytes as in the journal
//! ```
//!
//! Records of others are not in it, and of their heads only those behind one of ours: who has a package learns
//! nothing of what else happened. That nothing lies between is the journal's to prove (`gridpost store check`).

use std::collections::HashSet;

use super::super::{
    facts::{Carried, Fact},
    folder::DataFolder,
    format::{
        self, Hash, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, hex,
    },
    journal::{segment_path, segments},
};
use crate::domain::{Entry, EvidenceId, ExportId, Incident, IncidentId};

const MAGIC: &[u8] = b"GRIDPCHN1\n";
const WHOLE: u8 = 1;
const HEAD: u8 = 2;
/// Of one incident: one that lives for years has some thousand records.
const RECORDS_MAX: usize = 100_000;
const SETTLED_KIND: u8 = 4;

/// Bytes of `chain.bin`.
pub(super) struct Collected {
    pub(super) bytes: Vec<u8>,
    pub(super) records: usize,
    /// The export's own record is among them: everything before it was read.
    pub(super) is_whole: bool,
}

/// Reads the journal for what is about this incident, up to the record of this export. Blocks on the disk.
pub(super) fn collect(
    data_folder: &DataFolder,
    (incident, first): (IncidentId, u64),
    export: ExportId,
) -> Result<Collected, String> {
    let folder = data_folder.journal();
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut ours = Ours::of(incident);
    let mut out = Collected { bytes: MAGIC.to_vec(), records: 0, is_whole: false };
    // The seq behind one of ours.
    let mut behind = None;
    for number in from_first(&folder, segments(&folder).map_err(failed)?, first) {
        let path = segment_path(&folder, number);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // It left meanwhile; what was needed of it stands in a later one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let (spans, _) = format::walk(&bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), 0);
        for span in spans {
            let record = &bytes[span.offset..span.offset + span.len];
            let is_ours = ours.take(&span.header, &record[RECORD_HEADER_BYTES..]);
            if is_ours {
                out.bytes.push(WHOLE);
                out.bytes.extend_from_slice(record);
                out.records += 1;
            } else if behind == Some(span.header.seq) {
                out.bytes.push(HEAD);
                out.bytes.extend_from_slice(&record[..RECORD_HEADER_BYTES]);
            }
            behind = is_ours.then_some(span.header.seq + 1);
            if out.records > RECORDS_MAX {
                return Err(format!("the incident has more than {RECORDS_MAX} records"));
            }
            if is_ours && ours.exported == Some(export) {
                out.is_whole = true;
                return Ok(out);
            }
        }
    }
    Ok(out)
}

/// The segments from the one on that holds this seq, and the one before it.
fn from_first(folder: &std::path::Path, numbers: Vec<u64>, first: u64) -> Vec<u64> {
    let begins = |number: &u64| {
        use std::io::Read;
        let mut head = [0; SEGMENT_HEADER_BYTES];
        let mut file = std::fs::File::open(segment_path(folder, *number)).ok()?;
        file.read_exact(&mut head).ok()?;
        SegmentHeader::decode(&head).ok().map(|header| header.first_seq)
    };
    // A head that cannot be read says nothing: its segment is looked at.
    let at = numbers.iter().rposition(|number| begins(number).is_some_and(|seq| seq <= first));
    numbers[at.unwrap_or(0).saturating_sub(1)..].to_vec()
}

/// Tells the records of one incident from all others, read in their order.
struct Ours {
    incident: IncidentId,
    needle: String,
    evidence: HashSet<EvidenceId>,
    changes: HashSet<u64>,
    exported: Option<ExportId>,
}

impl Ours {
    fn of(incident: IncidentId) -> Self {
        Self {
            incident,
            needle: incident.to_string(),
            evidence: HashSet::new(),
            changes: HashSet::new(),
            exported: None,
        }
    }

    fn take(&mut self, header: &RecordHeader, payload: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(payload) else { return false };
        let may_be = header.kind == SETTLED_KIND
            || text.contains(&self.needle)
            || self.evidence.iter().any(|id| text.contains(&id.to_string()));
        if !may_be {
            return false;
        }
        let Ok(fact) = Fact::decode(header.kind, header.version, payload) else { return false };
        self.is_about(header.seq, &fact)
    }

    fn is_about(&mut self, seq: u64, fact: &Fact) -> bool {
        let ours = self.incident;
        match fact {
            Fact::Entry(Entry::Change(record)) | Fact::Carried(Carried::Change { record, .. }) => {
                let is_ours = record.incident.id == ours;
                if is_ours {
                    self.changes.insert(match fact {
                        Fact::Carried(Carried::Change { seq, .. }) => *seq,
                        _ => seq,
                    });
                    self.evidence.extend(record.incident.evidence.iter().map(|piece| piece.id));
                }
                is_ours
            }
            Fact::Entry(Entry::Evidence { incident, evidence })
            | Fact::Carried(Carried::Piece { incident, evidence, .. }) => {
                let is_ours = *incident == ours;
                if is_ours {
                    self.evidence.insert(evidence.id);
                    self.changes.insert(seq);
                }
                is_ours
            }
            Fact::Entry(Entry::Press { incident, .. }) => *incident == Some(ours),
            Fact::Carried(Carried::Press { press, .. }) => press.incident == Some(ours),
            Fact::Entry(Entry::Reply { reply, .. }) => reply.incident == ours,
            Fact::Carried(Carried::Reply { incident, .. })
            | Fact::Entry(Entry::LinkMade { incident, .. } | Entry::Held { incident, .. }) => {
                *incident == ours
            }
            Fact::Entry(Entry::Exported { incident, export, .. }) => {
                let is_ours = *incident == ours;
                self.exported = is_ours.then_some(*export).or(self.exported);
                is_ours
            }
            Fact::Entry(Entry::EvidenceRead { evidence, .. }) => self.evidence.contains(evidence),
            Fact::Gone(gone) => self.evidence.contains(&gone.evidence),
            Fact::Settled(fact) => self.changes.contains(&fact.settled.change),
            _ => false,
        }
    }
}

/// One record of a chain, read back.
pub(super) struct ChainLink {
    pub(super) seq: u64,
    pub(super) hash: Hash,
    fact: Fact,
    payload: String,
    /// Its hash stands in the record behind it.
    pub(super) is_linked: bool,
}

impl ChainLink {
    /// What it says, where it is an entry.
    pub(super) fn entry(&self) -> Option<&Entry> {
        match &self.fact {
            Fact::Entry(entry) => Some(entry),
            _ => None,
        }
    }

    /// The incident as this record leaves it.
    pub(super) fn incident(&self) -> Option<&Incident> {
        match &self.fact {
            Fact::Entry(Entry::Change(record)) | Fact::Carried(Carried::Change { record, .. }) => {
                Some(&record.incident)
            }
            _ => None,
        }
    }

    /// As a line of `records.jsonl`, without its end.
    fn line(&self) -> String {
        let (seq, hash, payload) = (self.seq, hex(&self.hash), &self.payload);
        format!("{{\"seq\":{seq},\"sha256\":\"{hash}\",\"record\":{payload}}}")
    }
}

/// `records.jsonl` of these.
pub(super) fn lines(links: &[ChainLink]) -> String {
    links.iter().map(|link| link.line() + "\n").collect()
}

/// Reads `chain.bin` back and holds every record against its own CRC and the hash in the next. The error is a
/// sentence for people.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<ChainLink>, String> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a chain does")?;
    let mut links = Vec::<ChainLink>::new();
    let mut last = 0;
    while let Some((&tag, piece)) = rest.split_first() {
        let (header, bytes) = match tag {
            WHOLE => format::decode(piece),
            HEAD => format::decode_head(piece).map(|(header, ..)| (header, RECORD_HEADER_BYTES)),
            _ => Err("no record begins here".into()),
        }
        .map_err(|reason| format!("behind record {last}: {reason}"))?;
        if header.seq <= last {
            return Err(format!("record {} stands behind record {last}", header.seq));
        }
        last = header.seq;
        match links.last_mut() {
            Some(before) if before.seq + 1 == header.seq => {
                if header.prev != before.hash {
                    return Err(format!(
                        "record {} is not the one that record {} follows",
                        before.seq, header.seq
                    ));
                }
                before.is_linked = true;
            }
            _ if tag == HEAD => return Err(format!("the head of record {last} proves nothing")),
            _ => {}
        }
        if tag == WHOLE {
            links.push(link(&header, &piece[..bytes])?);
        }
        rest = &piece[bytes..];
    }
    Ok(links)
}

fn link(header: &RecordHeader, record: &[u8]) -> Result<ChainLink, String> {
    use sha2::{Digest, Sha256};
    let payload = &record[RECORD_HEADER_BYTES..];
    let seq = header.seq;
    let fact = Fact::decode(header.kind, header.version, payload)
        .map_err(|reason| format!("record {seq}: {reason}"))?;
    let text = std::str::from_utf8(payload).map_err(|error| format!("record {seq}: {error}"))?;
    Ok(ChainLink {
        seq,
        hash: Sha256::digest(record).into(),
        fact,
        payload: text.to_owned(),
        is_linked: false,
    })
}
