//! One live incident: its state, what it still waits for, and when it may next be reported.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::fusion;
use crate::domain::{
    Entry, EvidenceId, Finding, Incident, Now, ObjectCount, Record, Severity, Shot, SourceId, What,
};

/// At most one `updated` in this time, unless the severity rises.
pub(super) const UPDATE_EVERY_MS: u64 = 10_000;
/// `opened` waits this long for its snapshot and no longer.
pub(super) const SNAPSHOT_WAIT_MS: u64 = 1_500;
/// A picture must be this much better to replace the snapshot.
const BETTER: f32 = 1.3;

/// An incident that may still change.
pub(super) struct Live {
    /// As its next record will show it, but for revision and time.
    pub(super) incident: Incident,
    /// Revision 1 is written.
    pub(super) reported: bool,
    /// `opened` is held back until then for the first snapshot; monotonic milliseconds.
    pub(super) hold_until_ms: Option<u64>,
    /// Something worth an `updated` has changed since the last record.
    pub(super) dirty: bool,
    /// When its last record was made, monotonic milliseconds.
    pub(super) reported_at_ms: u64,
    /// When it ended, monotonic milliseconds; below zero before this process.
    pub(super) ended_ms: Option<i64>,
    /// Last time it was true, source time.
    pub(super) last_at: Timestamp,
    /// Quality of the snapshot it has, and the id under which the next better one is made.
    pub(super) best: f32,
    /// See `best`.
    pub(super) snapshot: Option<EvidenceId>,
    /// The evidence worker is at work on one.
    pub(super) making_snapshot: bool,
    /// When one was last asked for, monotonic milliseconds.
    pub(super) last_snapshot_ms: u64,
    /// A clip is still to be cut (camera incidents).
    pub(super) clip_due: bool,
    /// Whose clip, where it is not the first source's.
    pub(super) clip_source: Option<SourceId>,
    /// Keys of findings that go on; it ends with the last of them.
    pub(super) open_keys: BTreeSet<String>,
    /// A better picture than the one on disk, not yet written.
    pub(super) shot: Option<Shot>,
}

impl Live {
    /// What it reports is over since `at`, source time.
    pub(super) fn end(&mut self, now: Now, at: Timestamp) {
        self.incident.active = false;
        self.incident.ended_at = Some(at);
        self.ended_ms = Some(now.mono());
    }

    /// A record of the state after one more revision.
    pub(super) fn record(&mut self, now: Now, what: What) -> Entry {
        self.incident.revision += 1;
        self.incident.changed_at = now.wall;
        self.reported = true;
        self.hold_until_ms = None;
        self.dirty = false;
        self.reported_at_ms = now.mono_ms;
        Entry::Change(Box::new(Record { what, incident: self.incident.clone() }))
    }

    /// Takes over what a finding says; true when the severity rose.
    pub(super) fn absorb(&mut self, finding: &mut Finding) -> bool {
        self.count(&finding.objects);
        self.dirty |= finding.notable;
        let incident = &mut self.incident;
        // A joined finding does not change the title.
        if let Some(title) = finding.title.take()
            && incident.key == finding.key
        {
            incident.title = title;
        }
        incident.detail.append(&mut finding.detail);
        let joined = fusion::sentences(&incident.detail);
        // Nor does it replace the reason.
        if incident.key == finding.key || joined.is_empty() {
            let all = std::iter::once(&finding.why).chain(&joined);
            incident.why = all.map(String::as_str).collect::<Vec<_>>().join("; ");
        }
        self.last_at = self.last_at.max(finding.at);
        if let Some(shot) = finding.shot.take() {
            let than = self.shot.as_ref().map_or(self.best * BETTER, |shot| shot.quality);
            if shot.quality > than || (self.snapshot.is_none() && self.shot.is_none()) {
                self.shot = Some(shot);
            }
        }
        self.raise(finding.severity)
    }

    /// Takes over the most of each label that was seen at once.
    pub(super) fn count(&mut self, objects: &[ObjectCount]) {
        for object in objects {
            let same = self.incident.objects.iter_mut().find(|one| one.label == object.label);
            match same {
                Some(one) => {
                    self.dirty |= object.count > one.count;
                    one.count = one.count.max(object.count);
                    one.score_max = one.score_max.max(object.score_max);
                }
                None => {
                    self.incident.objects.push(object.clone());
                    self.dirty = true;
                }
            }
        }
    }

    /// Raises the severity if this one is more urgent; true if it did.
    pub(super) fn raise(&mut self, severity: Severity) -> bool {
        let rose = severity < self.incident.severity;
        if rose {
            self.incident.severity = severity;
        }
        rose
    }

    /// Whether a change is to be reported, and the last record is long enough ago.
    pub(super) fn may_update(&self, now: Now) -> bool {
        self.reported
            && self.dirty
            && now.mono_ms.saturating_sub(self.reported_at_ms) >= UPDATE_EVERY_MS
    }
}
