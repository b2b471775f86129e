//! Pictures of the minute of a press: clips of the cameras that the site names for it, where it allows that.

use jiff::{SignedDuration, Timestamp};

use super::{Desk, Effects, EvidenceJob};
use crate::domain::{IncidentId, Now, SourceId};

/// The clip goes on for so long after the press.
const AFTER: SignedDuration = SignedDuration::from_secs(20);
/// Clips a press; cameras that are named later are further away and show less.
const CAMERAS_MAX: usize = 2;
/// Clips that wait for their end; beyond that none is asked for, and the press has no clip.
const WAITING_CLIPS_MAX: usize = 200;

/// A clip that is cut when its time is over.
pub(super) struct PressClip {
    incident: IncidentId,
    source: SourceId,
    began_at: Timestamp,
    until: Timestamp,
    /// Monotonic milliseconds: the wall clock may be set.
    due_ms: i64,
}

impl Desk {
    /// Asks for clips of the cameras that the site names for this button.
    pub(super) fn picture_press(&mut self, now: Now, source: &SourceId, incident: IncidentId) {
        let Some(info) = self.directory.devices.get(source) else { return };
        let Some(live) = self.live.get(&incident) else { return };
        let began_at = live.incident.began_at;
        for camera in info.cameras.iter().take(CAMERAS_MAX) {
            if self.press_clips.len() >= WAITING_CLIPS_MAX {
                return;
            }
            self.press_clips.push_back(PressClip {
                incident,
                source: camera.clone(),
                began_at,
                until: now.wall + AFTER,
                due_ms: now.mono() + i64::try_from(AFTER.as_millis()).unwrap_or(0),
            });
        }
    }

    /// Asks for the clips whose time is over. All have one length, so the oldest is the first.
    pub(super) fn cut_press_clips(&mut self, now: Now, effects: &mut Effects) {
        while self.press_clips.front().is_some_and(|clip| clip.due_ms <= now.mono()) {
            let Some(clip) = self.press_clips.pop_front() else { break };
            let PressClip { incident, source, began_at, until, .. } = clip;
            let id = self.ids.evidence(now);
            effects.jobs.push(EvidenceJob::Clip { incident, id, source, began_at, until });
        }
    }
}
