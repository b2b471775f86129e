//! A picture becomes a piece of evidence: written and synced where it lies for good, before a record names it.

use std::fs;

use jiff::Timestamp;

use crate::{
    domain::{Evidence, EvidenceId},
    store::{EvidenceError, NewEvidence, Store},
};

/// Blocks on the disk; the error is one sentence.
pub(super) fn keep_jpeg(
    store: &Store,
    id: EvidenceId,
    at: Timestamp,
    jpeg: &[u8],
) -> Result<Evidence, String> {
    fill(store, store.new_evidence(id, "jpg"), at, jpeg)
}

/// As [`keep_jpeg`], in the part that strangers have.
pub(super) fn keep_report_jpeg(
    store: &Store,
    id: EvidenceId,
    at: Timestamp,
    jpeg: &[u8],
) -> Result<Evidence, String> {
    fill(store, store.new_report_picture(id), at, jpeg)
}

fn fill(
    store: &Store,
    new: Result<NewEvidence, EvidenceError>,
    at: Timestamp,
    jpeg: &[u8],
) -> Result<Evidence, String> {
    let new = new.map_err(|error| error.to_string())?;
    let id = new.id();
    fs::write(&new.path, jpeg).map_err(|error| format!("a picture: {error}"))?;
    let (sha256, bytes) = store.finish_evidence(new).map_err(|error| error.to_string())?;
    Ok(Evidence {
        id,
        media_type: "image/jpeg".into(),
        sha256,
        bytes,
        starts_at: Some(at),
        ends_at: None,
        pre_roll_ms: None,
        pre_roll_limit: None,
        original_of: None,
        kept_here: false,
    })
}
