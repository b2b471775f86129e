//! Replay: the same input gives the same output, and every wrong input is said and named.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::world::{Played, Replay, Site, gridpost, root, street, street_of};

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
    for expected in
        ["rule walkers: was told", "outside the zone", "rule crowd: counts; fewer than 4"]
    {
        assert!(explained.iter().any(|line| line.contains(expected)), "{expected}");
    }
}

/// Rows of the text: frame, id, left, top, width, height, score, class, seen, -1.
fn rows(text: &str) -> Vec<Vec<f64>> {
    let row = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    text.lines().map(row).collect()
}

#[test]
fn who_is_where_is_written_down_as_the_benchmark_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_of(folder.path(), 9);
    let tracks = |name: &str, decode: &str| {
        let path = folder.path().join(name).display().to_string();
        let site = Site::demo().walkers().camera("square", &clip).set("decode", decode);
        let played = Replay::of(&site).arguments(&["--tracks", &path]).run();
        (played, fs::read_to_string(&path).unwrap())
    };
    for decode in ["full", "adaptive"] {
        let (played, text) = tracks("tracks.txt", decode);
        let rows = rows(&text);
        assert!(rows.len() > 100 && rows.iter().all(|row| row.len() == 10), "{}", rows.len());
        // 9 s of 10 pictures a second, of which 5 are looked at.
        let frames: BTreeSet<u64> = rows.iter().map(|row| row[0] as u64).collect();
        assert!(frames.iter().all(|frame| (1..=90).contains(frame)), "{frames:?}");
        assert!(frames.len() > 30 && *frames.last().unwrap() > 80, "{frames:?}");
        assert!(rows.is_sorted_by(|a, b| a[0] <= b[0]));
        let each: BTreeSet<(u64, u64)> =
            rows.iter().map(|row| (row[0] as u64, row[1] as u64)).collect();
        assert_eq!(each.len(), rows.len(), "somebody is twice in one picture");
        // People of this street, in pixels of 768x576.
        let people = rows.iter().filter(|row| row[7] == 1.0 && row[8] == 1.0);
        let sizes: Vec<f64> = people.map(|row| row[5]).collect();
        let usual = sizes.iter().filter(|height| (40.0..160.0).contains(*height)).count();
        assert!(usual * 10 > sizes.len() * 9 && usual > 100, "{usual} of {}", sizes.len());
        // Nothing else changes by it.
        let site = Site::demo().walkers().camera("square", &clip).set("decode", decode);
        assert_eq!(Replay::of(&site).run().comparable(), played.comparable());
    }
    let (_, table) = tracks("tracks.csv", "full");
    assert!(
        table.starts_with("camera,frame,seconds,at,id,label,score,left,top,width,height,seen\n")
    );
    assert!(table.contains("square,") && table.contains(",person,"), "{table:.400}");
}

#[test]
fn a_disk_that_is_full_ends_the_tracks_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_of(folder.path(), 6);
    let site = Site::demo().walkers().camera("square", &clip);
    let events = Replay::of(&site).run().comparable();
    for (path, said) in [("/dev/full", "No space left on device"), ("/nowhere/t", "No such file")] {
        let output = Replay::of(&site).arguments(&["--tracks", path]).try_run();
        assert_eq!(output.code, 1, "{}", output.stderr);
        assert!(output.stderr.contains(said), "{}", output.stderr);
        assert!(output.stderr.contains("the replay goes on"), "{}", output.stderr);
        let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let played = Played { events: lines.collect(), log: String::new() };
        assert_eq!(played.comparable(), events, "{path}");
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
    let street_to = street("h264").display().to_string();
    let table: &[(&[&str], i32, &str)] = &[
        (&[], 2, "nothing to replay"),
        (&["--camera", "nobody=/dev/null"], 2, "no such file"),
        (&["--camera", &nobodys], 2, "it has: square"),
        (&["--camera", &street_at, "--explain", "nobody"], 2, "it has: square"),
        (&["--camera", &street_at, "--tracks", &street_to], 2, "would be overwritten"),
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
