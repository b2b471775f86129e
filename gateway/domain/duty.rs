//! 值班表: who is on duty when and where. Pure; hours are civil time of the site.

use std::collections::HashSet;

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{DateTime, Time, Weekday},
    tz::TimeZone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Grid;

/// What somebody on duty does: 1+2+N is one officer, two auxiliaries and the grid workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DutyRole {
    /// 值班长: decides.
    Lead,
    /// 民警.
    Officer,
    /// 辅警.
    Auxiliary,
    /// 网格员.
    Worker,
}

/// Who is on duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDuty {
    pub role: DutyRole,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// When a shift is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hours {
    /// Once, `until` not included.
    Once { from: DateTime, until: DateTime },
    /// On these days of the week, from Monday; beyond midnight where `until` is not after `from`.
    Weekly { days: [bool; 7], from: Time, until: Time },
}

impl Hours {
    pub(super) fn hold(&self, at: DateTime) -> bool {
        match self {
            Self::Once { from, until } => *from <= at && at < *until,
            Self::Weekly { days, from, until } => {
                let on =
                    |day: Weekday| days[usize::from(day.to_monday_zero_offset().unsigned_abs())];
                let (today, time) = (at.weekday(), at.time());
                if from < until {
                    on(today) && *from <= time && time < *until
                } else {
                    (on(today) && *from <= time) || (on(today.previous()) && time < *until)
                }
            }
        }
    }
}

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    pub who: OnDuty,
    /// Codes of grids, names of communities or townships; empty: everywhere.
    pub areas: Vec<String>,
    pub hours: Hours,
}

/// All shifts of a site.
#[derive(Clone, Debug)]
pub struct Roster {
    /// In the order of the file.
    pub shifts: Vec<Shift>,
    /// Whose civil time the hours are.
    pub zone: TimeZone,
}

impl Roster {
    /// Who is on duty for a place, in the order of the file; nobody is an answer too.
    pub fn on_duty(&self, at: Timestamp, grid: Option<&Grid>) -> Vec<OnDuty> {
        let at = self.zone.to_datetime(at);
        let shifts = self.shifts.iter();
        let there = shifts.filter(|one| Grid::is_in(grid, &one.areas) && one.hours.hold(at));
        there.map(|one| one.who.clone()).collect()
    }

    /// Who is on duty for any place, in the order of the file.
    pub fn on_duty_anywhere(&self, at: Timestamp) -> Vec<OnDuty> {
        let at = self.zone.to_datetime(at);
        let there = self.shifts.iter().filter(|one| one.hours.hold(at));
        there.map(|one| one.who.clone()).collect()
    }

    /// Times within so many days from `from` in which nobody is on duty who may decide: neither a lead
    /// nor an officer, for no place at all.
    pub fn gaps(&self, from: Timestamp, days: i64) -> Vec<(DateTime, DateTime)> {
        let decides = |one: &&Shift| matches!(one.who.role, DutyRole::Lead | DutyRole::Officer);
        // Minute by minute, and each whole: a list whose days end at 23:59 has gaps of one minute.
        let whole = Timestamp::from_second(from.as_second().div_euclid(60) * 60);
        let mut at = whole.unwrap_or(from);
        // Each hours once, and none that are long over: a list of years is looked through for each minute.
        let (first, last) = (
            self.zone.to_datetime(at).saturating_sub(1.day()),
            self.zone.to_datetime(at).saturating_add((days + 1).days()),
        );
        let is_near = |hours: &&Hours| match hours {
            Hours::Once { from, until } => *until > first && *from < last,
            Hours::Weekly { .. } => true,
        };
        let shifts = self.shifts.iter().filter(decides).map(|one| &one.hours);
        let all: HashSet<&Hours> = shifts.filter(is_near).collect();
        let mut gaps: Vec<(DateTime, DateTime)> = Vec::new();
        for _ in 0..days * 24 * 60 {
            let civil = self.zone.to_datetime(at);
            if !all.iter().any(|hours| hours.hold(civil)) {
                let next = civil.saturating_add(1.minute());
                match gaps.last_mut().filter(|(_, until)| *until >= civil) {
                    Some((_, until)) => *until = next,
                    None => gaps.push((civil, next)),
                }
            }
            let Ok(later) = at.checked_add(SignedDuration::from_mins(1)) else { break };
            at = later;
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(role: DutyRole, name: &str, hours: Hours) -> Shift {
        let who = OnDuty { role, name: name.into(), phone: None };
        Shift { who, areas: Vec::new(), hours }
    }

    fn weekly(days: &[usize], from: &str, until: &str) -> Hours {
        let mut on = [false; 7];
        days.iter().for_each(|&day| on[day] = true);
        Hours::Weekly { days: on, from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    fn roster(shifts: Vec<Shift>) -> Roster {
        Roster { shifts, zone: TimeZone::get("Asia/Shanghai").unwrap() }
    }

    fn names(roster: &Roster, at: &str) -> Vec<String> {
        let at = format!("{at}+08:00").parse().unwrap();
        roster.on_duty(at, None).into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_shift_holds_from_its_first_minute_to_before_its_last_beyond_midnight_too() {
        // 2026-11-30 is a Monday.
        let all = roster(vec![
            shift(DutyRole::Officer, "day", weekly(&[0, 1, 2, 3, 4], "08:00", "20:00")),
            shift(DutyRole::Officer, "night", weekly(&[6], "20:00", "08:00")),
            shift(DutyRole::Worker, "always", weekly(&[0, 1, 2, 3, 4, 5, 6], "00:00", "00:00")),
            shift(
                DutyRole::Lead,
                "once",
                Hours::Once {
                    from: "2026-11-30T23:00".parse().unwrap(),
                    until: "2026-12-01T01:00".parse().unwrap(),
                },
            ),
        ]);
        for (at, expected) in [
            ("2026-11-29T19:59:59", vec!["always"]),
            ("2026-11-29T20:00:00", vec!["night", "always"]),
            ("2026-11-30T07:59:59", vec!["night", "always"]),
            ("2026-11-30T08:00:00", vec!["day", "always"]),
            ("2026-11-30T19:59:59", vec!["day", "always"]),
            ("2026-11-30T20:00:00", vec!["always"]),
            ("2026-11-30T23:00:00", vec!["always", "once"]),
            ("2026-12-01T00:59:59", vec!["always", "once"]),
            ("2026-12-01T01:00:00", vec!["always"]),
        ] {
            assert_eq!(names(&all, at), expected, "{at}");
        }
    }

    #[test]
    fn who_is_on_duty_elsewhere_is_not_on_duty_here() {
        let mut one = shift(DutyRole::Worker, "a", weekly(&[0], "00:00", "00:00"));
        one.areas = vec!["东湖社区".into()];
        let roster = roster(vec![one]);
        let at = "2026-11-30T12:00:00+08:00".parse().unwrap();
        let grid = |community: &str| Grid { community: Some(community.into()), ..Grid::default() };
        assert_eq!(roster.on_duty(at, Some(&grid("东湖社区"))).len(), 1);
        assert!(roster.on_duty(at, Some(&grid("西湖社区"))).is_empty());
        assert!(roster.on_duty(at, None).is_empty());
    }

    #[test]
    fn hours_in_which_nobody_may_decide_are_found() {
        let all = roster(vec![
            shift(DutyRole::Officer, "day", weekly(&[0, 1, 2, 3, 4, 5, 6], "08:00", "20:00")),
            shift(DutyRole::Auxiliary, "night", weekly(&[0, 1, 2, 3, 4, 5, 6], "20:00", "08:00")),
        ]);
        let from = "2026-11-30T12:00:00+08:00".parse().unwrap();
        let gaps: Vec<String> =
            all.gaps(from, 2).iter().map(|(from, until)| format!("{from} {until}")).collect();
        let expected =
            ["2026-11-30T20:00:00 2026-12-01T08:00:00", "2026-12-01T20:00:00 2026-12-02T08:00:00"];
        assert_eq!(gaps, expected);
        assert_eq!(roster(Vec::new()).gaps(from, 1).len(), 1, "nobody at all");
    }

    #[test]
    fn a_gap_of_a_minute_is_found_at_whatever_second_it_is_looked_for() {
        let week = [0, 1, 2, 3, 4, 5, 6];
        let once = Hours::Once {
            from: "2026-12-01T23:00".parse().unwrap(),
            until: "2026-12-02T01:00".parse().unwrap(),
        };
        let all = roster(vec![
            shift(DutyRole::Officer, "day", weekly(&week, "00:00", "23:59")),
            shift(DutyRole::Lead, "once", once),
        ]);
        for from in ["2026-11-30T12:07:00+08:00", "2026-11-30T12:07:31.5+08:00"] {
            let gaps = all.gaps(from.parse().unwrap(), 3);
            let gaps: Vec<String> =
                gaps.iter().map(|(from, until)| format!("{from} {until}")).collect();
            let expected = [
                "2026-11-30T23:59:00 2026-12-01T00:00:00",
                "2026-12-02T23:59:00 2026-12-03T00:00:00",
            ];
            assert_eq!(gaps, expected, "{from}");
        }
    }

    #[test]
    fn the_hours_are_civil_time_where_clocks_are_set_back() {
        let all = Roster {
            shifts: vec![shift(DutyRole::Lead, "early", weekly(&[6], "02:00", "03:00"))],
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        };
        // 2026-10-25: 02:30 comes twice.
        for at in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert_eq!(all.on_duty(at.parse().unwrap(), None).len(), 1, "{at}");
        }
        assert!(all.on_duty("2026-10-25T02:00:00Z".parse().unwrap(), None).is_empty());
    }
}
