//! What the field really sends, beside what the pages say: a press is never lost to what stands beside it.

use super::{
    tests::{check, told, up},
    *,
};

const BUTTON: &str = "gridpost/s/button/btn-1";

/// Presses, and nothing that is to be told beside them.
const PLAIN: &[&str] = &[
    "{\"device\":\"btn-1\",\"event\":\"press\"}\0",
    "\u{feff}{\"device\":\"btn-1\",\"event\":\"press\"}",
    "\r\n {\"device\":\"btn-1\",\"event\":\"press\"} \0\0\r\n",
    "{\"device\":\"btn-1\",\"event\":\"press\",\"note\":\"a\tb\"}",
    r#"{"device":"btn-1","event":"press","battery":null,"at":null,"id":null,"link":""}"#,
    r#"{"device":"btn-1","event":"press","more":{"deep":[1,2,{"event":"x"}]}}"#,
    r#"{"EVENT":"PRESS"}"#,
    r#"{"Device":"btn-1","Event":" Press "}"#,
    r#"{"event":"pressed"}"#,
    r#"{"event":"single"}"#,
    r#"{"event":"求助"}"#,
    r#"{"event":"zap"}"#,
    r#"{"event":true}"#,
    r#"{"event":1.0}"#,
    r#"{"event":["press"]}"#,
    r#"{"event":{"type":"press","n":0}}"#,
    r#"{"data":{"event":"press"}}"#,
    r#"[{"event":"press"}]"#,
    r#"{"sos":true}"#,
    r#"{"sos":"true"}"#,
    r#"{"sos":1.0}"#,
    r#"{"action":"single"}"#,
    r#"{"event":"press","event":"press"}"#,
    r#"{"event":"","sos":1}"#,
    r#"{"event":null,"alarm":true}"#,
    r#"{"event":"status","sos":true}"#,
    r#"{"event":"heartbeat","alarm":"emergency"}"#,
    r#"{"event":null,"data":{"event":"press"}}"#,
    "press",
    "\"press\"",
    "PRESS\r\n",
    "1",
    "true",
    "ON",
    "SOS",
];

/// Each is a press of `btn-1`; what stands beside it costs itself alone.
#[test]
fn no_field_beside_it_costs_a_press() {
    for payload in PLAIN {
        let said = told(BUTTON, payload.as_bytes(), false);
        assert!(said.ends_with("btn-1 press - - None"), "{payload:?}: {said}");
    }
    let told_with_doubts: &[(&str, &str)] = &[
        (r#"{"event":"press","battery":NaN}"#, "- - None doubts [\"`NaN` is no value\"]"),
        (
            r#"{"event":"press","battery":nan,"id":"5",}"#,
            "5 - None doubts [\"`nan` is no value\", \"a comma before `}`\"]",
        ),
        (
            r#"{"event":"press","battery":Infinity,"link":-inf}"#,
            "- - None doubts [\"`Infinity` is no value\", \"`-inf` is no value\"]",
        ),
        (r#"{"event":"press","id":42.0,"battery":"87"}"#, "42 - Some(87)"),
        (r#"{"event":"press","battery":"n/a"}"#, "- - None doubts [\"battery \\\"n/a\\\"\"]"),
        (
            r#"{"event":"press","battery":[1],"link":{}}"#,
            "- - None doubts [\"battery [1]\", \"link {}\"]",
        ),
        (
            r#"{"event":"press","at":"2026-11-01 10:01:00"}"#,
            "- - None doubts [\"at \\\"2026-11-01 10:01:00\\\"\"]",
        ),
        (r#"{"event":"press","at":1782874800}"#, "- 2026-07-01T03:00:00Z None"),
        (r#"{"event":"press","at":"1782874800123"}"#, "- 2026-07-01T03:00:00.123Z None"),
        (r#"{"event":"press","at":77}"#, "- - None doubts [\"at 77\"]"),
        (
            r#"{"event":"press","event":"heartbeat","battery":087}"#,
            "- - Some(87) doubts [\"`087` is no value\", \"`event` is given twice\"]",
        ),
        (
            r#"{"event":"press","id":"1","id":"2"}"#,
            "- - None doubts [\"`id` is given twice\", \"id [\\\"1\\\",\\\"2\\\"]\"]",
        ),
        (r#"{"device":{},"event":"press"}"#, "- - None doubts [\"device {}\"]"),
        (
            r#"{"event":"press","silent_after_s":"soon","tamper":"ajar"}"#,
            "- - None doubts [\"tamper \\\"ajar\\\"\", \"silent_after_s \\\"soon\\\"\"]",
        ),
    ];
    for (payload, expected) in told_with_doubts {
        let said = told(BUTTON, payload.as_bytes(), false);
        assert_eq!(said.lines().last().unwrap(), format!("btn-1 press {expected}"), "{payload}");
    }
    assert!(
        told(BUTTON, b"{\"event\":\"press\",\"x\":\"\xff\"}", false).contains("press - - None")
    );
}

#[test]
fn what_is_no_press_is_none_and_what_nobody_knows_is_told() {
    let nothing = [
        r#"{"event":""}"#,
        r#"{"event":null}"#,
        r#"{"event":false}"#,
        r#"{"event":0}"#,
        r#"{"event":"0.0"}"#,
        r#"{"event":"OFF"}"#,
        r#"{"event":"sos_release"}"#,
        r#"{"event":"release"}"#,
        r#"{"event":"heartbeat"}"#,
        r#"{"event":"low_battery"}"#,
        r#"{"event":[]}"#,
        r#"{"event":"null"}"#,
        r#"{"sos":false}"#,
        "OFF",
        "0",
        "release",
    ];
    for payload in nothing {
        assert_eq!(told(BUTTON, payload.as_bytes(), false), "btn-1 Alive", "{payload}");
    }
    check(&[
        (
            BUTTON,
            r#"{"battery":80}"#,
            r#"btn-1 Alive battery=80 unknown=["`event` is missing"] kept=yes"#,
        ),
        (
            BUTTON,
            r#"{"event":"heartbeat","battery":"full"}"#,
            r#"btn-1 Alive unknown=["battery \"full\""]"#,
        ),
        (BUTTON, r#"{"event":"self-test"}"#, "btn-1 Test"),
        // Nobody's, on a topic of nobody.
        ("x", r#"{"device":"n","event":"zap"}"#, r#"b unreadable: event "zap": expected "press""#),
        ("x", r#"{"device":"n","event":"pressed"}"#, "n press - - None"),
        (
            "x",
            "press",
            "b unreadable: not JSON (expected value at line 1 column 1); expected {\"device\":\"…\",\"event\":\"press\",…}",
        ),
        (
            "zigbee2mqtt/cube",
            r#"{"action":"slide"}"#,
            r#"cube Alive through=zigbee2mqtt unknown=["action \"slide\""]"#,
        ),
        (
            "zigbee2mqtt/2号楼/302",
            r#"{"action":"slide"}"#,
            "zhao Alive through=zigbee2mqtt\nzhao press - - None",
        ),
        ("zigbee2mqtt/2号楼/302", r#"{"action":"sos_release"}"#, "zhao Alive through=zigbee2mqtt"),
        (
            "zigbee2mqtt/2号楼/302",
            r#"{"action":"single","battery":"n/a"}"#,
            "zhao Alive through=zigbee2mqtt\nzhao press - - None doubts [\"battery \\\"n/a\\\"\"]",
        ),
    ]);
}

/// Of a listed button, or where only presses come; and only there.
#[test]
fn what_cannot_be_read_at_all_may_be_a_press() {
    let may: &[(&str, &[u8], &str)] = &[
        (BUTTON, b"{\"event\":\"pre", "btn-1"),
        (BUTTON, b"\x01\x02\x7f", "btn-1"),
        (BUTTON, b"xyzzy", "btn-1"),
        (BUTTON, b"[{},7]", "btn-1"),
        (BUTTON, b"7e7e {", "btn-1"),
        ("some/where/wang", b"{\"event\":", "wang"),
        ("zigbee2mqtt/2号楼/302", b"{\"action\":\"em", "zhao"),
        ("zigbee2mqtt/stranger/action", b"%%%", "stranger"),
        ("stat/wang/RESULT", b"{\"Button1\":", "wang"),
        ("factory/x1/up", b"{", "x1"),
        ("shellies/shellybutton1-1/input_event/0", b"{\"event\":", "shellybutton1-1"),
        ("application/1/device/24e124535b123456/event/up", b"{", "wang"),
    ];
    for (topic, payload, source) in may {
        let said = told(topic, payload, false);
        let (bad, press) = said.split_once('\n').unwrap_or_else(|| panic!("{topic}: {said}"));
        assert!(bad.starts_with(&format!("{source} unreadable: ")), "{topic}: {said}");
        assert_eq!(press, format!("{source} press that nobody can read"), "{topic}");
        assert!(
            !told(topic, payload, true).contains("press that"),
            "{topic}: a retained one is old"
        );
    }
    for (topic, payload) in [
        ("x", "{"),
        ("zigbee2mqtt/stranger", "{"),
        ("zigbee2mqtt/2号楼/302/availability", "maybe"),
        ("zigbee2mqtt/bridge/devices", "["),
        ("tele/wang/LWT", "?"),
        ("stat/lamp/RESULT", "{"),
        ("application/1/device/24e124535b123456/event/join", "{"),
        ("application/1/device/0101010101010101/event/up", "{"),
        ("gridpost/s/reply", "{"),
        ("gridpost/s/gauge/wang", "{"),
        ("thing/product/1/osd", "{"),
    ] {
        let said = told(topic, payload.as_bytes(), false);
        assert!(!said.contains("press that nobody"), "{topic}: {said}");
    }
    // The officer sees its beginning, with what cannot be seen made visible.
    let payload = format!("\u{202e}\n{}", "长".repeat(300));
    let message = Message { topic: BUTTON, payload: payload.as_bytes(), retained: false, via: "b" };
    let all = tests::codecs().decode(&message, tests::now());
    let [_, Observation { body: Body::Press(press), .. }] = all.as_slice() else { panic!() };
    let crate::domain::PressForm::Unreadable { text, .. } = &press.form else { panic!() };
    assert!(text.starts_with("⟨U+202E⟩␊长长") && text.ends_with("长…"), "{text}");
}

#[test]
fn zigbee2mqtt_by_attributes_and_below_other_bases() {
    check(&[
        ("zigbee2mqtt/b1/action", "emergency", "b1 Alive through=zigbee2mqtt\nb1 press - - None"),
        ("zigbee2mqtt/b1/action", "", "b1 Alive through=zigbee2mqtt"),
        ("zigbee2mqtt/b1/action", "null", "b1 Alive through=zigbee2mqtt"),
        ("zigbee2mqtt/b1/battery", "57.0", "b1 Alive battery=57 through=zigbee2mqtt"),
        ("zigbee2mqtt/b1/linkquality", "255", "b1 Alive link=100 through=zigbee2mqtt"),
        ("zigbee2mqtt/b1/sos", "true", "b1 Alive through=zigbee2mqtt\nb1 press - - None level"),
        ("zigbee2mqtt/b1/sos", "false", "b1 Alive through=zigbee2mqtt calling=false"),
        (
            "zigbee2mqtt/2号楼/302/action",
            "single",
            "zhao Alive through=zigbee2mqtt\nzhao press - - None",
        ),
        (
            "z2m-2/2号楼/302",
            r#"{"action":"single"}"#,
            "zhao Alive through=z2m-2\nzhao press - - None",
        ),
        (
            "home/z2m/wang",
            r#"{"action":"short press"}"#,
            "wang Alive model=ws101 through=home/z2m\nwang press - - None",
        ),
        (
            "z2m-2/wang/action",
            "long press",
            "wang Alive model=ws101 through=z2m-2\nwang press - - None",
        ),
        (
            "z2m-2/stranger",
            r#"{"action":"emergency","linkquality":9}"#,
            "stranger Alive link=3 through=z2m-2\nstranger press - - None",
        ),
        ("z2m-2/bridge/state", r#"{"state":"offline"}"#, "z2m-2 Offline"),
        // A native button on a topic of its own stays one.
        ("home/wang", r#"{"event":"press","battery":5}"#, "wang press - - Some(5)"),
        (
            "zigbee2mqtt/b1",
            r#"{"sos":1.0}"#,
            "b1 Alive through=zigbee2mqtt\nb1 press - - None level",
        ),
        (
            "zigbee2mqtt/b1",
            r#"{"sos":"ON","action":null}"#,
            "b1 Alive through=zigbee2mqtt\nb1 press - - None level",
        ),
        (
            "zigbee2mqtt/b1",
            r#"{"action":"emergency","sos":true}"#,
            "b1 Alive through=zigbee2mqtt calling=true\nb1 press - - None",
        ),
        ("zigbee2mqtt/siren", r#"{"alarm":true}"#, "siren Alive through=zigbee2mqtt"),
        (
            "zigbee2mqtt/chen",
            r#"{"alarm":true}"#,
            "chen Alive through=zigbee2mqtt\nchen press - - None level",
        ),
    ]);
}

#[test]
fn tasmota_in_its_other_fashions() {
    let press = "chen Alive model=tasmota\nchen press - - None";
    check(&[
        ("stat/chen/BUTTON1", r#"{"Button1":{"Action":"SINGLE"}}"#, press),
        ("stat/chen/BUTTON1", r#"{"ACTION":"SINGLE"}"#, press),
        ("stat/chen/BUTTON1", "TOGGLE", press),
        ("stat/chen/BUTTON1", r#"{"ACTION":"CLEAR"}"#, "chen Alive model=tasmota"),
        (
            "stat/stranger/BUTTON2",
            r#"{"Button2":{"Action":"HOLD"}}"#,
            "stranger Alive model=tasmota\nstranger press - - None",
        ),
        ("chen/stat/RESULT", r#"{"Button1":{"Action":"SINGLE"}}"#, press),
        ("tasmota/chen/stat/RESULT", r#"{"Button1":{"Action":"SINGLE"}}"#, press),
        ("tasmota/stat/chen/RESULT", r#"{"Button1":{"Action":"QUAD"}}"#, press),
        ("stat/chen/RESULT", r#"{"Switch1":{"Action":"TOGGLE"}}"#, press),
        ("stat/chen/RESULT", r#"{"Switch1":{"Action":"HOLD"}}"#, press),
        (
            "stat/chen/RESULT",
            r#"{"Switch1":{"Action":"POWER_RELEASE"}}"#,
            "chen Alive model=tasmota",
        ),
        ("stat/chen/RESULT", r#"{"POWER":"ON"}"#, press),
        ("stat/chen/POWER", "ON", press),
        ("stat/chen/POWER2", "TOGGLE", press),
        ("stat/chen/POWER", "OFF", "chen Alive model=tasmota"),
        // A lamp is no button.
        ("stat/lamp/POWER", "ON", "lamp Alive model=tasmota"),
        ("tele/lamp/SENSOR", r#"{"Switch1":"ON"}"#, "lamp Alive model=tasmota"),
        (
            "tele/chen/SENSOR",
            r#"{"Switch1":"ON"}"#,
            "chen Alive model=tasmota\nchen press - - None level",
        ),
        ("tele/chen/SENSOR", r#"{"Switch1":"OFF"}"#, "chen Alive model=tasmota calling=false"),
        (
            "tele/chen/STATE",
            r#"{"POWER":"ON","Wifi":{"RSSI":"60"}}"#,
            "chen Alive link=60 model=tasmota",
        ),
        (
            "stat/chen/RESULT",
            r#"{"Button1":{"Action":"SINGLE"},"Wifi":{"RSSI":"good"}}"#,
            "chen Alive model=tasmota\nchen press - - None doubts [\"Wifi.RSSI \\\"good\\\"\"]",
        ),
    ]);
}

#[test]
fn shelly_of_both_generations() {
    let rpc = |component: &str, event: &str| {
        format!(
            r#"{{"src":"shellyplusi4-1","method":"NotifyEvent","params":{{"ts":1782874800.5,"events":[{{"component":"{component}","id":0,"event":"{event}","ts":1782874800.5}}]}}}}"#
        )
    };
    check(&[
        (
            "shellies/shellybutton1-1/input_event/0",
            r#"{"event":"S","event_cnt":3}"#,
            "shellybutton1-1 Alive model=shelly\nshellybutton1-1 press 0:3 - None",
        ),
        (
            "shellies/shellybutton1-1/input_event/0",
            r#"{"event":"LS","event_cnt":4.0}"#,
            "shellybutton1-1 Alive model=shelly\nshellybutton1-1 press 0:4 - None",
        ),
        (
            "shellies/shellybutton1-1/input_event/0",
            r#"{"event":"","event_cnt":4}"#,
            "shellybutton1-1 Alive model=shelly",
        ),
        (
            "shellies/shellybutton1-1/sensor/battery",
            "99",
            "shellybutton1-1 Alive battery=99 model=shelly",
        ),
        ("shellies/shellybutton1-1/online", "false", "shellybutton1-1 Offline model=shelly"),
        ("shellyplusi4-1/online", "true", "shellyplusi4-1 Online model=shelly"),
        (
            "shellyplusi4-1/events/rpc",
            &rpc("input:0", "single_push"),
            "shellyplusi4-1 Alive model=shelly\nshellyplusi4-1 press - 2026-07-01T03:00:00.5Z None",
        ),
        (
            "shellyplusi4-1/events/rpc",
            &rpc("input:0", "btn_up"),
            "shellyplusi4-1 Alive model=shelly",
        ),
        (
            "shellyplusi4-1/events/rpc",
            &rpc("sys", "config_changed"),
            "shellyplusi4-1 Alive model=shelly",
        ),
        (
            "shelly-gw/events/rpc",
            &rpc("bthomedevice:200", "long_push"),
            "shelly-gw Alive model=shelly\nshelly-gw press - 2026-07-01T03:00:00.5Z None",
        ),
    ]);
}

#[test]
fn lorawan_by_other_servers_and_with_doubles() {
    // v4 renders every number as a double.
    let pb01 = up("PB01", 2, r#""data":"C7gDAQD7AfY=","#).replace("\"fPort\":2", "\"fPort\":2.0");
    let said = told("application/1/device/a840411111111111/event/up", pb01.as_bytes(), false);
    assert!(
        said.ends_with(
            "li press 3ac7e3c4-4401-4b8d-9386-a5c902f9202d 2026-07-01T02:59:59.775023242Z Some(100)"
        ),
        "{said}"
    );
    let v3 = |more: &str| {
        format!(
            r#"{{"applicationID":"1","deviceName":"n","deviceProfileName":"p","devEUI":"JOEkU1sSNFY=","rxInfo":[{{"loRaSNR":-5,"time":"2026-07-01T02:59:58Z"}}],"fCnt":42.0,"fPort":85,{more}}}"#
        )
    };
    let told_v3 = |last: &str, more: &str| {
        told(&format!("application/1/device/24e124535b123456/{last}"), v3(more).as_bytes(), false)
    };
    let press =
        "wang Alive battery=16 link=50 model=ws101\nwang press 42 2026-07-01T02:59:58Z Some(16)";
    for last in ["event/up", "rx"] {
        assert_eq!(
            told_v3(
                last,
                r#""objectJSON":"{\"battery\":16.0,\"button_event\":{\"status\":\"short press\"}}""#
            ),
            press
        );
        assert_eq!(told_v3(last, r#""data":"AXUQ/y4B""#), press);
    }
    // The decoder's text is broken: the bytes are read.
    assert_eq!(
        told_v3("event/up", r#""objectJSON":"{\"bat","data":"AXUQ/y4B""#),
        format!("{press} doubts [\"objectJSON \\\"{{\\\\\\\"bat\\\"\"]")
    );
    let ttn = |payload: &str| {
        format!(
            r#"{{"end_device_ids":{{"device_id":"eui-1","dev_eui":"24E124535B123456"}},"received_at":"2026-07-01T03:00:00Z","uplink_message":{{"session_key_id":"AXb1","f_port":85,"f_cnt":7,{payload},"rx_metadata":[{{"snr":7.5}}]}}}}"#
        )
    };
    let press = "wang Alive battery=16 link=91 model=ws101\nwang press AXb1:7 2026-07-01T03:00:00Z Some(16)";
    for payload in [
        r#""frm_payload":"AXUQ/y4B""#,
        r#""decoded_payload":{"battery":16,"button_event":{"status":"short press"}}"#,
    ] {
        assert_eq!(told("v3/app@ttn/devices/eui-1/up", ttn(payload).as_bytes(), false), press);
    }
    check(&[
        ("v3/app@ttn/devices/wang/join", "{}", "wang Alive model=ws101"),
        (
            "v3/app@ttn/devices/eui-9/up",
            r#"{"uplink_message":{"decoded_payload":{"Alarm":"TRUE"}}}"#,
            "eui-9 Alive\neui-9 press :0 - None",
        ),
    ]);
    // A channel that nobody knows costs itself, and what is beside it counts.
    let more = up("p", 85, r#""data":"/y4BA2cBAA==","#);
    let said = told("application/1/device/24e124535b123456/event/up", more.as_bytes(), false);
    assert!(said.contains("wang press") && said.contains("channel 03 type 67"), "{said}");
}

#[test]
fn a_mapping_takes_a_value_in_any_form_and_decides_alone() {
    let press = "x1 Alive model=acme\nx1 press - - None";
    for value in
        ["1", "1.0", "\"1\"", "\"1.0\"", "\" 1 \"", "true", "\"TRUE\"", "[1]", "[0,1]", "01"]
    {
        let said =
            told("factory/x1/up", format!(r#"{{"data":{{"type":{value}}}}}"#).as_bytes(), false);
        assert!(said.starts_with(press), "{value}: {said}");
    }
    for value in ["0", "0.0", "false", "null", "\"\"", "\"off\""] {
        let said =
            told("factory/x1/up", format!(r#"{{"data":{{"type":{value}}}}}"#).as_bytes(), false);
        assert_eq!(said, "x1 Alive model=acme", "{value}");
    }
    for value in ["7", "\"emergency\"", "1.5"] {
        let said =
            told("factory/x1/up", format!(r#"{{"data":{{"type":{value}}}}}"#).as_bytes(), false);
        assert!(
            said.contains("unknown=[\"/data/type") && said.ends_with("kept=yes"),
            "{value}: {said}"
        );
    }
}

/// What is there under a key that carries presses, and is no word, is told and not taken for a sign
/// of life; a heartbeat that names its button is one.
#[test]
fn what_cannot_be_read_under_a_key_for_presses_is_no_sign_of_life() {
    let deep = r#"{"event":{"a":{"b":{"c":{"d":{"e":"sos"}}}}}}"#;
    let many = format!(r#"{{"event":[{}"sos"]}}"#, r#""idle","#.repeat(40));
    let unread = [
        (BUTTON, r#"{"event":{"type":3}}"#),
        (BUTTON, r#"{"event":"heartbeat","sos":{"state":1}}"#),
        (BUTTON, deep),
        (BUTTON, many.as_str()),
        ("zigbee2mqtt/chen/action", r#"{"action":{"type":3}}"#),
        ("zigbee2mqtt/zhao", r#"{"sos":{"value":1}}"#),
        ("factory/x/up", r#"{"data":{"type":{"code":1}}}"#),
    ];
    for (topic, payload) in unread {
        let message = Message { topic, payload: payload.as_bytes(), retained: false, via: "b" };
        let said = super::tests::codecs().decode(&message, super::tests::now());
        let told = said.iter().any(|one| match &one.body {
            Body::Device(report) => !report.unknown.is_empty() && report.calling.is_none(),
            Body::Unreadable(_) => true,
            _ => false,
        });
        assert!(told, "{topic} {payload}: {said:?}");
    }
    let quiet = [
        r#"{"event":"heartbeat","button":1}"#,
        r#"{"event":"heartbeat","button":"door","sos":false,"alarm":0,"panic":"off"}"#,
        r#"{"event":""}"#,
    ];
    for payload in quiet {
        assert_eq!(told(BUTTON, payload.as_bytes(), false), "btn-1 Alive", "{payload}");
    }
    let tried = told(BUTTON, br#"{"event":"test","sos":true,"alarm":1}"#, false);
    assert_eq!(tried, "btn-1 Test");
}

/// A topic of nothing but slashes costs no time, and what comes on it is kept.
#[test]
fn long_topics_cost_no_time_and_are_not_lost() {
    let began = std::time::Instant::now();
    for topic in ["/".repeat(65_000), format!("a/{}", "/".repeat(1_000)), "x".repeat(65_000)] {
        for _ in 0..10 {
            assert!(!told(&topic, br#"{"linkquality":1}"#, false).is_empty());
        }
    }
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    let message = |topic: &str| told(topic, br#"{"event":"press"}"#, false);
    let longest = format!("gridpost/s/button/{}", "b".repeat(1_024 - 18));
    assert!(message(&longest).ends_with(" press - - None"));
    let longer = format!("{longest}b");
    assert!(message(&longer).ends_with("press that nobody can read"), "{}", message(&longer));
}
