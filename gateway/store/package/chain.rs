//! The part of the journal that proves an incident: its records as they lie there, and the head of the record
//! behind each, in which its hash stands.
//!
//! ```text
//! "GRIDPCHN1\n", then pieces: 1 byte (1 a whole record, 2 a head alone), and the bytes as in the journal
//! ```
//!
//! Records of others are not in it, and of their heads only those behind one of ours: who has a package learns
//! nothing of what else happened. That nothing lies between is the journal's to prove (`gridpost store check`).
//! So records of the incident itself may be left out, too (`collect.rs`), and each of the others is proved as before.

use super::super::{
    facts::{Carried, Fact},
    format::{self, Hash, RECORD_HEADER_BYTES, RecordHeader, hex},
};
use crate::domain::{Entry, Incident, IncidentId};

pub(super) const MAGIC: &[u8] = b"GRIDPCHN1\n";
pub(super) const WHOLE: u8 = 1;
pub(super) const HEAD: u8 = 2;

/// What stands in a chain of a record that is not in it.
pub(super) type HeadBytes = [u8; RECORD_HEADER_BYTES];

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

    /// It was written again before the part of the journal left that held it.
    pub(super) fn is_again(&self) -> bool {
        matches!(self.fact, Fact::Carried(_))
    }

    /// As a line of `records.jsonl`, without its end.
    fn line(&self) -> String {
        let (seq, hash, payload) = (self.seq, hex(&self.hash), &self.payload);
        format!("{{\"seq\":{seq},\"sha256\":\"{hash}\",\"record\":{payload}}}")
    }
}

/// The states of this incident, as these records have them.
pub(super) fn states(links: &[ChainLink], id: IncidentId) -> impl Iterator<Item = &Incident> {
    links.iter().filter_map(ChainLink::incident).filter(move |incident| incident.id == id)
}

/// The newest of them.
pub(super) fn newest(links: &[ChainLink], id: IncidentId) -> Option<&Incident> {
    states(links, id).max_by_key(|incident| incident.revision)
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
