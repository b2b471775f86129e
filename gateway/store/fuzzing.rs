//! The journal's reader as the fuzzer sees it: bytes in, everything that must hold checked.

use std::{fs, path::Path};

use super::{
    disk::RealDisk,
    folder::Layout,
    format::{
        self, FLAG_FIRST, FLAG_LAST, Hash, Head, NO_HASH, SEGMENT_HEADER_BYTES, SegmentHeader,
    },
    journal::segment_path,
    recover::{Ground, recover},
    state::State,
};

/// A whole segment with these payloads, each framed, chained and summed as the writer does it.
pub fn segment(number: u64, payloads: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = SegmentHeader { number, first_seq: 1, prev: NO_HASH }.encode().to_vec();
    let mut prev = NO_HASH;
    for (n, (kind, payload)) in payloads.iter().enumerate() {
        let (flags, seq) = (FLAG_FIRST | FLAG_LAST, n as u64 + 1);
        let head = Head { kind: *kind, version: 1, flags, seq, durable: seq - 1, prev };
        prev = format::encode(&head, payload, &mut out);
    }
    out
}

/// J1: every byte is either in a whole record or in a stretch that is told as damaged.
pub fn walk(bytes: &[u8]) {
    let start = SEGMENT_HEADER_BYTES.min(bytes.len());
    // Any answer is right, as long as it is one.
    let _ = SegmentHeader::decode(bytes);
    let (frames, damage) = format::walk(bytes, start, 0);
    let records = frames.iter().map(|frame| (frame.offset, frame.offset + frame.len));
    let mut parts: Vec<_> = records.chain(damage.iter().map(|part| (part.from, part.to))).collect();
    parts.sort_unstable();
    let mut at = start;
    for (from, to) in parts {
        assert!(from == at && to > from, "bytes {at}..{from} are in no part, or in two");
        at = to;
    }
    assert_eq!(at, bytes.len());
    assert!(frames.is_sorted_by(|one, next| one.head.seq < next.head.seq));
}

/// J4, J6: what recovery serves once, after mending, it serves again in the same way; the state
/// it adds up to holds. `bytes` is the only segment of the folder.
pub fn recover_folder(folder: &Path, bytes: &[u8]) {
    let layout = Layout::new(folder);
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(layout.journal()).expect("a folder of the test");
    fs::create_dir_all(layout.quarantine()).expect("a folder of the test");
    fs::write(segment_path(&layout.journal(), 1), bytes).expect("a file of the test");
    let seen = read(&layout);
    assert_eq!(seen, read(&layout), "a second look sees something else");
}

/// Records served, and the last one's seq and hash.
fn read(layout: &Layout) -> (u64, u64, Hash) {
    let ground = Ground {
        journal: layout.journal(),
        quarantine: layout.quarantine(),
        repair: Some(&RealDisk),
    };
    let mut state = State::default();
    let found = recover(&ground, None, 0, &mut |seq, location, fact| {
        state.apply(seq, location, &fact);
    })
    .expect("a folder of the test");
    state.ledger.balance();
    assert!(state.ledger.holds(), "the ledger does not add up: {:?}", state.ledger);
    (found.records, found.end.seq, found.end.hash)
}
