//! `gridpost store list` and `gridpost incidents`: what the journal holds; offline, changing nothing.

use std::path::Path;

use jiff::Timestamp;

use super::{
    OpenError,
    check::read,
    facts::Fact,
    folder::DataFolder,
    journal::{Location, Reader},
};
use crate::domain::{Class, Entry, EvidenceId, Kind, Outcome, Quarantined, Record, SinkId};

/// Something that a sink has not got, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Under which it is owed; [`super::Store::retry`] takes it.
    pub seq: u64,
    /// Who has not got it.
    pub sink: SinkId,
    /// Of the incident.
    pub kind: Kind,
    /// The most urgent class its incident ever had.
    pub class: Class,
    /// None for evidence, and for what cannot be read.
    pub record: Option<Record>,
    /// The file, where it is one.
    pub evidence: Option<EvidenceId>,
    /// The answer that refused it, or the reason for giving it up; empty for what waits.
    pub answer: String,
}

/// Dead letters that can be sent again, oldest first.
pub fn letters(path: &Path) -> Result<Vec<Letter>, OpenError> {
    let data_folder = DataFolder::new(path);
    let (state, _) = read(&data_folder, &mut |_, _, _| {})?;
    let reader = Reader::new(data_folder.journal());
    let letters = state.dead.iter().flat_map(|(&seq, letter)| {
        let record = record(&reader, letter.location);
        letter.answers.iter().map(move |(sink, answer)| Letter {
            seq,
            sink: sink.clone(),
            kind: letter.kind,
            class: letter.class,
            record: record.clone(),
            evidence: letter.piece,
            answer: answer.clone(),
        })
    });
    Ok(letters.collect())
}

/// What is owed, in the order in which it leaves; at most so many.
pub fn pending(path: &Path, most: usize) -> Result<Vec<Letter>, OpenError> {
    let data_folder = DataFolder::new(path);
    let (state, _) = read(&data_folder, &mut |_, _, _| {})?;
    let reader = Reader::new(data_folder.journal());
    let mut waiting: Vec<_> = state.due.pending.iter().collect();
    waiting.sort_by_key(|(seq, pending)| (pending.class, **seq));
    let letters = waiting
        .into_iter()
        .flat_map(|(&seq, pending)| pending.owed.iter().map(move |sink| (seq, sink, pending)));
    let letter = |(seq, sink, pending): (u64, &SinkId, &super::due::Pending)| Letter {
        seq,
        sink: sink.clone(),
        kind: pending.kind,
        class: pending.class,
        record: record(&reader, pending.location),
        evidence: pending.piece,
        answer: String::new(),
    };
    Ok(letters.take(most).map(letter).collect())
}

/// What was given up, or expired at a speaker, with the reason, as far as the journal reaches back.
pub fn shed(path: &Path) -> Result<Vec<(SinkId, Kind, u64, String)>, OpenError> {
    let mut found = Vec::new();
    read(&DataFolder::new(path), &mut |_, _, fact| {
        if let Fact::Settled(fact) = fact
            && let Outcome::Shed { reason } | Outcome::Expired { reason } = &fact.settled.outcome
        {
            let settled = &fact.settled;
            found.push((settled.sink.clone(), fact.kind, settled.change, reason.clone()));
        }
    })?;
    Ok(found)
}

/// Payloads that nobody could read, as far as the journal reaches back.
pub fn quarantine(path: &Path) -> Result<Vec<Quarantined>, OpenError> {
    let mut found = Vec::new();
    read(&DataFolder::new(path), &mut |_, _, fact| {
        if let Fact::Entry(Entry::Quarantine(payload)) = fact {
            found.push(payload.clone());
        }
    })?;
    Ok(found)
}

/// The latest state of every incident that is open or was changed since, oldest first, as far as the
/// journal reaches back.
pub fn incidents(path: &Path, since: Timestamp) -> Result<Vec<Record>, OpenError> {
    let data_folder = DataFolder::new(path);
    let (state, _) = read(&data_folder, &mut |_, _, _| {})?;
    let reader = Reader::new(data_folder.journal());
    let briefs = state.by_age.values().filter_map(|id| state.incidents.get(id));
    let wanted = briefs.filter(|brief| !brief.finished || brief.changed_at >= since);
    Ok(wanted.filter_map(|brief| record(&reader, brief.location)).collect())
}

fn record(reader: &Reader, location: Location) -> Option<Record> {
    reader.read(location).ok()?.into_record()
}
