//! The evidence worker: writes snapshots and clips to disk, synced, then reports them to the desk as observations.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{face_watch::FaceWatch, picture_file::keep_jpeg, shared::RunningConfig};
use crate::{
    base::{Beat, Reporter, lock},
    camera::Rings,
    domain::{Body, Evidence, EvidenceId, Meter, Metric, Shot, SourceId, Stamp},
    incident::EvidenceJob,
    media::{Hidden, larger_picture, snapshot, write_clip},
    store::Store,
};

/// The worker shows that it is alive at least this often.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What the worker is started with.
pub(super) struct EvidenceWorker {
    /// Where files go.
    pub(super) store: Store,
    /// Where clips are cut from.
    pub(super) rings: Rings,
    /// Counts what failed.
    pub(super) meter: Arc<dyn Meter>,
    /// What is hidden in pictures, as the latest configuration has it.
    pub(super) running: RunningConfig,
    /// Finds faces of near people, so that they are blurred too.
    pub(super) faces: FaceWatch,
}

/// A picture or clip, and what a picture was before heads were blurred.
type Made = (Evidence, Option<Box<Evidence>>);

impl EvidenceWorker {
    /// Runs until no more jobs can come, or the gateway stops.
    pub(super) fn run(self, jobs: &Receiver<EvidenceJob>, report: &Reporter, beat: &Beat) {
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

    /// Does a job; returns the observation for the desk: the evidence, written and synced, or why there is
    /// none.
    pub(super) fn make(&self, job: EvidenceJob) -> (SourceId, Body) {
        let (incident, id, source) = match &job {
            EvidenceJob::Snapshot { incident, id, source, .. }
            | EvidenceJob::Clip { incident, id, source, .. } => (*incident, *id, source.clone()),
        };
        // A fault over one picture is the loss of that picture, and not of all that come after it.
        let made = catch_unwind(AssertUnwindSafe(|| match job {
            EvidenceJob::Snapshot { id, shot, .. } => self.snapshot(id, &source, shot),
            EvidenceJob::Clip { id, began_at, until, .. } => {
                self.clip(id, &source, began_at, until).map(|clip| (clip, None))
            }
        }));
        let made = made.unwrap_or_else(|_| Err("a fault inside the gateway (see the log)".into()));
        let body = match made {
            Ok((evidence, original)) => {
                Body::Evidence { incident, evidence: Box::new(evidence), original }
            }
            Err(reason) => {
                self.meter.add(Metric::EvidenceFailed, source.as_str(), 1);
                tracing::warn!(%incident, %source, reason, "evidence could not be made");
                Body::EvidenceFailed { incident, id, reason }
            }
        };
        (source, body)
    }

    fn snapshot(&self, id: EvidenceId, source: &SourceId, mut shot: Shot) -> Result<Made, String> {
        // Seen in the sub-stream; the main one shows more.
        let ring = lock(&self.rings).get(source).map(|(ring, _)| ring.clone());
        if let Some(larger) = ring.and_then(|ring| larger_picture(&ring, &shot.picture)) {
            shot.picture = larger;
        }
        let mut hidden = self.hidden(source);
        if hidden.blur {
            hidden.faces = self.faces.find(&shot);
        }
        let pictures = snapshot(&shot, &hidden)?;
        let general = keep_jpeg(&self.store, id, shot.picture.at, &pictures.general)?;
        // Without the original the incident has its picture all the same.
        let original = pictures.original.and_then(|jpeg| {
            let kept = self.store.keep_original(&general, &jpeg);
            kept.map_err(|reason| {
                self.meter.add(Metric::EvidenceFailed, source.as_str(), 1);
                tracing::warn!(%id, %source, reason, "the original of a picture could not be kept");
            })
            .ok()
        });
        Ok((general, original.map(Box::new)))
    }

    /// What is not shown of this camera.
    fn hidden(&self, source: &SourceId) -> Hidden {
        let config = lock(&self.running).clone();
        let camera = config.cameras.iter().find(|camera| camera.id == source.as_str());
        let private = camera.map(|camera| camera.private.clone()).unwrap_or_default();
        Hidden { blur: config.evidence.blur, private, faces: Vec::new() }
    }

    fn clip(
        &self,
        id: EvidenceId,
        source: &SourceId,
        began_at: Timestamp,
        until: Timestamp,
    ) -> Result<Evidence, String> {
        let ring = lock(&self.rings).get(source).cloned();
        let (ring, pre_roll_s) = ring.ok_or("no such camera")?;
        let pre_roll = SignedDuration::from_secs(i64::try_from(pre_roll_s).unwrap_or(5));
        let from = began_at.checked_sub(pre_roll).unwrap_or(Timestamp::MIN);
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
            original_of: None,
            // A clip shows what is black in pictures.
            kept_here: !self.hidden(source).private.is_empty(),
        })
    }
}
