//! Packets become frames; frames become pictures or a picture in little. Only what is needed is converted.

#[cfg(test)]
mod tests_nv12;

use std::{collections::VecDeque, sync::Arc};

use ffmpeg::{format::Pixel, software::scaling};
use ffmpeg_next as ffmpeg;
use gridpost_pixels::{Turn, turn_plane};
use jiff::Timestamp;

use super::{
    ffi::{Planar, Scaler},
    format::Format,
    hw::{HwDevice, On},
    session::{Packet, Session},
};
use crate::domain::{Luma, Picture, Pixels, Planes};

/// Pictures inside the decoder whose time is remembered.
const PENDING_MAX: usize = 64;

/// Source time, and what the camera's own clock said.
type Times = (Timestamp, Option<Timestamp>);

/// How much of the loop filter (a fifth of the time of decoding) is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopFilter {
    /// It is left out where no other picture is made from the result.
    Safe,
    /// It is left out everywhere: a little blocky, and the error adds up until the next key frame.
    None,
}

/// A decoder of one camera's video, on the processor or on a device.
pub struct Decoder {
    decoder: ffmpeg::decoder::Video,
    format: Arc<Format>,
    converter: ColorConverter,
    times: VecDeque<(i64, Times)>,
    /// The device it is on; None: the processor.
    on: Option<On>,
}

/// Converts frames to pictures in colour.
#[derive(Default)]
pub struct ColorConverter {
    scaler: Option<Scaler>,
    /// The last result, whose memory the next one uses.
    rgb: Option<ffmpeg::frame::Video>,
}

/// One decoded picture, as the decoder made it.
#[derive(Clone)]
pub struct Frame {
    inner: Arc<Planar>,
    /// Source time.
    pub at: Timestamp,
    /// What the camera's own clock said of it, if it did.
    pub device: Option<Timestamp>,
}

impl Decoder {
    /// For the stream of this session, on the processor.
    pub fn new(session: &Session) -> Result<Self, String> {
        Self::of_format(&session.format())
    }

    /// A decoder for the run of packets that this one belongs to.
    pub fn of(packet: &Packet) -> Result<Self, String> {
        Self::of_format(&packet.format)
    }

    /// Likewise, on a device.
    pub(super) fn of_device(packet: &Packet, device: &Arc<HwDevice>) -> Result<Self, String> {
        let format = &packet.format;
        let decoder = device.decoder(format.parameters.get())?;
        Ok(Self::new_with(format, decoder, Some(On::new(device))))
    }

    fn of_format(format: &Arc<Format>) -> Result<Self, String> {
        let decoder = ffmpeg::codec::Context::from_parameters(format.parameters.get().clone())
            .and_then(|context| context.decoder().video())
            .map_err(|error| format!("no decoder: {error}"))?;
        Ok(Self::new_with(format, decoder, None))
    }

    fn new_with(format: &Arc<Format>, decoder: ffmpeg::decoder::Video, on: Option<On>) -> Self {
        let mut decoder = Self {
            decoder,
            format: format.clone(),
            converter: ColorConverter::default(),
            times: VecDeque::new(),
            on,
        };
        decoder.filter(LoopFilter::Safe);
        decoder
    }

    /// The device that it is on, if it is on one.
    pub(super) fn on(&mut self) -> Option<&mut On> {
        self.on.as_mut()
    }

    /// Whether it is on this device; `None` is the processor.
    pub(super) fn is_on(&self, device: Option<&Arc<HwDevice>>) -> bool {
        match (&self.on, device) {
            (None, None) => true,
            (Some(on), Some(device)) => Arc::ptr_eq(&on.device, device),
            _ => false,
        }
    }

    /// Whether packets of this run can be given to it.
    pub fn fits(&self, packet: &Packet) -> bool {
        Arc::ptr_eq(&self.format, &packet.format)
    }

    /// Whether it was opened for the same parameters, though for another run or camera.
    pub fn is_like(&self, packet: &Packet) -> bool {
        self.fits(packet) || self.format.is_same_as(&packet.format)
    }

    /// Sets how much of the loop filter is left out, from the next picture on.
    pub fn filter(&mut self, filter: LoopFilter) {
        self.decoder.skip_loop_filter(match filter {
            LoopFilter::Safe => ffmpeg::codec::discard::Discard::NonReference,
            LoopFilter::None => ffmpeg::codec::discard::Discard::All,
        });
    }

    /// Whether pictures come out that are not whole: what came before is missing, as where a stream has
    /// no key frame. They build up.
    pub fn show_partial(&mut self, shows: bool) {
        let flag = ffmpeg::codec::Flags::OUTPUT_CORRUPT;
        self.decoder.set_flags(if shows { flag } else { ffmpeg::codec::Flags::empty() });
    }

    /// Forgets what it has; what comes next begins with a key frame.
    pub fn begin(&mut self, packet: &Packet) {
        self.decoder.flush();
        self.show_partial(false);
        self.times.clear();
        self.format = packet.format.clone();
    }

    /// Gives it a packet. A corrupt one is an error; the decoder goes on with the next.
    pub fn send(&mut self, packet: &Packet) -> Result<(), String> {
        let pts = packet.packet.pts().or(packet.packet.dts()).unwrap_or(0);
        self.times.push_back((pts, (packet.at, packet.device)));
        if self.times.len() > PENDING_MAX {
            self.times.pop_front();
        }
        self.decoder.send_packet(&packet.packet).map_err(|error| {
            self.on.iter_mut().for_each(|on| on.note_error(error));
            error.to_string()
        })
    }

    /// The next picture that is ready; `None` when it needs more packets.
    pub fn receive(&mut self) -> Option<Frame> {
        let mut inner = ffmpeg::frame::Video::empty();
        if let Err(error) = self.decoder.receive_frame(&mut inner) {
            self.on.iter_mut().for_each(|on| on.note_error(error));
            return None;
        }
        if let Some(on) = &mut self.on {
            inner = on.fetch(inner)?;
        }
        let last = self.times.back().map_or((Timestamp::UNIX_EPOCH, None), |(_, times)| *times);
        let (at, device) = inner
            .pts()
            .and_then(|pts| self.times.iter().find(|(of, _)| *of == pts))
            .map_or(last, |(_, times)| *times);
        let inner = turned(inner, self.format.turn);
        Some(Frame { inner: Arc::new(Planar(inner)), at, device })
    }

    /// Decodes one key frame by itself. Afterwards the decoder is as good as new.
    pub fn decode_key_frame(&mut self, packet: &Packet) -> Result<Frame, String> {
        self.begin(packet);
        let sent = self.send(packet);
        let _ = self.decoder.send_eof();
        let frame = self.receive();
        self.begin(packet);
        sent?;
        frame.ok_or_else(|| "the key frame gives no picture".into())
    }

    /// At the end of a file: what is still inside comes with `receive`.
    pub fn end(&mut self) {
        let _ = self.decoder.send_eof();
    }

    /// Pictures that came out and that `want` wants (by their time), and how many came out at
    /// all.
    pub fn push(
        &mut self,
        packet: &Packet,
        want: &mut dyn FnMut(Timestamp) -> bool,
    ) -> Result<(Vec<Picture>, u64), String> {
        self.send(packet)?;
        let (mut pictures, mut decoded) = (Vec::new(), 0);
        while let Some(frame) = self.receive() {
            decoded += 1;
            if want(frame.at) {
                pictures.push(self.converter.picture(&frame)?);
            }
        }
        Ok((pictures, decoded))
    }
}

impl ColorConverter {
    /// The picture in colour, at full size. A frame of the usual layouts is used as it is.
    pub fn picture(&mut self, frame: &Frame) -> Result<Picture, String> {
        let inner = &frame.inner.0;
        let (format, width, height) = (inner.format(), inner.width(), inner.height());
        let (at, device) = (frame.at, frame.device);
        if matches!(format, Pixel::YUV420P | Pixel::YUVJ420P | Pixel::NV12) {
            // The layout that cameras and devices send: nothing is copied, and only those pixels that the
            // detector is shown are converted.
            let pixels = Pixels::Planes(frame.inner.clone());
            return Ok(Picture { width, height, pixels, at, device });
        }
        let fits = self.scaler.as_ref().is_some_and(|scaler| {
            let input = scaler.0.input();
            (input.format, input.width, input.height) == (format, width, height)
        });
        if !fits {
            // Also when the camera changes its resolution in mid-stream.
            let scaler = scaling::Context::get(
                format,
                width,
                height,
                Pixel::RGB24,
                width,
                height,
                scaling::Flags::BILINEAR,
            );
            self.scaler = Some(Scaler(scaler.map_err(|error| error.to_string())?));
        }
        let same = |rgb: &ffmpeg::frame::Video| (rgb.width(), rgb.height()) == (width, height);
        let before = self.rgb.take().filter(same);
        let mut rgb = before.unwrap_or_else(ffmpeg::frame::Video::empty);
        if let Some(scaler) = &mut self.scaler {
            scaler.0.run(inner, &mut rgb).map_err(|error| error.to_string())?;
        }
        let (row, stride) = (width as usize * 3, rgb.stride(0));
        let data = rgb.data(0);
        let mut packed = Vec::with_capacity(row * height as usize);
        for line in data.chunks(stride).take(height as usize) {
            packed.extend_from_slice(&line[..row.min(line.len())]);
        }
        packed.resize(row * height as usize, 0);
        self.rgb = Some(rgb);
        Ok(Picture { width, height, pixels: Pixels::Rgb(Arc::new(packed)), at, device })
    }
}

impl Planes for Planar {
    fn plane(&self, n: usize) -> (&[u8], usize) {
        match n {
            2 if self.is_paired() => {
                (self.0.data(1).get(1..).unwrap_or_default(), self.0.stride(1))
            }
            _ => (self.0.data(n), self.0.stride(n)),
        }
    }

    fn is_paired(&self) -> bool {
        self.0.format() == Pixel::NV12
    }

    fn full_range(&self) -> bool {
        self.0.format() == Pixel::YUVJ420P || self.0.color_range() == ffmpeg::color::Range::JPEG
    }

    fn is_hd(&self) -> bool {
        match self.0.color_space() {
            ffmpeg::color::Space::BT709 => true,
            // Most cameras do not state it; makers and players go by the height.
            ffmpeg::color::Space::Unspecified => self.0.height() >= 720,
            _ => false,
        }
    }
}

impl Frame {
    /// Width and height, pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.inner.0.width(), self.inner.0.height())
    }

    /// How its pixels lie.
    pub(super) fn layout(&self) -> Pixel {
        self.inner.0.format()
    }

    /// The picture in the size and layout of this converter.
    pub(super) fn scale(
        &self,
        by: &mut scaling::Context,
        to: &mut ffmpeg::frame::Video,
    ) -> Result<(), ffmpeg::Error> {
        by.run(&self.inner.0, to)
    }

    /// The picture in little (see [`Luma`]). All pictures of H.264 and H.265 have brightness first, in 8 bits or more.
    pub fn luma(&self) -> Luma {
        let inner = &self.inner.0;
        let (width, height) = (inner.width() as usize, inner.height() as usize);
        let (plane, stride) = (inner.data(0), inner.stride(0));
        match bytes_a_sample(inner.format()) {
            1 => Luma::of_plane(plane, width, height, stride, self.at),
            _ => {
                // 9 to 16 bits in little-endian pairs: the upper eight of them. Devices leave the lower
                // six of the sixteen empty, the processor the upper ones.
                let shift = shift_to_eight(inner.format());
                let eight: Vec<u8> = plane
                    .chunks_exact(2)
                    .map(|pair| (u16::from_le_bytes([pair[0], pair[1]]) >> shift) as u8)
                    .collect();
                Luma::of_plane(&eight, width, height, stride / 2, self.at)
            }
        }
    }
}

/// The frame as it is shown. One of a layout that cannot be turned is shown as it is.
fn turned(frame: ffmpeg::frame::Video, turn: Turn) -> ffmpeg::frame::Video {
    let Some(layout) = frame.format().descriptor().filter(|_| !turn.is_none()) else {
        return frame;
    };
    let chroma = (layout.log2_chroma_w(), layout.log2_chroma_h());
    if turn.transposed && chroma.0 != chroma.1 {
        return frame;
    }
    let size = (frame.width() as usize, frame.height() as usize);
    let (width, height) = turn.size((frame.width(), frame.height()));
    let mut shown = ffmpeg::frame::Video::new(frame.format(), width, height);
    let paired = matches!(frame.format(), Pixel::NV12 | Pixel::P010LE);
    for plane in 0..frame.planes() {
        let of_chroma = plane > 0;
        let shrunk = |side: usize, by: u8| if of_chroma { side.div_ceil(1 << by) } else { side };
        let size = (shrunk(size.0, chroma.0), shrunk(size.1, chroma.1));
        let samples = if paired && of_chroma { 2 } else { 1 };
        let unit = bytes_a_sample(frame.format()) * samples;
        let stride = shown.stride(plane);
        let from = (frame.data(plane), frame.stride(plane));
        turn_plane(from, size, unit, turn, (shown.data_mut(plane), stride));
    }
    shown.set_pts(frame.pts());
    shown.set_color_space(frame.color_space());
    shown.set_color_range(frame.color_range());
    shown
}

/// Depths of more than eight bits, as H.264 and H.265 have them.
const DEEP: &[(Pixel, u32)] = &[
    (Pixel::YUV420P9LE, 9),
    (Pixel::YUV422P9LE, 9),
    (Pixel::YUV444P9LE, 9),
    (Pixel::YUV420P10LE, 10),
    (Pixel::YUV422P10LE, 10),
    (Pixel::YUV444P10LE, 10),
    (Pixel::GRAY10LE, 10),
    (Pixel::YUV420P12LE, 12),
    (Pixel::YUV422P12LE, 12),
    (Pixel::YUV444P12LE, 12),
    (Pixel::GRAY12LE, 12),
    (Pixel::YUV420P14LE, 14),
    (Pixel::YUV422P14LE, 14),
    (Pixel::YUV444P14LE, 14),
    // The upper ten of sixteen.
    (Pixel::P010LE, 16),
];

fn shift_to_eight(format: Pixel) -> u32 {
    DEEP.iter().find(|(deep, _)| *deep == format).map_or(0, |(_, bits)| bits - 8)
}

fn bytes_a_sample(format: Pixel) -> usize {
    if DEEP.iter().any(|(deep, _)| *deep == format) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_of_every_depth_is_that_of_eight_bits() {
        for (format, full) in [
            (Pixel::YUV420P, 255u16),
            (Pixel::YUV420P10LE, 1_023),
            (Pixel::YUV422P12LE, 4_095),
            (Pixel::YUV420P12LE, 4_095),
            (Pixel::GRAY12LE, 4_095),
            (Pixel::YUV444P14LE, 16_383),
        ] {
            let mut frame = ffmpeg::frame::Video::new(format, 64, 64);
            let value = full / 2 + 1;
            let stride = frame.stride(0);
            for row in 0..64 {
                let row = &mut frame.data_mut(0)[row * stride..][..64 * bytes_a_sample(format)];
                match bytes_a_sample(format) {
                    1 => row.fill(value as u8),
                    _ => row
                        .chunks_exact_mut(2)
                        .for_each(|two| two.copy_from_slice(&value.to_le_bytes())),
                }
            }
            let at = Timestamp::UNIX_EPOCH;
            let luma = Frame { inner: Arc::new(Planar(frame)), at, device: None }.luma();
            assert!(luma.mean.iter().all(|mean| (mean - 128.0).abs() < 1.0), "{format:?}");
        }
    }
}
