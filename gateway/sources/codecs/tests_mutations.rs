//! Whatever happens to a good message on its way: it is read right, or kept and told, and never settled without a trace.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    tests::{codecs, now, up},
    *,
};
use crate::domain::DeviceReport;

/// A press of every dialect, with its topic; all of buttons that are listed, or where only presses come.
fn presses() -> Vec<(&'static str, String)> {
    let native = r#"{"device":"wang","event":"press","id":"7","at":"2026-07-01T10:59:58+08:00","battery":87,"link":60}"#;
    let v3 = r#"{"deviceName":"n","fCnt":42,"fPort":85,"rxInfo":[{"loRaSNR":-5}],"objectJSON":"{\"button_event\":{\"status\":\"short press\"}}"}"#;
    let rpc = r#"{"src":"s","method":"NotifyEvent","params":{"events":[{"component":"input:0","event":"single_push","ts":1782874800.5}]}}"#;
    vec![
        ("gridpost/s/button/btn-1", native.replace("wang", "btn-1")),
        ("anywhere/wang", native.into()),
        ("zigbee2mqtt/2号楼/302", r#"{"action":"emergency","battery":100,"linkquality":131,"last_seen":1782874800123}"#.into()),
        ("zigbee2mqtt/zhao", r#"{"sos":true,"tamper":false,"battery_low":false,"battery":90}"#.into()),
        ("zigbee2mqtt/zhao/action", "emergency".into()),
        ("stat/chen/RESULT", r#"{"Button1":{"Action":"SINGLE"},"Wifi":{"RSSI":60}}"#.into()),
        ("stat/chen/BUTTON1", r#"{"ACTION":"SINGLE"}"#.into()),
        ("door-node/binary_sensor/bell/state", "ON".into()),
        ("shellies/shellybutton1-1/input_event/0", r#"{"event":"S","event_cnt":3}"#.into()),
        ("zhao/events/rpc", rpc.into()),
        ("application/1/device/24e124535b123456/event/up", up("p", 85, r#""data":"AXUQ/y4B","#)),
        ("application/1/device/24e124535b123456/event/up", up("p", 85, r#""object":{"battery":16,"button_event":{"status":"short press"}},"#)),
        ("application/1/device/24e124535b123456/rx", v3.into()),
        ("v3/a@t/devices/wang/up", r#"{"received_at":"2026-07-01T03:00:00Z","uplink_message":{"session_key_id":"k","f_cnt":7,"f_port":85,"frm_payload":"AXUQ/y4B"}}"#.into()),
        ("factory/x1/up", r#"{"data":{"type":1},"n":7,"ts":1782874800,"bat":"55%"}"#.into()),
        ("alarm", r#"{"sn":"q9","x":1}"#.into()),
    ]
}

fn decode(codecs: &Codecs, topic: &str, payload: &[u8]) -> Vec<Observation> {
    codecs.decode(&Message { topic, payload, retained: false, via: "b" }, now())
}

fn is_press(all: &[Observation]) -> bool {
    all.iter().any(|one| matches!(one.body, Body::Press(_)))
}

/// A press, something kept, a word that is told, or what the message plainly says instead: its key
/// that carries presses is gone, empty, or of another meaning.
fn leaves_a_trace(all: &[Observation]) -> bool {
    all.iter().any(|one| match &one.body {
        Body::Press(_) | Body::Unreadable(_) => true,
        Body::Device(DeviceReport { unknown, .. }) => !unknown.is_empty(),
        _ => false,
    })
}

/// Fields beside a press.
const BESIDE: &[&str] = &[
    "battery",
    "link",
    "linkquality",
    "last_seen",
    "tamper",
    "battery_low",
    "id",
    "at",
    "rxInfo",
    "time",
    "deduplicationId",
    "deviceInfo",
    "devAddr",
    "dr",
    "RSSI",
    "event_cnt",
    "ts",
    "n",
    "bat",
    "x",
    "fCnt",
    "loRaSNR",
    "received_at",
    "session_key_id",
    "f_cnt",
    "src",
    "Wifi",
    "deviceName",
    "extra",
];
/// What broken firmware writes there.
const VALUES: &[&str] = &[
    "NaN",
    "nan",
    "-Infinity",
    "null",
    "\"n/a\"",
    "\"\"",
    "[]",
    "{}",
    "[1,[2]]",
    "{\"a\":{}}",
    "true",
    "-1",
    "1e999",
    "42.0",
    "\"42\"",
    "087",
    "\"\\u0000\"",
    "undefined",
    "\"a\tb\"",
    "99999999999999999999",
    "\"\u{202e}\"",
];

/// What stands beside a press, broken in every way that a firmware knows: it costs no press.
#[test]
fn d1_no_value_beside_it_however_broken_costs_a_press() {
    let codecs = codecs();
    let mut tried = 0;
    for (topic, payload) in presses() {
        let Ok(mut plain) = serde_json::from_str::<serde_json::Value>(&payload) else { continue };
        plain["extra"] = "mark".into();
        for key in BESIDE {
            for value in VALUES {
                let Some(broken) = replaced(&plain, key, value) else { continue };
                for (before, after) in [("", ""), ("\u{feff}", "\0"), (" \r\n", "\r\n\0\0 ")] {
                    let bytes = format!("{before}{broken}{after}");
                    let all = decode(&codecs, topic, bytes.as_bytes());
                    let is_read = all.iter().any(|one| {
                        matches!(&one.body, Body::Press(press) if !matches!(press.form, crate::domain::PressForm::Unreadable { .. }))
                    });
                    assert!(is_read, "{topic} {bytes}: {all:?}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 3_000, "{tried}");
}

/// The document with another value, as text, under each key of this name.
fn replaced(plain: &serde_json::Value, key: &str, value: &str) -> Option<String> {
    let mut changed = plain.clone();
    let mut found = false;
    put(&mut changed, key, &mut found);
    found.then(|| changed.to_string().replace("\"@@\"", value))
}

fn put(value: &mut serde_json::Value, key: &str, found: &mut bool) {
    match value {
        serde_json::Value::Object(all) => {
            for (name, inner) in all.iter_mut() {
                if name == key {
                    *inner = "@@".into();
                    *found = true;
                } else {
                    put(inner, key, found);
                }
            }
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(|one| put(one, key, found)),
        _ => {}
    }
}

/// Bytes lost, turned, doubled and put in anywhere. What no longer is a press by what it plainly says
/// must still be a message that JSON can read; all else is a press, or kept.
#[test]
fn no_message_however_broken_is_settled_without_a_trace() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let codecs = codecs();
    let all = presses();
    for (topic, payload) in &all {
        assert!(is_press(&decode(&codecs, topic, payload.as_bytes())), "{topic} {payload}");
    }
    let (mut presses, mut kept, mut plain) = (0, 0, 0);
    for _ in 0..30_000 {
        let (topic, payload) = &all[random.random_range(0..all.len())];
        let bytes = broken(payload.as_bytes(), &mut random);
        let said = decode(&codecs, topic, &bytes);
        assert!(!said.is_empty());
        if is_press(&said) {
            presses += 1;
        } else if leaves_a_trace(&said) {
            kept += 1;
        } else {
            plain += 1;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let reads = json::read(&bytes).is_ok() || json::several(&bytes).is_some();
            let reads = reads || text.chars().count() <= 32;
            assert!(reads, "{topic} {text:?}: {said:?}");
        }
    }
    println!("{presses} presses, {kept} kept and told, {plain} that plainly say something else");
    assert!(presses > 20_000 && plain < 3_000, "{presses} {kept} {plain}");
}

fn broken(payload: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] = random.random(),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, random.random()),
            3 => bytes.truncate(at),
            4 => bytes[at] ^= 0x20,
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}
