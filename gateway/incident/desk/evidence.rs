//! Snapshots and clips of an incident: when one is asked for, and what happens when it is there.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    super::live::{DueClip, Live},
    Desk, Directory, Effects, EvidenceJob,
};
use crate::domain::{
    Entry, Evidence, EvidenceId, Finding, IdMint, IncidentId, Now, SourceId, Thing, What,
};

/// Clips of one incident, at most.
const CLIPS_MAX: usize = 50;
/// What came longer ago than this when it was told has left the cameras' memory in part: its clip
/// begins `TOLD_BEFORE` before it was told.
const CAME_BEFORE: SignedDuration = SignedDuration::from_secs(25);
const TOLD_BEFORE: SignedDuration = SignedDuration::from_secs(20);
/// A clip that shows a newcomer for less than this does not show him.
const SHOWN_FOR: SignedDuration = SignedDuration::from_secs(3);

impl Desk {
    /// A snapshot or clip is on disk.
    pub(super) fn evidence(
        &mut self,
        now: Now,
        id: IncidentId,
        (evidence, original): (&Evidence, Option<&Evidence>),
        effects: &mut Effects,
    ) {
        for piece in [Some(evidence), original].into_iter().flatten() {
            effects.entries.push(Entry::Evidence { incident: id, evidence: piece.clone() });
        }
        let Some(live) = self.live.get_mut(&id) else { return };
        let is_picture = evidence.media_type == "image/jpeg";
        live.things.made(evidence.id, is_picture);
        if is_picture {
            live.list_picture(evidence);
        } else {
            live.list_clip(evidence);
        }
        live.list_original(original);
        live.dirty = true;
        if live.hold_until_ms.is_some() {
            effects.entries.push(live.record(now, What::Opened));
        } else if live.things.news_is_due(now) {
            effects.entries.extend(live.tell_news(now));
        } else if live.may_update(now)
            || (evidence.media_type == "video/mp4" && live.reported && !live.incident.active)
        {
            // The clip of an incident that is over is its last change, so it is reported at once.
            effects.entries.push(live.updated(now));
        }
    }

    /// A snapshot or clip could not be made.
    pub(super) fn evidence_failed(
        &mut self,
        now: Now,
        id: IncidentId,
        (failed, reason): (EvidenceId, &str),
        effects: &mut Effects,
    ) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.making_snapshot &= live.snapshot != Some(failed);
        live.things.failed(failed);
        live.incident.detail.insert("evidence_failed".into(), reason.into());
        live.dirty = true;
        if live.hold_until_ms.is_some() {
            effects.entries.push(live.record(now, What::Opened));
        }
    }
}

impl Live {
    /// The best snapshot comes first and takes the place of the one before, unless that is the only
    /// picture of somebody. Those of newcomers come last.
    fn list_picture(&mut self, evidence: &Evidence) {
        let list = &mut self.incident.evidence;
        if self.snapshot != Some(evidence.id) {
            let at = list.iter().position(|one| one.original_of.is_some()).unwrap_or(list.len());
            return list.insert(at, evidence.clone());
        }
        self.making_snapshot = false;
        if let Some(before) = self.listed_snapshot.replace(evidence.id)
            && let Some(at) = list.iter().position(|one| one.id == before)
        {
            let old = list.remove(at);
            if !self.things.may_drop(before) {
                list.push(old);
            }
        }
        list.insert(0, evidence.clone());
    }

    /// Originals stand behind everything else, each as long as its blurred picture stands there.
    fn list_original(&mut self, original: Option<&Evidence>) {
        let list = &mut self.incident.evidence;
        list.extend(original.cloned());
        let shown: Vec<EvidenceId> =
            list.iter().filter(|one| one.original_of.is_none()).map(|one| one.id).collect();
        list.retain(|one| one.original_of.is_none_or(|picture| shown.contains(&picture)));
    }

    /// Clips come after the best snapshot and before the pictures of newcomers.
    fn list_clip(&mut self, evidence: &Evidence) {
        let list = &mut self.incident.evidence;
        let is_clip = |one: &Evidence| one.media_type != "image/jpeg";
        let best = usize::from(self.listed_snapshot.is_some()).min(list.len());
        let at = list.iter().rposition(is_clip).map_or(best, |last| last + 1);
        list.insert(at, evidence.clone());
    }
}

/// Asks for a snapshot of the picture that waits, unless one is being made.
pub(super) fn take_snapshot(ids: &mut IdMint, live: &mut Live, now: Now, effects: &mut Effects) {
    if live.making_snapshot {
        return;
    }
    let Some((source, shot)) = live.shot.take() else { return };
    let id = ids.evidence(now);
    live.best = shot.quality;
    live.snapshot = Some(id);
    live.making_snapshot = true;
    live.last_snapshot_ms = now.mono_ms;
    live.things.ask(id, shot.boxes.iter().map(|one| (source.clone(), one.id)).collect());
    effects.jobs.push(EvidenceJob::Snapshot { incident: live.incident.id, id, source, shot });
}

/// Asks for a picture of things that none shows yet, if this finding brings one. `opened` has its own.
pub(super) fn picture_things(
    ids: &mut IdMint,
    live: &mut Live,
    now: Now,
    finding: &Finding,
    effects: &mut Effects,
) {
    // An incident without a snapshot gets its first one from this finding anyway.
    let has_one = live.reported && live.snapshot.is_some();
    let Some(shot) = finding.shot.as_ref().filter(|_| has_one) else { return };
    let shows = live.things.unpictured(&finding.source, &shot.boxes);
    if shows.is_empty() {
        return;
    }
    let (id, source) = (ids.evidence(now), finding.source.clone());
    live.things.ask(id, shows);
    let shot = shot.clone();
    effects.jobs.push(EvidenceJob::Snapshot { incident: live.incident.id, id, source, shot });
}

/// Sees to it that a clip shows these newcomers: one that is still to be cut, or another.
pub(super) fn film_things(directory: &Directory, live: &mut Live, now: Now, newcomers: &[Thing]) {
    for thing in newcomers {
        let began_at = clip_from(thing.first_at, thing.last_at);
        let longest = directory.clip_max(&thing.source);
        let key = (thing.source.clone(), thing.id);
        let shows_him = |clip: &&mut DueClip| {
            clip.source == thing.source
                && after(began_at, SHOWN_FOR) <= after(clip.began_at, longest)
        };
        match live.due_clips.iter_mut().find(shows_him) {
            Some(clip) => clip.shows.push(key),
            None if live.clips < CLIPS_MAX => {
                live.clips += 1;
                let source = thing.source.clone();
                let began_ms = now.mono_of(began_at);
                live.due_clips.push(DueClip { source, began_at, began_ms, shows: vec![key] });
            }
            None => {}
        }
    }
}

/// Where a clip of something begins its pre-roll that came at one time and was told at another.
pub(super) fn clip_from(came_at: Timestamp, told_at: Timestamp) -> Timestamp {
    let is_long_ago = told_at.duration_since(came_at) > CAME_BEFORE;
    if is_long_ago { after(told_at, -TOLD_BEFORE) } else { came_at }
}

/// Asks for the clips whose time is over: when the incident has ended and the post-roll is over, or
/// at the clip's greatest length. When that is, the monotonic clock says: a wall clock that was set
/// back makes none wait.
pub(super) fn cut_clips(
    (directory, ids): (&Directory, &mut IdMint),
    live: &mut Live,
    now: Now,
    effects: &mut Effects,
) {
    if !live.reported {
        return;
    }
    let (incident, ended_at) = (live.incident.id, live.incident.ended_at);
    let over_ms = ended_at.map(|_| live.over_ms);
    let is_due = |clip: &DueClip| {
        let full_ms = clip.began_ms + milliseconds(directory.clip_max(&clip.source));
        let post_roll_ms = milliseconds(directory.post_roll(&clip.source));
        let over_ms = over_ms.map_or(full_ms, |over| over.max(clip.began_ms) + post_roll_ms);
        now.mono() >= over_ms.min(full_ms)
    };
    let until = |clip: &DueClip| {
        let longest = after(clip.began_at, directory.clip_max(&clip.source));
        let ended =
            ended_at.map(|at| after(at.max(clip.began_at), directory.post_roll(&clip.source)));
        ended.map_or(longest, |ended| ended.min(longest))
    };
    for clip in live.due_clips.extract_if(.., |clip| is_due(clip)) {
        let (id, until) = (ids.evidence(now), until(&clip));
        live.things.ask(id, clip.shows);
        let (source, began_at) = (clip.source, clip.began_at);
        effects.jobs.push(EvidenceJob::Clip { incident, id, source, began_at, until });
    }
}

/// At the ends of the calendar it stays there.
fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(by).unwrap_or(end)
}

impl Directory {
    fn clip_max(&self, source: &SourceId) -> SignedDuration {
        seconds(&self.clip_max_s, source, 30)
    }

    fn post_roll(&self, source: &SourceId) -> SignedDuration {
        seconds(&self.post_roll_s, source, 5)
    }
}

fn milliseconds(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(of: &HashMap<SourceId, u64>, source: &SourceId, default: u64) -> SignedDuration {
    let seconds = of.get(source).copied().unwrap_or(default);
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}
