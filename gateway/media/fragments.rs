//! The packets of one run as fragments of an MP4, each picture as soon as it is there; nothing is coded anew.
//!
//! The head (`ftyp`, `moov`) is FFmpeg's, which knows every codec's parameter sets. The fragments (`moof`,
//! `mdat`; ISO/IEC 14496-12, 8.8) are written here: FFmpeg's muxer gives a picture out when the next one
//! has come, and live that is one picture late.
//!
//! How long a picture is shown is not known before the next one comes. It is said to be three times as
//! long as the one before: a player that is told less drops everything up to the next key frame when a
//! picture comes late (Media Source Extensions, coded frame processing). Where a gap is longer than what
//! was said, the clock of the fragments leaves it out.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use ffmpeg_next as ffmpeg;

use super::{ffi, format::Format, session::Packet};
use crate::domain::{LiveHead, LivePicture};

/// Bytes of a `moof` with one sample, and of the head of the `mdat` behind it.
const MOOF_BYTES: u32 = 104;
const MDAT_HEAD_BYTES: u32 = 8;
/// A picture is said to be shown so many times as long as the one before.
const SPARE: i64 = 3;
/// Sample flags: depends on no other; depends on others, and is no key frame.
const KEY_FLAGS: u32 = 0x0200_0000;
const OTHER_FLAGS: u32 = 0x0101_0000;
/// Pictures a second where nothing says how many there are.
const USUAL_RATE: i64 = 25;

/// Makes the fragments of one run.
pub struct Fragmenter {
    format: Arc<Format>,
    /// Of the lengths before each unit; `None`: start codes, which a browser does not take.
    length_bytes: Option<usize>,
    timescale: i64,
    /// Decode time of the packet before, in its own ticks, and in the fragments.
    before: Option<(i64, i64)>,
    /// Between pictures, ticks of the fragments.
    step: i64,
    sequence: u32,
}

impl Fragmenter {
    /// For the run that begins, or is joined, with this packet. The error is one sentence.
    pub fn begin(packet: &Packet) -> Result<(Self, LiveHead), String> {
        let format = packet.format.clone();
        if format.parameters.header().is_empty() {
            return Err("the stream has not said its parameter sets yet".into());
        }
        let (init, timescale) = init_of(&format)?;
        let codec = codec_of(&init).ok_or("its codec cannot be named for a browser")?;
        let (width, height) = packet.picture_size();
        let head = LiveHead { codec, width, height, timescale, init };
        let timescale = i64::from(timescale);
        let length_bytes = format.syntax().length_bytes;
        let step = timescale / USUAL_RATE;
        Ok((Self { format, length_bytes, timescale, before: None, step, sequence: 0 }, head))
    }

    /// Whether this packet is of its run.
    pub fn fits(&self, packet: &Packet) -> bool {
        Arc::ptr_eq(&self.format, &packet.format)
    }

    /// The fragment with this picture; packets come in the order of decoding.
    pub fn picture(&mut self, packet: &Packet) -> LivePicture {
        let own = &packet.packet;
        let stamp = own.dts().or(own.pts()).unwrap_or(0);
        let decoded = match self.before {
            None => 0,
            Some((before, at)) => {
                let step = self.scaled(stamp.saturating_sub(before));
                let said = self.step * SPARE;
                if (1..=said * 2).contains(&step) {
                    self.step = step;
                }
                at + step.clamp(1, said)
            }
        };
        self.before = Some((stamp, decoded));
        let later = own.pts().map_or(0, |pts| self.scaled(pts.saturating_sub(stamp)).max(0));
        let key = packet.key || packet.refresh.is_some();
        let bytes = self.fragment(decoded, later, key, own.data().unwrap_or_default());
        let media_ms = (decoded + later) * 1000 / self.timescale.max(1);
        LivePicture { key, media_ms, at: packet.at, bytes }
    }

    /// Ticks of the stream in those of the fragments.
    fn scaled(&self, ticks: i64) -> i64 {
        let base = self.format.time_base;
        let scaled = i128::from(ticks) * i128::from(base.numerator()) * i128::from(self.timescale);
        i64::try_from(scaled / i128::from(base.denominator().max(1))).unwrap_or(0)
    }

    fn fragment(&mut self, decoded: i64, later: i64, key: bool, data: &[u8]) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1);
        let mut out = BytesMut::with_capacity(data.len() + 256);
        let tick = |ticks: i64| u32::try_from(ticks).unwrap_or(0);
        boxed(&mut out, MOOF_BYTES, b"moof");
        full_box(&mut out, 16, b"mfhd", 0);
        out.put_u32(self.sequence);
        boxed(&mut out, MOOF_BYTES - 24, b"traf");
        // Offsets count from the `moof`.
        full_box(&mut out, 16, b"tfhd", 0x02_0000);
        out.put_u32(1);
        full_box(&mut out, 20, b"tfdt", 0x0100_0000);
        out.put_u64(u64::try_from(decoded).unwrap_or(0));
        // Version 1; offset of the data, and of the sample its duration, size, flags and time to wait.
        full_box(&mut out, 36, b"trun", 0x0100_0f01);
        out.put_u32(1);
        out.put_u32(MOOF_BYTES + MDAT_HEAD_BYTES);
        out.put_u32(tick(self.step * SPARE));
        let size_at = out.len();
        out.put_u32(0);
        out.put_u32(if key { KEY_FLAGS } else { OTHER_FLAGS });
        out.put_u32(tick(later));
        let mdat_at = out.len();
        boxed(&mut out, 0, b"mdat");
        let data_at = out.len();
        match self.length_bytes {
            Some(_) => out.put_slice(data),
            None => put_units(&mut out, data),
        }
        let size = u32::try_from(out.len() - data_at).unwrap_or(0);
        out[size_at..size_at + 4].copy_from_slice(&size.to_be_bytes());
        out[mdat_at..mdat_at + 4].copy_from_slice(&(size + MDAT_HEAD_BYTES).to_be_bytes());
        out.freeze()
    }
}

fn boxed(out: &mut BytesMut, size: u32, name: &[u8; 4]) {
    out.put_u32(size);
    out.put_slice(name);
}

/// `word`: version in the upper byte, flags below.
fn full_box(out: &mut BytesMut, size: u32, name: &[u8; 4], word: u32) {
    boxed(out, size, name);
    out.put_u32(word);
}

/// Units behind start codes, each with its length in four bytes instead.
fn put_units(out: &mut BytesMut, data: &[u8]) {
    let mut begin = start_code(data, 0);
    while let Some(code) = begin {
        let from = code + 3;
        let next = start_code(data, from);
        let unit = &data[from..next.unwrap_or(data.len())];
        // Zeros before a start code belong to it.
        let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if let Ok(length @ 1..) = u32::try_from(end) {
            out.put_u32(length);
            out.put_slice(&unit[..end]);
        }
        begin = next;
    }
}

/// Where the next `00 00 01` begins; most bytes are passed over three at a time.
fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(&third) = data.get(at + 2) {
        match third {
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            0 => at += 1,
            _ => at += 3,
        }
    }
    None
}

/// Where the muxer writes to.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The head of an MP4 of this format, and its ticks a second.
fn init_of(format: &Format) -> Result<(Bytes, u32), String> {
    let failed = |error: ffmpeg::Error| format!("it cannot be put into an MP4: {error}");
    let written = Written::default();
    let to = ffmpeg::format::context::StreamIo::from_write(written.clone()).map_err(failed)?;
    let mut output = ffmpeg::format::output_to_stream(to, None, Some("mp4")).map_err(failed)?;
    {
        let none = ffmpeg::encoder::find(ffmpeg::codec::Id::None);
        let mut stream = output.add_stream(none).map_err(failed)?;
        stream.set_parameters(format.parameters.get().clone());
        stream.set_time_base(format.time_base);
        ffi::set_mp4_tag(&mut stream);
        if !format.turn.is_none() {
            ffi::set_matrix(&mut stream, &format.turn.matrix());
        }
    }
    let mut options = ffmpeg::Dictionary::new();
    options.set("movflags", "empty_moov+default_base_moof+frag_custom");
    output.write_header_with(options).map_err(failed)?;
    let timescale = output.stream(0).map_or(0, |stream| stream.time_base().denominator());
    let timescale = u32::try_from(timescale).ok().filter(|ticks| *ticks > 0);
    // What lies in its buffer comes when it goes.
    drop(output);
    let bytes = std::mem::take(&mut *written.0.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((bytes.into(), timescale.ok_or("it has no clock")?))
}

/// The name of the codec for a browser (RFC 6381), from the parameter sets in the head.
fn codec_of(init: &[u8]) -> Option<String> {
    let inside = |name: &[u8; 4]| {
        let at = init.windows(4).position(|four| four == name)?;
        init.get(at + 4..)
    };
    if let Some([1, profile, limits, level, ..]) = inside(b"avcC") {
        return Some(format!("avc1.{profile:02X}{limits:02X}{level:02X}"));
    }
    let [1, rest @ ..] = inside(b"hvcC")? else { return None };
    let (first, rest) = rest.split_first()?;
    let (compatible, rest) = rest.split_first_chunk::<4>()?;
    let (limits, rest) = rest.split_first_chunk::<6>()?;
    let level = rest.first()?;
    let space = ["", "A", "B", "C"][usize::from(first >> 6)];
    let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
    let compatible = u32::from_be_bytes(*compatible).reverse_bits();
    let mut name = format!("hvc1.{space}{}.{compatible:X}.{tier}{level}", first & 0x1f);
    let used = limits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    limits[..used].iter().for_each(|byte| name.push_str(&format!(".{byte:X}")));
    Some(name)
}

/// Units behind start codes as they come out, for tests.
#[cfg(test)]
pub(super) fn units_of(data: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_units(&mut out, data);
    out.to_vec()
}
