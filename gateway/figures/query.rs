//! Which figures are asked for: days of the site, and how they are cut up. Pure.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::Serialize;

/// More days than this are taken for a mistake; ten years.
const DAYS_MAX: i32 = 3_660;

/// A row for each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    Day,
    /// From Monday on.
    Week,
    Month,
    /// One for the whole time.
    All,
}

/// And, within it, a row for each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// All cases together.
    None,
    /// What happens, and what is of equipment: 事件, 部件.
    Class,
    Grid,
    Community,
    Township,
    Kind,
    Source,
    Department,
}

/// All of `by` and `group`, as they are written.
const PERIODS: [(&str, Period); 4] =
    [("day", Period::Day), ("week", Period::Week), ("month", Period::Month), ("all", Period::All)];
const SPLITS: [(&str, Split); 8] = [
    ("none", Split::None),
    ("class", Split::Class),
    ("grid", Split::Grid),
    ("community", Split::Community),
    ("township", Split::Township),
    ("kind", Split::Kind),
    ("source", Split::Source),
    ("department", Split::Department),
];

/// Days of the site, and how their cases are cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiguresQuery {
    /// The first day.
    pub from: Date,
    /// The day after the last one.
    pub until: Date,
    /// Rows by time.
    pub by: Period,
    /// Rows by place, kind or who has it.
    pub group: Split,
}

impl FiguresQuery {
    /// Of pairs such as `month=2026-11` or `from=2026-11-01`, `until=2026-12-01`, `by=day`, `group=grid`;
    /// without a time the month of `today`. The error names what is wrong, and what is expected.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        today: Date,
    ) -> Result<Self, String> {
        let (mut month, mut from, mut until) = (None, None, None);
        let (mut by, mut group) = (Period::All, Split::None);
        for (key, value) in pairs {
            match key {
                "month" => month = Some(first_of(value)?),
                "from" => from = Some(date(key, value)?),
                "until" => until = Some(date(key, value)?),
                "by" => by = one_of(key, value, &PERIODS)?,
                "group" => group = one_of(key, value, &SPLITS)?,
                _ => return Err(format!("{key}: known are month, from, until, by, group")),
            }
        }
        if month.is_some() && (from.is_some() || until.is_some()) {
            return Err("month: not together with from and until".into());
        }
        let from = from.or(month).unwrap_or_else(|| today.first_of_month());
        let end = match month {
            Some(month) => month.checked_add(1.month()),
            None => today.tomorrow(),
        };
        let until = match until {
            Some(until) => until,
            None => end.map_err(|_| format!("{from}: the calendar ends there"))?,
        };
        if until <= from {
            return Err(format!("until={until}: expected after from={from}; it is not counted"));
        }
        let days = days_between(from, until);
        if days > DAYS_MAX {
            return Err(format!("{from} to {until} are {days} days: expected at most {DAYS_MAX}"));
        }
        Ok(Self { from, until, by, group })
    }

    /// When these days begin and end.
    pub fn times(&self, zone: &TimeZone) -> Result<(Timestamp, Timestamp), String> {
        let midnight = |date: Date| {
            let zoned = date.to_zoned(zone.clone());
            zoned.map(|zoned| zoned.timestamp()).map_err(|_| format!("{date}: not a day here"))
        };
        Ok((midnight(self.from)?, midnight(self.until)?))
    }

    /// The first day of the row to which this day belongs.
    pub(super) fn period(&self, day: Date) -> Date {
        match self.by {
            Period::Day => day,
            Period::Week => day
                .checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days())
                .unwrap_or(day),
            Period::Month => day.first_of_month(),
            Period::All => self.from,
        }
    }

    /// The first days of all rows by time.
    pub(super) fn periods(&self) -> Vec<Date> {
        let mut all = Vec::new();
        let mut day = self.from;
        while day < self.until {
            let first = self.period(day);
            if all.last() != Some(&first) {
                all.push(first);
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        all
    }
}

fn days_between(from: Date, until: Date) -> i32 {
    until.since(from).map_or(i32::MAX, |span| span.get_days())
}

fn one_of<T: Copy>(key: &str, value: &str, all: &[(&str, T)]) -> Result<T, String> {
    all.iter().find(|(name, _)| *name == value).map(|(_, one)| *one).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        format!("{key}={value}: expected one of {}", names.join(", "))
    })
}

/// A day that a time zone can have.
fn date(key: &str, value: &str) -> Result<Date, String> {
    let date = value.parse::<Date>().ok().filter(|_| value.len() == 10);
    date.filter(|date| (1970..=9998).contains(&date.year()))
        .ok_or_else(|| format!("{key}={value}: expected a day such as 2026-11-01"))
}

fn first_of(value: &str) -> Result<Date, String> {
    let expected = || format!("month={value}: expected a month such as 2026-11");
    if value.len() != 7 {
        return Err(expected());
    }
    date("month", &format!("{value}-01")).map_err(|_| expected())
}
