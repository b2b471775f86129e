//! How many packets a camera keeps: enough for its longest clip.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{base::lock, domain::SourceId, media::Ring, sources::camera};

/// Seconds of packets beyond the longest clip: GOPs, and a busy evidence worker.
pub const RING_SPARE_S: u64 = 20;
/// Seconds of packets of a recording that is played as fast as it can be looked at.
const MAX_SPEED_S: u64 = 3_600;

/// Each camera's packets, and its seconds of pre-roll; cameras come and leave.
pub type Rings = Arc<Mutex<HashMap<SourceId, (Arc<Mutex<Ring>>, u64)>>>;

/// A ring for clips of a live stream; the longest clip in seconds, with its pre-roll and post-roll.
pub fn clip_ring(longest_clip_s: u64, max_bytes: usize) -> Arc<Mutex<Ring>> {
    Arc::new(Mutex::new(Ring::new(longest_clip_s + RING_SPARE_S, max_bytes)))
}

/// A ring for the clips of this camera.
pub fn camera_ring(config: &camera::Config) -> Arc<Mutex<Ring>> {
    Arc::new(Mutex::new(Ring::new(seconds(config), config.ring_max_bytes)))
}

/// The same ring for another configuration of the camera.
pub fn resize(ring: &Mutex<Ring>, config: &camera::Config) {
    // A ring whose holder panicked is poisoned until its camera has emptied it ([`revive`]).
    if let Ok(mut ring) = ring.lock() {
        ring.resize(seconds(config), config.ring_max_bytes);
    }
}

fn seconds(config: &camera::Config) -> u64 {
    if config.speed == camera::Speed::Max {
        // It runs ahead of the clock by which clips are cut; its bytes bound it.
        return MAX_SPEED_S;
    }
    config.pre_roll_s + config.clip_max_s + config.post_roll_s + RING_SPARE_S
}

/// After a panic with the ring in hand: what it held may be half done, so it is emptied, and taken as
/// whole again. Otherwise the camera would be blind for ever over one fault.
pub(super) fn revive(ring: &Mutex<Ring>) {
    if ring.is_poisoned() {
        lock(ring).empty();
        ring.clear_poison();
    }
}
