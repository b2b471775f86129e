//! Reading the journal back at start: what is whole is served, what is torn is cut, what is damaged is reported.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    disk::Disk,
    facts::Fact,
    format::{
        self, Damage, FLAG_FIRST, FLAG_LAST, Hash, RECORD_HEADER_BYTES, RecordSpan,
        SEGMENT_HEADER_BYTES, SegmentHeader, hex,
    },
    journal::{JournalEnd, Location, Reader, segment_path, segments},
};

/// All damaged stretches kept for inspection together; beyond it they are only reported.
const QUARANTINE_BYTES_MAX: u64 = 64 << 20;

/// Records that cannot be read are told one by one up to this; of more, how many.
const UNREAD_TOLD_MAX: u64 = 10;

/// A place in the journal up to which the index is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Of the last record before it.
    pub(super) seq: u64,
    /// Of that record.
    pub(super) location: Location,
    /// Hex of the record's hash: the index must not be applied to another journal.
    pub(super) hash: String,
}

impl Checkpoint {
    /// At the end of the journal; none while it is empty.
    pub(super) fn of(end: &JournalEnd) -> Option<Self> {
        let location = end.last?;
        Some(Self { seq: end.seq, location, hash: hex(&end.hash) })
    }

    /// Is the record it names there, unchanged? Its hash if so.
    pub(super) fn find(&self, journal: &Path) -> Option<Hash> {
        let bytes = Reader::new(journal.into()).bytes(self.location).ok()?;
        let (header, len) = format::decode(&bytes).ok()?;
        let hash = format::hash(&bytes);
        (len == bytes.len() && header.seq == self.seq && hex(&hash) == self.hash).then_some(hash)
    }
}

/// Where to read and whether to mend.
pub(super) struct RecoveryTarget<'a> {
    /// Folder of the segments.
    pub(super) journal: PathBuf,
    /// Folder for damaged bytes.
    pub(super) quarantine: PathBuf,
    /// `None` changes nothing on disk.
    pub(super) repair: Option<&'a dyn Disk>,
}

/// What reading the journal back has found.
pub(super) struct Recovered {
    /// Where writing goes on.
    pub(super) end: JournalEnd,
    /// Bytes of each segment.
    pub(super) sizes: BTreeMap<u64, u64>,
    /// The newest segment ends in damage that must stay: continue in a new one.
    pub(super) sealed: bool,
    /// What was found and done, one sentence each.
    pub(super) notes: Vec<String>,
    /// How many of those sentences are damage, and not the normal cut after a power failure.
    pub(super) damaged: usize,
    /// Read.
    pub(super) records: u64,
    /// Those of them that say nothing here.
    pub(super) unread: u64,
    /// Segments up to this one are not needed.
    pub(super) retired_through: u64,
}

/// Reads from the checkpoint (or the beginning) to the end and hands every whole record to
/// `visit`. `floor` is the highest seq that the index saw synced (0: unknown).
pub(super) fn recover(
    target: &RecoveryTarget<'_>,
    from: Option<(&Checkpoint, Hash)>,
    floor: u64,
    visit: &mut dyn FnMut(u64, Location, Fact),
) -> io::Result<Recovered> {
    let numbers = segments(&target.journal)?;
    let mut recovery = Recovery::new(target, floor, visit);
    for &number in &numbers {
        let bytes = fs::metadata(segment_path(&target.journal, number))?.len();
        recovery.out.sizes.insert(number, bytes);
    }
    if let Some((checkpoint, hash)) = from {
        recovery.start_at(checkpoint, hash);
    }
    let start = recovery.out.end.segment;
    for (at, &number) in numbers.iter().enumerate().filter(|&(_, &number)| number >= start) {
        let next = numbers.get(at + 1);
        let next_seq = next.and_then(|&next| first_seq(&segment_path(&target.journal, next)));
        recovery.segment(number, next.is_none(), next_seq)?;
    }
    if from.is_none() {
        let oldest = numbers.first().copied().unwrap_or(1);
        let retired = recovery.out.retired_through;
        if oldest > retired + 1 {
            recovery.damage(format!("segments {}..{} are missing", retired + 1, oldest - 1));
        }
    }
    Ok(recovery.finish())
}

/// With which record a segment says it begins.
fn first_seq(path: &Path) -> Option<u64> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    SegmentHeader::decode(&bytes).ok().map(|header| header.first_seq)
}

struct Recovery<'a, 'g> {
    target: &'a RecoveryTarget<'g>,
    floor: u64,
    visit: &'a mut dyn FnMut(u64, Location, Fact),
    out: Recovered,
    /// Hash of the record before, where it is known.
    prev: Option<Hash>,
    /// Byte in the first segment from which to read; 0 for its beginning.
    skip: usize,
}

impl<'a, 'g> Recovery<'a, 'g> {
    fn new(
        target: &'a RecoveryTarget<'g>,
        floor: u64,
        visit: &'a mut dyn FnMut(u64, Location, Fact),
    ) -> Self {
        let out = Recovered {
            end: JournalEnd::EMPTY,
            sizes: BTreeMap::new(),
            sealed: false,
            notes: Vec::new(),
            damaged: 0,
            records: 0,
            unread: 0,
            retired_through: 0,
        };
        Self { target, floor, visit, out, prev: None, skip: 0 }
    }

    fn start_at(&mut self, checkpoint: &Checkpoint, hash: Hash) {
        let location = checkpoint.location;
        self.skip = (location.offset + u64::from(location.len)) as usize;
        self.prev = Some(hash);
        self.out.end = JournalEnd {
            segment: location.segment,
            offset: self.skip as u64,
            seq: checkpoint.seq,
            hash,
            last: Some(location),
        };
    }

    fn damage(&mut self, text: String) {
        self.out.damaged += 1;
        self.out.notes.push(text);
    }

    /// `next_seq`: with which the segment after it begins. What this one holds from there on
    /// was passed over when that one was begun, and never counted.
    fn segment(&mut self, number: u64, newest: bool, next_seq: Option<u64>) -> io::Result<()> {
        let path = segment_path(&self.target.journal, number);
        let bytes = fs::read(&path)?;
        let resumed = std::mem::take(&mut self.skip);
        let start = resumed.max(SEGMENT_HEADER_BYTES.min(bytes.len()));
        let (mut spans, mut damage) = format::walk(&bytes, start, self.out.end.seq);
        if let Some(next_seq) = next_seq {
            spans.retain(|span| span.header.seq < next_seq);
            damage.retain(|damage| damage.after_seq + 1 < next_seq);
        }
        if resumed == 0 && !self.accept_segment_header(number, newest, &bytes, spans.is_empty()) {
            return Ok(());
        }
        let mut end = bytes.len();
        let cut = if newest { self.tail(&mut spans, &damage) } else { None };
        damage.retain(|damage| cut.is_none_or(|cut| damage.from < cut));
        if let Some(cut) = cut {
            if damage.is_empty() {
                self.cut(&path, &bytes, cut)?;
                end = cut;
            } else {
                self.pass_over(&path, &bytes, cut);
            }
        }
        for damage in &damage {
            self.quarantine_damage(number, &path, &bytes, damage);
            self.out.sealed |= newest && damage.to == bytes.len();
        }
        for span in &spans {
            let after = damage.iter().any(|damage| damage.to == span.offset);
            self.record(number, &bytes, span, after);
        }
        self.out.end.segment = number;
        self.out.end.offset = end as u64;
        self.out.sizes.insert(number, end as u64);
        Ok(())
    }

    /// Judges a segment's first bytes. False: this file counts as not created yet (J5).
    fn accept_segment_header(
        &mut self,
        number: u64,
        newest: bool,
        bytes: &[u8],
        empty: bool,
    ) -> bool {
        let before = self.out.end.segment;
        let name = format!("{number:08}.log");
        match SegmentHeader::decode(bytes) {
            Err(reason) if newest && empty => {
                if bytes.len() > SEGMENT_HEADER_BYTES {
                    self.quarantine(number, bytes, 0, bytes.len());
                    self.damage(format!("{name}: {reason}, and holds no whole record"));
                } else {
                    self.out.notes.push(format!(
                        "{name}: was being created when the power failed; it held nothing"
                    ));
                }
                // The next write creates it anew. Nothing may be appended to the segment before
                // it while its file is there: that one would not count as the newest (J6).
                self.out.sealed = true;
                self.out.sizes.remove(&number);
                return false;
            }
            Err(reason) => {
                self.prev = None;
                self.damage(format!("{name}: {reason}; its whole records are served"));
            }
            Ok(header) if header.number != number => {
                self.prev = None;
                self.damage(format!("{name}: says it is segment {}", header.number));
            }
            Ok(header) if before == 0 => self.prev = Some(header.prev),
            Ok(_) => {}
        }
        if before != 0 && number != before + 1 {
            self.prev = None;
            self.damage(format!("segments {}..{} are missing", before + 1, number - 1));
        }
        true
    }

    /// Where the newest segment must be cut, if it must (J4, J6); spans behind it are dropped.
    fn tail(&mut self, spans: &mut Vec<RecordSpan>, damage: &[Damage]) -> Option<usize> {
        let torn = damage.iter().find(|damage| {
            let later = spans.iter().filter(|span| span.offset >= damage.to);
            let synced = later.map(|span| span.header.durable).max().unwrap_or(0).max(self.floor);
            synced <= damage.after_seq
        });
        let mut cut = torn.map(|damage| damage.from);
        if let Some(cut) = cut {
            spans.retain(|span| span.offset < cut);
        }
        let unfinished = |span: &RecordSpan| span.header.seq > self.floor;
        if spans.last().is_some_and(|last| last.header.flags & FLAG_LAST == 0 && unfinished(last)) {
            while let Some(span) = spans.pop_if(|span| unfinished(span)) {
                cut = Some(span.offset);
                if span.header.flags & FLAG_FIRST != 0 {
                    break;
                }
            }
        }
        cut
    }

    /// As [`Self::cut`], but the bytes stay: they may hold the very word that vouches for what
    /// lies behind a damaged place, and without it the next recovery would take that for torn.
    fn pass_over(&mut self, path: &Path, bytes: &[u8], cut: usize) {
        self.out.notes.push(format!(
            "{}: its last {} bytes were never acknowledged and are passed over",
            path.display(),
            bytes.len() - cut
        ));
        self.out.sealed = true;
    }

    fn cut(&mut self, path: &Path, bytes: &[u8], cut: usize) -> io::Result<()> {
        let rest = &bytes[cut..];
        self.out.notes.push(format!(
            "{}: its last {} bytes were never acknowledged (the power failed, or the process was killed, while they were written) and are cut",
            path.display(),
            rest.len()
        ));
        let Some(disk) = self.target.repair else { return Ok(()) };
        if rest.iter().any(|&byte| byte != 0) {
            let number = self.out.sizes.last_key_value().map_or(0, |(&number, _)| number);
            self.quarantine(number, bytes, cut, bytes.len());
        }
        let handle = disk.open(path)?;
        disk.set_len(&handle, cut as u64)?;
        disk.sync_all(&handle)
    }

    fn quarantine_damage(&mut self, number: u64, path: &Path, bytes: &[u8], damage: &Damage) {
        self.damage(format!(
            "{}: bytes {}..{} (after record {}) are damaged: {}; they were set aside and the rest is served",
            path.display(),
            damage.from,
            damage.to,
            damage.after_seq,
            damage.reason
        ));
        self.quarantine(number, bytes, damage.from, damage.to);
    }

    /// Copies unreadable bytes to the quarantine, as far as it has room. Best effort: the
    /// bytes themselves stay where they are, or were never acknowledged.
    fn quarantine(&mut self, number: u64, bytes: &[u8], from: usize, to: usize) {
        if self.target.repair.is_none() {
            return;
        }
        let folder = &self.target.quarantine;
        let path = folder.join(format!("{number:08}-{from}.bin"));
        let used: u64 = folder
            .read_dir()
            .map(|files| files.flatten().flat_map(|f| f.metadata()).map(|m| m.len()).sum())
            .unwrap_or(0);
        if !path.exists()
            && used + (to - from) as u64 <= QUARANTINE_BYTES_MAX
            && let Err(error) = fs::write(&path, &bytes[from..to])
        {
            self.out
                .notes
                .push(format!("cannot set damaged bytes aside: {}: {error}", path.display()));
        }
    }

    fn record(&mut self, number: u64, bytes: &[u8], span: &RecordSpan, after_damage: bool) {
        let RecordSpan { offset, len, ref header } = *span;
        let whole = &bytes[offset..offset + len];
        let expected = self.out.end.seq + 1;
        if !after_damage {
            if self.prev.is_some_and(|prev| prev != header.prev) {
                self.damage(format!(
                    "record {}: does not continue the record before it; something between was removed or changed",
                    header.seq
                ));
            } else if header.seq != expected && self.out.records > 0 && self.prev.is_some() {
                self.damage(format!("records {expected}..{} are missing", header.seq - 1));
            }
        }
        let location = Location { segment: number, offset: offset as u64, len: len as u32 };
        let hash = format::hash(whole);
        self.prev = Some(hash);
        self.out.end = JournalEnd {
            segment: number,
            offset: (offset + len) as u64,
            seq: header.seq,
            hash,
            last: Some(location),
        };
        self.out.records += 1;
        let payload = &whole[RECORD_HEADER_BYTES..];
        let fact = Fact::decode_or_keep(header.kind, header.version, payload);
        match &fact {
            Fact::Retired(retired) => self.out.retired_through = retired.through,
            Fact::Unread(unread) => self.note_unread(header.seq, &unread.reason),
            _ => {}
        }
        (self.visit)(header.seq, location, fact);
    }

    /// It is whole, so it is no damage: it is told, and kept.
    fn note_unread(&mut self, seq: u64, reason: &str) {
        self.out.unread += 1;
        if self.out.unread <= UNREAD_TOLD_MAX {
            self.out.notes.push(format!(
                "record {seq}: cannot be read by this version, and is kept for a newer one: {reason}"
            ));
        }
    }

    fn finish(mut self) -> Recovered {
        if self.out.unread > UNREAD_TOLD_MAX {
            let more = self.out.unread - UNREAD_TOLD_MAX;
            self.out.notes.push(format!("and {more} more records that this version cannot read"));
        }
        if self.floor > self.out.end.seq {
            self.damage(format!(
                "the index has seen record {} synced, the journal ends at {}: the records between are gone",
                self.floor, self.out.end.seq
            ));
            // A seq is never used twice (J1), not even one that is lost.
            self.out.end.seq = self.floor;
        }
        self.out
    }
}
