//! Buttons of every make over a real mosquitto, each played by its script, and what the gateway makes of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::{Broker, Gateway, Receiver, gridpost, play, wait_for};

const TOPICS: &str = r#"["zigbee2mqtt/#", "application/+/device/+/event/+", "stat/+/RESULT", "tele/+/+", "+/status", "+/binary_sensor/+/state", "+/sensor/+/state", "factory/+/up"]"#;

fn config(broker: &Broker, receiver: &Receiver, more: &str) -> String {
    format!(
        "[site]\nid = \"demo\"\nplace = [113.9131, 30.9223]\n\n[[mqtt]]\nid = \"radio\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = {TOPICS}\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n{more}",
        broker.port, receiver.url
    )
}

/// The gateway has subscribed: its word that the broker is there comes before.
async fn connected(gateway: &Gateway) {
    wait_for("the broker's connection", || async {
        (gateway.metric("gridpost_signals_accepted_total").await >= 1.0).then_some(())
    })
    .await;
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
async fn settled(gateway: &Gateway, receiver: &Receiver, mark: &str, port: u16) {
    let press = format!(r#"{{"data":{{"type":1}},"sn":"{mark}"}}"#);
    crate::world::publish(port, &format!("factory/{mark}/up"), &press);
    receiver.wait("the mark", |data| data["sources"][0]["id"] == mark).await;
    let _ = gateway;
}

const MARK: &str = "\n[[device_model]]\nid = \"mark\"\ntopic = \"factory/+/up\"\naction = \"/data/type\"\npress = [\"1\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn zigbee2mqtt_with_its_retained_words_and_repetitions_over_a_restart() {
    let broker = Broker::start().await;
    play("zigbee2mqtt.py", broker.port, &["retained"]);
    let receiver = Receiver::start().await;
    let listed: String = (301..=306)
        .map(|n| {
            format!("\n[[button]]\nid = \"b-{n}\"\nname = \"老人 {n}\"\ncontact = \"138-{n}\"\n")
        })
        .collect();
    let more = format!(
        "{listed}\n[[button]]\nid = \"lamp\"\nmodel = \"remote\"\n\n[[device_model]]\nid = \"remote\"\nignore = [\"*\"]\n{MARK}"
    );
    let gateway = Gateway::start(&config(&broker, &receiver, &more)).await;
    connected(&gateway).await;
    play("zigbee2mqtt.py", broker.port, &["story"]);
    settled(&gateway, &receiver, "mark-1", broker.port).await;
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
    let gateway = Gateway::start_in(folder, &config(&broker, &receiver, &more), &[]).await;
    settled(&gateway, &receiver, "mark-2", broker.port).await;
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
    let more = format!(
        "\n[[button]]\nid = \"wang\"\nname = \"王奶奶\"\ndevice = \"24E124535B123456\"\nmodel = \"ws101\"\naddress = \"和平里 3 栋 101\"\n{MARK}"
    );
    let gateway = Gateway::start(&config(&broker, &receiver, &more)).await;
    connected(&gateway).await;
    play("chirpstack.py", broker.port, &["story"]);
    settled(&gateway, &receiver, "mark-1", broker.port).await;
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
    let data = gateway.data().display().to_string();
    let kept = gridpost(&["store", "list", "--data", &data, "--quarantine"]);
    assert!(kept.stdout.contains("no `object`, and the model is not known"), "{}", kept.stdout);
    // A battery at 5 % in a frame of a day later.
    play("chirpstack.py", broker.port, &["raw", "24e124535b123456", "017505"]);
    receiver.wait("the battery", |data| data["kind"] == "device-battery").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_on_wifi_and_a_plug_that_is_pulled() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let more = "\n[[button]]\nid = \"sos-kitchen\"\nmodel = \"tasmota\"\n";
    let gateway = Gateway::start(&config(&broker, &receiver, more)).await;
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
    let list = "id,name,device,model,lon,lat,contact,cameras,silent_after_s\nb1,甲,AA01,ws101,113.9,30.9,138,,\nb2,乙,,ws110,113.9,30.9,,,\nb3,丙,aa01,,,,,,\nb4,丁,,,400,30.9,,,\nb5,戊,,,,,,gate,\nb6,己,,,,,,,0\nb1,庚,,,,,,,\n,辛,,,,,,,\n";
    std::fs::write(folder.path().join("buttons.csv"), list).unwrap();
    let config = folder.path().join("a.toml");
    let text = "[site]\nid = \"x\"\nbuttons = \"buttons.csv\"\n[devices]\nbattery_low_percent = 120\n[[devices.test]]\nfrom = \"2026-07-01T09:00:00+08:00\"\nuntil = \"2026-07-03T09:00:00+08:00\"\n[[device_model]]\nid = \"m\"\ntopic = \"a/b+/c\"\naction = \"type\"\n[[sink]]\nid = \"s\"\nkind = \"webhook\"\nurl = \"http://h/\"\nbody = '{\"a\":{titel}}'\n[[sink]]\nid = \"t\"\nkind = \"answer\"\nbroker = \"http://h\"\n";
    std::fs::write(&config, text).unwrap();
    let output = gridpost(&["check", "-c", &config.to_string_lossy()]);
    assert_eq!(output.code, 2);
    let mut missing = Vec::new();
    for said in [
        "buttons.csv:3: error: model: no model is called `ws110`",
        "(did you mean `ws101`?)",
        "buttons.csv:4: error: device: `aa01` is also how `b1` names itself",
        "buttons.csv:5: error: place: [400, 30.9] is not on earth",
        "buttons.csv:6: error: cameras: no camera is called `gate`",
        "buttons.csv:7: error: silent_after_s: 0 would be silent at once",
        "buttons.csv:8: error: id: `b1` is used twice",
        "buttons.csv:9: error: id is empty",
        "a.toml:5: error: devices.battery_low_percent: 120: expected 0 to 95 percent",
        "error: devices.test: window 1: `until` must come after `from`, and at most 12 hours",
        "a.toml:11: error: device_model[1].topic: `a/b+/c`: expected an MQTT filter",
        "a.toml:12: error: device_model[1].action: `type`: expected a JSON pointer",
        "a.toml:17: error: sink[1].body: {titel} is not known",
        "error: sink[2].broker: expected mqtt://",
        "error: sink[2].say: says nothing",
    ] {
        if !output.stdout.contains(said) {
            missing.push(said);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}\nnot in\n{}", output.stdout);
}

/// A reload changes who is known and how messages are read, and touches no connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_knows_the_new_button_and_keeps_the_brokers_connection() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&config(&broker, &receiver, MARK)).await;
    connected(&gateway).await;
    play("zigbee2mqtt.py", broker.port, &["press", "门卫室"]);
    let press = receiver.wait("the stranger", |data| data["sources"][0]["id"] == "门卫室").await;
    assert_eq!(press["data"]["sources"][0]["kind"], "unknown");
    let path = gateway.folder.path().join("gridpost.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!(
            "{text}\n[[button]]\nid = \"btn-0715\"\ndevice = \"门卫室\"\nname = \"小学门卫室\"\n"
        ),
    )
    .unwrap();
    let (status, told) = gateway.post("/api/v1/reload", &Value::Null).await;
    assert_eq!(status, 200, "{told}");
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
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = write(
        "a.toml",
        "[site]\nid = \"demo\"\npictures_with_presses = true\npictures_within_m = 30\n\n[[camera]]\nid = \"square\"\nurl = \"rtsp://192.0.2.1/never-opened\"\nplace = [113.9131, 30.9223]\npre_roll_s = 2\n\n[[button]]\nid = \"near\"\nplace = [113.9132, 30.9223]\n\n[[button]]\nid = \"far\"\nplace = [113.9190, 30.9223]\n",
    );
    let press = |second: u32, id: &str| {
        format!(
            "{{\"at\":\"2026-07-01T10:00:{second:02}+08:00\",\"via\":\"mqtt\",\"topic\":\"x\",\"payload\":{{\"device\":\"{id}\",\"event\":\"press\",\"id\":\"1\"}}}}\n"
        )
    };
    let lines = [press(0, "far"), press(6, "near"), press(7, "far")].concat();
    let signals = write("signals.jsonl", &lines);
    let camera = format!("square={}", crate::world::street("h264").display());
    let played = gridpost(&["replay", "-c", &config, "--camera", &camera, "--signals", &signals]);
    assert_eq!(played.code, 0, "{}", played.stderr);
    let events: Vec<Value> =
        played.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let clips = |id: &str| {
        let of = events.iter().filter(|event| event["data"]["sources"][0]["id"] == id);
        of.flat_map(|event| event["data"]["evidence"].as_array().unwrap().clone())
            .collect::<Vec<_>>()
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
