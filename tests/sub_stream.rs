//! `detect_url`: one stream is looked at and clips come from another, on one clock; either may die while the other goes on.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::world::{
    Gateway, Receiver, RtspServer, Site, WrongClock, clip_of, coded, is_of, now_s, time_s,
};

/// In the scene `appear`: from when to when somebody is there, seconds of the file, 4 and 2 of them.
const LONG: (f64, f64) = (32.0, 36.0);
/// Of the scene, so much is shown in a loop.
const SHOWN_S: &str = "40";

fn main_stream(folder: &Path) -> PathBuf {
    coded(folder, "main.mp4", "0", SHOWN_S, &["-bf", "0", "-g", "50"])
}

/// Smaller, with key frames closer together.
fn sub_stream(folder: &Path) -> PathBuf {
    coded(folder, "sub.mp4", "0", SHOWN_S, &["-bf", "0", "-g", "25", "-vf", "scale=480:270"])
}

/// The camera `yard`, whose main stream this is; a button whose presses show it.
fn yard(receiver: &Receiver, main: &RtspServer) -> Site {
    Site::demo()
        .set("pictures_with_presses", true)
        .button("b-1")
        .set("name", "张秀英")
        .set("cameras", ["yard"])
        .anybody()
        .http(receiver)
        .camera("yard", main)
        .set("pre_roll_s", 3)
        .set("clip_max_s", 3)
        .set("post_roll_s", 1)
        .set("stall_timeout_s", 3)
}

/// The same, looked at by way of a smaller stream.
fn with_sub(receiver: &Receiver, main: &RtspServer, sub: &RtspServer) -> Site {
    yard(receiver, main).set("detect_url", sub.url())
}

/// Its size, and the seconds in it at which somebody comes into sight: much in little changes at once.
fn shows(clip: &Path) -> (String, f64) {
    let asked = ["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0:s=x"];
    let size = Command::new("ffprobe").args(asked).arg(clip).output().unwrap().stdout;
    let raw = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(clip)
        .args(["-vf", "fps=25,scale=64:36:flags=area,format=gray", "-f", "rawvideo", "-"])
        .output()
        .unwrap()
        .stdout;
    let frames: Vec<&[u8]> = raw.chunks_exact(64 * 36).collect();
    let changed = |frame: &&[u8]| {
        let blocks = frame.iter().zip(frames[0]).filter(|(a, b)| a.abs_diff(**b) > 20).count();
        blocks >= 8
    };
    let first = frames.iter().position(changed).expect("somebody in the clip");
    (String::from_utf8(size).unwrap().trim().to_owned(), first as f64 / 25.0)
}

struct Told {
    /// Of the happening, minus the truth.
    began_off_s: f64,
    /// Of the picture in the clip in which somebody comes, by what the record says of the clip, minus the truth.
    clip_off_s: f64,
    size: String,
    pre_roll_ms: i64,
}

/// Somebody comes ten seconds after both streams are there, or later: reports that tell the camera's clock come every
/// few seconds. The file was at its beginning at `clock_s`.
async fn happening(gateway: &Gateway, receiver: &Receiver, clock_s: f64) -> Told {
    for label in ["yard", "yard/detect"] {
        gateway.camera_is("gridpost_camera_packets_total", label, |packets| packets > 100.0).await;
    }
    let turns = ((now_s() + 10.0 - clock_s - LONG.0) / 40.0).ceil().max(0.0);
    let truth_s = clock_s + turns * 40.0 + LONG.0;
    let of_it = |data: &Value| {
        data["kind"] == "intrusion"
            && (time_s(&data["began_at"]) - truth_s).abs() < 2.5
            && clip_of(data).is_some()
    };
    let event = receiver.wait("the happening with its clip", of_it).await;
    let data = &event["data"];
    let clip = clip_of(data).unwrap();
    let file = tempfile::Builder::new().suffix(".mp4").tempfile().unwrap();
    std::fs::write(file.path(), gateway.evidence(clip).await).unwrap();
    let (size, comes_s) = shows(file.path());
    Told {
        began_off_s: time_s(&data["began_at"]) - truth_s,
        clip_off_s: time_s(&clip["starts_at"]) + comes_s - truth_s,
        size,
        pre_roll_ms: clip["pre_roll_ms"].as_i64().unwrap(),
    }
}

/// The sub-stream's encoder takes 0.4 s longer, so by arrival alone the two are so far apart.
#[tokio::test(flavor = "multi_thread")]
async fn p8_the_smaller_stream_is_looked_at_and_the_clip_of_the_main_one_shows_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (main, sub) = (main_stream(folder.path()), sub_stream(folder.path()));
    let clock_s = now_s() - 15.0;
    let main = RtspServer::on_the_clock(0, &main, clock_s, 0.0);
    let sub = RtspServer::on_the_clock(0, &sub, clock_s, 0.4);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&with_sub(&receiver, &main, &sub)).await;
    let told = happening(&gateway, &receiver, clock_s).await;
    println!(
        "began off by {:.2} s, the clip by {:.2} s; pre-roll {} ms, {}",
        told.began_off_s, told.clip_off_s, told.pre_roll_ms, told.size
    );
    assert_eq!(told.size, "640x360", "the clip is of the main stream");
    assert!(told.pre_roll_ms >= 3_000, "{}", told.pre_roll_ms);
    assert!(told.clip_off_s.abs() <= 0.2, "{}", told.clip_off_s);
    // Five looks a second: he is seen up to 0.2 s after he came.
    let apart = told.began_off_s - told.clip_off_s;
    assert!((-0.1..=0.3).contains(&apart), "the two streams are {apart:.2} s apart");
    // Only the smaller one is decoded; each has figures of its own.
    for (name, least) in
        [("gridpost_camera_packets_total", 100.0), ("gridpost_camera_ring_seconds", 4.0)]
    {
        for label in ["yard", "yard/detect"] {
            let found = gateway.of_camera(name, label).await;
            assert!(found.is_some_and(|found| found > least), "{name} of {label}: {found:?}");
        }
    }
    let gop = gateway.of_camera("gridpost_camera_gop_seconds", "yard").await.unwrap();
    assert!((gop - 1.0).abs() < 0.1, "the GOP of the one that is looked at: {gop}");
    assert_eq!(gateway.of_camera("gridpost_camera_frames_total", "yard/detect").await, None);
    assert!(!gateway.log().contains("s3cret"), "a password in the log");
}

/// A camera whose clock is an hour slow: nobody believes its time, but both streams carry the same.
#[tokio::test(flavor = "multi_thread")]
async fn p8_two_streams_of_a_camera_with_a_wrong_clock_are_on_one_clock() {
    const OFF_S: i64 = -3_600;
    let folder = tempfile::tempdir().unwrap();
    let wrong = WrongClock::build(folder.path());
    wrong.is_off_by(OFF_S);
    let (main, sub) = (main_stream(folder.path()), sub_stream(folder.path()));
    let clock_s = now_s() - 15.0;
    let serve = |file: &Path, late_s: f64| {
        let of_camera = clock_s + OFF_S as f64;
        RtspServer::with_a_wrong_clock(file, of_camera, late_s, &wrong.environment())
    };
    let (main, sub) = (serve(&main, 0.0), serve(&sub, 0.8));
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&with_sub(&receiver, &main, &sub)).await;
    let told = happening(&gateway, &receiver, clock_s).await;
    println!("began off by {:.2} s, the clip by {:.2} s", told.began_off_s, told.clip_off_s);
    let off = gateway.of_camera("gridpost_camera_clock_offset_seconds", "yard").await.unwrap();
    assert!((off - OFF_S as f64).abs() < 2.0, "the camera's clock is off by {off} s");
    assert!((-0.1..=0.4).contains(&told.clip_off_s), "dated by arrival: {}", told.clip_off_s);
    let apart = told.began_off_s - told.clip_off_s;
    assert!((-0.1..=0.3).contains(&apart), "the two streams are {apart:.2} s apart");
}

/// Both streams, in a short loop: somebody at 2 and at 8 s of 14, for 2 and 4 s.
struct TwoStreams {
    main: Option<RtspServer>,
    sub: Option<RtspServer>,
    receiver: Receiver,
    gateway: Gateway,
    files: [PathBuf; 2],
    _folder: tempfile::TempDir,
}

impl TwoStreams {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name, gop| coded(folder.path(), name, "24", "14", &["-bf", "0", "-g", gop]);
        let files = [file("main.mp4", "50"), file("sub.mp4", "25")];
        let [main, sub] = [&files[0], &files[1]].map(|file| RtspServer::start(0, file));
        let receiver = Receiver::start().await;
        let gateway = Gateway::start(&with_sub(&receiver, &main, &sub)).await;
        let yard =
            Self { main: Some(main), sub: Some(sub), receiver, gateway, files, _folder: folder };
        for label in ["yard", "yard/detect"] {
            yard.gateway.camera_is("gridpost_camera_up", label, |up| up == 1.0).await;
        }
        yard
    }

    async fn up(&self, label: &str) -> Option<f64> {
        self.gateway.of_camera("gridpost_camera_up", label).await
    }

    async fn told(&self, kind: &str, what: &str) -> Value {
        self.receiver.wait(what, |data| data["kind"] == kind && data["what"] == what).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_smaller_stream_that_dies_is_told_and_the_main_ones_clips_go_on() {
    let mut yard = TwoStreams::start().await;
    let port = yard.sub.take().unwrap().port();
    let opened = yard.told("detector-degraded", "opened").await;
    assert_eq!(opened["data"]["sources"][0]["id"], "yard", "{opened}");
    assert!(opened["data"]["why"].to_string().contains("its detect_url"), "{opened}");
    assert_eq!(yard.up("yard").await, Some(1.0));
    // A press shows what is there now.
    let pressed_s = now_s();
    yard.gateway.press("b-1", "1");
    let with_clip =
        |data: &Value| is_of(data, "emergency-button", "b-1") && clip_of(data).is_some();
    let event = yard.receiver.wait("a clip with the press", with_clip).await;
    let clip = clip_of(&event["data"]).unwrap();
    assert!(time_s(&clip["ends_at"]) >= pressed_s - 1.0, "of now: {clip}");
    yard.sub = Some(RtspServer::start(port, &yard.files[1]));
    yard.told("detector-degraded", "ended").await;
    let since_s = now_s();
    let seen = |data: &Value| data["kind"] == "intrusion" && time_s(&data["began_at"]) > since_s;
    yard.receiver.wait("somebody seen again", seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_main_stream_that_dies_is_told_and_looking_goes_on() {
    let mut yard = TwoStreams::start().await;
    let port = yard.main.take().unwrap().port();
    yard.told("camera-silent", "opened").await;
    let since_s = now_s();
    assert_eq!(yard.up("yard/detect").await, Some(1.0));
    let seen = |data: &Value| data["kind"] == "intrusion" && time_s(&data["began_at"]) > since_s;
    yard.receiver.wait("somebody seen without the main stream", seen).await;
    yard.main = Some(RtspServer::start(port, &yard.files[0]));
    yard.told("camera-silent", "ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_stream_that_nobody_asks_for_any_more_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let main = RtspServer::start(0, &main_stream(folder.path()));
    let receiver = Receiver::start().await;
    let site = yard(&receiver, &main);
    let dead = site.clone().set("detect_url", "rtsp://127.0.0.1:9/none");
    let gateway = Gateway::start(&dead).await;
    let of_it =
        |data: &Value, what: &str| data["kind"] == "detector-degraded" && data["what"] == what;
    receiver.wait("the word that nothing is looked at", |data| of_it(data, "opened")).await;
    assert_eq!(gateway.of_camera("gridpost_camera_up", "yard/detect").await, Some(0.0));
    gateway.reload_to(&site).await;
    receiver.wait("its end", |data| of_it(data, "ended")).await;
    assert_eq!(gateway.of_camera("gridpost_camera_up", "yard/detect").await, None);
    // The main stream is looked at.
    gateway.camera_is("gridpost_camera_looks_total", "yard", |looks| looks > 0.0).await;
}
