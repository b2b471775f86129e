//! Devices gone mad, or in bad hands: one that flaps, and what no device may say.

use serde_json::Value;

use crate::world::{Broker, Button, Gateway, Message, Receiver, Site, is_of, wait_for};

/// Attack 40: 104 incidents in ten seconds of one device.
#[tokio::test(flavor = "multi_thread")]
async fn a_lid_that_flaps_is_one_incident_that_counts() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Site::demo().button("btn-1").http(&receiver)).await;
    let mut lid = Button::new("btn-1", gateway.intake.unwrap());
    for _ in 0..60 {
        lid.say("btn-1", r#"{"event":"tamper"}"#).await;
        lid.say("btn-1", r#"{"event":"tamper-clear"}"#).await;
    }
    let of_lid = |data: &Value| is_of(data, "device-tamper", "btn-1");
    // What is said too often is set aside; that it came often is told.
    let counted = |data: &Value| of_lid(data) && data["detail"]["times"].as_u64() > Some(5);
    receiver.wait("that it counts", counted).await;
    let state = receiver.state().into_values().filter(of_lid).count();
    assert_eq!(state, 1, "one incident");
    let records = receiver.events().iter().filter(|event| of_lid(&event["data"])).count();
    assert!(records <= 6, "{records} records");
    // It is heard through all of it, and its end is told.
    lid.press("btn-1", 1).await;
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    lid.say("btn-1", r#"{"event":"tamper-clear"}"#).await;
    wait_for("the end", || async {
        let last = receiver.state().into_values().find(of_lid);
        last.filter(|data| data["active"] == false).map(|_| ())
    })
    .await;
    gateway.must_stop_sound().await;
}

/// Numbers and texts that no device says, in every field that is read.
const WILD: &[&str] = &[
    "18446744073709551615",
    "9223372036854775807",
    "1e308",
    "-1e308",
    "1e999",
    "-1",
    "9007199254740993",
    "null",
    "{}",
    "[]",
    "true",
    "\"9999-12-31T23:59:59Z\"",
    "\"-009999-01-02T01:59:59Z\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"+275760-09-13T00:00:00Z\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
];

/// Attack 29.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_or_text_of_a_device_ends_anything() {
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .button("btn-1")
        .gauge("rain-1")
        .drone("uav")
        .set("serial", "S1")
        .http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    let mut device = Button::new("x", gateway.intake.unwrap());
    let mut said = 0;
    for wild in WILD {
        for field in ["silent_after_s", "battery", "link", "at", "id", "tamper", "device", "event"]
        {
            let payload = format!(r#"{{"event":"heartbeat","{field}":{wild}}}"#);
            device.say("btn-1", &payload).await;
        }
        for field in ["total_mm", "mm", "level_m", "at", "battery", "rain_mm", "intensity"] {
            let payload = format!(r#"{{"total_mm":1,"{field}":{wild}}}"#);
            device.say_on("gridpost/demo/gauge/rain-1", &payload).await;
        }
        for field in ["latitude", "longitude", "height", "attitude_head", "mode_code", "elevation"]
        {
            let payload = format!(
                r#"{{"timestamp":1764438000000,"data":{{"latitude":30.9,"longitude":113.9,"height":50,"{field}":{wild}}}}}"#
            );
            device.say_on("thing/product/S1/osd", &payload).await;
        }
        said += 21;
    }
    for large in ["[".repeat(200_000), "\0".repeat(100_000)] {
        assert!(Message::new(gateway.intake.unwrap(), "gridpost/demo/button/btn-1", large).send());
    }
    device.press("btn-1", 4_711).await;
    receiver.wait("the press", |data| is_of(data, "emergency-button", "btn-1")).await;
    assert!(said > 300 && device.connects == 1, "{said}: the connection held");
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    gateway.must_stop_sound().await;
}

/// Attacks 35, 36: rows of lists were forged, and a broker hung up on a topic.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_a_device_writes_on_a_terminal_or_forges_a_row() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = Site::demo().http(&receiver).mqtt_sink("district", &broker);
    let gateway = Gateway::start(&site).await;
    let mut device = Button::new("x", gateway.intake.unwrap());
    let names = [
        r"\u001b[31mRED\u001b[2J",
        r"one\nrow-2  fine  张秀英",
        r"\u202egnp.exe",
        r"\u009b31m",
        r"a\u0000b",
        r"[click](http://x) <@all>",
        r"../../cmnd/door/POWER",
    ];
    for (n, name) in names.iter().enumerate() {
        let payload = format!(
            r#"{{"device":"{name}","event":"press","id":"{n}","battery":3,"note":"{name}"}}"#
        );
        device.say("x", &payload).await;
    }
    wait_for("all of them", || {
        let calls = receiver.state().into_values();
        let there = calls.filter(|data| data["kind"] == "emergency-button").count() == names.len();
        async move { there.then_some(()) }
    })
    .await;
    gateway.nothing_is_pending().await;
    let listed = gateway.command("devices", &[]).said()
        + &gateway.store(&["list"])
        + &gateway.store(&["ledger"])
        + &gateway.log()
        + &gateway.metrics().await;
    let hidden = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    let shown: Vec<char> = listed.chars().filter(|c| hidden(*c)).collect();
    assert!(shown.is_empty(), "{shown:?}");
    assert!(!listed.lines().any(|line| line.starts_with("row-2")), "{listed}");
}
