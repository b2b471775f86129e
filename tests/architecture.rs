//! The shape of the house, read from its source: direction of imports, homes of foreign packages, names, size, pages.

mod names;
mod pages;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, home, modules, sources, without_test_modules};

fn allowed(from: &str) -> &'static [&'static str] {
    match from {
        "lib" | "main" => &["cli"],
        // A package of its own, below all rooms.
        "domain" | "pixels" => &[],
        "base" | "wire" | "media" | "vision" => &["domain"],
        "sources" | "sinks" => &["domain", "wire", "base"],
        "console" => &["domain", "wire", "base", "figures", "media"],
        "rules" | "incident" | "figures" => &["domain"],
        "store" => &["domain", "base"],
        "camera" => &["domain", "base", "media", "vision", "sources"],
        // `config` composes each part's `Config` and asks it what is wrong with it.
        "config" => &[
            "domain", "base", "wire", "sources", "media", "vision", "rules", "incident", "store",
            "sinks", "console",
        ],
        "runtime" => &[
            "domain", "base", "wire", "sources", "media", "vision", "camera", "rules", "incident",
            "store", "sinks", "console", "config",
        ],
        "cli" => &["domain", "base", "config", "runtime", "figures", "store", "media", "vision"],
        other => panic!("a room that this test does not know: {other}"),
    }
}

#[test]
fn i2_rooms_are_imported_in_one_direction() {
    let rooms: BTreeSet<&str> = sources().iter().map(Source::room).collect();
    let mut wrong = BTreeSet::new();
    for source in sources() {
        let from = source.room();
        for path in source.paths() {
            let Some(to) = path.first().map(String::as_str).filter(|to| rooms.contains(to)) else {
                continue;
            };
            if to != from && !allowed(from).contains(&to) {
                wrong.insert(format!("gateway/{}: {from} → {to}", source.name));
            }
        }
    }
    let wrong = Vec::from_iter(wrong);
    assert!(wrong.is_empty(), "arrows that the map does not have:\n{}", wrong.join("\n"));
}

/// Between files and folders that stand beside each other. What several of them share belongs to
/// their parent, or to a file of its own.
#[test]
fn i2_no_circle_between_the_files_of_a_room() {
    let modules = modules();
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    // The store's files share the types of its index and state; its flow is layered all the same.
    for source in sources().iter().filter(|source| source.room() != "store" && !source.is_test()) {
        for path in source.paths() {
            let home = home(&path, &modules, 4);
            let common = home.iter().zip(&source.module).take_while(|(a, b)| a == b).count();
            let beside = common > 0 && common < home.len() && common < source.module.len();
            if beside {
                let (from, to) = (source.module[..=common].to_vec(), home[..=common].to_vec());
                edges.entry(from).or_default().insert(to);
            }
        }
    }
    let mut circles = BTreeSet::new();
    for start in edges.keys() {
        let (mut seen, mut open) = (BTreeSet::new(), Vec::from([start]));
        while let Some(one) = open.pop() {
            for next in edges.get(one).into_iter().flatten() {
                if next == start {
                    circles.insert(format!("{} ↔ {}", start.join("/"), one.join("/")));
                } else if seen.insert(next) {
                    open.push(next);
                }
            }
        }
    }
    let circles = Vec::from_iter(circles);
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

#[test]
fn each_foreign_package_has_one_home() {
    let homes: &[(&str, &str)] = &[
        // `Planes` and `Area` are shown as nouns of `domain`.
        ("gridpost_pixels", "domain/|vision/preprocess.rs|media/"),
        ("unicode_normalization", "domain/persons.rs"),
        ("ffmpeg_next", "media/"),
        ("jpeg_encoder", "media/snapshot.rs"),
        ("image", "media/foreign_picture/"),
        ("libc", "media/ffi.rs"),
        ("ort", "vision/detect"),
        ("sled", "store/"),
        ("crc32c", "store/"),
        // `media/` has a ring of its own, of packets.
        ("ring", "store/|cli/update/|media/"),
        ("rumqttc", "wire/mqtt"),
        ("mqtt_protocol_core", "sources/intake"),
        ("reqwest", "sinks/http"),
        ("minijinja", "sinks/profile/"),
        ("axum", "console/"),
        ("argon2", "console/accounts/"),
        ("rcgen", "wire/own_certificate.rs"),
        ("multer", "console/"),
        ("roxmltree", "sources/onvif"),
        ("http_auth", "sources/onvif|media/digest_relay.rs|sinks/speaker/"),
        ("pinyin", "sinks/speaker/"),
        ("sha1", "sources/onvif"),
        ("zeroize", "sources/presence/"),
        ("if_addrs", "sources/onvif"),
        ("rstar", "config/grids.rs"),
        ("csv", "config/list_rows.rs|figures/csv_text.rs"),
        ("rust_xlsxwriter", "figures/workbook.rs"),
        ("encoding_rs", "config/list_text.rs"),
        ("toml_span", "config/read.rs"),
        ("strsim", "config/problem.rs"),
        ("clap", "cli/"),
        ("tracing_subscriber", "cli/"),
    ];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (package, home) in homes {
            let code = &source.code;
            let used = code.match_indices(&format!("{package}::")).any(|(at, _)| {
                !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if used && !home.split('|').any(|home| source.name.starts_with(home)) {
                wrong.push(format!("gateway/{} uses {package}, of {home}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Three rooms, and whoever says "pure" at its head.
#[test]
fn i1_the_pure_middle_does_no_io() {
    let pure = |source: &Source| {
        ["domain", "rules", "incident"].contains(&source.room())
            || source
                .head()
                .split(|c: char| !c.is_alphabetic())
                .any(|word| word.eq_ignore_ascii_case("pure"))
    };
    let banned = [
        "tokio::",
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "now_v7",
        "new_v4",
        "rand::random",
        "rand::rng",
    ];
    let mut wrong = Vec::new();
    let mut checked = 0;
    for source in sources().iter().filter(|source| !source.is_test() && pure(source)) {
        checked += 1;
        for banned in banned.iter().filter(|banned| source.code.contains(**banned)) {
            wrong.push(format!("gateway/{} uses {banned}", source.name));
        }
    }
    assert!(checked > 60, "only {checked} files are held to it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are_for_and_stay_small() {
    let mut wrong = Vec::new();
    for source in sources() {
        let name = &source.name;
        if !source.text.starts_with("//! ") {
            wrong.push(format!("gateway/{name}: the first line must be //! and its one purpose"));
        }
        if source.text.lines().count() > 600 {
            wrong.push(format!("gateway/{name}: over 600 lines; two reasons to change?"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Clippy holds the rest of it: no lock across an await, no unbounded channel by another name.
#[test]
fn i3_no_queue_is_unbounded() {
    let unbounded = |source: &&Source| source.text.contains("unbounded_channel");
    let wrong: Vec<&str> =
        sources().iter().filter(unbounded).map(|source| source.name.as_str()).collect();
    assert!(wrong.is_empty(), "queues without a bound: {wrong:?}");
}

#[test]
fn only_test_modules_are_left_out() {
    let text = "a();\n#[cfg(test)]\nuse x;\nb();\n#[cfg(test)]\nmod tests {\n fn c() { {} }\n}\nd();\n#[cfg(test)]\nmod more;\ne();";
    let code = without_test_modules(text);
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>().join(" "),
        "a(); #[cfg(test)] use x; b(); d(); #[cfg(test)] mod more; e();"
    );
}
