//! What somebody who means harm, or a device gone mad, may try; README.md beside this says which test holds what.

pub(crate) mod attackers;
mod cameras;
mod conversations;
mod devices;
mod files;
mod identity;
mod night;
mod numbers;
mod pile;
mod process;
mod receivers;
mod sinks;
pub(crate) mod stage;
mod stations;
mod store;
mod web;

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::world::root;

    fn code(folder: &std::path::Path, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                code(&path, all);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                *all += &fs::read_to_string(path).unwrap();
            }
        }
    }

    #[test]
    fn every_test_that_the_page_names_is_there() {
        let page = fs::read_to_string(root().join("tests/hostile/README.md")).unwrap();
        let mut all = String::new();
        ["gateway", "tests"].iter().for_each(|folder| code(&root().join(folder), &mut all));
        let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
        let named: Vec<&str> = rows
            .filter_map(|row| row.trim_matches('|').split(" | ").nth(1))
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .filter(|name| name.contains('_'))
            .collect();
        assert!(named.len() > 60, "{}", named.len());
        let missing: Vec<&&str> =
            named.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }
}
