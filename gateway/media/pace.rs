//! Whether a stream's own clock can be believed, and time for the pictures of one that cannot. Pure.
//!
//! Cheap firmware stamps every packet alike, counts 90 kHz and sends 8, or sets its clock back in
//! mid-stream. Nothing is then where its stamp says: a clip of 13 s would last a tenth of a second,
//! or minutes. So the stamps are compared with the arrival, over windows that are longer than any
//! jitter. A stamp that goes back, or forward by more than time has passed, is a step, and what
//! comes goes on from where it was. A clock that runs at another rate for two windows in a row is
//! given up: from then on packets are dated by their arrival, evened out, until the clock has been
//! right for some windows. A network that stalls and catches up is slow in one window and fast in
//! the next, and is not taken for a bad clock.

/// A window of arrival in which the rate is judged, milliseconds: far longer than a network's jitter.
const WINDOW_MS: i64 = 2_000;
/// A window that lasted longer saw a stall, and says nothing.
const WINDOW_MS_MAX: i64 = 6_000;
/// Stamps in a hundred parts of arrival that a right clock stays within: two quartz clocks differ by a
/// ten-thousandth, the rest is jitter over a window.
const RATE_PERCENT: std::ops::RangeInclusive<i64> = 80..=125;
/// So many windows in a row, wrong the same way, and the clock is given up.
const WRONG_MAX: u32 = 2;
/// So many right ones in a row, and it is believed again.
const RIGHT_MIN: u32 = 5;
/// A stamp that goes back by less belongs to a picture that is shown before one that came first.
const BACK_MS_MAX: i64 = 1_000;
/// A stamp may be ahead of the arrival by so much in one step: what waited comes at once.
const AHEAD_MS_MAX: i64 = 1_500;
/// Evened time follows arrival within this.
const LAG_MS_MAX: i64 = 500;
/// Between two pictures, until it is known, and at most.
const STEP_MS: i64 = 40;
const STEP_MS_MAX: i64 = 2_000;

/// How the clock of a stream is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// Back, or forward, by so many milliseconds.
    Stepped(i64),
    /// It is given up: so many percent of real time.
    Rate(i64),
    /// It is believed again.
    Right,
}

/// Where the window began.
struct Window {
    stamp_ms: i64,
    arrival_ms: i64,
    pictures: i64,
}

/// The stamps of one live session, put right.
#[derive(Default)]
pub(super) struct Pace {
    /// Stamp, arrival and result of the packet before.
    before: Option<(i64, i64, i64)>,
    /// From stamps to results, while the clock is believed.
    offset_ms: i64,
    window: Option<Window>,
    wrong: u32,
    was_fast: bool,
    right: u32,
    /// The clock is given up.
    own: bool,
    /// Between two pictures, by arrival, milliseconds.
    step_ms: i64,
    /// From arrival to results, while the clock is given up.
    anchor: Option<i64>,
}

impl Pace {
    /// Whether packets are dated by arrival alone.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    /// A packet with this stamp came at `arrival_ms`, on any clock that does not step. Returns its time
    /// on the stream's clock as it should be, and what was found of it. `waited`: its arrival says nothing.
    pub(super) fn put_right(
        &mut self,
        stamp_ms: i64,
        arrival_ms: i64,
        waited: bool,
    ) -> (i64, Option<Odd>) {
        let Some((stamp_before, arrival_before, result_before)) = self.before else {
            self.before = Some((stamp_ms, arrival_ms, stamp_ms));
            return (stamp_ms, None);
        };
        let step = stamp_ms.saturating_sub(stamp_before);
        let passed = arrival_ms.saturating_sub(arrival_before).max(0);
        let stepped =
            step < -BACK_MS_MAX || (!waited && step.saturating_sub(passed) > AHEAD_MS_MAX);
        let mut odd = None;
        if stepped {
            odd = (!self.own).then_some(Odd::Stepped(step));
            let goes_on = if waited { STEP_MS } else { passed };
            self.offset_ms = result_before.saturating_add(goes_on).saturating_sub(stamp_ms);
            // The rate is that of what lies between two steps.
            self.window = None;
        }
        if !waited {
            odd = self.judge(stamp_ms, arrival_ms).or(odd);
        }
        let result = match self.own {
            true => self.evened(result_before, arrival_before, arrival_ms),
            false => stamp_ms.saturating_add(self.offset_ms),
        };
        if odd == Some(Odd::Right) {
            self.offset_ms = result.saturating_sub(stamp_ms);
        }
        self.before = Some((stamp_ms, arrival_ms, result));
        (result, odd)
    }

    /// One picture after the one before, near the arrival and never after it by much.
    fn evened(&mut self, result_before: i64, arrival_before: i64, arrival_ms: i64) -> i64 {
        let step = self.step_ms.clamp(1, STEP_MS_MAX);
        // How far the result lags behind an arrival that is taken as it is.
        let anchor = *self.anchor.get_or_insert(arrival_before.saturating_sub(result_before));
        let arrived = arrival_ms.saturating_sub(anchor);
        let next = result_before.saturating_add(step);
        let pulled = next.saturating_add(arrived.saturating_sub(next) / 8);
        let soonest = result_before.saturating_add(1);
        pulled.min(arrived).max(arrived.saturating_sub(LAG_MS_MAX)).max(soonest)
    }

    /// At the end of a window: is the rate right?
    fn judge(&mut self, stamp_ms: i64, arrival_ms: i64) -> Option<Odd> {
        let window = self.window.get_or_insert(Window { stamp_ms, arrival_ms, pictures: 0 });
        let passed = arrival_ms.saturating_sub(window.arrival_ms);
        if passed < WINDOW_MS {
            window.pictures += 1;
            return None;
        }
        let percent = stamp_ms.saturating_sub(window.stamp_ms).saturating_mul(100) / passed;
        let step_ms = passed / (window.pictures + 1).max(1);
        self.window = Some(Window { stamp_ms, arrival_ms, pictures: 0 });
        if passed > WINDOW_MS_MAX {
            (self.wrong, self.right) = (0, 0);
            return None;
        }
        self.step_ms = step_ms.max(1);
        if RATE_PERCENT.contains(&percent) {
            self.wrong = 0;
            self.right += 1;
            let again = self.own && self.right >= RIGHT_MIN;
            self.own &= !again;
            return again.then_some(Odd::Right);
        }
        let fast = percent > 100;
        self.wrong = if self.wrong > 0 && fast == self.was_fast { self.wrong + 1 } else { 1 };
        (self.was_fast, self.right) = (fast, 0);
        if self.own || self.wrong < WRONG_MAX {
            return None;
        }
        (self.own, self.anchor) = (true, None);
        Some(Odd::Rate(percent))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    /// Results and arrivals of `seconds` of pictures, 25 a second, each up to 30 ms late.
    fn played(seconds: i64, stamp: impl Fn(i64) -> i64) -> (Vec<(i64, i64)>, Vec<Odd>) {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let (mut pace, mut found, mut arrived) = (Pace::default(), Vec::new(), 0);
        let results = (0..seconds * 25).map(|nth| {
            let sent = nth * 40;
            arrived = arrived.max(sent + random.random_range(0..30));
            let (result, odd) = pace.put_right(stamp(sent), arrived, false);
            found.extend(odd);
            (result, arrived)
        });
        (results.collect(), found)
    }

    #[test]
    fn v7_stamps_of_every_rate_become_the_time_that_passed() {
        for percent in [0i64, 10, 50, 75, 130, 200, 1_000] {
            let (all, found) = played(40, |sent| sent * percent / 100);
            assert!(matches!(found[..], [Odd::Rate(_)]), "{percent}: {found:?}");
            // It is given up after two windows.
            let later = &all[6 * 25..];
            for pair in later.windows(2) {
                assert!(pair[1].0 > pair[0].0, "{percent}: {pair:?}");
                assert!(pair[1].0 - pair[0].0 < 200, "{percent}: {pair:?}");
            }
            let (first, last) = (later[0], later[later.len() - 1]);
            let off = (last.0 - first.0) - (last.1 - first.1);
            assert!(off.abs() < 400, "{percent}: off by {off} ms in 34 s");
        }
    }

    #[test]
    fn v7_a_right_clock_is_left_alone_also_where_the_network_stalls_or_both_differ_a_little() {
        for percent in [85, 99, 100, 101, 120] {
            let (all, found) = played(30, |sent| sent * percent / 100);
            assert!(found.is_empty(), "{percent}: {found:?}");
            assert!(
                all.iter()
                    .enumerate()
                    .all(|(nth, (result, _))| *result == nth as i64 * 40 * percent / 100)
            );
        }
        // Three seconds of silence every ten, and what waited comes at once.
        let mut pace = Pace::default();
        for nth in 0..25 * 60 {
            let sent = nth * 40;
            let arrived = if sent % 10_000 >= 7_000 { sent - sent % 10_000 + 10_000 } else { sent };
            assert_eq!(pace.put_right(sent, arrived, false), (sent, None), "{sent}");
        }
    }

    #[test]
    fn v7_a_clock_that_steps_goes_on_and_pictures_out_of_order_stay_so() {
        for by in [-60_000, -5_000, -1_100, 1_700, 60_000] {
            let (all, found) = played(20, |sent| if sent < 8_000 { sent } else { sent + by });
            assert_eq!(found, [Odd::Stepped(by + 40)], "{by}");
            for (nth, (result, _)) in all.iter().enumerate() {
                assert!((result - nth as i64 * 40).abs() < 80, "{by}: {result} for {nth}");
            }
        }
        // Two B-frames: each third picture is sent before the two that are shown before it.
        let order = |sent: i64| match sent / 40 % 3 {
            0 => sent + 120,
            _ => sent,
        };
        let (all, found) = played(20, order);
        assert!(found.is_empty(), "{found:?}");
        assert!(all.iter().enumerate().all(|(nth, (result, _))| *result == order(nth as i64 * 40)));
    }

    #[test]
    fn v7_a_clock_that_is_right_again_is_believed_again() {
        let (all, found) = played(60, |sent| if sent < 20_000 { 0 } else { sent });
        assert!(matches!(found[..], [Odd::Rate(0), .., Odd::Right]), "{found:?}");
        let (result, arrived) = all[all.len() - 1];
        // Four seconds passed until it was given up.
        assert!((0..4_600).contains(&(arrived - result)), "{result} {arrived}");
        assert!(all.windows(2).all(|pair| pair[1].0 >= pair[0].0), "never back");
    }

    #[test]
    fn what_waited_teaches_nothing_and_no_stamp_overflows() {
        let mut pace = Pace::default();
        for nth in 0..500 {
            assert_eq!(pace.put_right(nth * 40, 7, true), (nth * 40, None));
        }
        let mut pace = Pace::default();
        for stamp in [0, i64::MAX, i64::MIN, 5, i64::MAX, 0] {
            pace.put_right(stamp, 1_000, false);
            pace.put_right(stamp, i64::MAX, false);
        }
    }
}
