//! Buttons of every make over a real mosquitto, each played by its script, and what the gateway makes of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{
    Broker, Gateway, Receiver, Replay, Site, check_in, is_of, play, street, wait_for,
};

/// Everything that a button of any make speaks.
const TOPICS: [&str; 8] = [
    "zigbee2mqtt/#",
    "application/+/device/+/event/+",
    "stat/+/RESULT",
    "tele/+/+",
    "+/status",
    "+/binary_sensor/+/state",
    "+/sensor/+/state",
    "factory/+/up",
];

/// A radio's broker, the grid, and the model of the mark that [`settled`] sends.
fn radio(broker: &Broker, receiver: &Receiver) -> Site {
    Site::demo()
        .set("place", [113.9131, 30.9223])
        .mqtt_source("radio", broker)
        .set("topics", TOPICS)
        .http(receiver)
        .device_model("mark")
        .set("topic", "factory/+/up")
        .set("action", "/data/type")
        .set("press", ["1"])
}

/// The gateway has subscribed: its word that the broker is there comes before.
async fn connected(gateway: &Gateway) {
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= 1.0).await;
}

/// `kind of source`, once for each incident, when there are so many.
async fn incidents(receiver: &Receiver, count: usize) -> Vec<String> {
    wait_for(&format!("{count} incidents"), || async {
        (receiver.state().len() >= count).then_some(())
    })
    .await;
    let line = |data: &Value| {
        format!("{} {}", data["kind"].as_str().unwrap(), data["sources"][0]["id"].as_str().unwrap())
    };
    let mut lines: Vec<_> = receiver.state().values().map(line).collect();
    lines.sort();
    lines
}

/// Its line in the table, which may lag by a second, once `wanted` holds.
async fn device(gateway: &Gateway, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{id} in the table as expected"), || async {
        let (status, table) = gateway.get("/api/v1/devices").await;
        assert_eq!(status, 200);
        let mut lines = table["devices"].as_array().unwrap().iter();
        lines.find(|one| one["id"] == id && wanted(one)).cloned()
    })
    .await
}

/// Everything that was sent has come through: nothing is on its way any more.
async fn settled(receiver: &Receiver, mark: &str, broker: &Broker) {
    let press = format!(r#"{{"data":{{"type":1}},"sn":"{mark}"}}"#);
    broker.publish(&format!("factory/{mark}/up"), press);
    receiver.wait("the mark", |data| data["sources"][0]["id"] == mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zigbee2mqtt_with_its_retained_words_and_repetitions_over_a_restart() {
    let broker = Broker::start().await;
    play("zigbee2mqtt.py", broker.port, &["retained"]);
    let receiver = Receiver::start().await;
    let mut site = radio(&broker, &receiver);
    for n in 301..=306 {
        site = site.button(&format!("b-{n}"));
        site = site.set("name", format!("老人 {n}")).set("contact", format!("138-{n}"));
    }
    let site = site.button("lamp").set("model", "remote");
    let site = site.device_model("remote").set("ignore", ["*"]);
    let gateway = Gateway::start(&site).await;
    connected(&gateway).await;
    play("zigbee2mqtt.py", broker.port, &["story"]);
    settled(&receiver, "mark-1", &broker).await;
    let expected = [
        "device-battery b-304",
        "device-silent b-303",
        "device-tamper b-305",
        "device-weak b-306",
        "emergency-button b-302",
        "emergency-button mark-1",
    ];
    assert_eq!(incidents(&receiver, expected.len()).await, expected);
    let press = receiver.wait("b-302", |data| data["sources"][0]["id"] == "b-302").await;
    assert_eq!(press["data"]["detail"]["presses"], 1, "said three times over the air");
    assert_eq!(press["data"]["detail"]["contact"], "138-302");
    let b301 = device(&gateway, "b-301", |one| one["online"] == true).await;
    assert_eq!(b301["states"][0], "unheard", "only retained words: {b301}");
    device(&gateway, "b-302", |one| one["link"] == 51 && one["through"] == "zigbee2mqtt").await;
    let (_, table) = gateway.get("/api/v1/devices").await;
    let ids: Vec<_> = table["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["b-301", "b-302", "b-303", "b-304", "b-305", "b-306", "lamp", "mark-1"],
        "the bridge is no device"
    );
    // A retained press, heard anew at each connection, alarms nobody.
    let folder = gateway.kill().await;
    let _gateway = Gateway::start_in(folder, &site, &[]).await;
    settled(&receiver, "mark-2", &broker).await;
    let after = incidents(&receiver, expected.len() + 1).await;
    assert_eq!(
        after.len(),
        expected.len() + 1,
        "{after:?}: what is wrong with a device goes on over a restart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn chirpstack_raw_and_decoded_a_repeated_uplink_and_one_that_nobody_can_read() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = radio(&broker, &receiver)
        .button("wang")
        .set("name", "王奶奶")
        .set("device", "24E124535B123456")
        .set("model", "ws101")
        .set("address", "和平里 3 栋 101");
    let gateway = Gateway::start(&site).await;
    connected(&gateway).await;
    play("chirpstack.py", broker.port, &["story"]);
    settled(&receiver, "mark-1", &broker).await;
    let expected =
        ["emergency-button a840411111111111", "emergency-button mark-1", "emergency-button wang"];
    assert_eq!(incidents(&receiver, 3).await, expected);
    let press = receiver.wait("the press", |data| data["sources"][0]["id"] == "wang").await;
    let detail = &press["data"]["detail"];
    assert_eq!(
        (&detail["presses"], &detail["person"]),
        (&1.into(), &"王奶奶".into()),
        "an uplink said twice"
    );
    assert_eq!(press["data"]["place"]["text"], "和平里 3 栋 101");
    let stranger = device(&gateway, "a840411111111111", |_| true).await;
    assert_eq!((&stranger["states"][0], &stranger["known"]), (&"unknown".into(), &false.into()));
    device(&gateway, "0101010101010101", |one| one["unreadable"] == 1).await;
    let kept = gateway.store(&["list", "--quarantine"]);
    assert!(kept.contains("no `object`, and the model is not known"), "{kept}");
    // A battery at 5 % in a frame of a day later.
    play("chirpstack.py", broker.port, &["raw", "24e124535b123456", "017505"]);
    receiver.wait("the battery", |data| data["kind"] == "device-battery").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_on_wifi_and_a_plug_that_is_pulled() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = radio(&broker, &receiver).button("sos-kitchen").set("model", "tasmota");
    let gateway = Gateway::start(&site).await;
    connected(&gateway).await;
    play("wifi.py", broker.port, &["story"]);
    let expected =
        ["device-silent sos-kitchen", "emergency-button door-node", "emergency-button sos-kitchen"];
    assert_eq!(incidents(&receiver, 3).await, expected, "the last will is the word of its silence");
    device(&gateway, "door-node", |one| one["battery"] == 76).await;
}

#[test]
fn a_list_with_mistakes_is_told_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let list = "\
id,name,device,model,lon,lat,contact,cameras,silent_after_s
b1,甲,AA01,ws101,113.9,30.9,138,,
b2,乙,,ws110,113.9,30.9,,,
b3,丙,aa01,,,,,,
b4,丁,,,400,30.9,,,
b5,戊,,,,,,gate,
b6,己,,,,,,,0
b1,庚,,,,,,,
,辛,,,,,,,
";
    std::fs::write(folder.path().join("buttons.csv"), list).unwrap();
    let text = r#"[site]
id = "x"
buttons = "buttons.csv"
[devices]
battery_low_percent = 120
[[devices.test]]
from = "2026-07-01T09:00:00+08:00"
until = "2026-07-03T09:00:00+08:00"
[[device_model]]
id = "m"
topic = "a/b+/c"
action = "type"
[[sink]]
id = "s"
kind = "webhook"
url = "http://h/"
body = '{"a":{titel}}'
[[sink]]
id = "t"
kind = "answer"
broker = "http://h"
"#;
    let parts = [
        "buttons.csv:3: error: model: no model is called `ws110`",
        "(did you mean `ws101`?)",
        "buttons.csv:4: error: device: `aa01` is also how `b1` names itself",
        "buttons.csv:5: error: place: [400, 30.9] is not on earth",
        "buttons.csv:6: error: cameras: no camera is called `gate`",
        "buttons.csv:7: error: silent_after_s: 0 would be silent at once",
        "buttons.csv:8: error: id: `b1` is used twice",
        "buttons.csv:9: error: id is empty",
        "gridpost.toml:5: error: devices.battery_low_percent: 120: expected 0 to 95 percent",
        "error: devices.test: window 1: `until` must come after `from`, and at most 12 hours",
        "gridpost.toml:11: error: device_model[1].topic: `a/b+/c`: expected an MQTT filter",
        "gridpost.toml:12: error: device_model[1].action: `type`: expected a JSON pointer",
        "gridpost.toml:17: error: sink[1].body: {titel} is not known",
        "error: sink[2].broker: begin with mqtt://",
        "error: sink[2].say: says nothing",
    ];
    check_in(folder.path(), text).must_say(2, parts);
}

/// A reload changes who is known and how messages are read, and touches no connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_knows_the_new_button_and_keeps_the_brokers_connection() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = radio(&broker, &receiver);
    let gateway = Gateway::start(&site).await;
    connected(&gateway).await;
    play("zigbee2mqtt.py", broker.port, &["press", "门卫室"]);
    let press = receiver.wait("the stranger", |data| data["sources"][0]["id"] == "门卫室").await;
    assert_eq!(press["data"]["sources"][0]["kind"], "unknown");
    let named = site.button("btn-0715").set("device", "门卫室").set("name", "小学门卫室");
    let told = gateway.reload_to(&named).await;
    assert_eq!(told["difference"].as_array().unwrap().len(), 1, "{told}");
    play("zigbee2mqtt.py", broker.port, &["press", "门卫室"]);
    let press =
        receiver.wait("by its new name", |data| data["sources"][0]["id"] == "btn-0715").await;
    assert!(press["data"]["title"]["zh"].as_str().unwrap().starts_with("小学门卫室"));
    assert!(!gateway.log().contains("no connection"), "{}", gateway.log());
    let states: BTreeMap<String, Value> = receiver.state();
    assert_eq!(states.len(), 2, "{states:#?}");
}

/// A camera ten metres from the button, played from a clip.
#[test]
fn the_clip_of_that_minute_goes_with_the_press_where_the_site_allows_it() {
    let site = Site::demo()
        .set("pictures_with_presses", true)
        .set("pictures_within_m", 30)
        .camera("square", "rtsp://192.0.2.1/never-opened")
        .set("place", [113.9131, 30.9223])
        .set("pre_roll_s", 2)
        .button("near")
        .set("place", [113.9132, 30.9223])
        .button("far")
        .set("place", [113.9190, 30.9223]);
    let press = |second: u32, id: &str| {
        let payload = json!({"device": id, "event": "press", "id": "1"});
        let at = format!("2026-07-01T10:00:{second:02}+08:00");
        format!("{}\n", json!({"at": at, "via": "mqtt", "topic": "x", "payload": payload}))
    };
    let signals = [press(0, "far"), press(6, "near"), press(7, "far")].concat();
    let played = Replay::of(&site).camera("square", &street("h264")).signals(&signals).run();
    let clips = |id: &str| {
        let of = played.of("emergency-button").into_iter();
        let of = of.filter(|data| is_of(data, "emergency-button", id));
        of.flat_map(|data| data["evidence"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    let clip = &clips("near")[0];
    assert_eq!(clip["media_type"], "video/mp4", "{clip}");
    assert!(
        clip["starts_at"].as_str().unwrap() < "2026-07-01T10:00:06",
        "it begins before the press: {clip}"
    );
    assert!(clip["ends_at"].as_str().unwrap() > "2026-07-01T10:00:20", "{clip}");
    assert!(clips("far").is_empty(), "500 m away");
}
