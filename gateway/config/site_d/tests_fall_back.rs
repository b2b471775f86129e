//! A gateway starts on everything of `site.d` that is sound, and says what is not.

use std::fs;

use super::tests::{Home, NONE, RULE, said};
use crate::config::{env::FixedEnvironment, load_to_run};

#[test]
fn c4_the_gateway_starts_on_the_latest_that_is_sound_or_on_the_file_alone() {
    let home = Home::new(RULE);
    let environment = FixedEnvironment::default();
    let start = || said(load_to_run(&home.file(), &environment));
    home.set(0, "r", "min_score", 0.6).unwrap();
    home.set(1, "r", "min_score", 0.7).unwrap();
    let applied = home.data().join("site.d/applied.toml");
    let sound = fs::read_to_string(&applied).unwrap();
    let copy = home.data().join("site.d/versions/000002.toml");
    for broken in [
        sound.replace("0.7", "7.0"),
        sound.replace("[[rule]]", "[[rule]"),
        sound.replace("rule", "ruel"),
        // Cut off, where what is left is TOML all the same.
        sound[..sound.find("min_score").unwrap()].to_owned(),
        sound[..20].to_owned(),
        String::new(),
    ] {
        fs::write(&applied, &broken).unwrap();
        assert!(home.load().0.is_none(), "{broken}");
        // Its own copy goes before every earlier one.
        for (kept, score, version) in [(&sound, 0.7, 2), (&broken, 0.6, 1)] {
            if version == 1 && sound.starts_with(&broken) {
                continue;
            }
            fs::write(&copy, kept).unwrap();
            let (config, told) = start();
            let config = config.unwrap();
            assert_eq!((config.rules[0].min_score, config.in_effect.seen), (score, 2), "{broken}");
            let says = format!("version {version} of it counts instead");
            assert!(config.in_effect.set_aside.unwrap().contains(&says));
            assert_eq!(config.in_effect.version.unwrap().version, version);
            assert!(told.iter().any(|line| line.contains("applied.toml:")), "{told:?}");
        }
        fs::write(&copy, &sound).unwrap();
        assert!(home.set(2, "r", "dwell_s", 9.0).is_err(), "nothing is applied over it");
    }
    // Written anew as it was.
    assert_eq!((home.undo(Some(2)).unwrap(), home.score()), (3, 0.7));
    // No version is sound any more: the hand-written file, and what an installer laid over it.
    home.put("b.toml", "[[camera]]\nid = \"c\"\nurl = \"rtsp://h/1\"\n");
    let text = fs::read_to_string(home.file()).unwrap();
    fs::write(home.file(), text.replace("[[rule]]\nid = \"r\"", "[[rule]]\nid = \"s\"")).unwrap();
    let (config, _) = start();
    let config = config.unwrap();
    assert!(config.in_effect.set_aside.unwrap().contains("none of it counts"));
    assert_eq!((config.rules.len(), config.cameras.len()), (1, 1));
    // Where it is the hand-written file that is wrong, nothing is hidden.
    fs::write(home.file(), "[site]\nid = 7\n").unwrap();
    assert!(start().0.is_none());
}

#[test]
fn c4_a_wrong_file_of_site_d_costs_itself_and_nothing_beside_it() {
    let environment = FixedEnvironment::default();
    let buttons: String =
        (0..50).map(|n| format!("[[button]]\nid = \"b{n}\"\nname = \"x\"\n")).collect();
    for (name, wrong) in [
        ("20-x.toml", "[[button]]\nid = \"z\"\nnaem = \"x\"\n"),
        ("20-x.toml", "[[rule]\n"),
        ("20-x.toml", "\u{0}"),
        ("00-x.toml", "[[camera]]\nid = \"c\"\n"),
        // Wrong in another file's line: it takes away what the hand-written rule names.
        ("20-x.toml", "[[camera]]\nid = \"yard\"\nremoved = true\n"),
    ] {
        let home = Home::new(&format!(
            "{RULE}cameras = [\"yard\"]\n[[camera]]\nid = \"yard\"\nurl = \"rtsp://h/1\"\n"
        ));
        home.put("10-buttons.toml", &buttons);
        home.set(0, "r", "min_score", 0.6).unwrap();
        home.put(name, wrong);
        assert!(home.load().0.is_none(), "{wrong}");
        let (config, told) = said(load_to_run(&home.file(), &environment));
        let config = config.unwrap_or_else(|| panic!("{wrong}: {told:?}"));
        assert_eq!((config.buttons.len(), config.rules[0].min_score), (50, 0.6), "{wrong}");
        assert_eq!(config.in_effect.version.unwrap().version, 1, "{wrong}");
        let aside = config.in_effect.set_aside.unwrap();
        assert!(aside.contains("20-x.toml") || aside.contains("00-x.toml"), "{aside}");
    }
    // What an editor leaves there while somebody edits is none.
    let home = Home::new(RULE);
    let lock = home.put("10-buttons.toml", &buttons).with_file_name(".#10-buttons.toml");
    std::os::unix::fs::symlink("root@box.1234", lock).unwrap();
    assert_eq!(home.load().1, NONE);
}

#[test]
fn c4_what_the_hand_written_file_needs_of_a_lost_one_is_left_out_last_of_all() {
    let environment = FixedEnvironment::default();
    let home = Home::new(&format!(
        "{RULE}cameras = [\"new\"]\n[[rule]]\nid = \"s\"\nkind = \"crowd\"\ncameras = [\"old\"]\n\
         [[camera]]\nid = \"old\"\nurl = \"rtsp://h/1\"\n[[button]]\nid = \"b\"\nname = \"x\"\n"
    ));
    let start = || said(load_to_run(&home.file(), &environment)).0;
    home.put("10-new.toml", "[[camera]]\nid = \"new\"\nurl = \"rtsp://h/2\"\n");
    assert_eq!(home.load().1, NONE);
    // An error elsewhere costs that file.
    home.put("20-x.toml", "[[rule]\n");
    let config = start().unwrap();
    assert_eq!((config.rules.len(), config.cameras.len(), config.buttons.len()), (2, 2, 1));
    // An error in the very file that is needed costs the rule that needs it.
    home.put("10-new.toml", "[[camera]]\nid = \"new\"\nulr = \"rtsp://h/2\"\n");
    let config = start().unwrap();
    assert_eq!((config.rules.len(), config.cameras.len(), config.buttons.len()), (1, 1, 1));
    let aside = config.in_effect.set_aside.unwrap();
    assert!(aside.contains("10-new.toml") && aside.contains("rule r"), "{aside}");
}

#[test]
fn c4_an_applied_toml_that_is_gone_is_told_and_its_last_version_counts() {
    let environment = FixedEnvironment::default();
    let home = Home::new(RULE);
    home.set(0, "r", "min_score", 0.6).unwrap();
    home.set(1, "r", "min_score", 0.7).unwrap();
    fs::remove_file(home.data().join("site.d/applied.toml")).unwrap();
    let (config, told) = home.load();
    assert!(config.is_none());
    assert!(
        told.iter().any(|line| line.contains("applied.toml: error: is gone, and version 2")),
        "{told:?}"
    );
    let config = said(load_to_run(&home.file(), &environment)).0.unwrap();
    assert_eq!((config.rules[0].min_score, config.in_effect.seen), (0.7, 2));
    // Nothing is applied over what is not there.
    let refused = home.set(2, "r", "dwell_s", 3.0).unwrap_err();
    assert!(refused.to_string().contains("undo --to 2"), "{refused}");
    assert_eq!((home.undo(Some(2)).unwrap(), home.score()), (3, 0.7));
    // The first of all, cut off before it was in its place, never was in effect.
    let home = Home::new(RULE);
    home.set(0, "r", "min_score", 0.6).unwrap();
    fs::remove_file(home.data().join("site.d/applied.toml")).unwrap();
    assert_eq!((home.load().1.as_slice(), home.score()), (&[] as &[String], 0.5));
    assert_eq!(home.set(0, "r", "min_score", 0.8).unwrap(), 1);
}
