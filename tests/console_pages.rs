//! The further screens of the officers' page in a real browser (`tests/console/pages.mjs`), and the addresses that they ask.

use serde_json::{Value, json};

use crate::{
    city::{BUTTONS, button, geojson},
    console::{flow, screens, start},
    world::{
        Broker, Gateway, Launch, Receiver, RtspServer, Site, Uav, free_port, grids, is_of, street,
    },
};

/// A community with its grids, and somebody at each corner of it.
fn community() -> Site {
    let placed = [
        ("btn-1", "张秀英（独居老人）", [113.9118, 30.9214]),
        ("btn-2", "刘德福（独居老人）", [113.9152, 30.9231]),
        ("btn-3", "桥北小学门卫室", [113.9196, 30.9212]),
        ("btn-4", "陈玉兰（独居老人）", [113.9125, 30.9262]),
        ("btn-5", "和平里 3 栋 楼道", [113.9211, 30.9258]),
    ];
    let site = Site::demo()
        .set("name", "桥北社区警务室")
        .set("place", [113.9131, 30.9223])
        .set("grids", grids())
        .section("[duty]")
        .set("roster", "duty.csv")
        .section("[routing]")
        .set("otherwise", json!({"department": "综治中心", "person": "李建国"}))
        .gauge("rain-1")
        .set("name", "桥北雨量站")
        .set("place", [113.9183, 30.9268]);
    placed.into_iter().fold(site, |site, (id, name, place)| {
        site.button(id).set("name", name).set("place", place).set("address", format!("{name} 门口"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_incident_to_the_map_and_back_by_the_keyboard() {
    flow(&start(community()).await, "map", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_on_a_mark_picks_what_it_stands_for() {
    flow(&start(community()).await, "tap", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_weak_devices_stand_first_and_a_gauge_shows_its_day() {
    flow(&start(community()).await, "devices", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_alarms_an_officer_are_told() {
    let many = (0..13).fold(community(), |site, n| site.button(&format!("rate-{n}")));
    flow(&start(many).await, "rates", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_said_in_chinese_with_what_helps() {
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let site = community().http_sink("grid", nobody).mqtt_source("hall", free_port());
    flow(&start(site).await, "trouble", Some(&screens())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_moves_on_the_map_and_its_flight_stays() {
    let broker = Broker::start().await;
    let site = community()
        .mqtt_source("dji", &broker)
        .set("topics", ["thing/product/+/osd"])
        .drone("uav-1")
        .set("name", "一号无人机")
        .set("serial", "1581F5")
        .set("flight_end_s", 6);
    let gateway = start(site).await;
    let _uav = Uav::osd(broker.port, "1581F5", 25);
    flow(&gateway, "drone", Some(&screens())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_of_810_grids_and_686_buttons_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("grids.geojson"), geojson()).unwrap();
    let site = Site::demo().set("name", "一座城").set("grids", "grids.geojson");
    let site = (0..BUTTONS).fold(site, |site, n| {
        let place = [113.803 + (n % 27) as f64 * 0.01, 30.803 + (n / 27) as f64 * 0.0115];
        site.button(&button(n)).set("name", format!("{n} 号按钮")).set("place", place)
    });
    let gateway = Launch::of(site).in_folder(folder).start().await;
    let said = flow(&gateway, "city", Some(&screens())).await;
    assert!(said.contains("810 grids and 686 buttons"), "{said}");
}

/// A community with a camera that sees somebody.
async fn with_a_camera(receiver: &Receiver, server: &RtspServer) -> Gateway {
    let site = community()
        .walkers()
        .http(receiver)
        .camera("square", server)
        .short_clips()
        .set("name", "桥北广场")
        .set("place", [113.9142, 30.9252])
        .set("bearing_deg", 200)
        .set("view_m", 60);
    let gateway = start(site).await;
    receiver.wait("a walker", |data| is_of(data, "intrusion", "square")).await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_on_one_line_of_time_with_its_reason_in_chinese() {
    let (server, receiver) = (RtspServer::start(0, &street("h264")), Receiver::start().await);
    flow(&with_a_camera(&receiver, &server).await, "incident", Some(&screens())).await;
}

/// Look at them: `target/screens`.
#[tokio::test(flavor = "multi_thread")]
async fn every_further_screen_has_no_serious_fault() {
    let (server, receiver) = (RtspServer::start(0, &street("h264")), Receiver::start().await);
    flow(&with_a_camera(&receiver, &server).await, "sheets", Some(&screens())).await;
}

async fn status(gateway: &Gateway, path: &str) -> u16 {
    gateway.get(path).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_is_sent_once_and_its_picture_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.png"), b"\x89PNG\r\n\x1a\n....").unwrap();
    std::fs::write(folder.path().join("duty.csv"), "name,role,days,hours\n").unwrap();
    let site = community()
        .section("[map]")
        .set("ground_file", "plan.png")
        .set("corners", [[113.91, 30.92], [113.924, 30.929]])
        .camera("c1", "rtsp://127.0.0.1:9/1")
        .set("place", [113.9142, 30.9252])
        .set("bearing_deg", 90);
    let gateway = Launch::of(site).in_folder(folder).start().await;
    let (code, map) = gateway.get("/api/v1/map").await;
    assert_eq!(code, 200);
    let of =
        |id: &str| map["sources"].as_array().unwrap().iter().find(|one| one["id"] == id).cloned();
    assert_eq!(map["grids"].as_array().unwrap().len(), 4);
    assert_eq!(of("c1").unwrap()["view_deg"], 70.0);
    assert_eq!(of("btn-1").unwrap()["grid"], "420100-QB-01");
    assert!(!map.to_string().contains("rtsp://"), "no address of a camera: {map}");
    assert_eq!(map["ground"]["url"], "/api/v1/map/ground");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |path: &str, tag: Option<String>| {
        let asked = client.get(format!("{}{path}", gateway.web)).bearer_auth(&gateway.token);
        tag.iter().fold(asked, |asked, tag| asked.header("if-none-match", tag)).send()
    };
    let first = ask("/api/v1/map", None).await.unwrap();
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(ask("/api/v1/map", Some(tag)).await.unwrap().status(), 304);
    let picture = ask("/api/v1/map/ground", None).await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/png");
    assert_eq!(picture.headers()["x-content-type-options"], "nosniff");
    // Another file in its place is seen at once; one that is no picture is not sent.
    std::fs::write(gateway.folder.path().join("plan.png"), "<svg onload=alert(1)>").unwrap();
    assert_eq!(ask("/api/v1/map/ground", None).await.unwrap().status(), 410);
    for path in ["/api/v1/map", "/api/v1/map/ground", "/api/v1/fleet", "/api/v1/alarms"] {
        let open = client.get(format!("{}{path}", gateway.web)).send().await.unwrap();
        assert_eq!(open.status(), 401, "{path}");
    }
    let (_, fleet) = gateway.get("/api/v1/fleet").await;
    assert_eq!(
        (&fleet["cameras"][0]["id"], &fleet["cameras"][0]["up"]),
        (&json!("c1"), &json!(false))
    );
    assert_eq!(fleet["drones"], Value::Array(Vec::new()));
    assert_eq!(status(&gateway, "/api/v1/alarms?hours=168").await, 200);
    assert_eq!(status(&gateway, "/api/v1/alarms?hours=169").await, 400);
    assert_eq!(status(&gateway, "/api/v1/alarms?days=1").await, 400);
}
