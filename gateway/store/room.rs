//! Room for evidence: what strangers send has a part of its own in `evidence_max_bytes`, so that no flood of it
//! pushes out what the cameras saw (P11).

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    EvidenceError, NewEvidence, Store, evidence,
    journal::Location,
    state::{Brief, State},
};
use crate::{
    base::lock,
    domain::{EvidenceId, IncidentId, Kind, Now},
};

/// Where residents report, a tenth is theirs.
const REPORT_PART: u64 = 10;
/// Above its bound, evidence shrinks by this part (a twentieth) more, so that not every new piece
/// needs a run of its own.
const SHRINK_BY_PART: u64 = 20;

/// Where a piece of evidence is described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EvidenceEntry {
    /// Of its own entry: under it the file is owed.
    pub(super) seq: u64,
    /// Whose evidence.
    pub(super) incident: IncidentId,
    /// Of the newest record that describes it.
    pub(super) location: Location,
    /// A record has named it: from then on its file may be owed.
    pub(super) named: bool,
    /// Of a case that residents reported; 0 of any other.
    #[serde(default)]
    pub(super) report_bytes: u64,
}

/// Pieces of cases that residents reported.
#[derive(Clone, Copy, Default)]
pub(super) struct ReportPictures {
    pub(super) bytes: u64,
    pub(super) count: u64,
}

impl ReportPictures {
    pub(super) fn add(&mut self, piece: &EvidenceEntry) {
        self.bytes += piece.report_bytes;
        self.count += u64::from(piece.report_bytes > 0);
    }

    pub(super) fn take_off(&mut self, piece: &EvidenceEntry) {
        self.bytes -= piece.report_bytes;
        self.count -= u64::from(piece.report_bytes > 0);
    }
}

/// A resident waits for an answer to it.
pub(super) fn is_open_report(brief: &Brief) -> bool {
    brief.kind == Kind::Report && !brief.finished
}

/// How the bytes of evidence are shared out.
pub(super) struct Shares {
    /// Of all snapshots and clips, pictures of reports among them.
    pub(super) all_bytes: AtomicU64,
    /// Nobody's but the reports'; 0 where there are none.
    report_part_bytes: AtomicU64,
}

/// Of whose evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Of cases that residents reported.
    Reports,
    /// Of everything else.
    Others,
}

impl Share {
    /// Of a case of this kind.
    pub(super) fn of(kind: Kind) -> Self {
        if kind == Kind::Report { Self::Reports } else { Self::Others }
    }
}

impl Shares {
    /// Nothing yet, and no reports.
    pub(super) fn new() -> Self {
        Self { all_bytes: AtomicU64::new(0), report_part_bytes: AtomicU64::new(0) }
    }
}

impl Store {
    /// From now on residents may send pictures: a tenth of the room for evidence is theirs, and all else is
    /// safe from them.
    pub fn keep_room_for_reports(&self) {
        let part = self.inner.config.evidence_max_bytes / REPORT_PART;
        self.shares().report_part_bytes.store(part, Ordering::Relaxed);
    }

    /// A place to write a snapshot or clip to. Refused when only the presses' reserve is left.
    pub fn new_evidence(&self, id: EvidenceId, ext: &str) -> Result<NewEvidence, EvidenceError> {
        self.new_piece(id, ext, Share::Others)
    }

    /// A place for a picture that a resident sent.
    pub fn new_report_picture(&self, id: EvidenceId) -> Result<NewEvidence, EvidenceError> {
        self.new_piece(id, "jpg", Share::Reports)
    }

    fn new_piece(
        &self,
        id: EvidenceId,
        ext: &str,
        share: Share,
    ) -> Result<NewEvidence, EvidenceError> {
        let (bytes, max_bytes) = self.share_bytes(share);
        let (pictures, pictures_max) = self.report_pictures();
        if bytes >= max_bytes || share == Share::Reports && pictures >= pictures_max {
            return Err(EvidenceError::Bound { bytes, max_bytes });
        }
        evidence::begin(&self.inner.data_folder, self.inner.config.min_free_bytes, id, ext)
    }

    /// Removes evidence beyond its own bound; returns how many pieces. What cannot be removed, because it is needed
    /// or held, is added to `short`.
    pub(super) fn bound_evidence(&self, now: Now, short: &mut Vec<String>) -> io::Result<usize> {
        let mut removed = 0;
        // Another picture is refused at the bound: it is made room for before that.
        if self.report_excess() != (0, 0) {
            removed += self.shrink_evidence(Share::Reports, now)?;
        }
        let (bytes, most) = self.share_bytes(Share::Others);
        if bytes <= most {
            return Ok(removed);
        }
        removed += self.shrink_evidence(Share::Others, now)?;
        let (left, _) = self.share_bytes(Share::Others);
        if left > most {
            short.push(format!(
                "evidence takes {left} bytes, evidence_max_bytes leaves it {most}, and all of it is needed or held"
            ));
        }
        Ok(removed)
    }

    /// What it takes, and the most that it may.
    pub(super) fn share_bytes(&self, share: Share) -> (u64, u64) {
        let (shares, most) = (self.shares(), self.inner.config.evidence_max_bytes);
        let all = shares.all_bytes.load(Ordering::Relaxed);
        let part = shares.report_part_bytes.load(Ordering::Relaxed);
        // Where no reports are taken, pictures of old ones are like all others.
        let reports = match part {
            0 => 0,
            _ => lock(&self.inner.shared.state).report_pictures.bytes,
        };
        match share {
            Share::Reports => (reports, part),
            Share::Others => (all.saturating_sub(reports), most - part),
        }
    }

    /// How many pictures of reports there are, and the most that may be: memory describes no more of them.
    fn report_pictures(&self) -> (u64, u64) {
        let state = lock(&self.inner.shared.state);
        (state.report_pictures.count, state.bounds.evidence as u64 / REPORT_PART)
    }

    /// What this share is to lose to be below its bound again, bytes and pieces.
    pub(super) fn excess(&self, share: Share) -> (u64, u64) {
        match share {
            Share::Reports => self.report_excess(),
            Share::Others => {
                let (bytes, most) = self.share_bytes(share);
                (bytes.saturating_sub(most - most / SHRINK_BY_PART), 0)
            }
        }
    }

    fn report_excess(&self) -> (u64, u64) {
        let (bytes, most) = self.share_bytes(Share::Reports);
        if most == 0 {
            return (0, 0);
        }
        let (count, count_max) = self.report_pictures();
        let excess = |is: u64, most: u64| match is > most - most / REPORT_PART {
            true => is - (most - most / REPORT_PART) + most / SHRINK_BY_PART,
            false => 0,
        };
        (excess(bytes, most), excess(count, count_max))
    }

    /// Whether this piece counts to that share.
    pub(super) fn is_of(&self, id: EvidenceId, share: Share) -> bool {
        let part = self.shares().report_part_bytes.load(Ordering::Relaxed);
        let is_report = part > 0 && is_report(&lock(&self.inner.shared.state), id);
        is_report == (share == Share::Reports)
    }

    fn shares(&self) -> &Shares {
        &self.inner.shared.disk_space.shares
    }
}

fn is_report(state: &State, id: EvidenceId) -> bool {
    state.evidence.get(&id).is_some_and(|piece| piece.report_bytes > 0)
}
