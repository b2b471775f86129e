//! The water level of one gauge: which readings are believed, and whether it is stuck.
//!
//! A level outside its range, or one that moved faster than water does, is doubtful: it is told at
//! once, and believed when two more readings agree, or another gauge of the grid rises too. A real
//! flood waits for two more readings at most; a probe that is broken rarely says the same three times.

use jiff::{SignedDuration, Timestamp};

/// A level that is the same to the millimetre for so long while it rains hard is stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// So much rain in that time changes any river, µm.
const STUCK_RAIN_UM: i64 = 30_000;
/// Doubtful readings that agree with each other are believed when there are so many.
const AGREE: usize = 3;
/// Doubtful levels of two gauges confirm each other within this time.
const TOGETHER_WITHIN: SignedDuration = SignedDuration::from_mins(70);
/// No water of this earth stands outside, mm above datum.
const EARTH_MM: std::ops::RangeInclusive<i64> = -500_000..=9_000_000;

/// Where the water is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LevelBand {
    /// Below the warning level 警戒水位.
    #[default]
    Below,
    /// At or above it.
    Warning,
    /// At or above the guarantee level 保证水位.
    Guarantee,
}

/// What is believed at once, mm and mm in a minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct LevelLimits {
    pub(super) lowest_mm: i64,
    pub(super) highest_mm: i64,
    pub(super) most_mm_per_min: i64,
}

/// The latest level, and the incident that it has made.
#[derive(Default)]
pub(super) struct Level {
    /// Millimetres above datum, and when.
    pub(super) last: Option<(Timestamp, i64)>,
    /// Doubtful readings that agree with each other, the latest last.
    aside: Vec<(Timestamp, i64)>,
    /// Since when it has not changed at all.
    same_since: Option<Timestamp>,
    /// Where it was when it was last compared.
    pub(super) mark: LevelBand,
    /// When the incident that is open began.
    pub(super) began_at: Option<Timestamp>,
    /// The level of the last notable finding, millimetres.
    pub(super) reported_mm: i64,
    /// The highest level of the incident, millimetres.
    pub(super) most_mm: i64,
}

impl LevelLimits {
    fn holds(&self, mm: i64) -> bool {
        (self.lowest_mm..=self.highest_mm).contains(&mm)
    }

    fn follows(&self, before: (Timestamp, i64), now: (Timestamp, i64)) -> bool {
        let minutes = now.0.duration_since(before.0).as_millis().max(60_000);
        let moved = i128::from(now.1) - i128::from(before.1);
        moved.abs() <= i128::from(self.most_mm_per_min) * minutes / 60_000
    }
}

impl Level {
    /// Takes a reading. Late readings change nothing, because the latest counts.
    pub(super) fn insert(&mut self, at: Timestamp, mm: i64, limits: LevelLimits) {
        let latest = self.aside.last().or(self.last.as_ref());
        if latest.is_some_and(|(before, _)| at <= *before) {
            return;
        }
        let now = (at, mm);
        // First, because with time any leap becomes a slow one.
        let agrees = self.aside.last().is_some_and(|before| limits.follows(*before, now));
        let plausible = match self.last {
            _ if agrees => false,
            None => limits.holds(mm),
            // Who has been believed outside the range stays believed.
            Some(last) => limits.follows(last, now) && (limits.holds(mm) || !limits.holds(last.1)),
        };
        if !plausible {
            if !agrees {
                self.aside.clear();
            }
            self.aside.push(now);
            if self.aside.len() < AGREE || !EARTH_MM.contains(&mm) {
                // What cannot be is never believed, and never fills memory.
                self.aside.truncate(AGREE);
                return;
            }
        }
        self.accept(now);
    }

    fn accept(&mut self, now: (Timestamp, i64)) {
        self.aside.clear();
        if self.last.is_none_or(|(_, was)| was != now.1) {
            self.same_since = Some(now.0);
        }
        self.last = Some(now);
    }

    /// What was not believed, if the latest reading was not.
    pub(super) fn doubt(&self) -> Option<String> {
        let (at, mm) = *self.aside.last()?;
        let said = format!("level {:.3} m", mm as f64 / 1000.0);
        let was = self.last.map_or_else(String::new, |(before, was)| {
            let seconds = at.duration_since(before).as_secs();
            format!(" ({:.3} m {seconds} s before)", was as f64 / 1000.0)
        });
        Some(match EARTH_MM.contains(&mm) {
            true => format!(
                "{said}{was}: doubtful, believed when two more readings or another gauge agree"
            ),
            false => format!("{said}{was}: no water stands there, not believed"),
        })
    }

    /// The doubtful level that is higher than the one before, and when.
    fn doubtful_rise(&self) -> Option<Timestamp> {
        let (at, mm) = *self.aside.last().filter(|(_, mm)| EARTH_MM.contains(mm))?;
        self.last.is_none_or(|(_, was)| mm > was).then_some(at)
    }

    /// Whether `other`, of the same grid, shows that the water does rise: it is high itself, or its own
    /// level rises in the same doubtful way.
    pub(super) fn is_confirmed_by(&self, other: &Self) -> bool {
        let Some(at) = self.doubtful_rise() else { return false };
        let near = |then: Timestamp| at.duration_since(then).abs() <= TOGETHER_WITHIN;
        let high = other.mark > LevelBand::Below && other.last.is_some_and(|(then, _)| near(then));
        high || other.doubtful_rise().is_some_and(near)
    }

    /// Another gauge confirms it.
    pub(super) fn believe(&mut self) {
        if let Some(latest) = self.aside.last().copied() {
            self.accept(latest);
        }
    }

    /// As [`super::series::Series::forget_after`].
    pub(super) fn forget_after(&mut self, limit: Timestamp) {
        self.aside.retain(|(at, _)| *at <= limit);
        if self.last.is_some_and(|(at, _)| at > limit) {
            (self.last, self.same_since) = (None, None);
        }
    }

    /// Takes over the incident that was open before a restart.
    pub(super) fn resume(&mut self, mark: LevelBand, began_at: Timestamp) {
        (self.mark, self.began_at) = (mark, Some(began_at));
    }

    /// Why it seems stuck, if it does; `rain_um`: the most rain at one gauge of the grid in a window.
    pub(super) fn stuck(
        &self,
        now_at: Timestamp,
        rain_um: impl Fn(SignedDuration) -> i64,
    ) -> Option<String> {
        let (last, _) = self.last?;
        let same = last.duration_since(self.same_since?);
        let stuck = same >= STUCK_AFTER
            && now_at.duration_since(last) < STUCK_AFTER
            && rain_um(STUCK_AFTER) >= STUCK_RAIN_UM;
        stuck
            .then(|| format!("the same level for {} h while it rains hard: stuck", same.as_hours()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LevelLimits =
        LevelLimits { lowest_mm: 0, highest_mm: 60_000, most_mm_per_min: 1_000 };

    fn level(readings: &[(i64, i64)]) -> Level {
        let mut level = Level::default();
        for (minute, mm) in readings {
            let at = Timestamp::from_second(1_782_864_000 + minute * 60).unwrap();
            level.insert(at, *mm, LIMITS);
        }
        level
    }

    #[test]
    fn what_is_doubtful_is_believed_the_third_time_and_never_before() {
        for (what, readings, expected, doubted) in [
            ("a quiet river", &[(0, 28_000), (60, 28_010)][..], Some(28_010), false),
            ("the first one outside", &[(0, 9_999_998)], None, true),
            ("jumps", &[(0, 28_000), (10, 40_000)], Some(28_000), true),
            ("jumps twice", &[(0, 28_000), (10, 40_000), (20, 40_100)], Some(28_000), true),
            (
                "and a third time",
                &[(0, 28_000), (10, 40_000), (20, 40_100), (30, 40_200)],
                Some(40_200),
                false,
            ),
            ("and comes back", &[(0, 28_000), (10, 40_000), (20, 28_010)], Some(28_010), false),
            (
                "jumps about",
                &[(0, 28_000), (10, 40_000), (20, 5_000), (30, 59_500)],
                Some(28_000),
                true,
            ),
            ("late ones change nothing", &[(60, 28_000), (10, 40_000)], Some(28_000), false),
            // The range is for the first look; a flood above it is believed, and what follows it too.
            (
                "a flood",
                &[(0, 61_000), (5, 61_100), (10, 61_200), (15, 61_300)],
                Some(61_300),
                false,
            ),
            (
                "never",
                &[(0, 9_999_998), (5, 9_999_998), (10, 9_999_998), (15, 9_999_998)],
                None,
                true,
            ),
        ] {
            let level = level(readings);
            assert_eq!(level.last.map(|(_, mm)| mm), expected, "{what}");
            assert_eq!(level.doubt().is_some(), doubted, "{what}: {:?}", level.doubt());
        }
    }

    #[test]
    fn two_gauges_that_rise_together_are_believed() {
        let (one, other) =
            (level(&[(0, 28_000), (10, 40_000)]), level(&[(0, 20_000), (12, 33_000)]));
        assert!(one.is_confirmed_by(&other) && other.is_confirmed_by(&one));
        assert!(!one.is_confirmed_by(&level(&[(0, 20_000), (12, 20_100)])));
        assert!(!one.is_confirmed_by(&level(&[(0, 20_000), (12, 1_000)])), "that one falls");
        let high = Level { mark: LevelBand::Warning, ..level(&[(0, 29_600), (12, 29_700)]) };
        assert!(one.is_confirmed_by(&high));
    }
}
