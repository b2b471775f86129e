//! A camera end to end: a real RTSP server, the real model, real walkers, evidence that plays.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::world::{
    Gateway, Launch, Receiver, RtspServer, Site, Stream, clip_of, crash_at_exit, fetched, ffmpeg,
    gridpost_command, has_snapshot_and_clip, http, is_of, models_of, root, sha256, street,
    wait_for,
};

/// Somebody walks before the camera `square`.
fn square(receiver: &Receiver, stream: impl Stream) -> Site {
    Site::demo()
        .walkers()
        .set("zone", [[0.0, 0.25], [1.0, 0.25], [1.0, 1.0], [0.0, 1.0]])
        .http(receiver)
        .camera("square", stream)
        .set("name", "桥北广场")
        .short_clips()
        .set("stall_timeout_s", 3)
}

async fn watched(codec: &str) {
    let server = RtspServer::start(0, &street(codec));
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&square(&receiver, &server)).await;
    let opened = receiver.wait("an intrusion", |data| data["kind"] == "intrusion").await;
    let data = &opened["data"];
    assert_eq!(data["what"], "opened");
    assert_eq!(data["objects"][0]["label"], "person");
    assert_eq!(data["evidence"][0]["media_type"], "image/jpeg");
    let with_clip = receiver.wait("its clip", has_snapshot_and_clip).await;
    let clip = clip_of(&with_clip["data"]).unwrap();
    // One stream is one run, however often its parameter sets are sent: else the clip ends early.
    assert!(!gateway.log().contains("its stream changed"), "{clip}");
    // P8: the measured pre-roll, and why it is short where it is.
    let measured = clip["pre_roll_ms"].as_i64().unwrap();
    assert!(measured >= 2000 || clip["pre_roll_limit"] == "stream-began", "{clip}");
    let bytes = gateway.evidence(clip).await;
    assert_eq!(clip["sha256"], sha256(&bytes));
    let url = format!("{}/api/v1/evidence/{}", gateway.web, clip["id"].as_str().unwrap());
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
    let site = square(&receiver, &server).camera("locked", server.with_user("viewer:wr0ng"));
    let gateway = Gateway::start(&site).await;
    gateway.metric_is("gridpost_camera_packets_total", |packets| packets > 10.0).await;
    // The server's RTCP reports carry this machine's clock: the offset is small, and is there.
    let off = gateway.metric_is("gridpost_camera_clock_offset_seconds", |off| off != 0.0).await;
    assert!(off.abs() < 5.0, "{off}");
    gateway.logs("401").await;
    drop(server);
    gateway.metric_is("gridpost_camera_up", |up| up == 0.0).await;
    let _server = RtspServer::start(port, &street);
    gateway.metric_is("gridpost_camera_up", |up| up == 1.0).await;
    assert!(!gateway.log().contains("wr0ng"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_press_is_heard_while_a_camera_is_away() {
    let server = RtspServer::start(0, &street("h264"));
    let receiver = Receiver::start().await;
    let site = Site::demo().camera("gate", &server).short_clips().walkers().http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    drop(server);
    gateway.camera_is("gridpost_camera_up", "gate", |up| up == 0.0).await;
    gateway.press("btn-1", "1");
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    gateway.must_stop_sound().await;
}

/// Threads of FFmpeg and of ONNX Runtime may still work when the process ends, and the handlers of such libraries take
/// down what they work with.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_gateway_that_stops_does_not_wait_for_what_c_libraries_do_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let crashes = crash_at_exit(folder.path());
    let receiver = Receiver::start().await;
    let site = Site::demo().camera("gate", "rtsp://127.0.0.1:9/none").walkers().http(&receiver);
    let mut gateway = Launch::of(&site).envs(crashes.clone()).start().await;
    gateway.must_stop_sound().await;
    // A command's exit code and all that it prints.
    let run =
        |arguments: &[&str]| gridpost_command(arguments).envs(crashes.clone()).output().unwrap();
    let schema = run(&["schema", "config"]);
    assert_eq!(schema.status.code(), Some(0));
    serde_json::from_slice::<serde_json::Value>(&schema.stdout).expect("the whole of it");
    assert_eq!(run(&["check", "-c", "/nonexistent.toml"]).status.code(), Some(2));
}

/// Twenty pictures of it, for which FFmpeg would wait, last longer than it is given to connect.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_camera_of_few_pictures_connects_in_its_time_and_one_that_hangs_is_timed_out() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.mp4");
    let (street, to) = (street("h264").address(), slow.address());
    ffmpeg(&["-i", &street, "-t", "20", "-r", "4", "-c:v", "libx264", "-g", "8", "-bf", "0", &to]);
    let server = RtspServer::start(0, &slow);
    let receiver = Receiver::start().await;
    let site = square(&receiver, &server).set("connect_timeout_s", 3);
    let gateway = Gateway::start(&site).await;
    // Of five seconds.
    gateway.metric_is("gridpost_camera_packets_total", |packets| packets > 20.0).await;
    assert_eq!(gateway.metric("gridpost_camera_connects_total").await, 1.0);
    assert_eq!(gateway.metric("gridpost_camera_failures_total").await, 0.0);
    server.freeze();
    wait_for("the word on the camera that hangs", || {
        let log = gateway.log();
        let lost = log.lines().find(|line| line.contains("no stream; trying for ever"));
        let cause = lost.map(|line| line.contains("reason=\"timed out"));
        async move { cause.inspect(|right| assert!(right, "{log}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_library_the_gateway_runs_says_so_and_sees_once_it_is_there() {
    let models = models_of(&[&fetched()[0].name]);
    let library = models.path().join("cache/libonnxruntime.so");
    std::fs::remove_file(&library).unwrap();
    std::fs::write(&library, "not a library").unwrap();
    let receiver = Receiver::start().await;
    let launch = Launch::of(square(&receiver, street("h264")));
    let gateway = launch.env("GRIDPOST_MODELS", models.path()).start().await;
    receiver.wait("the fault", |data| data["kind"] == "detector-degraded").await;
    let (status, body) = gateway.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body["reasons"][0].as_str().unwrap().contains("libonnxruntime.so"), "{body}");
    std::fs::remove_file(&library).unwrap();
    std::fs::copy(root().join("models/cache/libonnxruntime.so"), &library).unwrap();
    receiver.wait("seeing", |data| data["kind"] == "intrusion").await;
    let mended =
        |data: &serde_json::Value| data["kind"] == "detector-degraded" && data["what"] == "ended";
    receiver.wait("the fault's end", mended).await;
}

#[test]
fn watch_prints_events_of_a_clip_as_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = gridpost_command(&["watch", &street("h264").address(), "--data"])
        .arg(folder.path().join("data"))
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
        let (from, to) = (street("h264").address(), part.address());
        let arguments = format!(
            "-i {from} -t {seconds} -vf scale={size} -c:v libx264 -g 10 -bf 0 -output_ts_offset {at} -muxdelay 0 {to}"
        );
        ffmpeg(&arguments.split(' ').collect::<Vec<_>>());
        bytes.extend(std::fs::read(&part).unwrap());
    }
    std::fs::write(&clip, bytes).unwrap();
    let server = RtspServer::launch(&format!(
        "filesrc location={} ! tsdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1",
        clip.display()
    ));
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&square(&receiver, &server)).await;
    gateway.logs("768x576 became 384x288").await;
    let frames = gateway.metric("gridpost_camera_frames_total").await;
    gateway.metric_is("gridpost_camera_frames_total", |after| after > frames + 20.0).await;
    assert_eq!(gateway.metric("gridpost_camera_connects_total").await, 1.0);
    receiver.wait("a clip", has_snapshot_and_clip).await;
}
