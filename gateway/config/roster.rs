//! `[duty]`: 值班表, the CSV list of who is on duty when.

use std::{collections::HashSet, path::PathBuf};

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::TimeZone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    list_rows::{self, Row},
    read::Document,
};
use crate::domain::{DutyRole, Hours, OnDuty, Persons, Roster, Shift, clean_cut};

/// `[duty]`: who is on duty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DutyConfig {
    /// 值班表: CSV file with the columns name, role (`lead` 值班长, `officer` 民警, `auxiliary` 辅警, `worker`
    /// 网格员), phone, days and hours (`1-5` or `6;7`, Monday is 1; `08:00-20:00`) or from and until
    /// (`2026-12-01 08:00`), areas (codes of grids, names of communities or townships), note.
    #[serde(default)]
    pub roster: Option<PathBuf>,
}

const COLUMNS: [&str; 9] =
    ["name", "role", "phone", "days", "hours", "from", "until", "areas", "note"];
/// So far ahead it is looked who will be on duty.
const AHEAD_DAYS: i64 = 14;
/// Gaps that are told.
const GAPS_MAX: usize = 3;
/// Persons with several names that are told.
const DOUBLES_MAX: usize = 5;

fn role(row: &Row<'_>) -> Result<DutyRole, String> {
    match row.cell("role").unwrap_or_default() {
        "lead" | "值班长" => Ok(DutyRole::Lead),
        "officer" | "民警" => Ok(DutyRole::Officer),
        "auxiliary" | "辅警" => Ok(DutyRole::Auxiliary),
        "worker" | "网格员" => Ok(DutyRole::Worker),
        other => Err(format!(
            "role: `{}`: expected lead 值班长, officer 民警, auxiliary 辅警 or worker 网格员",
            clean_cut(other, 40)
        )),
    }
}

/// `1-5`, `6;7`, `daily`; Monday is 1.
fn days(row: &Row<'_>) -> Result<[bool; 7], String> {
    let mut on = [false; 7];
    let wrong = |word: &str| {
        format!("days: `{}`: expected 1-5, 6;7 or daily; Monday is 1", clean_cut(word, 40))
    };
    for word in row.several("days") {
        let (first, last) = match word.split_once(['-', '–', '~']) {
            _ if word == "daily" || word == "每天" => ("1", "7"),
            Some((first, last)) => (first.trim(), last.trim()),
            None => (word, word),
        };
        let day = |text: &str| text.parse::<usize>().ok().filter(|day| (1..=7).contains(day));
        let (first, last) = day(first).zip(day(last)).ok_or_else(|| wrong(word))?;
        if first > last {
            return Err(wrong(word));
        }
        on[first - 1..last].fill(true);
    }
    Ok(on)
}

fn time(text: &str) -> Option<Time> {
    // The end of a day, as people write it.
    if text.trim() == "24:00" {
        return Some(Time::midnight());
    }
    list_rows::time(text)
}

fn hours(row: &Row<'_>) -> Result<Hours, String> {
    match (row.cell("days"), row.cell("hours"), row.cell("from"), row.cell("until")) {
        (Some(_), Some(hours), None, None) => {
            let (from, until) = hours
                .split_once(['-', '–', '~', '至'])
                .and_then(|(from, until)| time(from).zip(time(until)))
                .ok_or_else(|| {
                    format!("hours: `{}`: expected such as 20:00-08:00", clean_cut(hours, 40))
                })?;
            Ok(Hours::Weekly { days: days(row)?, from, until })
        }
        (None, None, Some(from), Some(until)) => {
            let moment = |column: &str, text: &str| {
                list_rows::moment(text).ok_or_else(|| {
                    let said = clean_cut(text, 40);
                    format!("{column}: `{said}`: expected such as 2026-12-01 08:00")
                })
            };
            let (from, until) = (moment("from", from)?, moment("until", until)?);
            if until <= from {
                return Err("until must come after from".into());
            }
            Ok(Hours::Once { from, until })
        }
        _ => Err("give days and hours, or from and until".into()),
    }
}

fn shift(row: &Row<'_>) -> Result<Shift, String> {
    let name = row.text("name").ok_or("name is empty")?;
    Ok(Shift {
        who: OnDuty { role: role(row)?, name, phone: row.text("phone") },
        areas: row.several("areas").map(str::to_owned).collect(),
        hours: hours(row)?,
    })
}

/// The list, with what is wrong in it said at its lines.
pub(super) fn read(
    document: &mut Document<'_>,
    config: &DutyConfig,
    timezone: &str,
    areas: &HashSet<&str>,
) -> Option<Roster> {
    let path = config.roster.as_ref()?;
    let bytes = list_rows::bytes(document, ["duty", "roster"], path)?;
    let rows = list_rows::read(&bytes, &COLUMNS, shift);
    for (line, message) in rows.bad {
        document.foreign((path, line), "", message, None);
    }
    for (line, shift) in &rows.good {
        list_rows::warn_of_areas(document, (path, *line), &shift.areas, areas);
    }
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    Some(Roster { shifts: rows.good.into_iter().map(|(_, shift)| shift).collect(), zone })
}

/// What is doubtful in the list on the whole, as sentences: hours in which nobody is on duty who may decide, and
/// names that are of one person.
pub fn duty_doubts(roster: &Roster, now: Timestamp) -> Vec<String> {
    gaps(roster, now).into_iter().chain(doubles(roster)).collect()
}

/// Who has one mobile and several names there: it may be a slip, or the mobile that a room shares.
fn doubles(roster: &Roster) -> Vec<String> {
    let persons = Persons::of(roster);
    let told = persons.of_several_names().take(DOUBLES_MAX).map(|names| {
        let names: Vec<String> = names.iter().map(|name| clean_cut(name, 40)).collect();
        let names = names.join(", ");
        format!("duty: {names} have one mobile: they count as one person, who does not verify what that person handled, nor grant what that person asked")
    });
    told.collect()
}

/// Hours of the next days in which nobody is on duty who may decide, as sentences.
fn gaps(roster: &Roster, now: Timestamp) -> Vec<String> {
    let gaps = roster.gaps(now, AHEAD_DAYS);
    let told = gaps.iter().take(GAPS_MAX).map(|(from, until)| {
        let shown = |at: &DateTime| at.strftime("%Y-%m-%d %H:%M").to_string();
        format!("duty: neither lead nor officer from {} to {}", shown(from), shown(until))
    });
    let more = gaps.len().saturating_sub(GAPS_MAX);
    let rest = (more > 0).then(|| format!("duty: and {more} more within {AHEAD_DAYS} days"));
    told.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, duty_doubts, env::FixedEnvironment, parse};

    fn read(list: &str) -> (Option<Config>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("duty.csv");
        std::fs::write(&path, list).unwrap();
        let text = format!("[site]\nid = \"x\"\n[duty]\nroster = {path:?}\n");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let folder = folder.path().display().to_string();
        (config, problems.iter().map(|one| one.to_string().replace(&folder, "F")).collect())
    }

    fn on_duty(config: &Config, at: &str) -> Vec<String> {
        let roster = config.routing.roster.as_ref().unwrap();
        let all = roster.on_duty(format!("{at}+08:00").parse().unwrap(), None);
        all.into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_list_as_people_write_it_is_read() {
        let (config, said) = read(
            "name,role,phone,days,hours,from,until\n\
             王,民警,110,1-5,08:00-20:00,,\n李,officer,,daily,20：00至8:00,,\n\
             赵,值班长,,6;7,00:00-24:00,,\n张,辅警,,,,2026/12/1 8:00,2026-12-02 08:00\n",
        );
        assert_eq!(said, Vec::<String>::new());
        let config = config.unwrap();
        assert_eq!(on_duty(&config, "2026-12-01T08:00:00"), ["王", "张"]);
        assert_eq!(on_duty(&config, "2026-12-01T23:00:00"), ["李", "张"]);
        assert_eq!(on_duty(&config, "2026-12-05T12:00:00"), ["赵"]);
        assert_eq!(on_duty(&config, "2026-12-06T23:59:59"), ["李", "赵"]);
        let roster = config.routing.roster.unwrap();
        let from = "2026-12-01T08:00:00+08:00".parse().unwrap();
        assert!(duty_doubts(&roster, from).is_empty(), "somebody always is");
    }

    #[test]
    fn each_mistake_names_its_line_and_what_was_expected() {
        let (config, said) = read(
            "name,role,days,hours,from,until,areas\n\
             ,民警,1,0:00-1:00,,,\na,chief,1,0:00-1:00,,,\n\
             b,民警,0,0:00-1:00,,,\nc,民警,5-1,0:00-1:00,,,\nd,民警,1,25:00-1:00,,,\ne,民警,1,,,,\n\
             f,民警,,,2026-12-02 08:00,2026-12-01 08:00,\ng,民警,,,tomorrow,2026-12-01 08:00,\n\
             h,民警,1,0:00-1:00,,,G9\n",
        );
        assert!(config.is_none());
        let expected = [
            "2: error: name is empty",
            "3: error: role: `chief`: expected lead",
            "4: error: days: `0`: expected 1-5",
            "5: error: days: `5-1`: expected 1-5",
            "6: error: hours: `25:00-1:00`: expected such as",
            "7: error: give days and hours, or from and until",
            "8: error: until must come after from",
            "9: error: from: `tomorrow`: expected such as",
            "10: warning: areas: `G9` is no grid",
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(&format!("F/duty.csv:{expected}")), "{said}");
        }
    }

    #[test]
    fn nights_without_anybody_are_said_before_they_come() {
        let (config, _) = read("name,role,days,hours\n王,民警,daily,08:00-20:00\n");
        let roster = config.unwrap().routing.roster.unwrap();
        let gaps = duty_doubts(&roster, "2026-12-01T08:00:00+08:00".parse().unwrap());
        assert_eq!(gaps.len(), 4, "{gaps:?}");
        let first = "duty: neither lead nor officer from 2026-12-01 20:00 to 2026-12-02 08:00";
        assert_eq!(gaps[0], first);
        assert_eq!(gaps[3], "duty: and 11 more within 14 days");
    }

    #[test]
    fn a_telephone_that_makes_two_names_one_person_is_said() {
        let (config, _) = read(
            "name,role,phone,days,hours\n王芳,民警,13800138000,daily,00:00-24:00\n\
             王警官,民警,138-0013-8000,daily,00:00-24:00\n李,民警,110,daily,00:00-24:00\n\
             赵,民警,110,daily,00:00-24:00\n王 芳,民警,,daily,00:00-24:00\n",
        );
        let roster = config.unwrap().routing.roster.unwrap();
        let told = duty_doubts(&roster, "2026-12-01T08:00:00+08:00".parse().unwrap());
        assert_eq!(told.len(), 1, "{told:?}");
        let said = "duty: 王芳, 王警官 have one mobile: they count as one person";
        assert!(told[0].starts_with(said), "{told:?}");
    }
}
