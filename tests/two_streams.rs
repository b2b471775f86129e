//! A camera with both streams: looked at by the small one, seen with the large one; either may be away, of another shape, or of another scene.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{
    Gateway, Receiver, Replay, RtspServer, Site, check, coded, now_s, street, time_s,
};

/// Somebody at 2 and at 8 s of 14, for 2 and 4 s, again and again.
fn shown(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    coded(folder, name, "24", "14", &[&["-bf", "0"], more].concat())
}

/// As the main stream has it, of which nobody is far: 640 by 360, key frames 2 s apart.
fn main_stream(folder: &Path) -> PathBuf {
    shown(folder, "main.mp4", &["-g", "50"])
}

fn yard(receiver: &Receiver, main: &RtspServer, sub: &str) -> Site {
    Site::demo()
        .set("pictures_with_presses", true)
        .anybody()
        .http(receiver)
        .camera("yard", main)
        .short_clips()
        .set("stall_timeout_s", 3)
        .set("detect_url", sub)
}

/// Width and height of a JPEG, as its own header has them.
fn size_of_jpeg(bytes: &[u8]) -> (u16, u16) {
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).expect("a baseline JPEG");
    let number = |at: usize| u16::from_be_bytes([bytes[frame + at], bytes[frame + at + 1]]);
    (number(7), number(5))
}

async fn seen_after(receiver: &Receiver, since_s: f64, what: &str) -> Value {
    let seen = |data: &Value| {
        let told = data["kind"] == "intrusion" && data["what"] == "opened";
        told && time_s(&data["began_at"]) > since_s
    };
    receiver.wait(what, seen).await["data"].clone()
}

async fn snapshot_size(gateway: &Gateway, data: &Value) -> (u16, u16) {
    let evidence = data["evidence"].as_array().unwrap();
    let picture = evidence.iter().find(|one| one["media_type"] == "image/jpeg").unwrap();
    size_of_jpeg(&gateway.evidence(picture).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn v9_a_sub_stream_of_another_shape_is_looked_at_and_who_comes_is_seen_in_the_main_one() {
    let folder = tempfile::tempdir().unwrap();
    // 4:3, as many sub-streams are: the same view, pressed together.
    let sub = shown(folder.path(), "sub.mp4", &["-g", "25", "-vf", "scale=176:144"]);
    let main = RtspServer::start(0, &main_stream(folder.path()));
    let sub = RtspServer::start(0, &sub);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &main, &sub.url())).await;
    let data = seen_after(&receiver, 0.0, "somebody").await;
    assert_eq!(snapshot_size(&gateway, &data).await, (640, 360), "{data}");
    gateway.camera_is("gridpost_camera_looks_total", "yard", |looks| looks > 2.0).await;
    let (_, ready) = gateway.get("/readyz").await;
    assert!(!ready.to_string().contains("streams"), "{ready}");
    let table = crate::world::wait_for("the table of cameras", || async {
        let said = gateway.command("cameras", &[]).stdout;
        said.contains("streams (looked at, seen with): sub, main").then_some(said)
    });
    table.await;
    let gop = gateway.of_camera("gridpost_camera_gop_seconds", "yard").await.unwrap();
    assert!((gop - 1.0).abs() < 0.2, "the GOP of the sub-stream: {gop}");
}

#[tokio::test(flavor = "multi_thread")]
async fn v9_a_sub_stream_that_shows_another_scene_is_said_and_the_main_one_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let main = RtspServer::start(0, &main_stream(folder.path()));
    let elsewhere = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &main, &elsewhere.url())).await;
    let ready = gateway.readiness(200, "another scene").await;
    assert!(ready.to_string().contains("camera yard, streams"), "{ready}");
    let since_s = now_s();
    let data = seen_after(&receiver, since_s, "somebody in the main stream").await;
    assert_eq!(snapshot_size(&gateway, &data).await, (640, 360), "{data}");
    let said = crate::world::wait_for("the table of cameras", || async {
        let said = gateway.command("cameras", &[]).stdout;
        said.contains("main (sub: it shows another scene").then_some(said)
    });
    said.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v9_whichever_stream_is_away_the_other_sees_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        main_stream(folder.path()),
        shown(folder.path(), "sub.mp4", &["-g", "25", "-vf", "scale=320:180"]),
    ];
    let [main, sub] = [&files[0], &files[1]].map(|file| RtspServer::start(0, file));
    let (main_port, sub_port) = (main.port(), sub.port());
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &main, &sub.url())).await;
    for label in ["yard", "yard/detect"] {
        gateway.camera_is("gridpost_camera_up", label, |up| up == 1.0).await;
    }
    seen_after(&receiver, 0.0, "somebody with both").await;
    drop(sub);
    gateway.readiness(200, "the main stream is looked at, not the sub stream: it is silent").await;
    let data = seen_after(&receiver, now_s(), "somebody without the sub-stream").await;
    assert_eq!(snapshot_size(&gateway, &data).await, (640, 360), "{data}");
    let sub = RtspServer::start(sub_port, &files[1]);
    gateway.camera_is("gridpost_camera_streams", "yard\",by=\"sub, main", |on| on == 1.0).await;
    drop(main);
    gateway
        .readiness(200, "it is seen with the sub-stream, not the main stream: it is silent")
        .await;
    let data = seen_after(&receiver, now_s(), "somebody without the main stream").await;
    assert_eq!(snapshot_size(&gateway, &data).await, (320, 180), "{data}");
    let _main = RtspServer::start(main_port, &files[0]);
    gateway.camera_is("gridpost_camera_streams", "yard\",by=\"sub, main", |on| on == 1.0).await;
    drop(sub);
}

/// The same pair of files gives the same events, and finds whom the main file alone finds, by his own times.
#[test]
fn v9_a_recorded_pair_is_replayed_as_a_camera_with_both_streams() {
    let folder = tempfile::tempdir().unwrap();
    let main = main_stream(folder.path());
    let sub = shown(folder.path(), "sub.mp4", &["-g", "25", "-vf", "scale=320:180"]);
    let alone = Site::demo().anybody().camera("yard", main.as_path()).short_clips();
    let pair = alone.clone().set("detect_url", sub.display().to_string());
    let both = Replay::of(&pair).explain("yard").run();
    assert_eq!(both.comparable(), Replay::of(&pair).run().comparable());
    let [of_both, of_main] = [both.happenings(), Replay::of(&alone).run().happenings()];
    assert_eq!(of_both.len(), 2, "{of_both:?}");
    // The main file alone, looked at each 2 s, may miss the shorter visit, and sees no other.
    for one in &of_main {
        let near = |other: &&(f64, f64)| (one.0 - other.0).abs() <= 0.41;
        assert!(of_both.iter().any(|other| near(&other)), "{of_both:?} {of_main:?}");
    }
    assert!(!both.gate("wakes: change").is_empty());
    // The sub-stream's key frames are looked at, each second.
    let text = |detect: &str, more: &str| {
        let main = main.display();
        format!(
            "[site]\nid = \"demo\"\n[[camera]]\nid = \"a\"\nurl = \"{main}\"\ndetect_url = \"{detect}\"\n{more}"
        )
    };
    check(&text("rtsp://192.0.2.1/sub", ""))
        .must_say(2, ["detect_url", "expected a video file that exists"]);
    check(&text("nothing-here.mp4", "")).must_say(2, ["nothing-here.mp4: expected a video file"]);
    check(&text(&sub.display().to_string(), "speed = \"max\"")).must_say(2, ["speed = \"real\""]);
    check(&text(&sub.display().to_string(), "")).must_say(0, [""; 0]);
}
