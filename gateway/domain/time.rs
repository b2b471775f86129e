//! Time: the device's clock, our wall clock, and the monotonic clock that only goes forward.
//!
//! **P9** Rules run on the time of the observation; the clock's `now` only ends what has been
//! silent. What ages (presses that are remembered, cases that are closed by themselves) ages on the
//! monotonic clock. What an earlier process noted under a clock that was wrong counts as just now
//! (`Now::mono_of`). Evidence is removed by age only on a clock that has run evenly for an hour,
//! and never if it was made under a wrong one (`store/tidy.rs`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Look, Picture};

/// An instant on this box, read once from the [`Clock`] and passed on as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock; may be stepped by NTP or be wrong by years at boot.
    pub wall: Timestamp,
    /// Milliseconds since the process started; never steps back.
    pub mono_ms: u64,
}

/// 2026-01-01: this program was written after this.
const WRITTEN: Timestamp = Timestamp::constant(1_767_225_600, 0);

impl Now {
    /// Whether a wall clock can be right that shows this. One that shows a time before this program was
    /// written is wrong, as at boot of a box without a battery.
    pub fn is_plausible(wall: Timestamp) -> bool {
        wall >= WRITTEN
    }

    /// When something that an earlier process noted by its wall clock happened, on this process's
    /// monotonic clock, milliseconds (below zero: before its start). What was noted under a clock
    /// that was wrong, or is ahead of this one, counts as just now: it is kept too long rather
    /// than too short (P9).
    pub fn mono_of(self, noted: Timestamp) -> i64 {
        let age = self.wall.duration_since(noted).as_millis();
        let usable = Self::is_plausible(noted) && age > 0;
        let age = if usable { i64::try_from(age).unwrap_or(i64::MAX) } else { 0 };
        self.mono().saturating_sub(age)
    }

    /// Milliseconds of the monotonic clock, signed, so that times before its start can be computed.
    pub fn mono(self) -> i64 {
        i64::try_from(self.mono_ms).unwrap_or(i64::MAX)
    }
}

/// Where `now` comes from: the real one and the simulated one live in `base`.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// When an observation was made, with what is known about how right that is (P9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Corrected source time: what rules, incidents and clips run on.
    pub at: Timestamp,
    /// What the device's own clock said, if it said anything.
    pub device: Option<Timestamp>,
    /// This gateway's wall clock on arrival.
    pub gateway: Timestamp,
    /// This gateway's monotonic clock on arrival, milliseconds.
    pub mono_ms: u64,
    /// Known error of `at`, milliseconds.
    pub error_ms: u64,
}

/// A device clock further off than this is not believed for `at`; `error_ms` still tells the distance.
const TRUST_DEVICE_WITHIN: SignedDuration = SignedDuration::from_mins(10);

impl Stamp {
    /// A stamp for something that has no clock of its own.
    pub fn of_gateway(now: Now) -> Self {
        Self { at: now.wall, device: None, gateway: now.wall, mono_ms: now.mono_ms, error_ms: 0 }
    }

    /// A stamp for a picture: its own time, and how far the camera's clock is off ours.
    pub fn of_picture(picture: &Picture, now: Now) -> Self {
        Self::of_camera(picture.at, picture.device, now)
    }

    /// Likewise for a look, with a picture or without.
    pub fn of_look(look: &Look, now: Now) -> Self {
        Self::of_camera(look.at, look.device, now)
    }

    fn of_camera(at: Timestamp, device: Option<Timestamp>, now: Now) -> Self {
        let off = device.map_or(0, |device| device.duration_since(at).abs().as_millis());
        let error_ms = u64::try_from(off).unwrap_or(u64::MAX);
        Self { at, device, error_ms, ..Self::of_gateway(now) }
    }

    /// A stamp for a device that states its time. One within ten minutes of ours is
    /// believed; one beyond that (1970 after a battery change, next year) is kept for the
    /// record, and arrival counts instead.
    pub fn of_device(device: Option<Timestamp>, now: Now) -> Self {
        let Some(device) = device else {
            return Self::of_gateway(now);
        };
        let off = device.duration_since(now.wall).abs();
        Self {
            at: if off <= TRUST_DEVICE_WITHIN { device } else { now.wall },
            device: Some(device),
            gateway: now.wall,
            mono_ms: now.mono_ms,
            error_ms: u64::try_from(off.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_what_a_wrong_clock_noted_counts_as_just_now() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = Now { wall: at("2026-07-01T00:00:10Z"), mono_ms: 5_000 };
        assert_eq!(now.mono_of(at("2026-07-01T00:00:00Z")), -5_000);
        assert_eq!(now.mono_of(at("1970-01-01T00:00:09Z")), 5_000, "noted under a wrong clock");
        assert_eq!(now.mono_of(at("2026-07-02T00:00:00Z")), 5_000, "noted ahead of this one");
        let boot = Now { wall: at("1970-01-01T00:00:00Z"), mono_ms: 0 };
        assert_eq!(boot.mono_of(at("2026-07-01T00:00:00Z")), 0, "this one is wrong");
    }

    #[test]
    fn a_wild_device_clock_is_kept_but_not_believed() {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 5 };
        let near: Timestamp = "2026-07-01T02:59:58Z".parse().unwrap();
        assert_eq!(Stamp::of_device(Some(near), now).at, near);
        let epoch = Stamp::of_device(Some(Timestamp::UNIX_EPOCH), now);
        assert_eq!(epoch.at, now.wall);
        assert_eq!(epoch.device, Some(Timestamp::UNIX_EPOCH));
        assert!(epoch.error_ms > 1_000_000_000_000);
    }
}
