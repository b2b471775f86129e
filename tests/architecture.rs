//! The shape of the house, read from its source: direction of imports, homes of foreign packages, size of files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn gateway() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway")
}

/// Every source file, with its path relative to `gateway/`.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                out.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&gateway(), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(gateway()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Code without comments and text literals' content is good enough to look for paths in.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The rooms that a text names by `crate::room`, also inside `use crate::{…}`.
fn rooms_named(text: &str, all: &BTreeSet<String>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut item) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        named.insert(first_segment(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            named.insert(first_segment(&item));
        } else {
            named.insert(first_segment(rest));
        }
    }
    named.intersection(all).cloned().collect()
}

fn first_segment(path: &str) -> String {
    path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn allowed(from: &str) -> &'static [&'static str] {
    match from {
        "lib" | "main" => &["cli"],
        "domain" => &[],
        "wire" => &["domain"],
        "sources" | "sinks" | "console" => &["domain", "wire"],
        "media" | "vision" | "rules" | "incident" | "store" => &["domain"],
        // `config` composes each part's `Config` and asks it what is wrong with it.
        "config" => &[
            "domain", "wire", "sources", "media", "vision", "rules", "incident", "store", "sinks",
            "console",
        ],
        "runtime" => &[
            "domain", "wire", "sources", "media", "vision", "rules", "incident", "store", "sinks",
            "console", "config",
        ],
        "cli" => &["domain", "config", "runtime"],
        other => panic!("a room that this test does not know: {other}"),
    }
}

#[test]
fn rooms_are_imported_in_one_direction() {
    let files = sources();
    let rooms: BTreeSet<String> = files.iter().map(|(file, _)| room(file).to_owned()).collect();
    let mut wrong = Vec::new();
    for (file, text) in &files {
        let from = room(file);
        for to in rooms_named(&code(text), &rooms) {
            if to != from && !allowed(from).contains(&to.as_str()) {
                wrong.push(format!("gateway/{file}: {from} → {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the map does not have:\n{}", wrong.join("\n"));
}

#[test]
fn each_foreign_package_has_one_home() {
    let homes: &[(&str, &str)] = &[
        ("ffmpeg_next", "media/"),
        ("jpeg_encoder", "media/snapshot.rs"),
        ("libc", "media/ffi.rs"),
        ("ort", "vision/detect"),
        ("sled", "store/"),
        ("crc32c", "store/"),
        ("rumqttc", "wire/mqtt"),
        ("mqtt_protocol_core", "sources/intake"),
        ("reqwest", "sinks/http"),
        ("axum", "console/"),
        ("roxmltree", "sources/onvif"),
        ("http_auth", "sources/onvif"),
        ("sha1", "sources/onvif"),
        ("geojson", "config/grids.rs"),
        ("csv", "config/button_list.rs"),
        ("toml_span", "config/read.rs"),
        ("strsim", "config/problem.rs"),
        ("clap", "cli/"),
        ("tracing_subscriber", "cli/"),
    ];
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        let text = code(&text);
        for (package, home) in homes {
            let used = text.match_indices(&format!("{package}::")).any(|(at, _)| {
                !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if used && !file.starts_with(home) {
                wrong.push(format!("gateway/{file} uses {package}, which lives in {home}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_middle_does_no_io() {
    let pure = |file: &str| {
        ["domain/", "rules/", "incident/"].iter().any(|room| file.starts_with(room))
            || ["vision/boxes.rs", "vision/track.rs", "vision/heads.rs"].contains(&file)
    };
    let mut wrong = Vec::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| pure(file)) {
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        for banned in ["tokio::", "std::fs", "std::net", "std::thread", "Instant::now"] {
            if code(&text).contains(banned) {
                wrong.push(format!("gateway/{file} uses {banned}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are_for_and_stay_small() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//! ") {
            wrong.push(format!("gateway/{file}: the first line must be //! and its one purpose"));
        }
        if text.lines().count() > 600 {
            wrong.push(format!("gateway/{file}: over 600 lines; two reasons to change?"));
        }
        if text.contains("unbounded_channel") {
            wrong.push(format!("gateway/{file}: a queue without a bound"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
