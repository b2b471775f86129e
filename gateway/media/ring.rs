//! The last minute of packets of a camera, always from a key frame on; bounded in seconds and bytes.

use std::collections::VecDeque;

use ffmpeg_next as ffmpeg;
use jiff::{SignedDuration, Timestamp};

use super::session::{Seen, Session};
use crate::domain::PreRollLimit;

/// Packets of one camera, newest last.
pub struct Ring {
    seconds: i64,
    bytes_max: usize,
    packets: VecDeque<Seen>,
    bytes: usize,
    format: Option<Format>,
    cut_by_bytes: bool,
}

/// What a clip of these packets must know.
#[derive(Clone)]
pub(super) struct Format {
    pub(super) parameters: ffmpeg::codec::Parameters,
    pub(super) time_base: ffmpeg::Rational,
}

/// Packets for a clip, the first a key frame.
pub struct Cut {
    pub(super) format: Format,
    pub(super) packets: Vec<Seen>,
    /// Why it begins later than asked, if it does.
    pub limit: Option<PreRollLimit>,
}

impl Ring {
    pub fn new(seconds: u64, bytes_max: usize) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(60);
        Self {
            seconds,
            bytes_max,
            packets: VecDeque::new(),
            bytes: 0,
            format: None,
            cut_by_bytes: false,
        }
    }

    /// A new session: older packets cannot be in one clip with it.
    pub fn begin(&mut self, session: &Session) {
        self.packets.clear();
        self.bytes = 0;
        self.cut_by_bytes = false;
        self.format =
            Some(Format { parameters: session.parameters.clone(), time_base: session.time_base });
    }

    pub fn push(&mut self, seen: Seen) {
        if self.packets.is_empty() && !seen.key {
            return;
        }
        self.bytes += seen.bytes;
        let oldest = seen.at - SignedDuration::from_secs(self.seconds);
        self.packets.push_back(seen);
        // Leave whole groups only: what is left begins with a key frame.
        while let Some(second_key) = self.packets.iter().skip(1).position(|seen| seen.key) {
            let by_bytes = self.bytes > self.bytes_max;
            let by_age = self.packets.get(second_key + 1).is_some_and(|seen| seen.at < oldest);
            if !by_bytes && !by_age {
                break;
            }
            self.cut_by_bytes = by_bytes;
            for seen in self.packets.drain(..=second_key) {
                self.bytes -= seen.bytes;
            }
        }
        // One group larger than everything: it cannot be kept.
        if self.bytes > self.bytes_max {
            self.packets.clear();
            (self.bytes, self.cut_by_bytes) = (0, true);
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// From the last key frame at or before `from` up to `until`.
    pub fn cut(&self, from: Timestamp, until: Timestamp) -> Option<Cut> {
        let format = self.format.clone()?;
        let start = self.packets.iter().rposition(|seen| seen.key && seen.at <= from);
        let limit = match start {
            Some(_) => None,
            None if self.cut_by_bytes => Some(PreRollLimit::RingBytes),
            None => Some(PreRollLimit::StreamBegan),
        };
        let packets: Vec<Seen> = self
            .packets
            .iter()
            .skip(start.unwrap_or(0))
            .take_while(|seen| seen.at <= until)
            .cloned()
            .collect();
        (!packets.is_empty()).then_some(Cut { format, packets, limit })
    }
}
