//! Working time: which days are worked, and at what hours. Pure: dates in, times out.

use std::collections::BTreeMap;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time, Weekday, time},
    tz::TimeZone,
};

/// A calendar is asked for years ahead at most; one without a workday ends a search here.
const DAYS_MAX: u32 = 20_000;

/// From one time of the day to a later one, in which people are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkHours {
    /// Of the day.
    pub from: Time,
    /// Later on the same day.
    pub to: Time,
}

/// Which days are worked. A day that is not listed, and every day past the end, is worked from Monday to
/// Friday at the usual hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    usual: Vec<WorkHours>,
    /// Hours of the days that are listed; none on a day of rest.
    days: BTreeMap<Date, Vec<WorkHours>>,
    through: Option<Date>,
}

impl Default for Calendar {
    /// Monday to Friday, 08:30–12:00 and 14:00–18:00, without holidays.
    fn default() -> Self {
        let usual = vec![
            WorkHours { from: time(8, 30, 0, 0), to: time(12, 0, 0, 0) },
            WorkHours { from: time(14, 0, 0, 0), to: time(18, 0, 0, 0) },
        ];
        Self { usual, days: BTreeMap::new(), through: None }
    }
}

impl Calendar {
    /// Days with hours of their own (none: a day of rest), and the last day that the list speaks of. The
    /// hours of a day are in order and do not overlap; `usual` are not empty.
    pub fn new(
        usual: Vec<WorkHours>,
        days: BTreeMap<Date, Vec<WorkHours>>,
        through: Option<Date>,
    ) -> Self {
        Self { usual, days, through }
    }

    /// The last day that it speaks of; none: it lists no day.
    pub fn through(&self) -> Option<Date> {
        self.through
    }

    /// When this day is worked; empty: not at all.
    pub fn hours(&self, date: Date) -> &[WorkHours] {
        if let Some(own) = self.days.get(&date) {
            return own;
        }
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        if weekend { &[] } else { &self.usual }
    }

    /// So many working days after `from`: at the same time of the day, or where nobody works then, at the
    /// last moment before it at which somebody does. What begins outside working time begins with the next.
    pub fn after(&self, zone: &TimeZone, from: Timestamp, days: u32) -> Timestamp {
        if days == 0 {
            return from;
        }
        let fallback = || from.saturating_add(SignedDuration::from_hours(24 * i64::from(days)));
        let found = self.next_moment(zone, from).and_then(|(mut date, at)| {
            let mut left = days;
            for _ in 0..DAYS_MAX {
                date = date.tomorrow().ok()?;
                left -= u32::from(!self.hours(date).is_empty());
                if left == 0 {
                    return moment(zone, date, self.clamped(date, at));
                }
            }
            None
        });
        found.or_else(|| fallback().ok()).unwrap_or(Timestamp::MAX)
    }

    /// Working time between two moments; zero if the second is not later.
    pub fn worked(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> SignedDuration {
        let mut sum = SignedDuration::ZERO;
        let mut date = zone.to_datetime(from).date();
        let last = zone.to_datetime(to).date();
        for _ in 0..DAYS_MAX {
            if date > last {
                break;
            }
            for (begins, ends) in self.spans(zone, date) {
                let part = ends.min(to).duration_since(begins.max(from));
                sum += part.max(SignedDuration::ZERO);
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        sum
    }

    /// When so much working time after `from` is over.
    pub fn add_worked(
        &self,
        zone: &TimeZone,
        from: Timestamp,
        worked: SignedDuration,
    ) -> Timestamp {
        let mut left = worked;
        if left <= SignedDuration::ZERO {
            return from;
        }
        let mut date = zone.to_datetime(from).date();
        for _ in 0..DAYS_MAX {
            for (begins, ends) in self.spans(zone, date) {
                let begins = begins.max(from);
                let length = ends.duration_since(begins);
                if length >= left {
                    return begins.saturating_add(left).unwrap_or(Timestamp::MAX);
                }
                left -= length.max(SignedDuration::ZERO);
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        from.saturating_add(worked).unwrap_or(Timestamp::MAX)
    }

    fn spans(&self, zone: &TimeZone, date: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.hours(date).iter().filter_map(move |span| {
            Some((moment(zone, date, span.from)?, moment(zone, date, span.to)?))
        })
    }

    /// The first moment, not before `from`, at which somebody works.
    fn next_moment(&self, zone: &TimeZone, from: Timestamp) -> Option<(Date, Time)> {
        let local = zone.to_datetime(from);
        let (mut date, mut at) = (local.date(), local.time());
        for _ in 0..DAYS_MAX {
            if let Some(span) = self.hours(date).iter().find(|span| at < span.to) {
                return Some((date, at.max(span.from)));
            }
            (date, at) = (date.tomorrow().ok()?, Time::midnight());
        }
        None
    }

    /// This time of the day where somebody works then, else the last end before it, else the first hour.
    fn clamped(&self, date: Date, at: Time) -> Time {
        let hours = self.hours(date);
        if hours.iter().any(|span| span.from <= at && at <= span.to) {
            return at;
        }
        let before = hours.iter().rev().find(|span| span.to <= at).map(|span| span.to);
        before.or_else(|| hours.first().map(|span| span.from)).unwrap_or(at)
    }
}

fn moment(zone: &TimeZone, date: Date, at: Time) -> Option<Timestamp> {
    let zoned = date.to_datetime(at).to_zoned(zone.clone());
    zoned.ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("{text}+08:00").parse().unwrap()
    }

    fn china() -> (Calendar, TimeZone) {
        let rest = ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"];
        let usual = Calendar::default().usual;
        let morning = vec![usual[0]];
        let mut days: BTreeMap<Date, Vec<WorkHours>> =
            rest.iter().map(|day| (day.parse().unwrap(), Vec::new())).collect();
        days.insert("2026-10-10".parse().unwrap(), usual.clone());
        days.insert("2026-09-30".parse().unwrap(), morning);
        let calendar = Calendar::new(usual, days, Some("2026-12-31".parse().unwrap()));
        (calendar, TimeZone::get("Asia/Shanghai").unwrap())
    }

    #[test]
    fn days_are_working_days_from_the_hour_at_which_somebody_works() {
        let (calendar, zone) = china();
        for (from, days, expected) in [
            // Wednesday, within hours.
            ("2026-07-01T11:00:00", 2, "2026-07-03T11:00:00"),
            // Friday: the weekend is not counted.
            ("2026-07-03T16:00:00", 1, "2026-07-06T16:00:00"),
            // Before, between and after the hours, and at their very ends.
            ("2026-07-01T03:00:00", 1, "2026-07-02T08:30:00"),
            ("2026-07-01T12:00:00", 1, "2026-07-02T14:00:00"),
            ("2026-07-01T13:00:00", 1, "2026-07-02T14:00:00"),
            ("2026-07-01T18:00:00", 1, "2026-07-03T08:30:00"),
            ("2026-07-01T17:59:59", 1, "2026-07-02T17:59:59"),
            ("2026-07-04T10:00:00", 1, "2026-07-07T08:30:00"),
            // A holiday, a weekend that is worked for it, and a day with a morning only.
            ("2026-09-29T16:00:00", 1, "2026-09-30T12:00:00"),
            ("2026-09-29T16:00:00", 2, "2026-10-08T16:00:00"),
            ("2026-10-09T16:00:00", 1, "2026-10-10T16:00:00"),
            // Past its end Monday to Friday, whatever is celebrated.
            ("2027-09-30T16:00:00", 1, "2027-10-01T16:00:00"),
            ("2026-07-04T10:00:00", 0, "2026-07-04T10:00:00"),
        ] {
            assert_eq!(calendar.after(&zone, at(from), days), at(expected), "{days} after {from}");
        }
    }

    #[test]
    fn working_time_is_what_is_added_and_what_is_measured() {
        let (calendar, zone) = china();
        let hours = |minutes: i64| SignedDuration::from_mins(minutes);
        for (from, minutes, to) in [
            ("2026-07-02T07:00:00", 450, "2026-07-02T18:00:00"),
            ("2026-07-02T07:00:00", 451, "2026-07-03T08:31:00"),
            ("2026-07-03T17:59:00", 2, "2026-07-06T08:31:00"),
            ("2026-09-30T11:00:00", 61, "2026-10-08T08:31:00"),
        ] {
            assert_eq!(calendar.add_worked(&zone, at(from), hours(minutes)), at(to), "{from}");
            assert_eq!(calendar.worked(&zone, at(from), at(to)), hours(minutes), "{from} to {to}");
            assert_eq!(calendar.worked(&zone, at(to), at(from)), SignedDuration::ZERO);
        }
        assert_eq!(
            calendar.add_worked(&zone, at("2026-07-04T10:00:00"), SignedDuration::ZERO),
            at("2026-07-04T10:00:00")
        );
    }

    #[test]
    fn the_ends_of_time_and_a_calendar_without_work_end_no_program() {
        let zone = TimeZone::UTC;
        let calendar = Calendar::default();
        assert_eq!(calendar.after(&zone, Timestamp::MAX, u32::MAX), Timestamp::MAX);
        assert!(calendar.after(&zone, Timestamp::MIN, 3) > Timestamp::MIN);
        let start: Date = "2026-01-01".parse().unwrap();
        let rest = start.series(jiff::ToSpan::days(1)).take(30_000).map(|day| (day, Vec::new()));
        let idle = Calendar::new(calendar.usual.clone(), rest.collect(), None);
        let from = at("2026-07-01T11:00:00");
        assert_eq!(idle.after(&zone, from, 2), from + SignedDuration::from_hours(48));
        assert!(idle.add_worked(&zone, from, SignedDuration::from_hours(1)) > from);
    }
}
