//! The evidence worker: snapshots and clips to disk, synced, then told to the desk by the front door.

use std::{
    fs,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    base::{Beat, Reporter, lock},
    camera::Rings,
    domain::{Body, Evidence, EvidenceId, Meter, Metric, Shot, SourceId, Stamp},
    incident::Job,
    media::{jpeg_with_boxes, write_clip},
    store::Store,
};

/// The worker shows that it is alive at least this often.
const BEAT_EVERY: Duration = Duration::from_secs(1);

pub(super) struct EvidenceWorker {
    pub(super) store: Store,
    pub(super) rings: Rings,
    pub(super) meter: Arc<dyn Meter>,
}

impl EvidenceWorker {
    /// Until nobody gives jobs any more, or the gateway stops.
    pub(super) fn run(self, jobs: &Receiver<Job>, report: &Reporter, beat: &Beat) {
        loop {
            beat.beat();
            let job = match jobs.recv_timeout(BEAT_EVERY) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let (source, body) = self.make(job);
            if !report.send(&source, Stamp::of_gateway(report.clock.now()), body) {
                return;
            }
        }
    }

    /// The evidence, written and synced, or why there is none: what to tell the desk.
    pub(super) fn make(&self, job: Job) -> (SourceId, Body) {
        let (incident, source) = match &job {
            Job::Snapshot { incident, source, .. } | Job::Clip { incident, source, .. } => {
                (*incident, source.clone())
            }
        };
        let made = match job {
            Job::Snapshot { id, shot, .. } => self.snapshot(id, &shot),
            Job::Clip { id, began_at, until, .. } => self.clip(id, &source, began_at, until),
        };
        let body = match made {
            Ok(evidence) => Body::Evidence { incident, evidence: Box::new(evidence) },
            Err(reason) => {
                self.meter.add(Metric::EvidenceFailed, source.as_str(), 1);
                tracing::warn!(%incident, %source, reason, "evidence could not be made");
                Body::EvidenceFailed { incident, reason }
            }
        };
        (source, body)
    }

    fn snapshot(&self, id: EvidenceId, shot: &Shot) -> Result<Evidence, String> {
        let bytes = jpeg_with_boxes(shot)?;
        let new = self.store.new_evidence(id, "jpg").map_err(|error| error.to_string())?;
        fs::write(&new.path, &bytes).map_err(|error| format!("snapshot: {error}"))?;
        let (sha256, bytes) = self.store.finish_evidence(new).map_err(|error| error.to_string())?;
        let at = Some(shot.picture.at);
        let media_type = "image/jpeg".into();
        Ok(Evidence {
            id,
            media_type,
            sha256,
            bytes,
            starts_at: at,
            ends_at: None,
            pre_roll_ms: None,
            pre_roll_limit: None,
        })
    }

    fn clip(
        &self,
        id: EvidenceId,
        source: &SourceId,
        began_at: Timestamp,
        until: Timestamp,
    ) -> Result<Evidence, String> {
        let known = lock(&self.rings).get(source).cloned();
        let (ring, pre_roll_s) = known.ok_or("no such camera")?;
        let from = began_at - SignedDuration::from_secs(i64::try_from(pre_roll_s).unwrap_or(5));
        let cut = ring
            .lock()
            .map_err(|_| "ring lost")?
            .cut(from, began_at, until)
            .ok_or("no packets of that time are left")?;
        let new = self.store.new_evidence(id, "mp4").map_err(|error| error.to_string())?;
        let info = write_clip(&new.path, &cut)?;
        let (sha256, bytes) = self.store.finish_evidence(new).map_err(|error| error.to_string())?;
        let pre_roll = began_at.duration_since(info.starts_at);
        Ok(Evidence {
            id,
            media_type: "video/mp4".into(),
            sha256,
            bytes,
            starts_at: Some(info.starts_at),
            ends_at: Some(info.ends_at),
            pre_roll_ms: i64::try_from(pre_roll.as_millis()).ok(),
            pre_roll_limit: cut.limit,
        })
    }
}
