//! One connection to a camera (or one reading of a file): packets with their time, until it breaks.
//!
//! **I5** A credential is never printed. The url of a stream may hold a password, so `redact` takes
//! it out before a url goes to the log; what is said of a failed request to a sink leaves its url
//! out (`sinks/http/link.rs`); a difference between two configurations names keys and no values
//! (`config/diff.rs`). All other secrets are read from files, and messages name the file.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ffmpeg_next as ffmpeg;
use jiff::Timestamp;

use super::{
    format::{Format, FormatWatch, ticks_ms},
    klv::Klv,
    timeline::Timeline,
};
use crate::domain::StopFlag;

/// When stream time steps back or forward by more than this, a new run begins: a clip cannot span it.
const STEP_MS_MAX: i64 = 5_000;

/// A camera's clock within this of ours is believed for the time of its pictures.
const TRUST_MS_MAX: i64 = 2_000;

/// A file may end this much before what its header says.
const SHORT_S_MAX: f64 = 2.0;

/// Packets of the probing, at most: ten seconds at 50 pictures a second.
const PROBED_PACKETS_MAX: usize = 500;
/// A packet that took longer to come was not in the socket already.
const WAITED: Duration = Duration::from_millis(8);

/// What to open, and the time-outs.
#[derive(Clone)]
pub struct SessionRequest {
    /// With credentials; never printed.
    pub url: String,
    /// `tcp` or `udp`, for RTSP.
    pub transport: &'static str,
    /// For connecting and finding the video.
    pub connect_ms: u64,
    /// For one packet.
    pub stall_ms: u64,
    /// Raised: every call returns soon.
    pub stop: StopFlag,
}

#[cfg(test)]
impl SessionRequest {
    /// A recording, as tests read it.
    pub(crate) fn of_clip(path: &std::path::Path) -> Self {
        let url = path.display().to_string();
        let stop = StopFlag::default();
        Self { url, transport: "tcp", connect_ms: 10_000, stall_ms: 10_000, stop }
    }
}

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
    /// A key frame.
    pub key: bool,
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
    /// The run that it belongs to.
    pub fn run(&self) -> Run {
        Run(self.format.clone())
    }

    /// Width and height of its picture, pixels; 0 where the stream does not say.
    pub fn picture_size(&self) -> (u32, u32) {
        let (width, height) = self.format.parameters.size();
        (u32::try_from(width).unwrap_or(0), u32::try_from(height).unwrap_or(0))
    }
}

/// Shared with FFmpeg's interrupt callback: no call blocks beyond the deadline or a stop.
struct CallDeadline {
    started: Instant,
    by_ms: AtomicU64,
}

impl CallDeadline {
    fn set(&self, in_ms: u64) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.by_ms.store(now.saturating_add(in_ms), Ordering::Relaxed);
    }
    fn passed(&self) -> bool {
        self.started.elapsed().as_millis() > u128::from(self.by_ms.load(Ordering::Relaxed))
    }
}

/// A connection, or a file that is read.
pub struct Session {
    input: ffmpeg::format::context::Input,
    klv: Option<Klv>,
    stream: usize,
    time_base: ffmpeg::Rational,
    watch: FormatWatch,
    /// What the stream became, until it is asked for.
    change: Option<String>,
    /// Stream time of the packet before, milliseconds.
    before_ms: Option<i64>,
    deadline: Arc<CallDeadline>,
    request: SessionRequest,
    first_pts: Option<i64>,
    timeline: Timeline,
    /// Stream time of the latest picture read, milliseconds.
    read_ms: i64,
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
        let deadline = Arc::new(CallDeadline {
            started: Instant::now(),
            by_ms: AtomicU64::new(request.connect_ms),
        });
        let mut options = ffmpeg::Dictionary::new();
        // The frame rate is not used here, and FFmpeg would wait for twenty pictures to find it out.
        options.set("fpsprobesize", "0");
        if request.url.starts_with("rtsp") {
            options.set("rtsp_transport", request.transport);
            options.set("max_delay", "500000");
        }
        more.iter().for_each(|(key, value)| options.set(key, value));
        let (watch, stop) = (deadline.clone(), request.stop.clone());
        let interrupt = move || stop.is_raised() || watch.passed();
        let input =
            ffmpeg::format::input_with_interrupt_and_dictionary(&request.url, interrupt, options)
                .map_err(|error| explain(error, &deadline, &request.url))?;
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
        if !matches!(codec, ffmpeg::codec::Id::H264 | ffmpeg::codec::Id::HEVC) {
            return Err(format!(
                "its video is {codec:?}; H.264 or H.265 is needed (set the camera to H.264)"
            ));
        }
        let request = request.clone();
        let klv = Klv::find(&input);
        Ok(Self {
            input,
            klv,
            stream,
            time_base,
            watch: FormatWatch::new(parameters, time_base),
            change: None,
            before_ms: None,
            deadline,
            request,
            first_pts: None,
            timeline: Timeline::default(),
            read_ms: 0,
            probed: VecDeque::new(),
        })
    }

    /// The next packet of the video; None at the end of a file. `now` is the wall clock.
    pub fn next(&mut self, now: impl Fn() -> Timestamp) -> Result<Option<Packet>, String> {
        if let Some(packet) = self.probed.pop_front() {
            return Ok(Some(self.packet_of(packet, now(), true)));
        }
        let Some(packet) = self.read()? else { return Ok(None) };
        if !self.timeline.is_begun() && self.is_live() {
            self.catch_up(&packet, &now)?;
        }
        let waited = !self.probed.is_empty();
        Ok(Some(self.packet_of(packet, now(), waited)))
    }

    fn read(&mut self) -> Result<Option<ffmpeg::Packet>, String> {
        loop {
            self.deadline.set(self.request.stall_ms);
            let mut packet = ffmpeg::Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.stream => return Ok(Some(packet)),
                Ok(()) => {
                    // The KLV stream of a program may appear after it began.
                    self.klv = self.klv.take().or_else(|| Klv::find(&self.input));
                    self.klv.iter_mut().for_each(|klv| klv.take(&packet));
                }
                Err(ffmpeg::Error::Eof) => {
                    self.warn_if_short();
                    return Ok(None);
                }
                Err(error) => return Err(explain(error, &self.deadline, &self.request.url)),
            }
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
        ticks_ms(pts - first, self.time_base)
    }

    /// Warns about a file that is shorter than its header says: it was cut off.
    fn warn_if_short(&self) {
        let says_s = self.input.duration() as f64 / f64::from(ffmpeg::ffi::AV_TIME_BASE);
        let read_s = self.read_ms as f64 / 1000.0;
        if !self.is_live() && says_s - read_s > SHORT_S_MAX {
            let clip = &self.request.url;
            tracing::warn!(clip, "the clip is cut off: {read_s:.1} of its {says_s:.1} s are there");
        }
    }

    /// Adds the source time, which follows the stream's own steps, so that network jitter does not
    /// show. `waited`: it lay in the probing, so its arrival means nothing.
    fn packet_of(&mut self, packet: ffmpeg::Packet, now: Timestamp, waited: bool) -> Packet {
        let stream_ms = self.stream_ms(&packet);
        self.read_ms = self.read_ms.max(stream_ms);
        let step = self.before_ms.replace(stream_ms).map_or(0, |before| stream_ms - before);
        if let Some(change) = self.watch.check(&packet) {
            self.change = Some(change);
        } else if step.abs() > STEP_MS_MAX {
            self.watch.split();
            self.change = Some(format!("its clock stepped by {:.1} s", step as f64 / 1000.0));
        }
        let live = self.is_live();
        let at = self.timeline.at(stream_ms, now, live && !waited);
        // A camera clock that is right gives a time without the delay of the network. One that is wrong
        // is only reported: a time that jumped with the first sender report would look like dwell.
        let device = reference_time(&packet);
        let near = device.filter(|device| {
            live && device.duration_since(at).abs().as_millis() <= i128::from(TRUST_MS_MAX)
        });
        let at = near.unwrap_or(at);
        let format = self.watch.format();
        Packet { at, device, key: packet.is_key(), bytes: packet.size(), stream_ms, format, packet }
    }
}

/// Wall time that FFmpeg made of RTCP sender reports: an `AVProducerReferenceTime`, whose first
/// field is microseconds since 1970 (libavutil, avcodec/defs.h).
fn reference_time(packet: &ffmpeg::Packet) -> Option<Timestamp> {
    let found =
        packet.side_data().find(|data| data.kind() == ffmpeg::packet::side_data::Type::PRFT)?;
    let micros = i64::from_ne_bytes(found.data().get(..8)?.try_into().ok()?);
    Timestamp::from_microsecond(micros).ok()
}

fn explain(error: ffmpeg::Error, deadline: &CallDeadline, url: &str) -> String {
    let server = url.starts_with("rtsp");
    match error {
        _ if deadline.passed() => "timed out".into(),
        ffmpeg::Error::HttpUnauthorized => "401: user name or password is wrong or missing".into(),
        ffmpeg::Error::HttpForbidden => "403: not allowed with this user".into(),
        ffmpeg::Error::HttpNotFound => "404: the camera has no stream of this path".into(),
        ffmpeg::Error::InvalidData if server => {
            "answers, but not with RTSP that can be read".into()
        }
        ffmpeg::Error::InvalidData => "is not a video that can be read".into(),
        other => other.to_string(),
    }
}

/// A url as it may be printed: without user and password.
pub fn redact(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.has_host() => {
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            parsed.to_string()
        }
        _ => match url.split_once("://").zip(url.rsplit_once('@')) {
            Some(((scheme, _), (_, tail))) => format!("{scheme}://{tail}"),
            None => url.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_credentials_never_show() {
        assert_eq!(redact("rtsp://u:p%40ss@192.0.2.1:554/a?b=1"), "rtsp://192.0.2.1:554/a?b=1");
        assert_eq!(redact("rtsp://u:p@ss@[bad/a"), "rtsp://[bad/a");
        assert_eq!(redact("clip.mp4"), "clip.mp4");
    }

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
            stop: StopFlag::default(),
        };
        let error = Session::open(&request(&path.to_string_lossy())).err().unwrap();
        assert_eq!(error, "is not a video that can be read");
    }
}
