//! Golden messages of every dialect, as the devices send them, and broken ones.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::domain::{DeviceReport, Press, PressForm};

pub(super) fn now() -> Now {
    Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 }
}

pub(super) fn codecs() -> Codecs {
    let listed = |id: &str, device: Option<&str>, model: Option<&str>| Listed {
        id: id.into(),
        device: device.map(Into::into),
        user: None,
        model: model.map(Into::into),
    };
    let mapping = ModelConfig {
        id: "acme".into(),
        topic: Some("factory/+/up".into()),
        action: Some("/data/type".into()),
        press: vec!["1".into()],
        cancel: vec!["2".into()],
        event_id: Some("/n".into()),
        at: Some("/ts".into()),
        battery: Some("/bat".into()),
        ..ModelConfig::default()
    };
    let by_field = ModelConfig {
        id: "plain".into(),
        topic: Some("alarm".into()),
        device: Some("/sn".into()),
        ..ModelConfig::default()
    };
    Codecs::new(
        &"s".into(),
        &[
            listed("wang", Some("24E124535B123456"), Some("ws101")),
            listed("li", Some("a840411111111111"), Some("pb01")),
            listed("zhao", Some("2号楼/302"), None),
            listed("remote", Some("lamp remote"), Some("remote")),
            listed("chen", Some("door-node/bell"), None),
        ],
        &[
            mapping,
            by_field,
            ModelConfig { id: "remote".into(), ignore: vec!["*".into()], ..ModelConfig::default() },
        ],
    )
}

/// One line an observation.
pub(super) fn told(topic: &str, payload: &[u8], retained: bool) -> String {
    let message = Message { topic, payload, retained, via: "b" };
    let lines = codecs().decode(&message, now()).into_iter().map(|observation| {
        let source = &observation.source;
        match observation.body {
            Body::Press(Press { form: PressForm::Unreadable { .. }, .. }) => {
                format!("{source} press that nobody can read")
            }
            Body::Press(Press { id, at, battery, retained, form, doubts, .. }) => {
                let id = id.unwrap_or_else(|| "-".into());
                let at = at.map_or("-".into(), |at| at.to_string());
                format!(
                    "{source} press {id} {at} {battery:?}{}{}{}",
                    if retained { " retained" } else { "" },
                    if form == PressForm::Level { " level" } else { "" },
                    if doubts.is_empty() { String::new() } else { format!(" doubts {doubts:?}") }
                )
            }
            Body::Device(DeviceReport {
                word,
                battery,
                battery_low,
                tampered,
                link,
                model,
                through,
                calling,
                unknown,
                kept,
                ..
            }) => {
                let mut line = format!("{source} {word:?}");
                let mut add = |name: &str, value: Option<String>| {
                    if let Some(value) = value {
                        line += &format!(" {name}={value}");
                    }
                };
                add("battery", battery.map(|v| v.to_string()));
                add("low", battery_low.map(|v| v.to_string()));
                add("tampered", tampered.map(|v| v.to_string()));
                add("link", link.map(|v| v.to_string()));
                add("model", model);
                add("through", through.map(|v| v.to_string()));
                add("calling", calling.map(|v| v.to_string()));
                add("unknown", (!unknown.is_empty()).then(|| format!("{unknown:?}")));
                add("kept", kept.map(|_| "yes".to_owned()));
                line
            }
            Body::Unreadable(bad) => format!("{source} unreadable: {}", bad.reason),
            other => format!("{other:?}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn check(table: &[(&str, &str, &str)]) {
    for (topic, payload, expected) in table {
        assert_eq!(told(topic, payload.as_bytes(), false), *expected, "{topic} {payload}");
    }
}

#[test]
fn zigbee2mqtt_as_it_speaks() {
    check(&[
        (
            "zigbee2mqtt/b1",
            r#"{"action":"emergency","battery":100,"linkquality":131,"voltage":3000}"#,
            "b1 Alive battery=100 link=51 through=zigbee2mqtt\nb1 press - - Some(100)",
        ),
        (
            "zigbee2mqtt/2号楼/302",
            r#"{"action":"single","battery":90,"linkquality":87,"last_seen":"2026-07-01T03:00:01+00:00"}"#,
            "zhao Alive battery=90 link=34 through=zigbee2mqtt\nzhao press - 2026-07-01T03:00:01Z Some(90)",
        ),
        (
            "zigbee2mqtt/b2",
            r#"{"sos":true,"tamper":false,"battery_low":false,"battery":90,"linkquality":87}"#,
            "b2 Alive battery=90 low=false tampered=false link=34 through=zigbee2mqtt\nb2 press - - Some(90) level",
        ),
        (
            "zigbee2mqtt/b2",
            r#"{"sos":false,"tamper":true,"battery_low":true,"battery":9}"#,
            "b2 Alive battery=9 low=true tampered=true through=zigbee2mqtt calling=false",
        ),
        // What follows a press in Zigbee2MQTT 1.x, and what only reports the battery.
        (
            "zigbee2mqtt/b1",
            r#"{"action":"","battery":100}"#,
            "b1 Alive battery=100 through=zigbee2mqtt",
        ),
        ("zigbee2mqtt/b1", r#"{"action":null}"#, "b1 Alive through=zigbee2mqtt"),
        ("zigbee2mqtt/b1/action", "2_single", "b1 Alive through=zigbee2mqtt\nb1 press - - None"),
        (
            "zigbee2mqtt/lamp remote",
            r#"{"action":"single"}"#,
            "remote Alive model=remote through=zigbee2mqtt",
        ),
        ("zigbee2mqtt/b1/availability", "offline", "b1 Offline through=zigbee2mqtt"),
        (
            "zigbee2mqtt/2号楼/302/availability",
            r#"{"state":"online"}"#,
            "zhao Online through=zigbee2mqtt",
        ),
        ("zigbee2mqtt/bridge/state", r#"{"state":"offline"}"#, "zigbee2mqtt Offline"),
        ("zigbee2mqtt/bridge/devices", "[]", "zigbee2mqtt Alive"),
        (
            "zigbee2mqtt/b1/availability",
            "perhaps",
            "b unreadable: expected `online`, `offline` or {\"state\":\"online\"}",
        ),
        (
            "zigbee2mqtt/b1",
            "[]",
            "b unreadable: expected a JSON object Zigbee2MQTT's state, {\"action\":\"…\",\"battery\":…,\"linkquality\":…}",
        ),
        // Impossible side values cost nothing but themselves.
        (
            "zigbee2mqtt/b1",
            r#"{"action":"emergency","battery":-3,"linkquality":9999,"last_seen":"1970-01-01T00:00:00Z"}"#,
            "b1 Alive through=zigbee2mqtt\nb1 press - 1970-01-01T00:00:00Z None doubts [\"battery -3\", \"linkquality 9999\"]",
        ),
    ]);
    let old = told("zigbee2mqtt/b1", br#"{"action":"emergency"}"#, true);
    assert!(old.ends_with("b1 press - - None retained"), "{old}");
}

const UP: &str = r#"{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2026-07-01T02:59:59.775023242+00:00","deviceInfo":{"applicationId":"17c82e96","deviceProfileName":"PROFILE","deviceName":"n","devEui":"24e124535b123456","tags":{"key":"value"}},"devAddr":"00189440","dr":1,"fPort":PORT,MORE"rxInfo":[{"gatewayId":"0016c001f153a14c","rssi":-36,"snr":10.5},{"gatewayId":"x","rssi":-100}]}"#;

pub(super) fn up(profile: &str, port: u8, more: &str) -> String {
    UP.replace("PROFILE", profile).replace("PORT", &port.to_string()).replace("MORE", more)
}

#[test]
fn chirpstack_as_it_speaks() {
    let topic = "application/17c82e96/device/24e124535b123456/event/up";
    let press = "press 3ac7e3c4-4401-4b8d-9386-a5c902f9202d 2026-07-01T02:59:59.775023242Z";
    // Raw, the model from the list of devices; decoded, with the random msgid that is no id.
    let raw = up("p", 85, r#""data":"AXUQ/y4B","#);
    let expected = format!("wang Alive battery=16 link=100 model=ws101\nwang {press} Some(16)");
    assert_eq!(told(topic, raw.as_bytes(), false), expected);
    let object = up(
        "p",
        85,
        r#""object":{"battery":16,"button_event":{"status":"short press","msgid":123456}},"#,
    );
    assert_eq!(told(topic, object.as_bytes(), false), expected);
    let heartbeat = up("p", 85, r#""data":"AXVk","#);
    assert_eq!(
        told(topic, heartbeat.as_bytes(), false),
        "wang Alive battery=100 link=100 model=ws101"
    );
    // Not listed: the model from the name of its profile.
    let other = topic.replace("24e124535b123456", "0101010101010101");
    let profiled = up("Milesight WS101-SOS", 85, r#""data":"AXUQ/y4B","#);
    let expected = format!(
        "0101010101010101 Alive battery=16 link=100 model=ws101\n0101010101010101 {press} Some(16)"
    );
    assert_eq!(told(&other, profiled.as_bytes(), false), expected);
    // Nobody knows how to read it: it lives, and its bytes are kept.
    let strange = told(&other, up("Test device-profile", 1, r#""data":"qg==","#).as_bytes(), false);
    assert!(
        strange.starts_with(
            "0101010101010101 Alive link=100\n0101010101010101 unreadable: no `object`"
        ),
        "{strange}"
    );
    let dragino = up(
        "p",
        2,
        r#""object":{"BatV":3.0,"Sound_key":"CLOSE","Alarm":"TRUE","TempC_SHT41":25.1},"#,
    );
    let li = topic.replace("24e124535b123456", "A840411111111111");
    assert_eq!(
        told(&li, dragino.as_bytes(), false),
        format!("li Alive link=100 model=pb01\nli {press} None")
    );
    let calm = dragino.replace("TRUE", "FALSE");
    assert_eq!(told(&li, calm.as_bytes(), false), "li Alive link=100 model=pb01");
    check(&[
        (
            "application/1/device/24e124535b123456/event/status",
            r#"{"deviceInfo":{"devEui":"24e124535b123456"},"margin":10,"batteryLevel":88.3}"#,
            "wang Alive battery=88 link=33 model=ws101",
        ),
        (
            "application/1/device/24e124535b123456/event/join",
            r#"{"devAddr":"x"}"#,
            "wang Alive model=ws101",
        ),
        (
            "application/1/device/24e124535b123456/event/up",
            "{\"data\":",
            "wang unreadable: not JSON (EOF while parsing a value at line 1 column 8); expected ChirpStack's JSON event, {\"deviceInfo\":{…},\"object\":{…},…}\nwang press that nobody can read",
        ),
        (
            "application/1/device/24e124535b123456/event/up",
            r#"{"data":"%%"}"#,
            "wang Alive model=ws101\nwang unreadable: data: no base64 (Invalid symbol 37, offset 0.)\nwang press that nobody can read",
        ),
        (
            "application/1/device/24e124535b123456/event/up",
            r#"{"data":7,"rxInfo":"x","object":[],"deduplicationId":{}}"#,
            "wang Alive model=ws101",
        ),
    ]);
}

#[test]
fn tasmota_and_esphome_as_they_speak() {
    check(&[
        (
            "stat/sos1/RESULT",
            r#"{"Button1":{"Action":"SINGLE"}}"#,
            "sos1 Alive model=tasmota\nsos1 press - - None",
        ),
        (
            "stat/sos1/RESULT",
            r#"{"ACTION":"HOLD"}"#,
            "sos1 Alive model=tasmota\nsos1 press - - None",
        ),
        ("stat/sos1/RESULT", r#"{"POWER":"ON"}"#, "sos1 Alive model=tasmota"),
        (
            "stat/sos1/RESULT",
            r#"{"Switch1":{"Action":"OFF"}}"#,
            "sos1 Alive model=tasmota calling=false",
        ),
        (
            "stat/sos1/RESULT",
            r#"{"Switch1":{"Action":"ON"}}"#,
            "sos1 Alive model=tasmota calling=true\nsos1 press - - None",
        ),
        ("tele/sos1/LWT", "Offline", "sos1 Offline model=tasmota"),
        (
            "tele/sos1/STATE",
            r#"{"Wifi":{"RSSI":60,"Signal":-70}}"#,
            "sos1 Alive link=60 model=tasmota",
        ),
        ("node/status", "online", "node Online model=esphome"),
        (
            "node/binary_sensor/sos_button/state",
            "ON",
            "node Alive model=esphome\nnode press - - None",
        ),
        ("node/binary_sensor/sos_button/state", "OFF", "node Alive model=esphome calling=false"),
        ("node/binary_sensor/motion/state", "ON", "node Alive model=esphome"),
        (
            "door-node/binary_sensor/bell/state",
            "ON",
            "chen Alive model=esphome\nchen press - - None",
        ),
        ("node/sensor/battery_level/state", "57.5", "node Alive battery=57 model=esphome"),
        (
            "node/binary_sensor/sos_button/state",
            "on?",
            "node unreadable: expected ON or OFF\nnode press that nobody can read",
        ),
    ]);
}

#[test]
fn anything_else_by_a_mapping() {
    check(&[
        (
            "factory/x1/up",
            r#"{"data":{"type":1},"n":7,"ts":1782874800,"bat":"55%"}"#,
            "x1 Alive battery=55 model=acme\nx1 press 7 2026-07-01T03:00:00Z Some(55)",
        ),
        ("factory/x1/up", r#"{"data":{"type":2}}"#, "x1 Cancel model=acme"),
        (
            "factory/x1/up",
            r#"{"data":{"type":3}}"#,
            r#"x1 Alive model=acme unknown=["/data/type \"3\""] kept=yes"#,
        ),
        ("factory/x1/up", r#"{"data":7}"#, "x1 Alive model=acme"),
        ("alarm", r#"{"sn":"q9"}"#, "q9 Alive model=plain\nq9 press - - None"),
        (
            "alarm",
            r#"{}"#,
            r#"alarm Alive model=plain
alarm press - - None doubts ["/sn does not name the device"]"#,
        ),
    ]);
}

#[test]
fn native_words() {
    check(&[
        ("x", r#"{"device":"n","event":"press","test":true}"#, "n Test"),
        ("x", r#"{"device":"n","event":"test"}"#, "n Test"),
        ("x", r#"{"device":"n","event":"cancel"}"#, "n Cancel"),
        (
            "x",
            r#"{"device":"n","event":"heartbeat","battery":80,"link":70}"#,
            "n Alive battery=80 link=70",
        ),
        ("x", r#"{"device":"n","event":"tamper"}"#, "n Alive tampered=true"),
        (
            "x",
            r#"{"device":"n","event":"press","tamper":true}"#,
            "n Alive tampered=true\nn press - - None",
        ),
        ("x", r#"{"device":"n","event":"press","battery":80}"#, "n press - - Some(80)"),
    ]);
}

#[test]
fn a_reply_behind_a_byte_order_mark_is_one() {
    let reply = r#"{"incident":"01900000-0000-7000-8000-000000000001","to":"accepted","by":"li"}"#;
    for before in ["", "\u{feff}"] {
        let said = told("gridpost/s/reply", format!("{before}{reply}").as_bytes(), false);
        assert!(said.starts_with("Reply("), "{said}");
    }
}

/// Whatever comes, on whatever topic, is an observation and no panic, and never an empty answer.
#[test]
fn no_bytes_on_any_topic_panic() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let whole = up("ws101", 85, r#""data":"AXUQ/y4B","object":{"battery":16},"#);
    let topics = [
        "zigbee2mqtt/b1",
        "zigbee2mqtt/b1/availability",
        "application/1/device/e/event/up",
        "stat/d/RESULT",
        "n/binary_sensor/sos/state",
        "factory/x/up",
        "alarm",
        "x",
        "",
        "/",
        "zigbee2mqtt/",
        "gridpost/s/reply",
    ];
    let codecs = codecs();
    for _ in 0..4_000 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..random.random_range(0..6) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        bytes.truncate(random.random_range(0..=bytes.len()));
        let topic = topics[random.random_range(0..topics.len())];
        let message = Message { topic, payload: &bytes, retained: false, via: "v" };
        assert!(!codecs.decode(&message, now()).is_empty(), "{topic}");
    }
}
