//! A real mosquitto between devices, gateway and grid: nothing is lost while one of them is away.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::world::{Broker, Gateway, Receiver, wait_for};

fn publish(broker: &Broker, topic: &str, payload: &str, retain: bool) {
    let mut command = Command::new("mosquitto_pub");
    command.args([
        "-h",
        "127.0.0.1",
        "-p",
        &broker.port.to_string(),
        "-q",
        "1",
        "-t",
        topic,
        "-m",
        payload,
    ]);
    if retain {
        command.arg("-r");
    }
    assert!(command.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_presses_of_a_broker_come_through_also_those_made_while_we_were_down() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let config = format!(
        "[site]\nid = \"demo\"\n\n[[mqtt]]\nid = \"district\"\nurl = \"mqtt://127.0.0.1:{}\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        broker.port, receiver.url
    );
    // Retained and old: recorded, alarms nobody.
    publish(
        &broker,
        "gridpost/demo/button/old",
        r#"{"event":"press","id":"1","at":"2020-01-01T00:00:00Z"}"#,
        true,
    );
    let gateway = Gateway::start(&config).await;
    wait_for("the stale press", || async {
        (gateway.metric("gridpost_signals_accepted_total").await >= 1.0).then_some(())
    })
    .await;
    publish(&broker, "gridpost/demo/button/b1", r#"{"event":"press","id":"1"}"#, false);
    receiver.wait("b1", |data| data["sources"][0]["id"] == "b1").await;
    let folder = gateway.kill().await;
    publish(&broker, "gridpost/demo/button/b2", r#"{"event":"press","id":"1"}"#, false);
    let _gateway = Gateway::start_in(folder, &config, &[]).await;
    receiver.wait("b2", |data| data["sources"][0]["id"] == "b2").await;
    assert_eq!(receiver.state().len(), 2, "the stale one alarmed: {:#?}", receiver.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_the_mqtt_sink_waits_for_its_puback_over_a_broker_that_is_away() {
    let mut broker = Broker::start().await;
    broker.stop();
    let config = format!(
        "[site]\nid = \"demo\"\n\n[[sink]]\nid = \"district\"\nkind = \"mqtt\"\nbroker = \"mqtt://127.0.0.1:{}\"\n",
        broker.port
    );
    let gateway = Gateway::start(&config).await;
    let pressed = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &gateway.intake.unwrap().to_string(), "-q", "1"])
        .args(["-t", "x", "-m", r#"{"device":"b3","event":"press","id":"1"}"#])
        .status();
    assert!(pressed.unwrap().success());
    wait_for("a failed try", || async {
        (gateway.metric("gridpost_delivery_failures_total").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(gateway.metric("gridpost_delivered_total").await, 0.0);
    // A grid with a lasting session, so that nothing is missed while it connects.
    broker.restart().await;
    let mut grid = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-q", "1", "-C", "1"])
        .args(["-t", "gridpost/demo/incident/emergency-button"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(grid.stdout.take().unwrap()).lines();
    // If the first record went out before the grid listened, the next press tells as well.
    for id in 2..10 {
        let press = format!(r#"{{"device":"b3","event":"press","id":"{id}"}}"#);
        let port = gateway.intake.unwrap().to_string();
        let pressed = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "x", "-m", &press])
            .status();
        assert!(pressed.unwrap().success());
    }
    let event: Value = serde_json::from_str(&lines.map(Result::unwrap).next().unwrap()).unwrap();
    grid.wait().unwrap();
    assert_eq!(event["data"]["sources"][0]["id"], "b3");
    wait_for("everything delivered", || async {
        (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
}
