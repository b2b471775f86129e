//! Time stamps of a recording that stick, as pure arithmetic.
//!
//! A program that puts parts of a recording in a row, and lets no stamp go back, stamps each picture of the second part a
//! tick after the one before: a minute of it lies within a second, and next to no look would be at it. Such pictures are
//! dated by how long each of them lasts, until the stamps go on.

/// So much of a recording, by how long its pictures last, tells that its stamps stick.
const TELLS_S: f64 = 2.0;
/// A step that is a smaller share of how long a picture lasts is none.
const STEP_SHARE: f64 = 0.2;
/// No picture lasts less: a recorder that says so made it of stamps that stick.
const LASTS_S_MIN: f64 = 1.0 / 60.0;
/// Nor is one that lasts longer waited for.
const LASTS_S_MAX: f64 = 1.0;
/// How long it lasts where neither the packet nor the stamps before have said.
const LASTS_S: f64 = 0.04;
/// So much of each regular step goes into what is usual.
const GAIN: f64 = 0.1;

/// The stamps of one recording.
pub(super) struct StuckClock {
    /// Seconds in a tick.
    tick_s: f64,
    /// The stamp before, as it came and as it was put right.
    before: Option<(i64, i64)>,
    /// How long a picture usually lasts, by the stamps; seconds.
    usual_s: Option<f64>,
    /// Seconds of pictures with next to no steps between them.
    still_s: f64,
    sticks: bool,
}

/// What becomes of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PutRight {
    /// Ticks that it lies later.
    pub(super) shift: i64,
    /// How long its picture lasts, ticks, where its own stamp says nothing of that.
    pub(super) lasts: Option<i64>,
    /// From here on stamps stick.
    pub(super) begins: bool,
}

impl StuckClock {
    /// `tick_s`: seconds in a tick.
    pub(super) fn new(tick_s: f64) -> Self {
        Self { tick_s, before: None, usual_s: None, still_s: 0.0, sticks: false }
    }

    /// Takes the next stamp in the order of coding, and how long its packet says that it lasts; both in ticks.
    pub(super) fn put_right(&mut self, stamp: i64, duration: i64) -> PutRight {
        let Some((before, right)) = self.before else {
            self.before = Some((stamp, stamp));
            return PutRight { shift: 0, lasts: None, begins: false };
        };
        let says_s = duration as f64 * self.tick_s;
        let step_s = stamp.saturating_sub(before) as f64 * self.tick_s;
        let least_s = says_s.clamp(LASTS_S_MIN, LASTS_S_MAX);
        let stands = (0.0..STEP_SHARE * least_s).contains(&step_s);
        let mut begins = false;
        if stands {
            self.still_s += least_s;
            begins = !self.sticks && self.still_s >= TELLS_S;
            self.sticks |= begins;
        } else {
            self.still_s = 0.0;
            self.sticks = false;
            if (0.0..LASTS_S_MAX).contains(&step_s) {
                let usual_s = self.usual_s.get_or_insert(step_s);
                *usual_s += (step_s - *usual_s) * GAIN;
            }
        }
        let lasts = self.sticks.then(|| {
            let own = Some(says_s).filter(|says_s| (LASTS_S_MIN..=LASTS_S_MAX).contains(says_s));
            let lasts_s = own.or(self.usual_s).unwrap_or(LASTS_S);
            (lasts_s / self.tick_s) as i64
        });
        let step = lasts.unwrap_or_else(|| stamp.saturating_sub(before));
        let right = right.saturating_add(step);
        self.before = Some((stamp, right));
        PutRight { shift: right.saturating_sub(stamp), lasts, begins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times at which pictures with these stamps are, and at which of them it is told; ticks of a millisecond.
    fn times(stamps: &[i64], duration: i64) -> (Vec<i64>, Vec<usize>) {
        let mut clock = StuckClock::new(0.001);
        let put = |stamp: &i64| (*stamp, clock.put_right(*stamp, duration));
        let all: Vec<_> = stamps.iter().map(put).collect();
        let told = (0..all.len()).filter(|at| all[*at].1.begins).collect();
        (all.iter().map(|(stamp, right)| stamp + right.shift).collect(), told)
    }

    #[test]
    fn stamps_that_go_on_are_as_they_were() {
        for (step, duration) in
            [(40, 40), (40, 0), (10_000, 40), (4, 4), (4, 0), (500, 500), (4_000, 40), (33, 66)]
        {
            let stamps: Vec<i64> = (0..800).map(|n| n * step).collect();
            assert_eq!(
                times(&stamps, duration),
                (stamps, vec![]),
                "each {step} ms, says {duration}"
            );
        }
        // A burst, a part that begins anew, a picture that is there twice.
        let stamps: Vec<i64> = (0..40).map(|n| n * 40).chain((0..40).map(|n| n / 2 * 40)).collect();
        assert_eq!(times(&stamps, 40), (stamps, vec![]));
    }

    /// Thirty seconds, then parts of which each picture is stamped a tick after the one before, then what goes on.
    #[test]
    fn stamps_that_stick_are_dated_by_how_long_a_picture_lasts() {
        for (fps, duration_given) in
            [(25i64, true), (25, false), (10, true), (50, false), (2, true)]
        {
            let step = 1_000 / fps;
            let duration = if duration_given { step } else { 1 };
            let first = (0..30 * fps).map(|n| n * step);
            let last = 30_000 - step;
            let stuck = (1..=60 * fps).map(|n| last + n);
            let resumed = (1..=10 * fps).map(|n| last + 60 * fps + n * step);
            let stamps: Vec<i64> = first.chain(stuck).chain(resumed).collect();
            let (times, told) = times(&stamps, duration);
            assert_eq!(told.len(), 1, "{fps} fps, {duration_given}");
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{fps} fps");
            let whole_s = (times.last().unwrap() - times[0]) as f64 / 1000.0;
            // Without the duration it takes 120 pictures to tell.
            let lost_s = if duration_given { 2.5 } else { 125.0 / fps as f64 };
            assert!(
                (100.2 - lost_s..=100.2).contains(&whole_s),
                "{fps} fps, {duration_given}: {whole_s} s"
            );
        }
    }
}
