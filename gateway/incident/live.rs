//! One live incident: its state, what it still waits for, and when it may next be reported.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    fusion,
    life::Anchors,
    things::{ThingKey, Things},
};
use crate::domain::{
    Entry, EvidenceId, Finding, Incident, Kind, Now, ObjectCount, Record, Severity, Shot, SourceId,
    Thing, What,
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
    /// As its detail says: asked of each live case at each tick.
    pub(super) is_drill: bool,
    /// Revision 1 is written.
    pub(super) reported: bool,
    /// `opened` is held back until then for the first snapshot; monotonic milliseconds.
    pub(super) hold_until_ms: Option<u64>,
    /// Something worth an `updated` has changed since the last record.
    pub(super) dirty: bool,
    /// It has ended, and no record tells that yet.
    pub(super) end_due: bool,
    /// When its last record was made, monotonic milliseconds.
    pub(super) reported_at_ms: u64,
    /// When it ended, monotonic milliseconds; below zero before this process.
    pub(super) ended_ms: Option<i64>,
    /// When it was last true, on the same clock.
    pub(super) over_ms: i64,
    /// Last time it was true, source time.
    pub(super) last_at: Timestamp,
    /// Quality of the snapshot it has, and the id under which the next better one is made.
    pub(super) best: f32,
    /// See `best`.
    pub(super) snapshot: Option<EvidenceId>,
    /// The best one that is made and listed.
    pub(super) listed_snapshot: Option<EvidenceId>,
    /// The evidence worker is at work on one.
    pub(super) making_snapshot: bool,
    /// When one was last asked for, monotonic milliseconds.
    pub(super) last_snapshot_ms: u64,
    /// Clips that are still to be cut (camera incidents).
    pub(super) due_clips: Vec<DueClip>,
    /// Clips that were asked for so far.
    pub(super) clips: usize,
    /// Who an incident of a rule is of.
    pub(super) things: Things,
    /// Keys of findings that go on; it ends with the last of them.
    pub(super) open_keys: BTreeSet<String>,
    /// A better picture than the one on disk, not yet written, and whose it is.
    pub(super) shot: Option<(SourceId, Shot)>,
    /// Where its limits began, on the monotonic clock.
    pub(super) anchors: Anchors,
    /// When the next of its limits is due, monotonic milliseconds.
    pub(super) limit_due_ms: Option<i64>,
}

/// A clip that is cut when its time is over.
pub(super) struct DueClip {
    pub(super) source: SourceId,
    /// It begins its pre-roll before this.
    pub(super) began_at: Timestamp,
    /// The same on the monotonic clock, milliseconds: the wall clock may be set before it is cut.
    pub(super) began_ms: i64,
    /// Whom it is to show.
    pub(super) shows: Vec<ThingKey>,
}

impl Live {
    /// What it reports is over since `at`, source time.
    pub(super) fn end(&mut self, now: Now, at: Timestamp) {
        self.incident.active = false;
        self.incident.ended_at = Some(at);
        self.ended_ms = Some(now.mono());
        self.over_ms = now.mono_of(at);
    }

    /// A record of the state after one more revision.
    pub(super) fn record(&mut self, now: Now, what: What) -> Entry {
        self.things.fill(&mut self.incident.detail);
        self.incident.revision += 1;
        self.incident.changed_at = now.wall;
        self.reported = true;
        self.hold_until_ms = None;
        self.end_due &= what != What::Ended;
        self.dirty = self.end_due;
        self.reported_at_ms = now.mono_ms;
        Entry::Change(Box::new(Record { what, incident: self.incident.clone() }))
    }

    /// A record of what has changed, newcomers too.
    pub(super) fn updated(&mut self, now: Now) -> Entry {
        let what = if self.end_due { What::Ended } else { What::Updated };
        self.tell_news(now).unwrap_or_else(|| self.record(now, what))
    }

    /// A record that tells of newcomers, if there are any.
    pub(super) fn tell_news(&mut self, now: Now) -> Option<Entry> {
        let news = self.things.take_news()?;
        self.incident.detail.insert("news".into(), news.into());
        let entry = self.record(now, What::Updated);
        self.incident.detail.remove("news");
        Some(entry)
    }

    /// Takes over the things of a finding; returns those that are new. An incident that is not
    /// reported yet tells all of them when it is; a press does not wait for who is beside it.
    pub(super) fn take_things(&mut self, now: Now, finding: &Finding) -> Vec<Thing> {
        let tells = self.reported && self.incident.kind != Kind::EmergencyButton;
        let newcomers = self.things.take(now, &finding.things, tells);
        self.dirty |= !newcomers.is_empty();
        newcomers
    }

    /// The case is closed or dismissed.
    pub(super) fn is_closed(&self) -> bool {
        self.incident.stage.is_over()
    }

    /// The happening goes on after its end.
    pub(super) fn resume(&mut self) {
        self.incident.active = true;
        self.end_due = false;
        self.incident.ended_at = None;
        self.ended_ms = None;
        self.incident.detail.remove("ended_by");
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
        if incident.key == finding.key && finding.detail.contains_key("lasted_s") {
            // Of all of it, also where it went on after an end.
            let lasted_s = finding.at.duration_since(incident.began_at).as_secs().max(0);
            finding.detail.insert("lasted_s".into(), lasted_s.into());
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
            let than = self.shot.as_ref().map_or(self.best * BETTER, |(_, shot)| shot.quality);
            if shot.quality > than || (self.snapshot.is_none() && self.shot.is_none()) {
                self.shot = Some((finding.source.clone(), shot));
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

    /// Whether a change is to be reported, and the last record is long enough ago. News comes first.
    pub(super) fn may_update(&self, now: Now) -> bool {
        self.reported
            && self.dirty
            && !self.things.has_news()
            && now.mono_ms.saturating_sub(self.reported_at_ms) >= UPDATE_EVERY_MS
    }
}
