//! When a picture was taken, by the stream's own clock and the arrival of its packets. Pure.
//!
//! **V7** A network only delays, so the packets with the shortest delay show best when they were
//! sent. A packet that arrives before its computed time moves the time line back to its arrival, so
//! no picture is ever dated into the future. The time line also creeps forward all the time, by more
//! than two quartz clocks differ; otherwise a camera with a slow clock would lag ever further
//! behind. Where the camera's own clock is known (RTCP) and right, that clock dates instead
//! (`session.rs`). A clock that is set, forward or back, skips nothing and blinds nobody. Two
//! streams of one camera (`detect_url`) are on the clock of the one that clips come from
//! (`camera/clock_offset.rs`).

use jiff::{SignedDuration, Timestamp};

/// Arrival and stream time may drift apart by this much before the stream is anchored anew.
const DRIFT: SignedDuration = SignedDuration::from_secs(1);
/// One part of so many: two clocks of 50 parts in a million each.
const CREEP: i64 = 10_000;

/// Source time of one session's packets.
#[derive(Default)]
pub(super) struct Timeline {
    /// A time, and the stream's own milliseconds at it.
    anchor: Option<(Timestamp, i64)>,
}

impl Timeline {
    /// From now on `stream_ms` is at this time.
    pub(super) fn begin(&mut self, at: Timestamp, stream_ms: i64) {
        self.anchor = Some((at, stream_ms));
    }

    /// Whether it has an anchor.
    pub(super) fn is_begun(&self) -> bool {
        self.anchor.is_some()
    }

    /// The time of this moment of the stream; nothing is learnt from it.
    pub(super) fn time_of(&self, stream_ms: i64) -> Option<Timestamp> {
        let (base, from) = self.anchor?;
        base.checked_add(SignedDuration::from_millis(stream_ms - from)).ok()
    }

    /// The time of a packet. `arrives`: it came now, straight from the network.
    pub(super) fn at(&mut self, stream_ms: i64, now: Timestamp, arrives: bool) -> Timestamp {
        let at = self.time_of(stream_ms).unwrap_or(now);
        let early = at.duration_since(now);
        if !self.is_begun() || (arrives && (early > SignedDuration::ZERO || -early > DRIFT)) {
            self.begin(now, stream_ms);
            return now;
        }
        if arrives && let Some((base, from)) = &mut self.anchor {
            let step_us = (stream_ms - *from).clamp(0, 10_000) * 1_000;
            *base = at + SignedDuration::from_micros(step_us / CREEP);
            *from = stream_ms;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn ms(n: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + n).unwrap()
    }

    /// How far the reckoning is off at the end, and at most in the second half, ms: `n` packets of 40 ms from a
    /// camera whose clock runs `ppm` fast, each delayed by `delay(n)`.
    fn off(n: i64, ppm: i64, mut delay: impl FnMut(i64) -> i64) -> (i64, i64) {
        let (mut timeline, mut arrived, mut last, mut most) = (Timeline::default(), 0, 0, 0);
        let mut before = ms(-1_000);
        for k in 0..n {
            let taken = k * 40;
            arrived = arrived.max(taken + delay(k));
            let stream = taken + taken * ppm / 1_000_000;
            let at = timeline.at(stream, ms(arrived), true);
            assert!(at <= ms(arrived), "packet {k} is dated into the future");
            assert!(at >= before, "packet {k} goes back");
            before = at;
            last = i64::try_from(at.duration_since(ms(taken)).as_millis()).unwrap();
            most = if k > n / 2 { most.max(last.abs()) } else { most };
        }
        (last, most)
    }

    #[test]
    fn v7_a_first_packet_that_came_late_is_made_good_by_the_next() {
        let (last, most) = off(250, 0, |k| if k == 0 { 600 } else { 15 });
        assert!(last <= 20 && most <= 20, "{last} {most}");
    }

    #[test]
    fn v7_a_network_that_delays_at_random_is_taken_out() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let (_, most) = off(5_000, 0, |_| 10 + random.random_range(0i64..60).pow(2) / 20);
        assert!(most <= 40, "{most}");
    }

    #[test]
    fn v7_a_camera_whose_quartz_is_fast_or_slow_stays_near() {
        for ppm in [-80, -20, 0, 20, 80] {
            // Two hours.
            let (last, most) = off(180_000, ppm, |k| if k % 50 == 0 { 300 } else { 10 });
            assert!(last <= 60 && most <= 60, "{ppm}: {last} {most}");
        }
    }

    #[test]
    fn v7_a_clock_that_is_set_is_followed_and_what_waited_teaches_nothing() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.at(0, ms(0), true), ms(0));
        assert_eq!(timeline.at(400, ms(0), false), ms(400), "it waited in the probing");
        assert_eq!(timeline.at(440, ms(3_600_440), true), ms(3_600_440));
        assert_eq!(timeline.at(480, ms(-3_600_000), true), ms(-3_600_000));
    }
}
