//! The engine that sleeps: what it sees against decoding everything, and what a picture says of its camera.

use std::{collections::BTreeMap, fs, path::Path};

use jiff::Timestamp;
use serde_json::Value;

use crate::world::{gridpost, scene};

/// As replay starts its clock: noon at the site.
const START: &str = "2026-01-01T04:00:00Z";

/// What a replay said.
pub(crate) struct Played {
    events: Vec<Value>,
    pub(crate) explained: Vec<String>,
}

pub(crate) fn play(clip: &Path, decode: &str, more: &str) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gridpost.toml");
    let text = format!(
        "[site]\nid = \"demo\"\ntimezone = \"Asia/Shanghai\"\n\n[model]\nvariant = \"fp32\"\n\n[[camera]]\nid = \"cam\"\nurl = {clip:?}\ndecode = \"{decode}\"\npre_roll_s = 2\n{more}\n[[rule]]\nid = \"anybody\"\nkind = \"intrusion\"\nlabels = [\"person\"]\nmin_score = 0.5\nclear_s = 1.5\ncooldown_s = 0\n"
    );
    fs::write(&config, text).unwrap();
    let output = gridpost(&["replay", "-c", &config.to_string_lossy(), "--explain", "cam"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let events = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let explained =
        output.stderr.lines().filter(|line| line.starts_with("cam ")).map(str::to_owned);
    Played { events, explained: explained.collect() }
}

fn seconds(event: &Value, key: &str) -> Option<f64> {
    let at: Timestamp = event["data"][key].as_str()?.parse().ok()?;
    Some(at.duration_since(START.parse().unwrap()).as_secs_f64())
}

impl Played {
    /// From when to when somebody was there, in seconds of the clip, in order.
    pub(crate) fn happenings(&self) -> Vec<(f64, f64)> {
        let ended = self.events.iter().filter(|event| {
            event["data"]["kind"] == "intrusion" && event["data"]["what"] == "ended"
        });
        let mut spans: Vec<(f64, f64)> = ended
            .map(|event| (seconds(event, "began_at").unwrap(), seconds(event, "ended_at").unwrap()))
            .collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        spans
    }

    fn faults(&self) -> Vec<(String, String, f64)> {
        let all = self.events.iter().filter(|event| {
            let kind = event["data"]["kind"].as_str().unwrap();
            kind.starts_with("camera-") && event["data"]["what"] != "updated"
        });
        let text = |event: &Value, key: &str| event["data"][key].as_str().unwrap().to_owned();
        all.map(|event| {
            (text(event, "kind"), text(event, "what"), seconds(event, "changed_at").unwrap())
        })
        .collect()
    }

    /// Seconds of the clip at which the gate decided something, by its first word or two.
    pub(crate) fn gate(&self, what: &str) -> Vec<f64> {
        let lines = self.explained.iter().filter(|line| line.contains(&format!(": gate {what}")));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect()
    }
}

fn overlap(one: (f64, f64), other: (f64, f64)) -> f64 {
    (one.1.min(other.1) - one.0.max(other.0)).max(0.0)
}

/// Somebody is there for 0.5 to 8 s, at every phase of the GOP.
#[test]
fn gate_recall_equals_full() {
    let (clip, truth) = scene("appear");
    let full = play(&clip, "full", "");
    let adaptive = play(&clip, "adaptive", "");
    assert!(full.gate("sleeps").is_empty() && adaptive.gate("sleeps").len() > 10);
    // Why it was not looked at in between is told too.
    let slept = adaptive.explained.iter().find(|line| line.contains(": gate slept through"));
    assert!(slept.is_some_and(|line| line.contains(" of the limit")), "{slept:?}");
    let (all, seen) = (full.happenings(), adaptive.happenings());
    let gop_s = truth["gop"].as_f64().unwrap() / truth["fps"].as_f64().unwrap();
    let mut table: BTreeMap<u64, [usize; 3]> = BTreeMap::new();
    let (mut all_s, mut both_s) = (0.0, 0.0);
    for span in truth["spans"].as_array().unwrap() {
        let span = (span["from_s"].as_f64().unwrap(), span["to_s"].as_f64().unwrap());
        let lasts = span.1 - span.0;
        let within = |found: &[(f64, f64)]| {
            found.iter().find(|one| overlap(**one, (span.0 - 0.2, span.1 + 0.2)) > 0.0).copied()
        };
        let (by_full, by_adaptive) = (within(&all), within(&seen));
        let row = table.entry((lasts * 2.0).round() as u64 * 500).or_default();
        row[0] += 1;
        row[1] += usize::from(by_full.is_some());
        row[2] += usize::from(by_adaptive.is_some());
        // What is shorter may lie between two looks: the table shows how much of it is found.
        if lasts + 0.001 >= gop_s
            && let Some(full) = by_full
        {
            let adaptive = by_adaptive.unwrap_or_else(|| panic!("missed {span:?}: {seen:?}"));
            assert!((adaptive.0 - full.0).abs() <= 0.2, "{span:?}: {adaptive:?} for {full:?}");
            all_s += full.1 - full.0;
            both_s += seen.iter().map(|one| overlap(*one, full)).sum::<f64>();
        }
    }
    // Nobody is made up, and who is there for a GOP is there soon after he is visible.
    let spans: Vec<(f64, f64)> = truth["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| (span["from_s"].as_f64().unwrap(), span["to_s"].as_f64().unwrap()))
        .collect();
    let near = |one: &(f64, f64)| {
        spans.iter().any(|span| overlap(*one, (span.0 - 0.2, span.1 + 0.2)) > 0.0)
    };
    assert!(seen.iter().all(near), "{seen:?} of {spans:?}");
    for span in spans.iter().filter(|span| span.1 - span.0 + 0.001 >= gop_s) {
        let late = seen.iter().map(|one| one.0 - span.0).find(|late| (-0.2..0.6).contains(late));
        assert!(late.is_some(), "{span:?} of {seen:?}");
    }
    println!("visible ms: there, found by full, found by adaptive\n{table:#?}");
    println!("full {all_s:.1} s, of which adaptive {both_s:.1} s");
    assert!(all_s > 20.0 && both_s >= 0.99 * all_s, "{both_s:.2} of {all_s:.2} s");
}

/// Each fault raises its own incident, while it lasts, and no other; a lamp at night is none.
#[test]
fn p7_a_picture_tells_what_is_wrong_with_its_camera() {
    for (name, kind) in [
        ("blind", "camera-blind"),
        ("moved", "camera-moved"),
        ("frozen", "camera-frozen"),
        ("unfocused", "camera-unfocused"),
        ("dark", ""),
    ] {
        let (clip, truth) = scene(name);
        let span = &truth["spans"][0];
        let (from, to) = (span["from_s"].as_f64().unwrap(), span["to_s"].as_f64().unwrap());
        let played = play(&clip, "adaptive", "");
        let faults = played.faults();
        println!("{name}: {from} to {to} s: {faults:?}");
        if kind.is_empty() {
            assert!(faults.is_empty(), "{name}: {faults:?}");
            continue;
        }
        let opened: Vec<_> = faults.iter().filter(|one| one.1 == "opened").collect();
        let ended: Vec<_> = faults.iter().filter(|one| one.1 == "ended").collect();
        assert_eq!((opened.len(), ended.len()), (1, 1), "{name}: {faults:?}");
        assert!(
            opened[0].0 == kind && (from..to + 1.0).contains(&opened[0].2),
            "{name}: {faults:?}"
        );
        assert!(ended[0].2 > to, "{name}: {faults:?}");
    }
}
