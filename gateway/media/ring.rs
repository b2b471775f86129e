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
//!
//! A stream without key frames (`access.rs`) is cut at the last recovery point from which the
//! picture is whole by `began_at - pre_roll_s`. One without these either is cut [`BUILDS_UP`] before
//! that, because its picture builds up while it is played; the record says `no-key-frame`.

use std::{collections::VecDeque, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{format::Format, session::Packet};
use crate::domain::PreRollLimit;

/// How long before the pre-roll a clip begins in which nothing says where decoding can begin: most
/// encoders that send no key frames have coded each part of the picture anew within this.
const BUILDS_UP: SignedDuration = SignedDuration::from_secs(4);

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

/// Packets for a clip, all of one run, the first a key frame where there is one.
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
        self.bytes += packet.bytes;
        let oldest = packet.at - SignedDuration::from_secs(self.seconds);
        self.packets.push_back(packet);
        // Leave whole groups only: what is left begins where decoding can.
        while let Some(before) = self.packets.iter().skip(1).position(begins) {
            let by_bytes = self.bytes > self.bytes_max;
            let by_age = self.whole(before + 1).is_some_and(|whole| whole.at < oldest);
            if !by_bytes && !by_age {
                break;
            }
            self.cut_by_bytes = by_bytes;
            self.leave(before + 1);
        }
        // Of a stream of which nothing is known, each packet is like the others.
        let keyless = !self.packets.iter().any(begins);
        let old = self.packets.iter().take_while(|packet| keyless && packet.at < oldest).count();
        self.leave(old);
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

    /// Nothing is in it any more: what it held may be half done. Numbers go on.
    pub fn empty(&mut self) {
        self.first += self.packets.len() as u64;
        self.packets.clear();
        self.bytes = 0;
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

    /// The last key frame at or before `at`, else the first one in the ring; likewise a recovery
    /// point from which the picture is whole by then.
    pub fn key_by(&self, at: Timestamp) -> Option<u64> {
        let first = || self.packets.iter().position(begins);
        self.begin_by(at).or_else(first).map(|index| self.first + index as u64)
    }

    /// Where decoding can begin so that the picture is whole by `at`.
    fn begin_by(&self, at: Timestamp) -> Option<usize> {
        // With pictures out of order the one where it begins may be later than the one that is whole.
        let by = |index: &usize| {
            let begun = self.packets.get(*index).is_some_and(|packet| packet.at <= at);
            begun && self.whole(*index).is_some_and(|whole| whole.at <= at)
        };
        (0..self.packets.len()).rev().find(by)
    }

    /// The first packet with a whole picture, if decoding begins at this one.
    fn whole(&self, index: usize) -> Option<&Packet> {
        let packet = self.packets.get(index)?;
        let later = if packet.key { 0 } else { packet.refresh? as usize };
        self.packets.get(index + later).filter(|whole| same_run(packet, whole))
    }

    /// The newest key frame.
    pub fn last_key(&self) -> Option<u64> {
        let last = self.packets.iter().rposition(|packet| packet.key);
        last.map(|index| self.first + index as u64)
    }

    /// The newest key frame or recovery point.
    pub fn last_begin(&self) -> Option<u64> {
        let last = self.packets.iter().rposition(begins);
        last.map(|index| self.first + index as u64)
    }

    /// The first packet of the run that goes on.
    pub fn newest_run(&self) -> Option<u64> {
        let newest = self.packets.back()?;
        let first = self.packets.iter().position(|packet| same_run(packet, newest))?;
        Some(self.first + first as u64)
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
    /// `began_at` lies; without key frames, see the head of this file.
    pub fn cut(&self, from: Timestamp, began_at: Timestamp, until: Timestamp) -> Option<Cut> {
        let inside = self.packets.iter().rposition(|packet| packet.at <= began_at).unwrap_or(0);
        let format = self.packets.get(inside)?.format.clone();
        let of_run = |packet: &Packet| Arc::ptr_eq(&packet.format, &format);
        let run = self.packets.iter().position(of_run)?;
        // A clip cannot begin before the first key frame that is left.
        let first = self.packets.iter().position(|packet| of_run(packet) && begins(packet));
        let start = self.begin_by(from).filter(|start| *start >= run);
        let (start, limit) = match (start, first) {
            (Some(start), _) => (start, None),
            (None, Some(first)) if run == 0 && self.cut_by_bytes => {
                (first, Some(PreRollLimit::RingBytes))
            }
            (None, Some(first)) => (first, Some(PreRollLimit::StreamBegan)),
            (None, None) => {
                let early = |packet: &Packet| packet.at >= from - BUILDS_UP;
                let from = self.packets.iter().skip(run).position(early)?;
                (run + from, Some(PreRollLimit::NoKeyFrame))
            }
        };
        let packets: Vec<Packet> = self
            .packets
            .iter()
            .skip(start)
            .take_while(|packet| of_run(packet) && packet.at <= until)
            .cloned()
            .collect();
        // Packets that all lie before the pre-roll show another time: the stream has long been silent.
        // With B-frames the latest picture is not the last packet.
        let shows = packets.iter().rev().any(|packet| packet.at >= from);
        shows.then_some(Cut { format, packets, limit })
    }
}

/// Whether decoding can begin with it.
fn begins(packet: &Packet) -> bool {
    packet.key || packet.refresh.is_some()
}

fn same_run(one: &Packet, other: &Packet) -> bool {
    Arc::ptr_eq(&one.format, &other.format)
}
