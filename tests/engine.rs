//! Streams as cameras really send them: B-frames, key frames minutes apart, a size that changes in mid-stream.

use crate::world::{Played, Replay, Site, coded};

/// People of the scene `appear` in its first 40 s who are there for 2 s and more.
const SURE: [(f64, f64); 2] = [(26.0, 28.0), (32.0, 36.0)];

fn play(clip: &std::path::Path) -> Played {
    let site = Site::demo().section("[model]").set("variant", "fp32").anybody();
    let site = site.camera("cam", clip).set("decode", "adaptive").set("pre_roll_s", 2);
    Replay::of(&site).explain("cam").run()
}

fn sees(played: &Played, span: (f64, f64)) -> bool {
    let late = |one: &(f64, f64)| (-0.3..0.7).contains(&(one.0 - span.0));
    played.happenings().iter().any(late)
}

#[test]
fn pictures_that_come_in_another_order_than_they_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let clip = coded(folder.path(), "b.mp4", "0", "40", &["-bf", "3", "-g", "50"]);
    let played = play(&clip);
    assert!(SURE.iter().all(|span| sees(&played, *span)), "{:?}", played.happenings());
    assert!(played.gate("sleeps").len() > 2, "it slept between them");
}

#[test]
fn without_a_key_frame_for_long_it_says_that_it_cannot_sleep_and_misses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let clip = coded(folder.path(), "long.mp4", "0", "40", &["-bf", "0", "-g", "100000"]);
    let played = play(&clip);
    assert_eq!(played.gate("wakes: long-gop").len(), 1, "{:?}", played.explained("cam"));
    let slept_after = played.gate("sleeps").into_iter().filter(|at| *at > 11.0).count();
    assert_eq!(slept_after, 0, "it never sleeps again");
    assert!(SURE.iter().all(|span| sees(&played, *span)), "{:?}", played.happenings());
}

#[test]
fn a_size_that_changes_in_mid_stream_leaves_it_seeing() {
    let folder = tempfile::tempdir().unwrap();
    let gop = ["-bf", "0", "-g", "50", "-muxdelay", "0", "-f", "mpegts"];
    let first = coded(folder.path(), "1.ts", "0", "24", &gop);
    let smaller = [&["-vf", "scale=480:270", "-output_ts_offset", "24"][..], &gop].concat();
    let second = coded(folder.path(), "2.ts", "24", "16", &smaller);
    let whole = folder.path().join("both.ts");
    let bytes = [std::fs::read(first).unwrap(), std::fs::read(second).unwrap()].concat();
    std::fs::write(&whole, bytes).unwrap();
    let played = play(&whole);
    assert!(played.gate("wakes: start").len() >= 2, "another scene: {:?}", played.explained("cam"));
    assert!(sees(&played, SURE[1]), "{:?}", played.happenings());
}
