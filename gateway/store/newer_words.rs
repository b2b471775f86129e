//! Words of records that an older program does not know, and how it reads them while an update may still be taken back.
//!
//! A record is JSON with words in it: kinds, steps, outcomes. A program that meets a word it does not know cannot read
//! the record at all. So each word that is added names the format of data folder that introduces it, and the older
//! word that comes nearest. While `format` of the folder is older than that, such a record is written twice in one:
//!
//! ```text
//! {"newer":{…the record, with its own words…},…the record, with older words…}
//! ```
//!
//! An older program ignores the field `newer`, as any that it does not know; this one reads that, and nothing else.
//! Once the update counts the folder gets its own format, and records are written once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{
    facts::{Fact, Payload},
    format::{FORMAT_VERSION, OLDEST_WRITTEN, PAYLOAD_BYTES_MAX},
    older_words::older,
};
use crate::base::{Trial, trial};

/// A word that came after the list in `tests_words.rs` was closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewerWord {
    /// The Rust name of its enum, or of the struct where the word is a field that holds numbers.
    pub(super) of: &'static str,
    /// As it stands in the record.
    pub(super) word: &'static str,
    /// The format of data folder that introduces it: [`FORMAT_VERSION`] is raised to it with the word.
    pub(super) since: u32,
    /// A word of the same enum that the formats before know, with the same fields. Numbers of a field, and those under
    /// a word that is the key of a map, are added to what stands there: the ledger adds up for both.
    pub(super) read_as: &'static str,
}

/// All of them. `every_word_of_a_record_is_known_to_a_format` fails for one that is missing.
pub(super) const NEWER_WORDS: &[NewerWord] = &[];

/// Begins a payload that holds the record twice. No other payload begins so: no fact has such a field.
pub(super) const NEWER: &[u8] = b"{\"newer\":";

/// Asks whether this program is being tried.
pub(super) type AskTrial = Arc<dyn Fn() -> Option<Trial> + Send + Sync>;

/// What this program can write. Tests make older and newer ones.
#[derive(Clone)]
pub(super) struct WritableForms {
    /// The newest format.
    pub(super) own: u32,
    /// Of formats up to that one.
    pub(super) words: &'static [NewerWord],
    /// Asked at the start, and until it says no.
    pub(super) trial: AskTrial,
}

impl Default for WritableForms {
    fn default() -> Self {
        Self { own: FORMAT_VERSION, words: NEWER_WORDS, trial: Arc::new(trial) }
    }
}

impl WritableForms {
    /// The format in which a folder of format `found` (None: it is new) is written from now on.
    pub(super) fn format_of(&self, found: Option<u32>) -> u32 {
        let Some(trial) = (self.trial)() else { return self.own };
        let before = found.or(trial.before_reads).unwrap_or(self.own);
        // One that is older than what this program can write was given up with `--no-way-back`.
        if before < OLDEST_WRITTEN { self.own } else { before.min(self.own) }
    }
}

/// In which form records are written now.
pub(super) struct WrittenForm {
    written: WritableForms,
    format: AtomicU32,
}

impl WrittenForm {
    /// Of a folder of this format.
    pub(super) fn new(written: WritableForms, format: u32) -> Self {
        Self { written, format: AtomicU32::new(format) }
    }

    /// Of the data folder.
    pub(super) fn format(&self) -> u32 {
        self.format.load(Ordering::Acquire)
    }

    /// The format that the folder is to have now, where that is a newer one than it has: the update counts.
    pub(super) fn due(&self) -> Option<u32> {
        let own = self.written.own;
        (self.format() < own && (self.written.trial)().is_none()).then_some(own)
    }

    /// To be called when the file `format` says so and is synced: no older program opens the folder any more.
    pub(super) fn raise(&self, format: u32) {
        self.format.store(format, Ordering::Release);
    }

    /// These facts as a program of the folder's format reads them; None: as they are.
    pub(super) fn older(&self, facts: &[Fact], payloads: &[Payload]) -> Option<Vec<Payload>> {
        let (format, words) = (self.format(), self.written.words);
        if words.iter().all(|word| word.since <= format) {
            return None;
        }
        let twice = |(fact, payload): (&Fact, &Payload)| {
            twice_in_one(fact, payload, format, words).unwrap_or_else(|| payload.clone())
        };
        Some(facts.iter().zip(payloads).map(twice).collect())
    }
}

/// None: it has no newer word.
fn twice_in_one(
    fact: &Fact,
    payload: &Payload,
    format: u32,
    words: &[NewerWord],
) -> Option<Payload> {
    let older = older(fact, format, words)?;
    let both = [NEWER, &payload.bytes, b",", &older[1..]].concat();
    // Too large for both: what the older one reads is what must be there if it comes back.
    let bytes = if both.len() > PAYLOAD_BYTES_MAX { older } else { both };
    Some(Payload { bytes, ..payload.clone() })
}
