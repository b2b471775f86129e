//! config/police-room.toml as it stands, with only its addresses and secrets replaced: a night in the police room.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::{
    Broker, Gateway, Launch, Listener, Receiver, SSD, Uav, film, free_port, models, models_of,
    root, wait_for,
};

const DROPPED: &[&str] =
    &["username", "password_file", "ca_file", "token_file", "client_cert_file", "client_key_file"];

/// The example without `[data]`, `[web]` and `[intake]`, which a test makes itself, and without
/// secrets; each replacement must be there exactly once.
fn example(replaced: &[(&str, String)]) -> String {
    let text = std::fs::read_to_string(root().join("config/police-room.toml")).unwrap();
    let mut kept = String::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.starts_with('[') {
            skipping = ["[data]", "[web]", "[intake]"].iter().any(|one| line.starts_with(one));
        }
        let key = line.split_whitespace().next().unwrap_or_default();
        if !skipping && !DROPPED.contains(&key) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    for (old, new) in replaced {
        assert_eq!(kept.matches(old).count(), 1, "{old} in the example");
        kept = kept.replace(old, new);
    }
    kept
}

fn path(name: &str) -> String {
    Path::new(&root()).join("config").join(name).display().to_string()
}

/// The example with this room's receiver and broker; its drone's video comes to this SRT port.
fn room(receiver: &Receiver, broker: &Broker, srt: u16) -> String {
    let closed = free_port();
    let nobody = |path: &str| format!("rtsp://127.0.0.1:{closed}/{path}");
    let mqtt = format!("mqtt://127.0.0.1:{}", broker.port);
    example(&[
        ("grids/community.geojson", path("grids/community.geojson")),
        ("routing.csv", path("routing.csv")),
        ("duty.csv", path("duty.csv")),
        ("\"buttons.csv\"", format!("\"{}\"", path("buttons.csv"))),
        ("\"calendar.csv\"", format!("\"{}\"", path("calendar.csv"))),
        ("listen = \"127.0.0.1:8688\"", "listen = \"127.0.0.1:0\"".into()),
        ("srt://0.0.0.0:9710", format!("srt://127.0.0.1:{srt}")),
        ("rtmp://0.0.0.0:1935", format!("rtmp://127.0.0.1:{}", free_port())),
        ("url = \"mqtts://broker.district.example:8883\"", format!("url = \"{mqtt}\"")),
        ("broker = \"mqtts://broker.district.example:8883\"", format!("broker = \"{mqtt}\"")),
        ("https://grid.city.example/api/events", receiver.url.clone()),
        ("/var/lib/gridpost/events.jsonl", "events.jsonl".into()),
        ("rtsp://viewer:${GATE_PASSWORD}@192.0.2.11:554/Streaming/Channels/101", nobody("gate")),
        ("rtsp://192.0.2.12:554/stream1", nobody("lane")),
        ("rtsp://192.0.2.13:554/stream1", nobody("square")),
        ("flight_end_s = 60", "flight_end_s = 6".into()),
    ])
}

/// While it flies, a button: the emergency waits for no flight.
async fn an_old_man_presses(gateway: &Gateway, receiver: &Receiver) -> Value {
    gateway.press("btn-0686", "p1");
    let pressed = |data: &Value| data["kind"] == "emergency-button";
    let button = receiver.wait("the button", pressed).await["data"].clone();
    assert_eq!((&button["severity"], &button["what"]), (&json!(1), &json!("opened")));
    button
}

/// In grid 3, by a drone, and as near as it can know.
async fn a_person_is_found(receiver: &Receiver) -> Value {
    let found = |data: &Value| data["kind"] == "intrusion" && data["what"] == "opened";
    let person = receiver.wait("the person", found).await["data"].clone();
    assert_eq!(person["grid"]["code"], "420100-QB-03", "{person:#}");
    assert_eq!(person["grid"]["head"], "陈志强");
    assert_eq!(person["sources"][0]["id"], "uav-1");
    assert_eq!(person["severity"], 3);
    assert!(person["place"]["lat"].as_f64().unwrap() > 30.9245, "{person:#}");
    assert!(person["detail"]["ground"]["error_m"].as_f64().unwrap() < 60.0, "{person:#}");
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_finds_a_person_in_grid_3_and_an_old_man_presses_his_button_meanwhile() {
    a_night(models()).await;
}

/// Where no better model can be had.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_ssd_alone_the_flight_finds_a_person_too() {
    let folder = models_of(&[SSD]);
    a_night(folder.path().to_path_buf()).await;
}

async fn a_night(models: PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), 6, 14);
    let (receiver, broker) = (Receiver::start().await, Broker::start().await);
    let srt = free_port();
    let config = room(&receiver, &broker, srt);
    let district = Listener::start(broker.port, "gridpost/qiaobei/incident/+", &[]).await;
    let launch = Launch::of(&config).env("UAV_KEY", "0123456789").env("GRIDPOST_MODELS", models);
    let mut gateway = launch.start().await;

    // Nothing flies, and nothing is wrong with that.
    assert!(!gateway.log().contains("uav-1 silent"), "{}", gateway.log());
    let _uav = Uav::fly(&format!("srt://127.0.0.1:{srt}?passphrase=0123456789"), &film, 8);
    let began = |data: &Value| data["kind"] == "patrol" && data["what"] == "opened";
    let patrol = receiver.wait("the flight", began).await["data"].clone();
    assert_eq!(patrol["title"]["zh"], "一号无人机：巡查");
    assert_eq!(patrol["grid"]["code"], "420100-QB-01");
    let button = an_old_man_presses(&gateway, &receiver).await;
    let person = a_person_is_found(&receiver).await;
    assert_ne!(person["incident"], button["incident"], "two happenings");

    // The grid answers through the district's broker; the case goes on.
    let reply =
        json!({ "incident": person["incident"], "to": "accepted", "by": "陈志强", "id": "r1" });
    district.publish("gridpost/qiaobei/reply", &reply.to_string());
    let accepted =
        |data: &Value| data["incident"] == person["incident"] && data["what"] == "accepted";
    receiver.wait("the acceptance", accepted).await;

    let over = |data: &Value| data["kind"] == "patrol" && data["what"] == "ended";
    let patrol = receiver.wait("the end of the flight", over).await["data"].clone();
    let grids: Vec<&Value> =
        patrol["detail"]["grids"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(grids, ["420100-QB-01", "420100-QB-03"], "{patrol:#}");
    assert_eq!(patrol["detail"]["incidents"], json!([person["incident"]]), "{patrol:#}");
    // The broker's grid heard the same story.
    wait_for("the patrol at the district's broker", || {
        let topic = "gridpost/qiaobei/incident/patrol";
        let ended = district.heard(topic).iter().any(|event| event["data"]["what"] == "ended");
        async move { ended.then_some(()) }
    })
    .await;
    assert!(gateway.stop().await.success());
}
