//! A decoded picture, shared and never changed.

use std::sync::Arc;

use jiff::Timestamp;

use super::Track;

/// RGB24, tightly packed (`width * 3` bytes a row), top row first.
#[derive(Clone)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgb: Arc<Vec<u8>>,
    /// Corrected source time of the exposure.
    pub at: Timestamp,
    /// What the camera's own clock said of it (RTCP), if it did.
    pub device: Option<Timestamp>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{} at {})", self.width, self.height, self.at)
    }
}

/// A picture worth keeping as evidence, with the boxes to draw on its copy.
#[derive(Clone, Debug)]
pub struct Shot {
    pub picture: Picture,
    pub boxes: Vec<Track>,
    /// Higher is better: what the best frame of a happening is chosen by.
    pub quality: f32,
}
