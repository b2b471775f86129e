//! The engine over real RTSP: its figures, what a reload changes, cameras that come back, lag, clocks that jump, key frames far apart.

use std::time::Duration;

use serde_json::Value;

use crate::world::{
    Gateway, Receiver, RtspServer, Site, Stream, clip_of, coded, is_of, now_s, scene, time_s,
    wait_for,
};

/// The level of a camera that is asleep, of one that is awake.
const LEVEL: &str = "gridpost_camera_level";
const ASLEEP: f64 = 1.0;
const AWAKE: f64 = 2.0;

/// Somebody now and then before this camera.
fn yard(receiver: &Receiver, stream: impl Stream) -> Site {
    add(Site::demo().anybody().http(receiver), "yard", stream)
}

fn add(site: Site, id: &str, stream: impl Stream) -> Site {
    site.camera(id, stream).short_clips().set("post_roll_s", 1).set("stall_timeout_s", 3)
}

/// Nobody for 14 s, then somebody now and then, for 160 s.
fn street() -> RtspServer {
    RtspServer::start(0, &scene("appear").0)
}

async fn sleeps(gateway: &Gateway) {
    gateway.camera_is(LEVEL, "yard", |level| level == ASLEEP).await;
}

async fn wakes(gateway: &Gateway) {
    gateway.camera_is(LEVEL, "yard", |level| level == AWAKE).await;
}

async fn reaches(gateway: &Gateway, name: &str, camera: &str, least: f64) -> f64 {
    gateway.camera_is(name, camera, |found| found >= least).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_a_camera_is_there_and_moves_and_the_table_shows_it() {
    let server = RtspServer::on_the_clock(0, &scene("appear").0, now_s() - 16.0, 0.0);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &server)).await;
    sleeps(&gateway).await;
    wakes(&gateway).await;
    let by =
        |cause: &str| format!(r#"gridpost_camera_wakes_total{{camera="yard",cause="{cause}"}}"#);
    gateway.figure_is(&by("change"), |_| true).await;
    assert_eq!(gateway.figure(&by("start")).await, Some(1.0));
    receiver.wait("somebody", |data| data["kind"] == "intrusion").await;
    for (name, least) in [
        ("gridpost_camera_look_seconds_total", 0.001),
        ("gridpost_camera_awake_seconds_total", 0.01),
        ("gridpost_camera_detect_seconds_total", 0.01),
        ("gridpost_camera_detected_frames_total", 5.0),
        ("gridpost_camera_detector_runs_total", 5.0),
        ("gridpost_camera_looks_total", 2.0),
        ("gridpost_camera_frames_total", 20.0),
        ("gridpost_camera_ring_seconds", 3.0),
        ("gridpost_ring_bytes", 10_000.0),
        ("gridpost_camera_gop_seconds", 1.9),
        ("gridpost_camera_queue", 0.0),
        ("gridpost_camera_lag_seconds", 0.0),
        ("gridpost_camera_skipped_frames_total", 0.0),
        ("gridpost_camera_up", 1.0),
    ] {
        let found = reaches(&gateway, name, "yard", least).await;
        println!("{name} {found}");
    }
    gateway.camera_is("gridpost_camera_queue", "yard", |queue| queue == 0.0).await;
    the_table_shows_it(&gateway).await;
}

/// `gridpost cameras`, for programs and for people.
async fn the_table_shows_it(gateway: &Gateway) {
    // Written every two seconds: until it knows what the metrics know.
    let (row, table) = wait_for("the table", || async {
        let said = gateway.command("cameras", &["--json"]);
        let row: Value = serde_json::from_str(said.stdout.lines().next()?).ok()?;
        let known =
            row["wakes"]["change"].as_u64() >= Some(1) && row["detected"].as_u64() > Some(5);
        let table = gateway.command("cameras", &[]);
        known.then_some((row, table.stdout))
    })
    .await;
    for key in ["look_s", "awake_s", "detect_s", "gop_s", "ring_s", "ring_bytes", "runs", "looks"] {
        assert!(row[key].as_f64().is_some_and(|value| value > 0.0), "{key}: {row}");
    }
    for key in ["skipped", "queue", "lag_s", "level"] {
        assert!(row[key].is_number(), "{key}: {row}");
    }
    assert_eq!((&row["id"], &row["up"]), (&"yard".into(), &true.into()));
    let lines: Vec<&str> = table.lines().collect();
    for name in [
        "state",
        "looks",
        "queue",
        "skipped",
        "look cpu%",
        "awake cpu%",
        "det cpu%",
        "det ms",
        "gop s",
        "ring",
    ] {
        assert!(lines[0].contains(name), "{name}: {}", lines[0]);
    }
    assert!(lines[1].starts_with("yard ") && lines[1].contains("change "), "{table}");
    assert!(lines.iter().any(|line| line.starts_with("1 cameras")), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_how_a_camera_is_looked_at_and_no_other_loses_a_packet() {
    let server = street();
    let receiver = Receiver::start().await;
    let site = add(Site::demo().anybody().http(&receiver), "other", &server);
    let site = add(site, "yard", &server);
    let gateway = Gateway::start(&site).await;
    let of = |name: &'static str| gateway.of_camera(name, "yard");
    sleeps(&gateway).await;
    // A machine that is busy at the start may have connected more than once until now.
    gateway.camera_is("gridpost_camera_up", "other", |up| up == 1.0).await;
    let [connects, other] =
        ["yard", "other"].map(|camera| gateway.of_camera("gridpost_camera_connects_total", camera));
    let (connects, other) = (connects.await.unwrap(), other.await.unwrap());
    let said = gateway.log().len();

    // Everything is decoded from now on: it does not sleep, though nothing moves.
    gateway.reload_to(site.clone().set("decode", "full")).await;
    let again = connects + 1.0;
    gateway.camera_is("gridpost_camera_connects_total", "yard", |connects| connects == again).await;
    wakes(&gateway).await;
    let frames = of("gridpost_camera_frames_total").await.unwrap();
    let mut most = frames;
    while most < frames + 150.0 {
        most = of("gridpost_camera_frames_total").await.unwrap();
        assert_eq!(of(LEVEL).await, Some(AWAKE), "{}", most - frames);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Asleep again, and looked at every eight seconds: two hundred packets and more between two looks.
    gateway.reload_to(site.clone().set("look_every_s", 8.0)).await;
    sleeps(&gateway).await;
    let looks = of("gridpost_camera_looks_total").await.unwrap();
    let first = reaches(&gateway, "gridpost_camera_looks_total", "yard", looks + 1.0).await;
    let from = of("gridpost_camera_packets_total").await.unwrap();
    reaches(&gateway, "gridpost_camera_looks_total", "yard", first + 1.0).await;
    let packets = of("gridpost_camera_packets_total").await.unwrap() - from;
    // Somebody may have come meanwhile: awake it is not asked for looks, and asleep the count begins anew.
    assert!(packets >= 6.0 * 25.0, "a look after {packets} packets");

    // Another stream is looked at.
    gateway.reload_to(site.clone().set("detect_url", server.url())).await;
    reaches(&gateway, "gridpost_camera_up", "yard/detect", 1.0).await;
    let looks = of("gridpost_camera_detected_frames_total").await.unwrap();
    reaches(&gateway, "gridpost_camera_detected_frames_total", "yard", looks + 3.0).await;

    // The other one: one session, and each packet of it is in its ring.
    let of = |name: &'static str| gateway.of_camera(name, "other");
    assert_eq!(of("gridpost_camera_connects_total").await, Some(other));
    let log = gateway.log();
    assert!(!log[said..].contains("camera other: "), "{log}");
    let (held, packets) = wait_for("its packets", || async {
        let before = of("gridpost_camera_packets_total").await?;
        let held = of("gridpost_camera_ring_seconds").await?;
        let packets = of("gridpost_camera_packets_total").await?;
        (before == packets).then_some((held, packets))
    })
    .await;
    // The ring keeps 26 s and the group before.
    let whole_s = (packets - 1.0) / 25.0;
    assert!(held >= 26.0 || (held - whole_s).abs() < 0.5, "{held} s of {whole_s} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_the_silence_of_a_camera_ends_when_a_reload_mends_its_address() {
    let server = street();
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, "rtsp://127.0.0.1:9/none")).await;
    let of_kind =
        |data: &Value, what: &str| data["kind"] == "camera-silent" && data["what"] == what;
    receiver.wait("the silence", |data| of_kind(data, "opened")).await;
    gateway.reload_to(&yard(&receiver, &server)).await;
    receiver.wait("its end", |data| of_kind(data, "ended")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_a_camera_that_comes_back_is_looked_at_at_once() {
    let server = street();
    let port = server.port();
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &server).set("look_every_s", 60.0)).await;
    let of = |name: &'static str| gateway.of_camera(name, "yard");
    sleeps(&gateway).await;
    let looks = of("gridpost_camera_looks_total").await.unwrap();
    drop(server);
    gateway.camera_is("gridpost_camera_up", "yard", |up| up == 0.0).await;
    let packets = of("gridpost_camera_packets_total").await.unwrap();
    let _server = RtspServer::start(port, &scene("appear").0);
    reaches(&gateway, "gridpost_camera_looks_total", "yard", looks + 1.0).await;
    let since = of("gridpost_camera_packets_total").await.unwrap() - packets;
    // FFmpeg looks at some packets before it hands them over; a minute would be 1,500.
    assert!(since < 200.0, "looked at after {since} packets");
}

/// From the first key frame on none for 44 s: it says so, does not sleep, and sees who comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_without_a_key_frame_for_long_is_seen_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = coded(folder.path(), "long.mp4", "22", "44", &["-bf", "0", "-g", "100000"]);
    // Of the scene, from 22 s on.
    let comes_s = 60.48 - 22.0;
    let server = RtspServer::start(0, &file);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &server)).await;
    reaches(&gateway, "gridpost_camera_packets_total", "yard", 1.0).await;
    let began_s = now_s();
    let cause = r#"gridpost_camera_wakes_total{camera="yard",cause="long-gop"}"#;
    let late = |data: &Value| {
        data["kind"] == "intrusion" && (time_s(&data["began_at"]) - began_s - comes_s).abs() < 4.0
    };
    receiver.wait("who comes after 38 s", late).await;
    assert!(gateway.figure(cause).await.unwrap_or(0.0) <= 1.0);
    assert_eq!(gateway.of_camera(LEVEL, "yard").await, Some(AWAKE));
    // A busy box may skip a look or two; a jump would be a hundred.
    let skipped = gateway.of_camera("gridpost_camera_skipped_frames_total", "yard").await;
    assert!(skipped.is_some_and(|skipped| skipped < 25.0), "{skipped:?}");
}

/// At each turn of the file the stream's clock goes back by ten seconds, in one connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_clock_jumps_is_seen_and_cut_on() {
    let folder = tempfile::tempdir().unwrap();
    // Somebody at 2 and at 8 s, for 2 and 4 s.
    let file = coded(folder.path(), "steps.mp4", "24", "14", &["-bf", "0", "-g", "50"]);
    let server = RtspServer::that_steps(&file, 10.0);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&yard(&receiver, &server)).await;
    gateway.logs("its clock stepped by -").await;
    let since_s = now_s();
    let with_clip = |data: &Value| {
        data["kind"] == "intrusion"
            && time_s(&data["began_at"]) > since_s
            && clip_of(data).is_some()
    };
    let event = receiver.wait("who came after that, with a clip", with_clip).await;
    let off = time_s(&event["data"]["began_at"]) - now_s();
    assert!((-20.0..0.5).contains(&off), "dated by the wall: {off}");
    assert_eq!(gateway.of_camera("gridpost_camera_connects_total", "yard").await, Some(1.0));
    // A busy box may skip a look or two; a jump would be a hundred.
    let skipped = gateway.of_camera("gridpost_camera_skipped_frames_total", "yard").await;
    assert!(skipped.is_some_and(|skipped| skipped < 25.0), "{skipped:?}");
}

/// More than the box can look at, for half a minute: told once for each camera, and over when it is less.
#[tokio::test(flavor = "multi_thread")]
async fn v5_skipping_that_goes_on_is_an_incident_and_ends() {
    let server = street();
    let receiver = Receiver::start().await;
    let none = Site::demo().anybody().http(&receiver);
    let mut many = none.clone();
    for n in 0..12 {
        many = add(many, &format!("c-{n}"), &server);
        many = many.set("decode", "full").set("detect_fps", 25.0);
    }
    let gateway = Gateway::start(&many).await;
    gateway.metric_is("gridpost_camera_skipped_frames_total", |skipped| skipped > 0.0).await;
    let strained = |data: &Value, what: &str| {
        data["kind"] == "detector-degraded"
            && data["what"] == what
            && data["why"].to_string().contains("skipped")
    };
    let told = receiver.wait("the word on it", |data| strained(data, "opened")).await;
    let id = told["data"]["sources"][0]["id"].as_str().unwrap().to_owned();
    gateway.reload_to(add(none, &id, &server)).await;
    let over = |data: &Value| is_of(data, "detector-degraded", &id) && data["what"] == "ended";
    receiver.wait("its end", over).await;
    let opened = receiver.events().into_iter().filter(|event| {
        strained(&event["data"], "opened") && event["data"]["sources"][0]["id"] == id.as_str()
    });
    assert_eq!(opened.count(), 1, "told once");
}
