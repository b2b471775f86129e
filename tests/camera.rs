//! A camera end to end: a real RTSP server, the real model, real walkers, evidence that plays.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use crate::world::{Gateway, Receiver, RtspServer, http, root, street, wait_for};

fn config(receiver: &Receiver, camera: &str) -> String {
    format!(
        "[site]\nid = \"demo\"\n\n[[camera]]\nid = \"square\"\nname = \"桥北广场\"\nurl = \"{camera}\"\nclip_max_s = 3\npre_roll_s = 2\nstall_timeout_s = 3\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\nzone = [[0.0, 0.25], [1.0, 0.25], [1.0, 1.0], [0.0, 1.0]]\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    )
}

async fn watched(codec: &str) {
    let server = RtspServer::start(0, &street(codec));
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&config(&receiver, &server.with_user("viewer:s3cret"))).await;
    let opened = receiver.wait("an intrusion", |data| data["kind"] == "intrusion").await;
    let data = &opened["data"];
    assert_eq!(data["what"], "opened");
    assert_eq!(data["objects"][0]["label"], "person");
    assert_eq!(data["evidence"][0]["media_type"], "image/jpeg");
    let is_clip = |data: &serde_json::Value| data["evidence"][1]["media_type"] == "video/mp4";
    let with_clip = receiver.wait("its clip", is_clip).await;
    let clip = &with_clip["data"]["evidence"][1];
    // One stream is one run, however often its parameter sets are sent: else the clip ends early.
    assert!(!gateway.log().contains("its stream changed"), "{clip}");
    // P8: the measured pre-roll, and why it is short where it is.
    let measured = clip["pre_roll_ms"].as_i64().unwrap();
    assert!(measured >= 2000 || clip["pre_roll_limit"] == "stream-began", "{clip}");
    let url = format!("{}/api/v1/evidence/{}", gateway.web, clip["id"].as_str().unwrap());
    let whole = http().get(&url).bearer_auth(&gateway.token).send().await.unwrap();
    let bytes = whole.bytes().await.unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(clip["sha256"], sha256);
    let part = http()
        .get(&url)
        .bearer_auth(&gateway.token)
        .header("Range", "bytes=4-7")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(&part.bytes().await.unwrap()[..], b"ftyp");
    let tag: &[u8] = if codec == "h265" { b"hvc1" } else { b"avc1" };
    assert!(bytes.windows(4).any(|four| four == tag), "no {tag:?} in the clip");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let played = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file.path())
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    assert!(
        played.status.success() && played.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );
    assert!(!gateway.log().contains("s3cret"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn walkers_on_h264_become_one_incident_with_evidence() {
    watched("h264").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn walkers_on_h265_become_one_incident_with_evidence() {
    watched("h265").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_camera_that_goes_away_is_found_again_and_a_wrong_password_is_said() {
    let street = street("h264");
    let server = RtspServer::start(0, &street);
    let port = server.port();
    let receiver = Receiver::start().await;
    let mut text = config(&receiver, &server.with_user("viewer:s3cret"));
    text.push_str(&format!(
        "\n[[camera]]\nid = \"locked\"\nurl = \"{}\"\n",
        server.with_user("viewer:wr0ng")
    ));
    let gateway = Gateway::start(&text).await;
    wait_for("packets", || async {
        (gateway.metric("gridpost_camera_packets_total").await > 10.0).then_some(())
    })
    .await;
    // The server's RTCP reports carry this machine's clock: the offset is small, and is there.
    let off = wait_for("RTCP time", || async {
        let off = gateway.metric("gridpost_camera_clock_offset_seconds").await;
        (off != 0.0).then_some(off)
    })
    .await;
    assert!(off.abs() < 5.0, "{off}");
    wait_for("the 401", || async { gateway.log().contains("401").then_some(()) }).await;
    drop(server);
    wait_for("the loss", || async {
        (gateway.metric("gridpost_camera_up").await == 0.0).then_some(())
    })
    .await;
    let _server = RtspServer::start(port, &street);
    wait_for("the camera again", || async {
        (gateway.metric("gridpost_camera_up").await == 1.0).then_some(())
    })
    .await;
    assert!(!gateway.log().contains("wr0ng"), "a password in the log");
}

/// Twenty pictures of it, for which FFmpeg would wait, last longer than it is given to connect.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_camera_of_few_pictures_connects_in_its_time_and_one_that_hangs_is_timed_out() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(street("h264"))
        .args(["-t", "20", "-r", "4", "-c:v", "libx264", "-g", "8", "-bf", "0"])
        .arg(&slow)
        .status();
    assert!(made.unwrap().success());
    let server = RtspServer::start(0, &slow);
    let receiver = Receiver::start().await;
    let mut text = config(&receiver, &server.with_user("viewer:s3cret"));
    text = text.replace("stall_timeout_s = 3", "stall_timeout_s = 3\nconnect_timeout_s = 3");
    let gateway = Gateway::start(&text).await;
    wait_for("packets of five seconds", || async {
        (gateway.metric("gridpost_camera_packets_total").await > 20.0).then_some(())
    })
    .await;
    assert_eq!(gateway.metric("gridpost_camera_connects_total").await, 1.0);
    assert_eq!(gateway.metric("gridpost_camera_failures_total").await, 0.0);
    server.freeze();
    wait_for("the word on the camera that hangs", || {
        let log = gateway.log();
        let lost = log.lines().find(|line| line.contains("no stream; trying for ever"));
        let cause = lost.map(|line| line.contains("reason=\"timed out\""));
        async move { cause.inspect(|right| assert!(right, "{log}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_library_the_gateway_runs_says_so_and_sees_once_it_is_there() {
    let models = tempfile::tempdir().unwrap();
    let here = root().join("models");
    std::fs::copy(here.join("catalog.toml"), models.path().join("catalog.toml")).unwrap();
    std::fs::create_dir(models.path().join("cache")).unwrap();
    let file = "cache/ssd_mobilenet_v2_coco.onnx";
    std::fs::copy(here.join(file), models.path().join(file)).unwrap();
    let library = models.path().join("cache/libonnxruntime.so");
    std::fs::write(&library, "not a library").unwrap();
    let receiver = Receiver::start().await;
    let config = config(&receiver, &street("h264").to_string_lossy());
    let env = [("GRIDPOST_MODELS", models.path().to_str().unwrap())];
    let gateway = Gateway::start_in(tempfile::tempdir().unwrap(), &config, &env).await;
    receiver.wait("the fault", |data| data["kind"] == "detector-degraded").await;
    let (status, body) = gateway.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body["reasons"][0].as_str().unwrap().contains("libonnxruntime.so"), "{body}");
    std::fs::remove_file(&library).unwrap();
    std::fs::copy(here.join("cache/libonnxruntime.so"), &library).unwrap();
    receiver.wait("seeing", |data| data["kind"] == "intrusion").await;
    let mended =
        |data: &serde_json::Value| data["kind"] == "detector-degraded" && data["what"] == "ended";
    receiver.wait("the fault's end", mended).await;
}

#[test]
fn watch_prints_events_of_a_clip_as_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gridpost"))
        .args(["watch", &street("h264").to_string_lossy(), "--data"])
        .arg(folder.path().join("data"))
        .env("GRIDPOST_MODELS", root().join("models"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["type"], "io.gridpost.incident.opened.v1");
    assert_eq!(event["data"]["kind"], "intrusion");
    assert!(event["time"].as_str().unwrap().ends_with("+00:00"));
}

/// A camera whose resolution somebody changes: one connection, one running gateway, and the clip of
/// what comes after has the new size.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_changes_its_resolution_is_watched_on() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("changes.ts");
    let mut bytes = Vec::new();
    for (size, at, seconds) in [("768:576", "0", "6"), ("384:288", "6", "20")] {
        let part = folder.path().join("part.ts");
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i"])
            .arg(street("h264"))
            .args(["-t", seconds, "-vf", &format!("scale={size}"), "-c:v", "libx264", "-g", "10"])
            .args(["-bf", "0", "-output_ts_offset", at, "-muxdelay", "0"])
            .arg(&part)
            .status();
        assert!(made.unwrap().success());
        bytes.extend(std::fs::read(&part).unwrap());
    }
    std::fs::write(&clip, bytes).unwrap();
    let server = RtspServer::launch(&format!(
        "filesrc location={} ! tsdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1",
        clip.display()
    ));
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&config(&receiver, &server.with_user("viewer:s3cret"))).await;
    wait_for("the word on the change", || {
        let told = gateway.log().contains("768x576 became 384x288");
        async move { told.then_some(()) }
    })
    .await;
    let frames = gateway.metric("gridpost_camera_frames_total").await;
    wait_for("pictures after the change", || async {
        (gateway.metric("gridpost_camera_frames_total").await > frames + 20.0).then_some(())
    })
    .await;
    assert_eq!(gateway.metric("gridpost_camera_connects_total").await, 1.0);
    let is_clip = |data: &serde_json::Value| data["evidence"][1]["media_type"] == "video/mp4";
    receiver.wait("a clip", is_clip).await;
}
