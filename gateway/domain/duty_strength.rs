//! 1+2+N: whether those on duty are one officer, two auxiliaries, and a worker for each grid. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp, civil::DateTime};

use super::{DutyRole, Grid, Hours, Roster, Shift, name_key};

/// Of each shift.
const AUXILIARIES_MIN: usize = 2;

/// Where those on duty are too few, by the codes of grids; of a site without grids the place has no code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shortage {
    /// Neither an officer nor a lead.
    pub no_officer: Vec<String>,
    /// Fewer than two auxiliaries.
    pub few_auxiliaries: Vec<String>,
    /// No worker by the list, and none in the file of grids.
    pub no_worker: Vec<String>,
}

impl Shortage {
    /// Nothing is short.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Hours in which the same is short, end not included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortHours {
    pub from: DateTime,
    pub until: DateTime,
    pub short: Shortage,
}

impl Roster {
    /// Times within so many days from `from` in which somebody is on duty, and fewer than should be. `grids` are
    /// all of the site.
    pub fn short_hours(&self, from: Timestamp, days: i64, grids: &[&Grid]) -> Vec<ShortHours> {
        // Minute by minute, as gaps are looked for; each set of hours is judged once.
        let whole = Timestamp::from_second(from.as_second().div_euclid(60) * 60);
        let mut at = whole.unwrap_or(from);
        let hours: Vec<&Hours> = self.hours();
        let mut judged: HashMap<Vec<usize>, Shortage> = HashMap::new();
        let mut found: Vec<ShortHours> = Vec::new();
        for _ in 0..days * 24 * 60 {
            let civil = self.zone.to_datetime(at);
            let now: Vec<usize> = hours
                .iter()
                .enumerate()
                .filter(|(_, one)| one.hold(civil))
                .map(|(n, _)| n)
                .collect();
            let short = judged.entry(now).or_insert_with_key(|now| {
                let on: HashSet<&Hours> =
                    now.iter().filter_map(|n| hours.get(*n)).copied().collect();
                let there = self.shifts.iter().filter(|shift| on.contains(&shift.hours));
                shortage(&there.collect::<Vec<_>>(), grids)
            });
            let until = civil.saturating_add(SignedDuration::from_mins(1));
            match found.last_mut().filter(|last| last.until >= civil && last.short == *short) {
                Some(last) => last.until = until,
                None if short.is_none() => {}
                None => found.push(ShortHours { from: civil, until, short: short.clone() }),
            }
            let Ok(later) = at.checked_add(SignedDuration::from_mins(1)) else { break };
            at = later;
        }
        found
    }

    /// Each hours of the list once.
    fn hours(&self) -> Vec<&Hours> {
        let mut all: Vec<&Hours> = Vec::new();
        let mut seen = HashSet::new();
        all.extend(self.shifts.iter().map(|shift| &shift.hours).filter(|one| seen.insert(*one)));
        all
    }
}

/// What is short while these are on duty; nobody at all is another matter, which gaps are.
fn shortage(there: &[&Shift], grids: &[&Grid]) -> Shortage {
    let mut short = Shortage::default();
    if there.is_empty() {
        return short;
    }
    let places: Vec<Option<&Grid>> = match grids {
        [] => vec![None],
        grids => grids.iter().map(|grid| Some(*grid)).collect(),
    };
    // Who is on duty everywhere is not looked for in each place.
    let (everywhere, some): (Vec<&Shift>, Vec<&Shift>) =
        there.iter().partition(|shift| shift.areas.is_empty());
    for place in places {
        let here = some.iter().filter(|shift| Grid::is_in(place, &shift.areas));
        let here: Vec<&Shift> = everywhere.iter().chain(here).copied().collect();
        let many = |roles: &[DutyRole]| {
            let of = here.iter().filter(|shift| roles.contains(&shift.who.role));
            of.map(|shift| name_key(&shift.who.name)).collect::<BTreeSet<_>>().len()
        };
        let code = || place.map_or_else(String::new, |grid| grid.code.clone());
        if many(&[DutyRole::Officer, DutyRole::Lead]) == 0 {
            short.no_officer.push(code());
        }
        if many(&[DutyRole::Auxiliary]) < AUXILIARIES_MIN {
            short.few_auxiliaries.push(code());
        }
        let needs_worker = place.is_some_and(|grid| grid.workers.is_empty());
        if needs_worker && many(&[DutyRole::Worker]) == 0 {
            short.no_worker.push(code());
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use jiff::{civil::Time, tz::TimeZone};

    use super::*;
    use crate::domain::{GridWorker, OnDuty};

    fn shift((role, name): (DutyRole, &str), (from, until): (&str, &str), areas: &[&str]) -> Shift {
        let time = |text: &str| text.parse::<Time>().unwrap();
        Shift {
            who: OnDuty { role, name: name.into(), phone: None },
            areas: areas.iter().map(|area| (*area).to_owned()).collect(),
            hours: Hours::Weekly { days: [true; 7], from: time(from), until: time(until) },
        }
    }

    fn grid(code: &str, worker: Option<&str>) -> Grid {
        let named = |name: &str| GridWorker { name: name.into(), phone: None };
        Grid {
            code: code.into(),
            community: Some(format!("{code}社区")),
            workers: worker.map(named).into_iter().collect(),
            ..Grid::default()
        }
    }

    /// What is short on a day from midnight, one line for each time.
    fn short(shifts: Vec<Shift>, grids: &[Grid]) -> Vec<String> {
        let roster = Roster { shifts, zone: TimeZone::get("Asia/Shanghai").unwrap() };
        let grids: Vec<&Grid> = grids.iter().collect();
        let from = "2026-12-01T00:00:00+08:00".parse().unwrap();
        let told = roster.short_hours(from, 1, &grids).into_iter().map(|one| {
            let ShortHours { from, until, short } = one;
            let [no_officer, few, no_worker] =
                [short.no_officer, short.few_auxiliaries, short.no_worker].map(|all| all.join("+"));
            let (from, until) = (from.strftime("%H:%M"), until.strftime("%H:%M"));
            format!("{from}-{until} o:{no_officer} a:{few} w:{no_worker}")
        });
        told.collect()
    }

    use DutyRole::{Auxiliary, Lead, Officer, Worker};
    const ALL_DAY: (&str, &str) = ("00:00", "00:00");

    #[test]
    fn one_officer_two_auxiliaries_and_a_worker_in_each_grid_are_enough() {
        let full = |more: Vec<Shift>| {
            let base = vec![
                shift((Officer, "王"), ("08:00", "20:00"), &[]),
                shift((Lead, "周"), ("20:00", "08:00"), &[]),
                shift((Auxiliary, "孙"), ALL_DAY, &[]),
                shift((Auxiliary, "赵"), ALL_DAY, &[]),
            ];
            base.into_iter().chain(more).collect::<Vec<_>>()
        };
        let (one, two) = (grid("G1", None), grid("G2", None));
        let none: [&str; 0] = [];
        assert_eq!(short(full(vec![]), &[]), none, "no grids, no workers");
        let everywhere = full(vec![shift((Worker, "吴"), ALL_DAY, &[])]);
        assert_eq!(short(everywhere, &[one.clone(), two.clone()]), none);
        let each = full(vec![
            shift((Worker, "吴"), ALL_DAY, &["G1"]),
            shift((Worker, "郑"), ALL_DAY, &["G2社区"]),
        ]);
        assert_eq!(short(each, &[one.clone(), two.clone()]), none);
        // The file of grids knows its workers, at whatever hour.
        assert_eq!(short(full(vec![]), &[grid("G1", Some("吴"))]), none);
        let some = full(vec![shift((Worker, "吴"), ("06:00", "22:00"), &["G1"])]);
        assert_eq!(
            short(some, &[one, two]),
            ["00:00-06:00 o: a: w:G1+G2", "06:00-22:00 o: a: w:G2", "22:00-00:00 o: a: w:G1+G2"]
        );
    }

    #[test]
    fn each_that_is_missing_is_found_with_its_hours_and_where() {
        let two = [grid("G1", Some("吴")), grid("G2", Some("郑"))];
        let night = ("20:00", "08:00");
        let shifts = vec![
            shift((Officer, "王"), ("08:00", "20:00"), &[]),
            shift((Officer, "李"), night, &["G1"]),
            shift((Auxiliary, "孙"), ALL_DAY, &[]),
            shift((Auxiliary, "赵"), ("08:00", "20:00"), &[]),
            // The same one twice is one.
            shift((Auxiliary, "孙 "), night, &[]),
        ];
        assert_eq!(
            short(shifts, &two),
            ["00:00-08:00 o:G2 a:G1+G2 w:", "20:00-00:00 o:G2 a:G1+G2 w:"]
        );
        // Without grids the place has no code; where nobody is on duty there is no shift.
        let day = vec![shift((Worker, "吴"), ("08:00", "09:00"), &[])];
        assert_eq!(short(day, &[]), ["08:00-09:00 o: a: w:"]);
        assert!(!shortage(&[&shift((Worker, "吴"), ALL_DAY, &[])], &[]).is_none());
        assert!(shortage(&[], &[&two[0]]).is_none());
    }
}
