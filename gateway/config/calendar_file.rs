//! The CSV file that `[life] calendar` names: which days are worked and at what hours, each row checked on its own.

use std::{collections::BTreeMap, path::Path};

use jiff::civil::{Date, Time};

use super::{
    list_rows::{self, BadRow, Form, Row},
    read::Document,
};
use crate::{
    domain::{Calendar, WorkHours, clean_cut},
    incident::LifeConfig,
};

const COLUMNS: [&str; 4] = ["date", "day", "hours", "name"];
/// Rows of some fifty years; more are no calendar.
const ROWS_MAX: usize = 20_000;

/// What of a file could be read, and a sentence for each line that could not.
#[derive(Debug)]
struct ReadCalendar {
    calendar: Calendar,
    bad: Vec<BadRow>,
}

/// The calendar of this configuration; what is wrong with its file is told, line by line.
pub(super) fn read(document: &mut Document<'_>, life: Option<&LifeConfig>) -> Calendar {
    let Some(path) = life.and_then(|life| life.calendar.as_deref()) else {
        return Calendar::default();
    };
    let at = ["life", "calendar"];
    let Some(bytes) = list_rows::bytes(document, at, path) else { return Calendar::default() };
    let ReadCalendar { calendar, bad } = parse(&bytes);
    for (line, why) in bad {
        document.foreign((path, line), "life.calendar", why, None);
    }
    document.warning(&at, reach(path, &calendar));
    calendar
}

fn reach(path: &Path, calendar: &Calendar) -> String {
    let until = match calendar.through() {
        Some(day) => format!("reaches to {day}"),
        None => "lists no day".to_owned(),
    };
    format!(
        "{} {until}; after that every Monday to Friday counts as a working day, holidays too: put a new one in its place in time",
        path.display()
    )
}

fn parse(bytes: &[u8]) -> ReadCalendar {
    let heads = |headers: &[String]| {
        if headers.iter().all(|name| name != "date") || headers.iter().all(|name| name != "day") {
            return Err(format!(
                "the first line names the columns, `date` and `day` among them ({}); here it is {}",
                COLUMNS.join(", "),
                clean_cut(&headers.join(", "), 80)
            ));
        }
        Ok(Vec::new())
    };
    let mut rows = CalendarRows::default();
    let form = Form { comments: true, full_rows: false, rows_max: Some(ROWS_MAX) };
    let bad = list_rows::walk(bytes, form, heads, |_, row| rows.take(row));
    ReadCalendar { calendar: rows.finish(), bad }
}

/// What was read so far.
#[derive(Default)]
struct CalendarRows {
    usual: Option<Vec<WorkHours>>,
    /// Days, and their own hours where a row says them; rest: no hours at all.
    days: BTreeMap<Date, Option<Vec<WorkHours>>>,
    through: Option<Date>,
}

impl CalendarRows {
    fn take(&mut self, row: &Row<'_>) -> Result<(), String> {
        let (date, day) =
            (row.cell("date").unwrap_or_default(), row.cell("day").unwrap_or_default());
        let hours = row.cell("hours").map(hours).transpose()?;
        if date == "*" {
            if day != "work" || hours.is_none() || self.usual.is_some() {
                return Err(
                    "`*` says the usual hours, once: `*,work,08:30-12:00 14:00-18:00`".into()
                );
            }
            self.usual = hours;
            return Ok(());
        }
        let date: Date = list_rows::date(date).ok_or_else(|| {
            format!("date: `{}`: expected a day like 2026-10-01", clean_cut(date, 40))
        })?;
        let own = match day {
            "work" => hours,
            "rest" if hours.is_some() => return Err("a day of rest has no hours".into()),
            "rest" => Some(Vec::new()),
            "through" => {
                self.through = self.through.max(Some(date));
                return Ok(());
            }
            other => {
                let said = clean_cut(other, 40);
                return Err(format!("day: `{said}`: expected work, rest or through"));
            }
        };
        if self.days.contains_key(&date) {
            return Err(format!("{date} is there twice"));
        }
        self.days.insert(date, own);
        Ok(())
    }

    fn finish(self) -> Calendar {
        let Self { usual, days, through } = self;
        let monday: Date = jiff::civil::date(2024, 1, 1);
        let usual = usual.unwrap_or_else(|| Calendar::default().hours(monday).to_vec());
        let last = days.keys().next_back().copied();
        let through = through.max(last);
        let days = days.into_iter().map(|(day, own)| (day, own.unwrap_or_else(|| usual.clone())));
        Calendar::new(usual.clone(), days.collect(), through)
    }
}

/// `08:30-12:00 14:00-18:00`: in order, and none within another.
fn hours(text: &str) -> Result<Vec<WorkHours>, String> {
    let expected = || {
        let said = clean_cut(text, 40);
        format!("hours: `{said}`: expected times in order like 08:30-12:00 14:00-18:00")
    };
    let mut all: Vec<WorkHours> = Vec::new();
    for span in text.split_whitespace() {
        let (from, to) = span.split_once('-').ok_or_else(expected)?;
        let time = |text: &str| Time::strptime("%H:%M", text).map_err(|_| expected());
        // The end of a day, as people write it, and as the last moment that the day has.
        let to = if to == "24:00" { Time::MAX } else { time(to)? };
        let span = WorkHours { from: time(from)?, to };
        let follows = all.last().is_none_or(|before| before.to <= span.from);
        if span.to <= span.from || !follows {
            return Err(expected());
        }
        all.push(span);
    }
    if all.is_empty() { Err(expected()) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_calendar_is_read_as_a_spreadsheet_saves_it() {
        let text = "\u{feff}date,day,hours,name\r\n# 国务院办公厅\r\n*,work,09:00-12:00 13:00-17:00,\r\n2026-10-01,rest,,国庆节\r\n2026-10-10,work,,调休\r\n2026-09-30,work,09:00-12:00,半天\r\n,,,\r\n2026-12-31,through,,\r\n";
        let ReadCalendar { calendar, bad } = parse(text.as_bytes());
        assert_eq!(bad, []);
        let spans = |date: &str| calendar.hours(day(date)).len();
        assert_eq!(
            ["2026-10-01", "2026-10-10", "2026-09-30", "2026-10-02", "2026-10-03"].map(spans),
            [0, 2, 1, 2, 0]
        );
        assert_eq!(calendar.hours(day("2027-01-04"))[0].from, jiff::civil::time(9, 0, 0, 0));
        assert_eq!(calendar.through(), Some(day("2026-12-31")));
        let listed = parse(b"date,day\n2026-10-01,rest\n").calendar;
        assert_eq!(listed.through(), Some(day("2026-10-01")), "to the last day that it names");
        assert_eq!(parse(b"date,day\n").calendar, Calendar::default());
    }

    #[test]
    fn a_day_may_be_worked_to_its_end() {
        let text = "date,day,hours\n*,work,00:00-24:00\n2026-10-01,work,08:00-12:00 20:00-24:00\n";
        let ReadCalendar { calendar, bad } = parse(text.as_bytes());
        assert_eq!(bad, []);
        let spans = calendar.hours(day("2026-10-01"));
        assert_eq!((spans.len(), spans[1].to), (2, Time::MAX));
        let zone = jiff::tz::TimeZone::UTC;
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        // Around the clock: a working day later is a day later.
        let from = at("2026-07-01T23:30:00Z");
        assert_eq!(calendar.after(&zone, from, 1), at("2026-07-02T23:30:00Z"));
        let worked = calendar.worked(&zone, from, at("2026-07-02T23:30:00Z"));
        assert_eq!(worked.as_millis(), 86_399_999, "less a nanosecond each midnight");
        for hours in ["24:00-24:00", "24:00-08:00", "00:00-24:01", "20:00-24:00 08:00-09:00"] {
            let bad = parse(format!("date,day,hours\n*,work,{hours}\n").as_bytes()).bad;
            assert!(bad.len() == 1 && bad[0].1.contains("expected times"), "{hours}: {bad:?}");
        }
    }

    #[test]
    fn each_bad_row_costs_itself_and_is_told_with_its_line() {
        let text = "date,day,hours\n2026-13-01,rest,\n2026-10-01,holiday,\n2026-10-02,rest,08:00-09:00\n2026-10-03,work,12:00-08:00\n2026-10-04,work,08:00-12:00 11:00-13:00\n2026-10-05,rest,\n2026-10-05,work,\n*,rest,\n2026-10-06,work,8点\n2026-10-07 08:00,rest,\n";
        let ReadCalendar { calendar, bad } = parse(text.as_bytes());
        let expected = [
            "2: date: `2026-13-01`: expected a day like 2026-10-01",
            "3: day: `holiday`: expected work, rest or through",
            "4: a day of rest has no hours",
            "5: hours: `12:00-08:00`: expected times in order",
            "6: hours: `08:00-12:00 11:00-13:00`: expected",
            "8: 2026-10-05 is there twice",
            "9: `*` says the usual hours, once",
            "10: hours: `8点`: expected",
            "11: date: `2026-10-07 08:00`: expected",
        ];
        let told: Vec<String> = bad.iter().map(|(line, why)| format!("{line}: {why}")).collect();
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (said, expected) in told.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
        assert!(calendar.hours(day("2026-10-05")).is_empty(), "the good ones count");
        for bytes in [b"2026-10-01,rest\n".as_slice(), b"", b"\xff\xff\xff", b"date\n"] {
            let bad = parse(bytes).bad;
            assert!(bad.len() == 1 && bad[0].0 == 1, "{bad:?}");
        }
    }
}
