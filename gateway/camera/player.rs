//! One recorded camera in a replay: packets by their time, looks as the running gateway has them, tracks.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{
    detect_worker::tracks_body,
    frame_numbers::FrameNumbers,
    plate_watch::PlateWatch,
    sampler::{Nudges, Sampler, Step},
};
use crate::{
    domain::{Body, Fault, Look, LookArea, Meter, Now, Observation, SourceId, Stamp, StopFlag},
    media::{Packet, Pool, Ring, Session, SessionRequest},
    sources::camera,
    vision::{Attention, CameraFault, DetectError, Detector},
};

/// A file answers at once; a broken network folder must not hang a replay for ever.
const PATIENCE_MS: u64 = 60_000;
/// Seconds of packets of a sub-stream that are kept, to replay.
const SUB_RING_S: u64 = 30;

/// A recording of which less than this part was read, though it says that it is longer than so many
/// seconds, was not played.
const READ_PART_MIN: f64 = 0.1;
const LONG_S: f64 = 5.0;
/// Damaged after fewer packets, a recording was not played.
const PACKETS_FEW: u64 = 10;

/// A clip that is read packet by packet.
struct Reading {
    clip: String,
    session: Session,
    ring: Arc<Mutex<Ring>>,
    next: Option<Packet>,
    /// When `next` is due; never goes back, whatever the order of pictures.
    due: Timestamp,
    /// Kept only where somebody asks for them.
    numbers: Option<FrameNumbers>,
    /// Of the latest picture that was read, pixels.
    picture_size: (u32, u32),
    /// Packets that were read.
    packets: u64,
    /// Why it ended before its end.
    damage: Option<String>,
}

impl Reading {
    fn open(
        camera: &camera::Config,
        clip: &str,
        ring: Arc<Mutex<Ring>>,
        start: Timestamp,
    ) -> Result<Self, String> {
        let failed = |error| format!("camera {}: {clip}: {error}", camera.id);
        let mut session = Session::open(&SessionRequest {
            url: clip.to_owned(),
            transport: camera.transport.as_str(),
            connect_ms: PATIENCE_MS,
            stall_ms: PATIENCE_MS,
            stop: StopFlag::default(),
        })
        .map_err(failed)?;
        let next = session.next(|| start).map_err(failed)?;
        let (clip, numbers, picture_size) = (clip.to_owned(), None, (0, 0));
        let (packets, damage) = (0, None);
        Ok(Self { clip, session, ring, next, due: start, numbers, picture_size, packets, damage })
    }

    /// Takes the packet that is due; true after the last one.
    fn step(&mut self, id: &SourceId, start: Timestamp) -> Result<bool, String> {
        let Some(packet) = self.next.take() else { return Ok(false) };
        self.packets += 1;
        self.numbers.iter_mut().for_each(|numbers| numbers.take(packet.at));
        self.picture_size = packet.picture_size();
        self.ring.lock().map_err(|_| "ring lost")?.push(packet);
        match self.session.next(|| start) {
            Ok(Some(next)) => {
                self.due = self.due.max(next.at);
                self.next = Some(next);
            }
            Ok(None) => {}
            // A damaged recording is played up to the damage, and the log says so.
            Err(reason) => {
                let clip = &self.clip;
                tracing::warn!(camera = %id, clip, reason, "the clip is damaged; what came before was played");
                self.damage = Some(reason);
            }
        }
        Ok(self.next.is_none())
    }
}

impl Reading {
    /// Why next to nothing was seen of it, if that is so: so many pictures came out, and so many packets
    /// could not be decoded.
    fn poverty(&self, decoded: f64, bad: f64) -> Option<String> {
        let (read_s, says_s) = self.session.read_of();
        let why = self.damage.clone();
        if let Some(why) = why.as_ref().filter(|_| self.session.became_another()) {
            let (at_s, cut) =
                (self.session.pictures_s(), "cut it there, and play its parts one by one");
            return Some(format!(
                "{}: {why}, at {at_s:.1} s; what follows was not seen: {cut}",
                self.clip
            ));
        }
        let cut = read_s < says_s * READ_PART_MIN && says_s > LONG_S;
        let what = if self.packets < 2 || decoded < 1.0 {
            format!("{decoded} pictures in {} packets", self.packets)
        } else if bad > decoded {
            format!("{bad} packets could not be decoded, and {decoded} pictures could")
        } else if cut || (why.is_some() && self.packets < PACKETS_FEW) {
            format!("{read_s:.1} s of it were read, of {says_s:.1} s")
        } else {
            return None;
        };
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        Some(format!("{}: next to nothing was seen of it: {what}{why}", self.clip))
    }
}

/// A camera whose `url` is a clip, and perhaps its `detect_url` too.
pub struct Player {
    /// The camera.
    pub id: SourceId,
    /// Time of its first packet: the clock's start.
    pub began_at: Timestamp,
    /// The stream that is looked at.
    looked_at: Reading,
    /// The main one, where the sub-stream is looked at.
    main: Option<Reading>,
    sampler: Sampler,
    attention: Attention,
    /// When somebody was last found, until it is asked for.
    found_at: Option<Timestamp>,
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
        let mut looked_at = Reading::open(camera, &camera.url, ring.clone(), start)?;
        let mut main = None;
        if let Some(sub) = camera.detect_url.as_ref().filter(|url| !url.contains("://")) {
            let sub_ring = Arc::new(Mutex::new(Ring::new(SUB_RING_S, camera.ring_max_bytes)));
            let sub = Reading::open(camera, sub, sub_ring, start)?;
            main = Some(std::mem::replace(&mut looked_at, sub));
        }
        let mut sampler = Sampler::new(camera, looked_at.ring.clone(), pool, meter, true);
        if main.is_some() {
            sampler = sampler.with_main(ring);
        }
        Ok(Self {
            id: camera.id.as_str().into(),
            began_at: start,
            looked_at,
            main,
            sampler,
            attention: Attention::default(),
            found_at: None,
        })
    }

    /// Somebody is to be found here alone.
    pub fn look_where(&mut self, area: Option<Arc<LookArea>>) {
        self.sampler.look_where(area);
    }

    /// From now on explanations are kept.
    pub fn explain(&mut self) {
        self.sampler.explain();
    }

    /// From now on its pictures are numbered.
    pub fn number_frames(&mut self) {
        let clip = self.main.as_mut().unwrap_or(&mut self.looked_at);
        clip.numbers = Some(FrameNumbers::default());
    }

    /// The number of the picture that is shown at this moment, from 1; 0 where they are not numbered.
    pub fn frame_number(&self, at: Timestamp) -> u64 {
        self.clip().numbers.as_ref().map_or(0, |numbers| numbers.number(at))
    }

    /// Why next to nothing was seen of its recording, if that is so; by its figures.
    pub fn poverty(&self, decoded: f64, bad: f64) -> Option<String> {
        self.looked_at.poverty(decoded, bad)
    }

    /// Width and height of its pictures, pixels.
    pub fn picture_size(&self) -> (u32, u32) {
        self.clip().picture_size
    }

    /// What is seen in full: the main one of two.
    fn clip(&self) -> &Reading {
        self.main.as_ref().unwrap_or(&self.looked_at)
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
        self.left().map(|reading| reading.due).min().unwrap_or(self.looked_at.due)
    }

    /// Whether all packets were taken.
    pub fn is_over(&self) -> bool {
        self.left().next().is_none()
    }

    /// Those that have packets left.
    fn left(&self) -> impl Iterator<Item = &Reading> {
        self.main.iter().chain([&self.looked_at]).filter(|reading| reading.next.is_some())
    }

    /// Takes the packet that is due: of two streams the earlier one, and of the same time the main one.
    pub fn step(&mut self) -> Result<(), String> {
        let sub_due = self.looked_at.next.as_ref().map(|_| self.looked_at.due);
        let is_first =
            |main: &&mut Reading| main.next.is_some() && sub_due.is_none_or(|sub| main.due <= sub);
        if let Some(main) = self.main.as_mut().filter(is_first) {
            if main.step(&self.id, self.began_at)? {
                self.sampler.main_ended();
            }
        } else if self.looked_at.step(&self.id, self.began_at)? {
            self.sampler.end();
        }
        Ok(())
    }

    /// The next look that the packets so far lead to.
    pub fn look(&mut self) -> Option<Look> {
        loop {
            let step = self.sampler.step(true);
            // It is in the log already.
            drop((self.sampler.take_decoding(), self.sampler.take_streams()));
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
        (detector, plates): (&mut Detector, &mut PlateWatch),
        now: Now,
    ) -> Result<Option<Observation>, DetectError> {
        let stamp = Stamp::of_look(&look, now);
        let result = self.attention.look(detector, &look)?;
        self.sampler.feedback(look.at, result.feedback);
        if result.finds_somebody() {
            self.found_at = Some(look.at);
        }
        let Some(tracks) = result.tracks else { return Ok(None) };
        let (vehicles, _) = plates.look(&self.id, &look, &tracks);
        let body = tracks_body(look, tracks, vehicles);
        Ok(Some(Observation { source: self.id.clone(), stamp, body }))
    }
}
