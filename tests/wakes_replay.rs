//! Wakes from outside in a replay: who comes and goes between two looks is seen where somebody says so.

use std::path::Path;

use serde_json::{Value, json};

use crate::world::{Replay, Site, in_a_row, moment};

/// Replayed with these signals: what the gate said, and when somebody was there, in seconds.
fn play(clip: &Path, signals: &[(f64, Value)]) -> (Vec<String>, Vec<(f64, f64)>) {
    let site = Site::demo().section("[model]").set("variant", "fp32").anybody();
    let site = site.camera("cam", clip).button("bed").set("cameras", ["cam"]);
    let line = |(seconds, what): &(f64, Value)| {
        let mut signal = what.clone();
        signal["at"] = moment(*seconds).to_string().into();
        format!("{signal}\n")
    };
    let signals: String = signals.iter().map(line).collect();
    let replay = Replay::of(&site).explain("cam").signals(&signals);
    let played = replay.arguments(&["--start", &moment(0.0).to_string()]).run();
    let gate = played.log.lines().filter(|line| line.contains(": gate ")).map(str::to_owned);
    (gate.collect(), played.happenings())
}

/// The camera's own word that something moves.
fn moves() -> Value {
    json!({"via": "onvif", "camera": "cam"})
}

/// Its button.
fn pressed() -> Value {
    let payload = json!({"event": "press", "id": "1"});
    json!({"via": "mqtt", "topic": "gridpost/demo/button/bed", "payload": payload})
}

/// From 6.48 to 7.48 s somebody is there whom no look sees: key frames are at 6 and at 8 s.
#[test]
fn who_comes_and_goes_between_two_looks_is_seen_where_something_outside_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let clip = in_a_row(folder.path(), &[(40.0, 69.0)]);
    let sees = |spans: &[(f64, f64)]| spans.iter().any(|one| one.0 > 6.0 && one.1 < 8.5);
    let (_, looks) = play(&clip, &[]);
    assert!(!sees(&looks), "the looks alone see him: this scene proves nothing: {looks:?}");

    // Pressed after he has gone, and after a look that saw nothing: from the key frame before the
    // pre-roll on, which is the one at 2 s.
    let (gate, spans) = play(&clip, &[(9.0, pressed())]);
    assert!(sees(&spans), "{spans:?} {gate:#?}");
    assert!(gate.iter().any(|line| line.contains("wakes: press; replays 7.0 s")), "{gate:#?}");

    // The camera's own word, which it has earned at 0.6 s, when somebody else was there.
    let (gate, spans) = play(&clip, &[(0.6, moves()), (6.7, moves())]);
    assert!(sees(&spans), "{spans:?} {gate:#?}");
    let wakes: Vec<&String> = gate.iter().filter(|line| line.contains("wakes: event")).collect();
    assert!(wakes.len() == 1 && wakes[0].starts_with("cam    6."), "{gate:#?}");
    assert!(gate.iter().any(|line| line.contains("the sign was right: true; right so far 1.00")));

    // One that has lied before is not believed, and keeps it from no look.
    let (gate, spans) = play(&clip, &[(3.5, moves()), (6.7, moves())]);
    assert!(!gate.iter().any(|line| line.contains("wakes: event")), "{gate:#?}");
    assert!(gate.iter().any(|line| line.contains("not believed")), "{gate:#?}");
    assert_eq!(spans, looks, "what it says takes nothing away");

    // Believed, it cries wolf twice: the first time it wakes.
    let (gate, spans) = play(&clip, &[(0.6, moves()), (17.1, moves()), (27.5, moves())]);
    let wakes: Vec<&String> = gate.iter().filter(|line| line.contains("wakes: event")).collect();
    assert!(wakes.len() == 1 && wakes[0].starts_with("cam   17."), "{gate:#?}");
    assert!(gate.iter().any(|line| line.contains("the sign was right: false")), "{gate:#?}");
    assert_eq!(spans, looks, "what it says takes nothing away");
}
