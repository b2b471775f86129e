//! The engine that sleeps: what it sees against decoding everything, and what a picture says of its camera.

use std::{collections::BTreeMap, path::Path};

use crate::world::{Played, Replay, Site, scene, seconds};

/// Explained: people of a scene before one camera.
fn play(clip: &Path, decode: &str) -> Played {
    let site = Site::demo().section("[model]").set("variant", "fp32").anybody();
    let site = site.camera("cam", clip).set("decode", decode).set("pre_roll_s", 2);
    Replay::of(&site).explain("cam").run()
}

/// Kind, what, and when, of each word on the camera itself.
fn faults(played: &Played) -> Vec<(String, String, f64)> {
    let all = played.events.iter().map(|event| &event["data"]).filter(|data| {
        data["kind"].as_str().unwrap().starts_with("camera-") && data["what"] != "updated"
    });
    let text = |data: &serde_json::Value, key: &str| data[key].as_str().unwrap().to_owned();
    all.map(|data| (text(data, "kind"), text(data, "what"), seconds(data, "changed_at").unwrap()))
        .collect()
}

fn overlap(one: (f64, f64), other: (f64, f64)) -> f64 {
    (one.1.min(other.1) - one.0.max(other.0)).max(0.0)
}

/// Somebody is there for 0.5 to 8 s, at every phase of the GOP.
#[test]
fn gate_recall_equals_full() {
    let (clip, truth) = scene("appear");
    let full = play(&clip, "full");
    let adaptive = play(&clip, "adaptive");
    assert!(full.gate("sleeps").is_empty() && adaptive.gate("sleeps").len() > 10);
    // Why it was not looked at in between is told too.
    let explained = adaptive.explained("cam");
    let slept = explained.iter().find(|line| line.contains(": gate slept through"));
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
        let played = play(&clip, "adaptive");
        let faults = faults(&played);
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
