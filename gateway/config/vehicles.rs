//! `[vehicles]`: that plates are read, whose vehicles are known, and for how long a plate is kept.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    list_rows::{self, Row},
    read::Document,
    sections::Items,
};
use crate::{
    domain::{ListedVehicle, Plate, VehicleList, VehicleLists, VehicleStanding, clean_cut},
    rules, vision,
};

/// Days for which a plate is kept that no entry of `keep` is for.
const KEEP_DAYS: u32 = 7;
/// Nobody keeps plates for longer.
const KEEP_DAYS_MAX: u32 = 366;

/// `[vehicles]`: where it is there, the rules of kinds fire-lane, barrier and stay read plates.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VehiclesConfig {
    /// CSV file with the columns plate and list (`resident`, `visitor`, `staff`, `attention`), and if wanted
    /// until, order, author, note. A visitor has an end; who is on `attention` has an end, the order by which
    /// he is looked for, and who put him there.
    #[serde(default)]
    pub list_file: Option<PathBuf>,
    /// Days for which the plate of a vehicle in an incident can be opened. Default 7, at most 366.
    #[serde(default = "keep_days")]
    pub keep_days: u32,
    /// Other days by what the vehicle was to the site: `[{ vehicles = "attention", days = 90 }]`.
    #[serde(default)]
    pub keep: Vec<KeepPlates>,
}

/// An entry of `keep` of `[vehicles]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepPlates {
    /// What they were: `unknown`, `resident`, `visitor`, `staff`, `expired`, `attention`.
    pub vehicles: VehicleStanding,
    /// 1 to 366.
    pub days: u32,
}

fn keep_days() -> u32 {
    KEEP_DAYS
}

/// The section and what its list holds.
#[derive(Clone)]
pub struct Vehicles {
    pub config: VehiclesConfig,
    pub lists: VehicleLists,
    /// Lines of the list that do not count, by their numbers.
    pub wrong_lines: Vec<usize>,
}

impl Vehicles {
    /// Days for which the plate of such a vehicle is kept.
    pub fn keep_days(&self, standing: Option<VehicleStanding>) -> u32 {
        let entry = self.config.keep.iter().find(|one| Some(one.vehicles) == standing);
        entry.map_or(self.config.keep_days, |one| one.days)
    }

    /// The list, where lines of it are wrong: at a start the others count all the same.
    pub(super) fn wrong_list(&self) -> Option<String> {
        let file = self.config.list_file.as_ref().filter(|_| !self.wrong_lines.is_empty())?;
        Some(file.display().to_string())
    }
}

impl VehiclesConfig {
    /// Errors as (key, message).
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let days = self.keep.iter().map(|one| ("keep", one.days));
        for (key, days) in days.chain([("keep_days", self.keep_days)]) {
            if !(1..=KEEP_DAYS_MAX).contains(&days) {
                problems.push((key, format!("{days} days: expected 1 to {KEEP_DAYS_MAX}")));
            }
        }
        for (at, one) in self.keep.iter().enumerate() {
            if self.keep[..at].iter().any(|before| before.vehicles == one.vehicles) {
                let name = one.vehicles.as_str();
                problems.push(("keep", format!("entry {}: `{name}` is there twice", at + 1)));
            }
        }
        problems
    }
}

/// Reads the list, and holds the rules against what there is: what is missing is told where it is asked for.
pub(super) fn check(
    document: &mut Document<'_>,
    config: Option<VehiclesConfig>,
    (rules, timezone): (&Items<rules::Config>, &str),
    models: &Path,
) -> Option<Vehicles> {
    let wants = |rule: &rules::Config| rule.needs_plates();
    let Some(config) = config else {
        for (index, rule) in rules.iter().filter(|(_, rule)| wants(rule)) {
            let kind = if rule.vehicles.is_empty() { "kind" } else { "vehicles" };
            let message = "tells vehicles apart by their plates: that needs a section [vehicles]";
            document.problem(&["rule", index, kind], message.into(), None);
        }
        return None;
    };
    let readers = rules.iter().filter(|(_, rule)| rule.may_read_plates());
    let readers: Vec<&str> = readers.map(|(index, _)| index.as_str()).collect();
    let missing = vision::missing_for_plates(models);
    if readers.is_empty() {
        let message = "no rule of kind fire-lane, barrier or stay: no plate is read";
        document.warning(&["vehicles"], message.into());
    }
    for index in readers.iter().filter(|_| !missing.is_empty()) {
        let message = format!("no plate can be read: {}", missing.join("; "));
        document.warning(&["rule", index, "kind"], message);
    }
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    let (lists, wrong_lines) = read(document, config.list_file.as_deref(), &zone);
    Some(Vehicles { config, lists, wrong_lines })
}

const COLUMNS: [&str; 6] = ["plate", "list", "until", "order", "author", "note"];

fn read(
    document: &mut Document<'_>,
    path: Option<&Path>,
    zone: &TimeZone,
) -> (VehicleLists, Vec<usize>) {
    let bytes = path.and_then(|path| list_rows::bytes(document, ["vehicles", "list_file"], path));
    let (Some(path), Some(bytes)) = (path, bytes) else { return Default::default() };
    let (good, bad) = parse(&bytes, zone);
    let wrong_lines = bad.iter().map(|(line, _)| *line).collect();
    for (line, message) in bad {
        document.foreign((path, line), "", message, None);
    }
    (VehicleLists::new(good), wrong_lines)
}

/// The lines that count, and what is wrong with the others: each with its number.
fn parse(bytes: &[u8], zone: &TimeZone) -> (Vec<ListedVehicle>, Vec<list_rows::BadRow>) {
    let rows = list_rows::read(bytes, &COLUMNS, |row| line(row, zone));
    let (mut good, mut bad): (Vec<(usize, ListedVehicle)>, _) = (Vec::new(), rows.bad);
    for (number, one) in rows.good {
        let same = |(_, before): &&(usize, ListedVehicle)| {
            (&before.plate, before.list) == (&one.plate, one.list)
        };
        match good.iter().find(same) {
            Some((first, _)) => {
                let plate = one.plate.masked();
                bad.push((number, format!("plate: {plate} is on this list in line {first}")));
            }
            None => good.push((number, one)),
        }
    }
    bad.sort_by_key(|(number, _)| *number);
    // A list without its first line says a plate in the place of a column.
    for (_, message) in bad.iter_mut().filter(|(number, _)| *number == 1) {
        let parts: Vec<String> = message.split('`').map(half_hidden).collect();
        *message = parts.join("`");
    }
    (good.into_iter().map(|(_, one)| one).collect(), bad)
}

fn line(row: &Row<'_>, zone: &TimeZone) -> Result<ListedVehicle, String> {
    let cell = row.cell("plate").ok_or("plate is empty")?;
    let plate = Plate::parse(cell).ok_or_else(|| {
        let said = half_hidden(&clean_cut(cell, 20));
        format!("plate: `{said}`: expected a plate such as 晋B12345")
    })?;
    let cell = row.cell("list").ok_or("list is empty")?;
    let list: VehicleList = serde_json::from_value(cell.into()).map_err(|_| {
        let said = half_hidden(&clean_cut(cell, 20));
        format!("list: `{said}`: expected resident, visitor, staff or attention")
    })?;
    let until = row.cell("until").map(|cell| until(cell, zone)).transpose()?;
    let (order, author) = (row.text("order"), row.text("author"));
    let mut lacks = Vec::new();
    if matches!(list, VehicleList::Visitor | VehicleList::Attention) && until.is_none() {
        lacks.push("until");
    }
    if list == VehicleList::Attention {
        lacks.extend(order.is_none().then_some("order"));
        lacks.extend(author.is_none().then_some("author"));
    }
    match lacks.as_slice() {
        [] => Ok(ListedVehicle { plate, list, until, order, author }),
        lacks => Err(format!("{} is empty: the list `{cell}` needs it", lacks.join(" and "))),
    }
}

/// What may be a plate with a slip in it is told as a masked one: enough to find it in its line.
fn half_hidden(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    if signs.iter().filter(|sign| sign.is_numeric()).count() < 2 {
        return text.to_owned();
    }
    let shows = |at: usize| at < 3 || at + 2 >= signs.len();
    let shown = |(at, sign): (usize, &char)| {
        if shows(at) || !sign.is_alphanumeric() { *sign } else { '*' }
    };
    signs.iter().enumerate().map(shown).collect()
}

/// A day counts to its end, a moment until it comes.
fn until(cell: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let day = || {
        Some(
            list_rows::date(cell)?
                .checked_add(1.day())
                .ok()?
                .to_datetime(jiff::civil::Time::midnight()),
        )
    };
    let moment: Option<DateTime> = list_rows::moment(cell).or_else(day);
    let at = moment.and_then(|moment| moment.to_zoned(zone.clone()).ok());
    at.map(|at| at.timestamp()).ok_or_else(|| {
        let said = clean_cut(cell, 30);
        let said = if said.is_ascii() { said } else { half_hidden(&said) };
        format!("until: `{said}`: expected a day such as 2026-12-31, or 2026-12-31 18:00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{env::FixedEnvironment, parse as parse_config},
        domain::PlateState,
    };

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn a_list_as_people_keep_it_is_read() {
        let text = "plate,list,until,order,author,note\n晋B·12345,resident,,,,3 栋 502\n晋b22222,visitor,2026-12-31,,,\n晋B33333,visitor,2026/12/31 18:00,,,\n晋B44444,attention,2027-01-31,公查字〔2026〕12 号,王队,\n";
        let (lines, bad) = parse(text.as_bytes(), &shanghai());
        assert_eq!(bad, []);
        let lists = VehicleLists::new(lines);
        let standing = |plate: &str, at: &str| {
            let plate = PlateState::Read(Plate::parse(plate).unwrap());
            lists.standing(&plate, at.parse().unwrap()).unwrap().as_str()
        };
        for (plate, at, is) in [
            ("晋B12345", "2036-01-01T00:00:00+08", "resident"),
            ("晋B22222", "2026-12-31T23:59:59+08", "visitor"),
            ("晋B22222", "2027-01-01T00:00:00+08", "expired"),
            ("晋B33333", "2026-12-31T17:59:59+08", "visitor"),
            ("晋B33333", "2026-12-31T18:00:00+08", "expired"),
            ("晋B44444", "2027-01-31T23:59:59+08", "attention"),
            ("晋B44444", "2027-02-01T00:00:00+08", "unknown"),
        ] {
            assert_eq!(standing(plate, at), is, "{plate} {at}");
        }
    }

    #[test]
    fn a_list_with_ten_mistakes_tells_all_ten_with_their_lines() {
        let rows = [
            "晋B11111,resident,,,",
            "京津冀,resident,,,",
            ",resident,,,",
            "晋B22222,friend,,,",
            "晋B33333,,,,",
            "晋B44444,visitor,,,",
            "晋B55555,attention,2027-01-01,,",
            "晋B55556,attention,,公查字12,王队",
            "晋B66666,visitor,tomorrow,,",
            "晋B11111,resident,,,",
            "晋B77777,staff,2026-02-30,,",
            "晋B11111,attention,2027-01-01,公查字12,王队",
        ];
        let text = format!("plate,list,until,order,author\n{}\n", rows.join("\n"));
        let (good, bad) = parse(text.as_bytes(), &shanghai());
        assert_eq!(good.len(), 2, "the same plate may be on two lists");
        let told: Vec<String> = bad.iter().map(|(line, why)| format!("{line}: {why}")).collect();
        let expected = [
            "3: plate: `京津冀`: expected a plate",
            "4: plate is empty",
            "5: list: `friend`: expected resident",
            "6: list is empty",
            "7: until is empty: the list `visitor` needs it",
            "8: order and author is empty: the list `attention` needs it",
            "9: until is empty: the list `attention` needs it",
            "10: until: `tomorrow`: expected a day",
            "11: plate: 晋B·1**11 is on this list in line 2",
            "12: until: `2026-02-30`: expected a day",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (said, expected) in told.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn p10_a_plate_with_a_slip_and_a_list_without_its_first_line_say_no_plate() {
        let said = |text: &str| {
            let (_, bad) = parse(text.as_bytes(), &shanghai());
            bad.into_iter().map(|(line, why)| format!("{line}: {why}")).collect::<Vec<_>>()
        };
        let slip = said("plate,list\n晋B1234O,resident\n晋B·8F6K99,staff\n");
        assert!(slip[0].starts_with("2: plate: `晋B1**4O`: expected a plate"), "{slip:?}");
        assert!(slip[1].starts_with("3: plate: `晋B·****99`: expected a plate"), "{slip:?}");
        let turned = said("plate,list,until\n晋B12345,晋B22222,\n晋B12345,visitor,晋B22222\n");
        assert!(!turned.join("; ").contains("22222"), "{turned:?}");
        let headless = said("晋B12345,resident,晋B22222\n");
        assert_eq!(headless.len(), 1);
        let told = headless[0].to_uppercase();
        assert!(told.contains("NO COLUMN IS CALLED `PLATE`"), "{told}");
        assert!(!told.contains("12345") && !told.contains("22222"), "{told}");
    }

    fn told(text: &str) -> Vec<String> {
        let text = format!(
            "[site]\nid = \"x\"\n[[camera]]\nid = \"gate\"\nurl = \"rtsp://192.0.2.1/\"\n{text}"
        );
        let (_, problems) = parse_config("a.toml", &text, &FixedEnvironment::default());
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_says_what_it_lacks_and_days_have_a_range() {
        let barrier = "[[rule]]\nid = \"b\"\nkind = \"barrier\"\n";
        let lacks = told(barrier);
        assert_eq!(lacks.len(), 1, "{lacks:?}");
        assert!(
            lacks[0].contains("a.toml:8: error: rule[1].kind") && lacks[0].contains("[vehicles]")
        );
        let lane = "[[rule]]\nid = \"f\"\nkind = \"fire-lane\"\n";
        assert!(told(lane).is_empty(), "as before");
        let staff = told(&format!("{lane}vehicles = [\"unknown\"]\n"));
        assert!(staff[0].contains("error: rule[1].vehicles"), "{staff:?}");
        let days = told(&format!(
            "{lane}[vehicles]\nkeep_days = 0\nkeep = [{{ vehicles = \"attention\", days = 367 }}]\n"
        ));
        assert_eq!(days.iter().filter(|line| line.contains("expected 1 to 366")).count(), 2);
        let none = told("[vehicles]\n");
        assert!(none.iter().any(|line| line.contains("warning: vehicles: no rule")), "{none:?}");
    }
}
