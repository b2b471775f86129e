//! A shift of packet sizes: a sleeping sub-stream is looked at when one begins, and more seldom while there is none.
//!
//! Who comes into the picture makes the packets between key frames larger. Their sizes, as logarithms, are held
//! against what is usual at their place in the group, because encoders spend their bits unevenly over it, and what
//! they are above it, in deviations, adds up (a cumulative sum, CUSUM). A shift wakes nobody: it has a look taken,
//! which costs a few small pictures. So it may be wrong more often than a sign that wakes. Where an encoder holds its
//! rate whatever it sees, changes come without a shift, and where leaves move, shifts come without a change: there it
//! is not relied on, and looks are as frequent as without it.

use super::trust::{Terms, Trust};

/// Off what is usual by less than this many deviations, a packet does not count as larger.
const SLACK: f32 = 1.0;
/// The sum of what lies above that is a shift, deviations.
const SHIFT: f32 = 5.0;
/// A single packet counts for no more; so large a one is a shift by itself, and the sum falls again soon after.
const PACKET_MAX: f32 = SHIFT + SLACK + 1.0;
/// Share of level and deviation that each packet takes over, and of a place in the group that each group does.
const LEARN: f32 = 0.01;
const LEARN_PLACE: f32 = 0.1;
/// What is further off than so many deviations says no more of how far sizes lie apart.
const OUTLIER: f32 = 4.0;
/// Packets whose place is known, before what is usual counts as known; and groups before a place is.
const PACKETS_MIN: u32 = 50;
const GROUPS_MIN: u16 = 2;
/// Places of a group that are told apart; those behind them are one.
const PLACES_MAX: usize = 512;
/// Sizes that hardly differ: a deviation below this says nothing.
const DEVIATION_MIN: f32 = 0.05;
/// Right in one of four, and announced of what differed the larger half, it is relied on.
const TERMS: Terms = Terms { right_min: 0.0, precision_min: 0.25 };
const RECALL_MIN: f32 = 0.6;
/// It counts as having been right so often before anything is known of it.
const ADVANCE: f32 = 2.0;

/// What is usual at one place of a group: the logarithm of the size, and in how many groups it was seen.
#[derive(Clone, Copy, Debug, Default)]
struct UsualSize {
    size: f32,
    groups: u16,
}

/// Packet sizes of one sub-stream, and what their shifts were worth.
#[derive(Clone, Debug)]
pub(in crate::camera) struct SizeShift {
    places: Vec<UsualSize>,
    /// By how much all sizes are above what is usual at their places, for the time being.
    level: f32,
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
        let (places, level, deviation) = (Vec::new(), 0.0, 0.5);
        Self { places, level, deviation, packets: 0, sum: 0.0, shifted: false, trust }
    }
}

impl SizeShift {
    /// The next packet that is no key frame: how many lie between it and its key frame, and its bytes. Whether there
    /// was a shift since the look before.
    pub(in crate::camera) fn packet(&mut self, place: u64, bytes: usize) -> bool {
        let Some(off) = self.off_usual(place, (bytes.max(1) as f32).ln()) else {
            return self.shifted;
        };
        self.packets = self.packets.saturating_add(1);
        let deviations = (off - self.level) / self.deviation.max(DEVIATION_MIN);
        // Before they are known they are learnt faster: the share is that of this packet among all.
        let learn = LEARN.max(1.0 / self.packets as f32);
        let apart = (off - self.level).abs().min(self.deviation * OUTLIER) * 1.25;
        self.level += (off - self.level) * learn;
        self.deviation += (apart - self.deviation) * learn;
        if self.is_known() {
            self.sum = (self.sum + deviations.min(PACKET_MAX) - SLACK).max(0.0);
            self.shifted |= self.sum >= SHIFT;
        }
        self.shifted
    }

    /// How far this size is above what is usual at its place, which learns from it; `None`: it is not known yet.
    fn off_usual(&mut self, place: u64, size: f32) -> Option<f32> {
        let place = usize::try_from(place).unwrap_or(PLACES_MAX).min(PLACES_MAX - 1);
        if self.places.len() <= place {
            self.places.resize(place + 1, UsualSize::default());
        }
        let usual = self.places.get_mut(place)?;
        let (known, off) = (usual.groups >= GROUPS_MIN, size - usual.size);
        usual.groups = usual.groups.saturating_add(1);
        usual.size += off * LEARN_PLACE.max(1.0 / f32::from(usual.groups));
        known.then_some(off)
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

    const GOP: u64 = 25;

    /// Sizes about 2,000 bytes behind a key frame and a quarter of that at the end of the group, `noise` of that up
    /// and down, times `by`. The first packet with a shift.
    struct Sizes {
        random: StdRng,
        place: u64,
    }

    impl Sizes {
        fn new() -> Self {
            Self { random: StdRng::seed_from_u64(crate::domain::seed()), place: 0 }
        }

        fn play(&mut self, sign: &mut SizeShift, packets: u32, noise: f64, by: f64) -> Option<u32> {
            (1..=packets).find(|_| {
                self.place = (self.place + 1) % GOP;
                let usual = 2_000.0 * 0.25_f64.powf(self.place as f64 / GOP as f64);
                let size = usual * (1.0 + noise * self.random.random_range(-1.0..1.0)) * by;
                sign.packet(self.place, size as usize)
            })
        }
    }

    #[test]
    fn v8_somebody_who_comes_is_a_shift_within_some_packets_and_noise_is_none() {
        for (noise, by, within) in [(0.02, 1.15, 6), (0.1, 1.3, 6), (0.3, 2.0, 8), (0.0, 1.15, 6)] {
            let (mut sign, mut stream) = (SizeShift::default(), Sizes::new());
            assert_eq!(stream.play(&mut sign, 2_000, noise, 1.0), None, "noise {noise}");
            let came = stream.play(&mut sign, 50, noise, by);
            assert!(came.is_some_and(|after| after <= within), "noise {noise}, by {by}: {came:?}");
        }
    }

    #[test]
    fn v8_one_huge_packet_is_one_and_what_lasts_is_one_for_some_seconds_only() {
        let (mut sign, mut stream) = (SizeShift::default(), Sizes::new());
        stream.play(&mut sign, 500, 0.1, 1.0);
        assert_eq!(stream.play(&mut sign, 1, 0.1, 50.0), Some(1));
        sign.judge(false);
        assert_eq!(stream.play(&mut sign, 200, 0.1, 1.0), None);
        let mut shifts = 0;
        for _ in 0..200 {
            shifts += u32::from(stream.play(&mut sign, 10, 0.1, 1.5).is_some());
            sign.judge(false);
        }
        assert!((1..40).contains(&shifts), "{shifts} of 200: it has begun to rain");
    }

    #[test]
    fn v8_it_is_relied_on_until_it_misses_or_cries_wolf_and_again_when_it_is_right() {
        for wrongs in [[false, true], [true, false]] {
            let (mut sign, mut stream) = (SizeShift::default(), Sizes::new());
            assert!(!sign.is_relied_on(), "nothing is known of the stream yet");
            stream.play(&mut sign, 200, 0.1, 1.0);
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

    #[test]
    fn v8_places_beyond_any_group_and_packets_of_nothing_do_no_harm() {
        let mut sign = SizeShift::default();
        for place in [0, 511, 512, u64::MAX] {
            for bytes in [0, usize::MAX] {
                (0..5).for_each(|_| _ = sign.packet(place, bytes));
            }
        }
        assert!(sign.places.len() == PLACES_MAX && sign.sum.is_finite());
    }
}
