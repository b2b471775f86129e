//! The last minute of packets of a camera, always from a key frame on; bounded in seconds and bytes.
//!
//! Packets are numbered as they come. A sampler asks for them by number, so it holds no packets of
//! its own, and a camera that sleeps can be replayed from any key frame in the ring.
//!
//! **P8** A clip is cut from the ring, from the last key frame at or before `began_at - pre_roll_s`
//! on. The measured pre-roll is in the record; if it is short, so is the reason. A camera that
//! comes back, or changes its stream, begins a new run in the ring. A clip is of one run, and what
//! came before a break can still be cut. A stream that has been silent since before the pre-roll
//! gives no clip: it would show another time.

use std::{collections::VecDeque, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{format::Format, session::Packet};
use crate::domain::PreRollLimit;

/// Packets of one camera, newest last. A camera that connects anew, or changes its stream, begins
/// a new run behind the old one: what came before the cable was cut is still evidence.
pub struct Ring {
    seconds: i64,
    bytes_max: usize,
    packets: VecDeque<Packet>,
    bytes: usize,
    cut_by_bytes: bool,
    /// Number of the first packet in the ring; numbers go on for as long as the ring lives.
    first: u64,
}

/// Packets for a clip, all of one run, the first a key frame.
pub struct Cut {
    /// Of all of them.
    pub(super) format: Arc<Format>,
    /// At least one.
    pub(super) packets: Vec<Packet>,
    /// Why it begins later than asked, if it does.
    pub limit: Option<PreRollLimit>,
}

impl Ring {
    /// Bounds in seconds and in bytes of coded pictures.
    pub fn new(seconds: u64, bytes_max: usize) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(60);
        Self {
            seconds,
            bytes_max,
            packets: VecDeque::new(),
            bytes: 0,
            cut_by_bytes: false,
            first: 0,
        }
    }

    /// Other bounds from now on; with the next packet, what exceeds them leaves.
    pub fn resize(&mut self, seconds: u64, bytes_max: usize) {
        self.seconds = i64::try_from(seconds).unwrap_or(60);
        self.bytes_max = bytes_max;
    }

    /// Adds a packet; older groups of pictures leave as the bounds ask.
    pub fn push(&mut self, packet: Packet) {
        // A run begins with a key frame.
        let goes_on = self.packets.back().is_some_and(|last| same_run(last, &packet));
        if !goes_on && !packet.key {
            return;
        }
        self.bytes += packet.bytes;
        let oldest = packet.at - SignedDuration::from_secs(self.seconds);
        self.packets.push_back(packet);
        // Leave whole groups only: what is left begins with a key frame.
        while let Some(second_key) = self.packets.iter().skip(1).position(|packet| packet.key) {
            let by_bytes = self.bytes > self.bytes_max;
            let by_age = self.packets.get(second_key + 1).is_some_and(|packet| packet.at < oldest);
            if !by_bytes && !by_age {
                break;
            }
            self.cut_by_bytes = by_bytes;
            self.leave(second_key + 1);
        }
        // A single group that is larger than the bound: no clip can begin in it, but decoding goes on.
        while self.bytes > self.bytes_max && self.packets.len() > 1 {
            self.cut_by_bytes = true;
            self.leave(1);
        }
    }

    fn leave(&mut self, count: usize) {
        for packet in self.packets.drain(..count) {
            self.bytes -= packet.bytes;
        }
        self.first += count as u64;
    }

    /// The packet of this number; None if it has not come, or has left.
    pub fn get(&self, number: u64) -> Option<&Packet> {
        self.packets.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The packet that came last.
    pub fn newest(&self) -> Option<&Packet> {
        self.packets.back()
    }

    /// Numbers of the packets in the ring, up to that of the next which will come.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.packets.len() as u64
    }

    /// The last key frame at or before `at`, else the first one in the ring.
    pub fn key_by(&self, at: Timestamp) -> Option<u64> {
        let by = self.packets.iter().rposition(|packet| packet.key && packet.at <= at);
        let first = || self.packets.iter().position(|packet| packet.key);
        by.or_else(first).map(|index| self.first + index as u64)
    }

    /// The newest key frame.
    pub fn last_key(&self) -> Option<u64> {
        let last = self.packets.iter().rposition(|packet| packet.key);
        last.map(|index| self.first + index as u64)
    }

    /// Seconds between the first packet and the last.
    pub fn held_s(&self) -> f64 {
        let ends = self.packets.front().zip(self.packets.back());
        ends.map_or(0.0, |(first, last)| last.at.duration_since(first.at).as_secs_f64())
    }

    /// Of all packets in it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// From the last key frame at or before `from` up to `until`, as far as the run goes in which
    /// `began_at` lies.
    pub fn cut(&self, from: Timestamp, began_at: Timestamp, until: Timestamp) -> Option<Cut> {
        let key_by =
            |at: Timestamp| self.packets.iter().rposition(|packet| packet.key && packet.at <= at);
        // A clip cannot begin before the first key frame that is left.
        let first = self.packets.iter().position(|packet| packet.key)?;
        let inside = key_by(began_at).unwrap_or(first);
        let format = self.packets.get(inside)?.format.clone();
        let of_run = |packet: &Packet| Arc::ptr_eq(&packet.format, &format);
        let run = self.packets.iter().position(|packet| of_run(packet) && packet.key)?;
        let start = key_by(from).filter(|start| *start >= run);
        let limit = match start {
            Some(_) => None,
            None if run == first && self.cut_by_bytes => Some(PreRollLimit::RingBytes),
            None => Some(PreRollLimit::StreamBegan),
        };
        let packets: Vec<Packet> = self
            .packets
            .iter()
            .skip(start.unwrap_or(run))
            .take_while(|packet| of_run(packet) && packet.at <= until)
            .cloned()
            .collect();
        // Packets that all lie before the pre-roll show another time: the stream has long been silent.
        // With B-frames the latest picture is not the last packet.
        let shows = packets.iter().rev().any(|packet| packet.at >= from);
        shows.then_some(Cut { format, packets, limit })
    }
}

fn same_run(one: &Packet, other: &Packet) -> bool {
    Arc::ptr_eq(&one.format, &other.format)
}
