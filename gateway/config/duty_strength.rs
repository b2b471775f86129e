//! 1+2+N in words: what `check` says of shifts that have not one officer, two auxiliaries and a worker for each grid.

use jiff::{Timestamp, civil::DateTime};

use super::Config;
use crate::domain::{Grid, ShortHours, Shortage, clean_cut};

/// So far ahead it is looked who will be on duty.
const AHEAD_DAYS: i64 = 14;
/// Sorts of shortage that are told.
const SORTS_MAX: usize = 3;
/// Grids that are told by their codes.
const GRIDS_MAX: usize = 3;

/// Each sort of shortage within the next days, as a sentence: when it is first, and how often.
pub fn duty_strength(config: &Config, now: Timestamp) -> Vec<String> {
    let Some(roster) = &config.routing.roster else { return Vec::new() };
    let all: Vec<_> = config.grids.codes().filter_map(|code| config.grids.by_code(code)).collect();
    let grids: Vec<&Grid> = all.iter().map(AsRef::as_ref).collect();
    let mut sorts: Vec<(ShortHours, usize)> = Vec::new();
    for hours in roster.short_hours(now, AHEAD_DAYS, &grids) {
        match sorts.iter_mut().find(|(first, _)| first.short == hours.short) {
            Some((_, times)) => *times += 1,
            None => sorts.push((hours, 1)),
        }
    }
    let shown = |at: &DateTime| at.strftime("%Y-%m-%d %H:%M").to_string();
    let told = sorts.iter().take(SORTS_MAX).map(|(first, times)| {
        let (from, until) = (shown(&first.from), shown(&first.until));
        let again = match times {
            1 => String::new(),
            times => format!(", and {} more times within {AHEAD_DAYS} days", times - 1),
        };
        let what = what_is_short(&first.short, grids.len());
        format!("duty: 1+2+N: {what} from {from} to {until}{again}")
    });
    let more = sorts.len().saturating_sub(SORTS_MAX);
    let rest = (more > 0).then(|| {
        format!("duty: 1+2+N: and {more} other combinations are short within {AHEAD_DAYS} days")
    });
    told.chain(rest).collect()
}

fn what_is_short(short: &Shortage, grids: usize) -> String {
    let Shortage { no_officer, few_auxiliaries, no_worker } = short;
    let all = [
        ("no officer", no_officer),
        ("fewer than two auxiliaries", few_auxiliaries),
        ("no grid worker", no_worker),
    ];
    let told = all.into_iter().filter(|(_, places)| !places.is_empty());
    let told = told.map(|(what, places)| format!("{what}{}", whereabouts(places, grids)));
    told.collect::<Vec<_>>().join(", ")
}

/// Where, of so many grids; of all of them nothing has to be said.
fn whereabouts(places: &[String], grids: usize) -> String {
    if places.len() >= grids {
        return String::new();
    }
    let named: Vec<String> =
        places.iter().take(GRIDS_MAX).map(|code| clean_cut(code, 40)).collect();
    let more = places.len().saturating_sub(GRIDS_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(" in {}{more} of {grids} grids", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::duty_strength;
    use crate::config::{env::FixedEnvironment, parse};

    /// What is said of this list, with so many grids.
    fn said(list: &str, grids: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let (duty, map) = (folder.path().join("duty.csv"), folder.path().join("grids.geojson"));
        std::fs::write(&duty, format!("name,role,days,hours,areas\n{list}")).unwrap();
        let square = |n: usize| {
            let (west, east) = (114.0 + n as f64 / 10.0, 114.05 + n as f64 / 10.0);
            format!(
                r#"{{"type":"Feature","properties":{{"code":"G{n}","name":"第{n}网格"}},"geometry":{{"type":"Polygon","coordinates":[[[{west},30.0],[{east},30.0],[{east},30.05],[{west},30.05],[{west},30.0]]]}}}}"#
            )
        };
        let features = (1..=grids).map(square).collect::<Vec<_>>().join(",");
        let text = format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#);
        std::fs::write(&map, text).unwrap();
        let grids = if grids > 0 { format!("grids = {map:?}") } else { String::new() };
        let text = format!("[site]\nid = \"x\"\n{grids}\n[duty]\nroster = {duty:?}\n");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        duty_strength(&config, "2026-12-01T08:00:00+08:00".parse().unwrap())
    }

    #[test]
    fn a_list_that_is_one_and_two_and_each_grids_worker_is_fine() {
        let list =
            "王,民警,daily,00:00-24:00,\n孙,辅警,daily,00:00-24:00,\n赵,辅警,daily,00:00-24:00,\n";
        assert_eq!(said(list, 0), Vec::<String>::new());
        let worker = format!("{list}吴,网格员,daily,00:00-24:00,\n");
        assert_eq!(said(&worker, 5), Vec::<String>::new());
    }

    #[test]
    fn what_is_short_is_said_once_for_each_sort_with_its_first_hours() {
        let list = "王,民警,daily,08:00-20:00,\n李,民警,daily,20:00-08:00,\n\
                    孙,辅警,daily,00:00-24:00,\n赵,辅警,daily,08:00-20:00,\n\
                    吴,网格员,daily,00:00-24:00,G1\n";
        let night = "2026-12-01 20:00 to 2026-12-02 08:00, and 13 more times within 14 days";
        let day = "2026-12-01 08:00 to 2026-12-01 20:00, and 13 more times within 14 days";
        assert_eq!(
            said(list, 5),
            [
                format!(
                    "duty: 1+2+N: no grid worker in G2, G3, G4 and 1 more of 5 grids from {day}"
                ),
                format!(
                    "duty: 1+2+N: fewer than two auxiliaries, no grid worker in G2, G3, G4 and 1 more of 5 grids from {night}"
                ),
            ]
        );
        assert_eq!(
            said(list, 1),
            [format!("duty: 1+2+N: fewer than two auxiliaries from {night}")]
        );
        let alone = "吴,网格员,daily,00:00-24:00,\n";
        assert_eq!(
            said(alone, 0),
            [
                "duty: 1+2+N: no officer, fewer than two auxiliaries from 2026-12-01 08:00 to 2026-12-15 08:00"
            ]
        );
    }
}
