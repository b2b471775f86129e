//! Compressed video on its way from a source to the ring, the decoder and the clip.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use jiff::Timestamp;

/// What the packets of a stream are coded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    H264,
    H265,
}

/// What a decoder and a muxer must know; a change begins a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamParams {
    pub codec: Codec,
    /// Pixels; 0 where the stream has not said.
    pub width: u32,
    pub height: u32,
    /// SPS/PPS(/VPS) as the container or SDP gave them: Annex B or avcC/hvcC.
    pub extradata: Bytes,
    /// Seconds per tick of `pts` and `dts`, as a fraction.
    pub time_base: (i32, i32),
    /// Counts up with each connection or change; packets of different sessions never mix in a clip.
    pub session: u64,
}

/// One coded picture.
#[derive(Clone, Debug)]
pub struct Packet {
    pub session: u64,
    /// In ticks of the session's time base.
    pub pts: i64,
    pub dts: i64,
    pub duration: i64,
    /// Can be decoded without what came before.
    pub key: bool,
    pub data: Bytes,
    /// Corrected source time of its picture.
    pub at: Timestamp,
    /// What the camera's own clock said (RTCP), if it did.
    pub device: Option<Timestamp>,
    /// Arrival on our monotonic clock, milliseconds.
    pub mono_ms: u64,
}

/// Raised once, seen by every blocking call of a thread.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
