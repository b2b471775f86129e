//! Weekly windows: `Mon-Fri 22:00-06:00`, in the site's time zone, over midnight and daylight saving.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

struct Window {
    /// Monday first.
    days: [bool; 7],
    /// Minutes of the day; `to` may be before `from`: over midnight.
    from: u16,
    to: u16,
}

/// Empty is always.
pub struct Schedule(Vec<Window>);

impl Schedule {
    /// Holds at any time.
    pub fn always() -> Self {
        Self(Vec::new())
    }

    /// The error quotes the window and says what was expected.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| window(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of its windows holds at this time, in this zone.
    pub fn holds(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(at);
        let minute = u16::try_from(local.hour()).unwrap_or(0) * 60
            + u16::try_from(local.minute()).unwrap_or(0);
        let today = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let yesterday = (today + 6) % 7;
        self.0.is_empty()
            || self.0.iter().any(|window| {
                if window.from < window.to {
                    return window.days[today] && (window.from..window.to).contains(&minute);
                }
                (window.days[today] && minute >= window.from)
                    || (window.days[yesterday] && minute < window.to)
            })
    }
}

fn window(text: &str) -> Result<Window, String> {
    let wrong = || {
        format!(
            "`{text}`: expected days and times such as `Mon-Fri 22:00-06:00` or `Sat,Sun 00:00-24:00`"
        )
    };
    let (days, times) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let (from, to) = times.trim().split_once('-').ok_or_else(wrong)?;
    let mut chosen = [false; 7];
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first).ok_or_else(wrong)?, day(last).ok_or_else(wrong)?);
        let mut at = first;
        loop {
            chosen[at] = true;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    let (from, to) = (minutes(from).ok_or_else(wrong)?, minutes(to).ok_or_else(wrong)?);
    if from == to {
        return Err(format!("`{text}`: begins when it ends; for a whole day write 00:00-24:00"));
    }
    Ok(Window { days: chosen, from, to })
}

fn day(text: &str) -> Option<usize> {
    DAYS.iter().position(|(name, _)| text.trim().eq_ignore_ascii_case(name))
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && (hours < 24 || (hours == 24 && minutes == 0))).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_over_midnight_and_whole_days() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let schedule =
            Schedule::parse(&["Mon-Fri 22:00-06:00".into(), "Sun 00:00-24:00".into()]).unwrap();
        // 2026-07-03 is a Friday.
        for (at, expected) in [
            ("2026-07-03T21:59:59+08:00", false),
            ("2026-07-03T22:00:00+08:00", true),
            ("2026-07-04T05:59:59+08:00", true),
            ("2026-07-04T06:00:00+08:00", false),
            ("2026-07-04T23:00:00+08:00", false),
            ("2026-07-05T12:00:00+08:00", true),
            ("2026-07-06T03:00:00+08:00", false),
        ] {
            assert_eq!(schedule.holds(at.parse().unwrap(), &zone), expected, "{at}");
        }
    }

    #[test]
    fn mistakes_are_quoted() {
        for text in ["Mon", "Mon 22-06", "Mox 22:00-06:00", "Mon 25:00-26:00", "Mon 08:00-08:00"] {
            assert!(Schedule::parse(&[text.into()]).err().unwrap().contains(text));
        }
    }
}
