//! What a stream is, looked at once from outside: codec, rate, key frames, the camera's clock, one picture.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    decode::{ColorConverter, Decoder},
    session::{Packet, Session},
    session_open::SessionRequest,
    snapshot::{Hidden, snapshot},
};
use crate::domain::Shot;

/// Two key frames and so much of the stream say what there is to say.
const ENOUGH_MS: i64 = 3_000;
/// More is not looked at, whatever the stream does.
const PACKETS_MAX: u64 = 2_000;

/// One stream, as far as it was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamSeen {
    /// `H.264` or `H.265`.
    pub codec: &'static str,
    /// Pixels; 0 where the stream does not say.
    pub size: (u32, u32),
    /// Pictures a second; none where fewer than two were seen.
    pub fps: Option<f64>,
    pub kbit_s: Option<f64>,
    /// Between its two latest key frames; none where fewer were seen.
    pub gop_s: Option<f64>,
    /// In all.
    pub key_frames: u64,
    /// Coded without key frames, a part of the picture at a time.
    pub refreshes: bool,
    /// The camera's own clock (RTCP) minus ours.
    pub clock_offset_s: Option<f64>,
    /// Seconds of the stream that were looked at.
    pub seconds: f64,
    /// One key frame, on the processor.
    pub decode_ms: Option<f64>,
    /// That picture as JPEG, or why there is none.
    pub jpeg: Option<Result<Vec<u8>, String>>,
}

/// Connects, looks for at most `within` of the stream, and leaves; what is `private` is black in the picture. The
/// error is one sentence without credentials.
pub fn see(
    request: &SessionRequest,
    private: &[Vec<[f32; 2]>],
    within: Duration,
    now: impl Fn() -> Timestamp,
) -> Result<StreamSeen, String> {
    let mut session = Session::open(request)?;
    let began = Instant::now();
    let mut sums = Sums::default();
    while began.elapsed() < within && sums.packets < PACKETS_MAX {
        match session.next(&now) {
            Ok(Some(packet)) => sums.take(packet, &now),
            Ok(None) => break,
            // What came before the end says enough.
            Err(reason) if sums.packets == 0 => return Err(reason),
            Err(_) => break,
        }
        if sums.key_frames >= 2 && sums.length_ms() >= ENOUGH_MS {
            break;
        }
    }
    drop(session);
    sums.told(private)
}

#[derive(Default)]
struct Sums {
    packets: u64,
    bytes: usize,
    first_ms: i64,
    last_ms: i64,
    key_frames: u64,
    last_key_ms: Option<i64>,
    gop_ms: Option<i64>,
    refreshes: bool,
    clock_offset_s: Option<f64>,
    key: Option<Packet>,
    latest: Option<Packet>,
}

impl Sums {
    fn take(&mut self, packet: Packet, now: &impl Fn() -> Timestamp) {
        if self.packets == 0 {
            self.first_ms = packet.stream_ms;
        }
        self.last_ms = self.last_ms.max(packet.stream_ms);
        self.packets += 1;
        self.bytes += packet.bytes;
        self.refreshes |= packet.refresh.is_some();
        if packet.key {
            self.key_frames += 1;
            let before = self.last_key_ms.replace(packet.stream_ms);
            self.gop_ms = before.map(|before| packet.stream_ms - before).or(self.gop_ms);
            if let Some(device) = packet.device {
                self.clock_offset_s = Some(device.duration_since(now()).as_secs_f64());
            }
            self.key = Some(packet.clone());
        }
        self.latest = Some(packet);
    }

    fn length_ms(&self) -> i64 {
        self.last_ms - self.first_ms
    }

    fn told(self, private: &[Vec<[f32; 2]>]) -> Result<StreamSeen, String> {
        let Some(latest) = &self.latest else {
            return Err("it ended before its first picture".into());
        };
        let seconds = self.length_ms() as f64 / 1000.0;
        let rate = |amount: f64| (self.packets > 1 && seconds > 0.0).then(|| amount / seconds);
        let shown = self.key.as_ref().map(|packet| key_frame(packet, private));
        let (decode_ms, jpeg) = match shown {
            Some(Ok((ms, jpeg))) => (Some(ms), Some(Ok(jpeg))),
            Some(Err(reason)) => (None, Some(Err(reason))),
            None => (None, None),
        };
        Ok(StreamSeen {
            codec: latest.codec(),
            size: latest.picture_size(),
            fps: rate(self.packets as f64 - 1.0),
            kbit_s: rate(self.bytes as f64 * 8.0 / 1000.0),
            gop_s: self.gop_ms.map(|ms| ms as f64 / 1000.0),
            key_frames: self.key_frames,
            refreshes: self.refreshes,
            clock_offset_s: self.clock_offset_s,
            seconds,
            decode_ms,
            jpeg,
        })
    }
}

/// Milliseconds of its decoding, and the picture.
fn key_frame(packet: &Packet, private: &[Vec<[f32; 2]>]) -> Result<(f64, Vec<u8>), String> {
    let mut decoder = Decoder::of(packet)?;
    let began = Instant::now();
    let frame = decoder.decode_key_frame(packet)?;
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    let picture = ColorConverter::default().picture(&frame)?;
    let shot =
        Shot { picture, boxes: Vec::new(), people: Vec::new(), others: Vec::new(), quality: 0.0 };
    let hidden = Hidden { blur: false, private: private.to_vec(), faces: Vec::new() };
    Ok((ms, snapshot(&shot, &hidden)?.general))
}
