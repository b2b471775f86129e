//! A camera with two streams: the sub-stream is looked at, and what is looked at closely is shown in the main stream's pixels.
//!
//! **V9** The sub-stream drives: it wakes the camera, tells what moves, and puts it to sleep; its
//! times are the times of the looks. A look with a picture gets the main stream's picture of that
//! moment ([`super::main_stream`]), until vision has found everything that differs and it is large
//! ([`crate::domain::LookFeedback::least_height`]): the sub-stream shows that as well, for a tenth. Where
//! one stream is not there or does not fit, the other does it all, and that is said: a main stream
//! that is silent, late or without key frames lends nothing; a sub-stream that is silent, or shows
//! another view ([`crate::vision::likeness`]), is not looked at, the main stream is. Nothing is
//! lost in the change: it goes back to what vision knows.
//!
//! Whether a stream is silent is told by what the other has brought meanwhile, on its own clock
//! (V2), so a clock that is set silences none.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use super::{
    STEP_BACK, Sampler, Step,
    main_stream::{Lent, MainStream},
};
use crate::{
    base::thread_cpu_time,
    camera::{
        gate::WakeCause,
        same_view::SameView,
        sign::{PacketSizeSign, SizeShift},
    },
    domain::{Look, Luma, Metric},
    media::{Frame, Pool, Ring},
    vision::{Scene, likeness},
};

/// A stream is silent when it has brought nothing while the other brought so much.
const SILENT_MS: i64 = 4_000;
/// A sub-stream that was silent is looked at again when it has brought so much.
const STEADY_MS: i64 = 5_000;
/// Where more than this share of the picture moves, the two are not compared: their times differ a little.
const MOVES_MAX: f32 = 0.25;
/// What is compared or verified asleep may be a key frame from so long before.
const KEY_MAX: SignedDuration = SignedDuration::from_secs(10);
/// What may show somebody new must be of about now.
const PROBE_MAX: SignedDuration = SignedDuration::from_secs(1);
const SILENT: &str = "it is silent";
const ANOTHER_VIEW: &str = "it shows another scene, or another part of it";

/// Which stream is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Sub,
    /// And why the sub-stream is not.
    Main(&'static str),
}

/// Which streams a camera is looked at and seen with now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    /// For metrics: `sub, main`, or one alone and why.
    pub by: String,
    /// Why it is not both, in one sentence.
    pub unmet: Option<String>,
}

/// Where a stream is: its next number, and its newest packet by its own clock, milliseconds.
#[derive(Clone, Copy)]
struct Position {
    end: u64,
    ms: i64,
}

fn position(ring: &Mutex<Ring>) -> Position {
    let Ok(ring) = ring.lock() else { return Position { end: 0, ms: 0 } };
    Position { end: ring.numbers().end, ms: ring.newest().map_or(0, |newest| newest.stream_ms) }
}

/// Whether a stream goes on, measured by the other.
#[derive(Default)]
struct Pulse {
    end: u64,
    /// Where the other is, how much it has brought since this one last brought something, and how
    /// often that was seen.
    other_ms: i64,
    alone_ms: i64,
    alone: u32,
    /// Where this one was when it came back.
    since_ms: i64,
    silent: bool,
}

impl Pulse {
    fn feel(&mut self, mine: Position, other: Position) {
        if mine.end != self.end {
            if std::mem::take(&mut self.silent) || mine.ms < self.since_ms {
                self.since_ms = mine.ms;
            }
            (self.end, self.alone_ms, self.alone) = (mine.end, 0, 0);
        } else if other.ms > self.other_ms {
            self.alone_ms += other.ms - self.other_ms;
            self.alone += 1;
        }
        self.other_ms = other.ms;
        // Once may be a step of the other's clock.
        self.silent |= self.alone_ms > SILENT_MS && self.alone > 1;
    }

    fn is_steady(&self, mine: Position) -> bool {
        !self.silent && mine.ms - self.since_ms >= STEADY_MS
    }
}

/// What is so many pixels high in the sub-stream is seen in it as well as in the main stream.
const NEAR_PIXELS: f32 = 48.0;

/// A look that waits for its picture; the sub-stream's picture in little, if the two are to be compared.
struct Held {
    look: Look,
    luma: Option<Luma>,
}

/// Both streams of one camera.
pub(super) struct Pair {
    pub(super) sub: Arc<Mutex<Ring>>,
    main: Arc<Mutex<Ring>>,
    watched: Watched,
    lender: MainStream,
    held: Option<Held>,
    /// All that moves is large, as vision said last.
    near: bool,
    /// Why the main stream lent nothing when it was last asked.
    trouble: Option<&'static str>,
    same_view: SameView,
    sub_pulse: Pulse,
    main_pulse: Pulse,
    told: Option<Streams>,
}

impl Pair {
    pub(super) fn new(sub: Arc<Mutex<Ring>>, main: Arc<Mutex<Ring>>) -> Self {
        Self {
            lender: MainStream::new(main.clone()),
            sub,
            main,
            watched: Watched::Sub,
            held: None,
            near: false,
            trouble: None,
            same_view: SameView::default(),
            sub_pulse: Pulse::default(),
            main_pulse: Pulse::default(),
            told: None,
        }
    }

    /// A look waits for a picture of the main stream.
    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// The sub-stream is looked at.
    pub(super) fn is_on_sub(&self) -> bool {
        self.watched == Watched::Sub
    }

    /// The camera wakes: nothing is known yet of what moves.
    pub(super) fn woke(&mut self) {
        self.near = false;
    }

    /// What vision said of what moves.
    pub(super) fn feedback(&mut self, least_height: Option<f32>) {
        let Some(least) = least_height else { return };
        let size = |ring: &Ring| ring.newest().map(|newest| newest.picture_size());
        let (_, height) = self.sub.lock().ok().and_then(|ring| size(&ring)).unwrap_or_default();
        self.near = least * height as f32 >= NEAR_PIXELS;
    }

    /// Nobody asks for pictures for the time being.
    fn rest(&mut self, pool: &Pool) {
        if self.held.is_none() {
            self.lender.rest(pool);
        }
    }

    /// Which stream is to be looked at, by what both have brought.
    fn choice(&mut self) -> Watched {
        let (sub, main) = (position(&self.sub), position(&self.main));
        self.sub_pulse.feel(sub, main);
        let was_silent = self.main_pulse.silent;
        self.main_pulse.feel(main, sub);
        if was_silent && !self.main_pulse.silent {
            self.trouble = None;
        }
        let (sub_silent, main_silent) = (self.sub_pulse.silent, self.main_pulse.silent);
        match self.watched {
            _ if self.same_view.is_another() => Watched::Main(ANOTHER_VIEW),
            Watched::Sub if sub_silent => Watched::Main(SILENT),
            Watched::Main(_) if main_silent && !sub_silent => Watched::Sub,
            Watched::Main(_) if self.sub_pulse.is_steady(sub) => Watched::Sub,
            Watched::Main(_) if sub_silent => Watched::Main(SILENT),
            as_it_is => as_it_is,
        }
    }

    fn streams(&self) -> Streams {
        let alone = |one: &str, other: &str, why: &str, does: &str| Streams {
            by: format!("{one} ({other}: {why})"),
            unmet: Some(format!("{does}, not the {other} stream: {why}")),
        };
        let silent = self.main_pulse.silent.then_some(SILENT);
        match (self.watched, silent.or(self.trouble)) {
            (Watched::Main(why), _) => alone("main", "sub", why, "the main stream is looked at"),
            (_, Some(why)) => alone("sub", "main", why, "it is seen with the sub-stream"),
            _ => Streams { by: "sub, main".into(), unmet: None },
        }
    }

    /// The key frame at or before this moment of a stream, if it is of the time before it.
    fn key_frame(
        ring: &Mutex<Ring>,
        at: Timestamp,
        longest: SignedDuration,
    ) -> Option<crate::media::Packet> {
        let ring = ring.lock().ok()?;
        let packet = ring.get(ring.key_by(at)?)?;
        (packet.at >= at - longest && packet.at <= at + longest).then(|| packet.clone())
    }
}

impl Sampler {
    /// The camera has a main stream too, in this ring.
    pub(in crate::camera) fn with_main(mut self, main: Arc<Mutex<Ring>>) -> Self {
        self.pair = Some(Pair::new(self.ring.clone(), main));
        self
    }

    /// The recording of the main stream is at its end.
    pub(in crate::camera) fn main_ended(&mut self) {
        self.pair.iter_mut().for_each(|pair| pair.lender.ended = true);
    }

    /// Which streams it is looked at and seen with, once after each change; the metric says the same.
    pub(in crate::camera) fn take_streams(&mut self) -> Option<Streams> {
        let pair = self.pair.as_mut()?;
        let now = Some(pair.streams()).filter(|now| pair.told.as_ref() != Some(now))?;
        pair.told = Some(now.clone());
        self.meter.only(Metric::CameraStreams, self.id.as_str(), &now.by);
        let camera = &self.id;
        match &now.unmet {
            Some(why) => tracing::warn!(%camera, "camera: {why}"),
            None => {
                tracing::info!(%camera, "camera: the sub-stream is looked at, seen with the main one")
            }
        }
        Some(now)
    }

    /// Goes over to the other stream where the one that is looked at is silent, or shows another view.
    pub(super) fn choose_stream(&mut self) {
        let Some(pair) = &mut self.pair else { return };
        let wanted = pair.choice();
        if wanted == pair.watched {
            return;
        }
        let ring = if wanted == Watched::Sub { &pair.sub } else { &pair.main };
        let changes = !Arc::ptr_eq(ring, &self.ring);
        pair.watched = wanted;
        if changes {
            self.ring = ring.clone();
            self.change_stream(wanted);
        }
    }

    /// From now on another stream is looked at, from the key frame before what vision knows.
    fn change_stream(&mut self, watched: Watched) {
        self.group_begins(self.next);
        self.frames.clear();
        if let Some(decoder) = self.decoder.take() {
            self.pool.give_back(decoder);
        }
        if let Some(pair) = &mut self.pair {
            pair.rest(&self.pool);
        }
        (self.scene, self.packet_sizes) = (Scene::default(), PacketSizeSign::default());
        self.size_shift = SizeShift::default();
        self.probed_at = None;
        self.view_check.forget_usual();
        self.gate.another_stream();
        self.lag.woke();
        let ring = self.ring.clone();
        let Ok(ring) = ring.lock() else { return };
        // Numbers of the other ring say nothing in this one.
        (self.next, self.last_at) = (ring.numbers().end, None);
        let Some(newest_at) = ring.newest().map(|newest| newest.at) else { return };
        if self.gate.reported_at().is_some_and(|reported| newest_at < reported - STEP_BACK) {
            self.gate.begin(newest_at);
        }
        drop(ring);
        if self.is_awake() {
            self.replays_from(newest_at).and_then(|key| self.go_back(key));
            self.gate.want_again();
        } else {
            // Nothing is known of how it looks in this stream.
            self.wake(WakeCause::Start, newest_at);
        }
        self.note(newest_at, || match watched {
            Watched::Sub => "looks at the sub-stream again".into(),
            Watched::Main(why) => format!("looks at the main stream, not the sub-stream: {why}"),
        });
    }

    /// A look that is ready, but for the main stream's picture where that is wanted. `moves`: share of
    /// the picture that moves.
    pub(super) fn with_main_pixels(&mut self, look: Look, luma: &Luma, moves: f32) -> Step {
        let Some(pair) = &mut self.pair else { return Step::Look(Box::new(look)) };
        let compares = moves < MOVES_MAX && pair.same_view.is_due(look.at);
        let wanted = look.picture.is_some() && (!pair.near || compares);
        if pair.watched != Watched::Sub || !wanted {
            if compares && pair.watched != Watched::Sub {
                self.compare(luma);
            }
            self.rest_asleep();
            return Step::Look(Box::new(look));
        }
        let luma = compares.then(|| luma.clone());
        pair.held = Some(Held { look, luma });
        Step::Progress
    }

    /// The picture of the look that waits, as far as it is there.
    pub(super) fn fill(&mut self) -> Step {
        let Some(pair) = &mut self.pair else { return Step::Progress };
        let Some(held) = pair.held.take() else { return Step::Progress };
        let at = held.look.at;
        let sub_at = pair.sub.lock().ok().and_then(|ring| Some(ring.newest()?.at)).unwrap_or(at);
        let started = thread_cpu_time();
        let waits = !pair.main_pulse.silent;
        let lent = match pair.watched {
            Watched::Sub => {
                pair.lender.picture_at(at, sub_at, waits, (&self.pool, &mut self.hardware))
            }
            Watched::Main(_) => Lent::None(SILENT),
        };
        let id = self.id.as_str();
        self.meter.spend(Metric::CameraAwakeSeconds, id, thread_cpu_time().saturating_sub(started));
        let Held { mut look, luma } = match lent {
            Lent::Progress => {
                pair.held = Some(held);
                return Step::Progress;
            }
            Lent::Wait => {
                pair.held = Some(held);
                self.choose_stream();
                return Step::Idle;
            }
            Lent::Picture(frame) => {
                pair.trouble = None;
                if let Some(luma) = &held.luma {
                    pair.same_view.judge(at, likeness(luma, &frame.luma()));
                }
                self.of_main(held.look, held.luma, &frame)
            }
            Lent::None(why) => {
                pair.trouble = Some(why).filter(|why| *why != SILENT);
                held
            }
        };
        drop(luma);
        look.at = at;
        self.rest_asleep();
        Step::Look(Box::new(look))
    }

    fn of_main(&mut self, mut look: Look, luma: Option<Luma>, frame: &Frame) -> Held {
        if let Ok(mut picture) = self.converter.picture(frame) {
            picture.at = look.at;
            look.picture = Some(picture);
        }
        Held { look, luma }
    }

    /// A camera that sleeps holds no decoder of the main stream.
    pub(super) fn rest_asleep(&mut self) {
        if self.is_awake() {
            return;
        }
        if let Some(pair) = &mut self.pair {
            pair.rest(&self.pool);
        }
    }

    /// Asleep, the main stream's key frame of about this moment, in place of the sub-stream's. Nothing has
    /// moved since it fell asleep, so an older one shows the same; but not who may be new. One from
    /// before shows who has left.
    pub(super) fn main_key_frame(&mut self, at: Timestamp, probe: bool) -> Option<Frame> {
        let pair = self.pair.as_ref().filter(|pair| pair.watched == Watched::Sub)?;
        let longest = if probe { PROBE_MAX } else { KEY_MAX };
        let slept_at = self.gate.seen_at();
        let packet = Pair::key_frame(&pair.main, at, longest)
            .filter(|packet| slept_at.is_none_or(|slept_at| packet.at > slept_at))?;
        let mut frame = self.pool.decode_key_frame(&packet, &mut self.hardware).ok()?;
        frame.at = at;
        Some(frame)
    }

    /// Compares the picture that was looked at with the other stream's key frame of about that moment,
    /// now and then.
    pub(super) fn compare(&mut self, luma: &Luma) {
        let Some(pair) = &mut self.pair else { return };
        if !pair.same_view.is_due(luma.at) {
            return;
        }
        let other = if pair.watched == Watched::Sub { &pair.main } else { &pair.sub };
        let Some(packet) = Pair::key_frame(other, luma.at, KEY_MAX) else { return };
        let Ok(frame) = self.pool.decode_key_frame(&packet, &mut self.hardware) else { return };
        pair.same_view.judge(luma.at, likeness(luma, &frame.luma()));
    }
}
