//! A shift of packet sizes: a sleeping sub-stream is looked at when one begins, and more seldom while there is none.
//!
//! Who comes into the picture makes the packets between key frames larger. Their sizes, as logarithms, are held
//! against a running mean and deviation, and what they are above it adds up (a cumulative sum, CUSUM). A shift
//! wakes nobody: it has a look taken, which costs a few small pictures. So it may be wrong more often than a
//! sign that wakes. Where an encoder holds its rate whatever it sees, changes come without a shift, and where
//! leaves move, shifts come without a change: there it is not relied on, and looks are as frequent as without it.

use super::trust::{Terms, Trust};

/// Off the mean by less than this many deviations, a packet does not count as larger.
const SLACK: f32 = 0.75;
/// The sum of what lies above that is a shift, deviations.
const SHIFT: f32 = 8.0;
/// A single packet counts for no more; so large a one is a shift by itself, and the sum falls again soon after.
const PACKET_MAX: f32 = SHIFT + SLACK + 1.0;
/// Share taken over by mean and deviation with each packet.
const LEARN: f32 = 0.01;
/// Packets before the mean counts as known.
const PACKETS_MIN: u32 = 50;
/// Sizes that hardly differ: a deviation below this says nothing.
const DEVIATION_MIN: f32 = 0.05;
/// Right in one of four, and announced of what differed the larger half, it is relied on.
const TERMS: Terms = Terms { right_min: 0.0, precision_min: 0.25 };
const RECALL_MIN: f32 = 0.6;
/// It counts as having been right so often before anything is known of it.
const ADVANCE: f32 = 2.0;

/// Packet sizes of one sub-stream, and what their shifts were worth.
#[derive(Clone, Debug)]
pub(in crate::camera) struct SizeShift {
    mean: f32,
    deviation: f32,
    packets: u32,
    sum: f32,
    /// There was one since the look before.
    shifted: bool,
    trust: Trust,
}

impl Default for SizeShift {
    fn default() -> Self {
        let trust = Trust::in_advance(TERMS, ADVANCE);
        Self { mean: 0.0, deviation: 0.0, packets: 0, sum: 0.0, shifted: false, trust }
    }
}

impl SizeShift {
    /// The next packet that is no key frame, bytes; whether there was a shift since the look before.
    pub(in crate::camera) fn packet(&mut self, bytes: usize) -> bool {
        let size = (bytes.max(1) as f32).ln();
        if self.packets == 0 {
            (self.mean, self.deviation) = (size, 0.5);
        }
        self.packets = self.packets.saturating_add(1);
        let off = (size - self.mean) / self.deviation.max(DEVIATION_MIN);
        // Before the mean is known it is learnt faster: the share is that of this one among all.
        let learn = LEARN.max(1.0 / self.packets as f32);
        self.mean += (size - self.mean) * learn;
        self.deviation += ((size - self.mean).abs() * 1.25 - self.deviation) * learn;
        if self.packets <= PACKETS_MIN {
            return false;
        }
        self.sum = (self.sum + off.min(PACKET_MAX) - SLACK).max(0.0);
        self.shifted |= self.sum >= SHIFT;
        self.shifted
    }

    /// A look has been taken, and saw a change or none. What comes after it counts anew.
    pub(in crate::camera) fn judge(&mut self, changed: bool) {
        self.sum = 0.0;
        let shifted = std::mem::take(&mut self.shifted);
        if self.is_known() {
            self.trust.judge(shifted, changed);
        }
    }

    /// Whether looks may be more seldom where it shows none.
    pub(in crate::camera) fn is_relied_on(&self) -> bool {
        let finds = self.trust.recall().is_some_and(|share| share >= RECALL_MIN);
        self.is_known() && self.trust.is_believed() && finds
    }

    fn is_known(&self) -> bool {
        self.packets > PACKETS_MIN
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    /// Sizes about 2,000 bytes, `noise` of that up and down, times `by`.
    fn play(
        sign: &mut SizeShift,
        random: &mut StdRng,
        packets: u32,
        noise: f64,
        by: f64,
    ) -> Option<u32> {
        (1..=packets).find(|_| {
            let size = 2_000.0 * (1.0 + noise * random.random_range(-1.0..1.0)) * by;
            sign.packet(size as usize)
        })
    }

    #[test]
    fn v8_somebody_who_comes_is_a_shift_within_some_packets_and_noise_is_none() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        for (noise, by, within) in [(0.02, 1.15, 6), (0.1, 1.3, 8), (0.3, 2.0, 8), (0.0, 1.1, 8)] {
            let mut sign = SizeShift::default();
            assert_eq!(play(&mut sign, &mut random, 2_000, noise, 1.0), None, "noise {noise}");
            let came = play(&mut sign, &mut random, 50, noise, by);
            assert!(came.is_some_and(|after| after <= within), "noise {noise}, by {by}: {came:?}");
        }
    }

    #[test]
    fn v8_one_huge_packet_is_one_and_what_lasts_is_one_for_some_seconds_only() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let mut sign = SizeShift::default();
        play(&mut sign, &mut random, 500, 0.1, 1.0);
        assert_eq!(play(&mut sign, &mut random, 1, 0.1, 50.0), Some(1));
        sign.judge(false);
        assert_eq!(play(&mut sign, &mut random, 200, 0.1, 1.0), None);
        let mut shifts = 0;
        for _ in 0..200 {
            shifts += u32::from(play(&mut sign, &mut random, 10, 0.1, 1.5).is_some());
            sign.judge(false);
        }
        assert!((1..40).contains(&shifts), "{shifts} of 200: it has begun to rain");
    }

    #[test]
    fn v8_it_is_relied_on_until_it_misses_or_cries_wolf_and_again_when_it_is_right() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        for wrongs in [[false, true], [true, false]] {
            let mut sign = SizeShift::default();
            assert!(!sign.is_relied_on(), "nothing is known of the stream yet");
            play(&mut sign, &mut random, 200, 0.1, 1.0);
            assert!(sign.is_relied_on());
            let [shifted, changed] = wrongs;
            let mut after = 0;
            while sign.is_relied_on() && after < 50 {
                (sign.shifted, after) = (shifted, after + 1);
                sign.judge(changed);
            }
            assert!((2..=8).contains(&after), "{wrongs:?}: {after}");
            for _ in 0..12 {
                sign.shifted = true;
                sign.judge(true);
            }
            assert!(sign.is_relied_on(), "{wrongs:?}");
        }
    }
}
