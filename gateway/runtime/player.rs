//! One recorded camera in a replay: packets by their time, pictures that the gate wants, tracks.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::{
    domain::{Body, Detection, Now, Observation, Picture, SourceId, Stamp, StopFlag, TrackFrame},
    media::{Decoder, Gate, Request, Ring, Seen, Session},
    sources::camera,
    vision::Tracker,
};

/// A file answers at once; a broken network folder must not hang a replay for ever.
const PATIENCE_MS: u64 = 60_000;

/// A picture that the gate wants looked at.
pub(super) type Look = Picture;

pub(super) struct Player {
    pub(super) id: SourceId,
    /// Time of its first packet: the clock's start.
    pub(super) began_at: Timestamp,
    clip: String,
    session: Session,
    decoder: Decoder,
    gate: Gate,
    ring: Arc<Mutex<Ring>>,
    tracker: Tracker,
    next: Option<Seen>,
    due: Timestamp,
    bad_packets: u64,
}

impl Player {
    pub(super) fn open(
        camera: &camera::Config,
        ring: Arc<Mutex<Ring>>,
        start: Timestamp,
    ) -> Result<Self, String> {
        let told = |error| format!("camera {}: {}: {error}", camera.id, camera.url);
        let mut session = Session::open(&Request {
            url: camera.url.clone(),
            transport: camera.transport.as_str(),
            connect_ms: PATIENCE_MS,
            stall_ms: PATIENCE_MS,
            stop: StopFlag::default(),
        })
        .map_err(told)?;
        let decoder = Decoder::new(&session).map_err(told)?;
        let next = session.next(|| start).map_err(told)?;
        Ok(Self {
            id: camera.id.as_str().into(),
            began_at: start,
            clip: camera.url.clone(),
            session,
            decoder,
            gate: Gate::new(camera.detect_fps),
            ring,
            tracker: Tracker::new(),
            next,
            due: start,
            bad_packets: 0,
        })
    }

    /// When its next packet is due; never goes back, whatever the order of pictures.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    pub(super) fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// Takes the packet that is due; the pictures that came out and are wanted.
    pub(super) fn step(&mut self) -> Result<Vec<Look>, String> {
        let Some(seen) = self.next.take() else { return Ok(Vec::new()) };
        self.ring.lock().map_err(|_| "ring lost")?.push(seen.clone());
        let gate = &mut self.gate;
        let mut looks = match self.decoder.push(&seen, &mut |at| gate.wants(at)) {
            Ok((looks, _)) => looks,
            Err(_) => {
                self.bad_packets += 1;
                Vec::new()
            }
        };
        let start = self.began_at;
        match self.session.next(|| start) {
            Ok(Some(next)) => {
                self.due = self.due.max(next.at);
                self.next = Some(next);
            }
            Ok(None) => self.end(&mut looks, None),
            // What is left of a damaged recording has been played; that is said, not hidden.
            Err(reason) => self.end(&mut looks, Some(reason)),
        }
        Ok(looks)
    }

    fn end(&mut self, looks: &mut Vec<Look>, broken: Option<String>) {
        let gate = &mut self.gate;
        if let Ok((last, _)) = self.decoder.finish(&mut |at| gate.wants(at)) {
            looks.extend(last);
        }
        let (camera, clip, bad_packets) = (&self.id, &self.clip, self.bad_packets);
        if let Some(reason) = broken {
            tracing::warn!(%camera, clip, reason, "the clip is damaged; what came before was played");
        } else if bad_packets > 0 {
            tracing::warn!(%camera, clip, bad_packets, "the clip has packets that cannot be decoded");
        }
    }

    /// What vision says of a look, as the running gateway says it.
    pub(super) fn observe(
        &mut self,
        look: Look,
        detections: &[Detection],
        now: Now,
    ) -> Observation {
        let stamp = Stamp::of_picture(&look, now);
        let tracks = self.tracker.update(look.at, detections);
        let picture = (!tracks.is_empty()).then_some(look);
        let body = Body::Tracks(TrackFrame { tracks, picture });
        Observation { source: self.id.clone(), stamp, body }
    }
}
