//! What fell between the readings of a counter: its differences, with wraps, resets, mornings and jumps.

use jiff::{SignedDuration, Timestamp};

use super::{
    fallen::Fallen,
    limits::{Belief, Doubt, Scale, amount},
};

/// A day of rain begins at 08:00 Beijing time, which is midnight UTC.
const DAY_S: i64 = 86_400;
/// A station may take so long after 08:00 to begin anew.
const RESETS_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// The first reading of the day's rain tells what fell since 08:00, if that is not long ago: spread
/// over more hours it would say nothing about any of them.
const FIRST_TELLS_WITHIN: SignedDuration = SignedDuration::from_hours(6);

/// A counter: what one of it is, where it begins anew, and what is believed of it.
pub(super) struct Counter {
    /// Micrometres of one.
    pub(super) unit_um: f64,
    /// Where it begins at 0 again.
    pub(super) wraps: Vec<i64>,
    /// It begins anew at 08:00.
    pub(super) daily: bool,
    pub(super) scale: Scale,
}

type CounterReading = (Timestamp, i64);

/// What the next reading is compared with.
#[derive(Clone, Copy)]
struct Base {
    at: Timestamp,
    count: i64,
    /// After 08:00 it still said yesterday's number, and this was it.
    closing: Option<i64>,
}

impl Base {
    fn of((at, count): CounterReading) -> Self {
        Self { at, count, closing: None }
    }
}

/// What fell between two readings, and what the next is compared with.
type Followed = ([Option<Fallen>; 2], Base);

/// What the readings of a counter amount to.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) fallen: Vec<Fallen>,
    /// What the first reading tells: rain since 08:00, of a counter that begins anew then.
    pub(super) before: Option<Fallen>,
    pub(super) doubts: Vec<Doubt>,
    /// Amounts that rain can make, and that nothing has confirmed yet; not in `fallen`.
    pub(super) held: Vec<Fallen>,
}

/// A reading that cannot follow, or a jump that two readings agree on and a third may confirm.
enum Aside {
    Reading(CounterReading),
    Jump { at: usize, jump: Fallen },
}

impl Counter {
    /// A reading that cannot follow the one before is set aside. If the next one follows it, counting
    /// goes on from there; and if a third does, what lies between counts too, unless no rain can be so
    /// much: then the counter was changed.
    pub(super) fn differences(&self, readings: &[CounterReading]) -> Differences {
        let mut found = Differences::default();
        let Some((&first, rest)) = readings.split_first() else { return found };
        found.before = self.before(first);
        let mut base = Base::of(first);
        let mut aside: Option<Aside> = None;
        for &reading in rest {
            if let Some(Aside::Reading(other)) = aside
                && let Some((pieces, next)) = self.confirms(other, reading)
            {
                let at = found.fallen.len();
                // What fell meanwhile is not known, or not believed yet.
                found.fallen.push(Fallen { from: base.at, to: other.0, um: 0 });
                found.fallen.extend(pieces.into_iter().flatten());
                let jump = self.jump(base, other);
                found.held.extend(jump);
                aside = jump.map(|jump| Aside::Jump { at, jump });
                base = next;
                continue;
            }
            if let Some((pieces, next)) = self.follows(base, reading) {
                if let Some(Aside::Jump { at, jump }) = aside.take() {
                    found.fallen[at].um = jump.um;
                    found.held.retain(|held| *held != jump);
                    found.doubts.retain(|doubt| doubt.at != jump.to);
                }
                found.fallen.extend(pieces.into_iter().flatten());
                base = next;
                continue;
            }
            found.doubts.push(self.doubt(base, reading));
            aside = Some(Aside::Reading(reading));
        }
        if let Some(Aside::Reading(last)) = aside {
            found.held.extend(self.jump(base, last));
        }
        found
    }

    /// The first reading is where counting begins; the day's rain also tells what fell since 08:00.
    fn before(&self, (to, count): CounterReading) -> Option<Fallen> {
        let from = morning_before(to);
        let since = to.duration_since(from);
        let um = self.um(count);
        let tells = self.daily && since > RESETS_WITHIN && since <= FIRST_TELLS_WITHIN && um > 0;
        let sure = tells && self.scale.belief(from, to, um) == Belief::Sure;
        sure.then_some(Fallen { from, to, um })
    }

    /// `None`: that is not believed at once.
    fn follows(&self, base: Base, reading: CounterReading) -> Option<Followed> {
        let sure = |um: i64| {
            let belief = self.scale.belief(base.at, reading.0, um);
            let piece = Fallen { from: base.at, to: reading.0, um };
            (um >= 0 && belief == Belief::Sure).then_some(piece)
        };
        let morning = morning_before(reading.0);
        let slow = base.closing.is_some() && reading.0.duration_since(morning) <= RESETS_WITHIN;
        if self.daily && (base.at <= morning || slow) {
            return self.over_the_morning(base, reading, morning);
        }
        let piece = if reading.1 >= base.count {
            sure(self.um(reading.1 - base.count))
        } else {
            // It wrapped if it was in the last hundredth before its end; else it began anew at 0.
            let near = |end: &&i64| base.count < **end && base.count >= **end - **end / 100;
            let wrapped = self.wraps.iter().find(near);
            wrapped
                .and_then(|end| sure(self.um(reading.1 + end - base.count)))
                .or_else(|| sure(self.um(reading.1)))
        };
        piece.map(|piece| ([Some(piece), None], Base::of(reading)))
    }

    /// It began anew at 08:00: all that it says fell since then, and what fell between the last reading
    /// and 08:00 nobody knows.
    fn over_the_morning(
        &self,
        base: Base,
        (at, count): CounterReading,
        morning: Timestamp,
    ) -> Option<Followed> {
        let before = base.closing.unwrap_or(base.count);
        let more = count - before;
        // A station that is slow to begin anew still goes on with yesterday's number. What it says
        // next is of today, from 0.
        let slow = at.duration_since(morning) <= RESETS_WITHIN;
        let goes_on = slow && before > 0 && more >= 0 && more < count / 2;
        let (from, um) = match goes_on {
            true => (base.at, self.um(more)),
            false => (base.at.max(morning), self.um(count)),
        };
        if um < 0 || self.scale.belief(from, at, um) != Belief::Sure {
            return None;
        }
        let until_morning =
            (!goes_on && base.at < morning).then_some(Fallen { from: base.at, to: morning, um: 0 });
        let next = match goes_on {
            true => Base { at, count: 0, closing: Some(count) },
            false => Base::of((at, count)),
        };
        Some(([until_morning, Some(Fallen { from, to: at, um })], next))
    }

    /// Whether a reading agrees with one that was set aside.
    fn confirms(&self, aside: CounterReading, reading: CounterReading) -> Option<Followed> {
        (reading.1 >= aside.1).then(|| self.follows(Base::of(aside), reading)).flatten()
    }

    /// What fell at once, if rain can do that.
    fn jump(&self, base: Base, to: CounterReading) -> Option<Fallen> {
        let um = self.um(to.1 - base.count);
        let can = um > 0 && self.scale.belief(base.at, to.0, um) != Belief::Impossible;
        can.then_some(Fallen { from: base.at, to: to.0, um })
    }

    fn doubt(&self, base: Base, reading: CounterReading) -> Doubt {
        let um = self.um(reading.1 - base.count);
        let said = amount(um, base.at, reading.0);
        let why = match self.jump(base, reading) {
            Some(_) => {
                format!("{said}: doubtful, counted when two more readings or another gauge agree")
            }
            None if um < 0 => format!("{said}: its counter fell, not counted"),
            None => format!("{said}: more than any rain, not counted; a counter that was changed?"),
        };
        Doubt { at: reading.0, why, doubtful: true }
    }

    fn um(&self, count: i64) -> i64 {
        (count as f64 * self.unit_um).round() as i64
    }
}

/// The last 08:00 before `at`; a reading of 08:00 itself is of the day that ends.
pub(super) fn morning_before(at: Timestamp) -> Timestamp {
    let second = at.as_second() - i64::from(at.subsec_nanosecond() == 0);
    Timestamp::from_second(second.div_euclid(DAY_S) * DAY_S).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-01T08:00+08:00 and so many minutes later.
    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_782_864_000 + minute * 60).unwrap()
    }

    fn daily(readings: &[(i64, i64)]) -> Differences {
        let scale = Scale { tip_um: 200.0, wraps_at: None, most_um_per_min: 10_000 };
        let counter = Counter { unit_um: 1000.0, wraps: Vec::new(), daily: true, scale };
        let readings: Vec<_> = readings.iter().map(|(minute, mm)| (at(*minute), *mm)).collect();
        counter.differences(&readings)
    }

    #[test]
    fn the_days_rain_begins_anew_at_eight() {
        assert_eq!(at(0).to_string(), "2026-07-01T00:00:00Z");
        for (what, readings, mm) in [
            ("closed at 08:00", &[(-120, 20), (-60, 20), (0, 20), (60, 45), (120, 45)][..], 45),
            ("closed with more", &[(-60, 20), (0, 23), (60, 45)], 48),
            ("begun at 08:00", &[(-60, 20), (0, 0), (60, 45)], 45),
            ("more than yesterday", &[(-60, 20), (60, 45)], 45),
            ("less than yesterday", &[(-60, 20), (60, 5)], 5),
            ("begins anew at 08:05", &[(-60, 20), (5, 20), (10, 0), (60, 4)], 4),
            ("and has not yet at 08:10", &[(-60, 20), (5, 20), (10, 21), (60, 4)], 5),
            ("slow, and more than yesterday later", &[(-60, 20), (5, 20), (60, 45)], 45),
            ("rains at once", &[(-60, 2), (5, 30), (60, 45)], 45),
            ("two days apart", &[(-60, 20), (1_500, 7)], 7),
            ("restarted at noon", &[(60, 4), (240, 9), (245, 1), (300, 3)], 12),
            ("begins to count at ten", &[(120, 30), (180, 40)], 40),
            ("begins to count in the night", &[(-120, 30), (-60, 40)], 10),
        ] {
            let found = daily(readings);
            let all = found.fallen.iter().chain(&found.before);
            let sum: i64 = all.map(|one| one.um / 1000).sum();
            assert_eq!((sum, found.doubts.len()), (mm, 0), "{what}: {found:?}");
        }
    }

    #[test]
    fn a_jump_counts_when_a_third_reading_agrees_unless_no_rain_can_do_it() {
        let total = |readings: &[(i64, i64)]| {
            let scale = Scale { tip_um: 200.0, wraps_at: None, most_um_per_min: 10_000 };
            let counter = Counter { unit_um: 1000.0, wraps: Vec::new(), daily: false, scale };
            let readings: Vec<_> = readings.iter().map(|(minute, mm)| (at(*minute), *mm)).collect();
            let found = counter.differences(&readings);
            let sum: i64 = found.fallen.iter().map(|one| one.um / 1000).sum();
            (sum, found.doubts.len(), found.held.len())
        };
        // 80 mm in five minutes: a cloudburst, or a broken gauge.
        assert_eq!(total(&[(0, 100), (5, 180)]), (0, 1, 1));
        assert_eq!(total(&[(0, 100), (5, 180), (10, 181)]), (1, 1, 1));
        assert_eq!(total(&[(0, 100), (5, 180), (10, 181), (15, 183)]), (83, 0, 0));
        assert_eq!(total(&[(0, 100), (5, 180), (10, 101), (15, 102)]), (2, 1, 0), "it was not");
        // 800 mm in five minutes: another gauge stands there now.
        assert_eq!(total(&[(0, 100), (5, 900), (10, 901), (15, 903), (20, 904)]), (4, 1, 0));
    }
}
