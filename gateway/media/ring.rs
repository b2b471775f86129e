//! The last minute of packets of a camera, always from a key frame on; bounded in seconds and bytes.

use std::{collections::VecDeque, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{format::Format, session::Seen};
use crate::domain::PreRollLimit;

/// Packets of one camera, newest last. A camera that connects anew, or changes its stream, begins
/// a new run behind the old one: what was seen before the cable was cut is still evidence.
pub struct Ring {
    seconds: i64,
    bytes_max: usize,
    packets: VecDeque<Seen>,
    bytes: usize,
    cut_by_bytes: bool,
}

/// Packets for a clip, all of one run, the first a key frame.
pub struct Cut {
    pub(super) format: Arc<Format>,
    pub(super) packets: Vec<Seen>,
    /// Why it begins later than asked, if it does.
    pub limit: Option<PreRollLimit>,
}

impl Ring {
    pub fn new(seconds: u64, bytes_max: usize) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(60);
        Self { seconds, bytes_max, packets: VecDeque::new(), bytes: 0, cut_by_bytes: false }
    }

    /// Other bounds from now on; what is kept stays as far as they allow, with the next packet.
    pub fn resize(&mut self, seconds: u64, bytes_max: usize) {
        self.seconds = i64::try_from(seconds).unwrap_or(60);
        self.bytes_max = bytes_max;
    }

    pub fn push(&mut self, seen: Seen) {
        // A run begins with a key frame.
        let goes_on = self.packets.back().is_some_and(|last| same_run(last, &seen));
        if !goes_on && !seen.key {
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

    /// From the last key frame at or before `from` up to `until`, as far as the run goes in which
    /// `began_at` lies.
    pub fn cut(&self, from: Timestamp, began_at: Timestamp, until: Timestamp) -> Option<Cut> {
        let key_by =
            |at: Timestamp| self.packets.iter().rposition(|seen| seen.key && seen.at <= at);
        let inside = key_by(began_at).unwrap_or(0);
        let format = self.packets.get(inside)?.format.clone();
        let of_run = |seen: &Seen| Arc::ptr_eq(&seen.format, &format);
        let run = self.packets.iter().position(of_run)?;
        let start = key_by(from).filter(|start| *start >= run);
        let limit = match start {
            Some(_) => None,
            None if run == 0 && self.cut_by_bytes => Some(PreRollLimit::RingBytes),
            None => Some(PreRollLimit::StreamBegan),
        };
        let packets: Vec<Seen> = self
            .packets
            .iter()
            .skip(start.unwrap_or(run))
            .take_while(|seen| of_run(seen) && seen.at <= until)
            .cloned()
            .collect();
        (!packets.is_empty()).then_some(Cut { format, packets, limit })
    }
}

fn same_run(one: &Seen, other: &Seen) -> bool {
    Arc::ptr_eq(&one.format, &other.format)
}
