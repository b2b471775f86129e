//! What presses are recognised by, on disk: for all that memory has no room for, 7 days of it.
//!
//! A tree of the index, beside what the state is read back from, and like it derived from the journal (I4).
//! Two pairs a mark: by the mark, when it was taken and under which seq; by that seq, the mark, so that the
//! oldest can leave first. With each that comes in at most two leave by age: a clock that jumps ahead for a
//! moment costs that many and not all of them.

use jiff::{SignedDuration, Timestamp};

use super::index::{IndexError, guarded};
use crate::domain::{Mark, PRESS_KNOWN_MS};

/// Some 120 MB on disk; two a press.
const MARKS_MAX: u64 = 1_000_000;
const FORGOTTEN_A_MARK: usize = 2;
const COUNT: &[u8] = b"n";

/// A mark of a press that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeenMark {
    /// Of the press, or of its packet.
    pub(super) mark: Mark,
    /// When it was taken, gateway time.
    pub(super) at: Timestamp,
    /// Of the press in the journal.
    pub(super) seq: u64,
}

/// The tree; a cheap handle.
#[derive(Clone)]
pub(super) struct SeenMarks {
    tree: sled::Tree,
    most: u64,
}

impl SeenMarks {
    /// In this index.
    pub(super) fn open(db: &sled::Db) -> Result<Self, IndexError> {
        Ok(Self { tree: guarded(|| db.open_tree("presses"))?, most: MARKS_MAX })
    }

    /// When this was taken, if it was. What cannot be read is not known.
    pub(super) fn taken(&self, mark: Mark) -> Option<Timestamp> {
        match guarded(|| self.tree.get(by_mark(mark))) {
            Ok(value) => value.and_then(|value| decode(&value)).map(|(at, _)| at),
            Err(problem) => {
                tracing::warn!(%problem, "whether a press was taken before cannot be read from the index");
                None
            }
        }
    }

    /// Adds these, and lets as many old ones leave as are too old or too many.
    pub(super) fn write(&self, marks: &[SeenMark]) -> Result<(), IndexError> {
        let Some(last) = marks.last() else { return Ok(()) };
        guarded(|| {
            let mut batch = sled::Batch::default();
            let mut count = self.count()?;
            for SeenMark { mark, at, seq } in marks {
                let key = by_seq(*seq, *mark);
                if self.tree.insert(key, &[])?.is_none() {
                    count += 1;
                }
                batch.insert(by_mark(*mark), encode(*at, *seq));
            }
            self.tree.apply_batch(batch)?;
            let mut batch = sled::Batch::default();
            let oldest = self.tree.scan_prefix(b"s").keys();
            for key in oldest.take(FORGOTTEN_A_MARK * marks.len()) {
                let key = key?;
                let Some((seq, mark)) = decode_seq(&key) else { break };
                let value = self.tree.get(&mark)?;
                // One that was taken again since is known under its newer seq.
                let own = value.and_then(|value| decode(&value)).filter(|(_, one)| *one == seq);
                let old = own.is_none_or(|(at, _)| is_old(at, last.at));
                if !old && count <= self.most {
                    break;
                }
                if own.is_some() {
                    batch.remove(&mark[..]);
                }
                batch.remove(key);
                count = count.saturating_sub(1);
            }
            batch.insert(COUNT, &count.to_be_bytes());
            self.tree.apply_batch(batch)
        })
    }

    fn count(&self) -> sled::Result<u64> {
        let value = self.tree.get(COUNT)?;
        let bytes = value.and_then(|value| value.as_ref().try_into().ok());
        Ok(bytes.map_or(0, u64::from_be_bytes))
    }
}

fn is_old(at: Timestamp, newest: Timestamp) -> bool {
    newest.duration_since(at) > SignedDuration::from_millis(PRESS_KNOWN_MS)
}

fn by_mark(mark: Mark) -> Vec<u8> {
    [b"m", &mark.bytes()[..]].concat()
}

fn by_seq(seq: u64, mark: Mark) -> Vec<u8> {
    [b"s", &seq.to_be_bytes()[..], &mark.bytes()[..]].concat()
}

/// The seq, and the mark as a key.
fn decode_seq(key: &[u8]) -> Option<(u64, Vec<u8>)> {
    let (seq, mark) = key.strip_prefix(b"s")?.split_at_checked(8)?;
    Some((u64::from_be_bytes(seq.try_into().ok()?), [b"m", mark].concat()))
}

fn encode(at: Timestamp, seq: u64) -> Vec<u8> {
    [at.as_millisecond().to_be_bytes(), seq.to_be_bytes()].concat()
}

fn decode(value: &[u8]) -> Option<(Timestamp, u64)> {
    let (at, seq) = value.split_at_checked(8)?;
    let at = i64::from_be_bytes(at.try_into().ok()?);
    Some((Timestamp::from_millisecond(at).ok()?, u64::from_be_bytes(seq.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &std::path::Path, most: u64) -> SeenMarks {
        let db = sled::open(folder).unwrap();
        SeenMarks { most, ..SeenMarks::open(&db).unwrap() }
    }

    fn seen(n: u64, second: i64) -> SeenMark {
        let mark = Mark::of(&[&n.to_string()]);
        SeenMark { mark, at: Timestamp::from_second(1_782_864_000 + second).unwrap(), seq: n }
    }

    #[test]
    fn each_is_known_for_seven_days_and_a_clock_that_jumps_costs_two() {
        let folder = tempfile::tempdir().unwrap();
        let marks = open(folder.path(), 1_000);
        let all: Vec<SeenMark> = (0..10).map(|n| seen(n, 0)).collect();
        marks.write(&all).unwrap();
        let known = |marks: &SeenMarks| all.iter().filter_map(|one| marks.taken(one.mark)).count();
        let week = 7 * 86_400;
        marks.write(&[seen(10, week)]).unwrap();
        assert_eq!((known(&marks), marks.taken(all[3].mark)), (10, Some(all[3].at)));
        marks.write(&[seen(11, week + 1)]).unwrap();
        assert_eq!(known(&marks), 8, "two leave with each that comes");
        marks.write(&[seen(12, 1)]).unwrap();
        assert_eq!(known(&marks), 8, "the clock was set back");
        assert_eq!(marks.taken(Mark::of(&["never"])), None);
        // Taken again: it leaves under its newer seq alone.
        marks.write(&[SeenMark { seq: 13, ..seen(2, week) }]).unwrap();
        marks.write(&[seen(14, week + 1), seen(15, week + 1)]).unwrap();
        assert_eq!(marks.taken(all[2].mark), Some(seen(2, week).at));
    }

    #[test]
    fn p11_it_is_bounded_and_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let marks = open(folder.path(), 50);
        (0..200).for_each(|n| marks.write(&[seen(n, 0)]).unwrap());
        let known = |marks: &SeenMarks| {
            (0..200).filter(|n| marks.taken(seen(*n, 0).mark).is_some()).collect::<Vec<u64>>()
        };
        assert_eq!(known(&marks), Vec::from_iter(150..200));
        // The same one again is no further one.
        (0..100).for_each(|_| marks.write(&[seen(199, 0)]).unwrap());
        assert_eq!(known(&marks), Vec::from_iter(150..200));
    }
}
