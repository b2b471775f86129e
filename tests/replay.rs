//! Replay: the same input gives the same output, and every wrong input is said and named.

use std::{fs, path::Path};

use serde_json::Value;

use crate::world::{gridpost, root, street};

const CONFIG: &str = "[site]\nid = \"demo\"\ntimezone = \"Asia/Shanghai\"\n\n[[camera]]\nid = \"square\"\nurl = \"rtsp://192.0.2.1/never-opened\"\nclip_max_s = 3\npre_roll_s = 2\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\nzone = [[0.0, 0.25], [1.0, 0.25], [1.0, 1.0], [0.0, 1.0]]\n\n[[rule]]\nid = \"crowd\"\nkind = \"crowd\"\ncount = 4\n";
const SIGNALS: &str = r#"{"at":"2026-07-01T10:00:12+08:00","via":"mqtt","topic":"gridpost/demo/button/btn-1","payload":{"event":"press","id":"2"}}
{"at":"2026-07-01T10:00:00+08:00","via":"mqtt","topic":"x","payload":"no press"}
{"at":"2026-07-01T10:00:05+08:00","via":"mqtt","topic":"gridpost/demo/button/btn-1","payload":{"event":"press","id":"1"}}
{"at":"2026-07-01T10:00:05+08:00","via":"mqtt","topic":"gridpost/demo/button/btn-1","payload":{"event":"press","id":"1"}}
{"at":"2026-07-01T10:00:06+08:00","via":"tcp","listener":"station","hex":"7e7e"}
"#;

fn folder(signals: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gridpost.toml"), CONFIG).unwrap();
    fs::write(folder.path().join("signals.jsonl"), signals).unwrap();
    folder
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

/// Ids, addresses and hashes go; everything else must be the same.
pub(crate) fn comparable(stdout: &str) -> Vec<Value> {
    let mut ids: Vec<String> = Vec::new();
    let mut known = |value: &mut Value| {
        let Some(text) = value.as_str().map(str::to_owned) else { return };
        let (incident, rest) = text.split_at(text.len().min(36));
        let at = ids.iter().position(|id| id == incident).unwrap_or_else(|| {
            ids.push(incident.to_owned());
            ids.len() - 1
        });
        *value = format!("incident {at}{rest}").into();
    };
    stdout
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            known(&mut event["id"]);
            known(&mut event["subject"]);
            known(&mut event["data"]["incident"]);
            for evidence in event["data"]["evidence"].as_array_mut().unwrap() {
                let evidence = evidence.as_object_mut().unwrap();
                evidence.retain(|key, _| !["id", "sha256", "url"].contains(&key.as_str()));
            }
            event
        })
        .collect()
}

#[test]
fn same_input_same_output_and_every_sort_of_event() {
    let folder = folder(SIGNALS);
    let camera = format!("square={}", street("h264").display());
    let (config, signals) =
        (path(folder.path(), "gridpost.toml"), path(folder.path(), "signals.jsonl"));
    let args = ["replay", "-c", &config, "--camera", &camera, "--signals", &signals];
    let first = gridpost(&args);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stderr.contains("unreadable=2"), "{}", first.stderr);
    let events = comparable(&first.stdout);
    let second = comparable(&gridpost(&args).stdout);
    assert_eq!(events, second);

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
fn the_looks_of_a_camera_are_explained() {
    let folder = folder("");
    let camera = format!("square={}", street("h264").display());
    let output = gridpost(&[
        "replay",
        "-c",
        &path(folder.path(), "gridpost.toml"),
        "--camera",
        &camera,
        "--explain",
        "square",
        "--start",
        "2026-07-01T10:00:00+08:00",
    ]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let explained: Vec<&str> =
        output.stderr.lines().filter(|line| line.starts_with("square ")).collect();
    for expected in ["rule walkers: counts", "outside the zone", "rule crowd: counts; fewer than 4"]
    {
        assert!(explained.iter().any(|line| line.contains(expected)), "{expected}");
    }
}

#[test]
fn wrong_input_is_named() {
    let folder = folder("{\"at\":\"soon\"}\n");
    let config = path(folder.path(), "gridpost.toml");
    let signals = path(folder.path(), "signals.jsonl");
    fs::write(folder.path().join("no-video.mp4"), "no video").unwrap();
    let no_video = format!("square={}", path(folder.path(), "no-video.mp4"));
    let street = format!("square={}", street("h264").display());
    let table: &[(&[&str], i32, &str)] = &[
        (&[], 2, "nothing to replay"),
        (&["--camera", "nobody=/dev/null"], 2, "no such file"),
        (&["--camera", &street.replace("square", "nobody")], 2, "it has: square"),
        (&["--camera", &street, "--explain", "nobody"], 2, "it has: square"),
        (&["--speed", "0"], 2, "expected max, or a number"),
        (&["--camera", &no_video], 1, "is not a video that can be read"),
        (&["--camera", &street, "--signals", &signals], 1, "signals.jsonl:1: "),
    ];
    for (args, code, text) in table {
        let args = [&["replay", "-c", &config], *args].concat();
        let output = gridpost(&args);
        assert_eq!(output.code, *code, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(text), "{args:?}: {}", output.stderr);
    }
    let broken = format!("{CONFIG}\n[model]\nlibrary = \"no-video.mp4\"\n");
    fs::write(folder.path().join("gridpost.toml"), broken).unwrap();
    let output = gridpost(&["replay", "-c", &config, "--camera", &street]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("no-video.mp4") && root().is_dir(), "{}", output.stderr);
}
