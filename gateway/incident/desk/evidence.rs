//! Snapshots and clips of an incident: when one is asked for, and what happens when it is there.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::{super::live::Live, Desk, Directory, Effects, EvidenceJob};
use crate::domain::{Entry, Evidence, IdMint, IncidentId, Now, SourceId, What};

impl Desk {
    /// A snapshot or clip is on disk.
    pub(super) fn evidence(
        &mut self,
        now: Now,
        id: IncidentId,
        evidence: &Evidence,
        effects: &mut Effects,
    ) {
        effects.entries.push(Entry::Evidence { incident: id, evidence: evidence.clone() });
        let Some(live) = self.live.get_mut(&id) else { return };
        if evidence.media_type == "image/jpeg" {
            // One snapshot is listed: the best.
            live.incident.evidence.retain(|old| old.media_type != "image/jpeg");
            live.incident.evidence.insert(0, evidence.clone());
            live.making_snapshot = false;
        } else {
            live.incident.evidence.push(evidence.clone());
        }
        live.dirty = true;
        if live.hold_until_ms.is_some() {
            effects.entries.push(live.record(now, What::Opened));
        } else if live.may_update(now)
            || (evidence.media_type == "video/mp4" && live.reported && !live.incident.active)
        {
            // The clip of an incident that is over is its last change, so it is reported at once.
            effects.entries.push(live.record(now, What::Updated));
        }
    }

    /// A snapshot or clip could not be made.
    pub(super) fn evidence_failed(
        &mut self,
        now: Now,
        id: IncidentId,
        reason: &str,
        effects: &mut Effects,
    ) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.making_snapshot = false;
        live.incident.detail.insert("evidence_failed".into(), reason.into());
        live.dirty = true;
        if live.hold_until_ms.is_some() {
            effects.entries.push(live.record(now, What::Opened));
        }
    }
}

/// Asks for a snapshot of the picture that waits, unless one is being made.
pub(super) fn take_snapshot(ids: &mut IdMint, live: &mut Live, now: Now, effects: &mut Effects) {
    if live.making_snapshot {
        return;
    }
    let Some(shot) = live.shot.take() else { return };
    let id = ids.evidence(now);
    live.best = shot.quality;
    live.snapshot = Some(id);
    live.making_snapshot = true;
    live.last_snapshot_ms = now.mono_ms;
    let source = live.incident.sources[0].id.clone();
    effects.jobs.push(EvidenceJob::Snapshot { incident: live.incident.id, id, source, shot });
}

/// Asks for the one clip of an incident when that has ended and its post-roll is over, or at the
/// clip's greatest length.
pub(super) fn cut_clip(
    (directory, ids): (&Directory, &mut IdMint),
    live: &mut Live,
    now: Now,
    effects: &mut Effects,
) {
    if !live.clip_due || !live.reported {
        return;
    }
    let first = &live.incident.sources[0].id;
    let source = live.clip_source.as_ref().unwrap_or(first).clone();
    let seconds = |map: &HashMap<SourceId, u64>, default: u64| {
        SignedDuration::from_secs(
            i64::try_from(map.get(&source).copied().unwrap_or(default)).unwrap_or(0),
        )
    };
    let longest = live.incident.began_at + seconds(&directory.clip_max_s, 30);
    let ended = live.incident.ended_at.map(|at| at + seconds(&directory.post_roll_s, 5));
    let until = ended.map_or(longest, |ended| ended.min(longest));
    if now.wall < until {
        return;
    }
    live.clip_due = false;
    let (incident, began_at) = (live.incident.id, live.incident.began_at);
    let id = ids.evidence(now);
    effects.jobs.push(EvidenceJob::Clip { incident, id, source, began_at, until });
}
