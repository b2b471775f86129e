//! Nobody who is visible for two seconds is missed, whatever the phase of the GOP in which he appears.

use serde_json::Value;

use crate::world::{gridpost, scene};

const CONFIG: &str = "[site]\nid = \"recall\"\ntimezone = \"Asia/Shanghai\"\n\n[[camera]]\nid = \"square\"\nurl = \"rtsp://192.0.2.1/never-opened\"\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\nlabels = [\"person\"]\nclear_s = 1.5\ncooldown_s = 0\n";
const START: &str = "2026-07-01T10:00:00+08:00";
/// Visible for so long (the GOP of the clip), somebody must be found.
const SURE_S: f64 = 2.0;
/// An incident begins when it was first seen: at five looks a second, and the first may be a miss.
const LATE_S_MAX: f64 = 0.6;

/// Seconds after the start at which incidents began.
fn began(stdout: &str) -> Vec<f64> {
    let zero: jiff::Timestamp = START.parse().unwrap();
    stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["data"]["kind"] == "intrusion" && event["data"]["what"] == "opened")
        .map(|event| {
            let at: jiff::Timestamp = event["data"]["began_at"].as_str().unwrap().parse().unwrap();
            at.duration_since(zero).as_secs_f64()
        })
        .collect()
}

#[test]
fn nobody_who_is_visible_for_two_seconds_is_missed() {
    let (clip, truth) = scene("appear");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gridpost.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let camera = format!("square={}", clip.display());
    let (config, start) = (config.display().to_string(), START.to_owned());
    let played = gridpost(&["replay", "-c", &config, "--camera", &camera, "--start", &start]);
    assert_eq!(played.code, 0, "{}", played.stderr);
    let began = began(&played.stdout);
    let spans: Vec<(f64, f64)> = truth["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| (span["from_s"].as_f64().unwrap(), span["to_s"].as_f64().unwrap()))
        .collect();
    let (mut short, mut found_short) = (0, 0);
    for (from, to) in &spans {
        let hit = began.iter().find(|at| (*from - 0.1..=*to + 0.1).contains(*at));
        if to - from < SURE_S {
            short += 1;
            found_short += usize::from(hit.is_some());
            continue;
        }
        let hit = hit.unwrap_or_else(|| panic!("missed {from}..{to} s; incidents at {began:?}"));
        assert!(hit - from <= LATE_S_MAX, "somebody from {from} s on began at {hit} s");
    }
    println!("found {found_short} of {short} who were there for 0.5 or 1 s");
    let false_ones = began
        .iter()
        .filter(|at| !spans.iter().any(|(from, to)| (*from - 0.1..=*to + 0.1).contains(*at)));
    assert_eq!(false_ones.count(), 0, "incidents at {began:?}, truth {spans:?}");
    assert!(spans.iter().any(|(from, to)| to - from >= SURE_S));
}
