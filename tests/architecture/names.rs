//! One noun, one thing: how often a type name is defined.

use std::collections::{BTreeMap, BTreeSet};

use super::source::sources;

/// Names that mean the same everywhere: a part's section, a command's arguments, what a mutex holds.
const EVERYWHERE: &[&str] = &["Config", "Args", "Inner", "Shared"];

/// Struct, enum, union, trait and alias, at any level of a file but inside `impl` and `trait`
/// blocks, whose associated types are indented.
fn defined(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in code.lines() {
        let mut words = line.split_whitespace().filter(|word| {
            !["unsafe", "pub"].contains(word)
                && !word.starts_with("pub(")
                && *word != "crate)"
                && !word.ends_with("crate::camera)")
        });
        let Some(kind) = words.next() else { continue };
        let indented = line.starts_with(char::is_whitespace);
        let counts = match kind {
            "struct" | "enum" | "union" | "trait" => true,
            "type" => !indented,
            _ => false,
        };
        if let Some(name) = words.next().filter(|_| counts) {
            let name: String =
                name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // A macro's `$name` is none.
            names.extend(Some(name).filter(|name| !name.is_empty()));
        }
    }
    names
}

#[test]
fn a_type_name_is_defined_once_in_a_room_and_twice_at_most() {
    let mut places: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for name in defined(&source.code) {
            places.entry(name).or_default().push((source.room(), &source.name));
        }
    }
    let mut wrong = Vec::new();
    for (name, places) in places.iter().filter(|(name, _)| !EVERYWHERE.contains(&name.as_str())) {
        let rooms: BTreeSet<&str> = places.iter().map(|(room, _)| *room).collect();
        if rooms.len() < places.len() || places.len() > 2 {
            let files: Vec<&str> = places.iter().map(|(_, file)| *file).collect();
            wrong.push(format!("{name}: {}", files.join(", ")));
        }
    }
    assert!(places.len() > 400, "only {} names were found", places.len());
    assert!(wrong.is_empty(), "one noun, several things:\n{}", wrong.join("\n"));
}

#[test]
fn definitions_are_found_and_associated_types_are_none() {
    let code = "pub(super) struct A;\nenum B {\n    type C = u8;\n}\npub(in crate::camera) trait D<T> {}\ntype E = u8;\n    struct F;\nlet x = 1;";
    assert_eq!(defined(code), ["A", "B", "D", "E", "F"]);
}
