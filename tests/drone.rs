//! Drones end to end: a script flies as the real one speaks, over the real transport; what it sees has a place.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{Broker, Gateway, Receiver, Uav, film, free_port, searched, wait_for};

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
    assert_eq!(detail["telemetry"], json!([telemetry]), "{patrol:#}");
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

async fn by_klv(listen: &str, push: &str) {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 6, 12);
    let receiver = Receiver::start().await;
    let site = searched(&receiver, &["uav-1"])
        .drone("uav-1")
        .set("name", "一号无人机")
        .set("listen", listen)
        .set("flight_end_s", 6)
        .set("stall_timeout_s", 3);
    let gateway = Gateway::start(&site).await;
    let mut uav = Uav::fly(push, &film, 8);
    let (_, patrol) = found_in_grid_3(&receiver, "klv").await;
    assert_eq!(patrol["title"]["zh"], "一号无人机：巡查");
    uav.landed().await;
    assert!(gateway.metric("gridpost_drone_poses_total").await > 80.0);
    assert_eq!(gateway.metric("gridpost_signals_unreadable_total").await, 0.0);
    nothing_else(&gateway).await;
    assert_eq!(gateway.get("/readyz").await.0, 200, "a drone that left is no fault");
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
    let url = format!("rtmp://127.0.0.1:{port}/live/s3cret");
    let site = searched(&receiver, &["uav-1"])
        .mqtt_source("dji", &broker)
        .set("topics", ["thing/product/+/osd"])
        .drone("uav-1")
        .set("listen", &url)
        .set("serial", "1581F5")
        .set("flight_end_s", 10);
    let gateway = Gateway::start(&site).await;
    let _uav = Uav::push(&url, &film);
    // A drone says where it is while it films: not before its encoder has begun.
    gateway.logs("its feed runs").await;
    let _osd = Uav::osd(broker.port, "1581F5", 8);
    let (_, patrol) = found_in_grid_3(&receiver, "osd").await;
    assert_eq!(patrol["detail"]["battery"], 81);
    assert!(!gateway.log().contains("s3cret"), "a stream key in the log");
    nothing_else(&gateway).await;
}

/// Neither RTMP nor a transport stream, and a playlist that names a file.
async fn rubbish_at(udp: u16, rtmp: u16) {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_comes_a_second_time_and_strangers_keep_none_away() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 3, 1);
    let receiver = Receiver::start().await;
    let (udp, rtmp) = (free_port(), free_port());
    let (over_udp, over_rtmp) =
        (format!("udp://127.0.0.1:{udp}"), format!("rtmp://127.0.0.1:{rtmp}/live/key"));
    let site = searched(&receiver, &["uav-1"])
        .drone("uav-1")
        .set("listen", &over_udp)
        .set("flight_end_s", 5)
        .set("stall_timeout_s", 1)
        .drone("uav-2")
        .set("listen", &over_rtmp)
        .set("flight_end_s", 5);
    let gateway = Gateway::start(&site).await;
    rubbish_at(udp, rtmp).await;
    let mut ended = BTreeSet::new();
    for flight in 1..=2 {
        // Pushers try again, as docks do.
        let _flight = Uav::fly(&over_udp, &film, 8);
        let mut pushed = Uav::push(&over_rtmp, &film);
        gateway.camera_is("gridpost_camera_up", "uav-1", |up| up == 1.0).await;
        while !pushed.landed().await {
            pushed = Uav::push(&over_rtmp, &film);
        }
        while ended.len() < 2 * flight {
            let another = |data: &Value| {
                let known = ended.contains(&data["incident"].to_string());
                data["kind"] == "patrol" && data["what"] == "ended" && !known
            };
            let event = receiver.wait("the end of a flight", another).await;
            ended.insert(event["data"]["incident"].to_string());
        }
    }
    assert!(!gateway.log().contains("etc/passwd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_brings_a_drone_moves_its_port_and_takes_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 4, 1);
    let receiver = Receiver::start().await;
    let nothing = searched(&receiver, &[]);
    let gateway = Gateway::start(&nothing).await;
    let ports = [free_port(), free_port()];
    for port in ports {
        let url = format!("udp://127.0.0.1:{port}");
        let drone = searched(&receiver, &["uav-1"]).drone("uav-1").set("listen", &url);
        gateway.reload_to(drone.set("stall_timeout_s", 1).set("flight_end_s", 5)).await;
        let _uav = Uav::fly(&url, &film, 8);
        gateway.camera_is("gridpost_camera_up", "uav-1", |up| up == 1.0).await;
    }
    // The first port is free again, as soon as its listener has gone.
    wait_for("the old port", || async { std::net::UdpSocket::bind(("127.0.0.1", ports[0])).ok() })
        .await;
    let answer = gateway.reload_to(&nothing).await;
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
        let urls = ports.map(|port| format!("srt://127.0.0.1:{port}"));
        let mut site = searched(&receiver, &["uav-1"]);
        for (n, url) in urls.iter().enumerate() {
            site = site.drone(&format!("uav-{n}")).set("listen", url);
        }
        let mut gateway = Gateway::start(&site).await;
        let flights: Vec<Uav> = urls[..2].iter().map(|url| Uav::fly(url, &film, 8)).collect();
        gateway.metric_is("gridpost_drone_poses_total", |poses| poses > 5.0).await;
        let status = gateway.stop().await;
        assert!(status.success(), "{status:?}");
        drop(flights);
    }
}
