//! Drones end to end: a script flies as the real one speaks, over the real transport; what it sees has a place.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    reload::reload_to,
    world::{Broker, Gateway, Receiver, free_port, http, press, root, street, wait_for},
};

const GRID_1: &str = "113.9131,30.9220";
const GRID_3: &str = "113.9131,30.9265";

/// The script of tests/devices; ended with the test.
pub(crate) struct Uav(Child);

impl Uav {
    pub(crate) fn start(args: &[&str]) -> Self {
        let script = root().join("tests/devices/drone.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args(args).stdin(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    async fn landed(&mut self) -> bool {
        wait_for("the script to end", || {
            let ended = self.0.try_wait().unwrap();
            async move { ended }
        })
        .await
        .success()
    }
}

impl Drop for Uav {
    fn drop(&mut self) {
        // Its children end when their pipe does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bare ground, then the street with its walkers.
pub(crate) fn film(folder: &Path, empty_s: u32, street_s: u32) -> PathBuf {
    let out = folder.join("film.ts");
    let status = Command::new("/usr/bin/python3")
        .arg(root().join("tests/devices/drone.py"))
        .arg("video")
        .arg(&out)
        .args(["--empty", &empty_s.to_string(), "--street", &street_s.to_string(), "--clip"])
        .arg(street("h264"))
        .status();
    assert!(status.unwrap().success());
    out
}

fn config(receiver: &Receiver, drones: &str) -> String {
    let grids = root().join("config/grids/community.geojson");
    format!(
        "{drones}\n[site]\nid = \"demo\"\nplace = [113.9188, 30.9215]\ngrids = \"{}\"\n\n[[rule]]\nid = \"search\"\nkind = \"intrusion\"\ncameras = [\"uav-1\"]\ncooldown_s = 300\n\n[[rule]]\nid = \"all-cameras\"\nkind = \"crowd\"\ncount = 1\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        grids.display(),
        receiver.url
    )
}

fn meters(a: [f64; 2], lon: f64, lat: f64) -> f64 {
    // Flat for a few hundred metres; the gateway's own geodesy is not asked.
    let north = (lat - a[1]) * 110_900.0;
    let east = (lon - a[0]) * 111_320.0 * a[1].to_radians().cos();
    north.hypot(east)
}

/// What every flight of these tests must come to: from grid 1, a person in grid 3, a patrol.
async fn found_in_grid_3(receiver: &Receiver, telemetry: &str) -> (Value, Value) {
    let found =
        receiver.wait("a person seen from the air", |data| data["kind"] == "intrusion").await;
    let data = found["data"].clone();
    assert_eq!(data["sources"][0]["kind"], "drone", "{data:#}");
    assert_eq!(data["grid"]["code"], "420100-QB-03", "{data:#}");
    let (lon, lat) =
        (data["place"]["lon"].as_f64().unwrap(), data["place"]["lat"].as_f64().unwrap());
    let ground = &data["detail"]["ground"];
    // At most the height away from the middle of what a camera at 60 m, 60° down, looks at.
    let nearest = (0..=100)
        .map(|step| {
            let share = f64::from(step) / 100.0;
            meters([113.9131, 30.9220 + share * 0.0045], lon, lat)
        })
        .fold(f64::INFINITY, f64::min);
    assert!(nearest < 120.0, "{nearest} m beside the flight: {data:#}");
    let error = ground["error_m"].as_f64().unwrap();
    assert!((2.0..60.0).contains(&error), "{data:#}");
    assert_eq!(data["evidence"][0]["media_type"], "image/jpeg", "{data:#}");
    let over = |data: &Value| data["kind"] == "patrol" && data["what"] == "ended";
    let patrol = receiver.wait("the end of the flight", over).await["data"].clone();
    let detail = &patrol["detail"];
    assert_eq!(detail["telemetry"], serde_json::json!([telemetry]), "{patrol:#}");
    let line = detail["track"]["geometry"]["coordinates"].as_array().unwrap();
    let end = |at: usize| [line[at][0].as_f64().unwrap(), line[at][1].as_f64().unwrap()];
    assert!(meters(end(0), 113.9131, 30.9220) < 60.0, "{patrol:#}");
    assert!(meters(end(line.len() - 1), 113.9131, 30.9265) < 60.0, "{patrol:#}");
    let grids: Vec<&str> = detail["grids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    assert_eq!(grids, ["420100-QB-01", "420100-QB-03"], "{patrol:#}");
    let person = |seen: &Value| seen["label"] == "person" && seen["grids"][0] == "420100-QB-03";
    assert!(detail["seen"].as_array().unwrap().iter().any(person), "{patrol:#}");
    assert!(detail["incidents"].as_array().unwrap().contains(&data["incident"]), "{patrol:#}");
    (data, patrol)
}

/// What a rule that names no camera says of a drone is nothing; and absence is no fault.
async fn nothing_else(gateway: &Gateway) {
    let (_, all) = gateway.get("/api/v1/incidents?limit=50").await;
    let all = all["incidents"].as_array().or(all.as_array()).unwrap();
    assert_eq!(all.len(), 2, "a person and a patrol, and nothing else: {all:#?}");
}

fn klv_flight(url: &str, film: &Path) -> Uav {
    Uav::start(&[
        "fly",
        "--url",
        url,
        "--video",
        film.to_str().unwrap(),
        "--start",
        GRID_1,
        "--end",
        GRID_3,
        "--seconds",
        "8",
    ])
}

async fn by_klv(listen: &str, push: &str) {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 6, 12);
    let receiver = Receiver::start().await;
    let drone = format!(
        "[[drone]]\nid = \"uav-1\"\nname = \"一号无人机\"\nlisten = \"{listen}\"\nflight_end_s = 6\nstall_timeout_s = 3\n"
    );
    let gateway = Gateway::start(&config(&receiver, &drone)).await;
    let mut uav = klv_flight(push, &film);
    let (_, patrol) = found_in_grid_3(&receiver, "klv").await;
    assert_eq!(patrol["title"]["zh"], "一号无人机：巡查");
    uav.landed().await;
    assert!(gateway.metric("gridpost_drone_poses_total").await > 80.0);
    assert_eq!(gateway.metric("gridpost_signals_unreadable_total").await, 0.0);
    nothing_else(&gateway).await;
    let status = http().get(format!("{}/readyz", gateway.web)).send().await.unwrap().status();
    assert_eq!(status, 200, "a drone that left is no fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_over_udp_with_klv_finds_a_person_in_grid_3() {
    let port = free_port();
    by_klv(&format!("udp://127.0.0.1:{port}"), &format!("udp://127.0.0.1:{port}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_over_srt_with_klv_finds_a_person_in_grid_3() {
    let (port, key) = (free_port(), "?passphrase=0123456789");
    by_klv(&format!("srt://127.0.0.1:{port}{key}"), &format!("srt://127.0.0.1:{port}{key}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_over_rtmp_with_dji_telemetry_finds_a_person_in_grid_3() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 6, 12);
    let (port, broker, receiver) = (free_port(), Broker::start().await, Receiver::start().await);
    let drone = format!(
        "[[mqtt]]\nid = \"dji\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = [\"thing/product/+/osd\"]\n\n[[drone]]\nid = \"uav-1\"\nlisten = \"rtmp://127.0.0.1:{port}/live/s3cret\"\nserial = \"1581F5\"\nflight_end_s = 10\n",
        broker.port
    );
    let gateway = Gateway::start(&config(&receiver, &drone)).await;
    let url = format!("rtmp://127.0.0.1:{port}/live/s3cret");
    let (at, video) = (broker.port.to_string(), film.display().to_string());
    let _uav = Uav::start(&["push", "--url", &url, "--video", &video]);
    // A drone says where it is while it films: not before its encoder has begun.
    wait_for("the feed", || {
        let runs = gateway.log().contains("its feed runs");
        async move { runs.then_some(()) }
    })
    .await;
    let _osd = Uav::start(&[
        "osd",
        "--port",
        &at,
        "--serial",
        "1581F5",
        "--start",
        GRID_1,
        "--end",
        GRID_3,
        "--seconds",
        "8",
    ]);
    let (_, patrol) = found_in_grid_3(&receiver, "osd").await;
    assert_eq!(patrol["detail"]["battery"], 81);
    assert!(!gateway.log().contains("s3cret"), "a stream key in the log");
    nothing_else(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_comes_a_second_time_and_strangers_keep_none_away() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 3, 1);
    let receiver = Receiver::start().await;
    let (udp, rtmp) = (free_port(), free_port());
    let drones = format!(
        "[[drone]]\nid = \"uav-1\"\nlisten = \"udp://127.0.0.1:{udp}\"\nflight_end_s = 5\nstall_timeout_s = 1\n[[drone]]\nid = \"uav-2\"\nlisten = \"rtmp://127.0.0.1:{rtmp}/live/key\"\nflight_end_s = 5\n"
    );
    let gateway = Gateway::start(&config(&receiver, &drones)).await;
    // Rubbish at both doors first: no RTMP, no transport stream, and a playlist that names a file.
    let playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n".repeat(40);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&playlist[..1316], ("127.0.0.1", udp)).unwrap();
    for _ in 0..3 {
        wait_for("the RTMP door", || {
            let rubbish = playlist.clone();
            async move {
                let mut guest = tokio::net::TcpStream::connect(("127.0.0.1", rtmp)).await.ok()?;
                tokio::io::AsyncWriteExt::write_all(&mut guest, &rubbish).await.ok()
            }
        })
        .await;
    }
    let up = |drone: &'static str| {
        let gateway = &gateway;
        move || async move {
            let text = gateway.metrics().await;
            text.contains(&format!("gridpost_camera_up{{camera=\"{drone}\"}} 1")).then_some(())
        }
    };
    for flight in 1..=2 {
        // Pushers try again, as docks do.
        let (url, video) =
            (format!("rtmp://127.0.0.1:{rtmp}/live/key"), film.display().to_string());
        let _over_udp = klv_flight(&format!("udp://127.0.0.1:{udp}"), &film);
        let mut over_rtmp = Uav::start(&["push", "--url", &url, "--video", &video]);
        wait_for("the drone over udp", up("uav-1")).await;
        while !over_rtmp.landed().await {
            over_rtmp = Uav::start(&["push", "--url", &url, "--video", &video]);
        }
        let ended = |n: usize| {
            move |data: &Value| data["what"] == "ended" && data["kind"] == "patrol" && n > 0
        };
        let mut over = std::collections::BTreeSet::new();
        while over.len() < 2 * flight {
            let known = over.clone();
            let event = receiver
                .wait("the end of a flight", |data| {
                    ended(1)(data) && !known.contains(&data["incident"].to_string())
                })
                .await;
            over.insert(event["data"]["incident"].to_string());
        }
    }
    assert!(!gateway.log().contains("etc/passwd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_telemetry_is_told_kept_and_counted_and_the_good_half_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 5, 1);
    let receiver = Receiver::start().await;
    let kinds = [
        ("sum", "checksum"),
        ("cut", "truncated"),
        ("null", "Null Island"),
        ("huge", "bytes long; at most"),
        ("replay", ""),
        ("clock70", ""),
        ("clock99", ""),
    ];
    let ports: Vec<u16> = kinds.iter().map(|_| free_port()).collect();
    let drones: String = kinds
        .iter()
        .zip(&ports)
        .map(|((kind, _), port)| format!("[[drone]]\nid = \"{kind}\"\nlisten = \"udp://127.0.0.1:{port}\"\nflight_end_s = 5\nstall_timeout_s = 2\ndetect_fps = 0.2\n"))
        .collect();
    let text = config(&receiver, &drones).replace("cameras = [\"uav-1\"]", "cameras = [\"sum\"]");
    let mut gateway = Gateway::start(&text).await;
    let mut all: Vec<Uav> = kinds
        .iter()
        .zip(&ports)
        .map(|((kind, _), port)| {
            let url = format!("udp://127.0.0.1:{port}");
            Uav::start(&[
                "fly",
                "--url",
                &url,
                "--video",
                film.to_str().unwrap(),
                "--start",
                GRID_1,
                "--end",
                GRID_3,
                "--seconds",
                "5",
                "--bad",
                kind,
            ])
        })
        .collect();
    for uav in &mut all {
        uav.landed().await;
    }
    for (kind, reason) in kinds {
        let of = |data: &Value| {
            data["kind"] == "patrol" && data["what"] == "ended" && data["sources"][0]["id"] == kind
        };
        let patrol = receiver.wait(kind, of).await["data"].clone();
        let line = patrol["detail"]["track"]["geometry"]["coordinates"].as_array().unwrap();
        // Straight from grid 1 to grid 3, and never off the line, to Null Island or back.
        for point in line {
            let (lon, lat) = (point[0].as_f64().unwrap(), point[1].as_f64().unwrap());
            assert!(
                (lon - 113.9131).abs() < 1e-4 && (30.921..30.928).contains(&lat),
                "{kind}: {line:?}"
            );
        }
        assert!(line.len() >= 2, "{kind}: {patrol:#}");
        let began = patrol["began_at"].as_str().unwrap();
        assert!(!began.starts_with("1970") && !began.starts_with("2099"), "{kind}: {began}");
        assert_eq!(
            gateway.log().contains(&format!("drone=\"{kind}\" reason")) && !reason.is_empty(),
            !reason.is_empty(),
            "{kind}"
        );
        if !reason.is_empty() {
            let log = gateway.log();
            let told = log.lines().find(|line| {
                line.contains("quarantined") && line.contains(&format!("drone=\"{kind}\""))
            });
            assert!(told.is_some_and(|line| line.contains(reason)), "{kind}: {told:?}");
        }
    }
    let text = gateway.metrics().await;
    for (kind, reason) in kinds {
        let counted = text.lines().find_map(|line| {
            line.strip_prefix(&format!("gridpost_signals_unreadable_total{{origin=\"{kind}\"}} "))?
                .parse::<f64>()
                .ok()
        });
        match reason {
            "" => assert_eq!(counted, None, "{kind}"),
            _ => assert!(counted.unwrap_or_default() >= 15.0, "{kind}: {counted:?}"),
        }
    }
    let repeated = "gridpost_signals_duplicate_total{source=\"replay\"}";
    assert!(text.lines().any(|line| line.starts_with(repeated)), "{text}");
    assert!(gateway.stop().await.success());
    let kept = gridpost::store::quarantine(&gateway.data()).unwrap();
    let bad: Vec<_> = kinds.iter().filter(|(_, reason)| !reason.is_empty()).collect();
    // One of many is kept, as it came.
    assert_eq!(kept.len(), bad.len(), "{kept:#?}");
    for (kind, reason) in bad {
        let of = |one: &&gridpost::domain::Quarantined| one.origin == format!("drone {kind} klv");
        let one = kept.iter().find(of).unwrap();
        assert!(one.reason.contains(reason) && one.hex.starts_with("060e2b34"), "{one:?}");
    }
}

fn say(port: u16, topic: &str, payload: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payload");
    std::fs::write(&file, payload).unwrap();
    let status = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", topic, "-f"])
        .arg(&file)
        .args(more)
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_dji_telemetry_is_told_and_kept_and_disturbs_neither_flight_nor_press() {
    let (broker, receiver) = (Broker::start().await, Receiver::start().await);
    // Before anybody listens: a retained position of last week.
    let topic = "thing/product/1581F5/osd";
    let old =
        r#"{"timestamp":1782000000000,"data":{"latitude":30.9,"longitude":113.9,"mode_code":5}}"#;
    say(broker.port, topic, old, &["-r"]);
    let drone = format!(
        "[[mqtt]]\nid = \"dji\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = [\"thing/product/+/osd\", \"gridpost/demo/button/+\"]\n\n[[drone]]\nid = \"uav-1\"\nserial = \"1581F5\"\nflight_end_s = 10\n",
        broker.port
    );
    let mut gateway = Gateway::start(&config(&receiver, &drone)).await;
    let unreadable = || gateway.metric("gridpost_signals_unreadable_total");
    wait_for("the retained one", || async { (unreadable().await >= 1.0).then_some(()) }).await;
    let now = gateway_ms();
    let long = format!("{{\"timestamp\":{now},\"data\":{{\"x\":\"{}\"}}}}", "y".repeat(70_000));
    let bad = [
        (format!("{{\"timestamp\":{now},\"data\":{{\"latitude\":30.9"), "not JSON"),
        (
            format!("{{\"timestamp\":{now},\"data\":{{\"latitude\":0,\"longitude\":0}}}}"),
            "Null Island",
        ),
        (
            format!("{{\"timestamp\":{now},\"data\":{{\"latitude\":113.9,\"longitude\":30.9}}}}"),
            "swapped",
        ),
        (long, "at most 65536"),
    ];
    for (payload, _) in &bad {
        say(broker.port, topic, payload, &[]);
    }
    // A dock reports at the same broker; it is no drone, and no mistake.
    let dock = format!(
        "{{\"timestamp\":{now},\"data\":{{\"latitude\":30.9,\"longitude\":113.9,\"rainfall\":1}}}}"
    );
    say(broker.port, "thing/product/dock-1/osd", &dock, &[]);
    assert!(press(broker.port, "btn-1", "p1"));
    receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let at = broker.port.to_string();
    let _osd = Uav::start(&[
        "osd",
        "--port",
        &at,
        "--serial",
        "1581F5",
        "--start",
        GRID_1,
        "--end",
        GRID_3,
        "--seconds",
        "3",
    ]);
    let over = |data: &Value| data["kind"] == "patrol" && data["what"] == "ended";
    let patrol = receiver.wait("the flight", over).await["data"].clone();
    assert_eq!(patrol["detail"]["ended_by"], "landed", "{patrol:#}");
    let started = patrol["began_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(started.as_millisecond() >= now, "not by the retained one: {patrol:#}");
    let counted = gateway.metric("gridpost_signals_unreadable_total").await;
    assert_eq!(counted, 5.0, "the retained one and four");
    for (_, reason) in bad {
        assert!(gateway.log().contains(reason), "{reason} not in\n{}", gateway.log());
    }
    assert!(gateway.stop().await.success());
    let kept = gridpost::store::quarantine(&gateway.data()).unwrap();
    assert_eq!(kept.len(), 5, "{kept:#?}");
    assert!(kept.iter().any(|one| one.text.contains("\"latitude\":113.9")), "the raw bytes");
}

fn gateway_ms() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_brings_a_drone_moves_its_port_and_takes_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 4, 1);
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&config(&receiver, "").replace("\"uav-1\"", "")).await;
    let ports = [free_port(), free_port()];
    for port in ports {
        let drone = format!(
            "[[drone]]\nid = \"uav-1\"\nlisten = \"udp://127.0.0.1:{port}\"\nstall_timeout_s = 1\nflight_end_s = 5\n"
        );
        reload_to(&gateway, &config(&receiver, &drone)).await;
        let _uav = klv_flight(&format!("udp://127.0.0.1:{port}"), &film);
        wait_for("its pictures", || async {
            let text = gateway.metrics().await;
            let up = "gridpost_camera_up{camera=\"uav-1\"} 1";
            text.contains(up).then_some(())
        })
        .await;
    }
    // The first port is free again, as soon as its listener has gone.
    wait_for("the old port", || async { std::net::UdpSocket::bind(("127.0.0.1", ports[0])).ok() })
        .await;
    let answer = reload_to(&gateway, &config(&receiver, "").replace("\"uav-1\"", "")).await;
    assert!(answer.to_string().contains("removed"), "{answer}");
    wait_for("the new port", || async { std::net::UdpSocket::bind(("127.0.0.1", ports[1])).ok() })
        .await;
    let over = |data: &Value| data["kind"] == "patrol" && data["detail"]["ended_by"] == "removed";
    receiver.wait("the flight that nobody follows any more", over).await;
}

/// libsrt takes itself down when the process exits; a session of it that is open by then is a
/// crash, told as a failed stop though everything is on disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_srt_feeds_are_open_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 6, 12);
    let receiver = Receiver::start().await;
    for _ in 0..4 {
        let ports = [free_port(), free_port(), free_port(), free_port()];
        let drone = |(n, port): (usize, &u16)| {
            format!("[[drone]]\nid = \"uav-{n}\"\nlisten = \"srt://127.0.0.1:{port}\"\n")
        };
        let drones: String = ports.iter().enumerate().map(drone).collect();
        let mut gateway = Gateway::start(&config(&receiver, &drones)).await;
        let flights: Vec<Uav> = ports[..2]
            .iter()
            .map(|port| klv_flight(&format!("srt://127.0.0.1:{port}"), &film))
            .collect();
        wait_for("a flight", || async {
            (gateway.metric("gridpost_drone_poses_total").await > 5.0).then_some(())
        })
        .await;
        let status = gateway.stop().await;
        assert!(status.success(), "{status:?}");
        drop(flights);
    }
}
