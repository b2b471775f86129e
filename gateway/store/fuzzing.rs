//! The journal's reader as the fuzzer sees it: bytes in, everything that must hold checked.

use std::{fs, path::Path};

use super::{
    disk::RealDisk,
    folder::DataFolder,
    format::{
        self, FLAG_FIRST, FLAG_LAST, FORMAT_VERSION, Hash, NO_HASH, RecordHeader,
        SEGMENT_HEADER_BYTES, SegmentHeader,
    },
    journal::segment_path,
    recover::{RecoveryTarget, recover},
    state::State,
};

/// A whole segment with these payloads, each framed, chained and summed as the writer does it.
pub fn segment(number: u64, payloads: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out =
        SegmentHeader { number, first_seq: 1, prev: NO_HASH }.encode(FORMAT_VERSION).to_vec();
    let mut prev = NO_HASH;
    for (n, (kind, payload)) in payloads.iter().enumerate() {
        let (flags, seq) = (FLAG_FIRST | FLAG_LAST, n as u64 + 1);
        let header = RecordHeader { kind: *kind, version: 1, flags, seq, durable: seq - 1, prev };
        prev = format::encode(&header, payload, &mut out);
    }
    out
}

/// J1: every byte is either in a whole record or in a stretch that is reported as damaged.
pub fn walk(bytes: &[u8]) {
    let start = SEGMENT_HEADER_BYTES.min(bytes.len());
    // Any answer is right, as long as it is one.
    let _ = SegmentHeader::decode(bytes);
    let (spans, damage) = format::walk(bytes, start, 0);
    let records = spans.iter().map(|span| (span.offset, span.offset + span.len));
    let mut parts: Vec<_> = records.chain(damage.iter().map(|part| (part.from, part.to))).collect();
    parts.sort_unstable();
    let mut at = start;
    for (from, to) in parts {
        assert!(from == at && to > from, "bytes {at}..{from} are in no part, or in two");
        at = to;
    }
    assert_eq!(at, bytes.len());
    assert!(spans.is_sorted_by(|one, next| one.header.seq < next.header.seq));
}

/// J4, J6: what recovery serves once, after mending, it serves again in the same way; the state
/// it adds up to holds. `bytes` is the only segment of the folder.
pub fn recover_folder(folder: &Path, bytes: &[u8]) {
    let data_folder = DataFolder::new(folder);
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(data_folder.journal()).expect("a folder of the test");
    fs::create_dir_all(data_folder.quarantine()).expect("a folder of the test");
    fs::write(segment_path(&data_folder.journal(), 1), bytes).expect("a file of the test");
    let seen = read(&data_folder);
    assert_eq!(seen, read(&data_folder), "a second look sees something else");
}

/// Records served, and the last one's seq and hash.
fn read(data_folder: &DataFolder) -> (u64, u64, Hash) {
    let target = RecoveryTarget {
        journal: data_folder.journal(),
        quarantine: data_folder.quarantine(),
        repair: Some(&RealDisk),
    };
    let mut state = State::default();
    let found = recover(&target, None, 0, &mut |seq, location, fact| {
        state.apply(seq, location, &fact);
    })
    .expect("a folder of the test");
    state.ledger.balance();
    assert!(state.ledger.holds(), "the ledger does not add up: {:?}", state.ledger);
    (found.records, found.end.seq, found.end.hash)
}
