//! One recorded camera in a replay: packets by their time, looks as the running gateway has them, tracks.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{
    detect_worker::tracks_body,
    frame_numbers::FrameNumbers,
    sampler::{Nudges, Sampler, Step},
};
use crate::{
    domain::{Body, Fault, Look, Meter, Now, Observation, SourceId, Stamp, StopFlag},
    media::{Packet, Pool, Ring, Session, SessionRequest},
    sources::camera,
    vision::{Attention, CameraFault, DetectError, Detector},
};

/// A file answers at once; a broken network folder must not hang a replay for ever.
const PATIENCE_MS: u64 = 60_000;

/// A camera whose `url` is a clip.
pub struct Player {
    /// The camera.
    pub id: SourceId,
    /// Time of its first packet: the clock's start.
    pub began_at: Timestamp,
    clip: String,
    session: Session,
    sampler: Sampler,
    ring: Arc<Mutex<Ring>>,
    attention: Attention,
    /// When somebody was last found, until it is asked for.
    found_at: Option<Timestamp>,
    next: Option<Packet>,
    due: Timestamp,
    /// Kept only where somebody asks for them.
    numbers: Option<FrameNumbers>,
    /// Of the latest picture that was read, pixels.
    picture_size: (u32, u32),
}

impl Player {
    /// Opens the clip; `start` is the time of its first packet. The error is a sentence for people.
    pub fn open(
        camera: &camera::Config,
        ring: Arc<Mutex<Ring>>,
        start: Timestamp,
        pool: Arc<Pool>,
        meter: Arc<dyn Meter>,
    ) -> Result<Self, String> {
        let failed = |error| format!("camera {}: {}: {error}", camera.id, camera.url);
        let mut session = Session::open(&SessionRequest {
            url: camera.url.clone(),
            transport: camera.transport.as_str(),
            connect_ms: PATIENCE_MS,
            stall_ms: PATIENCE_MS,
            stop: StopFlag::default(),
        })
        .map_err(failed)?;
        let next = session.next(|| start).map_err(failed)?;
        Ok(Self {
            id: camera.id.as_str().into(),
            began_at: start,
            clip: camera.url.clone(),
            session,
            sampler: Sampler::new(camera, ring.clone(), pool, meter, true),
            ring,
            attention: Attention::default(),
            found_at: None,
            next,
            due: start,
            numbers: None,
            picture_size: (0, 0),
        })
    }

    /// From now on explanations are kept.
    pub fn explain(&mut self) {
        self.sampler.explain();
    }

    /// From now on its pictures are numbered.
    pub fn number_frames(&mut self) {
        self.numbers = Some(FrameNumbers::default());
    }

    /// The number of the picture that is shown at this moment, from 1; 0 where they are not numbered.
    pub fn frame_number(&self, at: Timestamp) -> u64 {
        self.numbers.as_ref().map_or(0, |numbers| numbers.number(at))
    }

    /// Width and height of its pictures, pixels.
    pub fn picture_size(&self) -> (u32, u32) {
        self.picture_size
    }

    /// What the gate decided since this was last called, and why.
    pub fn notes(&mut self) -> Vec<(Timestamp, String)> {
        self.sampler.take_notes()
    }

    /// What became wrong with its picture, or right again, since this was last called.
    pub fn faults(&mut self, now: Now) -> Vec<Observation> {
        let of = |fault: CameraFault| Observation {
            source: self.id.clone(),
            stamp: Stamp::of_gateway(now),
            body: Body::Fault(Fault { kind: fault.kind, broken: fault.broken, text: fault.text }),
        };
        self.sampler.take_faults().into_iter().map(of).collect()
    }

    /// Somebody outside says that there is something to see.
    pub fn nudge(&mut self, nudges: Nudges) {
        self.sampler.nudged(nudges);
    }

    /// When somebody was found since, as it wakes neighbours.
    pub fn take_found(&mut self) -> Option<Timestamp> {
        self.found_at.take()
    }

    /// When its next packet is due; never goes back, whatever the order of pictures.
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// Whether all packets were taken.
    pub fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// Takes the packet that is due.
    pub fn step(&mut self) -> Result<(), String> {
        let Some(packet) = self.next.take() else { return Ok(()) };
        self.numbers.iter_mut().for_each(|numbers| numbers.take(packet.at));
        self.picture_size = packet.picture_size();
        self.ring.lock().map_err(|_| "ring lost")?.push(packet);
        let start = self.began_at;
        match self.session.next(|| start) {
            Ok(Some(next)) => {
                self.due = self.due.max(next.at);
                self.next = Some(next);
            }
            Ok(None) => self.sampler.end(),
            // A damaged recording is played up to the damage, and the log says so.
            Err(reason) => {
                let (camera, clip) = (&self.id, &self.clip);
                tracing::warn!(%camera, clip, reason, "the clip is damaged; what came before was played");
                self.sampler.end();
            }
        }
        Ok(())
    }

    /// The next look that the packets so far lead to.
    pub fn look(&mut self) -> Option<Look> {
        loop {
            let step = self.sampler.step(true);
            // It is in the log already.
            drop(self.sampler.take_decoding());
            match step {
                Step::Idle => return None,
                Step::Progress => {}
                Step::Look(look) => return Some(*look),
            }
        }
    }

    /// Runs vision on a look; the observation is the one that a running gateway would make.
    pub fn observe(
        &mut self,
        look: Look,
        detector: &mut Detector,
        now: Now,
    ) -> Result<Option<Observation>, DetectError> {
        let stamp = Stamp::of_look(&look, now);
        let result = self.attention.look(detector, &look)?;
        self.sampler.feedback(look.at, result.feedback);
        if result.finds_somebody() {
            self.found_at = Some(look.at);
        }
        let Some(tracks) = result.tracks else { return Ok(None) };
        let body = tracks_body(look, tracks);
        Ok(Some(Observation { source: self.id.clone(), stamp, body }))
    }
}
