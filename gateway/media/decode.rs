//! Packets become pictures: decode everything, convert only what is wanted.

use std::collections::VecDeque;

use ffmpeg::software::scaling;
use ffmpeg_next as ffmpeg;
use jiff::Timestamp;

use super::session::{Seen, Session};
use crate::domain::Picture;

/// Pictures inside the decoder whose time is remembered.
const PENDING_MAX: usize = 64;

/// Source time, and what the camera's own clock said.
type Times = (Timestamp, Option<Timestamp>);

pub struct Decoder {
    decoder: ffmpeg::decoder::Video,
    scaler: Option<scaling::Context>,
    times: VecDeque<(i64, Times)>,
}

impl Decoder {
    pub fn new(session: &Session) -> Result<Self, String> {
        let decoder =
            ffmpeg::codec::Context::from_parameters(session.format().parameters.get().clone())
                .and_then(|context| context.decoder().video())
                .map_err(|error| format!("no decoder: {error}"))?;
        Ok(Self { decoder, scaler: None, times: VecDeque::new() })
    }

    /// Pictures that came out and that `want` wants (by their time), and how many came out at
    /// all. A corrupt packet is an error; the decoder goes on with the next.
    pub fn push(
        &mut self,
        seen: &Seen,
        want: &mut dyn FnMut(Timestamp) -> bool,
    ) -> Result<(Vec<Picture>, u64), String> {
        let pts = seen.packet.pts().or(seen.packet.dts()).unwrap_or(0);
        self.times.push_back((pts, (seen.at, seen.device)));
        if self.times.len() > PENDING_MAX {
            self.times.pop_front();
        }
        self.decoder.send_packet(&seen.packet).map_err(|error| error.to_string())?;
        self.drain((seen.at, seen.device), want)
    }

    /// At the end of a file: the pictures that are still inside.
    pub fn finish(
        &mut self,
        want: &mut dyn FnMut(Timestamp) -> bool,
    ) -> Result<(Vec<Picture>, u64), String> {
        self.decoder.send_eof().map_err(|error| error.to_string())?;
        let last = self.times.back().map_or((Timestamp::UNIX_EPOCH, None), |(_, times)| *times);
        self.drain(last, want)
    }

    fn drain(
        &mut self,
        otherwise: Times,
        want: &mut dyn FnMut(Timestamp) -> bool,
    ) -> Result<(Vec<Picture>, u64), String> {
        let mut frame = ffmpeg::frame::Video::empty();
        let (mut pictures, mut decoded) = (Vec::new(), 0);
        while self.decoder.receive_frame(&mut frame).is_ok() {
            decoded += 1;
            let (at, device) = frame
                .pts()
                .and_then(|pts| self.times.iter().find(|(known, _)| *known == pts))
                .map_or(otherwise, |(_, times)| *times);
            if want(at) {
                pictures.push(self.picture(&frame, (at, device))?);
            }
        }
        Ok((pictures, decoded))
    }

    fn picture(
        &mut self,
        frame: &ffmpeg::frame::Video,
        (at, device): Times,
    ) -> Result<Picture, String> {
        let (format, width, height) = (frame.format(), frame.width(), frame.height());
        let fits = self.scaler.as_ref().is_some_and(|scaler| {
            let input = scaler.input();
            (input.format, input.width, input.height) == (format, width, height)
        });
        if !fits {
            // Also when the camera changes its resolution in mid-stream.
            let scaler = scaling::Context::get(
                format,
                width,
                height,
                ffmpeg::format::Pixel::RGB24,
                width,
                height,
                scaling::Flags::BILINEAR,
            );
            self.scaler = Some(scaler.map_err(|error| error.to_string())?);
        }
        let mut rgb = ffmpeg::frame::Video::empty();
        if let Some(scaler) = &mut self.scaler {
            scaler.run(frame, &mut rgb).map_err(|error| error.to_string())?;
        }
        let (row, stride) = (width as usize * 3, rgb.stride(0));
        let data = rgb.data(0);
        let mut packed = Vec::with_capacity(row * height as usize);
        for line in data.chunks(stride).take(height as usize) {
            packed.extend_from_slice(&line[..row.min(line.len())]);
        }
        packed.resize(row * height as usize, 0);
        Ok(Picture { width, height, rgb: packed.into(), at, device })
    }
}
