//! The engine over real RTSP: its figures, what a reload changes, cameras that come back, lag, clocks that jump, key frames far apart.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    engine::coded,
    reload::{of_camera, reload_to},
    world::{Gateway, Receiver, RtspServer, gridpost, now_s, scene, wait_for},
};

fn camera(id: &str, url: &str, more: &str) -> String {
    format!(
        "\n[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\npre_roll_s = 2\nclip_max_s = 3\npost_roll_s = 1\nstall_timeout_s = 3\n{more}\n"
    )
}

fn config(receiver: &Receiver, cameras: &str) -> String {
    format!(
        "[site]\nid = \"demo\"\n{cameras}\n[[rule]]\nid = \"anybody\"\nkind = \"intrusion\"\nlabels = [\"person\"]\nmin_score = 0.5\nclear_s = 1.5\ncooldown_s = 0\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    )
}

fn url(server: &RtspServer) -> String {
    server.with_user("viewer:s3cret")
}

/// Nobody for 14 s, then somebody now and then, for 160 s.
fn street() -> RtspServer {
    RtspServer::start(0, &scene("appear").0)
}

fn time(text: &Value) -> f64 {
    text.as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond() as f64 / 1e6
}

/// One metric with this label, as it is in the text.
async fn figure(gateway: &Gateway, series: &str) -> Option<f64> {
    let text = gateway.metrics().await;
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

async fn reaches(gateway: &Gateway, name: &str, camera: &str, least: f64) -> f64 {
    wait_for(name, || async {
        of_camera(gateway, name, camera).await.filter(|found| *found >= least)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_a_camera_is_there_and_moves_and_the_table_shows_it() {
    let server = RtspServer::on_the_clock(0, &scene("appear").0, now_s() - 16.0, 0.0);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&config(&receiver, &camera("yard", &url(&server), ""))).await;
    let of = |name: &'static str| of_camera(&gateway, name, "yard");
    wait_for("sleep", || async { (of("gridpost_camera_level").await? == 1.0).then_some(()) }).await;
    wait_for("a wake", || async { (of("gridpost_camera_level").await? == 2.0).then_some(()) })
        .await;
    let wakes = "gridpost_camera_wakes_total{camera=\"yard\",cause=\"change\"}";
    wait_for("its cause", || async { figure(&gateway, wakes).await }).await;
    let start = "gridpost_camera_wakes_total{camera=\"yard\",cause=\"start\"}";
    assert_eq!(figure(&gateway, start).await, Some(1.0));
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
    wait_for("an empty queue", || async {
        (of("gridpost_camera_queue").await? == 0.0).then_some(())
    })
    .await;
    let file = gateway.folder.path().join("gridpost.toml").display().to_string();
    // Written every two seconds: until it knows what the metrics know.
    let (row, table) = wait_for("the table", || async {
        let said = gridpost(&["cameras", "-c", &file, "--json"]);
        let row: Value = serde_json::from_str(said.stdout.lines().next()?).ok()?;
        let known =
            row["wakes"]["change"].as_u64() >= Some(1) && row["detected"].as_u64() > Some(5);
        let table = gridpost(&["cameras", "-c", &file]);
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
        "state", "looks", "queue", "skipped", "look %", "awake %", "det %", "det ms", "gop s",
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
    let other = camera("other", &url(&server), "");
    let with =
        |more: &str| config(&receiver, &format!("{other}{}", camera("yard", &url(&server), more)));
    let gateway = Gateway::start(&with("")).await;
    let of = |name: &'static str| of_camera(&gateway, name, "yard");
    wait_for("sleep", || async { (of("gridpost_camera_level").await? == 1.0).then_some(()) }).await;

    // Everything is decoded from now on: it does not sleep, though nothing moves.
    reload_to(&gateway, &with("decode = \"full\"")).await;
    wait_for("another session", || async {
        (of("gridpost_camera_connects_total").await? == 2.0).then_some(())
    })
    .await;
    wait_for("waking", || async { (of("gridpost_camera_level").await? == 2.0).then_some(()) })
        .await;
    let frames = of("gridpost_camera_frames_total").await.unwrap();
    let mut most = frames;
    while most < frames + 150.0 {
        most = of("gridpost_camera_frames_total").await.unwrap();
        assert_eq!(of("gridpost_camera_level").await, Some(2.0), "{}", most - frames);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Asleep again, and looked at every eight seconds: two hundred packets and more between two looks.
    reload_to(&gateway, &with("look_every_s = 8.0")).await;
    wait_for("sleep", || async { (of("gridpost_camera_level").await? == 1.0).then_some(()) }).await;
    let looks = of("gridpost_camera_looks_total").await.unwrap();
    let first = reaches(&gateway, "gridpost_camera_looks_total", "yard", looks + 1.0).await;
    let from = of("gridpost_camera_packets_total").await.unwrap();
    reaches(&gateway, "gridpost_camera_looks_total", "yard", first + 1.0).await;
    let packets = of("gridpost_camera_packets_total").await.unwrap() - from;
    // Somebody may have come meanwhile: awake it is not asked for looks, and asleep the count begins anew.
    assert!(packets >= 6.0 * 25.0, "a look after {packets} packets");

    // Another stream is looked at.
    let url = url(&server);
    reload_to(&gateway, &with(&format!("detect_url = \"{url}\""))).await;
    reaches(&gateway, "gridpost_camera_up", "yard/detect", 1.0).await;
    let looks = of("gridpost_camera_detected_frames_total").await.unwrap();
    reaches(&gateway, "gridpost_camera_detected_frames_total", "yard", looks + 3.0).await;

    // The other one: one session, and each packet of it is in its ring.
    let of = |name: &'static str| of_camera(&gateway, name, "other");
    assert_eq!(of("gridpost_camera_connects_total").await, Some(1.0));
    let log = gateway.log();
    assert!(!log.contains("camera other: "), "{log}");
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
    let with = |url: &str| config(&receiver, &camera("yard", url, ""));
    let gateway = Gateway::start(&with("rtsp://127.0.0.1:9/none")).await;
    let of_kind =
        |data: &Value, what: &str| data["kind"] == "camera-silent" && data["what"] == what;
    receiver.wait("the silence", |data| of_kind(data, "opened")).await;
    reload_to(&gateway, &with(&url(&server))).await;
    receiver.wait("its end", |data| of_kind(data, "ended")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_a_camera_that_comes_back_is_looked_at_at_once() {
    let server = street();
    let port = server.port();
    let receiver = Receiver::start().await;
    let text = config(&receiver, &camera("yard", &url(&server), "look_every_s = 60.0"));
    let gateway = Gateway::start(&text).await;
    let of = |name: &'static str| of_camera(&gateway, name, "yard");
    wait_for("sleep", || async { (of("gridpost_camera_level").await? == 1.0).then_some(()) }).await;
    let looks = of("gridpost_camera_looks_total").await.unwrap();
    drop(server);
    wait_for("the loss", || async { (of("gridpost_camera_up").await? == 0.0).then_some(()) }).await;
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
    let gateway = Gateway::start(&config(&receiver, &camera("yard", &url(&server), ""))).await;
    reaches(&gateway, "gridpost_camera_packets_total", "yard", 1.0).await;
    let began_s = now_s();
    let cause = "gridpost_camera_wakes_total{camera=\"yard\",cause=\"long-gop\"}";
    let late = |data: &Value| {
        data["kind"] == "intrusion" && (time(&data["began_at"]) - began_s - comes_s).abs() < 4.0
    };
    receiver.wait("who comes after 38 s", late).await;
    assert!(figure(&gateway, cause).await.unwrap_or(0.0) <= 1.0);
    assert_eq!(of_camera(&gateway, "gridpost_camera_level", "yard").await, Some(2.0));
    // A busy box may skip a look or two; a jump would be a hundred.
    let skipped = of_camera(&gateway, "gridpost_camera_skipped_frames_total", "yard").await;
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
    let gateway = Gateway::start(&config(&receiver, &camera("yard", &url(&server), ""))).await;
    wait_for("the word on the clock", || async {
        gateway.log().contains("its clock stepped by -").then_some(())
    })
    .await;
    let since_s = now_s();
    let with_clip = |data: &Value| {
        data["kind"] == "intrusion"
            && time(&data["began_at"]) > since_s
            && data["evidence"].as_array().unwrap().iter().any(|e| e["media_type"] == "video/mp4")
    };
    let event = receiver.wait("who came after that, with a clip", with_clip).await;
    let off = time(&event["data"]["began_at"]) - now_s();
    assert!((-20.0..0.5).contains(&off), "dated by the wall: {off}");
    assert_eq!(of_camera(&gateway, "gridpost_camera_connects_total", "yard").await, Some(1.0));
    // A busy box may skip a look or two; a jump would be a hundred.
    let skipped = of_camera(&gateway, "gridpost_camera_skipped_frames_total", "yard").await;
    assert!(skipped.is_some_and(|skipped| skipped < 25.0), "{skipped:?}");
}

/// More than the box can look at, for half a minute: told once for each camera, and over when it is less.
#[tokio::test(flavor = "multi_thread")]
async fn v5_skipping_that_goes_on_is_an_incident_and_ends() {
    let server = street();
    let receiver = Receiver::start().await;
    let url = url(&server);
    let many: String = (0..12)
        .map(|n| camera(&format!("c-{n}"), &url, "decode = \"full\"\ndetect_fps = 25.0"))
        .collect();
    let gateway = Gateway::start(&config(&receiver, &many)).await;
    wait_for("skipping", || async {
        (gateway.metric("gridpost_camera_skipped_frames_total").await > 0.0).then_some(())
    })
    .await;
    let strained = |data: &Value, what: &str| {
        data["kind"] == "detector-degraded"
            && data["what"] == what
            && data["why"].to_string().contains("skipped")
    };
    let told = receiver.wait("the word on it", |data| strained(data, "opened")).await;
    let id = told["data"]["sources"][0]["id"].as_str().unwrap().to_owned();
    reload_to(&gateway, &config(&receiver, &camera(&id, &url, ""))).await;
    let over = |data: &Value| {
        data["kind"] == "detector-degraded"
            && data["what"] == "ended"
            && data["sources"][0]["id"] == id.as_str()
    };
    receiver.wait("its end", over).await;
    let opened = receiver.events().into_iter().filter(|event| {
        strained(&event["data"], "opened") && event["data"]["sources"][0]["id"] == id.as_str()
    });
    assert_eq!(opened.count(), 1, "told once");
}
