//! Seeing right, on made scenes in small (`tests/rig/people.py`): who is there is found, and where nobody is nothing is told.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::world::{Gateway, Replay, Site, only_the_ssd, root, street_of};

const START: &str = "2026-01-01T12:00:00+08:00";
const DECODES: [&str; 2] = ["adaptive", "full"];

/// Python of the system with one of the rig's scripts.
fn rig(script: &str, arguments: &[&str]) -> String {
    let path = root().join("tests/rig").join(script);
    let output = Command::new("/usr/bin/python3").arg(path).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {said}");
    eprint!("{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The small form of a scene; None, and it is said, where its material is not here.
fn scene(name: &str) -> Option<PathBuf> {
    rig("people.py", &[name, "--small"]).lines().next().map(PathBuf::from)
}

/// The small form of a scene that a camera films which sways or turns, or by other light.
fn disturbed(name: &str) -> Option<PathBuf> {
    rig("disturbed.py", &[name, "--small"]).lines().next().map(PathBuf::from)
}

/// What `judge.py` says of a replay by a rule of its own for people, as every site has it.
fn judged(clip: &Path, decode: &str, cooldown: Option<u32>) -> Value {
    judged_of(clip, decode, cooldown, None)
}

/// Likewise, at so many looks a second.
fn judged_of(clip: &Path, decode: &str, cooldown: Option<u32>, fps: Option<u32>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut site = Site::demo().rule("people", "intrusion").set("labels", ["person"]);
    if let Some(seconds) = cooldown {
        site = site.set("cooldown_s", seconds);
    }
    let mut site = site.camera("cam", clip).set("decode", decode);
    if let Some(fps) = fps {
        site = site.set("detect_fps", fps);
    }
    let tracks = path("tracks.txt");
    let arguments = ["--start", START, "--tracks", &tracks];
    let played = Replay::of(&site).arguments(&arguments).run();
    let lines: String = played.events.iter().map(|event| format!("{event}\n")).collect();
    fs::write(path("events.jsonl"), lines).unwrap();
    let truth = clip.with_extension("gt.txt").display().to_string();
    let events = path("events.jsonl");
    let said = rig("judge.py", &[&truth, &tracks, &events, "--start", START]);
    println!("{} {decode}: {said}", clip.display());
    serde_json::from_str(&said).unwrap()
}

/// Each is one thing in exactly one incident, and nothing is told that is not there. `spare`: so many may
/// be missed.
fn each_is_one(name: &str, spare: u64) {
    if only_the_ssd() {
        return;
    }
    let Some(clip) = scene(name) else { return };
    for decode in DECODES {
        let said = judged(&clip, decode, None);
        let of = |key: &str| said[key].as_u64().unwrap();
        assert!(of("people") > 0 && said["lists_things"] == true, "{name} {decode}: {said}");
        assert!(of("once") + spare >= of("people"), "{name} {decode}: {said}");
        assert_eq!(of("false"), 0, "{name} {decode}: {said}");
        assert_eq!(said["several"], serde_json::json!([]), "{name} {decode}: {said}");
    }
}

fn nothing_is_told(clip: Option<PathBuf>) {
    let Some(clip) = clip else { return };
    for decode in DECODES {
        let said = judged(&clip, decode, Some(0));
        assert_eq!(said["incidents"], 0, "{} {decode}: {said}", clip.display());
    }
}

#[test]
fn p12_who_stands_with_his_back_to_the_camera_or_sits_is_one() {
    each_is_one("stand", 0);
    each_is_one("sit", 0);
}

#[test]
fn p12_who_cross_are_two() {
    each_is_one("cross", 0);
}

/// Four who come side by side: one of them is hidden for most of it.
#[test]
fn p12_who_comes_in_a_group_is_told() {
    each_is_one("group", 1);
}

#[test]
fn p12_who_is_far_away_is_one() {
    each_is_one("far", 0);
}

#[test]
fn p12_who_comes_at_night_or_in_rain_is_one() {
    each_is_one("night", 0);
    each_is_one("rain", 0);
}

#[test]
fn p12_who_walks_behind_a_tree_is_one() {
    each_is_one("tree", 0);
}

#[test]
fn p12_six_who_come_one_after_another_are_six() {
    each_is_one("six", 0);
}

#[test]
fn p12_who_walks_past_a_parked_car_is_one() {
    each_is_one("parked-car", 0);
}

/// Looks are so far apart that no box overlaps the one before.
#[test]
fn p12_who_runs_is_told() {
    if only_the_ssd() {
        return;
    }
    let Some(clip) = scene("runners") else { return };
    for (decode, fps) in [("adaptive", 5), ("full", 5), ("full", 2), ("adaptive", 10)] {
        let said = judged_of(&clip, decode, None, Some(fps));
        assert_eq!(said["people"], 3, "{decode} {fps}: {said}");
        assert_eq!(said["once"], 3, "{decode} {fps}: {said}");
        assert_eq!(said["false_things"], 0, "{decode} {fps}: {said}");
        // He is in sight for less than two seconds.
        assert_ne!(said["of"]["2"], serde_json::json!([]), "{decode} {fps}: {said}");
    }
}

#[test]
fn a_dog_a_bag_and_a_flag_are_nobody() {
    ["empty-dog", "empty-bag", "empty-flag"].map(scene).into_iter().for_each(nothing_is_told);
}

#[test]
fn rain_night_and_headlights_are_nobody() {
    let scenes = ["empty-rain", "empty-night", "empty-headlights"].map(scene);
    scenes.into_iter().for_each(nothing_is_told);
}

#[test]
fn a_parked_car_is_nobody() {
    nothing_is_told(scene("empty-parked-car"));
}

/// By a camera on a pole that sways, or that turns from preset to preset, all of the picture differs. What stands
/// there (cones, a tripod) is taken for somebody by half, and nothing tells that it has come.
#[test]
fn what_stands_where_the_camera_itself_moves_is_nobody_and_who_is_there_is_told() {
    if only_the_ssd() {
        return;
    }
    for name in ["shake", "ptz"] {
        let Some(clip) = disturbed(name) else { return };
        for decode in DECODES {
            let said = judged(&clip, decode, None);
            assert!(said["people"].as_u64() > Some(0), "{name} {decode}: {said}");
            assert_eq!(said["missed"], serde_json::json!([]), "{name} {decode}: {said}");
            assert_eq!(said["false_things"], 0, "{name} {decode}: {said}");
        }
    }
}

/// The lamps go on while he comes in: all is washed out, and at full size the grain of the night hides him from the model.
#[test]
fn v13_who_comes_where_the_grain_of_the_picture_hides_him_is_told() {
    if only_the_ssd() {
        return;
    }
    let Some(clip) = disturbed("lights-on") else { return };
    for decode in DECODES {
        let said = judged(&clip, decode, None);
        assert_eq!(said["people"], 2, "{decode}: {said}");
        assert_eq!(said["missed"], serde_json::json!([]), "{decode}: {said}");
        assert_eq!(said["false_things"], 0, "{decode}: {said}");
    }
}

#[test]
fn nobody_is_told_by_a_camera_that_moves_or_by_lamps() {
    for name in ["empty-shake", "empty-ptz", "empty-lamps"] {
        nothing_is_told(disturbed(name));
    }
}

/// Two stand one after the other, at the left and at the right. Where the rule's zone is only one half, the
/// detector is shown that half, and tells of it what it tells when it is shown everything.
#[test]
fn v12_r4_who_counts_is_told_alike_whether_all_is_looked_at_or_only_where_the_rule_looks() {
    let Some(clip) = scene("stand") else { return };
    for (zone, side) in [([0.0f32, 0.35f32], 0), ([0.65, 1.0], 1)] {
        let [from, to] = zone;
        let told = |decode: &str| {
            let site = Site::demo().rule("people", "intrusion").set("labels", ["person"]);
            let site = site.set("zone", [[from, 0.0], [to, 0.0], [to, 1.0], [from, 1.0]]);
            let site = site.camera("cam", &clip).set("decode", decode);
            Replay::of(&site).explain("cam").run()
        };
        let (near, all) = (told("adaptive"), told("full"));
        let (one, other) = (near.happenings(), all.happenings());
        assert!(one.len() == 1 && other.len() == 1, "{zone:?}: {one:?} and {other:?}");
        let apart = (one[0].0 - other[0].0).abs().max((one[0].1 - other[0].1).abs());
        assert!(apart <= 0.6, "{zone:?}: {one:?} and {other:?}");
        // The other one wakes nobody.
        let woke = near.gate("wakes: change");
        let his = |at: &&f64| if side == 0 { **at > 22.0 } else { **at < 20.0 };
        assert_eq!(woke.iter().filter(his).count(), 0, "{zone:?}: {woke:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_who_was_where_is_kept_as_boxes_without_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_of(folder.path(), 8);
    let site = Site::demo().walkers().camera("square", &clip).set("speed", "max");
    let mut gateway = Gateway::start(&site).await;
    let looks = "gridpost_camera_detected_frames_total";
    gateway.camera_is(looks, "square", |seen| seen >= 20.0).await;
    gateway.must_stop_sound().await;
    let files = fs::read_dir(gateway.data().join("tracks")).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let looks: Vec<Value> = texts
        .flat_map(|text| {
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
        })
        .collect();
    assert!(looks.len() >= 15, "{} looks", looks.len());
    for look in &looks {
        assert_eq!(look["camera"], "square");
        assert!(look["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{look}");
        for track in look["tracks"].as_array().unwrap() {
            let track = track.as_array().unwrap();
            assert!(track.len() == 8 && track[1].is_string(), "{look}");
            let place =
                track[3..7].iter().all(|part| (-0.2..=1.2).contains(&part.as_f64().unwrap()));
            assert!(place && track[5].as_f64() > track[3].as_f64(), "{look}");
        }
    }
    let people = looks.iter().filter(|look| look["tracks"].to_string().contains("\"person\""));
    assert!(people.count() >= 10);
}
