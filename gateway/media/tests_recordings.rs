//! Recordings whose times say too little: what is cut from them plays in order.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};

use super::{Decoder, Ring, Session, SessionRequest, write_clip};

/// Brightness of each picture in the order in which a player shows them, and their times.
fn shown(path: &std::path::Path) -> Vec<(Timestamp, f32)> {
    let mut session = Session::open(&SessionRequest::of_clip(path)).unwrap();
    let mut decoder = Decoder::new(&session).unwrap();
    let mut frames = Vec::new();
    let mut receive = |decoder: &mut Decoder| {
        while let Some(frame) = decoder.receive() {
            frames.push((frame.at, frame.luma().mean[0]));
        }
    };
    while let Some(packet) = session.next(|| Timestamp::UNIX_EPOCH).unwrap() {
        decoder.send(&packet).unwrap();
        receive(&mut decoder);
    }
    decoder.end();
    receive(&mut decoder);
    frames.sort_by_key(|(at, _)| *at);
    frames
}

#[test]
fn a_clip_of_an_avi_with_b_frames_plays_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mp4, avi) = (folder.path().join("a.mp4"), folder.path().join("a.avi"));
    let ffmpeg = |arguments: &[&str]| {
        let made = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let source = "color=black:size=160x120:rate=10:duration=4,format=yuv420p";
    let brighter = "geq=lum='20+5*N':cb=128:cr=128";
    let (to, copied) = (mp4.display().to_string(), avi.display().to_string());
    let coded = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-bf", "2"];
    let order = ["-x264-params", "b-adapt=0"];
    let input = ["-f", "lavfi", "-i", source, "-vf", brighter];
    ffmpeg(&[&input[..], &coded, &order, &[&to]].concat());
    ffmpeg(&["-i", &to, "-c", "copy", &copied]);
    let start: Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
    let mut session = Session::open(&SessionRequest::of_clip(&avi)).unwrap();
    let mut ring = Ring::new(60, 64 << 20);
    while let Some(packet) = session.next(|| start).unwrap() {
        ring.push(packet);
    }
    let until = start + SignedDuration::from_secs(10);
    let cut = ring.cut(start, start, until).unwrap();
    let clip = folder.path().join("cut.mp4");
    write_clip(&clip, &cut).unwrap();
    let shown = shown(&clip);
    assert_eq!(shown.len(), 40);
    assert!(shown.windows(2).all(|pair| pair[0].1 < pair[1].1), "{shown:?}");
    let steps: Vec<i128> =
        shown.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0).as_millis()).collect();
    assert!(steps.iter().all(|step| (99..=101).contains(step)), "{steps:?}");
}
