//! Layers over a file are what a hand would have merged; what is applied is there whole, or not at all.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    Change, Changes, Folder, Refusal, Undo, apply, note, seen, try_out, undo, unnoted, versions,
};
use crate::config::{
    Config, Difference, Problem,
    env::FixedEnvironment,
    load, load_to_run, origins, parse, parse_laid,
    read::{Document, Layer},
};

pub(super) const NONE: &[&str] = &[];

/// A hand-written file and its data folder.
pub(super) struct Home(tempfile::TempDir);

impl Home {
    pub(super) fn new(text: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let data = home.0.path().join("data");
        fs::create_dir(&data).unwrap();
        let head = format!("[site]\nid = \"demo\"\n[data]\npath = \"{}\"\n", data.display());
        fs::write(home.file(), head + text).unwrap();
        home
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.path().join("gridpost.toml")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(super) fn put(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.data().join("site.d");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(super) fn set(
        &self,
        on: u32,
        id: &str,
        key: &str,
        value: impl Into<toml::Value>,
    ) -> Result<u32, Refusal> {
        let change = Change::Set {
            section: "rule".into(),
            id: Some(id.into()),
            key: key.into(),
            value: value.into(),
        };
        self.change(on, vec![change])
    }

    fn change(&self, on: u32, all: Vec<Change>) -> Result<u32, Refusal> {
        let changes = Changes { on, by: "李\n四".into(), why: "try".into(), all };
        let done = apply(
            &self.file(),
            &FixedEnvironment::default(),
            Timestamp::UNIX_EPOCH,
            &changes,
            false,
        );
        done.map(|version| version.version)
    }

    pub(super) fn undo(&self, to: Option<u32>) -> Result<u32, Refusal> {
        let on = seen(&self.file(), &FixedEnvironment::default())?;
        self.undo_on(on, to)
    }

    fn undo_on(&self, on: u32, to: Option<u32>) -> Result<u32, Refusal> {
        let asked = Undo { on, to, by: "x".into() };
        let done =
            undo(&self.file(), &FixedEnvironment::default(), Timestamp::UNIX_EPOCH, &asked, false);
        done.map(|version| version.version)
    }

    pub(super) fn load(&self) -> (Option<Config>, Vec<String>) {
        said(load(&self.file(), &FixedEnvironment::default()))
    }

    pub(super) fn score(&self) -> f32 {
        let (config, told) = self.load();
        config.unwrap_or_else(|| panic!("{told:?}")).rules[0].min_score
    }
}

pub(super) fn said(
    (config, problems): (Option<Config>, Vec<Problem>),
) -> (Option<Config>, Vec<String>) {
    (config, problems.iter().map(ToString::to_string).collect())
}

pub(super) const RULE: &str = "[[rule]]\nid = \"r\"\nkind = \"intrusion\"\nmin_score = 0.5\n";

/// Sections and items with their keys as TOML; the empty id is a section that there is one of.
type Model = BTreeMap<(&'static str, String), BTreeMap<&'static str, String>>;

fn toml_of(model: &Model) -> String {
    let mut text = String::new();
    for ((section, id), keys) in model {
        text += &match id.as_str() {
            "" => format!("[{section}]\n"),
            id => format!("[[{section}]]\nid = \"{id}\"\n"),
        };
        keys.iter().for_each(|(key, value)| text += &format!("{key} = {value}\n"));
    }
    text
}

/// A random key of this section, with a value that is sound.
fn key(section: &str, random: &mut StdRng) -> (&'static str, String) {
    let choose = |random: &mut StdRng, all: &[&'static str]| *all.choose(random).unwrap();
    let n = random.random_range(1..60);
    match section {
        "rule" => match choose(random, &["min_score", "dwell_s", "zone", "schedule", "labels"]) {
            "min_score" => ("min_score", format!("0.{:02}", n)),
            "dwell_s" => ("dwell_s", format!("{n}.5")),
            "zone" => ("zone", format!("[[0.0, 0.{n:02}], [1.0, 0.1], [0.5, 0.9]]")),
            "schedule" => ("schedule", format!("[\"Mon-Fri 22:{n:02}-06:00\"]")),
            _ => ("labels", "[\"person\", \"car\"]".into()),
        },
        "camera" => match choose(random, &["url", "name", "pre_roll_s", "mask"]) {
            "url" => ("url", format!("\"rtsp://h/{n}\"")),
            "name" => ("name", format!("\"东门 {n}\"")),
            "mask" => ("mask", format!("[[[0.0, 0.0], [0.{n:02}, 0.0], [0.1, 0.9]]]")),
            _ => ("pre_roll_s", n.to_string()),
        },
        "mqtt" => ("topics", format!("[\"gridpost/demo/button/{n}\"]")),
        "sink" => ("levels", format!("[\"{}\"]", choose(random, &["community", "township"]))),
        "drone" => ("flight_end_s", (n + 20).to_string()),
        "gauge" => match choose(random, &["name", "silent_after_s"]) {
            "name" => ("name", format!("\"雨量筒 {n}\"")),
            _ => ("silent_after_s", (n + 3900).to_string()),
        },
        // Lists within a section, and tables within a list, are one key each.
        "life" => match choose(random, &["limit", "urges"]) {
            "limit" => (
                "limit",
                format!(
                    "[{{ kinds = [\"fire-lane\"], accept = \"{n}min\" }}, {{ accept = \"2h\" }}]"
                ),
            ),
            _ => ("urges", format!("[\"催{n}\", \"督\", \"红\", \"黑\"]")),
        },
        "rain" => match choose(random, &["prepare", "hysteresis"]) {
            "prepare" => ("prepare", format!("[{{ window_h = 1.0, mm = 3{n}.0 }}]")),
            _ => ("hysteresis", format!("0.{:02}", n + 30)),
        },
        "posture" => ("flood_hold_s", (n * 100 + 3600).to_string()),
        "button" => ("name", format!("\"张 {n}\"")),
        "site" => ("name", format!("\"室 {n}\"")),
        _ => ("silent_after_s", (n * 1000).to_string()),
    }
}

/// Those with an id each, and those that there are one of.
const LISTS: [&str; 7] = ["rule", "camera", "button", "mqtt", "sink", "drone", "gauge"];
const SECTIONS: [&str; 5] = ["site", "devices", "life", "rain", "posture"];

/// Every source needs an id of its own.
fn named(section: &str, id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("{section}-{id}") }
}

fn fill(model: &mut Model, random: &mut StdRng, keys_max: usize) {
    for section in LISTS.into_iter().chain(SECTIONS) {
        let ids: &[&str] = if SECTIONS.contains(&section) { &[""] } else { &["a", "b", "c", "d"] };
        for id in ids {
            if random.random_bool(0.4) {
                continue;
            }
            let keys: BTreeMap<_, _> =
                (0..random.random_range(1..=keys_max)).map(|_| key(section, random)).collect();
            model.entry((section, named(section, id))).or_default().extend(keys);
        }
    }
}

/// What an item must have to be one.
fn complete(model: &mut Model) {
    model.entry(("site", String::new())).or_default().insert("id", "\"demo\"".into());
    for ((section, id), keys) in model.iter_mut() {
        let mut needs = |key, value: String| {
            keys.entry(key).or_insert(value);
        };
        // No two of a list may share these.
        let number = id.bytes().last().unwrap_or(0);
        match *section {
            "mqtt" => {
                needs("url", format!("\"mqtt://h{number}:1883\""));
                needs("topics", "[\"gridpost/demo/button/+\"]".into());
            }
            "sink" => {
                needs("kind", "\"jsonl\"".into());
                needs("path", format!("\"{number}.jsonl\""));
            }
            "drone" => needs("listen", format!("\"srt://127.0.0.1:9{number:03}\"")),
            "gauge" => needs("device", format!("\"00123456{number}\"")),
            "rule" => drop(keys.entry("kind").or_insert("\"intrusion\"".into())),
            "camera" => drop(keys.entry("url").or_insert("\"rtsp://h/x\"".into())),
            _ => {}
        }
    }
}

/// Each key comes from the last file that says it.
fn each_key_is_of(last: &Model, base: &str, layers: &[Layer], at: &str) {
    let environment = FixedEnvironment::default();
    let mut document = Document::parse("a.toml", base, &environment).unwrap();
    layers.iter().for_each(|layer| document.lay(layer));
    let origins = document.origins();
    let files: BTreeMap<&str, &str> =
        origins.iter().map(|one| (one.key.as_str(), one.file.as_str())).collect();
    for ((section, id), keys) in last {
        for (key, file) in keys {
            let name = match id.as_str() {
                "" => format!("{section}.{key}"),
                id => format!("{section}[{id}].{key}"),
            };
            assert_eq!(files.get(name.as_str()), Some(&file.as_str()), "{at}: {name}");
        }
    }
}

#[test]
fn c1_layers_at_random_are_what_a_hand_would_have_merged() {
    let seed = crate::domain::seed();
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..120 {
        let mut merged = Model::new();
        fill(&mut merged, &mut random, 4);
        complete(&mut merged);
        let base = toml_of(&merged);
        let mut last = Model::new();
        let from = |last: &mut Model, model: &Model, file: &str| {
            for (name, keys) in model {
                let own = last.entry(name.clone()).or_default();
                own.extend(keys.keys().map(|key| (*key, file.to_owned())));
            }
        };
        from(&mut last, &merged, "a.toml");
        let mut layers = Vec::new();
        for n in 0..random.random_range(1..=3) {
            let mut layer = Model::new();
            fill(&mut layer, &mut random, 3);
            let mut text = String::new();
            // Some items leave, whether they are there or not.
            for section in LISTS {
                let id = named(section, ["a", "b", "c", "x"].choose(&mut random).unwrap());
                if random.random_bool(0.3) {
                    layer.remove(&(section, id.clone()));
                    merged.remove(&(section, id.clone()));
                    last.remove(&(section, id.clone()));
                    text += &format!("[[{section}]]\nid = \"{id}\"\nremoved = true\n");
                }
            }
            let mut made = layer.clone();
            made.retain(|name, _| !merged.contains_key(name));
            complete(&mut made);
            for (name, keys) in made {
                if name.0 != "site" {
                    layer.entry(name).or_default().extend(keys);
                }
            }
            for (name, keys) in &layer {
                merged.entry(name.clone()).or_default().extend(keys.clone());
            }
            from(&mut last, &layer, &format!("{n}.toml"));
            text = toml_of(&layer) + &text;
            layers.push(Layer { file: format!("{n}.toml"), text });
        }
        let environment = FixedEnvironment::default();
        let hand = toml_of(&merged);
        let (by_hand, told) = said(parse("a.toml", &hand, &environment));
        let by_hand = by_hand.unwrap_or_else(|| panic!("{seed}/{round}: {told:?}\n{hand}"));
        let (laid, told) = said(parse_laid("a.toml", &base, &layers, &environment));
        let laid = laid.unwrap_or_else(|| panic!("{seed}/{round}: {told:?}\n{base}\n{layers:#?}"));
        let differs = Difference::between(&by_hand, &laid);
        assert!(differs.is_empty(), "{seed}/{round}: {differs:?}\n{base}\n{layers:#?}");
        each_key_is_of(&last, &base, &layers, &format!("{seed}/{round}"));
    }
}

#[test]
fn c2_each_key_names_the_file_and_line_that_it_comes_from_and_no_secret() {
    let home = Home::new(&format!(
        "{RULE}[[camera]]\nid = \"gate\"\nurl = \"rtsp://u:geheim@h/1\"\nname = \"x\"\n"
    ));
    let by_hand = home.put(
        "b.toml",
        "\n[[camera]]\nid = \"gate\"\nname = \"y\"\n[[rule]]\nid = \"s\"\nkind = \"crowd\"\n",
    );
    home.set(0, "r", "min_score", 0.7).unwrap();
    let all = origins(&home.file(), &FixedEnvironment::default()).unwrap();
    let of = |key: &str| {
        let one = all.iter().find(|one| one.key == key).unwrap_or_else(|| panic!("{key}"));
        (one.value.as_str(), Path::new(&one.file).file_name().unwrap().to_str().unwrap(), one.line)
    };
    assert_eq!(of("rule[r].kind"), ("\"intrusion\"", "gridpost.toml", 7));
    assert_eq!(of("rule[r].min_score"), ("0.7", "applied.toml", 5));
    assert_eq!(of("camera[gate].name"), ("\"y\"", "b.toml", 4));
    assert_eq!(of("camera[gate].url"), ("…", "gridpost.toml", 11));
    assert_eq!(of("rule[s].kind"), ("\"crowd\"", "b.toml", 7));
    // A problem between the two names the line of the one that is wrong.
    fs::write(by_hand, "[[camera]]\nid = \"gate\"\npre_roll = 3\n").unwrap();
    let (config, told) = home.load();
    assert!(config.is_none());
    assert!(
        told.iter().any(|line| line.contains("b.toml:3: error: camera[1].pre_roll: unknown key")),
        "{told:?}"
    );
}

#[test]
fn c2_a_file_that_is_wrong_or_foreign_is_named() {
    let home = Home::new(RULE);
    let (config, told) = home.load();
    assert!(config.is_some() && told == NONE, "{told:?}");
    for (name, text, expected) in [
        ("a.toml", "[[rule]\n", "a.toml:1: error: this is not valid TOML"),
        ("a.toml", "\n[data]\npath = \"x\"\n", "a.toml:2: error: data: says where site.d lies"),
        ("a.toml", "[[rule]]\nmin_score = 0.7\n", "a.toml:2: error: rule: is missing its `id`"),
        (
            "a.toml",
            "[[rule]]\nid = \"r\"\n[[rule]]\nid = \"r\"\n",
            "a.toml:4: error: rule: `r` stands twice",
        ),
        ("a.toml", "[rule]\nid = \"r\"\n", "a.toml:1: error: rule: expected a list"),
        ("a.toml", "[[site]]\nid = \"r\"\n", "a.toml:1: error: site: expected a section"),
        ("a.toml", "name = 1\n", "a.toml:1: error: name: expected a section"),
        ("a.toml", "[[rule]]\nid = \"r\"\nremoved = 1\n", "`r`: removed: expected true or false"),
        ("a.toml", "[sites]\nid = \"r\"\n", "a.toml:1: error: sites: unknown section"),
        ("notes.txt", "x", "notes.txt: warning: is no *.toml"),
        ("applied.toml", "[site]\nname = \"x\"\n", "applied.toml: warning: its first line"),
    ] {
        let path = home.put(name, text);
        let (config, told) = home.load();
        assert!(told.iter().any(|line| line.contains(expected)), "{text}: {told:?}");
        assert_eq!(
            config.is_none(),
            expected.contains("error") || expected.contains("expected true")
        );
        // It costs itself: the gateway runs on what is sound.
        let (config, told) = said(load_to_run(&home.file(), &FixedEnvironment::default()));
        let config = config.unwrap_or_else(|| panic!("{text}: {told:?}"));
        let wrong = told.iter().any(|line| line.contains("error"));
        assert_eq!(config.in_effect.set_aside.is_some(), wrong, "{told:?}");
        fs::remove_file(path).unwrap();
    }
    fs::create_dir(home.put("x", "").with_file_name("b.toml")).unwrap();
    assert!(home.load().1.iter().any(|line| line.contains("b.toml: error: is no regular file")));
    fs::remove_dir_all(home.data().join("site.d")).unwrap();
    fs::write(home.data().join("site.d"), "x").unwrap();
    assert!(home.load().1.iter().any(|line| line.contains("site.d: error: is no folder")));
}

#[test]
fn c2_a_secret_that_others_may_read_is_told() {
    let home = Home::new(RULE);
    let path = home.put("cameras.toml", "[[camera]]\nid = \"c\"\nurl = \"rtsp://u:geheim@h/1\"\n");
    assert_eq!(home.load().1, NONE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let told = home.load().1;
    assert!(
        told.len() == 1 && told[0].contains("cameras.toml: warning: camera[c].url: has mode 640"),
        "{told:?}"
    );
    assert!(!told[0].contains("geheim"));
    // Without a secret in it, a group may read it and nobody else change it.
    fs::write(&path, "[[camera]]\nid = \"c\"\nurl = \"clip.mp4\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    let told = home.load().1;
    assert!(told.iter().any(|line| line.contains("others may change it")), "{told:?}");
}

#[test]
fn c3_what_is_applied_is_undone_and_done_again_and_the_hand_written_file_stays() {
    let home = Home::new(RULE);
    let before = fs::read(home.file()).unwrap();
    assert!(matches!(home.undo(None), Err(Refusal::NoVersion(0, _))));
    assert_eq!(home.set(0, "r", "min_score", 0.6).unwrap(), 1);
    assert_eq!(home.set(1, "r", "min_score", 0.7).unwrap(), 2);
    assert_eq!(home.score(), 0.7);
    assert!(matches!(home.set(2, "r", "min_score", 0.7), Err(Refusal::Nothing)));
    assert_eq!((home.undo(None).unwrap(), home.score()), (3, 0.6));
    assert_eq!((home.undo(None).unwrap(), home.score()), (4, 0.7));
    assert_eq!((home.undo(Some(0)).unwrap(), home.score()), (5, 0.5));
    assert_eq!((home.undo(Some(1)).unwrap(), home.score()), (6, 0.6));
    assert!(matches!(home.undo(Some(9)), Err(Refusal::NoVersion(9, _))));
    // One that is not sound is refused with its problems, and nothing is written.
    let refused = home.set(6, "r", "min_score", 7.0).unwrap_err();
    let Refusal::Wrong(problems) = refused else { panic!("{refused}") };
    assert!(
        problems.iter().any(|one| one.to_string().contains("rule[1].min_score: 7: expected 0..1"))
    );
    assert!(matches!(home.set(5, "r", "min_score", 0.9), Err(Refusal::Meanwhile(_))));
    assert_eq!((versions(&home.data()).1, home.score()), (6, 0.6));
    let forget =
        Change::Forget { section: "rule".into(), id: Some("r".into()), key: "min_score".into() };
    assert_eq!((home.change(6, vec![forget]).unwrap(), home.score()), (7, 0.5));
    let remove = Change::Remove { section: "rule".into(), id: "r".into() };
    home.change(7, vec![remove]).unwrap();
    assert!(home.load().0.unwrap().rules.is_empty());
    let id = Change::Set { section: "site".into(), id: None, key: "id".into(), value: "x".into() };
    assert!(matches!(home.change(8, vec![id]), Err(Refusal::Frozen(_))));
    assert_eq!(fs::read(home.file()).unwrap(), before, "byte for byte");
    let (all, _) = versions(&home.data());
    assert_eq!(all[0].by, "李␊四");
    assert_eq!(all[0].changes, ["rule r: min_score"]);
    for file in ["applied.toml", "versions/000001.toml", "lock"] {
        let mode =
            fs::metadata(home.data().join("site.d").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn c3_twenty_versions_are_kept_and_the_journal_is_told_of_each() {
    let home = Home::new(RULE);
    for n in 0..25 {
        home.set(n, "r", "dwell_s", f64::from(n)).unwrap();
    }
    let (all, current) = versions(&home.data());
    assert_eq!((all.len(), all[0].version, current), (20, 6, 25));
    assert!(matches!(home.undo(Some(5)), Err(Refusal::NoVersion(5, _))));
    assert_eq!(unnoted(&home.data()).len(), 20);
    note(&home.data(), 24).unwrap();
    let left: Vec<u32> = unnoted(&home.data()).iter().map(|one| one.version).collect();
    assert_eq!(left, [25]);
    let text = try_out(
        &home.file(),
        &FixedEnvironment::default(),
        Timestamp::UNIX_EPOCH,
        &Changes { on: 25, by: "x".into(), why: "y".into(), all: Vec::new() },
    );
    assert!(matches!(text, Err(Refusal::Nothing)));
}

#[test]
fn c3_a_cut_between_any_two_writes_leaves_the_old_or_the_new() {
    let home = Home::new(RULE);
    home.set(0, "r", "min_score", 0.6).unwrap();
    let folder = home.data().join("site.d");
    // Written as a version, and not yet in its place; and torn parts of both.
    let second = fs::read_to_string(folder.join("versions/000001.toml")).unwrap();
    let second = second.replace("\"version\":1", "\"version\":2").replace("0.6", "0.9");
    fs::write(folder.join("versions/000002.toml"), &second).unwrap();
    fs::write(folder.join("versions/000003.toml.new"), &second[..9]).unwrap();
    fs::write(folder.join("applied.toml.new"), &second[..9]).unwrap();
    assert_eq!(home.score(), 0.6);
    assert_eq!(home.load().1, NONE);
    assert_eq!(versions(&home.data()).1, 1);
    assert_eq!(unnoted(&home.data()).len(), 1, "it never was in effect");
    assert!(matches!(home.undo(Some(2)), Err(Refusal::NoVersion(2, _))));
    // The next one takes its number.
    assert_eq!((home.set(1, "r", "min_score", 0.7).unwrap(), home.score()), (2, 0.7));
    assert_eq!((home.undo(None).unwrap(), home.score()), (3, 0.6));
    // In its place, and the oldest not removed yet: the next one removes them.
    for n in 3..30 {
        let number = home.set(n, "r", "dwell_s", f64::from(n)).unwrap();
        let text = fs::read(folder.join(format!("versions/{number:06}.toml"))).unwrap();
        fs::write(folder.join("versions/000001.toml"), text).unwrap();
    }
    home.set(30, "r", "dwell_s", 1.0).unwrap();
    assert_eq!(Folder::of(&home.data()).kept().len(), 20);
}

#[test]
fn c3_of_two_who_apply_at_once_one_wins_and_the_other_is_told() {
    let home = Home::new(RULE);
    for round in 0..10 {
        let outcomes = std::thread::scope(|scope| {
            let both = [0.6, 0.7].map(|score| {
                let home = &home;
                scope.spawn(move || {
                    home.set(round, "r", "min_score", score + f64::from(round) / 1000.0)
                })
            });
            both.map(|one| one.join().unwrap())
        });
        let won = outcomes.iter().filter(|one| one.is_ok()).count();
        let told = outcomes.iter().filter(|one| matches!(one, Err(Refusal::Meanwhile(_)))).count();
        assert_eq!((won, told), (1, 1), "{outcomes:?}");
    }
}

#[test]
fn c3_of_two_who_undo_at_once_one_wins_and_the_other_is_told() {
    let home = Home::new(RULE);
    home.set(0, "r", "min_score", 0.6).unwrap();
    home.set(1, "r", "min_score", 0.7).unwrap();
    let outcomes = std::thread::scope(|scope| {
        let both = [(), ()].map(|()| scope.spawn(|| home.undo_on(2, None)));
        both.map(|one| one.join().unwrap())
    });
    let won = outcomes.iter().filter(|one| one.is_ok()).count();
    let told = outcomes.iter().filter(|one| matches!(one, Err(Refusal::Meanwhile(_)))).count();
    assert_eq!((won, told, home.score()), (1, 1, 0.6), "{outcomes:?}");
}

#[test]
fn c3_what_root_applies_is_the_gateways_to_read() {
    let home = Home::new(RULE);
    let data = home.data();
    if std::os::unix::fs::chown(&data, Some(12_345), Some(12_345)).is_err() {
        // Whoever is not root meets nobody else's folder here.
        return;
    }
    home.set(0, "r", "min_score", 0.6).unwrap();
    note(&data, 1).unwrap();
    let folder = data.join("site.d");
    for file in ["", "applied.toml", "lock", "versions", "versions/000001.toml", "versions/noted"] {
        let about = fs::metadata(folder.join(file)).unwrap();
        assert_eq!((about.uid(), about.gid()), (12_345, 12_345), "{file}");
    }
}
