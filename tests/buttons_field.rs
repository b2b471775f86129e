//! What buttons of the field really send, by replay and over a real broker: each press is heard, and nothing is acknowledged without a trace.

use serde_json::{Value, json};

use crate::world::{Broker, Gateway, Receiver, Replay, Site, grids, is_of, wait_for};

/// Buttons of every dialect.
fn site() -> Site {
    Site::demo()
        .set("grids", grids())
        .set("place", [113.9131, 30.9223])
        .button("native")
        .button("gate")
        .set("device", "门卫室")
        .set("model", "ts0215a")
        .button("plug")
        .button("contact")
        .set("device", "aa11")
        .set("model", "contact")
        .device_model("contact")
        .set("topic", "application/9/device/+/event/up")
        .set("action", "/object/digitalInput/11")
        .set("press", ["1"])
}

/// Signals a minute apart, for each device.
fn played(signals: &[(&str, Value)]) -> Vec<String> {
    let line = |(n, (topic, payload)): (usize, &(&str, Value))| {
        let at = format!("2026-07-01T{:02}:{:02}:00+08:00", 10 + n / 60, n % 60);
        json!({"at": at, "via": "mqtt", "topic": topic, "payload": payload}).to_string() + "\n"
    };
    let lines: String = signals.iter().enumerate().map(line).collect();
    let played = Replay::of(&site()).signals(&lines).run();
    let told = |data: &Value| {
        let part = |key: &str| data[key].as_str().unwrap_or("-").to_owned();
        let source = data["sources"][0]["id"].as_str().unwrap();
        format!("{} {} {} {source}", part("kind"), data["severity"], part("what"))
    };
    played.events.iter().map(|event| told(&event["data"])).collect()
}

/// So many presses of one source: the first one opens, the others are told at once.
fn presses(source: &str, count: usize) -> Vec<String> {
    let what = |n| if n == 0 { "opened" } else { "updated" };
    (0..count).map(|n| format!("emergency-button 1 {} {source}", what(n))).collect()
}

#[test]
fn a_native_press_is_heard_whatever_stands_around_it() {
    let topic = "gridpost/demo/button/native";
    let heard = [
        json!("{\"event\":\"press\",\"id\":\"1\"}\u{0}"),
        json!("\u{feff}{\"event\":\"press\",\"id\":\"2\"}"),
        json!("{\"event\":\"press\",\"id\":\"3\",\"battery\":NaN}"),
        json!("{\"event\":\"press\",\"id\":\"4\",}"),
        json!("{\"event\":\"PRESS\",\"id\":5.0,\"battery\":\"87\",\"at\":\"2026-07-01 10:05:00\"}"),
        json!("press"),
    ];
    let signals = heard.clone().map(|payload| (topic, payload));
    assert_eq!(played(&signals), presses("native", heard.len()));
    let told = played(&[(topic, json!("{\"event\":\"pre")), (topic, json!("@@"))]);
    // What follows more than a minute later is told there too.
    let again = "emergency-button 2 updated native";
    assert_eq!(told, ["device-fault 3 opened native", "emergency-button 2 opened native", again]);
}

#[test]
fn radio_and_wifi_in_the_fashions_of_the_field() {
    let gate = |payload: Value| ("zigbee2mqtt/门卫室", payload);
    let told = played(&[
        ("zigbee2mqtt/门卫室/action", json!("emergency")),
        ("zigbee2mqtt/门卫室/battery", json!("100")),
        gate(json!({"action": "", "battery": 100})),
        gate(json!({"action": null})),
        gate(json!({"action": "emergency", "battery": "n/a"})),
        ("z2m-floor2/门卫室", json!({"action": "emergency", "linkquality": 131.0})),
        ("home/z2m/门卫室/action", json!("emergency")),
    ]);
    assert_eq!(told, presses("gate", 4));
    let plug = |topic, payload: &str| (topic, json!(payload));
    let told = played(&[
        plug("stat/plug/BUTTON1", r#"{"Button1":{"Action":"SINGLE"}}"#),
        plug("stat/plug/BUTTON1", r#"{"ACTION":"DOUBLE"}"#),
        plug("plug/stat/RESULT", r#"{"Button1":{"Action":"HOLD"}}"#),
        plug("stat/plug/RESULT", r#"{"Switch1":{"Action":"TOGGLE"}}"#),
        plug("stat/plug/RESULT", r#"{"Switch1":{"Action":"HOLD"}}"#),
        plug("stat/plug/RESULT", r#"{"Button1":{"Action":"CLEAR"}}"#),
        plug("stat/plug/RESULT", r#"{"POWER":"ON"}"#),
        plug("stat/plug/RESULT", r#"{"POWER":"OFF"}"#),
    ]);
    assert_eq!(told, presses("plug", 6));
    let contact = |value: Value| {
        ("application/9/device/aa11/event/up", json!({"object": {"digitalInput": {"11": value}}}))
    };
    let told = played(&[
        contact(json!(1.0)),
        contact(json!(1)),
        contact(json!(0.0)),
        contact(json!("1")),
        contact(json!(2)),
    ]);
    let mut expected = presses("contact", 3);
    expected.push("device-fault 3 opened contact".into());
    assert_eq!(told, expected);
}

#[test]
fn the_same_id_with_another_time_is_another_press() {
    let topic = "gridpost/demo/button/native";
    let press = |at: &str| (topic, json!({"event": "press", "id": "1", "at": at}));
    let told = played(&[
        press("2026-07-01T10:00:00+08:00"),
        press("2026-07-01T10:00:00+08:00"),
        press("2026-07-03T22:15:00+08:00"),
    ]);
    assert_eq!(told, presses("native", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_what_nobody_can_read_is_kept_and_told_and_a_state_that_calls_is_known_after_a_kill() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = site()
        .button("feibit")
        .mqtt_source("radio", &broker)
        .set("topics", ["zigbee2mqtt/#", "gridpost/demo/#"])
        .http(&receiver);
    let gateway = Gateway::start(&site).await;
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= 1.0).await;
    let sos = || broker.publish("zigbee2mqtt/feibit", r#"{"sos":true,"battery":90}"#);
    sos();
    receiver.wait("the press", |data| is_of(data, "emergency-button", "feibit")).await;
    broker.publish("gridpost/demo/button/native", "{\"event\":\"pr\u{1b}");
    broker.publish("zigbee2mqtt/门卫室", r#"{"action":"brightness_move_up"}"#);
    let event =
        receiver.wait("what cannot be read", |data| data["detail"]["unreadable"] == true).await;
    let data = &event["data"];
    assert_eq!(
        (&data["severity"], &data["kind"]),
        (&2.into(), &"emergency-button".into()),
        "{data}"
    );
    assert_eq!(data["detail"]["payload"], "{\"event\":\"pr␛");
    receiver.wait("the word", |data| is_of(data, "device-fault", "gate")).await;
    // Both are kept, and the table says what it was.
    let kept = gateway.store(&["list", "--quarantine"]);
    assert!(kept.contains("brightness_move_up") && kept.contains("not JSON"), "{kept}");
    let shown = wait_for("the table on disk", || async {
        let shown = gateway.command("devices", &["--ill"]).stdout;
        shown.contains("brightness_move_up").then_some(shown)
    })
    .await;
    assert!(shown.contains("not understood: 1 unreadable, 0 unknown words"), "{shown}");
    assert!(shown.contains("not understood: 0 unreadable, 1 unknown words"), "{shown}");
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= 1.0).await;
    let before = receiver.state().len();
    sos();
    gateway.metric_is("gridpost_signals_duplicate_total", |count| count >= 1.0).await;
    assert_eq!(receiver.state().len(), before, "it is the press of before the kill");
}
