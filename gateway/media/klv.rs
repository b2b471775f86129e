//! The KLV stream beside the video, where a program has one: its packets, held until they are fetched.

use std::collections::VecDeque;

use ffmpeg_next as ffmpeg;

use super::format::ticks_ms;

/// A drone sends some to thirty a second, and they are fetched with each picture.
const PACKETS_MAX: usize = 64;
/// A packet is some hundred bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// The KLV stream of one session.
pub(super) struct Klv {
    stream: usize,
    time_base: ffmpeg::Rational,
    /// Stream time in milliseconds, if it has one.
    waiting: VecDeque<(Option<i64>, Vec<u8>)>,
}

impl Klv {
    /// The KLV stream of this input, if it has one.
    pub(super) fn find(input: &ffmpeg::format::context::Input) -> Option<Self> {
        let found = input
            .streams()
            .find(|stream| stream.parameters().id() == ffmpeg::codec::Id::SMPTE_KLV)?;
        let (stream, time_base) = (found.index(), found.time_base());
        Some(Self { stream, time_base, waiting: VecDeque::new() })
    }

    /// Takes a packet, if it is of this stream.
    pub(super) fn take(&mut self, packet: &ffmpeg::Packet) {
        let data = packet.data().filter(|_| packet.stream() == self.stream);
        let Some(data) = data else { return };
        let ms = packet.pts().or(packet.dts()).map(|ticks| ticks_ms(ticks, self.time_base));
        let len = data.len().min(PACKET_BYTES_MAX);
        self.waiting.push_back((ms, data[..len].to_vec()));
        if self.waiting.len() > PACKETS_MAX {
            self.waiting.pop_front();
        }
    }

    /// What came since: stream time in milliseconds where known, and bytes.
    pub(super) fn packets(&mut self) -> Vec<(Option<i64>, Vec<u8>)> {
        self.waiting.drain(..).collect()
    }
}
