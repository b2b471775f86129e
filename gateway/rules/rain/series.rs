//! One gauge's readings by the time they were made, and how much rain fell when: a pure function of them.
//!
//! **R1** Sums of rain are a pure function of the readings by the time they were made: late,
//! repeated and disordered reports give the same sums. Between two readings of a counter lies their
//! difference: it is exact over any gap, and how it is spread within the interval is taken from
//! 5-min amounts where the station sent them, else even. A counter that falls was reset or wrapped
//! (`counter.rs`); amounts of periods count where no counter does (`amounts.rs`), and intensities
//! where there are neither. A difference that no rain makes is left out and reported. Reports are entries of the journal (kind
//! 8), and known again for 25 h after a restart.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    amounts::pieces,
    counter::{Counter, Differences, morning_before},
    fallen::{Fallen, share},
    limits::Doubt,
};
use crate::domain::{Measure, READINGS_KEPT};

pub(super) use super::limits::Scale;

/// Instants with readings: two a minute for 25 h, and some more.
const INSTANTS_MAX: usize = 3_600;
/// Amounts of one length that end at one instant.
const AMOUNTS_OF_ONE_LENGTH_MAX: usize = 2;
/// Readings of one instant: a report may have an amount of each period, and totals.
const READINGS_OF_ONE_INSTANT_MAX: usize = 16;
/// SL 651 element 26 has 6 digits and a decimal: 99,999.9 mm, then 0.
const TOTAL_WRAPS_AT_UM: i64 = 100_000_000;
/// Where a tip counter begins at 0 again, if it is not configured: 16 and 32 bits.
const TIPS_WRAP_AT: [u64; 2] = [1 << 16, 1 << 32];
/// An intensity stands for at most this long before it.
const RATE_STANDS_FOR: SignedDuration = SignedDuration::from_mins(15);
/// So much in other readings shows that a counter is dead which never moves.
const ALIVE_UM: i64 = 1_000;
/// Rounding of stations to tenths of a millimetre, per slot.
const ROUNDED_UM: i64 = 100;

/// The readings of one gauge of the last 25 h, and the rain that they amount to.
#[derive(Default)]
pub(super) struct Series {
    readings: BTreeMap<Timestamp, Vec<Measure>>,
    fallen: Vec<Fallen>,
    /// Readings that no rain can make, or hardly.
    pub(super) doubts: Vec<Doubt>,
    /// Amounts that are counted as soon as something else agrees.
    pub(super) held: Vec<Fallen>,
}

impl Series {
    /// Takes a reading; false if it was there already. Sums are current after [`Self::add_up`].
    pub(super) fn insert(&mut self, at: Timestamp, measure: Measure) -> bool {
        let here = self.readings.entry(at).or_default();
        let length = |one: &Measure| match one {
            Measure::Fallen { period_s, .. } => Some(*period_s),
            _ => None,
        };
        let own = length(&measure);
        let of_its_length = here.iter().filter(|one| own.is_some() && length(one) == own).count();
        if of_its_length >= AMOUNTS_OF_ONE_LENGTH_MAX
            || here.contains(&measure)
            || here.len() >= READINGS_OF_ONE_INSTANT_MAX
        {
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

    /// The first reading of a counter that is known: it tells no rain, the next ones do.
    pub(super) fn counts_from(&self) -> Option<Timestamp> {
        let counts = |measure: &Measure| matches!(measure, Measure::TotalUm(_) | Measure::Tips(_));
        let first = self.readings.iter().find(|(_, here)| here.iter().any(counts));
        first.map(|(&at, _)| at)
    }

    /// All sums anew from the readings.
    pub(super) fn add_up(&mut self, scale: Scale) {
        (self.doubts, self.held) = (Vec::new(), Vec::new());
        let mut amounts = pieces(&self.amounts(false), scale);
        let mut counted = self.counted(scale);
        if sum_of(&counted.fallen) + sum_of(&amounts.pieces) == 0 {
            // Nothing moves: intensities are asked after all.
            amounts = pieces(&self.amounts(true), scale);
        }
        // Before the first and beyond the last reading of a counter there are only amounts.
        let covered =
            counted.fallen.first().zip(counted.fallen.last()).map(|(a, b)| (a.from, b.to));
        let (inside, outside): (Vec<Fallen>, Vec<Fallen>) = amounts
            .pieces
            .iter()
            .partition(|one| covered.is_some_and(|(a, b)| one.to > a && one.from < b));
        let in_amounts: i64 = inside.iter().map(|one| one.um).sum();
        let mut fallen = outside;
        if covered.is_some() && in_amounts >= ALIVE_UM && sum_of(&counted.fallen) == 0 {
            self.dead_counter(&mut counted);
            fallen.extend(inside);
        } else {
            for step in &counted.fallen {
                spread(step, &amounts.pieces, &mut fallen);
            }
        }
        // What a counter tells, an amount need not tell again.
        let covers = |one: &Fallen| covered.is_some_and(|(a, b)| one.to > a && one.from < b);
        let open = |at: Timestamp| covered.is_none_or(|(a, b)| at <= a || at > b);
        self.held = counted.held;
        self.held.extend(amounts.held.into_iter().filter(|one| !covers(one)));
        self.doubts.extend(counted.doubts);
        self.doubts.extend(amounts.doubts.into_iter().filter(|doubt| open(doubt.at)));
        self.doubts.sort_by_key(|doubt| doubt.at);
        fallen.sort_by_key(|one: &Fallen| one.to);
        self.fallen = fallen;
    }

    /// Amounts that were held and that another gauge confirms: they count, and are no doubt any more.
    pub(super) fn believe(&mut self, agrees: impl Fn(&Fallen) -> bool) {
        for one in self.held.extract_if(.., |one| agrees(one)) {
            self.fallen.retain(|other| (other.from, other.to) != (one.from, one.to));
            self.fallen.push(one);
            self.doubts.retain(|doubt| doubt.at != one.to);
        }
        self.fallen.sort_by_key(|one| one.to);
    }

    fn dead_counter(&mut self, counted: &mut Differences) {
        counted.fallen.clear();
        let Some(at) = self.last() else { return };
        let why =
            "its counter stands still while its amounts say rain: the amounts count".to_owned();
        self.doubts.push(Doubt { at, why, doubtful: false });
    }

    /// Differences of the counter that it reports most; of one that is dead, of another.
    fn counted(&mut self, scale: Scale) -> Differences {
        let kinds: [fn(&Measure) -> Option<i64>; 3] = [
            |measure| if let Measure::TotalUm(um) = measure { Some(*um) } else { None },
            |measure| if let Measure::Tips(n) = measure { i64::try_from(*n).ok() } else { None },
            |measure| if let Measure::TodayUm(um) = measure { Some(*um) } else { None },
        ];
        let of = |kind: fn(&Measure) -> Option<i64>| -> Vec<(Timestamp, i64)> {
            let all = self.readings.iter();
            all.filter_map(|(&at, here)| Some((at, here.iter().find_map(kind)?))).collect()
        };
        let mut all: Vec<(usize, Differences)> = Vec::new();
        for (n, readings) in kinds.map(of).into_iter().enumerate() {
            let counter = match n {
                1 => Counter {
                    unit_um: scale.tip_um,
                    wraps: tips_wraps(scale.wraps_at),
                    daily: false,
                    scale,
                },
                n => Counter { unit_um: 1.0, wraps: vec![TOTAL_WRAPS_AT_UM], daily: n == 2, scale },
            };
            if !readings.is_empty() {
                all.push((readings.len(), counter.differences(&readings)));
            }
        }
        let most = all.iter().map(|(n, _)| *n).max().unwrap_or(0);
        let Some(chosen) = all.iter().position(|(n, _)| *n == most) else {
            return Differences::default();
        };
        let moves = |(_, one): &(usize, Differences)| sum_of(&one.fallen) >= ALIVE_UM;
        let dead = sum_of(&all[chosen].1.fallen) == 0 && all[chosen].1.held.is_empty();
        let alive = all.iter().position(moves).filter(|_| dead);
        if let (Some(_), Some(at)) = (alive, self.last()) {
            let why = "one of its counters stands still while the other says rain: that one counts";
            self.doubts.push(Doubt { at, why: why.into(), doubtful: false });
        }
        let mut counted = all.swap_remove(alive.unwrap_or(chosen)).1;
        counted.fallen.splice(..0, counted.before);
        counted
    }

    /// Readings that are amounts: of a period that ended then; or by intensity, where there is nothing
    /// better.
    fn amounts(&self, with_rates: bool) -> Vec<Fallen> {
        let is_better =
            |measure: &Measure| !matches!(measure, Measure::RateUmPerHour(_) | Measure::LevelMm(_));
        let with_rates = with_rates || !self.readings.values().flatten().any(is_better);
        let mut amounts: Vec<Fallen> = Vec::new();
        let mut rate_before: Option<Timestamp> = None;
        for (&to, here) in &self.readings {
            for measure in here {
                let (from, um) = match *measure {
                    Measure::Fallen { um, period_s } => {
                        (to - SignedDuration::from_secs(period_s.into()), um)
                    }
                    Measure::RateUmPerHour(rate) if with_rates => {
                        let from = rate_before.unwrap_or(to).max(to - RATE_STANDS_FOR);
                        rate_before = Some(to);
                        let ms = to.duration_since(from).as_millis();
                        (from, i64::try_from(i128::from(rate) * ms / 3_600_000).unwrap_or(0))
                    }
                    _ => continue,
                };
                amounts.push(Fallen { from, to, um });
            }
        }
        amounts
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

    /// Rain since 08:00, µm, up to `at`; `None` where that day is older than what is kept.
    pub(super) fn since_morning(&self, at: Timestamp) -> Option<i64> {
        let morning = morning_before(at);
        let kept = self.last().is_some_and(|last| last.duration_since(morning) <= READINGS_KEPT);
        kept.then(|| self.sum(at, at.duration_since(morning)))
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

fn sum_of(fallen: &[Fallen]) -> i64 {
    fallen.iter().map(|one| one.um).sum()
}

/// Adds a counter's step, divided as the 5-min amounts inside it if they report the same rain.
fn spread(step: &Fallen, slots: &[Fallen], out: &mut Vec<Fallen>) {
    let first = slots.partition_point(|slot| slot.from < step.from);
    let inside: Vec<&Fallen> =
        slots[first..].iter().take_while(|slot| slot.to <= step.to).collect();
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

fn tips_wraps(configured: Option<u64>) -> Vec<i64> {
    let all = configured.map_or(TIPS_WRAP_AT.to_vec(), |at| vec![at]);
    all.into_iter().filter_map(|at| i64::try_from(at).ok()).collect()
}

/// Millimetres of micrometres.
pub(super) fn mm(um: i64) -> f64 {
    um as f64 / 1000.0
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
