//! Somebody lies on the ground: made scenes (`tests/rig/fallen.py`) with the real model.

use std::{path::PathBuf, process::Command};

use crate::world::{Played, Replay, Site, only_the_ssd, root, seconds};

fn played(name: &str) -> Played {
    played_with(name, &["person"])
}

fn played_with(name: &str, labels: &[&str]) -> Played {
    let script = root().join("tests/rig/fallen.py");
    let output = Command::new("/usr/bin/python3").arg(script).arg(name).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let clip = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let site = Site::demo().rule("down", "fallen").set("dwell_s", 8).set("labels", labels);
    Replay::of(&site.camera("cam", &clip)).run()
}

/// He lies for 20 s, from second 16.5 on in the one scene and from second 6 in the other.
#[test]
fn who_falls_is_told_and_it_ends_when_he_is_up_and_who_lies_there_is_told_too() {
    if only_the_ssd() {
        return;
    }
    // The model takes who lies for a dog: of who was seen to stand there that is known, of who lies when he
    // is first seen the site says it.
    let animals = ["person", "dog", "cow", "sheep", "horse", "cat"];
    for (name, lies, labels) in [("falls", 16.5, &animals[..1]), ("lies", 6.0, &animals[..])] {
        let played = played_with(name, labels);
        let told = played.of("fallen");
        let opened: Vec<_> = told.iter().filter(|data| data["what"] == "opened").collect();
        assert_eq!(opened.len(), 1, "{name}: {told:#?}");
        assert_eq!(opened[0]["severity"], 2);
        let began = seconds(opened[0], "began_at").unwrap();
        let opened_at = seconds(opened[0], "opened_at").unwrap();
        assert!((lies - 1.0..lies + 5.0).contains(&began), "{name}: began {began}");
        assert!(opened_at - began > 7.99 && opened_at < lies + 16.0, "{name}: {opened_at}");
        let ended = told.iter().find(|data| data["what"] == "ended").expect("he got up");
        let ended = seconds(ended, "ended_at").unwrap();
        assert!((lies + 16.0..lies + 24.0).contains(&ended), "{name}: ended {ended}");
    }
}

#[test]
fn who_only_bends_and_what_is_a_bag_is_not_told() {
    if only_the_ssd() {
        return;
    }
    for name in ["bends", "none"] {
        let played = played(name);
        assert_eq!(played.of("fallen").len(), 0, "{name}: {:#?}", played.events);
    }
}
