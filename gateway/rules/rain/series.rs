//! One gauge's readings by the time they were made, and how much rain fell when: a pure function of them.
//!
//! **R1** Sums of rain are a pure function of the readings by the time they were made: late,
//! repeated and disordered reports give the same sums. Between two readings of a counter lies their
//! difference: it is exact over any gap, and how it is spread within the interval is taken from
//! 5-min amounts where the station sent them, else even. A counter that falls was reset or wrapped;
//! a difference that no rain makes is left out and reported. Reports are entries of the journal (kind
//! 8), and known again for 25 h after a restart.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Measure, READINGS_KEPT};

/// Instants with readings: two a minute for 25 h, and some more.
const INSTANTS_MAX: usize = 3_600;
/// SL 651 element 26 has 6 digits and a decimal: 99,999.9 mm, then 0.
const TOTAL_WRAPS_AT_UM: i64 = 100_000_000;
/// Where a tip counter begins at 0 again, if it is not configured: 16 and 32 bits.
const TIPS_WRAP_AT: [u64; 2] = [1 << 16, 1 << 32];
/// An intensity stands for at most this long before it.
const RATE_STANDS_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Rounding of stations to tenths of a millimetre, per slot.
const ROUNDED_UM: i64 = 100;

/// How a gauge counts, and what is not believed of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Micrometres a tip.
    pub(super) tip_um: f64,
    /// Tips at which its counter begins at 0 again, if that is configured.
    pub(super) wraps_at: Option<u64>,
    /// Micrometres in a minute.
    pub(super) most_um_per_min: i64,
}

/// Rain that fell in `(from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fallen {
    /// Exclusive.
    pub(super) from: Timestamp,
    /// Inclusive.
    pub(super) to: Timestamp,
    /// Micrometres.
    pub(super) um: i64,
}

/// The readings of one gauge of the last 25 h, and the rain that they amount to.
#[derive(Default)]
pub(super) struct Series {
    readings: BTreeMap<Timestamp, Vec<Measure>>,
    fallen: Vec<Fallen>,
    /// Readings that no rain can make: when, and why not.
    pub(super) doubts: Vec<(Timestamp, String)>,
}

impl Series {
    /// Takes a reading; false if it was there already. Sums are current after [`Self::add_up`].
    pub(super) fn insert(&mut self, at: Timestamp, measure: Measure) -> bool {
        let here = self.readings.entry(at).or_default();
        if here.contains(&measure) || here.len() >= 4 {
            return false;
        }
        here.push(measure);
        self.thin(at);
        while let Some((&oldest, _)) = self.readings.first_key_value()
            && (self.readings.len() > INSTANTS_MAX
                || self.last().is_some_and(|last| last.duration_since(oldest) > READINGS_KEPT))
        {
            self.readings.remove(&oldest);
        }
        true
    }

    /// Of counter readings within one minute, keeps the first and the last.
    fn thin(&mut self, at: Timestamp) {
        let minute = Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap_or(at);
        let counts = |measure: &Measure| {
            matches!(measure, Measure::Tips(_) | Measure::TotalUm(_) | Measure::TodayUm(_))
        };
        let within = self.readings.range(minute..minute + SignedDuration::from_secs(60));
        let counters: Vec<Timestamp> =
            within.filter(|(_, here)| here.iter().all(counts)).map(|(&at, _)| at).collect();
        if let [_, middle, _] = counters[..] {
            self.readings.remove(&middle);
        }
    }

    /// Removes readings that are dated after `limit`: our own clock was ahead when they were dated, and
    /// has been set back.
    pub(super) fn forget_after(&mut self, limit: Timestamp) {
        while self.last().is_some_and(|last| last > limit) {
            self.readings.pop_last();
        }
    }

    /// The time of the latest reading.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.readings.last_key_value().map(|(&at, _)| at)
    }

    /// All sums anew from the readings.
    pub(super) fn add_up(&mut self, scale: Scale) {
        self.doubts.clear();
        let slots = self.slots(scale);
        let counted = self.counted(scale);
        let mut fallen = Vec::with_capacity(counted.len() + slots.len());
        for step in &counted {
            spread(step, &slots, &mut fallen);
        }
        // Before the first and beyond the last reading of a counter there are only slots.
        let covered = counted.first().zip(counted.last()).map(|(a, b)| (a.from, b.to));
        let outside = |slot: &&Fallen| covered.is_none_or(|(a, b)| slot.to <= a || slot.from >= b);
        fallen.extend(slots.iter().filter(outside));
        fallen.sort_by_key(|one: &Fallen| one.to);
        self.fallen = fallen;
    }

    /// Differences of the counter that it reports most, in order.
    fn counted(&mut self, scale: Scale) -> Vec<Fallen> {
        let kinds: [fn(&Measure) -> Option<i64>; 3] = [
            |measure| if let Measure::TotalUm(um) = measure { Some(*um) } else { None },
            |measure| if let Measure::Tips(n) = measure { i64::try_from(*n).ok() } else { None },
            |measure| if let Measure::TodayUm(um) = measure { Some(*um) } else { None },
        ];
        let of = |kind: fn(&Measure) -> Option<i64>| -> Vec<(Timestamp, i64)> {
            let all = self.readings.iter();
            all.filter_map(|(&at, here)| Some((at, here.iter().find_map(kind)?))).collect()
        };
        let all = kinds.map(of);
        let most = all.iter().map(Vec::len).max().unwrap_or(0);
        let Some(chosen) = all.iter().position(|one| one.len() == most) else { return Vec::new() };
        let counter = match chosen {
            1 => Counter { unit_um: scale.tip_um, wraps: tips_wraps(scale.wraps_at), scale },
            _ => Counter { unit_um: 1.0, wraps: vec![TOTAL_WRAPS_AT_UM], scale },
        };
        let (fallen, doubts) = counter.differences(&all[chosen]);
        self.doubts.extend(doubts);
        fallen
    }

    /// Readings that are amounts: of a period that ended then, or by intensity.
    fn slots(&mut self, scale: Scale) -> Vec<Fallen> {
        let mut slots: Vec<Fallen> = Vec::new();
        let mut rate_before: Option<Timestamp> = None;
        for (&at, here) in &self.readings {
            for measure in here {
                let (from, um) = match *measure {
                    Measure::Fallen { um, period_s } => {
                        (at - SignedDuration::from_secs(period_s.into()), um)
                    }
                    Measure::RateUmPerHour(rate) => {
                        let from = rate_before.unwrap_or(at).max(at - RATE_STANDS_FOR);
                        rate_before = Some(at);
                        let ms = at.duration_since(from).as_millis();
                        (from, i64::try_from(i128::from(rate) * ms / 3_600_000).unwrap_or(0))
                    }
                    _ => continue,
                };
                if um > most_um(scale, from, at) {
                    let why = format!("{} mm in {} s", mm(um), at.duration_since(from).as_secs());
                    self.doubts.push((at, why));
                    continue;
                }
                // Two that overlap report the same rain twice: the first counts.
                if from < at && slots.last().is_none_or(|before| before.to <= from) {
                    slots.push(Fallen { from, to: at, um });
                }
            }
        }
        slots
    }

    /// Rain in `(until - window, until]`, µm. An interval that reaches over the edge counts by
    /// its share.
    pub(super) fn sum(&self, until: Timestamp, window: SignedDuration) -> i64 {
        let since = until - window;
        self.fallen
            .iter()
            .rev()
            .take_while(|one| one.to > since)
            .map(|one| share(one, since, until))
            .sum()
    }

    /// When the latest rain began: before that, no rain fell for `gap`.
    pub(super) fn began(&self, gap: SignedDuration) -> Option<Timestamp> {
        let mut wet = self.fallen.iter().rev().filter(|one| one.um > 0);
        let mut began = wet.next()?.from;
        for one in wet {
            if began.duration_since(one.to) >= gap {
                break;
            }
            began = began.min(one.from);
        }
        Some(began)
    }

    /// When rain last fell.
    pub(super) fn last_rain(&self) -> Option<Timestamp> {
        self.fallen.iter().rev().find(|one| one.um > 0).map(|one| one.to)
    }
}

/// The part of an interval that lies in `(since, until]`, by time.
fn share(one: &Fallen, since: Timestamp, until: Timestamp) -> i64 {
    let (from, to) = (one.from.max(since), one.to.min(until));
    let whole = one.to.duration_since(one.from).as_millis();
    let part = to.duration_since(from).as_millis();
    if part <= 0 || whole <= 0 {
        return 0;
    }
    if part == whole {
        return one.um;
    }
    i64::try_from(i128::from(one.um) * part / whole).unwrap_or(0)
}

/// Adds a counter's step, divided as the 5-min amounts inside it if they report the same rain.
fn spread(step: &Fallen, slots: &[Fallen], out: &mut Vec<Fallen>) {
    let inside: Vec<&Fallen> =
        slots.iter().filter(|slot| slot.from >= step.from && slot.to <= step.to).collect();
    let in_slots: i64 = inside.iter().map(|slot| slot.um).sum();
    let rounding = ROUNDED_UM * i64::try_from(inside.len().max(1)).unwrap_or(1);
    if step.um == 0 || in_slots == 0 || (in_slots - step.um).abs() > rounding {
        return out.push(*step);
    }
    let before = out.len();
    out.extend(inside.into_iter().copied());
    // The slots are rounded, the counter is exact: the largest slot takes the difference.
    if let Some(largest) = out[before..].iter_mut().max_by_key(|slot| slot.um) {
        largest.um += step.um - in_slots;
    }
}

fn most_um(scale: Scale, from: Timestamp, to: Timestamp) -> i64 {
    let minutes = to.duration_since(from).as_millis().max(60_000);
    i64::try_from(i128::from(scale.most_um_per_min) * minutes / 60_000).unwrap_or(i64::MAX)
}

fn tips_wraps(configured: Option<u64>) -> Vec<i64> {
    let all = configured.map_or(TIPS_WRAP_AT.to_vec(), |at| vec![at]);
    all.into_iter().filter_map(|at| i64::try_from(at).ok()).collect()
}

/// Millimetres of micrometres.
pub(super) fn mm(um: i64) -> f64 {
    um as f64 / 1000.0
}

struct Counter {
    unit_um: f64,
    wraps: Vec<i64>,
    scale: Scale,
}

type CounterReading = (Timestamp, i64);

impl Counter {
    /// A reading that cannot follow the one before is set aside; if the next one follows it, the
    /// counter was changed, and counting goes on from there.
    fn differences(&self, readings: &[CounterReading]) -> (Vec<Fallen>, Vec<(Timestamp, String)>) {
        let (mut fallen, mut doubts) = (Vec::new(), Vec::new());
        let Some((mut base, rest)) = readings.split_first().map(|(first, rest)| (*first, rest))
        else {
            return (fallen, doubts);
        };
        let mut aside: Option<CounterReading> = None;
        for &reading in rest {
            if let Some(um) = self.follows(base, reading) {
                fallen.push(Fallen { from: base.0, to: reading.0, um });
                (base, aside) = (reading, None);
                continue;
            }
            let again = aside.filter(|other| reading.1 >= other.1);
            if let Some((other, um)) = again.and_then(|o| Some((o, self.follows(o, reading)?))) {
                // What fell while it was changed is not known.
                fallen.push(Fallen { from: base.0, to: other.0, um: 0 });
                fallen.push(Fallen { from: other.0, to: reading.0, um });
                (base, aside) = (reading, None);
                continue;
            }
            let um = self.um(reading.1 - base.1);
            let seconds = reading.0.duration_since(base.0).as_secs();
            doubts.push((reading.0, format!("{:.1} mm in {seconds} s", mm(um))));
            aside = Some(reading);
        }
        (fallen, doubts)
    }

    /// Rain between two readings, if that can be.
    fn follows(&self, base: CounterReading, reading: CounterReading) -> Option<i64> {
        let most = most_um(self.scale, base.0, reading.0);
        let can = |count: i64| Some(self.um(count)).filter(|um| (0..=most).contains(um));
        if reading.1 >= base.1 {
            return can(reading.1 - base.1);
        }
        // It wrapped if it was in the last hundredth before its end; else it began anew at 0.
        let wrapped = self.wraps.iter().find(|end| base.1 < **end && base.1 >= **end - **end / 100);
        wrapped.and_then(|end| can(reading.1 + end - base.1)).or_else(|| can(reading.1))
    }

    fn um(&self, count: i64) -> i64 {
        (count as f64 * self.unit_um).round() as i64
    }
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
