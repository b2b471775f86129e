//! An early sign of change: packets larger than this scene's own. It wakes only while it is right.
//!
//! Sizes of packets between key frames, as logarithms, against a running mean and deviation; five
//! in a row that are together unusual are a sign. Each look tells whether the sign was right;
//! precision over the last hours decides whether it is believed. On a noisy sensor the sign is
//! worthless; then its precision is low, and it is not believed.

use super::trust::{Terms, Trust};

/// Packets that are judged together.
const TOGETHER: usize = 5;
/// Their mean must be off by this many deviations of one packet.
const DEVIATIONS: f32 = 2.0;
/// Share taken over by mean and deviation with each quiet packet.
const LEARN: f32 = 0.02;
/// Packets before the mean counts as known.
const PACKETS_MIN: u32 = 100;
/// Computed by us, and worthless on many a sensor: it has to prove more than a camera's own event.
const TERMS: Terms = Terms { right_min: 4.0, precision_min: 0.8 };

/// Packet sizes of one camera.
#[derive(Clone, Debug)]
pub(in crate::camera) struct PacketSizeSign {
    mean: f32,
    deviation: f32,
    packets: u32,
    recent: [f32; TOGETHER],
    /// The sign was given since the last judgement.
    given: bool,
    trust: Trust,
}

impl Default for PacketSizeSign {
    fn default() -> Self {
        Self {
            mean: 0.0,
            deviation: 0.0,
            packets: 0,
            recent: [0.0; TOGETHER],
            given: false,
            trust: Trust::new(TERMS),
        }
    }
}

impl PacketSizeSign {
    /// The next packet of a sleeping camera that is no key frame; whether to wake.
    pub(in crate::camera) fn packet(&mut self, bytes: usize) -> bool {
        let size = (bytes.max(1) as f32).ln();
        if self.packets == 0 {
            (self.mean, self.deviation) = (size, 0.5);
        }
        let off = (size - self.mean) / self.deviation.max(0.02);
        self.recent.rotate_left(1);
        self.recent[TOGETHER - 1] = off;
        self.packets = self.packets.saturating_add(1);
        let together = self.recent.iter().sum::<f32>() / TOGETHER as f32;
        if self.packets > PACKETS_MIN && together > DEVIATIONS {
            self.given = true;
        } else {
            self.mean += (size - self.mean) * LEARN;
            self.deviation += ((size - self.mean).abs() * 1.25 - self.deviation) * LEARN;
        }
        self.given && self.is_trusted()
    }

    /// Judges the time since the look before by whether this one found a change. Returns whether
    /// there was anything to judge.
    pub(in crate::camera) fn judge(&mut self, changed: bool) -> bool {
        self.recent = [0.0; TOGETHER];
        self.trust.judge(std::mem::take(&mut self.given), changed)
    }

    /// Whether it may wake the camera.
    pub(in crate::camera) fn is_trusted(&self) -> bool {
        self.trust.is_believed()
    }

    /// How often it was right.
    pub(in crate::camera) fn trust(&self) -> &Trust {
        &self.trust
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    /// Looks until it is trusted, of 60 with a walker in every other interval; 0 for never.
    fn trusted_after(noise: f64) -> usize {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let mut sign = PacketSizeSign::default();
        let mut size = |extra: f64| (400.0 + noise * random.random::<f64>() + extra) as usize;
        for _ in 0..200 {
            sign.packet(size(0.0));
        }
        for look in 1..=60 {
            let walker = look % 2 == 0;
            for n in 0..49 {
                sign.packet(size(if walker && n > 20 { 600.0 } else { 0.0 }));
            }
            sign.judge(walker);
            if sign.is_trusted() {
                return look;
            }
        }
        0
    }

    #[test]
    fn v8_it_is_believed_where_it_is_right_and_not_on_a_noisy_sensor() {
        assert!((8..=20).contains(&trusted_after(100.0)));
        assert_eq!(trusted_after(20_000.0), 0);
    }

    #[test]
    fn one_that_turns_wrong_is_no_longer_believed() {
        let mut sign = PacketSizeSign::default();
        for _ in 0..12 {
            sign.given = true;
            sign.judge(true);
        }
        assert!(sign.is_trusted());
        for _ in 0..4 {
            sign.given = true;
            sign.judge(false);
        }
        assert!(!sign.is_trusted());
    }
}
