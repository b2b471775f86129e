//! The journal's bytes: how a segment and a record look on disk, and how a reader tells them from damage.
//!
//! # Invariants of the journal
//!
//! Files `journal/00000001.log`, `00000002.log` …; numbers are little-endian.
//!
//! ```text
//! segment header (68 bytes)            record header (68 bytes), then the payload
//!  0  8  "GRIDPJNL"                     0  4  mark F5 47 50 FF (never inside a payload: not UTF-8)
//!  8  4  format version                 4  4  bytes of payload, at most 1 MiB
//! 12  4  zero                           8  1  kind (see facts.rs)
//! 16  8  number of this segment         9  1  version of that kind
//! 24  8  seq of its first record       10  2  flags: 1 = first of its batch, 2 = last of it
//! 32 32  hash of the record before     12  8  seq: 1, 2, 3 … over all segments, never reused
//! 64  4  CRC32C of bytes 0..64         20  8  durable: highest seq known synced at writing
//!                                      28 32  hash (sha256) of the whole record before
//!                                      60  4  CRC32C of the payload
//!                                      64  4  CRC32C of bytes 0..64
//! ```
//!
//! - **J1** A record is whole only if mark, length, both CRCs and a rising seq agree. Nothing
//!   else is ever served.
//! - **J2** Each record holds the hash of the one before, across segments: what was changed,
//!   removed or inserted later is found by `check`.
//! - **J3** A group (what arrived while a sync ran) is one write and one `fdatasync`. Nothing of
//!   it is seen by a sink, the index or a receipt before that sync has returned.
//! - **J4** A batch is served whole or not at all: an unfinished one at the end is cut with the tail.
//! - **J5** A segment is created, given its header, synced, and its folder synced, before its
//!   first record; the segment before was synced to its end.
//! - **J6** Recovery cuts only what was never acknowledged: an unreadable place in the newest
//!   segment that no later record's `durable` (and not the index) says was synced. Any other
//!   unreadable place is left where it is, copied to `quarantine/`, reported, and the rest is served.
//!   In a segment with such a place nothing is cut: an unfinished tail is passed over and a new
//!   segment begun, whose first seq says from where on the old one does not count. Reading twice
//!   serves the same.
//! - **J7** A missing segment is reported; what is there is served. Segments leave only oldest first,
//!   after what is still pending, live or held in them was written again (`Carried`) and synced with a
//!   `Retired` record. A crash in between leaves both copies, which say the same.
//! - **J8** Each segment begins with a `Standing` record (sinks and ledger), so that sums survive
//!   the segments they were counted from. Opening and closing write one too.
//! - **J9** After a write or sync error nothing of that group counts: the file is cut back to its
//!   synced length, what was acknowledged is read again, and writing goes on in a new segment.
//! - **J10** A settlement is written at most once per record and sink.
//! - **J11** The index is written from what is synced and names its place in the journal; one that
//!   is missing, damaged, or ahead of the journal is rebuilt and changes nothing but the time of
//!   the start.
//! - **J12** A whole record that this version cannot read (a newer one wrote it) is told, kept and carried on as it is
//!   until a version comes that can read it. It is no damage and no loss; incidents go on at other revisions than it
//!   may have.
//! - **J13** While an update is being tried the folder keeps its format, and every record can be read by programs of
//!   that format; it is migrated when the update counts. Each word of a record belongs to a format.

use sha2::{Digest, Sha256};

/// Of the segment header and of the file `format`. 2 knows dead letters that are sent again,
/// evidence that goes along, and folders that come from a backup. 3 says which words its records may have
/// (`tests_words.rs`): each word that is added raises it, with a row in `newer_words.rs`. Segments of all of them may
/// stand beside each other, and mean the same.
pub(super) const FORMAT_VERSION: u32 = 3;
/// The oldest format that this program can write, so that the version before reads it while an update is tried.
pub(super) const OLDEST_WRITTEN: u32 = 2;
/// Tests have a program of the next format.
const NEWEST_READ: u32 = if cfg!(test) { FORMAT_VERSION + 1 } else { FORMAT_VERSION };
/// At the start of each segment.
pub(super) const SEGMENT_HEADER_BYTES: usize = 68;
/// Before each payload.
pub(super) const RECORD_HEADER_BYTES: usize = 68;
/// A record of an incident is 1–3 KB and a quarantined payload is bounded at its source; a
/// length above this is damage.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 20;

const SEGMENT_MAGIC: &[u8; 8] = b"GRIDPJNL";
const MARK: [u8; 4] = [0xF5, b'G', b'P', 0xFF];
/// The record is the first of its batch.
pub(super) const FLAG_FIRST: u16 = 1;
/// The record is the last of its batch.
pub(super) const FLAG_LAST: u16 = 2;

/// sha256 of a whole record: header and payload.
pub(super) type Hash = [u8; 32];
/// The "record before" the very first one.
pub(super) const NO_HASH: Hash = [0; 32];

/// What stands at the start of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// 1, 2, 3 …
    pub(super) number: u64,
    /// Of its first record.
    pub(super) first_seq: u64,
    /// Hash of the record before its first.
    pub(super) prev: Hash,
}

impl SegmentHeader {
    /// As on disk, with its CRC, in a folder of this format.
    pub(super) fn encode(&self, format: u32) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&format.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.prev);
        let crc = crc32c::crc32c(&bytes[..64]);
        bytes[64..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The error says what is wrong, for people.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let Some(bytes) = bytes.get(..SEGMENT_HEADER_BYTES) else {
            return Err(format!("only {} bytes, shorter than a header", bytes.len()));
        };
        if &bytes[..8] != SEGMENT_MAGIC || u32_at(bytes, 64) != crc32c::crc32c(&bytes[..64]) {
            return Err("the header is damaged".into());
        }
        let version = u32_at(bytes, 8);
        if !(1..=NEWEST_READ).contains(&version) {
            return Err(format!("format {version}, expected 1 to {FORMAT_VERSION}"));
        }
        Ok(Self {
            number: u64_at(bytes, 16),
            first_seq: u64_at(bytes, 24),
            prev: hash_at(bytes, 32),
        })
    }
}

/// What stands before a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// See facts.rs.
    pub(super) kind: u8,
    /// Of that kind.
    pub(super) version: u8,
    /// [`FLAG_FIRST`], [`FLAG_LAST`].
    pub(super) flags: u16,
    /// Its number over all segments.
    pub(super) seq: u64,
    /// The highest seq known synced when it was written.
    pub(super) durable: u64,
    /// Hash of the record before.
    pub(super) prev: Hash,
}

/// Appends one record to `out` and returns its hash.
pub(super) fn encode(header: &RecordHeader, payload: &[u8], out: &mut Vec<u8>) -> Hash {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "payloads are bounded before they are queued");
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[header.kind, header.version]);
    out.extend_from_slice(&header.flags.to_le_bytes());
    out.extend_from_slice(&header.seq.to_le_bytes());
    out.extend_from_slice(&header.durable.to_le_bytes());
    out.extend_from_slice(&header.prev);
    out.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    hash(&out[start..])
}

/// sha256 of a whole record.
pub(super) fn hash(record: &[u8]) -> Hash {
    Sha256::digest(record).into()
}

/// The record at the start of `bytes`: its header and its whole length. The error says what is
/// wrong, for people.
pub(super) fn decode(bytes: &[u8]) -> Result<(RecordHeader, usize), String> {
    let (header, payload_bytes, crc) = decode_head(bytes)?;
    let len = RECORD_HEADER_BYTES + payload_bytes;
    let Some(payload) = bytes.get(RECORD_HEADER_BYTES..len) else {
        return Err(format!("ends {} bytes early", len - bytes.len()));
    };
    if crc32c::crc32c(payload) != crc {
        return Err("its payload does not match its CRC".into());
    }
    Ok((header, len))
}

/// The header at the start of `bytes`, the bytes of its payload, and their CRC.
pub(super) fn decode_head(bytes: &[u8]) -> Result<(RecordHeader, usize, u32), String> {
    let Some(bytes) = bytes.get(..RECORD_HEADER_BYTES) else {
        return Err(format!("only {} bytes, shorter than a header", bytes.len()));
    };
    if bytes[..4] != MARK {
        return Err("no record begins here".into());
    }
    if u32_at(bytes, 64) != crc32c::crc32c(&bytes[..64]) {
        return Err("its header does not match its CRC".into());
    }
    let payload_bytes = u32_at(bytes, 4) as usize;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(format!("claims {payload_bytes} bytes, above {PAYLOAD_BYTES_MAX}"));
    }
    let header = RecordHeader {
        kind: bytes[8],
        version: bytes[9],
        flags: u16::from_le_bytes([bytes[10], bytes[11]]),
        seq: u64_at(bytes, 12),
        durable: u64_at(bytes, 20),
        prev: hash_at(bytes, 28),
    };
    Ok((header, payload_bytes, u32_at(bytes, 60)))
}

/// A whole record in a segment's bytes.
#[derive(Clone, Debug)]
pub(super) struct RecordSpan {
    /// Of its first byte.
    pub(super) offset: usize,
    /// Header and payload.
    pub(super) len: usize,
    /// As decoded.
    pub(super) header: RecordHeader,
}

/// A stretch of a segment's bytes in which no record can be read.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    /// First byte.
    pub(super) from: usize,
    /// Byte after the last.
    pub(super) to: usize,
    /// The last whole record before it (0: none).
    pub(super) after_seq: u64,
    /// For people.
    pub(super) reason: String,
}

/// All whole records of `bytes[start..]`, and the stretches between them. `seq` of the first
/// must be above `after_seq`.
pub(super) fn walk(bytes: &[u8], start: usize, after_seq: u64) -> (Vec<RecordSpan>, Vec<Damage>) {
    let (mut spans, mut damage) = (Vec::new(), Vec::new());
    let (mut at, mut last) = (start, after_seq);
    while at < bytes.len() {
        match decode(&bytes[at..]) {
            Ok((header, len)) if header.seq > last => {
                last = header.seq;
                spans.push(RecordSpan { offset: at, len, header });
                at += len;
            }
            broken => {
                let reason = match broken {
                    Ok((header, _)) => format!("record {} comes after record {last}", header.seq),
                    Err(reason) => reason,
                };
                let to = next_whole(bytes, at, last).unwrap_or(bytes.len());
                damage.push(Damage { from: at, to, after_seq: last, reason });
                at = to;
            }
        }
    }
    (spans, damage)
}

/// Where the next whole record above `last` begins, after the unreadable place `at`.
fn next_whole(bytes: &[u8], at: usize, last: u64) -> Option<usize> {
    let mut from = at + 1;
    while from + RECORD_HEADER_BYTES <= bytes.len() {
        let step = bytes[from..].iter().position(|&byte| byte == MARK[0])?;
        from += step;
        if decode(&bytes[from..]).is_ok_and(|(header, _)| header.seq > last) {
            return Some(from);
        }
        from += 1;
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
fn hash_at(bytes: &[u8], at: usize) -> Hash {
    bytes[at..at + 32].try_into().expect("32 bytes")
}

/// Lower-case hex, as in the event's `sha256`.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(payloads: &[&str]) -> (Vec<u8>, Vec<usize>) {
        let (mut out, mut prev, mut starts) = (Vec::new(), NO_HASH, Vec::new());
        for (i, payload) in payloads.iter().enumerate() {
            starts.push(out.len());
            let seq = i as u64 + 1;
            let header =
                RecordHeader { kind: 1, version: 1, flags: 3, seq, durable: seq - 1, prev };
            prev = encode(&header, payload.as_bytes(), &mut out);
        }
        (out, starts)
    }

    #[test]
    fn j1_any_flipped_bit_hides_exactly_its_own_record() {
        let (bytes, starts) = journal(&["one", "二", "three and more"]);
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let hit = starts.iter().rposition(|&start| start <= bit / 8).unwrap() as u64 + 1;
            let (spans, damage) = walk(&bent, 0, 0);
            let seqs: Vec<u64> = spans.iter().map(|span| span.header.seq).collect();
            let left: Vec<u64> = (1..=3).filter(|&seq| seq != hit).collect();
            assert_eq!((seqs, damage.len()), (left, 1), "bit {bit}");
        }
    }

    #[test]
    fn j1_any_cut_leaves_the_whole_records_before_it() {
        let (bytes, starts) = journal(&["one", "two", "three"]);
        for len in 0..bytes.len() {
            let (spans, damage) = walk(&bytes[..len], 0, 0);
            let ends = starts[1..].iter().filter(|&&end| end <= len).count();
            assert_eq!(spans.len(), ends, "cut at {len}");
            assert_eq!(damage.is_empty(), starts.contains(&len), "cut at {len}");
        }
    }

    #[test]
    fn a_segment_header_survives_and_a_bent_one_is_refused() {
        let header = SegmentHeader { number: 7, first_seq: 99, prev: [3; 32] };
        let bytes = header.encode(FORMAT_VERSION);
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bent).is_err(), "bit {bit}");
        }
    }
}
