//! `gridpost store check|ledger`, offline: verifies records, CRCs, the hash chain and evidence, changing nothing.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    path::Path,
};

use super::{
    OpenError, case_files,
    evidence::{self, sha256},
    facts::{Fact, STANDING_KIND},
    folder::{self, DataFolder},
    format::{self, FLAG_FIRST, FLAG_LAST, FORMAT_VERSION, SEGMENT_HEADER_BYTES, SegmentHeader},
    journal::{Location, segment_path, segments},
    ledger::Ledger,
    left::Left,
    originals,
    recover::{Recovered, RecoveryTarget, recover},
    state::State,
};
use crate::domain::{Entry, Evidence, EvidenceId};

/// What the check found, in plain words.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// Nothing is damaged or missing.
    pub sound: bool,
    /// For people.
    pub lines: Vec<String>,
}

/// What a person can do about what was found, beside the line that says it.
const ADVICE: &str = "what can be done: the gateway goes on with everything else as it is. Bytes that were synced do not change by themselves: look at the disk (dmesg, smartctl), and if what is damaged matters, make a folder of the last backup (gridpost store restore). The folder `index` may be deleted at any time";

/// Verifies every record of the journal, its chain, and every file of evidence it names: all
/// invariants of `format.rs` that can be seen from outside.
pub fn check(path: &Path) -> CheckReport {
    let data_folder = DataFolder::new(path);
    let mut report = CheckReport { sound: true, lines: Vec::new() };
    if !data_folder.journal().is_dir() {
        report.bad(format!("{}: no gridpost data folder (no journal in it)", path.display()));
        return report;
    }
    match fs::read_to_string(path.join("format")).map(|text| folder::read_format(&data_folder, &text)) {
        Ok(Ok(version)) if version <= FORMAT_VERSION => {
            report.lines.push(format!("format {version}"));
        }
        Ok(Ok(version)) => report.bad(format!(
            "format {version} is newer than this gridpost knows ({FORMAT_VERSION}); check it with the version that wrote it"
        )),
        Ok(Err(error)) => report.bad(error.to_string()),
        Err(error) => report.bad(format!("the file `format` cannot be read: {error}; the next start writes it")),
    }
    if let Some(pid) = folder::holder(&data_folder) {
        report.lines.push(format!("process {pid} is using this folder: what it writes meanwhile may show here as unfinished"));
    }
    let mut pieces = Pieces::default();
    match read(&data_folder, &mut |_, _, fact| pieces.see(fact)) {
        Err(error) => report.bad(error.to_string()),
        Ok((state, found)) => {
            report.sound &= found.damaged == 0;
            report.lines.extend(found.notes);
            for line in structure(&data_folder) {
                report.bad(line);
            }
            report.lines.push(format!(
                "{} records in {} segments, the last one is {}",
                found.records,
                found.sizes.len(),
                found.end.seq
            ));
            report.lines.push(if state.ledger.holds() {
                "the ledger adds up".into()
            } else {
                report.sound = false;
                "the ledger does not add up".into()
            });
        }
    }
    report.evidence(&data_folder, &pieces);
    report.figures(&data_folder);
    if !report.sound {
        report.lines.push(ADVICE.into());
    }
    report.lines.push(if report.sound { "sound" } else { "NOT sound" }.into());
    report
}

/// J4, J5, J8: how batches and segments are put together. Beside a damaged place nothing is said.
fn structure(data_folder: &DataFolder) -> Vec<String> {
    let mut wrong = Vec::new();
    for number in segments(&data_folder.journal()).unwrap_or_default() {
        let path = segment_path(&data_folder.journal(), number);
        let Ok(bytes) = fs::read(&path) else { continue };
        let (spans, damage) = format::walk(&bytes, SEGMENT_HEADER_BYTES.min(bytes.len()), 0);
        let (Some(first), true) = (spans.first(), damage.is_empty()) else { continue };
        let name = path.display();
        if first.header.kind != STANDING_KIND {
            wrong.push(format!("{name}: does not begin with sinks and ledger (J8)"));
        }
        if let Ok(header) = SegmentHeader::decode(&bytes)
            && header.first_seq != first.header.seq
        {
            let (said, is) = (header.first_seq, first.header.seq);
            wrong.push(format!(
                "{name}: says it begins with record {said}, and begins with {is} (J5)"
            ));
        }
        let mut open = false;
        for span in &spans {
            let seq = span.header.seq;
            if (span.header.flags & FLAG_FIRST != 0) == open {
                wrong.push(format!("{name}: record {seq} stands in no whole batch (J4)"));
            }
            open = span.header.flags & FLAG_LAST == 0;
            if span.header.durable >= seq {
                wrong.push(format!(
                    "{name}: record {seq} claims to be synced before it was written (J3)"
                ));
            }
        }
    }
    wrong
}

/// The ledger, counted from the journal of a folder that may be in use.
pub fn read_ledger(path: &Path) -> Result<Ledger, OpenError> {
    let data_folder = DataFolder::new(path);
    read(&data_folder, &mut |_, _, _| {}).map(|(state, _)| state.ledger)
}

/// Every record of a journal, in order: its seq, its place, its meaning.
pub(super) type See<'s> = dyn FnMut(u64, Location, &Fact) + 's;

/// Reads a whole journal without changing it, and calls `see` for each record.
pub(super) fn read(
    data_folder: &DataFolder,
    see: &mut See<'_>,
) -> Result<(State, Recovered), OpenError> {
    let target = RecoveryTarget {
        journal: data_folder.journal(),
        quarantine: data_folder.quarantine(),
        repair: None,
    };
    let through = case_files::read_through(data_folder).map(|through| through.location);
    let mut state = State { left: Left::lined(through), ..State::default() };
    let mut twice = 0u64;
    let mut settled = HashSet::new();
    let mut found = recover(&target, None, 0, &mut |seq, location, fact| {
        if let Fact::Settled(fact) = &fact {
            let of = (fact.settled.sink.clone(), fact.settled.change);
            twice += u64::from(!settled.insert(of));
        }
        if let Fact::Retried(retried) = &fact {
            settled.remove(&(retried.sink.clone(), retried.change));
        }
        see(seq, location, &fact);
        state.apply(seq, location, &fact);
    })
    .map_err(OpenError::io("read the journal in", data_folder.journal()))?;
    if twice > 0 {
        found.damaged += 1;
        found.notes.push(format!("{twice} settlements were written twice"));
    }
    let lost = state.ledger.balance();
    if lost > 0 {
        found.notes.push(format!("{lost} deliveries were lost with their records"));
    }
    Ok((state, found))
}

/// Evidence that the records name.
#[derive(Default)]
struct Pieces {
    named: HashMap<EvidenceId, Evidence>,
    gone: HashSet<EvidenceId>,
}

impl Pieces {
    fn see(&mut self, fact: &Fact) {
        match fact {
            Fact::Entry(Entry::Evidence { evidence, .. }) => self.name(evidence),
            Fact::Entry(Entry::Change(record)) => {
                record.incident.evidence.iter().for_each(|evidence| self.name(evidence));
            }
            Fact::Gone(gone) => {
                self.gone.insert(gone.evidence);
            }
            _ => {}
        }
    }

    fn name(&mut self, evidence: &Evidence) {
        self.named.entry(evidence.id).or_insert_with(|| evidence.clone());
    }
}

impl CheckReport {
    fn bad(&mut self, line: String) {
        self.sound = false;
        self.lines.push(line);
    }

    /// A torn line is what a power cut leaves: its case is written again.
    fn figures(&mut self, data_folder: &DataFolder) {
        match case_files::count(data_folder) {
            Ok((0, _)) => {}
            Ok((lines, 0)) => self.lines.push(format!("figures: {lines} lines of cases")),
            Ok((lines, unreadable)) => self.lines.push(format!(
                "figures: {lines} lines of cases, {unreadable} of them cannot be read"
            )),
            Err(error) => self.bad(format!("figures: cannot be read: {error}")),
        }
    }

    fn evidence(&mut self, data_folder: &DataFolder, pieces: &Pieces) {
        let (mut right, mut sealed) = (0, 0);
        for (id, stated) in pieces.named.iter().filter(|(id, _)| !pieces.gone.contains(id)) {
            if stated.original_of.is_some() {
                match originals::check(data_folder, stated) {
                    originals::Checked::Right => right += 1,
                    originals::Checked::NoKey => sealed += 1,
                    originals::Checked::Wrong(why) => self.bad(format!("evidence {id}: {why}")),
                }
                continue;
            }
            let found = evidence::find(data_folder, stated)
                .map(|path| File::open(&path).and_then(|file| sha256(&file)));
            match found {
                None => self.bad(format!("evidence {id}: its file is missing")),
                Some(Err(error)) => self.bad(format!("evidence {id}: cannot be read: {error}")),
                Some(Ok((sha256, _))) if sha256 != stated.sha256 => {
                    self.bad(format!("evidence {id}: its file was changed after it was recorded"));
                }
                Some(Ok(_)) => right += 1,
            }
        }
        let named = pieces.named.len();
        self.lines.push(format!(
            "evidence: {right} files right, {named} named, {} removed by age",
            pieces.gone.len()
        ));
        if sealed > 0 {
            self.lines.push(format!(
                "evidence: {sealed} originals cannot be opened or checked here: their key (keys/originals.key) is not in this folder"
            ));
        }
    }
}
