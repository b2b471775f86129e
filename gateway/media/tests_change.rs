//! A stream that becomes another one in mid-flight: each clip has the header that its packets need.

use std::{path::Path, process::Command};

use jiff::{SignedDuration, Timestamp};

use super::{Cut, Packet, Ring, Session, SessionRequest, write_clip};
use crate::domain::PreRollLimit;

fn ffmpeg(args: &[&str]) -> String {
    let done = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).output().unwrap();
    let output = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "ffmpeg {args:?}: {output}");
    output
}

/// Four seconds of a test picture of this size as MPEG-TS, from `at_s` on.
fn part(folder: &Path, encoder: &str, size: &str, at_s: u32) -> Vec<u8> {
    let path = folder.join(format!("{size}-{at_s}.ts")).display().to_string();
    let input = format!("testsrc=size={size}:rate=10:duration=4");
    let offset = at_s.to_string();
    let quick = ["-g", "10", "-bf", "0", "-pix_fmt", "yuv420p", "-preset", "ultrafast"];
    let mut args = vec!["-f", "lavfi", "-i", &input, "-c:v", encoder];
    args.extend(quick);
    args.extend(["-output_ts_offset", &offset, "-muxdelay", "0", &path]);
    if encoder == "libx265" {
        args.splice(6..6, ["-x265-params", "log-level=none"]);
    }
    ffmpeg(&args);
    std::fs::read(path).unwrap()
}

fn start() -> Timestamp {
    "2026-07-01T03:00:00Z".parse().unwrap()
}

fn at(seconds: f64) -> Timestamp {
    start() + SignedDuration::from_millis((seconds * 1000.0) as i64)
}

/// All packets of a file, and what was reported of changes.
fn packets(path: &Path) -> (Vec<Packet>, Vec<String>) {
    let mut session = Session::open(&SessionRequest::of_clip(path)).unwrap();
    let (mut packet, mut changes) = (Vec::new(), Vec::new());
    while let Some(next) = session.next(start).unwrap() {
        packet.push(next);
        changes.extend(session.take_change());
    }
    (packet, changes)
}

/// Size by the file's header, and pictures that play without a complaint.
fn plays(folder: &Path, cut: &Cut) -> (String, usize) {
    let path = folder.join("cut.mp4");
    write_clip(&path, cut).unwrap();
    let path = path.display().to_string();
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            "stream=width,height,nb_read_frames",
        ])
        .args(["-of", "csv=p=0", &path])
        .output()
        .unwrap();
    let output = String::from_utf8(probe.stdout).unwrap();
    assert_eq!(ffmpeg(&["-i", &path, "-f", "null", "-"]), "");
    let mut fields = output.trim().split(',');
    let size = format!("{}x{}", fields.next().unwrap(), fields.next().unwrap());
    (size, fields.next().unwrap().parse().unwrap())
}

fn changes_size(encoder: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = part(folder.path(), encoder, "640x480", 0);
    bytes.extend(part(folder.path(), encoder, "320x240", 4));
    let path = folder.path().join("both.ts");
    std::fs::write(&path, bytes).unwrap();
    let (packet, changes) = packets(&path);
    assert_eq!(changes, ["640x480 became 320x240"]);
    assert_eq!(packet.len(), 80);
    let mut ring = Ring::new(60, 64 << 20);
    packet.into_iter().for_each(|packet| ring.push(packet));
    let asked =
        |from: f64, began: f64, until: f64| ring.cut(at(from), at(began), at(until)).unwrap();
    // Before the change, up to it; after it, from it on.
    let before = asked(1.5, 3.0, 6.0);
    assert_eq!(before.limit, None);
    assert_eq!(plays(folder.path(), &before), ("640x480".into(), 30));
    let after = asked(2.0, 5.0, 7.0);
    assert_eq!(after.limit, Some(PreRollLimit::StreamBegan));
    let (size, pictures) = plays(folder.path(), &after);
    assert_eq!(size, "320x240");
    assert!((30..=31).contains(&pictures), "{pictures}");
}

#[test]
fn h264_changes_its_size() {
    changes_size("libx264");
}

#[test]
fn h265_changes_its_size() {
    changes_size("libx265");
}

/// Same size, another profile: the picture would be garbage with the old header.
#[test]
fn only_the_codec_parameters_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = part(folder.path(), "libx264", "320x240", 0);
    let path = folder.path().join("cabac.ts").display().to_string();
    let input = "testsrc=size=320x240:rate=10:duration=4";
    let args = ["-f", "lavfi", "-i", input, "-c:v", "libx264", "-g", "10", "-bf", "0", "-pix_fmt"];
    let more = ["yuv420p", "-profile:v", "high", "-output_ts_offset", "4", "-muxdelay", "0", &path];
    ffmpeg(&[&args[..], &more[..]].concat());
    bytes.extend(std::fs::read(&path).unwrap());
    let both = folder.path().join("both.ts");
    std::fs::write(&both, bytes).unwrap();
    let (packet, changes) = packets(&both);
    assert_eq!(changes, ["new codec parameters, 320x240 as before"]);
    let mut ring = Ring::new(60, 64 << 20);
    packet.into_iter().for_each(|packet| ring.push(packet));
    let after = ring.cut(at(2.0), at(5.0), at(7.0)).unwrap();
    assert_eq!(plays(folder.path(), &after).0, "320x240");
}

/// As recorders export: without any time stamps, and as parts in a row of which each begins at 0.
#[test]
fn recordings_without_time_stamps_or_whose_time_begins_anew_go_on_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (ts, bare) = (folder.path().join("one.ts"), folder.path().join("bare.h264"));
    // Behind the first part its parts begin 10 s and 0 s after the beginning of all.
    let parts = [20, 10, 0].map(|at_s| part(folder.path(), "libx264", "320x240", at_s)).concat();
    std::fs::write(&ts, parts).unwrap();
    let (packet, changes) = packets(&ts);
    assert_eq!(packet.len(), 120);
    assert_eq!(changes.len(), 2, "each is a run of its own: {changes:?}");
    let times: Vec<i64> = packet.iter().map(|packet| packet.stream_ms).collect();
    assert!(times.windows(2).all(|two| (90..=200).contains(&(two[1] - two[0]))), "{times:?}");

    let one = folder.path().join("320x240-0.ts").display().to_string();
    ffmpeg(&["-i", &one, "-c", "copy", "-f", "h264", &bare.display().to_string()]);
    let (packet, changes) = packets(&bare);
    assert!(changes.is_empty(), "{changes:?}");
    let times: Vec<i64> = packet.iter().map(|packet| packet.stream_ms).collect();
    assert_eq!(times, (0..40).map(|n| n * 100).collect::<Vec<i64>>(), "ten a second, as coded");
    let mut ring = Ring::new(60, 64 << 20);
    packet.into_iter().for_each(|packet| ring.push(packet));
    let cut = ring.cut(at(1.5), at(2.5), at(3.5)).unwrap();
    assert_eq!((plays(folder.path(), &cut).1, cut.limit), (26, None));
}

/// A new connection begins a new run; what came before it can still be cut.
#[test]
fn a_clip_of_what_was_seen_before_the_camera_went_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.ts");
    std::fs::write(&path, part(folder.path(), "libx264", "320x240", 0)).unwrap();
    let mut ring = Ring::new(60, 64 << 20);
    for session in 0..2 {
        let (mut packet, changes) = packets(&path);
        assert!(changes.is_empty(), "{changes:?}");
        for packet in &mut packet {
            packet.at += SignedDuration::from_secs(session * 20);
        }
        packet.into_iter().skip(usize::from(session == 1) * 5).for_each(|packet| ring.push(packet));
    }
    let before = ring.cut(at(0.5), at(2.5), at(12.0)).unwrap();
    assert_eq!((before.packets.len(), before.limit), (40, None));
    // The second one begins with its first key frame, one second in.
    let after = ring.cut(at(18.0), at(22.5), at(40.0)).unwrap();
    assert_eq!((after.packets.len(), after.limit), (30, Some(PreRollLimit::StreamBegan)));
    assert_eq!(plays(folder.path(), &after).1, 30);
}
