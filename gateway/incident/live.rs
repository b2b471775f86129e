//! One live incident: its state, what it still waits for, and when it may next be told.

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

pub(super) struct Live {
    pub(super) incident: Incident,
    /// The grid has heard of it (revision 1 is written).
    pub(super) told: bool,
    /// Held until then for its first snapshot; monotonic milliseconds.
    pub(super) hold_until_ms: Option<u64>,
    /// Something worth an `updated` has changed since the last record.
    pub(super) dirty: bool,
    pub(super) told_at_ms: u64,
    /// When it ended, monotonic milliseconds; below zero before this process.
    pub(super) ended_ms: Option<i64>,
    /// Last time it was true, source time.
    pub(super) last_at: Timestamp,
    /// Quality of the snapshot it has, and the id under which the next better one is made.
    pub(super) best: f32,
    pub(super) snapshot: Option<EvidenceId>,
    pub(super) making_snapshot: bool,
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
    /// It goes on no longer.
    pub(super) fn end(&mut self, now: Now, at: Timestamp) {
        self.incident.active = false;
        self.incident.ended_at = Some(at);
        self.ended_ms = Some(now.mono());
    }

    /// A record of the state after one more revision.
    pub(super) fn record(&mut self, now: Now, what: What) -> Entry {
        self.incident.revision += 1;
        self.incident.changed_at = now.wall;
        self.told = true;
        self.hold_until_ms = None;
        self.dirty = false;
        self.told_at_ms = now.mono_ms;
        Entry::Change(Box::new(Record { what, incident: self.incident.clone() }))
    }

    /// Takes over what a finding says; true when the severity rose.
    pub(super) fn absorb(&mut self, finding: &mut Finding) -> bool {
        self.count(&finding.objects);
        self.dirty |= finding.notable;
        let incident = &mut self.incident;
        // What was joined adds to the story and does not name it anew.
        if let Some(title) = finding.title.take()
            && incident.key == finding.key
        {
            incident.title = title;
        }
        incident.detail.append(&mut finding.detail);
        let joined = fusion::sentences(&incident.detail);
        // What was joined adds to the story and does not tell it anew.
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

    /// The most of each label that was seen at once.
    pub(super) fn count(&mut self, objects: &[ObjectCount]) {
        for object in objects {
            let known = self.incident.objects.iter_mut().find(|known| known.label == object.label);
            match known {
                Some(known) => {
                    self.dirty |= object.count > known.count;
                    known.count = known.count.max(object.count);
                    known.score_max = known.score_max.max(object.score_max);
                }
                None => {
                    self.incident.objects.push(object.clone());
                    self.dirty = true;
                }
            }
        }
    }

    pub(super) fn raise(&mut self, severity: Severity) -> bool {
        let rose = severity < self.incident.severity;
        if rose {
            self.incident.severity = severity;
        }
        rose
    }

    pub(super) fn may_update(&self, now: Now) -> bool {
        self.told && self.dirty && now.mono_ms.saturating_sub(self.told_at_ms) >= UPDATE_EVERY_MS
    }
}
