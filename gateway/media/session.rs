//! One connection to a camera (or one reading of a file): packets with their time, until it breaks.
//!
//! **Liveness is of the picture.** A call waits for a packet of the video until the time-out: sound,
//! ONVIF metadata or keep-alives in the same connection are no pictures. A packet that FFmpeg's parser
//! held back and hands out because the time-out has come does not begin another one.
//!
//! **A goodbye at each end.** However a session ends (stop, reload, a time-out in the midst of a read),
//! its TEARDOWN is sent: many cameras give a place only once, and keep it for a minute without one.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ffmpeg_next as ffmpeg;
use jiff::Timestamp;

use super::{
    clock_trust::ClockTrust,
    deadline::CallDeadline,
    digest_relay::DigestRelay,
    ffmpeg_log::begin_call,
    format::{Format, FormatWatch, ms_ticks, ticks_ms},
    klv::Klv,
    pace::{Odd, Pace},
    reason::explain,
    session_open::{SessionRequest, open_input, turn_of},
    stuck_clock::StuckClock,
    timeline::Timeline,
};

/// When stream time steps back or forward by more than this, a new run begins: a clip cannot span it.
const STEP_MS_MAX: i64 = 5_000;

/// A picture lasts so long where neither the stream nor its packets say.
const PICTURES_A_SECOND: i64 = 25;

/// A file may end this much before what its header says.
const SHORT_S_MAX: f64 = 2.0;

/// Sound that goes on by so much longer than the pictures is worth a word.
const SOUND_ALONE_S: f64 = 10.0;

/// Packets of the probing, at most: ten seconds at 50 pictures a second.
const PROBED_PACKETS_MAX: usize = 500;
/// A packet that took longer to come was not in the socket already.
const WAITED: Duration = Duration::from_millis(8);

/// A coded picture, with its time.
#[derive(Clone)]
pub struct Packet {
    /// As FFmpeg has it.
    pub(super) packet: ffmpeg::Packet,
    /// The run of packets that it belongs to.
    pub(super) format: Arc<Format>,
    /// Source time of its picture.
    pub at: Timestamp,
    /// What the camera's own clock said of it, once an RTCP sender report has come.
    pub device: Option<Timestamp>,
    /// A key frame: it can be decoded alone.
    pub key: bool,
    /// A recovery point of a stream without key frames: if decoding begins here, pictures are whole
    /// after so many more.
    pub refresh: Option<u32>,
    /// Of the coded picture.
    pub bytes: usize,
    /// Milliseconds since the first packet of the session, by the stream's own clock.
    pub stream_ms: i64,
}

/// The run of packets that can be decoded, and cut into a clip, as one.
#[derive(Clone)]
pub struct Run(Arc<Format>);

impl Run {
    /// Whether this packet is of this run.
    pub fn holds(&self, packet: &Packet) -> bool {
        Arc::ptr_eq(&self.0, &packet.format)
    }
}

impl Packet {
    /// As the network may leave it: nothing in it can be decoded.
    #[cfg(test)]
    pub(crate) fn damage(&mut self) {
        let mut bytes = self.packet.data().map(<[u8]>::to_vec).unwrap_or_default();
        // Past the length and the word that it is a key frame.
        bytes.iter_mut().skip(5).for_each(|byte| *byte = 0);
        let mut packet = ffmpeg::Packet::copy(&bytes);
        packet.set_pts(self.packet.pts());
        packet.set_dts(self.packet.dts());
        packet.set_flags(self.packet.flags());
        self.packet = packet;
    }

    /// The run that it belongs to.
    pub fn run(&self) -> Run {
        Run(self.format.clone())
    }

    /// `H.264` or `H.265`.
    pub fn codec(&self) -> &'static str {
        if self.format.is_hevc() { "H.265" } else { "H.264" }
    }

    /// Width and height of its picture, pixels; 0 where the stream does not say.
    pub fn picture_size(&self) -> (u32, u32) {
        let (width, height) = self.format.size();
        (u32::try_from(width).unwrap_or(0), u32::try_from(height).unwrap_or(0))
    }
}

/// What FFmpeg has open. When it goes, it says goodbye.
struct Opened {
    input: ffmpeg::format::context::Input,
    deadline: Arc<CallDeadline>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        // `input` is closed after this, with its TEARDOWN.
        self.deadline.close();
    }
}

/// A connection, or a file that is read.
pub struct Session {
    opened: Opened,
    /// Goes after what is opened through it.
    _relay: Option<DigestRelay>,
    klv: Option<Klv>,
    stream: usize,
    time_base: ffmpeg::Rational,
    watch: FormatWatch,
    /// What the stream became, until it is asked for.
    change: Option<String>,
    /// Stream time of the packet before, milliseconds.
    before_ms: Option<i64>,
    deadline: Arc<CallDeadline>,
    /// No packet of the video came in its time.
    stalled: bool,
    /// Packets of other streams since the latest of the video.
    beside: u64,
    /// The stamps of a live stream, compared with their arrival.
    pace: Pace,
    /// Whether its pictures are dated by the camera's own clock.
    trust: ClockTrust,
    request: SessionRequest,
    first_pts: Option<i64>,
    /// Where the packet after the latest one belongs, in ticks.
    next_ticks: Option<i64>,
    timeline: Timeline,
    /// The stamps of a recording.
    stuck_clock: StuckClock,
    /// Stream time of the latest picture read, milliseconds.
    read_ms: i64,
    /// The latest stamp of sound or whatever else came, milliseconds.
    beside_ms: i64,
    /// It became one of the other codec, and so ended.
    other_codec: bool,
    /// Packets that came while the stream was probed and were not handed on yet.
    probed: VecDeque<ffmpeg::Packet>,
}

impl Session {
    /// Connects and finds the video. The error is one sentence without credentials.
    pub fn open(request: &SessionRequest) -> Result<Self, String> {
        Self::open_with(request, &[])
    }

    /// As [`Self::open`], with further options of FFmpeg (to listen, what formats are taken).
    pub fn open_with(request: &SessionRequest, more: &[(&str, &str)]) -> Result<Self, String> {
        ffmpeg::init().map_err(|error| format!("FFmpeg cannot start: {error}"))?;
        ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
        let deadline = Arc::new(CallDeadline::within(request.connect_ms));
        let (input, relay) = open_input(request, more, &deadline)?;
        let opened = Opened { input, deadline: deadline.clone() };
        let input = &opened.input;
        let video = input.streams().best(ffmpeg::media::Type::Video);
        let Some(video) = video else {
            let kinds: Vec<String> =
                input.streams().map(|s| format!("{:?}", s.parameters().medium())).collect();
            return Err(format!("no video in it (streams: {})", kinds.join(", ")));
        };
        // A copy: the stream's own would hold the whole connection open for as long as the ring
        // holds a packet of it, and a port that listens could not be opened again.
        let (stream, parameters, time_base) =
            (video.index(), video.parameters().clone(), video.time_base());
        let codec = parameters.id();
        let turn = turn_of(&video);
        if !is_taken(codec) {
            return Err(format!(
                "its video is {codec:?}; H.264 or H.265 is needed (set the camera to H.264)"
            ));
        }
        let request = request.clone();
        let klv = Klv::find(input);
        Ok(Self {
            opened,
            _relay: relay,
            klv,
            stream,
            time_base,
            watch: FormatWatch::new(parameters, time_base, turn),
            change: None,
            before_ms: None,
            deadline,
            stalled: false,
            beside: 0,
            pace: Pace::default(),
            trust: ClockTrust::default(),
            request,
            first_pts: None,
            next_ticks: None,
            timeline: Timeline::default(),
            stuck_clock: StuckClock::new(f64::from(time_base)),
            read_ms: 0,
            beside_ms: 0,
            other_codec: false,
            probed: VecDeque::new(),
        })
    }

    /// The next packet of the video; None at the end of a file. `now` is the wall clock.
    pub fn next(&mut self, now: impl Fn() -> Timestamp) -> Result<Option<Packet>, String> {
        if let Some(packet) = self.probed.pop_front() {
            return self.packet_of(packet, now(), true).map(Some);
        }
        let Some(packet) = self.read()? else { return Ok(None) };
        if !self.timeline.is_begun() && self.is_live() {
            self.catch_up(&packet, &now)?;
        }
        let waited = !self.probed.is_empty();
        self.packet_of(packet, now(), waited).map(Some)
    }

    /// The next packet of the video, as FFmpeg has it.
    fn read(&mut self) -> Result<Option<ffmpeg::Packet>, String> {
        if self.stalled {
            return Err(self.why_stalled());
        }
        self.deadline.set(self.request.stall_ms);
        self.beside = 0;
        begin_call(None);
        loop {
            let mut packet = ffmpeg::Packet::empty();
            match packet.read(&mut self.opened.input) {
                Ok(()) if packet.stream() == self.stream && is_encrypted(&packet) => {
                    return Err("its pictures are encrypted, and nobody here has the key; export it without a password".into());
                }
                Ok(()) if packet.stream() == self.stream => {
                    // The parser holds the latest picture back until the next one begins, and gives it out
                    // when the wait is interrupted.
                    self.stalled = self.is_live() && self.deadline.passed();
                    return Ok(Some(packet));
                }
                Ok(()) => {
                    self.beside += 1;
                    self.note_beside(&packet);
                    // The KLV stream of a program may appear after it began.
                    self.klv = self.klv.take().or_else(|| Klv::find(&self.opened.input));
                    self.klv.iter_mut().for_each(|klv| klv.take(&packet));
                }
                Err(ffmpeg::Error::Eof) => {
                    self.warn_if_short();
                    return Ok(None);
                }
                Err(_) if self.deadline.passed() => return Err(self.why_stalled()),
                Err(error) => {
                    return Err(explain(error, false, self.request.transport, &self.request.url));
                }
            }
            if self.deadline.passed() {
                return Err(self.why_stalled());
            }
            if self.request.stop.is_raised() {
                return Err("stopped".into());
            }
        }
    }

    fn why_stalled(&self) -> String {
        let seconds = self.request.stall_ms / 1000;
        match self.beside {
            0 => format!("timed out: no picture for {seconds} s"),
            _ => format!(
                "timed out: no picture for {seconds} s, while {} packets of sound or metadata came in the same connection",
                self.beside
            ),
        }
    }

    /// Packets of some seconds came while FFmpeg probed the stream, and are all there at once. The first
    /// packet that we have to wait for arrives now; from its time the others get theirs.
    fn catch_up(
        &mut self,
        first: &ffmpeg::Packet,
        now: &impl Fn() -> Timestamp,
    ) -> Result<(), String> {
        let mut anchor = (now(), self.stream_ms(first));
        while self.probed.len() < PROBED_PACKETS_MAX {
            let asked = Instant::now();
            let Some(packet) = self.read()? else { break };
            anchor = (now(), self.stream_ms(&packet));
            self.probed.push_back(packet);
            if asked.elapsed() > WAITED {
                break;
            }
        }
        self.timeline.begin(anchor.0, anchor.1);
        Ok(())
    }

    /// Of the packets now.
    pub(super) fn format(&self) -> Arc<Format> {
        self.watch.format()
    }

    /// Whether no picture came in its time. The latest one may have been held back by the parser until then.
    pub fn has_stalled(&self) -> bool {
        self.deadline.passed()
    }

    /// Whether it ended because it became one of the other codec. What a camera sends is opened anew; a recording is not.
    pub fn became_another(&self) -> bool {
        self.other_codec
    }

    /// What the stream became, if it changed since this was last called: one sentence.
    pub fn take_change(&mut self) -> Option<String> {
        self.change.take()
    }

    /// KLV packets that came with the pictures so far, each with the time of its picture (`now`
    /// for one without a time of its own).
    pub fn take_klv(&mut self, now: Timestamp) -> Vec<(Timestamp, Vec<u8>)> {
        let first_ms = self.first_pts.map(|first| ticks_ms(first, self.time_base));
        let packets = self.klv.as_mut().map(Klv::packets).unwrap_or_default();
        let at = |ms: Option<i64>| {
            let stream_ms = first_ms.zip(ms).map(|(first_ms, ms)| ms - first_ms);
            stream_ms.and_then(|ms| self.timeline.time_of(ms)).unwrap_or(now)
        };
        packets.into_iter().map(|(ms, bytes)| (at(ms), bytes)).collect()
    }

    fn is_live(&self) -> bool {
        self.request.url.contains("://")
    }

    /// Milliseconds since the first packet, by the stream's own clock.
    fn stream_ms(&mut self, packet: &ffmpeg::Packet) -> i64 {
        let pts = packet.pts().or(packet.dts()).unwrap_or(0);
        let first = *self.first_pts.get_or_insert(pts);
        ticks_ms(pts.saturating_sub(first), self.time_base)
    }

    /// Seconds of pictures that were read.
    pub fn pictures_s(&self) -> f64 {
        self.read_ms as f64 / 1000.0
    }

    /// Seconds that were read of a recording, and how many its header says there are.
    pub fn read_of(&self) -> (f64, f64) {
        let says_s = self.opened.input.duration() as f64 / f64::from(ffmpeg::ffi::AV_TIME_BASE);
        let pictures_s = self.pictures_s();
        // Where it does not begin at nought, some formats count the time before its first picture too. And sound that
        // goes on after the last picture was there to be read.
        let begins_s = self.first_pts.map_or(0.0, |first| first as f64 * f64::from(self.time_base));
        let reached = [pictures_s, begins_s + pictures_s, self.beside_ms as f64 / 1000.0];
        let believed = reached.into_iter().filter(|reached_s| *reached_s <= says_s + SHORT_S_MAX);
        (believed.fold(pictures_s, f64::max), says_s)
    }

    /// Warns about a file that is shorter than its header says (it was cut off), or whose pictures are.
    fn warn_if_short(&self) {
        let (read_s, says_s) = self.read_of();
        if self.is_live() {
            return;
        }
        let (clip, pictures_s) = (&self.request.url, self.pictures_s());
        let sound_s = self.beside_ms as f64 / 1000.0;
        if says_s - read_s > SHORT_S_MAX {
            tracing::warn!(clip, "the clip is cut off: {read_s:.1} of its {says_s:.1} s are there");
        } else if self.first_pts == Some(0) && sound_s - pictures_s > SOUND_ALONE_S {
            tracing::warn!(
                clip,
                "its pictures end at {pictures_s:.1} s; its sound goes on to {sound_s:.1} s"
            );
        }
    }

    fn note_beside(&mut self, packet: &ffmpeg::Packet) {
        let stream = self.opened.input.stream(packet.stream());
        let base = stream.map(|stream| stream.time_base());
        let ms = base.zip(packet.pts()).map(|(base, pts)| ticks_ms(pts, base));
        self.beside_ms = self.beside_ms.max(ms.unwrap_or(0));
    }

    /// Recorders leave time stamps out, here and there or everywhere (a bare H.264 file): such a packet
    /// belongs behind the one before it.
    fn date(&self, packet: &mut ffmpeg::Packet) {
        if packet.duration() <= 0 {
            let base = self.time_base;
            let a_second = i64::from(base.denominator()) / i64::from(base.numerator().max(1));
            packet.set_duration(a_second / PICTURES_A_SECOND);
        }
        if packet.pts().or(packet.dts()).is_none() {
            packet.set_dts(Some(self.next_ticks.unwrap_or(0)));
        }
    }

    /// Stamps of a recording that stick are made to go on.
    fn put_recorded_right(&mut self, packet: &mut ffmpeg::Packet) {
        let Some(stamp) = packet.dts().or(packet.pts()) else { return };
        let right = self.stuck_clock.put_right(stamp, packet.duration());
        if right.begins {
            let (clip, at_s) = (&self.request.url, self.pictures_s());
            tracing::warn!(
                clip,
                "its time stamps stick at {at_s:.1} s; from there on its pictures are dated by how long each lasts"
            );
        }
        let later = |ticks: i64| ticks.saturating_add(right.shift);
        if let Some(lasts) = right.lasts {
            packet.set_pts(Some(later(stamp)));
            packet.set_dts(Some(later(stamp)));
            packet.set_duration(lasts);
        } else if right.shift != 0 {
            packet.set_pts(packet.pts().map(later));
            packet.set_dts(packet.dts().map(later));
        }
    }

    /// A recording whose time stamps begin anew in its midst (parts in a row) goes on where it was, or
    /// what comes next would be of a time that is over. Returns the time of this packet.
    fn goes_on(&mut self, packet: &ffmpeg::Packet) -> i64 {
        if let (Some(first), Some(next), Some(ticks)) =
            (self.first_pts, self.next_ticks, packet.pts().or(packet.dts()))
        {
            self.first_pts = Some(ticks.saturating_sub(next.saturating_sub(first)));
        }
        self.stream_ms(packet)
    }

    /// Adds the source time, which follows the stream's own steps, so that network jitter does not
    /// show. `waited`: it lay in the probing, so its arrival means nothing.
    fn packet_of(
        &mut self,
        mut packet: ffmpeg::Packet,
        now: Timestamp,
        waited: bool,
    ) -> Result<Packet, String> {
        self.date(&mut packet);
        let live = self.is_live();
        if !live {
            self.put_recorded_right(&mut packet);
        }
        let mut stream_ms = self.stream_ms(&packet);
        let mut step = self.before_ms.map_or(0, |before| stream_ms - before);
        if live {
            stream_ms = self.put_right(&mut packet, stream_ms, waited, &mut step);
        } else if step < -STEP_MS_MAX {
            stream_ms = self.goes_on(&packet);
        }
        self.before_ms = Some(stream_ms);
        let duration = packet.duration().max(1);
        self.next_ticks = packet.dts().or(packet.pts()).map(|ticks| ticks.saturating_add(duration));
        self.read_ms = self.read_ms.max(stream_ms);
        if let Some(change) = self.watch.check(&packet) {
            self.change = Some(change);
        } else if step.abs() > STEP_MS_MAX {
            self.watch.split();
            self.change = Some(format!("its clock stepped by {:.1} s", step as f64 / 1000.0));
        }
        let at = self.timeline.at(stream_ms, now, live && !waited);
        // A camera clock that is right gives a time without the delay of the network. One that is wrong
        // is only reported: a time that jumped with the first sender report would look like dwell.
        let device = reference_time(&packet).filter(|_| !self.pace.is_own());
        let near = device.filter(|device| {
            let off_ms = device.duration_since(at).as_millis();
            live && self.trust.believes(i64::try_from(off_ms).unwrap_or(i64::MAX))
        });
        let at = near.unwrap_or(at);
        let format = self.watch.format();
        let access = format.syntax().access(packet.data().unwrap_or_default(), packet.is_key());
        if access.other_codec {
            self.other_codec = true;
            let codec = if format.is_hevc() { "H.264" } else { "H.265" };
            return Err(format!("its video became {codec} in its midst"));
        }
        let (key, refresh) = (access.key, access.refresh);
        Ok(Packet { at, device, key, refresh, bytes: packet.size(), stream_ms, format, packet })
    }

    /// The stamps of a live packet as they should be; returns its stream time. `step` is how far its
    /// clock stepped, if it did.
    fn put_right(
        &mut self,
        packet: &mut ffmpeg::Packet,
        stamp_ms: i64,
        waited: bool,
        step: &mut i64,
    ) -> i64 {
        let arrival_ms = self.deadline.elapsed_ms();
        let (stream_ms, odd) = self.pace.put_right(stamp_ms, arrival_ms, waited);
        let shift = ms_ticks(stream_ms - stamp_ms, self.time_base);
        let pts = packet.pts().or(packet.dts()).map(|ticks| ticks.saturating_add(shift));
        if self.pace.is_own() {
            packet.set_pts(pts);
            packet.set_dts(pts);
        } else if shift != 0 {
            let dts = packet.dts().map(|ticks| ticks.saturating_add(shift));
            packet.set_pts(pts);
            packet.set_dts(dts);
        }
        *step = 0;
        match odd {
            Some(Odd::Stepped(by)) => *step = by,
            Some(Odd::Rate(percent)) => {
                self.change = Some(format!(
                    "its time stamps run at {percent} % of real time; its pictures are dated by their arrival"
                ));
            }
            Some(Odd::Right) => self.change = Some("its time stamps are right again".into()),
            None => {}
        }
        stream_ms
    }
}

fn is_taken(codec: ffmpeg::codec::Id) -> bool {
    matches!(codec, ffmpeg::codec::Id::H264 | ffmpeg::codec::Id::HEVC)
}

/// Whether it says so itself: what is coded in it looks like damage.
fn is_encrypted(packet: &ffmpeg::Packet) -> bool {
    packet.side_data().any(|data| data.kind() == ffmpeg::packet::side_data::Type::EncryptionInfo)
}

/// Wall time that FFmpeg made of RTCP sender reports: an `AVProducerReferenceTime`, whose first
/// field is microseconds since 1970 (libavutil, avcodec/defs.h).
fn reference_time(packet: &ffmpeg::Packet) -> Option<Timestamp> {
    let found =
        packet.side_data().find(|data| data.kind() == ffmpeg::packet::side_data::Type::PRFT)?;
    let micros = i64::from_ne_bytes(found.data().get(..8)?.try_into().ok()?);
    Timestamp::from_microsecond(micros).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mp4");
        std::fs::write(&path, "not a video").unwrap();
        let request = |url: &str| SessionRequest {
            url: url.into(),
            transport: "tcp",
            connect_ms: 2_000,
            stall_ms: 2_000,
            stop: crate::domain::StopFlag::default(),
        };
        let error = Session::open(&request(&path.to_string_lossy())).err().unwrap();
        assert_eq!(error, "is not a video that can be read");
    }
}
