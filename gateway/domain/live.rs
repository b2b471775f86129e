//! A watched stream as its viewers take it: fragments of an MP4 that all of them share.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

/// What a player needs before the first picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveHead {
    /// As browsers are asked for it: `avc1.640028`, `hvc1.1.6.L93.B0`.
    pub codec: String,
    /// Pixels, as they are shown.
    pub width: u32,
    /// Pixels, as they are shown.
    pub height: u32,
    /// Ticks a second of the times inside the fragments.
    pub timescale: u32,
    /// `ftyp` and `moov`: an MP4 without a picture.
    pub init: Bytes,
}

/// One coded picture (`moof` and `mdat`).
#[derive(Clone, Debug)]
pub struct LivePicture {
    /// A player can begin with it.
    pub key: bool,
    /// When it is shown, on the clock of the fragments.
    pub media_ms: i64,
    /// Source time of the same moment.
    pub at: Timestamp,
    pub bytes: Bytes,
}

/// What comes one after another.
#[derive(Clone, Debug)]
pub enum LiveItem {
    /// What follows is of another form: a player begins anew.
    Head(Arc<LiveHead>),
    Picture(LivePicture),
}
