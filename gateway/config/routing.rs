//! `[routing]`: 准入清单, the CSV list of items and departments, and the person who gets what it does not admit.

use std::{collections::HashSet, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    grids::Grids,
    list_rows::{self, Row},
    read::Document,
    roster::{self, DutyConfig},
};
use crate::{
    domain::{AdmittedItem, Otherwise, Roster, Routes, clean_cut},
    incident::{Contact, LifeConfig},
    sinks,
};

/// `[routing]`: whose business an incident is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingConfig {
    /// 准入清单: CSV file with the columns item, department, kinds (of incidents, several with `;`), and if
    /// wanted code, areas (codes of grids, names of communities or townships), postures (`flood`,
    /// `key-period`), person, phone, note.
    #[serde(default)]
    pub table: Option<PathBuf>,
    /// Who gets what that list does not admit.
    #[serde(default)]
    pub otherwise: Option<OtherwiseConfig>,
}

/// `otherwise` of `[routing]`: a person, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherwiseConfig {
    /// Where the person is, such as 综治中心.
    pub department: String,
    /// Name.
    pub person: String,
    /// Telephone.
    #[serde(default)]
    pub phone: Option<String>,
}

/// Whose business an incident is, and who is there: the sections and what their lists hold.
#[derive(Clone, Default)]
pub struct Routing {
    pub config: RoutingConfig,
    pub duty: DutyConfig,
    /// Of the table.
    pub routes: Routes,
    /// Of its list; absent: nobody said who is on duty.
    pub roster: Option<Roster>,
}

impl Routing {
    /// Reads both lists, with what is wrong in them said at their lines.
    pub(super) fn read(
        document: &mut Document<'_>,
        (config, duty): (RoutingConfig, DutyConfig),
        timezone: &str,
        grids: &Grids,
        (sinks, life): (&[sinks::Config], Option<&LifeConfig>),
    ) -> Self {
        let areas = grids.areas();
        let routes = read(document, &config, &areas);
        let roster = roster::read(document, &duty, timezone, &areas);
        check_sinks(document, &routes, sinks);
        let contacts = life.map_or(&[][..], |life| &life.contact);
        check_contacts(document, contacts, &areas, &routes);
        Self { config, duty, routes, roster }
    }
}

const COLUMNS: [&str; 9] =
    ["item", "department", "kinds", "code", "areas", "postures", "person", "phone", "note"];

impl RoutingConfig {
    /// Errors as (key, message).
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let otherwise = self.otherwise.iter();
        let names = otherwise.flat_map(|one| [&one.department, &one.person]);
        match names.map(|name| name.trim()).any(str::is_empty) {
            true => vec![(
                "otherwise",
                "needs a department and a person: what nobody answers for is nobody's".into(),
            )],
            false => Vec::new(),
        }
    }
}

/// Each of these words of a cell, as a value is written in TOML.
fn values<T: DeserializeOwned>(row: &Row<'_>, column: &str, what: &str) -> Result<Vec<T>, String> {
    let value = |word: &str| {
        serde_json::from_value(serde_json::Value::String(word.to_owned()))
            .map_err(|_| format!("{column}: `{}`: expected {what}", clean_cut(word, 40)))
    };
    row.several(column).map(value).collect()
}

fn item(row: &Row<'_>) -> Result<AdmittedItem, String> {
    let needed = |column: &str| row.text(column).ok_or(format!("{column} is empty"));
    let kinds = values(row, "kinds", "kinds of incidents such as fire-lane; crowd")?;
    if kinds.is_empty() {
        return Err("kinds is empty: no incident would ever be this item".into());
    }
    Ok(AdmittedItem {
        item: needed("item")?,
        department: needed("department")?,
        kinds,
        code: row.text("code"),
        areas: row.several("areas").map(str::to_owned).collect(),
        postures: values(row, "postures", "flood or key-period")?,
        person: row.text("person"),
        phone: row.text("phone"),
    })
}

/// The list, with what is wrong in it said at its lines.
pub(super) fn read(
    document: &mut Document<'_>,
    config: &RoutingConfig,
    areas: &HashSet<&str>,
) -> Routes {
    let otherwise = config.otherwise.as_ref().map(|one| Otherwise {
        department: one.department.clone(),
        person: one.person.clone(),
        phone: one.phone.clone(),
    });
    let Some(path) = &config.table else { return Routes { items: Vec::new(), otherwise } };
    let Some(bytes) = list_rows::bytes(document, ["routing", "table"], path) else {
        return Routes { items: Vec::new(), otherwise };
    };
    let rows = list_rows::read(&bytes, &COLUMNS, item);
    for (line, message) in rows.bad {
        document.foreign((path, line), "", message, None);
    }
    for (at, (line, item)) in rows.good.iter().enumerate() {
        list_rows::warn_of_areas(document, (path, *line), &item.areas, areas);
        let hides = |(_, earlier): &&(usize, AdmittedItem)| {
            item.kinds.iter().all(|kind| earlier.kinds.contains(kind))
                && (&earlier.areas, &earlier.postures) == (&item.areas, &item.postures)
        };
        if let Some((first, _)) = rows.good[..at].iter().find(hides) {
            let message = format!("never chosen: line {first} is for the same and comes first");
            document.foreign_warning((path, *line), "kinds", message);
        }
    }
    if otherwise.is_none() {
        let message = "no `otherwise`: what the list does not admit has nobody who answers for it";
        document.warning(&["routing"], message.into());
    }
    Routes { items: rows.good.into_iter().map(|(_, item)| item).collect(), otherwise }
}

/// Departments that no sink is for, where each sink is for some departments only; and names that are none.
fn check_sinks(document: &mut Document<'_>, routes: &Routes, sinks: &[sinks::Config]) {
    let told: Vec<&[String]> = sinks.iter().filter_map(sinks::Config::departments).collect();
    let known = routes.departments();
    for name in told.iter().flat_map(|names| names.iter()) {
        if !known.contains(&name.as_str()) {
            let message = format!("`{name}` of a sink's `departments` is none of the list");
            document.warning(&["routing"], message);
        }
    }
    if told.is_empty() || told.iter().any(|names| names.is_empty()) {
        return;
    }
    let reached = |name: &str| told.iter().any(|names| names.iter().any(|one| one == name));
    for department in known.into_iter().filter(|name| !reached(name)) {
        let message = format!("no sink is for `{department}`: nobody there is told");
        document.warning(&["routing"], message);
    }
}

/// Whom `[[life.contact]]` is for, where nobody is called so.
fn check_contacts(
    document: &mut Document<'_>,
    contacts: &[Contact],
    areas: &HashSet<&str>,
    routes: &Routes,
) {
    let departments = routes.departments();
    for contact in contacts {
        let places = [&contact.grids, &contact.communities, &contact.townships];
        for place in places.into_iter().flatten().filter(|one| !areas.contains(one.as_str())) {
            let message = format!(
                "contact {}: `{place}` is no grid, community or township of the grids' file",
                contact.name
            );
            document.warning(&["life"], message);
        }
        let of_nobody = |one: &&String| !departments.contains(&one.as_str());
        for name in contact.departments.iter().filter(of_nobody) {
            let message =
                format!("contact {}: `{name}` is no department of `[routing]`", contact.name);
            document.warning(&["life"], message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, env::FixedEnvironment, parse},
        domain::{Kind, Posture},
    };

    fn read(list: &str, otherwise: &str, sinks: &str) -> (Option<Config>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routing.csv");
        std::fs::write(&path, list).unwrap();
        let text =
            format!("[site]\nid = \"x\"\n[routing]\ntable = {path:?}\n{otherwise}\n{sinks}\n");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let folder = folder.path().display().to_string();
        let said = problems.iter().map(|one| one.to_string().replace(&folder, "F"));
        (config, said.filter(|one| one.contains("rout")).collect())
    }

    const OTHERWISE: &str = "otherwise = { department = \"综治中心\", person = \"李四\" }";

    #[test]
    fn the_sample_names_a_department_for_every_kind_of_incident() {
        let list = std::fs::read_to_string("config/routing.csv").unwrap();
        let (config, said) = read(&list, OTHERWISE, "");
        assert_eq!(said, Vec::<String>::new());
        let routes = config.unwrap().routing.routes;
        let kinds = serde_json::to_value(schemars::schema_for!(Kind)).unwrap().to_string();
        let posture = "posture";
        let mut seen = 0;
        for name in kinds.split('"').filter(|word| word.contains('-') || *word == "rain") {
            let Ok(kind) = serde_json::from_value::<Kind>(name.into()) else { continue };
            assert!(routes.route(kind, None, &[]).unwrap().admitted, "{name}");
            seen += 1;
        }
        assert!(seen >= 15, "{seen}");
        let kind = serde_json::from_value::<Kind>(posture.into()).unwrap();
        assert!(!routes.route(kind, None, &[]).unwrap().admitted, "it is no case of a department");
    }

    #[test]
    fn the_sample_has_11_departments_and_45_items_and_each_of_them_is_chosen() {
        let list = std::fs::read_to_string("config/routing.csv").unwrap();
        assert!(list.contains("本表全部是样例"), "nobody takes it for a standard's");
        let (config, said) = read(&list, OTHERWISE, "");
        assert_eq!(said, Vec::<String>::new());
        let routes = config.unwrap().routing.routes;
        let of = |text: fn(&AdmittedItem) -> Option<&String>| -> HashSet<&String> {
            routes.items.iter().filter_map(text).collect()
        };
        let items = of(|item| Some(&item.item)).len();
        let departments = of(|item| Some(&item.department));
        assert_eq!((items, of(|item| item.code.as_ref()).len()), (45, 45));
        assert_eq!(departments.len(), 11, "{departments:?}");
        assert!(!departments.contains(&"综治中心".to_owned()), "that is for all else");
        for item in &routes.items {
            for kind in &item.kinds {
                let chosen = routes.route(*kind, None, &item.postures).unwrap();
                assert_eq!((&chosen.item, &chosen.department), (&item.item, &item.department));
            }
        }
        for posture in [Posture::Flood, Posture::KeyPeriod] {
            let chosen = routes.route(Kind::EmergencyButton, None, &[posture]).unwrap();
            assert!(["社区警务室", "派出所"].contains(&chosen.department.as_str()), "{chosen:?}");
        }
    }

    #[test]
    fn each_mistake_is_said_with_its_line_and_costs_its_row_alone() {
        let list = "item,department,kinds,areas,postures\n\
            a,A,fire-lane,,\nb,B,fire-lane,,\nc,,crowd,,\nd,D,fire,,\ne,E,,,\nf,F,crowd,,flod\n\
            g,G,crowd；loiter,G9,\nh,H,rain,,flood\n";
        let (config, said) = read(list, OTHERWISE, "");
        assert!(config.is_none(), "errors are errors");
        let expected = [
            "F/routing.csv:3: warning: kinds: never chosen: line 2 is for the same",
            "F/routing.csv:4: error: department is empty",
            "F/routing.csv:5: error: kinds: `fire`: expected kinds of incidents",
            "F/routing.csv:6: error: kinds is empty",
            "F/routing.csv:7: error: postures: `flod`: expected flood or key-period",
            "F/routing.csv:8: warning: areas: `G9` is no grid",
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn nobody_is_left_out_without_a_word() {
        let list = "item,department,kinds\na,消防,fire-lane\nb,派出所,crowd\n";
        let (_, said) = read(list, "", "");
        assert!(said[0].contains("has nobody who answers for it"), "{said:?}");
        let (_, said) = read(list, "otherwise = { department = \"x\", person = \" \" }", "");
        assert!(said[0].contains("needs a department and a person"), "{said:?}");
        let hook = |names: &str| {
            format!(
                "[[sink]]\nid = \"w\"\nkind = \"webhook\"\nurl = \"https://h/\"\nbody = \"{{title}}\"\n\
                 content_type = \"text/plain\"\n{names}"
            )
        };
        let (_, said) = read(list, OTHERWISE, &hook(""));
        assert_eq!(said, Vec::<String>::new(), "it is told of all");
        let (_, said) = read(list, OTHERWISE, &hook("departments = [\"消防\", \"消妨\"]"));
        assert_eq!(said.len(), 3, "{said:#?}");
        assert!(said[0].contains("`消妨` of a sink's `departments`"), "{said:?}");
        assert!(said[1].contains("no sink is for `派出所`"), "{said:?}");
        assert!(said[2].contains("no sink is for `综治中心`"), "{said:?}");
    }

    #[test]
    fn a_contact_of_an_area_or_department_that_nobody_has_is_said() {
        let list = "item,department,kinds\na,消防,fire-lane\n";
        let contact = |more: &str| {
            format!("[[life.contact]]\nlevel = \"community\"\nname = \"routing\"\n{more}")
        };
        let (_, said) = read(list, OTHERWISE, &contact("communities = [\"乔北社区\"]"));
        assert!(said[0].contains("`乔北社区` is no grid, community"), "{said:?}");
        let (_, said) = read(list, OTHERWISE, &contact("departments = [\"消妨\"]"));
        assert!(said[0].contains("`消妨` is no department"), "{said:?}");
        let (_, said) = read(list, OTHERWISE, &contact("departments = [\"消防\"]"));
        assert_eq!(said, Vec::<String>::new());
    }

    #[test]
    fn a_list_that_cannot_be_read_is_an_error_at_its_key() {
        let text = "[site]\nid = \"x\"\n[routing]\ntable = \"/nowhere/routing.csv\"\n";
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        assert!(config.is_none());
        assert!(problems[0].to_string().contains("routing.table"), "{problems:?}");
    }
}
