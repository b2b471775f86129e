//! The pages: short enough to be read, no link into nothing, each invariant with its test.

use std::{collections::BTreeSet, fs, path::Path};

use super::source::{files, root, sources};

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Words a person reads: whatever stands between white space and is not only a mark of a table.
fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

#[test]
fn the_first_pages_are_short() {
    for (name, most) in [("README.md", 700), ("gateway/README.md", 1_500)] {
        let words = words(&page(name));
        assert!(words <= most, "{name} has {words} words; {most} are read");
    }
}

fn pages() -> Vec<std::path::PathBuf> {
    let root = root();
    let mut pages = files(&root.join("gateway"), "md");
    pages.extend(files(&root.join("tests"), "md"));
    let top = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(top.filter(|path| path.extension().is_some_and(|ext| ext == "md")));
    pages
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target: String = text[at + 2..].chars().take_while(|c| *c != ')').collect();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            let shown = page.strip_prefix(root()).unwrap().display();
            if !path.exists() {
                wrong.push(format!("{shown}: {target}"));
            } else if !anchor.is_empty() && !anchors(&path).contains(anchor) {
                wrong.push(format!("{shown}: no heading for {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names by which headings of a page are linked to.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

#[test]
fn no_page_and_no_comment_points_at_what_is_not_here() {
    let mut wrong = Vec::new();
    let absent = ["DESIGN.md", "DESIGN §", "shared/facts", "house-review"];
    let mut check = |name: String, text: &str| {
        for absent in absent.iter().filter(|absent| text.contains(**absent)) {
            wrong.push(format!("{name}: {absent}"));
        }
    };
    for page in pages() {
        check(page.display().to_string(), &fs::read_to_string(&page).unwrap());
    }
    for script in files(&root().join("tests"), "py") {
        check(script.display().to_string(), &fs::read_to_string(&script).unwrap());
    }
    sources().iter().for_each(|source| check(source.name.clone(), &source.text));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands in backticks in a page.
fn quoted(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Functions of the system that pages speak of.
const FOREIGN: &[&str] = &["sync_file_range"];

/// The map and its pages name files and functions; who follows them must find them.
#[test]
fn what_the_map_names_is_there() {
    let root = root();
    let mut paths: Vec<String> = Vec::new();
    for folder in ["gateway", "tests", "models", "config"] {
        for ending in ["rs", "py", "toml", "md"] {
            let files = files(&root.join(folder), ending).into_iter();
            paths.extend(files.map(|path| path.strip_prefix(root).unwrap().display().to_string()));
        }
    }
    let mut code: String = sources().iter().map(|source| source.text.as_str()).collect();
    for file in files(&root.join("tests"), "rs") {
        code += &fs::read_to_string(file).unwrap();
    }
    let known: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut wrong = Vec::new();
    for name in ["README.md", "docs/recipes.md", "docs/invariants.md", "docs/design.md"] {
        let text = page(&format!("gateway/{name}"));
        for quoted in quoted(&text) {
            let file = quoted.ends_with(".rs")
                && !quoted.contains(['*', '<', ' ', '…'])
                && !quoted.contains("NAME");
            let found = |path: &String| path == quoted || path.ends_with(&format!("/{quoted}"));
            if file && !paths.iter().any(found) {
                wrong.push(format!("gateway/{name}: no file {quoted}"));
            }
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let ours =
                quoted.contains('_') && quoted.chars().all(snake) && !FOREIGN.contains(&quoted);
            if ours && !known.contains(quoted) {
                wrong.push(format!("gateway/{name}: nothing is called {quoted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows `| P1 | sentence | owner | test |`.
fn invariants() -> Vec<[String; 4]> {
    let text = page("gateway/docs/invariants.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id"));
    let cells = |line: &str| -> Option<[String; 4]> {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().ok()
    };
    rows.filter_map(cells).collect()
}

#[test]
fn every_invariant_is_a_sentence_with_an_owner_and_a_test_of_its_name() {
    let invariants = invariants();
    assert!(invariants.len() >= 40, "only {} invariants were found", invariants.len());
    let mut tests: String = sources().iter().map(|source| source.text.as_str()).collect();
    for file in files(&root().join("tests"), "rs") {
        tests += &fs::read_to_string(file).unwrap();
    }
    let mut wrong = Vec::new();
    for [id, sentence, owner, test] in &invariants {
        if words(sentence) > 25 {
            wrong.push(format!("{id}: {} words", words(sentence)));
        }
        let owner = owner.trim_matches('`');
        if !root().join("gateway").join(owner).exists() && !root().join(owner).exists() {
            wrong.push(format!("{id}: no file {owner}"));
        }
        let test = test.trim_matches('`').trim_end_matches('…');
        let number = id.to_lowercase();
        if !test.split('_').any(|part| part == number) {
            wrong.push(format!("{id}: its test does not carry its number: {test}"));
        }
        if !tests.contains(&format!("fn {test}")) {
            wrong.push(format!("{id}: no test {test}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn results_are_tables_with_short_cells() {
    let text = page("tests/bench/RESULTS.md");
    let cells = text.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|'));
    let long: Vec<&str> = cells.filter(|cell| cell.trim().chars().count() > 80).collect();
    assert!(long.is_empty(), "cells over 80 characters: {long:#?}");
}
