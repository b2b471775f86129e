//! Messages as public reports of bugs show them: what is a press of whom, and what is told.

use serde_json::json;

use super::*;

fn listed(id: &str, device: &str, model: &str) -> Listed {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Listed { id: id.into(), device: some(device), model: some(model), user: None }
}

fn codecs() -> Codecs {
    let buttons = [
        listed("b1", "", ""),
        listed("007", "", ""),
        listed("z", "2楼/门卫室", ""),
        listed("ws", "24e124535b123456", "ws101"),
        listed("lora", "70b3d57ed0000009", ""),
        listed("ttn", "eui-1", ""),
        listed("tas", "tas1", ""),
        listed("i4", "shellyplusi4-aabb", ""),
        listed("blu", "7c:c6:b6:00:00:01", ""),
        listed("sos", "lobby/sos", ""),
        listed("plain", "", ""),
    ];
    let factory = ModelConfig {
        id: "factory".into(),
        topic: Some("factory/+/up".into()),
        device: Some("/sn".into()),
        action: Some("/type".into()),
        press: vec!["1".into()],
        event_id: Some("/seq".into()),
        ..ModelConfig::default()
    };
    Codecs::new(&"s".into(), &buttons, &[factory]).with_gauges(&[listed("roof", "", "")])
}

/// `b1` for a press, `b1?` for what may be one, `b1!` for what is told, `b1-` for what cannot be read.
fn read(topic: &str, payload: &str) -> String {
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
    let message = Message { topic, payload: payload.as_bytes(), retained: false, via: "intake" };
    let words = codecs().decode(&message, now).into_iter().map(|one| {
        let source = one.source;
        match one.body {
            Body::Press(press) if matches!(press.form, PressForm::Unreadable { .. }) => {
                format!("{source}?")
            }
            Body::Press(press) => {
                format!("{source}{}", press.id.map(|id| format!("#{id}")).unwrap_or_default())
            }
            Body::Device(report) if !report.unknown.is_empty() => format!("{source}!"),
            Body::Device(report) if report.calling == Some(true) => format!("{source}~"),
            Body::Unreadable(_) => format!("{source}-"),
            Body::Gauge(report) => format!("{source}={}", report.readings.len()),
            _ => String::new(),
        }
    });
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn check(table: &[(&str, &str, &str)]) {
    for (topic, payload, expected) in table {
        assert_eq!(read(topic, payload), *expected, "{topic} {payload}");
    }
}

#[test]
fn several_documents_in_one_message_are_read_one_by_one() {
    let b1 = "gridpost/s/button/b1";
    check(&[
        (b1, r#"[{"event":"press","id":"1"},{"event":"press","id":"2"}]"#, "b1#1 b1#2"),
        (b1, r#"[{"event":"press","id":"1"}]"#, "b1#1"),
        (b1, "{\"event\":\"press\",\"id\":1}\r\n{\"event\":\"press\",\"id\":2}\r\n", "b1#1 b1#2"),
        (b1, r#"{"event":"press","id":1}{"event":"press","id":2}"#, "b1#1 b1#2"),
        // Each is of who it says.
        (
            "x",
            r#"[{"device":"b1","event":"heartbeat"},{"device":"plain","event":"press"}]"#,
            "plain",
        ),
        (
            "factory/7/up",
            r#"[{"sn":"b1","type":1,"seq":4},{"sn":"plain","type":"1"}]"#,
            "b1#4 plain",
        ),
        ("gridpost/s/gauge/roof", "{\"total_mm\":1}\n{\"total_mm\":2}", "roof=1 roof=1"),
        // One that cannot be read beside one that can costs itself.
        (b1, r#"[{"event":"press","id":"1"},{}]"#, "b1#1 b1!"),
        // Nothing of it can be read: told once.
        (b1, "[]", "b1- b1?"),
        (b1, "[1,{}]", "b1- b1?"),
    ]);
    // Past the bound it is no message of a device.
    let many = format!("[{}]", vec![r#"{"event":"press"}"#; 65].join(","));
    assert_eq!(read(b1, &many), "b1- b1?");
    let most = format!("[{}]", vec![r#"{"event":"press"}"#; 64].join(","));
    assert_eq!(read(b1, &most).split(' ').count(), 64);
}

#[test]
fn json_within_a_text_is_read() {
    let twice = json!(json!({"event": "press", "id": "7"}).to_string()).to_string();
    assert_eq!(read("gridpost/s/button/b1", &twice), "b1#7");
    let twice = json!(json!({"action": "single"}).to_string()).to_string();
    assert_eq!(read("zigbee2mqtt/2楼/门卫室", &twice), "z");
    let inner = json!({"payload": json!({"event": "press"}).to_string()}).to_string();
    assert_eq!(read("gridpost/s/button/b1", &inner), "b1");
}

#[test]
fn an_id_that_tells_no_presses_apart_is_none() {
    let press = |id: &str| read("x/b1", &format!(r#"{{"event":"press","id":{id}}}"#));
    for id in
        ["0", "\"0\"", "\"000\"", "\"b1\"", "\"B1\"", "\"null\"", "1e30", "12345678901234567890123"]
    {
        assert_eq!(press(id), "b1", "{id}");
    }
    assert_eq!(press("1"), "b1#1");
    assert_eq!(press("-1"), "b1#-1");
    assert_eq!(press("18446744073709551615"), "b1#18446744073709551615");
    // Long ones that differ at the end stay apart.
    let long = |end: char| press(&format!("\"{}{end}\"", "x".repeat(300)));
    assert_ne!(long('a'), long('b'));
    assert_eq!(press(&format!("\"{}\"", "x".repeat(128))), format!("b1#{}", "x".repeat(128)));
}

#[test]
fn whose_a_press_is_does_not_hang_on_a_slash() {
    check(&[
        ("gridpost/s/button/b1/", "press", "b1"),
        ("gridpost/s/button//b1", "press", "b1"),
        ("gridpost/s/button/b1/event", "press", "b1"),
        ("gridpost/s/button/new", "press", "new"),
        ("gridpost/s/button/", "press", "intake"),
        ("gridpost/s/button", r#"{"event":"press"}"#, "intake"),
        ("zigbee2mqtt//2楼/门卫室/", r#"{"action":"single"}"#, "z"),
        ("plain/x/y", r#"{"button":"pressed"}"#, "plain"),
        ("home/x/AABB", r#"{"id":"plain","button":1}"#, "plain"),
        ("gridpost/s/button/007", r#"{"event":"press","device":7}"#, "007"),
        ("gridpost/s/gauge/roof/", r#"{"total_mm":1}"#, "roof=1"),
        ("homeassistant/binary_sensor/plain/state", "ON", "plain"),
        ("esphome/lobby/binary_sensor/sos/state", "ON", "sos"),
    ]);
}

#[test]
fn no_press_of_a_listed_button_hides_under_a_key_of_its_decoder() {
    let lora = |object: &str| {
        read("application/1/device/70b3d57ed0000009/event/up", &format!(r#"{{"object":{object}}}"#))
    };
    for object in [
        r#"{"alarm":{"value":1}}"#,
        r#"{"data":{"alarm":true}}"#,
        r#"{"sos_event":1}"#,
        r#"{"buttonPressed":true}"#,
        r#"{"mydevice":{"button":"pressed"}}"#,
        r#"{"Button_1":1.0}"#,
        r#"{"alarmStatus":"ALARM"}"#,
        r#"{"报警":true}"#,
    ] {
        assert_eq!(lora(object), "lora", "{object}");
    }
    for object in [
        "{}",
        r#"{"battery":80,"temperature":21}"#,
        r#"{"alarm_count":1,"button_mode":1,"sos_battery":1}"#,
        r#"{"sos_event":0,"buttonPressed":false,"alarmStatus":"normal","call":null}"#,
    ] {
        assert_eq!(lora(object), "", "{object}");
    }
    assert_eq!(lora(r#"{"button_state":7}"#), "lora!");
    // As the maker's decoders of the WS101 say it.
    for object in [r#"{"press":"short"}"#, r#"{"press":"unknown"}"#, r#"{"button":2}"#] {
        let text = format!(r#"{{"object":{object}}}"#);
        assert_eq!(read("application/1/device/24e124535b123456/event/up", &text), "ws", "{object}");
    }
    check(&[
        ("x/b1", r#"{"type":"press"}"#, "b1"),
        ("x/b1", r#"{"cmd":"alarm"}"#, "b1"),
        ("x/b1", r#"{"Button1":{"Action":"SINGLE"}}"#, "b1"),
        ("x/b1", r#"{"type":"report","temp":1}"#, "b1!"),
        ("x/stranger", r#"{"type":"press"}"#, "intake-"),
    ]);
}

#[test]
fn words_of_tasmota_shelly_and_esphome_that_were_passed_over() {
    let rpc =
        |event: &str| format!(r#"{{"method":"NotifyEvent","params":{{"events":[{event}]}}}}"#);
    let i4 = "shellyplusi4-aabb/events/rpc";
    check(&[
        ("stat/tas1/SWITCH1", r#"{"STATE":"ON"}"#, "tas~ tas"),
        ("stat/tas1/sos", "pressed", "tas"),
        ("stat/tas1/LOGGING", "12:00 MQT: ok", ""),
        ("stat/tas1/STATUS8", r#"{"StatusSNS":{"Switch1":"ON"}}"#, ""),
        (i4, &rpc(r#"{"component":"input:0","event":"config_changed"}"#), ""),
        (i4, &rpc(r#"{"component":"script:1","event":"shelly-blu","data":{"button":1}}"#), "i4"),
        (i4, &rpc(r#"{"component":"script:1","event":"shelly-blu","data":{"button":0}}"#), ""),
        (
            i4,
            &rpc(r#"{"component":"script:1","data":{"button":254,"address":"7C:C6:B6:00:00:01"}}"#),
            "blu",
        ),
        (i4, r#"{"method":"NotifyStatus","params":{"input:0":{"state":true}}}"#, "i4"),
        (i4, r#"{"method":"NotifyStatus","params":{"input:0":{"state":null}}}"#, ""),
        ("shellyplusi4-aabb/status/input:0", r#"{"state":true}"#, "i4"),
        ("shellyplusi4-aabb/status/sys", r#"{"uptime":1}"#, ""),
        ("shellyplusi4-aabb/debug/log", "x", ""),
        ("lobby/binary_sensor/sos/state", "unknown", ""),
        ("lobby/text_sensor/sos/state", "pressed", "sos"),
    ]);
}

#[test]
fn what_only_keeps_a_link_calls_nobody() {
    check(&[
        // Nothing at all clears a retained message: told, and no call.
        ("gridpost/s/button/b1", "", "b1-"),
        ("zigbee2mqtt/2楼/门卫室", "", "z-"),
        ("stat/tas1/RESULT", "null", "tas-"),
        // Between device and network.
        ("application/1/device/70b3d57ed0000009/event/up", r#"{"fPort":2,"data":""}"#, ""),
        ("application/1/device/70b3d57ed0000009/event/up", r#"{"fPort":0,"data":"AQ=="}"#, ""),
        (
            "application/1/device/70b3d57ed0000009/event/up",
            r#"{"fPort":2,"data":"AQ=="}"#,
            "lora- lora?",
        ),
        ("v3/a@t/devices/eui-1/up", r#"{"uplink_message":{"f_port":0,"frm_payload":"AQ=="}}"#, ""),
        ("homeassistant/device_automation/0x1/plain/config", "{", "plain-"),
    ]);
}
