//! Streams that give no key frame to sleep on: intra refresh, groups of minutes, a connection in the middle of one.

use std::{path::Path, process::Command};

use super::{
    tests::{Bench, Stands, assert_reported_once, clip, packets, seconds, times},
    *,
};
use crate::vision::CameraFault;

const H264: [&str; 2] = ["-x264-params", "intra-refresh=1"];
const H265: [&str; 4] = ["-c:v", "libx265", "-x265-params", "intra-refresh=1:log-level=none"];

/// Packets of this clip without the first `drop` pictures, as a camera gives them to who comes later; without
/// the messages that tell of recovery points where `bare`. Their times begin at 0.
fn joined(folder: &Path, clip: &str, codec: &str, drop: u32, bare: bool) -> Vec<Packet> {
    let path = folder.join("joined.ts").display().to_string();
    let (annexb, sei) = match codec {
        "h264" => ("h264_mp4toannexb", 6),
        _ => ("hevc_mp4toannexb", 39),
    };
    let bare = if bare { format!(",filter_units=remove_types={sei}") } else { String::new() };
    let filter = format!("{annexb}{bare},dump_extra=freq=all,noise=drop='lt(n,{drop})'");
    let args = ["-v", "error", "-y", "-i", clip, "-c", "copy", "-bsf:v", &filter, "-muxdelay", "0"];
    let made = Command::new("ffmpeg").args(args).arg(&path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    packets(&path)
}

/// Somebody stands from 15.3 to 18.0 s of the clip, and is seen within half a second.
const SOMEBODY: Stands = Stands(15.3, 18.0);

fn sees_somebody(looks: &[Look], drop: u32) -> bool {
    let comes = SOMEBODY.0 - f64::from(drop) / 10.0;
    let in_time = |look: &&Look| (comes - 0.1..comes + 0.5).contains(&seconds(look.at));
    let boxed = |look: &Look| {
        look.regions.iter().any(|one| one.x0 < 0.5 && one.x1 > 0.5 && one.x1 - one.x0 < 0.4)
    };
    looks.iter().filter(in_time).any(boxed)
}

fn sleepless(bench: &Bench, cause: WakeCause) -> f64 {
    bench.meter.get(Metric::CameraSleepless, &label_pair("cam", cause.as_str()))
}

#[test]
fn v11_a_stream_without_key_frames_is_looked_at_from_its_first_seconds_on() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, more) in [("h264", &H264[..]), ("h265", &H265[..])] {
        let clip = clip(folder.path(), 24, 20, &SOMEBODY, &[&["-bf", "0"], more].concat());
        for (drop, bare) in [(33, true), (33, false), (1, true), (0, false)] {
            let what = format!("{codec}, without the first {drop}, bare {bare}");
            let packets = joined(folder.path(), &clip, codec, drop, bare);
            assert!(packets.len() > 200, "{what}");
            for full in [false, true] {
                let decode = if full { "full" } else { "adaptive" };
                let mut bench = Bench::new(serde_json::json!({ "decode": decode }), true);
                let (early, late) = packets.split_at(43);
                let mut looks = bench.play(early);
                // With a key frame at the very beginning and no other sign, it sleeps until 10 s.
                let none = drop > 0 || codec == "h264";
                let seen = looks.len() > if none { 10 } else { 2 };
                assert!(seen && seconds(looks[0].at) < 2.5, "{what}: {:?}", times(&looks));
                looks.extend(bench.play(late));
                assert_reported_once(&times(&looks));
                assert!(sees_somebody(&looks, drop), "{what}: {:?}", times(&looks));
                assert_eq!(bench.sampler.gate.level(), 2, "{what}");
                let gaps = times(&looks).windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
                if none {
                    assert!(gaps < 0.3, "{what}: {gaps} s without a look");
                    assert_eq!(sleepless(&bench, WakeCause::NoKeyFrame), 1.0, "{what}");
                    let said = bench.sampler.take_key_frames().unwrap().unwrap();
                    assert!(said.contains("everything is decoded"), "{said}");
                    assert!(bench.sampler.take_key_frames().is_none(), "said once");
                }
                // What builds up is no fault of the view.
                assert_eq!(bench.sampler.take_faults(), Vec::<CameraFault>::new(), "{what}");
                assert_eq!(bench.count(Metric::CameraSkipped), 0.0, "{what}");
            }
        }
    }
}

#[test]
fn v11_who_comes_in_the_middle_of_a_long_group_sees_before_the_next_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    // Key frames 11 s and 30 s apart, joined 1 and 5 s after one.
    for (gop, drop) in [(110, 10), (300, 50), (3_000, 50)] {
        let clip = clip(folder.path(), 36, gop, &SOMEBODY, &[]);
        let packets = joined(folder.path(), &clip, "h264", drop, false);
        let mut bench = Bench::new(serde_json::json!({}), true);
        let mut looks = bench.play(&packets[..43]);
        assert!(looks.len() > 10, "{gop}: {:?}", times(&looks));
        assert_eq!(bench.sampler.gate.awake(), Some(WakeCause::NoKeyFrame), "{gop}");
        looks.extend(bench.play(&packets[43..]));
        assert!(sees_somebody(&looks, drop), "{gop}: {:?}", times(&looks));
        assert_reported_once(&times(&looks));
        // From the key frame on it is one whose groups are too long.
        let after = if gop > 400 { WakeCause::NoKeyFrame } else { WakeCause::LongGop };
        assert_eq!(bench.sampler.gate.awake(), Some(after), "{gop}");
        assert_eq!(sleepless(&bench, after), 1.0, "{gop}");
        assert_eq!(
            sleepless(&bench, WakeCause::NoKeyFrame) + sleepless(&bench, WakeCause::LongGop),
            1.0
        );
        assert_eq!(bench.sampler.take_faults(), Vec::<CameraFault>::new(), "{gop}");
    }
}

#[test]
fn v11_key_frames_that_come_in_time_let_it_sleep_again_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (gop, waits) in [(35, false), (60, true), (90, true)] {
        let nobody = Stands(90.0, 91.0);
        let clip = clip(folder.path(), 40, gop, &nobody, &[]);
        let packets = joined(folder.path(), &clip, "h264", 2, false);
        let mut bench = Bench::new(serde_json::json!({}), true);
        let looks = bench.play(&packets);
        assert_reported_once(&times(&looks));
        assert_eq!(bench.sampler.gate.level(), 1, "{gop}: {:?}", times(&looks));
        assert_eq!(bench.wakes(WakeCause::NoKeyFrame), f64::from(u8::from(waits)), "{gop}");
        assert_eq!(sleepless(&bench, WakeCause::NoKeyFrame), 0.0, "{gop}");
        assert_eq!(bench.sampler.take_key_frames(), waits.then_some(None), "{gop}");
        let last = times(&looks)[times(&looks).len() - 5..].to_vec();
        assert!(last[4] - last[0] > 6.0, "it looks at key frames alone: {last:?}");
    }
}

#[test]
fn v11_key_frames_of_which_no_picture_comes_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), 24, 20, &SOMEBODY, &[&["-bf", "0"][..], &H264].concat());
    let mut packets = joined(folder.path(), &clip, "h264", 43, true);
    // A camera that calls one picture a second a key frame, and none is one.
    packets.iter_mut().step_by(10).for_each(|packet| packet.key = true);
    let mut bench = Bench::new(serde_json::json!({}), true);
    let looks = bench.play(&packets);
    assert_eq!(bench.notes_with("cannot be decoded").len(), 3);
    assert_eq!(bench.sampler.gate.awake(), Some(WakeCause::NoKeyFrame));
    assert!(sees_somebody(&looks, 43), "{:?}", times(&looks));
}
