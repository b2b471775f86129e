//! Appending to the journal: one writer's view of the newest segment (invariants in format.rs).

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use super::{
    disk::{Disk, Handle},
    error::ReadError,
    facts::{Fact, Payload},
    format::{
        self, FLAG_FIRST, FLAG_LAST, Hash, NO_HASH, RECORD_HEADER_BYTES, RecordHeader,
        SEGMENT_HEADER_BYTES, SegmentHeader,
    },
};
use crate::base::lock;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Location {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Byte in it.
    pub(super) offset: u64,
    /// Header and payload.
    pub(super) len: u32,
}

/// Up to where everything is on disk and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JournalEnd {
    /// Newest segment; 0 before the first.
    pub(super) segment: u64,
    /// Its synced length.
    pub(super) offset: u64,
    /// Of the last record.
    pub(super) seq: u64,
    /// Of the last record.
    pub(super) hash: Hash,
    /// Where the last record is, if there is one.
    pub(super) last: Option<Location>,
}

impl JournalEnd {
    /// Of a journal that holds nothing.
    pub(super) const EMPTY: Self =
        Self { segment: 0, offset: 0, seq: 0, hash: NO_HASH, last: None };
}

/// The file of a segment.
pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.log"))
}

/// The numbers of all segments in the folder, in order.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        numbers.extend(number.filter(|&number| number > 0));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The newest segment, open for appending, and the sizes of all.
pub(super) struct Journal {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    end: JournalEnd,
    file: Option<Handle>,
    /// Bytes of each segment, oldest first.
    pub(super) sizes: BTreeMap<u64, u64>,
    /// The newest segment may not be continued (J6, J9).
    sealed: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// Goes on at `end`; nothing is opened yet.
    pub(super) fn new(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        end: JournalEnd,
        sizes: BTreeMap<u64, u64>,
        sealed: bool,
    ) -> Self {
        Self { folder, disk, segment_bytes, end, file: None, sizes, sealed, buffer: Vec::new() }
    }

    /// Up to where everything is synced.
    pub(super) fn end(&self) -> &JournalEnd {
        &self.end
    }

    /// Of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// Would these bytes begin a new segment?
    pub(super) fn must_roll(&self, payload_bytes: usize) -> bool {
        let is_empty = self.end.offset <= SEGMENT_HEADER_BYTES as u64;
        self.end.segment == 0
            || self.sealed
            || (!is_empty && self.end.offset + payload_bytes as u64 > self.segment_bytes)
    }

    /// Has the newest segment nothing but its header?
    pub(super) fn is_empty_segment(&self) -> bool {
        self.end.segment > 0 && self.end.offset <= SEGMENT_HEADER_BYTES as u64
    }

    /// Begins the next segment (J5), in a folder of this format.
    pub(super) fn roll(&mut self, format: u32) -> io::Result<()> {
        let number = self.end.segment + 1;
        let path = segment_path(&self.folder, number);
        // Left by a creation that failed half way: nothing was ever written behind its header.
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let header = SegmentHeader { number, first_seq: self.end.seq + 1, prev: self.end.hash };
        let handle = self.disk.create(&path)?;
        self.disk.write_at(&handle, &header.encode(format), 0)?;
        self.disk.sync_all(&handle)?;
        self.disk.sync_folder(&self.folder)?;
        self.end.segment = number;
        self.end.offset = SEGMENT_HEADER_BYTES as u64;
        self.sizes.insert(number, self.end.offset);
        self.file = Some(handle);
        self.sealed = false;
        Ok(())
    }

    /// Writes batches as one group and syncs it (J3). On error nothing of it counts, and
    /// [`Self::reopen`] must succeed before the next try.
    pub(super) fn append(&mut self, batches: &[&[Payload]]) -> io::Result<Vec<(u64, Location)>> {
        let mut places = Vec::new();
        let (mut seq, mut hash) = (self.end.seq, self.end.hash);
        self.buffer.clear();
        for batch in batches {
            for (i, payload) in batch.iter().enumerate() {
                let offset = self.buffer.len();
                seq += 1;
                let first = if i == 0 { FLAG_FIRST } else { 0 };
                let last = if i + 1 == batch.len() { FLAG_LAST } else { 0 };
                let header = RecordHeader {
                    kind: payload.kind,
                    version: payload.version,
                    flags: first | last,
                    seq,
                    durable: self.end.seq,
                    prev: hash,
                };
                hash = format::encode(&header, &payload.bytes, &mut self.buffer);
                let location = Location {
                    segment: self.end.segment,
                    offset: self.end.offset + offset as u64,
                    len: (RECORD_HEADER_BYTES + payload.bytes.len()) as u32,
                };
                places.push((seq, location));
            }
        }
        if self.file.is_none() {
            let path = segment_path(&self.folder, self.end.segment);
            self.file = Some(self.disk.open(&path)?);
        }
        let handle = self.file.as_ref().expect("opened just above");
        self.disk.write_at(handle, &self.buffer, self.end.offset)?;
        self.disk.sync_data(handle)?;
        self.end.offset += self.buffer.len() as u64;
        self.end.seq = seq;
        self.end.hash = hash;
        self.end.last = places.last().map(|&(_, location)| location).or(self.end.last);
        self.sizes.insert(self.end.segment, self.end.offset);
        Ok(places)
    }

    /// After an error (J9): cuts the newest segment back to what was synced and reads that
    /// again. Returns what of it has become unreadable, in words.
    pub(super) fn reopen(&mut self) -> io::Result<Vec<String>> {
        self.file = None;
        if self.end.segment == 0 {
            return Ok(Vec::new());
        }
        let path = segment_path(&self.folder, self.end.segment);
        let handle = self.disk.open(&path)?;
        self.disk.set_len(&handle, self.end.offset)?;
        self.disk.sync_all(&handle)?;
        let mut bytes = vec![0; self.end.offset as usize];
        handle.file.read_exact_at(&mut bytes, 0)?;
        let (_, damage) = format::walk(&bytes, SEGMENT_HEADER_BYTES, 0);
        // A sync that failed may have dropped pages that look clean: never write there again.
        self.sealed = self.end.offset > SEGMENT_HEADER_BYTES as u64 || !damage.is_empty();
        Ok(damage
            .iter()
            .map(|damage| {
                format!(
                    "{}: bytes {}..{} were acknowledged and cannot be read any more: {}",
                    path.display(),
                    damage.from,
                    damage.to,
                    damage.reason
                )
            })
            .collect())
    }

    /// Removes a segment that a synced `Retired` record names (J7).
    pub(super) fn remove(&mut self, number: u64) -> io::Result<()> {
        self.disk.remove(&segment_path(&self.folder, number))?;
        self.disk.sync_folder(&self.folder)?;
        self.sizes.remove(&number);
        Ok(())
    }
}

/// Reads single records back; any thread.
pub(super) struct Reader {
    folder: PathBuf,
    /// The segment that was read last: a backlog is read in order.
    open: Mutex<Option<(u64, Arc<File>)>>,
}

impl Reader {
    /// Opens nothing yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Mutex::default() }
    }

    fn file(&self, segment: u64) -> io::Result<Arc<File>> {
        if let Some((number, file)) = &*lock(&self.open)
            && *number == segment
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(segment_path(&self.folder, segment))?);
        *lock(&self.open) = Some((segment, Arc::clone(&file)));
        Ok(file)
    }

    /// To be called when a segment is created or removed: its number may be that of a file that
    /// was thrown away before anything counted in it (J5).
    pub(super) fn forget(&self) {
        *lock(&self.open) = None;
    }

    /// The record at this place, checked.
    pub(super) fn read(&self, location: Location) -> Result<Fact, ReadError> {
        let bytes = self.bytes(location)?;
        let damaged = |seq, reason| ReadError::Damaged {
            seq,
            segment: location.segment,
            offset: location.offset,
            reason,
        };
        let (header, len) = format::decode(&bytes).map_err(|reason| damaged(0, reason))?;
        if len != bytes.len() {
            return Err(damaged(header.seq, "its length changed".into()));
        }
        Fact::decode(header.kind, header.version, &bytes[RECORD_HEADER_BYTES..])
            .map_err(|reason| damaged(header.seq, reason))
    }

    /// The record at this place as it is, for one that says nothing here.
    pub(super) fn read_as_it_is(&self, location: Location) -> Result<Fact, ReadError> {
        let bytes = self.bytes(location)?;
        match format::decode(&bytes) {
            Ok((header, len)) if len == bytes.len() => {
                Ok(Fact::decode_or_keep(header.kind, header.version, &bytes[RECORD_HEADER_BYTES..]))
            }
            wrong => Err(ReadError::Damaged {
                seq: 0,
                segment: location.segment,
                offset: location.offset,
                reason: wrong.err().unwrap_or_else(|| "its length changed".into()),
            }),
        }
    }

    /// The whole record as it is on disk, unchecked.
    pub(super) fn bytes(&self, location: Location) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; location.len as usize];
        self.file(location.segment)
            .and_then(|file| file.read_exact_at(&mut bytes, location.offset))
            .map_err(|source| {
                let path = segment_path(&self.folder, location.segment);
                ReadError::Io { path, source }
            })?;
        Ok(bytes)
    }
}
