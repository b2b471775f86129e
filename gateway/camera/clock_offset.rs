//! Two streams of one camera on one clock: what is looked at has the times of what clips are cut from.
//!
//! Each stream is dated by its arrival until the camera's own clock (RTCP sender reports) is known, and
//! by that clock where it is right. Two encoders take their time differently, so arrival alone puts
//! the two apart; and a camera whose clock is wrong would stay so. Both carry the same camera clock:
//! what lies between it and the time of a packet of the one is used for the other.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::SignedDuration;

use crate::media::Packet;

/// No offset is known.
const UNKNOWN: i64 = i64::MIN;
/// When camera clock and arrival disagree by more, arrival is used: the camera's clock was set since.
const NEAR: SignedDuration = SignedDuration::from_secs(2);

/// Between the camera's own clock and the time of the stream that clips are cut from, milliseconds.
pub(super) struct ClockOffset(AtomicI64);

impl Default for ClockOffset {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl ClockOffset {
    /// A packet of the stream that clips are cut from.
    pub(super) fn learn(&self, packet: &Packet) {
        if let Some(device) = packet.device {
            let off = packet.at.duration_since(device).as_millis();
            self.0.store(i64::try_from(off).unwrap_or(UNKNOWN), Ordering::Relaxed);
        }
    }

    /// A packet of the stream that is looked at: its time on the other's clock.
    pub(super) fn apply(&self, packet: &mut Packet) {
        let off = self.0.load(Ordering::Relaxed);
        let Some(device) = packet.device.filter(|_| off != UNKNOWN) else { return };
        let Ok(at) = device.checked_add(SignedDuration::from_millis(off)) else { return };
        if at.duration_since(packet.at).abs() <= NEAR {
            packet.at = at;
        }
    }
}
