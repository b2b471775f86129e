//! Home Assistant at a real broker: it finds the site by itself, sees what happens, and what is switched off is gone.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::world::{Broker, Gateway, Site, publish, wait_for};

/// What the broker keeps below these topics, as text.
fn retained(port: u16) -> BTreeMap<String, String> {
    let port = port.to_string();
    let said = Command::new("mosquitto_sub")
        .args(["-h", "localhost", "-p", &port, "-F", "%t %p", "--retained-only", "-W", "1"])
        .args(["-t", "homeassistant/#", "-t", "gridpost/demo/home/#"])
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(topic, payload)| (topic.to_owned(), payload.to_owned())).collect()
}

async fn there(
    port: u16,
    what: &str,
    wanted: impl Fn(&BTreeMap<String, String>) -> bool,
) -> BTreeMap<String, String> {
    wait_for(what, || async {
        let there = tokio::task::spawn_blocking(move || retained(port)).await.unwrap();
        wanted(&there).then_some(there)
    })
    .await
}

fn json(there: &BTreeMap<String, String>, topic: &str) -> Value {
    there.get(topic).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn site(broker: &Broker, on: bool) -> Site {
    let site = Site::demo().button("btn-1").mqtt_sink("district", broker);
    if on { site.set("home_assistant", true) } else { site }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_assistant_sees_a_press_and_nothing_of_it_stays_when_it_is_switched_off() {
    let broker = Broker::start().await;
    let mut gateway = Gateway::start(&site(&broker, true)).await;
    let found = there(broker.port, "the site to be found", |there| {
        there.contains_key("homeassistant/event/gridpost_demo/incident/config")
            && json(there, "gridpost/demo/home/sink/district")["up"] == true
    })
    .await;
    assert_eq!(found["gridpost/demo/home/online"], "online");
    assert_eq!(json(&found, "gridpost/demo/home/cases")["emergencies"], 0);
    gateway.press("btn-1", "1");
    let pressed = there(broker.port, "the press", |there| {
        json(there, "gridpost/demo/home/cases")["emergencies"] == 1
    })
    .await;
    assert_eq!(json(&pressed, "gridpost/demo/home/cases")["unaccepted"], 1);
    // A device that has told its battery has an entity of its own.
    let press = r#"{"event":"press","id":"2","battery":41}"#;
    publish(gateway.port("intake"), "gridpost/demo/button/btn-1", press);
    let told = there(broker.port, "the battery", |there| {
        json(there, "gridpost/demo/home/device/btn-1")["battery"] == 41
    })
    .await;
    let battery = json(&told, "homeassistant/sensor/gridpost_demo/device_btn-1_battery/config");
    assert_eq!(battery["device_class"], "battery", "{told:#?}");
    gateway.reload_to(&site(&broker, false)).await;
    there(broker.port, "everything to be gone", BTreeMap::is_empty).await;
    assert!(!gateway.data().join("home-assistant/district.json").exists());
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_switched_off_while_the_gateway_was_down_goes_at_its_next_start() {
    let broker = Broker::start().await;
    let gateway = Gateway::start(&site(&broker, true)).await;
    let up = |there: &BTreeMap<String, String>| {
        there.get("gridpost/demo/home/online").is_some_and(|word| word == "online")
    };
    there(broker.port, "the site", up).await;
    let folder = gateway.kill().await;
    there(broker.port, "the last will", |there| {
        there.get("gridpost/demo/home/online").is_some_and(|word| word == "offline")
    })
    .await;
    let mut gateway = Gateway::start_in(folder, &site(&broker, false), &[]).await;
    there(broker.port, "everything to be gone", BTreeMap::is_empty).await;
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_nothing_is_published_for_it() {
    let broker = Broker::start().await;
    let mut gateway = Gateway::start(&site(&broker, false)).await;
    gateway.press("btn-1", "1");
    gateway.metric_is("gridpost_delivered_total", |delivered| delivered > 0.0).await;
    assert_eq!(retained(broker.port), BTreeMap::new());
    gateway.must_stop_sound().await;
}
