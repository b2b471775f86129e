//! Replay: the same input gives the same output, and every wrong input is said and named.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::world::{Played, Replay, Site, gridpost, root, street};

/// Walkers before a camera that is never opened.
fn square() -> Site {
    Site::demo()
        .walkers()
        .set("zone", [[0.0, 0.25], [1.0, 0.25], [1.0, 1.0], [0.0, 1.0]])
        .rule("crowd", "crowd")
        .set("count", 4)
        .camera("square", "rtsp://192.0.2.1/never-opened")
        .short_clips()
}

const SIGNALS: &str = r#"{"at":"2026-07-01T10:00:12+08:00","via":"mqtt","topic":"gridpost/demo/button/btn-1","payload":{"event":"press","id":"2"}}
{"at":"2026-07-01T10:00:00+08:00","via":"mqtt","topic":"x","payload":"no press"}
{"at":"2026-07-01T10:00:05+08:00","via":"mqtt","topic":"gridpost/demo/button/btn-1","payload":{"event":"press","id":"1"}}
{"at":"2026-07-01T10:00:05+08:00","via":"mqtt","topic":"gridpost/demo/button/btn-1","payload":{"event":"press","id":"1"}}
{"at":"2026-07-01T10:00:06+08:00","via":"tcp","listener":"station","hex":"7e7e"}
"#;

#[test]
fn same_input_same_output_and_every_sort_of_event() {
    let replay = || Replay::of(&square()).camera("square", &street("h264")).signals(SIGNALS).run();
    let first = replay();
    assert!(first.log.contains("unreadable=2"), "{}", first.log);
    let events: Vec<Value> = first.comparable();
    assert_eq!(events, replay().comparable());

    let of = |kind: &str, what: &str| {
        events
            .iter()
            .filter(|event| event["data"]["kind"] == kind && event["data"]["what"] == what)
            .collect::<Vec<_>>()
    };
    let presses = [of("emergency-button", "opened"), of("emergency-button", "updated")];
    assert_eq!(presses.map(|one| one.len()), [1, 1], "the repeated press is none");
    assert_eq!(of("emergency-button", "opened")[0]["time"], "2026-07-01T10:00:05.000+08:00");
    let ended = of("intrusion", "ended");
    assert!(!ended.is_empty() && !of("crowd", "opened").is_empty());
    let media: Vec<_> = ended[0]["data"]["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|evidence| evidence["media_type"].as_str().unwrap())
        .collect();
    assert!(media.contains(&"image/jpeg") && media.contains(&"video/mp4"), "{media:?}");
    // The clip's first frame is at the clock's start: the first signal's time.
    let began: jiff::Timestamp =
        of("intrusion", "opened")[0]["data"]["began_at"].as_str().unwrap().parse().unwrap();
    let start: jiff::Timestamp = "2026-07-01T02:00:00Z".parse().unwrap();
    assert!((0.0..20.0).contains(&began.duration_since(start).as_secs_f64()), "{began}");
}

#[test]
fn a_second_replay_into_the_same_folder_overwrites_nothing_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let replay = || {
        let replay = Replay::of(&square()).camera("square", &street("h264"));
        replay.arguments(&["--data", &data]).run()
    };
    let ids = |played: &Played| -> BTreeSet<String> {
        played.events.iter().map(|event| event["subject"].as_str().unwrap().to_owned()).collect()
    };
    let (first, second) = (ids(&replay()), ids(&replay()));
    assert!(!first.is_empty() && first.is_disjoint(&second), "{first:?} {second:?}");
    gridpost(&["store", "check", "--data", &data]).must_say(0, ["sound"]);
}

#[test]
fn the_looks_of_a_camera_are_explained() {
    let start = ["--start", "2026-07-01T10:00:00+08:00"];
    let replay = Replay::of(&square()).camera("square", &street("h264")).explain("square");
    let played = replay.arguments(&start).run();
    let explained = played.explained("square");
    for expected in ["rule walkers: counts", "outside the zone", "rule crowd: counts; fewer than 4"]
    {
        assert!(explained.iter().any(|line| line.contains(expected)), "{expected}");
    }
}

#[test]
fn wrong_input_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let no_video = folder.path().join("no-video.mp4");
    fs::write(&no_video, "no video").unwrap();
    let camera = |id: &str, clip: &std::path::Path| format!("{id}={}", clip.display());
    let (no_video_at, street_at) = (camera("square", &no_video), camera("square", &street("h264")));
    let nobodys = camera("nobody", &street("h264"));
    let table: &[(&[&str], i32, &str)] = &[
        (&[], 2, "nothing to replay"),
        (&["--camera", "nobody=/dev/null"], 2, "no such file"),
        (&["--camera", &nobodys], 2, "it has: square"),
        (&["--camera", &street_at, "--explain", "nobody"], 2, "it has: square"),
        (&["--speed", "0"], 2, "expected max, or a number"),
        (&["--camera", &no_video_at], 1, "is not a video that can be read"),
    ];
    for (args, code, text) in table {
        let output = Replay::of(&square()).arguments(args).try_run();
        assert_eq!(output.code, *code, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(text), "{args:?}: {}", output.stderr);
    }
    let replay = Replay::of(&square()).arguments(&["--camera", &street_at]);
    let output = replay.signals("{\"at\":\"soon\"}\n").try_run();
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("signals.jsonl:1: "), "{}", output.stderr);
    let broken = square().section("[model]").set("library", no_video);
    let output = Replay::of(&broken).arguments(&["--camera", &street_at]).try_run();
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("no-video.mp4") && root().is_dir(), "{}", output.stderr);
}
