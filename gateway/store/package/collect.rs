//! What of the journal goes into a package: the records of one incident, up to that of its export. Very many of
//! them may say nothing new (a button that is held down for hours): of those it is the first ones and the newest,
//! and the others are counted.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
};

use super::{
    super::{
        facts::{Carried, Fact},
        folder::DataFolder,
        format::{self, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader},
        journal::{segment_path, segments},
        superseded::may_yield,
    },
    chain::{HEAD, HeadBytes, MAGIC, WHOLE},
};
use crate::domain::{Entry, EvidenceId, ExportId, IncidentId};

/// Mere updates, presses that came again, and what became of those updates: so many are put in, in their order.
const MERE_RECORDS_MAX: usize = 10_000;
/// And so many bytes of them.
const MERE_BYTES_MAX: usize = 16 << 20;
/// Of one incident, mere ones among them.
const RECORDS_MAX: usize = 100_000;
/// The same in bytes: while a package is made, memory has them several times.
const RECORDS_BYTES_MAX: usize = 48 << 20;
const SETTLED_KIND: u8 = 4;

/// Bytes of `chain.bin`.
pub(super) struct Collected {
    pub(super) bytes: Vec<u8>,
    /// Mere records that are not in it.
    pub(super) left_out: usize,
}

/// Reads the journal, part by part, for what is about one incident.
pub(super) struct Collector {
    folder: PathBuf,
    /// Seq of the first change of the incident.
    first: u64,
    ours: Ours,
    /// That was read last; 0: none yet.
    segment: u64,
    /// Seq of the record that was read last.
    last: u64,
    /// Our records, by seq.
    wholes: BTreeMap<u64, Vec<u8>>,
    /// Heads of other records behind one of ours, by their own seq.
    heads: BTreeMap<u64, HeadBytes>,
    /// Of `wholes`.
    bytes: usize,
    mere_records: usize,
    mere_bytes: usize,
    /// Beyond what mere ones may take there is one more of each: the newest.
    newest_update: Option<u64>,
    newest_press: Option<u64>,
    left_out: usize,
}

impl Collector {
    /// Has read nothing yet. `first`: seq of the first change of the incident.
    pub(super) fn new(data_folder: &DataFolder, incident: IncidentId, first: u64) -> Self {
        Self {
            folder: data_folder.journal(),
            first,
            ours: Ours::of(incident),
            segment: 0,
            last: 0,
            wholes: BTreeMap::new(),
            heads: BTreeMap::new(),
            bytes: 0,
            mere_records: 0,
            mere_bytes: 0,
            newest_update: None,
            newest_press: None,
            left_out: 0,
        }
    }

    /// Reads on from where it is: through this seq, which is synced. Blocks on the disk. The error is for people.
    pub(super) fn read_through(&mut self, seq: u64) -> Result<(), String> {
        self.read(seq, None).map(drop)
    }

    /// Reads on, up to the record of this export, which is synced; it becomes the last one.
    pub(super) fn read_to(&mut self, export: ExportId) -> Result<(), String> {
        match self.read(u64::MAX, Some(export))? {
            true => Ok(()),
            false => Err("the journal could not be read up to the record of this export".into()),
        }
    }

    /// True: it has come to the record of the export.
    fn read(&mut self, through: u64, export: Option<ExportId>) -> Result<bool, String> {
        let listed = segments(&self.folder)
            .map_err(|error: io::Error| format!("{}: {error}", self.folder.display()))?;
        let numbers = match self.segment {
            0 => from_first(&self.folder, &listed, self.first),
            read => &listed[listed.partition_point(|&number| number < read)..],
        };
        for (at, &number) in numbers.iter().enumerate() {
            let path = segment_path(&self.folder, number);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                // It left meanwhile; what was needed of it stands in a later one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            self.segment = number;
            // What it holds from there on was passed over when the next one was begun (J6).
            let next = numbers.get(at + 1).and_then(|&next| first_seq(&self.folder, next));
            let (spans, _) = format::walk(&bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), 0);
            for span in spans {
                let seq = span.header.seq;
                if seq <= self.last || next.is_some_and(|next| seq >= next) {
                    continue;
                }
                if seq > through {
                    return Ok(false);
                }
                self.last = seq;
                self.take(&span.header, &bytes[span.offset..span.offset + span.len]);
                self.is_within_bounds()?;
                if export.is_some() && self.ours.exported == export {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn take(&mut self, header: &RecordHeader, record: &[u8]) {
        let seq = header.seq;
        if let Some(worth) = self.ours.take(header, &record[RECORD_HEADER_BYTES..]) {
            self.keep(seq, record, worth);
        }
        if !self.wholes.contains_key(&seq) && self.wholes.contains_key(&(seq - 1)) {
            self.heads.insert(seq, head_of(record));
        }
    }

    /// Puts it in, unless it is mere and there are very many of those.
    fn keep(&mut self, seq: u64, record: &[u8], worth: Worth) {
        let is_mere = worth != Worth::Needed;
        let has_room = self.mere_records < MERE_RECORDS_MAX
            && self.mere_bytes + record.len() <= MERE_BYTES_MAX;
        if is_mere && has_room {
            self.mere_records += 1;
            self.mere_bytes += record.len();
        } else if is_mere {
            let older = match worth {
                Worth::Update => self.newest_update.replace(seq),
                Worth::Press => self.newest_press.replace(seq),
                Worth::Settlement | Worth::Needed => {
                    self.left_out += 1;
                    return;
                }
            };
            if let Some(older) = older {
                self.leave_out(older);
            }
        }
        self.bytes += record.len();
        self.wholes.insert(seq, record.to_vec());
    }

    /// Takes one out again, for a newer one that says the same.
    fn leave_out(&mut self, seq: u64) {
        let Some(record) = self.wholes.remove(&seq) else { return };
        self.left_out += 1;
        self.bytes -= record.len();
        self.heads.remove(&(seq + 1));
        // It proved the one before it: its head does so too.
        if self.wholes.contains_key(&(seq - 1)) {
            self.heads.insert(seq, head_of(&record));
        }
    }

    fn is_within_bounds(&self) -> Result<(), String> {
        match self.wholes.len() > RECORDS_MAX || self.bytes > RECORDS_BYTES_MAX {
            true => Err(format!(
                "the incident has more than {RECORDS_MAX} records, or more than {RECORDS_BYTES_MAX} bytes of them, even without updates that say nothing new"
            )),
            false => Ok(()),
        }
    }

    /// Bytes of all records so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// All that was read, in the order of the journal.
    pub(super) fn finish(self) -> Collected {
        let Self { wholes, heads, bytes, left_out, .. } = self;
        let mut out = Vec::with_capacity(
            MAGIC.len() + bytes + wholes.len() + heads.len() * (RECORD_HEADER_BYTES + 1),
        );
        out.extend_from_slice(MAGIC);
        let mut wholes = wholes.into_iter().peekable();
        while let Some((seq, record)) = wholes.next() {
            out.push(WHOLE);
            out.extend_from_slice(&record);
            let is_ours_behind = wholes.peek().is_some_and(|(next, _)| *next == seq + 1);
            if let Some(head) = heads.get(&(seq + 1)).filter(|_| !is_ours_behind) {
                out.push(HEAD);
                out.extend_from_slice(head);
            }
        }
        Collected { bytes: out, left_out }
    }
}

fn head_of(record: &[u8]) -> HeadBytes {
    record[..RECORD_HEADER_BYTES].try_into().expect("a whole record begins with its head")
}

/// The segments from the one on that holds this seq, and the one before it.
fn from_first<'n>(folder: &Path, numbers: &'n [u64], first: u64) -> &'n [u64] {
    // A head that cannot be read says nothing: its segment is looked at.
    let begins = |number: &u64| first_seq(folder, *number).is_some_and(|seq| seq <= first);
    let at = numbers.iter().rposition(begins);
    &numbers[at.unwrap_or(0).saturating_sub(1)..]
}

/// With which record a segment says it begins.
fn first_seq(folder: &Path, number: u64) -> Option<u64> {
    use io::Read;
    let mut head = [0; SEGMENT_HEADER_BYTES];
    let mut file = std::fs::File::open(segment_path(folder, number)).ok()?;
    file.read_exact(&mut head).ok()?;
    SegmentHeader::decode(&head).ok().map(|header| header.first_seq)
}

/// What a record of the incident is to a package.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Nothing else says it.
    Needed,
    /// Each newer record of the incident says it too.
    Update,
    /// Not the first one.
    Press,
    /// What became of a mere update at a sink.
    Settlement,
}

/// Tells the records of one incident from all others, read in their order.
struct Ours {
    incident: IncidentId,
    needle: String,
    /// With what each is called in a record.
    evidence: HashMap<EvidenceId, String>,
    /// Seqs under which records and files of it are owed, and whether it is a mere update.
    owed: HashMap<u64, bool>,
    was_pressed: bool,
    exported: Option<ExportId>,
}

impl Ours {
    fn of(incident: IncidentId) -> Self {
        Self {
            incident,
            needle: incident.to_string(),
            evidence: HashMap::new(),
            owed: HashMap::new(),
            was_pressed: false,
            exported: None,
        }
    }

    fn names(&mut self, id: EvidenceId) {
        self.evidence.entry(id).or_insert_with(|| id.to_string());
    }

    /// `None`: it is about something else.
    fn take(&mut self, header: &RecordHeader, payload: &[u8]) -> Option<Worth> {
        let text = std::str::from_utf8(payload).ok()?;
        let may_be = header.kind == SETTLED_KIND
            || text.contains(&self.needle)
            || self.evidence.values().any(|id| text.contains(id));
        if !may_be {
            return None;
        }
        let fact = Fact::decode(header.kind, header.version, payload).ok()?;
        match self.is_about(header.seq, &fact) {
            true => Some(self.worth(&fact)),
            false => None,
        }
    }

    fn is_about(&mut self, seq: u64, fact: &Fact) -> bool {
        let ours = self.incident;
        match fact {
            Fact::Entry(Entry::Change(record)) | Fact::Carried(Carried::Change { record, .. }) => {
                let is_ours = record.incident.id == ours;
                if is_ours {
                    let owed = match fact {
                        Fact::Carried(Carried::Change { seq, .. }) => *seq,
                        _ => seq,
                    };
                    self.owed.insert(owed, may_yield(record));
                    record.incident.evidence.iter().for_each(|piece| self.names(piece.id));
                }
                is_ours
            }
            Fact::Entry(Entry::Evidence { incident, evidence })
            | Fact::Carried(Carried::Piece { incident, evidence, .. }) => {
                let is_ours = *incident == ours;
                if is_ours {
                    self.names(evidence.id);
                    let owed = match fact {
                        Fact::Carried(Carried::Piece { seq, .. }) => *seq,
                        _ => seq,
                    };
                    self.owed.entry(owed).or_insert(false);
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
            Fact::Entry(Entry::EvidenceRead { evidence, .. }) => {
                self.evidence.contains_key(evidence)
            }
            Fact::Gone(gone) => self.evidence.contains_key(&gone.evidence),
            Fact::Settled(fact) => self.owed.contains_key(&fact.settled.change),
            _ => false,
        }
    }

    /// Of a record that is about it.
    fn worth(&mut self, fact: &Fact) -> Worth {
        match fact {
            Fact::Entry(Entry::Change(record)) | Fact::Carried(Carried::Change { record, .. })
                if may_yield(record) =>
            {
                Worth::Update
            }
            Fact::Entry(Entry::Press { .. }) | Fact::Carried(Carried::Press { .. }) => {
                match std::mem::replace(&mut self.was_pressed, true) {
                    true => Worth::Press,
                    false => Worth::Needed,
                }
            }
            Fact::Settled(fact) if self.owed.get(&fact.settled.change) == Some(&true) => {
                Worth::Settlement
            }
            _ => Worth::Needed,
        }
    }
}
