//! What an index spares us reading is still looked at when a store is opened: damage, and records that are gone without any.
//!
//! **J7** A segment that was cut after a whole record is well formed, and what it lost shows only in the
//! number with which the next one begins.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use super::{
    format::{self, SEGMENT_HEADER_BYTES, SegmentHeader},
    journal::{segment_path, segments},
    recover::Checkpoint,
};

/// So much of the newest journal is read (a fraction of a second); of what is older only where each
/// segment begins and how long it is. `check` reads all of it.
const SCRUB_BYTES: u64 = 64 << 20;

/// Looks at the journal before the checkpoint. Returns what is wrong, a sentence each.
pub(super) fn scrub(journal: &Path, checkpoint: &Checkpoint) -> Vec<String> {
    let (mut notes, mut left) = (Vec::new(), SCRUB_BYTES);
    let numbers = segments(journal).unwrap_or_default();
    let mut before = numbers.into_iter().filter(|number| *number <= checkpoint.location.segment);
    // With which record the segment after this one begins, as far as that is known.
    let mut next: Option<(u64, u64)> = None;
    while let Some(number) = before.next_back() {
        let path = segment_path(journal, number);
        if let Some((after, _)) = next.filter(|(after, _)| *after > number + 1) {
            notes.push(format!("segments {}..{} are missing", number + 1, after - 1));
        }
        let follows = next.filter(|(after, _)| *after == number + 1).map(|(_, seq)| seq);
        let first = first_seq(&path);
        let last = if left > 0 {
            let Ok(mut bytes) = fs::read(&path) else { continue };
            left = left.saturating_sub(bytes.len() as u64);
            if number == checkpoint.location.segment {
                let location = checkpoint.location;
                bytes.truncate((location.offset + u64::from(location.len)) as usize);
            }
            walk(&path, &bytes, &mut notes)
        } else {
            let whole = fs::metadata(&path).is_ok_and(|it| it.len() > SEGMENT_HEADER_BYTES as u64);
            // What it holds is not read here.
            if whole && first.is_some() { follows.map(|follows| follows - 1) } else { None }
        };
        let last = last.or(first.map(|first| first.saturating_sub(1)));
        match (last, follows) {
            (None, _) => {
                notes.push(format!("{}: it does not begin as a segment does", path.display()));
            }
            (Some(last), Some(follows)) if last + 1 < follows => notes.push(format!(
                "{}: records {}..{} are gone: it was cut; the rest is served",
                path.display(),
                last + 1,
                follows - 1
            )),
            _ => {}
        }
        next = first.map(|first| (number, first));
    }
    notes
}

/// With which record a segment says it begins.
fn first_seq(path: &Path) -> Option<u64> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    SegmentHeader::decode(&bytes).ok().map(|header| header.first_seq)
}

/// The number of its last whole record, or of what is damaged before its end: that is told already.
fn walk(path: &Path, bytes: &[u8], notes: &mut Vec<String>) -> Option<u64> {
    let (spans, damage) = format::walk(bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), 0);
    for damage in &damage {
        notes.push(format!(
            "{}: bytes {}..{} (after record {}) are damaged: {}; the rest is served",
            path.display(),
            damage.from,
            damage.to,
            damage.after_seq,
            damage.reason
        ));
    }
    if damage.iter().any(|damage| damage.to == bytes.len()) {
        return Some(u64::MAX - 1);
    }
    spans.last().map(|span| span.header.seq)
}
